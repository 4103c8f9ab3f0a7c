"""ZO-RankSGD (Tang et al. 2024): going where a ranking points, without knowing any value.

An oracle is shown m points x + μ ξ_i, ξ_i ~ N(0, I), and names the best k of them, best first. That
orders pairs: (i, j) ∈ E where i is known to be better than j: both among the k and i before j, or i
among them and j not. The estimate of the direction in which things get worse is

    g = 1/|E| Σ over (i, j) ∈ E of (ξ_j − ξ_i),     |E| = k m − k (k + 1) / 2,

and x goes against it. How far is asked as well (line search): the oracle picks the best of x, of
the best perturbed point, and of x − η γ^s g, s = 0, 1, … Where x stays the best, the next estimate
is averaged with those made at x before.

Only ranks are heard: whatever rises with a score gives the same points. Arrays in, arrays out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finexl.errors import UsageError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Manner:
    """How points are tried; the defaults are ours, for noise of a diffusion model."""

    points: int = 8
    """m, the points of an estimate."""
    smoothing: float = 0.1
    """μ, how far they lie from x: of noise, whose every number has variance 1."""
    step: float = 0.5
    """η, the longest step along g."""
    shrink: float = 0.5
    """γ, how much shorter each next one is."""
    steps: int = 4
    """How many steps a line search tries."""

    def check(self) -> None:
        """Refuse what cannot be.

        Raises:
            UsageError: too few points or steps, or a number that is out of range.
        """
        if self.points < 2 or self.steps < 1:
            raise UsageError("A ranking takes 2 points or more, and a line search 1 step or more.")
        positive = all(math.isfinite(one) and one > 0 for one in (self.smoothing, self.step))
        if not positive or not 0 < self.shrink < 1:
            raise UsageError(
                "Smoothing and step have to be above 0, and each next step shorter by a factor "
                "between 0 and 1."
            )

    def record(self) -> dict[str, Any]:
        """Return it, JSON-like."""
        return dict(vars(self))


class RankSGD:
    """A point that is moved by rankings. Ask for `candidates`, rank them, `tell`; and so on."""

    def __init__(self, start: Array, manner: Manner, seed: int) -> None:
        """Begin.

        Args:
            start: x (d,).
            manner: how points are tried.
            seed: of all ξ; those of a round follow from it and the round's number.
        """
        manner.check()
        self.point: Array = np.asarray(start, dtype=np.float64)
        self.manner, self.seed = manner, seed
        self.rounds = 0
        """Rankings heard."""
        self.moves = 0
        """Line searches that found something better than x."""
        self._estimates: list[Array] = []
        """Those made at x."""
        self._tried = self.point  # the best perturbed point
        self._shown = self._perturbed()

    @property
    def searching(self) -> bool:
        """Whether the candidates are those of a line search; then only the best one counts."""
        return self.rounds % 2 == 1

    @property
    def candidates(self) -> Array:
        """What is to be ranked (n, d); in a line search x is the first."""
        return self._shown

    def tell(self, ranking: Sequence[int]) -> None:
        """Hear which candidates are best.

        Args:
            ranking: indices of candidates, best first: all, or only so many.

        Raises:
            UsageError: no index, one that is none, or one twice.
        """
        _check(ranking, len(self._shown))
        if self.searching:
            self._move(ranking[0])
        else:
            directions = (self._shown - self.point) / self.manner.smoothing
            self._estimates.append(estimate(directions, ranking))
            self._tried = self._shown[ranking[0]]
        self.rounds += 1
        self._shown = self._along() if self.searching else self._perturbed()

    def _move(self, best: int) -> None:
        if best > 0:  # else x stays, and its estimates with it
            self.point, self._estimates = self._shown[best], []
            self.moves += 1

    def _perturbed(self) -> Array:
        rng = np.random.default_rng([self.seed, self.rounds])
        drawn = rng.standard_normal((self.manner.points, len(self.point)))
        return self.point + self.manner.smoothing * drawn

    def _along(self) -> Array:
        manner = self.manner
        direction = np.mean(self._estimates, axis=0)
        lengths = manner.step * manner.shrink ** np.arange(manner.steps)
        return np.vstack([self.point, self._tried, self.point - np.outer(lengths, direction)])


def estimate(directions: Array, ranking: Sequence[int]) -> Array:
    """Return g (d,) of perturbations ξ (m, d) and a ranking of k of them, best first.

    Each ξ comes in Σ (ξ_j − ξ_i) as often as something is better, less as often as something is
    worse: for the r-th best, r = 0, 1, …, that is r − (m − 1 − r), and k for those not named. (The
    authors' published code has m − 2r for the first; the sum over the edges is this one.)
    """
    m, k = len(directions), len(ranking)
    edges = k * m - k * (k + 1) // 2
    weights = np.full(m, float(k))
    weights[list(ranking)] = [2 * r - (m - 1) for r in range(k)]
    found: Array = weights @ directions / edges
    return found


def _check(ranking: Sequence[int], n: int) -> None:
    known = set(range(n))
    if not ranking or len(set(ranking)) < len(ranking) or not set(ranking) <= known:
        raise UsageError(
            f"A ranking of {n} candidates names some of them, best first, none of them twice; "
            f"{list(ranking)[:20]} does not."
        )
