"""One measure's results: rows are methods, columns what they were scored on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from finexl.bench.results import Cell

OURS = "FineXL"
"""Rows that begin so are no baselines."""


@dataclass(frozen=True)
class Table:
    """What one measure found."""

    experiment: str
    measure: str
    better: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: Mapping[tuple[str, str], Cell]

    def error(self, row: str, column: str) -> float | None:
        """Return a cell as an error: lower is better, 0 is best.

        None where there is none yet, or it lacks a trial that another row has: what an unfinished
        row lacks may be what is hard.
        """
        cell = self.cells.get((row, column))
        there = (c.over for (_, at), c in self.cells.items() if at == column)
        if cell is None or cell.over < frozenset[str]().union(*there):
            return None
        return cell.mean.value if self.better == "lower" else 1.0 - cell.mean.value

    def best_baseline(self, column: str) -> str | None:
        """Return the baseline with the smallest error in a column."""
        errors = {
            row: error
            for row in self.rows
            if not row.startswith(OURS) and (error := self.error(row, column)) is not None
        }
        return min(errors, key=lambda row: errors[row]) if errors else None

    def reduction(self, row: str, column: str) -> float | None:
        """Return by which part a row's error is smaller than the best baseline's; None: both 0."""
        baseline = self.best_baseline(column)
        theirs = None if baseline is None else self.error(baseline, column)
        ours = self.error(row, column)
        if ours is None or not theirs:
            return None
        return 1.0 - ours / theirs
