"""How much each person likes the pictures of each, by people and by M (Appendix B)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Matrix:
    """Mean 1/r scores, each row adding up to 1; NaN where no picture of the one was shown."""

    names: tuple[str, ...]
    scores: Array
    """(n, n): what person i thinks of pictures made for person j."""

    @property
    def own_first(self) -> float | None:
        """The share of rows whose largest score is the person's own; ties count in part."""
        shares = []
        for place, row in enumerate(self.scores):
            if np.isfinite(row[place]):
                best = row == np.nanmax(row)
                shares.append(float(best[place]) / int(best.sum()))
        return float(np.mean(shares)) if shares else None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it: null where nothing is known."""
        rows = [[None if np.isnan(x) else float(x) for x in row] for row in self.scores]
        return {"people": list(self.names), "scores": rows, "own_first": self.own_first}


@dataclass(frozen=True)
class Ranking:
    """What somebody (or M in their place) made of one line-up."""

    person: str
    shown: tuple[str, ...]
    """For whom each picture was made."""
    places: tuple[int, ...]
    """The best first; what is left out got no place."""


def matrix(names: Sequence[str], rankings: Sequence[Ranking]) -> Matrix:
    """Return the scores: 1/r for the picture in place r, 0 for one without, over the line-ups.

    Each is averaged over the line-ups in which pictures of that person were shown, and each row is
    divided by its sum.
    """
    at = {name: place for place, name in enumerate(names)}
    total, count = np.zeros((2, len(names), len(names)))
    for ranking in rankings:
        row = at[ranking.person]
        for whose in ranking.shown:
            count[row, at[whose]] += 1
        for number, place in enumerate(ranking.places, 1):
            total[row, at[ranking.shown[place]]] += 1 / number
    mean = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    sums = np.nansum(mean, axis=1, keepdims=True)
    scores = np.divide(mean, sums, out=np.full_like(mean, np.nan), where=sums > 0)
    return Matrix(tuple(names), scores)


@dataclass(frozen=True)
class Agreement:
    """How alike two matrices are: Spearman's rank correlations, in [-1, 1]; None where undefined.

    Own pictures are liked best by both, mostly; whether M knows more than that is told by the
    others alone.
    """

    all: float | None
    others: float | None
    p_value: float | None
    """Of `others`: how often rows with their cells in another order agree as well; one-sided."""

    def to_dict(self) -> Mapping[str, float | None]:
        """Return it as JSON has it."""
        return {"all": self.all, "others": self.others, "p_value": self.p_value}


ARRANGEMENTS = 1_999


def agreement(one: Matrix, other: Matrix) -> Agreement:
    """Compare two matrices of the same people, cell by cell, where both know something."""
    known = np.isfinite(one.scores) & np.isfinite(other.scores)
    away = known & ~np.eye(len(known), dtype=bool)
    found = _spearman(one.scores[away], other.scores[away])
    p = None
    if found is not None:
        rng = np.random.default_rng(0)
        as_well = 0
        for _ in range(ARRANGEMENTS):
            mixed = one.scores.copy()
            for row, there in zip(mixed, away, strict=True):
                row[there] = rng.permutation(row[there])
            again = _spearman(mixed[away], other.scores[away])
            as_well += again is None or again >= found - 1e-12
        p = (1 + as_well) / (1 + ARRANGEMENTS)
    return Agreement(_spearman(one.scores[known], other.scores[known]), found, p)


def _spearman(a: Array, b: Array) -> float | None:
    from scipy.stats import rankdata

    if len(a) < 3:
        return None
    ranks = np.array([rankdata(a), rankdata(b)])
    if (ranks.std(axis=1) == 0).any():
        return None
    return float(np.corrcoef(ranks)[0, 1])
