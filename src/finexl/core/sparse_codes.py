"""Rows as sparse non-negative combinations of a dictionary, many at once, to a certified gap.

    min over w ≥ 0 of  P(w) = ½‖z − w C‖² + λ Σ w          (SpLiCE, Bhalla et al. 2024)

Its dual is max of D(θ) = ½‖z‖² − ½‖z − θ‖² over θ with C θ ≤ λ. The residual r = z − w C, shrunk
until it is feasible, is such a θ, so that P(w) − D(θ) bounds how far w is from the best.

Few words of thousands are used, so each row is solved among a few candidates of its own: those it
uses and those that rise the most (c·r > λ). Among k candidates a step of coordinate descent costs
k, not d, for all rows at once; once the words in use are right, their weights are the solution of a
linear system. A product with the whole dictionary then says which are missing, and how large the
gap is: a handful of such products in all. The authors' ADMM solves an m × m system in each of
hundreds of steps; Woodbury's identity would make it a d × d one, with two such products a step.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finexl.errors import FinexlError

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]

GAP = 1e-8
"""The largest duality gap, as a part of ½‖z‖², the objective of no words at all."""
ENTERING = 12
"""Candidates that a row takes at once, at most; twice as many each time."""
TOGETHER = 100
"""Up to this, times √n, so many words' inner products are taken at once for all rows."""
NEAR_THE_TOP = 0.5
"""Of what rises the most, what else has to reach to be a candidate."""
ROUNDS = 200
RIDGE = 1e-12
"""On a diagonal of about 1: equal words in use would leave their weights open."""
NOBODY = -1
"""Stands where a row has fewer candidates than another."""


def nonnegative_codes(Z: Array, C: Array, penalty: float, gap: float = GAP) -> Array:
    """Return argmin over w ≥ 0 of ½‖z − w C‖² + penalty · Σ w, for each row z of Z.

    Where several w are best (equal words, for instance) it is one of them.

    Args:
        Z: (n, d).
        C: (m, d), one word a row.
        penalty: λ > 0.
        gap: the duality gap to reach, as a part of ½‖z‖².

    Returns:
        (n, m), ≥ 0, each row's objective within `gap` · ½‖z‖² of the least.

    Raises:
        FinexlError: λ ≤ 0, or a gap smaller than rounding lets it reach.
    """
    if not penalty > 0:
        raise FinexlError(f"The penalty is {penalty}; sparse codes need one above 0.")
    codes = np.zeros((len(Z), len(C)))
    live = np.flatnonzero(Z.any(axis=1)) if len(C) else np.arange(0)
    products = C @ C.T if len(C) ** 2 <= len(Z) * TOGETHER**2 else None
    z, residual, along = Z[live], Z[live], Z @ C.T
    words, w = np.full((live.size, 1), NOBODY), np.zeros((live.size, 1))
    entering = ENTERING
    for turn in range(ROUNDS):
        rises = residual @ C.T if turn else along[live]
        far = _gaps(z, residual, w.sum(axis=1), rises, penalty) > gap
        row, place = np.nonzero((w > 0) & ~far[:, None])
        codes[live[row], words[row, place]] = w[row, place]
        if not far.any():
            return codes
        live, z = live[far], z[far]
        words, w = _candidates(words[far], w[far], rises[far], penalty, entering)
        there = words != NOBODY
        b = np.where(there, along[live[:, None], words], 0.0) - penalty
        both = np.logical_and(there[:, :, None], there[:, None, :])
        if products is None:
            vectors = C[words]
            w = _settle(vectors @ vectors.transpose(0, 2, 1) * both, b, w)
            residual = z - np.matmul(w[:, None, :], vectors)[:, 0]
        else:
            w = _settle(products[words[:, :, None], words[:, None, :]] * both, b, w)
            row, place = np.nonzero(w > 0)
            dense = np.zeros((len(z), len(C)))
            dense[row, words[row, place]] = w[row, place]
            residual = z - dense @ C
        entering *= 2
    raise FinexlError(f"Sparse codes did not come within a gap of {gap:g} of the best; allow more.")


def duality_gaps(codes: Array, Z: Array, C: Array, penalty: float) -> Array:
    """Return how far above the least each row's objective is at most, as a part of ½‖z‖².

    Args:
        codes: (n, m), ≥ 0.
        Z: (n, d).
        C: (m, d).
        penalty: λ.

    Returns:
        (n,), ≥ 0 up to rounding; 0 for a z of zeros with a code of zeros.
    """
    residual = Z - codes @ C
    return _gaps(Z, residual, codes.sum(axis=1), residual @ C.T, penalty)


def _gaps(z: Array, residual: Array, total: Array, rises: Array, penalty: float) -> Array:
    squared = (residual**2).sum(axis=1)
    half = 0.5 * (z**2).sum(axis=1)
    best = np.divide((z * residual).sum(axis=1), squared, out=np.zeros(len(z)), where=squared > 0)
    top = rises.max(axis=1, initial=0.0)
    most = np.divide(penalty, top, out=np.full(len(z), np.inf), where=top > 0)
    theta = np.clip(best, 0.0, most)[:, None] * residual
    primal = 0.5 * squared + penalty * total
    dual = half - 0.5 * ((z - theta) ** 2).sum(axis=1)
    found: Array = np.divide(primal - dual, half, out=np.zeros(len(z)), where=half > 0)
    return found


def _candidates(
    words: Indices, w: Array, rises: Array, penalty: float, entering: int
) -> tuple[Indices, Array]:
    """Return every row's words in use and those that rise the most, with their weights, (n, k)."""
    row, place = np.nonzero(w > 0)
    used, weights = words[row, place], w[row, place]
    rises[row, used] = 0.0  # each only once
    least = np.maximum(penalty, NEAR_THE_TOP * rises.max(axis=1))
    rising, word = np.nonzero(rises > least[:, None])
    order = np.lexsort((-rises[rising, word], rising))
    rising, word = rising[order], word[order]
    rank = np.arange(rising.size) - np.searchsorted(rising, rising)
    count = np.bincount(row, minlength=len(words))
    first = np.arange(row.size) - np.searchsorted(row, row)
    enters = rank < entering
    rising, word, rank = rising[enters], word[enters], rank[enters] + count[rising[enters]]
    k = 1 + max(int(rank.max(initial=0)), int(first.max(initial=0)))
    chosen, start = np.full((len(words), k), NOBODY), np.zeros((len(words), k))
    chosen[row, first], start[row, first] = used, weights
    chosen[rising, rank] = word
    return chosen, start


def _settle(G: Array, b: Array, w: Array) -> Array:
    """Return a w ≥ 0 nearer the least of ½ w G w − b w: the least where its words are found.

    On the words in use the least is solved for; where it has negative weights, as far as the first
    of them that reaches 0 is gone, and the rest solved again (Lawson and Hanson's inner loop).
    """
    w = _descend(G, b, w)
    live = np.arange(len(w))
    while live.size:
        count = (w[live] > 0).sum(axis=1)
        size = int(count.max())
        order = np.argsort(-w[live], axis=1, kind="stable")[:, :size]
        used = np.arange(size) < count[:, None]
        sub = G[live[:, None, None], order[:, :, None], order[:, None, :]]
        sub *= np.logical_and(used[:, :, None], used[:, None, :])
        sub += np.eye(size) * np.where(used, RIDGE, 1.0)[:, None, :]
        right = np.where(used, b[live[:, None], order], 0.0)
        solution = np.linalg.solve(sub, right[:, :, None])[:, :, 0]
        current = w[live[:, None], order]
        falls = used & (solution <= 0)
        ratio = np.divide(current, current - solution, out=np.ones_like(current), where=falls)
        step = ratio.min(axis=1, initial=1.0)[:, None]
        moved = np.where(used, current + step * (solution - current), 0.0)
        w[live[:, None], order] = np.where(falls & (ratio <= step), 0.0, np.maximum(moved, 0.0))
        live = live[falls.any(axis=1)]
    return w


def _descend(G: Array, b: Array, w: Array) -> Array:
    """Return w ≥ 0 after as many steps of coordinate descent as candidates, the steepest first."""
    diagonal = np.einsum("njj->nj", G)
    scale = np.sqrt(diagonal)
    inverse = np.divide(1.0, diagonal, out=np.zeros_like(diagonal), where=diagonal > 0)
    slope = b - np.matmul(G, w[:, :, None])[:, :, 0]
    rows, w = np.arange(len(w)), w.copy()
    for _ in range(w.shape[1]):
        step = np.maximum(slope * inverse, -w)
        j = np.abs(step * scale).argmax(axis=1)
        taken = step[rows, j]
        w[rows, j] += taken
        slope -= taken[:, None] * G[rows, j]
    return w
