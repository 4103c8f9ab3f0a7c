"""Small pictures of the pairs that show an explanation's aspects best."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from contextlib import suppress

from PIL import Image

from finexl.catalog.entry import Thumbnail
from finexl.explanation import Explanation
from finexl.images import ImageError

PAIRS = 6
SIDE = 256
"""Pixels, at most."""
_QUALITY = 80

Pictures = Callable[[int], tuple[Image.Image, Image.Image, str]]
"""A pair's index -> its first base and personalized picture, and what made them."""


def thumbnails_of(
    explanation: Explanation, pictures: Pictures, count: int = PAIRS
) -> tuple[Thumbnail, ...]:
    """Return the example pairs of the strongest aspects, each aspect's first one before any second.

    Unpaired sets have none; a pair of which a picture is gone by now is left out.
    """
    aspects = sorted(
        (*explanation.aspects, *explanation.less), key=lambda aspect: -abs(aspect.score)
    )
    by_turns = itertools.zip_longest(*(aspect.examples for aspect in aspects))
    each = dict.fromkeys(i for turn in by_turns for i in turn if i is not None)
    chosen = [*each, *(i for i in range(explanation.n_pairs) if i not in each)][:count]
    found: list[Thumbnail] = []
    for index in sorted(chosen):
        with suppress(ImageError):
            base, personalized, caption = pictures(index)
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
