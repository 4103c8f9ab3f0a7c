"""How explanations are scored (Appendix C): levels by rank, coordinates by rank, choices by style.

Nothing here is fitted, and nothing sees the truth before the answer is read. Ties get the mean
rank.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, t

Array = NDArray[np.float64]
EVERYWHERE = (-math.inf, math.inf)


@dataclass(frozen=True)
class Mean:
    """A mean over independent trials, with its 95 % interval (Student's)."""

    value: float
    ci: tuple[float, float] | None
    """None: fewer than two trials, or all alike, which says nothing of how far others may lie."""
    n: int


def mean_of(values: Sequence[float], within: tuple[float, float] = EVERYWHERE) -> Mean:
    """Return the mean of independent trials.

    Args:
        values: one of each trial.
        within: the least and the greatest value that there can be. The interval ends there: no
            mean lies beyond, so that what is cut off never held it and it holds it as often.

    Raises:
        ValueError: no trial.
    """
    if not values:
        raise ValueError("a mean needs at least one trial")
    x = np.asarray(values, dtype=np.float64)
    mean = float(x.mean())
    if len(x) < 2 or np.ptp(x) == 0:
        return Mean(mean, None, len(x))
    half = float(t.ppf(0.975, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x)))
    return Mean(mean, (max(mean - half, within[0]), min(mean + half, within[1])), len(x))


def rank_error(scores: Sequence[float], levels: Sequence[float]) -> float:
    """Return the mean absolute difference of the scores' ranks and the levels' (scenario 1).

    0 is the true order; of n levels a constant answer gets about n/4 and a random one
    (n² − 1)/(3n), both 0 for n = 1.

    Args:
        scores: a score for each model.
        levels: the true levels, in the same order.
    """
    return float(np.abs(rankdata(scores) - rankdata(levels)).mean())


def level_shares(scores: Sequence[float], levels: Sequence[int]) -> Array:
    """Return how much of each model's answer falls on each level (scenario 2), (n, levels).

    It is known how many models have which level, and not which: with k models at the lowest, the k
    lowest scores are read as that one. A tie gets the mean rank; where that lies on the border of
    two levels the answer is half each.

    Args:
        scores: an aspect's score for each model.
        levels: the aspect's true levels; only how often each occurs is looked at.
    """
    values, counts = np.unique(np.asarray(levels), return_counts=True)
    ends = np.cumsum(counts) + 0.5  # between the last rank of a level and the next one's first
    ranks = rankdata(scores)
    shares = np.zeros((len(ranks), len(values)))
    for i, rank in enumerate(ranks):
        at = int(np.searchsorted(ends, rank))
        border = at < len(ends) - 1 and rank == ends[at]
        shares[i, at] = 0.5 if border else 1.0
        if border:
            shares[i, at + 1] = 0.5
    return shares


def coordinate_accuracy(scores: Array, coordinates: NDArray[np.int_]) -> float:
    """Return how often the true coordinate is read from the scores (Figure 11), in [0, 1].

    Args:
        scores: (n, aspects), each model's scores.
        coordinates: (n, aspects), the true levels.
    """
    right = np.ones(len(scores))
    for aspect in range(coordinates.shape[1]):
        levels = coordinates[:, aspect]
        shares = level_shares(list(scores[:, aspect]), list(levels))
        right *= shares[np.arange(len(levels)), np.searchsorted(np.unique(levels), levels)]
    return float(right.mean())


def ranks_of(coordinates: Array) -> NDArray[np.int_]:
    """Return each aspect's levels as 1, 2, 3 …"""
    columns = [np.unique(column, return_inverse=True)[1] + 1 for column in coordinates.T]
    return np.stack(columns, axis=1)
