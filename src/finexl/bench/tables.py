"""Results as tables: rows are methods, columns what they were scored on, cells means of trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from finexl.bench.results import Cell, Result, cells

OURS = "FineXL"
"""Rows that begin so are no baselines."""


@dataclass(frozen=True)
class Table:
    """One experiment's results."""

    experiment: str
    measure: str
    better: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: Mapping[tuple[str, str], Cell]

    def error(self, row: str, column: str) -> float | None:
        """Return a cell as an error: lower is better, 0 is best."""
        cell = self.cells.get((row, column))
        if cell is None:
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


def table_of(experiment: str, better: str, results: Sequence[Result]) -> Table:
    """Gather one experiment's results, rows and columns in the order in which they came."""
    some = [result for result in results if result.experiment == experiment]
    rows = tuple(dict.fromkeys(result.row for result in some))
    columns = tuple(sorted(dict.fromkeys(result.column for result in some), key=_natural))
    measure = some[0].measure if some else ""
    return Table(experiment, measure, better, rows, columns, cells(some))


def cell_text(cell: Cell | None) -> str:
    """Return a cell as text: the mean and its interval over trials."""
    if cell is None:
        return "–"
    if cell.mean.ci is None:
        return f"{cell.mean.value:.2f}"
    low, high = cell.mean.ci
    return f"{cell.mean.value:.2f} ({low:.2f} to {high:.2f})"


def trials_text(table: Table, column: str) -> str:
    """Say over how many trials and seeds a column's means are."""
    found = [cell for (_, of), cell in table.cells.items() if of == column]
    trials = sorted({cell.trials for cell in found})
    seeds = sorted({cell.seeds for cell in found})
    return f"{_range(trials)} trials, {_range(seeds)} seeds"


def _range(values: Sequence[int]) -> str:
    return str(values[0]) if len(values) == 1 else f"{values[0]} to {values[-1]}"


def _natural(text: str) -> list[tuple[int, str]]:
    """Order "3 levels" before "10 levels"."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in text.split()]
