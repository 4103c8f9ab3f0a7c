"""What an answer that knows nothing would score, from what a result says of its levels."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

from finexl.bench.report.findings import numbers, table_of_numbers
from finexl.bench.results import Result

MOST_NAMED = 5
"""Aspects whose orders are counted."""


def constant(n: int) -> float:
    """Return a constant answer's rank error: mean |i − (n + 1)/2|, n/4 for even n."""
    return n / 4 if n % 2 == 0 else (n * n - 1) / (4 * n)


def at_random(n: int) -> float:
    """Return a random order's expected rank error, (n² − 1)/(3n)."""
    return (n * n - 1) / (3 * n)


def _ranks(result: Result) -> Mapping[str, float]:
    levels = numbers(result.details.get("levels")) or []
    n = len(levels)
    different = n > 1 and len(set(levels)) == n  # else ranks are tied, and these do not hold
    return {"a constant answer": constant(n), "a random order": at_random(n)} if different else {}


def _coordinates(result: Result) -> Mapping[str, float]:
    rows = table_of_numbers(result.details.get("levels")) or []
    there = {tuple(row) for row in rows}
    return {"one of the coordinates": 1 / len(there)} if there else {}


def at_random_named(rows: Sequence[Sequence[float]]) -> float:
    """Return the coordinate accuracy where all is right but which aspect is which, at random.

    The mean over all orders of the aspects of how many coordinates stay what they are.
    """
    orders = list(itertools.permutations(range(len(rows[0]))))
    same = sum(all(row[i] == row[j] for i, j in enumerate(o)) for o in orders for row in rows)
    return same / (len(orders) * len(rows))


def _named(result: Result) -> Mapping[str, float]:
    rows = table_of_numbers(result.details.get("levels")) or []
    if not rows or len(rows[0]) > MOST_NAMED:
        return _coordinates(result)
    return {**_coordinates(result), "right rays, named at random": at_random_named(rows)}


OF: Sequence[tuple[str, Callable[[Result], Mapping[str, float]]]] = (
    ("rank error", _ranks),
    ("coordinate accuracy of models read jointly", _named),
    ("coordinate accuracy", _coordinates),
)
"""By how a measure's name begins, the first that fits: "rank error by what is found" is one."""


def chances(results: Sequence[Result]) -> dict[str, float]:
    """Return the chance lines of one measure on one column; none where trials differ in it."""
    ways = (next((of for name, of in OF if r.measure.startswith(name)), None) for r in results)
    found = [of(r) for r, of in zip(results, ways, strict=True) if of is not None]
    return dict(found[0]) if found and all(one == found[0] for one in found) else {}
