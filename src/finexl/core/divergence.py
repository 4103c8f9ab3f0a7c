"""V_div: the mean difference between two sets of image embeddings (§4.1, Eq. 4–5).

The two designs answer the same few questions, so that everything after them is written once:
what is the mean, how sure is it, and what would it be had the data fallen otherwise.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MAX_ARRANGEMENTS = 4096
"""Arrangements of the data under "no difference": all of them up to here, else as many draws."""
_BLOCK = 256
"""Arrangements drawn at once, so that memory does not grow with their number times the images'."""


@dataclass(frozen=True)
class Arrangements:
    """Means of the data as "no difference" could have arranged them; row 0 is the data itself."""

    means: Array
    """(B, d)"""
    squares: Array
    """(B, d), the squared standard errors that belong to them."""


@dataclass(frozen=True)
class Estimate:
    """Means of some linear functionals, their standard errors and degrees of freedom, each (k,)."""

    mean: Array
    error: Array
    dof: Array


class Sample(Protocol):
    """Embeddings of both sets, as evidence about their mean difference V_div."""

    @property
    def n(self) -> int:
        """Independent units: prompts; for unpaired sets the images of the smaller one."""
        ...

    @property
    def mean(self) -> Array:
        """V_div (d,)."""
        ...

    def covariance(self) -> Array:
        """Return the covariance of `mean` (d, d); NaN where one unit is too few to tell."""
        ...

    def through(self, matrix: Array) -> Sample:
        """Return the sample seen through a linear map (k, d): same units, k dimensions."""
        ...

    def estimate(self, functionals: Array) -> Estimate:
        """Return mean and error of the functionals (k, d) of a unit."""
        ...

    def centred(self) -> Sample:
        """Return the sample moved so that its mean is zero."""
        ...

    def halves(self, rng: np.random.Generator) -> tuple[Sample, Sample]:
        """Split the units at random into two halves; prompts are never torn apart."""
        ...

    def resample(self, rng: np.random.Generator, count: int) -> Array:
        """Return bootstrap means (count, d)."""
        ...

    def null(self, rng: np.random.Generator) -> Arrangements:
        """Return what "no difference" makes exchangeable: signs of pairs, or labels."""
        ...


@dataclass(frozen=True)
class Paired:
    """Pairs of images under the same prompt and seed: one row of differences per prompt."""

    rows: Array
    """(n, d), whose plain mean is V_div."""

    @classmethod
    def of(cls, pair_divergences: Array, prompts: list[str] | None = None) -> Paired:
        """Gather the pair divergences (n, d) by prompt: pairs of one prompt are one unit.

        Each prompt's row is the mean of its pairs, so that prompts with more seeds weigh no more;
        with as many seeds for each prompt the mean over prompts is Eq. 5's over pairs.

        Raises:
            ValueError: not one prompt a pair.
        """
        pair_divergences = np.asarray(pair_divergences, dtype=np.float64)
        if prompts is None:
            return cls(pair_divergences)
        if len(prompts) != len(pair_divergences):
            raise ValueError(f"{len(prompts)} prompts for {len(pair_divergences)} pairs")
        order = {prompt: index for index, prompt in enumerate(dict.fromkeys(prompts))}
        rows = np.zeros((len(order), pair_divergences.shape[1]))
        members = [order[prompt] for prompt in prompts]
        np.add.at(rows, members, pair_divergences)
        return cls(rows / np.bincount(members, minlength=len(order))[:, None])

    @property
    def n(self) -> int:
        """Number of prompts."""
        return len(self.rows)

    @property
    def mean(self) -> Array:
        """V_div (d,), Eq. 5."""
        mean: Array = self.rows.mean(axis=0)
        return mean

    def covariance(self) -> Array:
        """Return the covariance of the mean."""
        return _covariance(self.rows)

    def through(self, matrix: Array) -> Paired:
        """Return the rows mapped by `matrix` (k, d)."""
        return Paired(self.rows @ matrix.T)

    def estimate(self, functionals: Array) -> Estimate:
        """Return mean, error and n − 1 degrees of freedom."""
        values = self.rows @ functionals.T
        variance = _variance_of_mean(values)
        return Estimate(
            values.mean(axis=0), np.sqrt(variance), np.full(len(functionals), self.n - 1.0)
        )

    def centred(self) -> Paired:
        """Return the rows less their mean."""
        return Paired(self.rows - self.mean)

    def halves(self, rng: np.random.Generator) -> tuple[Paired, Paired]:
        """Split the prompts at random."""
        first, second = _halves(self.n, rng)
        return Paired(self.rows[first]), Paired(self.rows[second])

    def resample(self, rng: np.random.Generator, count: int) -> Array:
        """Draw prompts with replacement."""
        return _bootstrap_means(self.rows, rng, count)

    def null(self, rng: np.random.Generator) -> Arrangements:
        """Flip the sign of each prompt's row: without a difference both signs are as likely."""
        n = self.n
        means = np.concatenate([signs @ self.rows / n for signs in _signs(n, rng)])
        second_moment = (self.rows**2).mean(axis=0)  # the same for every choice of signs
        squares = np.maximum(second_moment - means**2, 0.0) / max(n - 1, 1)
        return Arrangements(means, squares)


@dataclass(frozen=True)
class Unpaired:
    """Two sets of images with nothing in common but what they are said to show."""

    personalized: Array
    """(n_p, d)"""
    base: Array
    """(n_b, d)"""

    @property
    def n(self) -> int:
        """Images of the smaller set."""
        return min(len(self.personalized), len(self.base))

    @property
    def mean(self) -> Array:
        """V_div (d,): difference of the means."""
        mean: Array = self.personalized.mean(axis=0) - self.base.mean(axis=0)
        return mean

    def covariance(self) -> Array:
        """Return the covariance of the difference of the means."""
        return _covariance(self.personalized) + _covariance(self.base)

    def through(self, matrix: Array) -> Unpaired:
        """Return both sets mapped by `matrix` (k, d)."""
        return Unpaired(self.personalized @ matrix.T, self.base @ matrix.T)

    def estimate(self, functionals: Array) -> Estimate:
        """Return mean, error and Welch–Satterthwaite degrees of freedom."""
        p, b = self.personalized @ functionals.T, self.base @ functionals.T
        of_p, of_b = _variance_of_mean(p), _variance_of_mean(b)
        total = of_p + of_b
        with np.errstate(invalid="ignore", divide="ignore"):
            dof = total**2 / (of_p**2 / (len(p) - 1) + of_b**2 / (len(b) - 1))
        dof = np.where(total > 0, dof, min(len(p), len(b)) - 1.0)
        return Estimate(p.mean(axis=0) - b.mean(axis=0), np.sqrt(total), dof)

    def centred(self) -> Unpaired:
        """Return both sets less their own means."""
        return Unpaired(
            self.personalized - self.personalized.mean(axis=0), self.base - self.base.mean(axis=0)
        )

    def halves(self, rng: np.random.Generator) -> tuple[Unpaired, Unpaired]:
        """Split each set at random."""
        p, q = _halves(len(self.personalized), rng)
        b, c = _halves(len(self.base), rng)
        return (
            Unpaired(self.personalized[p], self.base[b]),
            Unpaired(self.personalized[q], self.base[c]),
        )

    def resample(self, rng: np.random.Generator, count: int) -> Array:
        """Draw images of each set with replacement."""
        return _bootstrap_means(self.personalized, rng, count) - _bootstrap_means(
            self.base, rng, count
        )

    def null(self, rng: np.random.Generator) -> Arrangements:
        """Permute which images are called personalized."""
        everything = np.vstack([self.personalized, self.base])
        means, squares = [], []
        for labels in _labels(len(everything), len(self.personalized), rng):
            mean_p, square_p = _moments(labels, everything)
            mean_b, square_b = _moments(1.0 - labels, everything)
            means.append(mean_p - mean_b)
            squares.append(square_p + square_b)
        return Arrangements(np.concatenate(means), np.concatenate(squares))


def cosine_error(sample: Sample) -> float:
    """Estimate 1 − cos between V_div and what endlessly many prompts would give (Appendix E).

    ‖V_div‖² holds the noise's part tr Cov(V_div) beside the true length's; all of the noise is
    taken to lie across the true direction. In [0, 1]; 1 where noise could be all of it.
    """
    squared = float(sample.mean @ sample.mean)
    noise = float(np.trace(sample.covariance())) if sample.n > 1 else squared
    if not squared > noise:
        return 1.0
    return 1.0 - math.sqrt(1.0 - noise / squared)


def _signs(n: int, rng: np.random.Generator) -> Iterator[Array]:
    """Yield all signs of n rows, or as they are and many draws; a block of (·, n) at a time."""
    if 2**n <= MAX_ARRANGEMENTS:
        yield 1.0 - 2.0 * np.array(list(itertools.product((0, 1), repeat=n)), dtype=np.float64)
        return
    yield np.ones((1, n))
    for _ in range(MAX_ARRANGEMENTS // _BLOCK):
        yield rng.choice((-1.0, 1.0), size=(_BLOCK, n))


def _labels(n: int, marked: int, rng: np.random.Generator) -> Iterator[Array]:
    """Yield all ways to mark so many of n rows by 1, or the first so many and many draws."""
    if math.comb(n, marked) <= MAX_ARRANGEMENTS:
        chosen = np.array(list(itertools.combinations(range(n), marked)))
        yield _marks(n, chosen)  # the first of them: as it is
        return
    yield _marks(n, np.arange(marked)[None])
    for _ in range(MAX_ARRANGEMENTS // _BLOCK):
        yield _marks(n, rng.permuted(np.tile(np.arange(n), (_BLOCK, 1)), axis=1)[:, :marked])


def _marks(n: int, chosen: NDArray[np.intp]) -> Array:
    labels = np.zeros((len(chosen), n))
    np.put_along_axis(labels, chosen, 1.0, axis=1)
    return labels


def _moments(labels: Array, rows: Array) -> tuple[Array, Array]:
    """Return mean and squared standard error of the rows marked 1, for each row of labels."""
    count = labels[0].sum()
    mean = labels @ rows / count
    square = np.maximum(labels @ rows**2 / count - mean**2, 0.0) / max(count - 1, 1)
    return mean, square


def _covariance(rows: Array) -> Array:
    n, d = rows.shape
    if n < 2:
        return np.full((d, d), np.nan)
    centred = rows - rows.mean(axis=0)
    covariance: Array = centred.T @ centred / (n * (n - 1))
    return covariance


def _variance_of_mean(values: Array) -> Array:
    n = len(values)
    if n < 2:
        return np.full(values.shape[1], np.nan)
    variance: Array = values.var(axis=0, ddof=1) / n
    return variance


def _halves(n: int, rng: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    order = rng.permutation(n)
    return np.sort(order[: n // 2]), np.sort(order[n // 2 :])


def _bootstrap_means(rows: Array, rng: np.random.Generator, count: int) -> Array:
    n = len(rows)
    counts = rng.multinomial(n, np.full(n, 1.0 / n), size=count).astype(np.float64)
    means: Array = counts @ rows / n
    return means
