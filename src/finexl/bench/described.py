"""Sets of images whose change is known in words: what the concept experiment is scored on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from finexl.bench.data.graded import read_levels
from finexl.bench.properties import PICTURES
from finexl.errors import UsageError
from finexl.images import load_image
from finexl.imageset import ImageSet, images_from
from finexl.operators import OPERATORS, apply


@dataclass(frozen=True)
class Described:
    """Two sets of images, and the words for how they differ."""

    description: str
    base: ImageSet
    personalized: ImageSet


def operated(seed: int) -> list[Described]:
    """Return the packaged photographs changed by each operator at full strength, and its name."""
    pictures = [load_image(path) for path in sorted(PICTURES.glob("*.jpg"))]
    base = images_from(pictures, "photographs")
    found = []
    for number, (name, operator) in enumerate(OPERATORS.items()):
        rng = np.random.default_rng([seed, number])
        changed = [apply(picture, name, 1.0, rng) for picture in pictures]
        found.append(Described(operator.phrases[0], base, images_from(changed, name)))
    return found


def read_described(path: Path) -> list[Described]:
    """Read sets as `read_levels` does, the levels aside: each needs a base, and words of its own.

    Raises:
        UsageError: as `read_levels`; a set without a base, or two of one description.
    """
    found = []
    for one in read_levels(path):
        if one.base is None:
            raise UsageError(f"{path} gives {one.name!r} no base to compare it with.")
        found.append(Described(one.description, one.base, one.personalized))
    return distinct(found, path)


def distinct(sets: Sequence[Described], path: Path) -> list[Described]:
    """Refuse two sets of one description: neither would be the wrong answer.

    Raises:
        UsageError: a description that comes twice.
    """
    seen: set[str] = set()
    for one in sets:
        if one.description.casefold() in seen:
            raise UsageError(
                f"{path} describes two sets as {one.description!r}; give each its own."
            )
        seen.add(one.description.casefold())
    return list(sets)
