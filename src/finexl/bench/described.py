"""Sets of images whose change is known in words: what the concept experiment is scored on."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from finexl.bench.properties import PICTURES
from finexl.errors import UsageError
from finexl.images import load_image
from finexl.imageset import ImageSet, images_from, read_images
from finexl.operators import OPERATORS, apply

COLUMNS = ("description", "base", "personalized")


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
    """Read a .csv with `description`, `base`, `personalized`; paths are relative to the file.

    Raises:
        UsageError: it cannot be read, a column is missing, or a row names no images.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = (getattr(error, "strerror", None) or str(error)).lower()
        raise UsageError(f"{path} cannot be read: {why}.") from error
    if not rows or any(column not in rows[0] for column in COLUMNS):
        raise UsageError(f"{path} needs the columns {', '.join(COLUMNS)}, and a row for each set.")
    found = []
    for line, row in enumerate(rows, start=2):
        values = [" ".join((row[column] or "").split()) for column in COLUMNS]
        if not all(values):
            raise UsageError(f"{path} at line {line} lacks one of {', '.join(COLUMNS)}.")
        found.append(
            Described(
                values[0],
                read_images(path.parent / values[1]),
                read_images(path.parent / values[2]),
            )
        )
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
