"""Small pictures of the pairs that show an explanation's aspects best."""

from __future__ import annotations

import io
import itertools
from contextlib import suppress

from PIL import Image

from finexl.catalog.entry import Thumbnail
from finexl.images import ImageError
from finexl.pipeline import Explained

PAIRS = 6
SIDE = 256
"""Pixels, at most."""
_QUALITY = 80


def thumbnails_of(explained: Explained, count: int = PAIRS) -> tuple[Thumbnail, ...]:
    """Return the example pairs of the strongest aspects, each aspect's first one before any second.

    Unpaired sets have none; a picture that is gone by now is left out with its pair.
    """
    explanation = explained.explanation
    aspects = sorted(
        (*explanation.aspects, *explanation.less), key=lambda aspect: -abs(aspect.score)
    )
    by_turns = itertools.zip_longest(*(aspect.examples for aspect in aspects))
    each = dict.fromkeys(i for turn in by_turns for i in turn if i is not None)
    chosen = [*each, *(i for i in range(len(explained.pairs)) if i not in each)][:count]
    found: list[Thumbnail] = []
    for index in sorted(chosen):
        with suppress(ImageError):
            base, personalized, caption = explained.pictures(index)
            found += [
                Thumbnail("base", index, caption, _small(base)),
                Thumbnail("personalized", index, caption, _small(personalized)),
            ]
    return tuple(found)


def _small(picture: Image.Image) -> bytes:
    picture = picture.convert("RGB")
    picture.thumbnail((SIDE, SIDE))
    written = io.BytesIO()
    picture.save(written, "WEBP", quality=_QUALITY)
    return written.getvalue()
