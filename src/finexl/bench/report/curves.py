"""Where everything in a curve goes: a value against a number that an ablation changes.

Geometry alone, the templates draw it. x is in percent of the width, y in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from finexl.bench.report.findings import number
from finexl.bench.report.wording import natural, signed
from finexl.bench.results import Cell, Result, cells

HEIGHT, TOP, BOTTOM, MARGIN = 220.0, 12.0, 32.0, 3.0
"""Of a curve: pixels down, percent across."""
SERIES = 8
"""At most so many lines in one curve."""


@dataclass(frozen=True)
class Point:
    """A value on a curve, x in percent, y in pixels."""

    x: float
    y: float
    ci: tuple[float, float] | None
    text: str


@dataclass(frozen=True)
class Series:
    """One line of a curve."""

    label: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Curve:
    """Values against a number."""

    title: str
    logarithmic: bool
    series: tuple[Series, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    left_out: int
    """Lines beyond SERIES."""


def curves_of(results: Sequence[Result]) -> tuple[Curve, ...]:
    """Return a curve for each measure whose results say at which x they are."""
    measures = dict.fromkeys(result.measure for result in results)
    drawn = (curve(m, [r for r in results if r.measure == m]) for m in measures)
    return tuple(one for one in drawn if one is not None)


def curve(title: str, results: Sequence[Result]) -> Curve | None:
    """Lay out one measure against `details["x"]`; None where no line would have two points.

    A line is a column and what its rows' names have beside the number: "e_decomp 0.2, e_ortho 0.1"
    at x = 0.2 is a point of "e_ortho 0.1".
    """
    at: dict[tuple[str, str], float] = {}
    for result in results:
        x = number(result.details.get("x"))
        if x is not None and at.setdefault((result.row, result.column), x) != x:
            return None  # a cell at two places
    kept = [r for r in results if (r.row, r.column) in at]
    lines: dict[str, dict[float, Cell]] = {}
    for place, cell in cells(kept).items():
        lines.setdefault(_series(*place, at[place]), {})[at[place]] = cell
    lines = {label: points for label, points in lines.items() if len(points) > 1}
    if not lines:
        return None
    shown = dict(sorted(lines.items(), key=lambda line: natural(line[0]))[:SERIES])
    xs = sorted({x for points in shown.values() for x in points})
    found = [cell.mean for points in shown.values() for cell in points.values()]
    across, logarithmic = _across(xs)
    ends = [end for mean in found for end in (mean.value, *(mean.ci or ()))]
    ticks = _ticks(min(0.0, *ends), max(ends))
    down = _down(min(0.0, *ends, ticks[0]), max(*ends, ticks[-1]))
    decimals = _decimals(ticks)
    return Curve(
        title,
        logarithmic,
        tuple(
            Series(
                label,
                tuple(
                    Point(
                        across(x),
                        down(cell.mean.value),
                        None
                        if cell.mean.ci is None
                        else (down(cell.mean.ci[0]), down(cell.mean.ci[1])),
                        f"{label}, {x:g}: {signed(cell.mean.value, decimals + 1)}",
                    )
                    for x, cell in sorted(points.items())
                ),
            )
            for label, points in shown.items()
        ),
        tuple(_apart([(across(x), f"{x:g}") for x in xs])),
        tuple((down(y), signed(y, decimals)) for y in ticks),
        len(lines) - len(shown),
    )


def _series(row: str, column: str, x: float) -> str:
    """Return a line's name: the column, and the row without the part that names x."""
    parts = row.split(", ")
    named = next((n for n, part in enumerate(parts) if f"{x:g}" in part.split()), None)
    rest = (
        ", ".join(part for n, part in enumerate(parts) if n != named) if named is not None else ""
    )
    return f"{column}, {rest}" if rest else column


def _across(xs: Sequence[float]) -> tuple[Callable[[float], float], bool]:
    """Return where an x is, in percent; by its logarithm where the last is 20 times the first."""
    logarithmic = xs[0] > 0 and xs[-1] / xs[0] >= 20
    low, high = (math.log(xs[0]), math.log(xs[-1])) if logarithmic else (xs[0], xs[-1])

    def x(value: float) -> float:
        part = ((math.log(value) if logarithmic else value) - low) / ((high - low) or 1.0)
        return MARGIN + (100 - 2 * MARGIN) * part

    return x, logarithmic


def _down(low: float, high: float) -> Callable[[float], float]:
    """Return where a value is, in pixels from above."""
    room = HEIGHT - TOP - BOTTOM
    return lambda value: TOP + room * (high - value) / ((high - low) or 1.0)


def _ticks(low: float, high: float) -> list[float]:
    """Return the multiples of 1, 2 or 5 · 10^k between, about four of them."""
    span = (high - low) or 1.0
    power = 10.0 ** math.floor(math.log10(span))
    step = next(m * power for m in (0.1, 0.2, 0.5, 1, 2, 5) if span / (m * power) <= 5)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [n * step for n in range(first, last + 1)]


def _decimals(ticks: Sequence[float]) -> int:
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    return max(0, -math.floor(math.log10(step) + 1e-9))


def _apart(ticks: Sequence[tuple[float, str]]) -> Iterable[tuple[float, str]]:
    """Leave out labels that would lie over the one before; the last is always there."""
    kept: list[tuple[float, str]] = []
    for x, label in reversed(ticks):
        if not kept or kept[-1][0] - x >= 4 + 2 * len(label):
            kept.append((x, label))
    return reversed(kept)
