"""What an answer that knows nothing would score, from what a result says of its levels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from finexl.bench.report.findings import numbers, table_of_numbers
from finexl.bench.results import Result


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


OF: Mapping[str, Callable[[Result], Mapping[str, float]]] = MappingProxyType(
    {"rank error": _ranks, "coordinate accuracy": _coordinates}
)
"""By how a measure's name begins: "rank error by what is found" has the chance of a rank error."""


def chances(results: Sequence[Result]) -> dict[str, float]:
    """Return the chance lines of one measure on one column; none where trials differ in it."""
    found = [of(r) for r in results for name, of in OF.items() if r.measure.startswith(name)]
    return dict(found[0]) if found and all(one == found[0] for one in found) else {}
