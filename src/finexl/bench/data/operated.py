"""Photographs under image operators at graded levels, one operator or several at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from finexl.bench.data.graded import Aspect, Graded
from finexl.bench.data.layout import (
    BASE,
    Entry,
    Line,
    claim,
    is_written,
    slug,
    write_manifest,
    write_picture,
    write_truth,
)
from finexl.cache import key_of
from finexl.errors import UsageError
from finexl.images import Picture
from finexl.imageset import ImageSet
from finexl.operators import OPERATORS, apply

SIDE = 512
"""The longer side that photographs are scaled down to."""
MOST = 10_000
"""Combinations of levels."""
Mixture = Mapping[str, float]
"""Levels in [0, 1] by operator, applied in this order."""
Progress = Callable[[str, int, int], None]


def ladder(operator: str, levels: int) -> list[Mixture]:
    """Return l / L for l = 1 … L: one aspect, varying levels (Appendix C, scenario 1)."""
    return [{operator: level / levels} for level in range(1, levels + 1)]


def grid(operators: Sequence[str], levels: int) -> list[Mixture]:
    """Return every combination of levels 1/L … 1, several aspects at once (scenario 2).

    Raises:
        UsageError: over 10,000 of them.
    """
    if levels ** len(operators) > MOST:
        raise UsageError(
            f"{len(operators)} operators at {levels} levels have more than {MOST:,} combinations; "
            "give fewer."
        )
    steps = [level / levels for level in range(1, levels + 1)]
    return [
        dict(zip(operators, levels_of, strict=True))
        for levels_of in itertools.product(steps, repeat=len(operators))
    ]


def photographs(images: ImageSet, side: int = SIDE) -> ImageSet:
    """Open a set's pictures, scaled down; each has a seed, which pairs it with what is made of it.

    Raises:
        ImageError: one cannot be opened.
    """
    pictures = []
    for number, picture in enumerate(images.pictures):
        opened = picture.open()
        opened.thumbnail((side, side), Image.Resampling.LANCZOS)
        seed = number if picture.seed is None else picture.seed
        pictures.append(Picture(picture.key, opened, picture.prompt, seed))
    return replace(images, kind="images", pictures=tuple(pictures))


def operated(base: ImageSet, mixture: Mixture, seed: int = 0) -> Graded:
    """Return the pictures changed by a mixture of operators, in memory.

    An operator's strokes and grain on a picture are the same at all levels and in all mixtures:
    only the level differs.

    Args:
        base: as `photographs` gives it.
        mixture: levels by operator; 0 leaves a picture as it is.
        seed: of the operators' draws.

    Raises:
        UsageError: no such operator, or a level outside [0, 1].
    """
    _check([mixture])
    pictures = []
    for number, picture in enumerate(base.pictures):
        changed = picture.open()
        for name, level in mixture.items():
            rng = np.random.default_rng([seed, number, int(key_of(name)[:8], 16)])
            changed = apply(changed, name, level, rng)
        pictures.append(replace(picture, source=changed))
    name = name_of(mixture)
    return Graded(name, _aspects(mixture), ImageSet(name, "images", tuple(pictures)), base)


def operated_levels(base: ImageSet, mixtures: Sequence[Mixture], seed: int = 0) -> Iterator[Graded]:
    """Yield the pictures under each mixture, one in memory at a time."""
    return (operated(base, mixture, seed) for mixture in mixtures)


def write_operated(
    images: ImageSet,
    mixtures: Sequence[Mixture],
    folder: Path,
    *,
    seed: int = 0,
    side: int = SIDE,
    progress: Progress = lambda *_: None,
) -> Path:
    """Write the pictures under each mixture, and themselves as the base. Returns truth.csv.

    Raises:
        UsageError: as `operated`, or the folder holds something else.
    """
    _check(mixtures)
    base = photographs(images, side)
    claim(
        folder,
        {
            "dataset": "operators",
            "photographs": key_of(*(picture.digest() for picture in images.pictures)),
            "mixtures": [dict(mixture) for mixture in mixtures],
            "seed": seed,
            "side": side,
        },
    )
    _write(folder / BASE, base)
    entries = []
    for number, mixture in enumerate(mixtures):
        progress("Operators", number, len(mixtures))
        where = folder / name_of(mixture)
        if not is_written(where):
            _write(where, operated(base, mixture, seed).personalized)
        entries.append(Entry(where.name, _aspects(mixture), where.name, BASE))
    progress("Operators", len(mixtures), len(mixtures))
    return write_truth(folder, entries)


def name_of(mixture: Mixture) -> str:
    """Return a mixture's name: operators and levels in percent."""
    return slug(" ".join(f"{name} {100 * level:.4g}" for name, level in mixture.items()))


def _aspects(mixture: Mixture) -> tuple[Aspect, ...]:
    return tuple(Aspect(OPERATORS[key].phrases[0], level) for key, level in mixture.items())


def _check(mixtures: Sequence[Mixture]) -> None:
    names = dict.fromkeys(name for mixture in mixtures for name in mixture)
    unknown = [name for name in names if name not in OPERATORS]
    if unknown:
        raise UsageError(
            f"There is no operator {unknown[0]!r}; choose from {', '.join(OPERATORS)}."
        )
    if not mixtures or not all(mixtures):
        raise UsageError("Give at least one operator and one level.")


def _write(folder: Path, images: ImageSet) -> None:
    lines = []
    for number, picture in enumerate(images.pictures):
        file = f"{number:05}.png"
        write_picture(folder / file, picture.open())
        lines.append(Line(file, picture.prompt, picture.seed, {"photograph": picture.key}))
    write_manifest(folder, lines)
