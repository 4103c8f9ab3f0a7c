"""Forward selection of concepts for many divergences at once, from Gram statistics alone.

Orthogonal matching pursuit with replacement. The next concept is the one best aligned with what is
left of V_div. After each addition a kept concept gives way to another where that explains more: a
near-synonym that was taken early must not keep the concept it resembles out for good.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finexl.core.decompositions.base import Array, Indices, inverse_on_supports, solve_supports

NOTHING = 1e-9
"""An alignment this small, as a part of the largest, is none."""
BETTER = 1e-6
"""A replacement has to explain more by this part, so that equals do not take turns for ever."""
REPLACEMENTS = 8
"""Most replacements after one addition."""


@dataclass(frozen=True)
class Paths:
    """The selections step by step; one that has ended repeats its last step."""

    supports: Indices
    """(B, steps, steps): the concepts kept after each step, −1 beyond them."""
    weights: Array
    """(B, steps, steps): their least-squares weights at unit length, 0 beyond them."""
    flipped: NDArray[np.bool_]
    """(B, m): what would have turned a weight against its own alignment."""


def pursue(
    c: Array, G: Array, steps: int, e_ortho: float, ridge: float, *, exchange: bool = True
) -> Paths:
    """Select up to `steps` concepts for each divergence.

    A concept is open to selection while its total projection on those kept (Eq. 9) is below
    `e_ortho`, and while no weight, with the ridge or without, loses the sign of its own concept's
    alignment. Weights are plain least squares: what a ridge shrinks away must not look like more
    to explain.

    Args:
        c: (B, m), inner products of each divergence with the unit concept vectors.
        G: (m, m), inner products of the unit concept vectors with one another.
        steps: the most concepts to keep.
        e_ortho: Eq. 9's threshold.
        ridge: of the later refit.
        exchange: let a kept concept give way to a better one; else what was taken stays.
    """
    state = _State(c, G, steps, e_ortho, ridge)
    supports = np.full((len(c), steps, steps), -1, dtype=np.intp)
    weights = np.zeros((len(c), steps, steps))
    for step in range(steps):
        rows = state.add()
        if exchange and len(rows) and step > 0:
            state.replace(rows)
        supports[:, step], weights[:, step] = state.support, state.w
    return Paths(supports, weights, state.flipped)


class _State:
    """The supports of all rows, and what they leave of each divergence."""

    def __init__(self, c: Array, G: Array, steps: int, e_ortho: float, ridge: float) -> None:
        B, m = c.shape
        self.c, self.G, self.e_ortho, self.ridge = c, G, e_ortho, ridge
        self.support = np.full((B, steps), -1, dtype=np.intp)
        self.w = np.zeros((B, steps))
        self.size = np.zeros(B, dtype=np.intp)
        self.left = c.copy()  # inner products of what is left with the concepts
        self.total = np.zeros((B, m))  # signed sum of cosines with the kept
        self.taken = np.zeros((B, m), dtype=np.bool_)
        self.flipped = np.zeros((B, m), dtype=np.bool_)
        self.tiny = NOTHING * np.abs(c).max(axis=1, initial=0.0)

    def add(self) -> Indices:
        """Add to each row the best open concept; return the rows that found one."""
        added = []
        rows = np.arange(len(self.c))
        while rows.size:
            open_ = (
                (np.abs(self.total[rows]) < self.e_ortho)
                & ~self.flipped[rows]
                & ~self.taken[rows]
                & (self.left[rows] * self.c[rows] > 0)
            )
            gain = np.where(open_, np.abs(self.left[rows]), 0.0)
            best = gain.argmax(axis=1)
            found = gain[np.arange(rows.size), best] > self.tiny[rows]
            rows, best = rows[found], best[found]
            trial = self.support[rows]
            trial[np.arange(rows.size), self.size[rows]] = best
            w, good = self._weights(rows, trial)
            self.flipped[rows[~good], best[~good]] = True
            self.size[rows[good]] += 1
            self._settle(rows[good], trial[good], w[good])
            added.append(rows[good])
            rows = rows[~good]
        return np.sort(np.concatenate(added)) if added else rows

    def replace(self, rows: Indices) -> None:
        """Exchange kept concepts for better ones until none is better."""
        for _ in range(REPLACEMENTS):
            if not rows.size:
                return
            rows, trial = self._exchanges(rows)
            w, good = self._weights(rows, trial)
            self._settle(rows[good], trial[good], w[good])
            rows = rows[good]

    def _exchanges(self, rows: Indices) -> tuple[Indices, Indices]:
        """Return the rows where an exchange explains more, and their supports after the best one.

        With A = G_SS⁻¹, β = A G_Sj and w the weights, taking i out and j in changes what is
        explained by (l_j + β_ij w_i / A_ii)² / (d_j + β_ij² / A_ii) − w_i² / A_ii, where l_j is j's
        product with what is left and d_j = 1 − G_jS β_j is what S leaves of j itself.
        """
        used = int(self.size[rows].max())
        support, w = self.support[rows, :used], self.w[rows, :used, None]
        valid = support >= 0
        index = np.where(valid, support, 0)
        A = inverse_on_supports(self.G, support)
        overlap = np.where(valid[:, :, None], self.G[index], 0.0)  # (rows, used, m)
        beta = A @ overlap
        own = np.diagonal(A, axis1=1, axis2=2)[:, :, None]
        product = self.left[rows][:, None, :] + beta * w / own
        length = 1.0 - (overlap * beta).sum(axis=1)[:, None, :] + beta**2 / own
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = np.where(length > NOTHING, product**2 / length, 0.0) - w**2 / own
        allowed = (
            valid[:, :, None]
            & ~self.taken[rows][:, None, :]
            & (np.abs(self.total[rows][:, None, :] - overlap) < self.e_ortho)
            & (product * self.c[rows][:, None, :] > 0)
        )
        flat = np.where(allowed, gain, 0.0).reshape(len(rows), -1)
        best = flat.argmax(axis=1)
        explained = (w[..., 0] * np.take_along_axis(self.c[rows], index, axis=1)).sum(axis=1)
        better = flat[np.arange(len(rows)), best] > BETTER * np.abs(explained)
        out, new = np.divmod(best[better], self.G.shape[0])
        trial = self.support[rows[better]]
        trial[np.arange(len(trial)), out] = new
        return rows[better], trial

    def _weights(self, rows: Indices, trial: Indices) -> tuple[Array, NDArray[np.bool_]]:
        """Return the weights on trial supports, and which keep every alignment's sign."""
        w = solve_supports(self.G, self.c[rows], trial, 0.0)
        shrunk = solve_supports(self.G, self.c[rows], trial, self.ridge)
        own = np.take_along_axis(self.c[rows], np.where(trial >= 0, trial, 0), axis=1)
        against = (w * own < 0) | (shrunk * own < 0)
        return w, ~np.any(against, axis=1)

    def _settle(self, rows: Indices, support: Indices, w: Array) -> None:
        """Make these the rows' supports, and bring everything else up to date."""
        if not rows.size:
            return
        valid = support >= 0
        used = int(self.size[rows].max())
        index = np.where(valid, support, 0)[:, :used]
        overlap = np.where(valid[:, :used, None], self.G[index], 0.0)
        self.support[rows], self.w[rows] = support, w
        self.left[rows] = self.c[rows] - (w[:, None, :used] @ overlap)[:, 0]
        self.total[rows] = overlap.sum(axis=1)
        self.taken[rows] = False
        chosen, position = np.nonzero(valid)
        self.taken[rows[chosen], support[chosen, position]] = True
