"""Where everything in small plots of results goes: geometry alone, the templates draw it.

    ladders     levels against scores, a small picture for each method
    confusions  true against read coordinates, one for each method

A result whose details do not say what a plot needs is not drawn.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from finexl.bench.report.findings import numbers, table_of_numbers
from finexl.bench.report.wording import natural, signed
from finexl.bench.results import Result
from finexl.bench.scoring import Array, level_shares
from finexl.bench.tables import OURS

WIDTH, HEIGHT, EDGE = 160.0, 100.0, 5.0
"""Of a ladder, in its own units."""
TRIALS = 60
"""At most so many trials are drawn of a ladder; the mean is over all."""
COORDINATES = 27
"""Where there are more, a confusion is of the levels, over all aspects."""
SHADES = 8
"""Of a confusion's cells, the last is 1."""


@dataclass(frozen=True)
class Ladder:
    """A method's scores by level, each trial's from its least (bottom) to its greatest."""

    label: str
    trials: str
    """Every trial's line, as one path."""
    mean: str
    n: int


@dataclass(frozen=True)
class Confusion:
    """A method's answers: rows true, columns read."""

    label: str
    rows: int
    columns: int
    shades: tuple[tuple[float, str], ...]
    """How strong, and a path over the cells that are so."""
    right: str
    """A path around the cells where what is read is true."""
    accuracy: str


@dataclass(frozen=True)
class Picture:
    """Small pictures of one column, side by side."""

    title: str
    about: str
    ladders: tuple[Ladder, ...] = ()
    confusions: tuple[Confusion, ...] = ()


def pictures_of(results: Sequence[Result]) -> tuple[Picture, ...]:
    """Return the ladders of each family at its most levels, and the confusions of each column."""
    columns: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        columns.setdefault((result.column, result.measure), []).append(result)
    places = sorted(columns, key=lambda place: natural(place[0]))
    largest = {
        column.partition(",")[0]: column for column, measure in places if measure == "rank error"
    }  # the last of a family has the most levels
    drawn = []
    for column, measure in places:
        some = columns[column, measure]
        if measure == "rank error" and column in largest.values():
            drawn.append(_ladders(column, some))
        if measure == "coordinate accuracy":
            drawn.append(_confusions(column, some))
    return tuple(one for one in drawn if one.ladders or one.confusions)


def _ladders(column: str, results: Sequence[Result]) -> Picture:
    found = (ladder(*row) for row in _rows(results))
    about = "Across: the true level. Up: the score. Thin: a trial; bold: their mean."
    return Picture(column, about, ladders=tuple(one for one in found if one is not None))


def _confusions(column: str, results: Sequence[Result]) -> Picture:
    found = (confusion(*row) for row in _rows(results))
    what = "level" if _too_many(results) else "coordinate"
    about = (
        f"Down: the true {what}. Across: the {what} that is read. Outlined: where both agree. "
        "The stronger, the more often."
    )
    return Picture(column, about, confusions=tuple(one for one in found if one is not None))


def _rows(results: Sequence[Result]) -> list[tuple[str, list[Result]]]:
    rows: dict[str, list[Result]] = {}
    for result in results:
        rows.setdefault(result.row, []).append(result)
    return sorted(rows.items(), key=lambda row: not row[0].startswith(OURS))


def ladder(label: str, results: Sequence[Result]) -> Ladder | None:
    """Lay out one method's scores by level; None where no result has any.

    A trial's scores go from 0 to 1, equal ones lie in the middle; its seeds are averaged.
    """
    trials: dict[str, list[Array]] = {}
    for result in results:
        levels = numbers(result.details.get("levels"))
        scores = numbers(result.details.get("scores"))
        if levels and scores and len(levels) == len(scores) > 1:
            order = np.argsort(levels, kind="stable")
            both = np.stack([_spread(levels)[order], _spread(scores)[order]], axis=1)
            trials.setdefault(result.trial, []).append(both)
    lines = [
        np.mean(seeds, axis=0) for seeds in trials.values() if len({len(s) for s in seeds}) == 1
    ]
    longest = max(map(len, lines), default=0)
    lines = [line for line in lines if len(line) == longest]
    if not lines:
        return None
    drawn = "".join(_line(line) for line in lines[:TRIALS])
    return Ladder(label, drawn, _line(np.mean(lines, axis=0)), len(lines))


def _spread(values: Sequence[float]) -> Array:
    """Return values from 0 to 1; 0.5 where all are equal."""
    x = np.asarray(values, dtype=np.float64)
    width = float(x.max() - x.min())
    spread: Array = (x - x.min()) / width if width > 0 else np.full(len(x), 0.5)
    return spread


def _line(points: Array) -> str:
    x = EDGE + points[:, 0] * (WIDTH - 2 * EDGE)
    y = HEIGHT - EDGE - points[:, 1] * (HEIGHT - 2 * EDGE)
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))


def _too_many(results: Sequence[Result]) -> bool:
    """Say whether the full grid of some trial has more than COORDINATES."""
    for result in results:
        levels = table_of_numbers(result.details.get("levels"))
        if levels and math.prod(len(set(column)) for column in zip(*levels, strict=True)) > (
            COORDINATES
        ):
            return True
    return False


def confusion(label: str, results: Sequence[Result]) -> Confusion | None:
    """Lay out how often each coordinate was read as each; None where no result has any.

    Rows are the coordinates that there are, columns the full grid, both counted up with the last
    aspect fastest. Each row's cells are parts of 1.
    """
    sums: dict[tuple[tuple[int, ...], tuple[int, ...]], float] = {}
    by_level = _too_many(results)
    for result in results:
        levels = table_of_numbers(result.details.get("levels"))
        scores = table_of_numbers(result.details.get("scores"))
        if not levels or not scores or np.shape(levels) != np.shape(scores):
            continue
        truth = np.array([np.unique(a, return_inverse=True)[1] for a in zip(*levels, strict=True)])
        read = [
            level_shares(list(own), list(at))
            for own, at in zip(zip(*scores, strict=True), truth, strict=True)
        ]
        for true, answer, share in _levels(truth, read) if by_level else _grid(truth, read):
            sums[true, answer] = sums.get((true, answer), 0.0) + share
    if not sums:
        return None
    rows = sorted({true for true, _ in sums})
    columns = sorted({*rows, *itertools.product(*(sorted({*a}) for a in zip(*rows, strict=True)))})
    table = np.array([[sums.get((true, read), 0.0) for read in columns] for true in rows])
    table /= table.sum(axis=1, keepdims=True)
    right = [(i, columns.index(true)) for i, true in enumerate(rows)]
    accuracy = sum(table[at] for at in right) / len(right)
    return Confusion(
        label,
        len(rows),
        len(columns),
        tuple(_shades(table)),
        "".join(_cell(*at) for at in right),
        signed(float(accuracy), 2),
    )


Answers = Iterable[tuple[tuple[int, ...], tuple[int, ...], float]]


def _levels(truth: np.ndarray[tuple[int, ...], np.dtype[np.intp]], read: list[Array]) -> Answers:
    """Yield (true, read, share) of every model's every aspect."""
    for at, shares in zip(truth, read, strict=True):
        for true, row in zip(at, shares, strict=True):
            yield from (((int(true),), (n,), float(share)) for n, share in enumerate(row) if share)


def _grid(truth: np.ndarray[tuple[int, ...], np.dtype[np.intp]], read: list[Array]) -> Answers:
    """Yield (true, read, share) of every model's coordinate."""
    for model in range(truth.shape[1]):
        true = tuple(int(level) for level in truth[:, model])
        parts = [[(n, s) for n, s in enumerate(shares[model]) if s] for shares in read]
        for found in itertools.product(*parts):
            yield true, tuple(n for n, _ in found), math.prod(float(s) for _, s in found)


def _shades(table: Array) -> Iterable[tuple[float, str]]:
    """Yield each strength that occurs with a path over its cells."""
    steps = np.ceil(table * SHADES - 1e-9).astype(int)
    for step in range(1, SHADES + 1):
        cells_of = np.argwhere(steps == step)
        if len(cells_of):
            yield step / SHADES, "".join(_cell(int(i), int(j)) for i, j in cells_of)


def _cell(row: int, column: int) -> str:
    return f"M{column} {row}h1v1h-1z"
