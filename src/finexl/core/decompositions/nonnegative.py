"""The authors' later method: non-negative least squares in the whitened subspace.

The solver is Lawson and Hanson's active-set method, written for many right-hand sides at once. It
always starts from nothing: a pool whose positive combinations fill the space fits exactly in many
ways, and a warm start would make every resample end where the data did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from finexl.core.decompositions.base import (
    IMMOVABLE,
    Array,
    Halves,
    Weights,
    refit,
    solve_supports,
    supports,
)
from finexl.core.orthogonality import unit_rows

OPTIMAL = 1e-11
"""A gradient below this, as a part of the largest |c|, counts as zero."""


def nnls(F: Array, V: Array, among: NDArray[np.bool_] | None = None) -> Array:
    """Return argmin over x ≥ 0 of ‖V_b − x F‖, for each row V_b of V.

    Where the positive combinations of F reach V_b in more than one way, the answer is the one that
    this order of steps arrives at; each row's is the same whatever the other rows are.

    Args:
        F: (m, K), one concept vector a row.
        V: (B, K).
        among: (B, m), which entries may be positive; by default any.

    Returns:
        (B, m), ≥ 0; at most min(m, K + 1) of a row's entries are positive.
    """
    G, c = F @ F.T, V @ F.T
    B, m = c.shape
    most = min(m, F.shape[1] + 1)
    tolerance = OPTIMAL * np.abs(c).max(axis=1, initial=0.0)
    x = np.zeros((B, m))
    passive = np.zeros((B, m), dtype=np.bool_)
    closed = np.zeros((B, m), dtype=np.bool_) if among is None else ~among
    live = np.arange(B)
    for _ in range(100 * (most + 1)):
        gradient = np.where(passive[live] | closed[live], -np.inf, (V[live] - x[live] @ F) @ F.T)
        best = gradient.argmax(axis=1)
        rises = gradient[np.arange(live.size), best] > tolerance[live]
        rises &= passive[live].sum(axis=1) < most
        live, best = live[rises], best[rises]
        if not live.size:
            break
        passive[live, best] = True
        _restore(G, c, x, passive, live)
    return x


def _restore(
    G: Array, c: Array, x: Array, passive: NDArray[np.bool_], rows: NDArray[np.intp]
) -> None:
    """Solve on the passive sets in place, dropping what would turn negative (the inner loop)."""
    while rows.size:
        support = supports(passive[rows])
        row, slot = np.nonzero(support >= 0)
        entry = rows[row], support[row, slot]
        current = np.zeros(support.shape)
        current[row, slot] = x[entry]
        solution = solve_supports(G, c[rows], support, 0.0)
        negative = (support >= 0) & (solution <= 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(negative, np.nan_to_num(current / (current - solution)), np.inf)
        step = np.minimum(ratio.min(axis=1), 1.0)[:, None]
        leaves = negative & (ratio <= step)  # at least the one that sets the step
        moved = np.where(leaves, 0.0, current + step * (solution - current))
        x[entry] = moved[row, slot]
        passive[entry] = ~leaves[row, slot]
        rows = rows[leaves.any(axis=1)]


@dataclass(frozen=True)
class NonNegative:
    """The decomposition `nnls`; it knows no *less of*."""

    space: Literal["subspace", "encoder"] = "subspace"
    template: str = "{prompt}, {concept}"
    ridge: float = 0.0

    def fit(
        self,
        V_div: Array,
        F: Array,
        concepts: Sequence[str],
        *,
        halves: Halves = (),
        unrelated: Array | None = None,
        limit: int | None = None,
    ) -> Weights:
        """Solve; where a limit leaves some out, solve again. See `Decomposition.fit`."""
        unit = unit_rows(F)
        free = nnls(unit, V_div[None])
        x = free[0] if limit is None else _largest(unit, V_div[None], free, limit)[0]
        kept = tuple(int(j) for j in np.argsort(-x, kind="stable") if x[j] > 0)
        w, left = refit(V_div, F, kept, self.ridge)
        dropped = tuple(
            (concepts[j], self._reason(unit[j], free[0, j] > 0))
            for j in range(len(F))
            if j not in kept
        )
        return Weights(w, left, kept, dropped, bool(kept))

    def reselect(self, V_divs: Array, F: Array, count: int) -> NDArray[np.bool_]:
        """Solve again, for `count` concepts at most. See `Decomposition.reselect`."""
        unit = unit_rows(F)
        mask: NDArray[np.bool_] = _largest(unit, V_divs, nnls(unit, V_divs), count) > 0
        return mask

    @staticmethod
    def _reason(unit: Array, positive: bool) -> str:
        if not unit.any():
            return IMMOVABLE
        return "weaker than those listed" if positive else "its non-negative weight is zero"


def _largest(unit: Array, V: Array, x: Array, limit: int) -> Array:
    """Keep each row's `limit` largest weights and solve again on them, so that none is negative."""
    order = np.argsort(-x, axis=1, kind="stable")[:, :limit]
    among = np.zeros(x.shape, dtype=np.bool_)
    np.put_along_axis(among, order, True, axis=1)
    return nnls(unit, V, among & (x > 0))
