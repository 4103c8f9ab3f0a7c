"""Bayesian logistic regression with a Gaussian prior, in its kernel form: arrays in, arrays out.

f = m(x) + Σ_j φ_j(x) w_j with w ~ N(0, diag(s)), and P(liked | f) = σ(f). Only the prior's means m
and covariances k(x, x') = Σ_j s_j φ_j(x) φ_j(x') of the examples are ever needed, n × n for n
examples however many features there are. The posterior is Laplace's: a Gaussian around the mode,
which Newton's method finds in a few steps as the log posterior is concave (Rasmussen and Williams,
Gaussian Processes for Machine Learning, algorithms 3.1 and 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.special import expit, log_expit, ndtr

Array = NDArray[np.float64]

MOST_STEPS = 100
ENOUGH = 1e-12
"""The gain in log posterior, as a part of it, below which Newton's method has arrived."""


@dataclass(frozen=True)
class Posterior:
    """What examples say about f, beyond the prior."""

    pull: Array
    """(n,), the gradient of the log likelihood at the mode: f(x) = m(x) + k(x, examples) @ pull."""
    weight: Array
    """(n,), the square roots of the examples' p (1 − p) at the mode."""
    factor: Array
    """(n, n), lower: the Cholesky factor of I + weight · K · weight."""
    evidence: float
    """How probable this prior made the judgements, as Laplace has it: the log of."""

    def at(self, mean: Array, cross: Array, own: Array) -> tuple[Array, Array]:
        """Return the mean and the variance of f at q places, (q,) each.

        Args:
            mean: (q,), the prior's.
            cross: (q, n), the prior's covariances with the examples.
            own: (q,), the prior's variances.
        """
        told = solve_triangular(self.factor, self.weight[:, None] * cross.T, lower=True)
        return mean + cross @ self.pull, np.maximum(own - (told**2).sum(axis=0), 0.0)


def fit(mean: Array, kernel: Array, liked: NDArray[np.bool_]) -> Posterior:
    """Return Laplace's posterior of f given n examples.

    Args:
        mean: (n,), the prior's means of f.
        kernel: (n, n), the prior's covariances.
        liked: (n,), how each example was judged.
    """
    sign = np.where(liked, 1.0, -1.0)
    pull = np.zeros(len(mean))  # f = mean + kernel @ pull all along

    def height(pull: Array) -> float:
        f = mean + kernel @ pull
        return float(log_expit(sign * f).sum() - pull @ kernel @ pull / 2)

    reached = height(pull)
    for _ in range(MOST_STEPS):
        f = mean + kernel @ pull
        slope = sign * expit(-sign * f)
        weight = np.sqrt(expit(f) * expit(-f))
        b = weight**2 * (f - mean) + slope
        step = b - weight * np.linalg.solve(_whitened(weight, kernel), weight * (kernel @ b)) - pull
        # far from the mode a whole step may overshoot
        length = next((t for t in 0.5 ** np.arange(30) if height(pull + t * step) >= reached), 0.0)
        pull = pull + length * step
        before, reached = reached, height(pull)
        if reached - before <= ENOUGH * (1 + abs(reached)):
            break
    f = mean + kernel @ pull
    weight = np.sqrt(expit(f) * expit(-f))
    factor = np.asarray(np.linalg.cholesky(_whitened(weight, kernel)), np.float64)
    evidence = reached - float(np.log(np.diag(factor)).sum())
    return Posterior(sign * expit(-sign * f), weight, factor, evidence)


def moderated(mean: Array, variance: Array) -> Array:
    """Return the probability that f > 0's coin shows heads: E σ(f) for f ~ N(mean, variance).

    MacKay's approximation by the probit, within 0.02 of the integral.
    """
    found: Array = expit(mean / np.sqrt(1 + np.pi * variance / 8))
    return found


def quantile(weights: Array, means: Array, variances: Array, share: float) -> Array:
    """Return below what a share of a mixture of Gaussians lies, (q,), by bisection.

    Args:
        weights: (k,), of the Gaussians.
        means: (k, q)
        variances: (k, q)
        share: in (0, 1).
    """
    spreads = np.sqrt(variances)
    low, high = (means - 10 * spreads).min(axis=0), (means + 10 * spreads).max(axis=0)
    for _ in range(60):
        middle = (low + high) / 2
        z = np.divide(middle - means, spreads, out=np.copysign(np.inf, middle - means),
                      where=spreads > 0)  # fmt: skip
        above = weights @ ndtr(z) > share
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    found: Array = (low + high) / 2
    return found


def _whitened(weight: Array, kernel: Array) -> Array:
    found: Array = np.eye(len(weight)) + weight[:, None] * kernel * weight
    return found
