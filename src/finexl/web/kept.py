"""The pictures that a run's page shows: example pairs and where they changed, small, kept whole.

page/pairs.json         what there is
page/3-base.webp        a pair's pictures, at most 256 pixels
page/3-heat-0.png       where the pair changed along the first aspect: the denser, the more
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

from finexl.catalog import Thumbnail
from finexl.embedding import Progress
from finexl.explanation import Explanation
from finexl.files import write_atomic
from finexl.report.html import DENSEST, HEAT, PAIRS_PER_ASPECT, PICTURE_SIDE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from finexl.pipeline import Explained

FOLDER = "page"
MOST_PAIRS = 40


@dataclass(frozen=True)
class Kept:
    """What is kept of a run's pairs."""

    captions: Mapping[int, str]
    """By the pair's index."""
    heat: frozenset[tuple[int, str]]
    """The pairs and concepts with a heat map."""


def examples(explanation: Explanation) -> list[int]:
    """Return the pairs worth showing: every aspect's first, every second, and so on, each once."""
    listed = [a.examples[:PAIRS_PER_ASPECT] for a in (*explanation.aspects, *explanation.less)]
    found = dict.fromkeys(i for rank in zip_longest(*listed) for i in rank if i is not None)
    return list(found)[:MOST_PAIRS]


def keep_pictures(explained: Explained, run: Path, progress: Progress = lambda *_: None) -> None:
    """Write the pictures of a run's example pairs, and where they changed, into its folder."""
    explanation = explained.explanation
    folder = run / FOLDER
    folder.mkdir()
    shown = examples(explanation) if explained.pairs else []
    captions = {}
    for done, index in enumerate(shown):
        base, personalized, captions[index] = explained.pictures(index)
        for side, picture in (("base", base), ("personalized", personalized)):
            write_atomic(folder / picture_name(index, side), _small(picture))
        progress("Keeping example pairs", done + 1, len(shown))
    heat = []
    aspects = (*explanation.aspects, *explanation.less)
    for number, aspect in enumerate(aspects):
        drawn = [i for i in aspect.examples[:PAIRS_PER_ASPECT] if i in captions]
        for index, content in _overlays(explained, aspect.concept, drawn):
            write_atomic(folder / heat_name(index, number), content)
            heat.append((index, aspect.concept))
        progress("Finding where they changed", number + 1, len(aspects))
    listed = {"captions": list(captions.items()), "heat": heat}
    write_atomic(folder / "pairs.json", json.dumps(listed, ensure_ascii=False))


def read_kept(run: Path) -> Kept:
    """Return what is kept of a run's pairs: nothing, of a run that was not made here."""
    try:
        listed = json.loads((run / FOLDER / "pairs.json").read_text(encoding="utf-8"))
        captions = {int(index): str(caption) for index, caption in listed["captions"]}
        return Kept(captions, frozenset((int(i), str(c)) for i, c in listed["heat"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Kept({}, frozenset())


def thumbnails_of(run: Path, kept: Kept) -> tuple[Thumbnail, ...]:
    """Return what is kept of a run's pairs as a catalog keeps it."""
    sides: tuple[Literal["base", "personalized"], ...] = ("base", "personalized")
    return tuple(
        Thumbnail(side, index, caption, (run / FOLDER / picture_name(index, side)).read_bytes())
        for index, caption in kept.captions.items()
        for side in sides
    )


def picture_name(index: int, side: str) -> str:
    """Return the file of a pair's picture."""
    return f"{index}-{side}.webp"


def heat_name(index: int, aspect: int) -> str:
    """Return the file of a pair's heat map, by the aspect's number."""
    return f"{index}-heat-{aspect}.png"


def _small(picture: Image.Image) -> bytes:
    small = picture.convert("RGB")
    small.thumbnail((PICTURE_SIDE, PICTURE_SIDE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    small.save(file, "WEBP", quality=85)
    return file.getvalue()


def _overlays(
    explained: Explained, concept: str, indices: list[int]
) -> Iterator[tuple[int, bytes]]:
    """Yield each pair's heat map, on one scale, so that an aspect's pairs can be compared."""
    found = {index: explained.heat(index, concept) for index in indices}
    maps: dict[int, NDArray[np.floating[Any]]] = {i: m for i, m in found.items() if m is not None}
    most = max((float(values.max()) for values in maps.values()), default=0.0)
    for index, values in maps.items():
        part = np.clip(values / most, 0.0, 1.0) if most > 0 else np.zeros(values.shape)
        pixels = np.empty((*values.shape, 4), dtype=np.uint8)
        pixels[..., :3] = HEAT
        pixels[..., 3] = np.rint(255 * DENSEST * part)
        file = io.BytesIO()
        Image.fromarray(pixels, "RGBA").save(file, "PNG", optimize=True)
        yield index, file.getvalue()
