"""A set of images whose difference from its base is known: in words, and by how much."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from finexl.errors import UsageError
from finexl.imageset import ImageSet, read_images

TRUTH = "truth.csv"
COLUMNS = ("description", "base", "personalized")
_NEEDED = ("description", "personalized")
_MAX_BYTES = 64_000_000


@dataclass(frozen=True)
class Aspect:
    """What a set has more of than its base."""

    words: str
    level: float
    """How much: 0 is none of it. Levels of one aspect compare with each other alone."""


@dataclass(frozen=True)
class Graded:
    """A set of images, its aspects, and what it differs from."""

    name: str
    aspects: tuple[Aspect, ...]
    personalized: ImageSet
    base: ImageSet | None = None
    """None where the set is only there to personalize a model on."""

    @property
    def description(self) -> str:
        """The words of all aspects that it has any of."""
        return ", ".join(aspect.words for aspect in self.aspects if aspect.level > 0)

    @property
    def levels(self) -> Mapping[str, float]:
        """The levels by the aspects' words."""
        return {aspect.words: aspect.level for aspect in self.aspects}


def read_levels(where: Path) -> list[Graded]:
    """Read sets of known levels: a folder with truth.csv, or any .csv of that form.

    A line has `description`, `base` and `personalized` (folders or manifests, relative to the file;
    `base` may be empty), and may have `level` (1 where it is not said) and `name`. Lines of one
    name are one set with several aspects.

    Raises:
        UsageError: it cannot be read, a column is missing, a line is incomplete or contradicts
            another of its name, a level is no number from 0 on, or images cannot be found.
    """
    path = where / TRUTH if where.is_dir() else where
    rows = _rows(path)
    images = cache(lambda folder: read_images(path.parent / folder))
    found: dict[str | int, Graded] = {}
    sides: dict[str | int, tuple[str, str]] = {}
    for line, row in rows:
        folders = row["base"], row["personalized"]
        name = row.get("name") or line  # without a name each line is a set
        if sides.setdefault(name, folders) != folders:
            raise UsageError(f"{path} at line {line} gives {name!r} other images than before.")
        before = found[name].aspects if name in found else ()
        if any(aspect.words == row["description"] for aspect in before):
            raise UsageError(
                f"{path} at line {line} gives {name!r} the aspect {row['description']!r} again."
            )
        base, personalized = (images(folder) if folder else None for folder in folders)
        assert personalized is not None  # `_rows` has seen to it
        aspects = (*before, Aspect(row["description"], _level(path, line, row.get("level", ""))))
        shown = row.get("name") or row["description"]
        found[name] = Graded(shown, aspects, personalized, base)
    return list(found.values())


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise UsageError(f"{path} is larger than 64 MB; split it.")
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = (getattr(error, "strerror", None) or str(error)).lower()
        raise UsageError(f"{path} cannot be read: {why}.") from error
    if not rows or any(column not in rows[0][1] for column in COLUMNS):
        raise UsageError(f"{path} needs the columns {', '.join(COLUMNS)}, and a row for each set.")
    found = []
    for line, row in rows:
        cells = {key: " ".join((value or "").split()) for key, value in row.items() if key}
        if not all(cells[column] for column in _NEEDED):
            raise UsageError(f"{path} at line {line} lacks one of {', '.join(_NEEDED)}.")
        found.append((line, cells))
    return found


def _level(path: Path, line: int, text: str) -> float:
    try:
        level = float(text or 1)
    except ValueError:
        level = math.nan
    if not 0 <= level < math.inf:
        raise UsageError(f"{path} at line {line} has no level from 0 on: {text[:40]!r}.")
    return level
