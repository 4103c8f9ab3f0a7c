"""Several aspects read from all models of a trial together: their levels are not looked at.

Models with levels a of k aspects have V_div ≈ Σ_i a_i u_i: they lie in a cone of k rays. What the
rays are can be seen from many models at once, and words are needed only to say which ray is which.
Nobody who has one model can read so: these rows stand in tables of their own.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from finexl.bench.experiments.readers import Reading, vectors_of
from finexl.bench.experiments.trials import Trial
from finexl.bench.methods import Array
from finexl.bench.scoring import coordinate_accuracy, ranks_of
from finexl.core.orthogonality import unit_rows

JOINTLY = " of models read jointly"
"""Rows that see the other models of a trial, and not their levels."""
BOUND = ", upper bounds that see the levels"
"""Rows that no method is: they say what the pictures would allow."""
ROUNDS = 50
"""Most of refitting."""


@dataclass(frozen=True)
class InPlane:
    """FineXL's refit within the plane that the models of a trial span.

    With k aspects, the k leading principal directions of the models' V_div (uncentred). What the
    words' vectors have outside of it cannot be in any of the models.
    """

    name: str = "FineXL, within the models' plane"
    kind: ClassVar[str] = JOINTLY

    def read(self, trial: Trial, reading: Reading) -> Array:
        """Return the weights. See `Reader.read`."""
        return weights_in_plane(*vectors_of(trial, reading))


@dataclass(frozen=True)
class Unmixed:
    """The rays themselves: words say no more than which is which.

    Like the rule that reads coordinates, it knows how many models have which level of an aspect,
    and not which.
    """

    name: str = "FineXL, unmixed, rays named by the words"
    kind: ClassVar[str] = JOINTLY

    def read(self, trial: Trial, reading: Reading) -> Array:
        """Return the weights. See `Reader.read`."""
        V, F = vectors_of(trial, reading)
        X, P = in_plane(V, len(F))
        levels = ranks_of(trial.coordinates)
        rays = rays_of(X, levels)
        likeness = unit_rows(rays) @ unit_rows(F @ P.T).T
        ray, aspect = linear_sum_assignment(-likeness)
        return refined(X, rays[ray[np.argsort(aspect)]], levels)


@dataclass(frozen=True)
class UnmixedByTruth:
    """The same, each ray named as suits best: what is missing to 1 is no fault of the words."""

    name: str = "unmixed, rays named by the truth"
    kind: ClassVar[str] = BOUND

    def read(self, trial: Trial, reading: Reading) -> Array:
        """Return the weights. See `Reader.read`."""
        levels = ranks_of(trial.coordinates)
        X, _ = in_plane(trial.divergences(reading.measure), levels.shape[1])
        rays = rays_of(X, levels)
        named = (
            refined(X, rays[list(order)], levels)
            for order in itertools.permutations(range(len(rays)))
        )
        return max(named, key=lambda weights: coordinate_accuracy(weights, levels))


@dataclass(frozen=True)
class Fitted:
    """Directions fitted on the true levels by least squares: the best that any words could be."""

    name: str = "directions fitted on the levels"
    kind: ClassVar[str] = BOUND

    def read(self, trial: Trial, reading: Reading) -> Array:
        """Return the weights. See `Reader.read`."""
        V = trial.divergences(reading.measure)
        directions = np.linalg.pinv(ranks_of(trial.coordinates)) @ V
        weights: Array = V @ np.linalg.pinv(directions)
        return weights


def in_plane(V: Array, k: int) -> tuple[Array, Array]:
    """Return models (m, k) in the k leading directions of their divergences (m, K), and those."""
    P = np.linalg.svd(V, full_matrices=False)[2][:k]
    return V @ P.T, P


def weights_in_plane(V: Array, F: Array) -> Array:
    """Return the models' weights of the concepts within the plane that the models span.

    Args:
        V: (models, K), divergences.
        F: (k, K), concept vectors.

    Returns:
        (models, k)
    """
    X, P = in_plane(V, len(F))
    weights: Array = X @ np.linalg.pinv(F @ P.T)
    return weights


def rays_of(X: Array, levels: NDArray[np.int_]) -> Array:
    """Return what one level of each aspect adds, (k, k), in no order of aspects.

    The k outermost models of the cone are found by successive projection (Araújo et al. 2001). The
    outermost one towards an aspect has the highest level of it and the lowest of the others.

    Args:
        X: (models, k).
        levels: (models, k), of which the lowest and the highest is looked at.
    """
    k = X.shape[1]
    middle = X.mean(axis=0)
    along = X @ middle
    # models of a cone through 0, each brought to one distance, are a simplex
    left = np.divide(X, along[:, None], out=np.zeros_like(X), where=along[:, None] > 0)
    outermost = []
    for _ in range(k):
        at = int(np.argmax((left**2).sum(axis=1)))
        outermost.append(at)
        direction = unit_rows(left[[at]])
        left = left - left @ direction.T @ direction
    low, high = int(levels.min()), int(levels.max())
    mixture = np.full((k, k), float(low)) + (high - low) * np.eye(k)
    return np.linalg.inv(mixture) @ X[outermost]


def refined(X: Array, rays: Array, levels: NDArray[np.int_]) -> Array:
    """Return the models' weights of the rays, fitted to all models in turn with their levels.

    The levels are read from the weights by rank, never looked at: as k-means without centres.

    Args:
        X: (models, k).
        rays: (k, k), one for each aspect.
        levels: (models, k), of which it counts how often each occurs.
    """
    ordered = np.sort(levels, axis=0)
    before = None
    for _ in range(ROUNDS):
        weights: Array = X @ np.linalg.pinv(rays)
        read = np.empty(levels.shape)
        for i, column in enumerate(weights.T):
            read[np.argsort(column, kind="stable"), i] = ordered[:, i]
        if before is not None and np.array_equal(read, before):
            break
        before, rays = read, np.linalg.pinv(read) @ X
    return weights
