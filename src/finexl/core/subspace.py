"""The space in which V_div and the concepts are compared.

Concept vectors share a large common direction and differ in few others. The authors found that
projecting V_div and every f(C) on the leading principal directions of a vocabulary's concept
vectors, and whitening there, is what makes their cosines mean something. The basis is fitted on
centred concept vectors and applied to uncentred ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RANK = 18
"""K: how many directions are kept; the authors found 15 to 22 good and 18 best."""
FLOOR = 1e-3
"""ε: added to each direction's variance, as a part of the largest, before whitening."""


@dataclass(frozen=True)
class Subspace:
    """Orthonormal directions of the encoder's space, each with the length that becomes 1."""

    directions: Array
    """(K, d), orthonormal rows."""
    lengths: Array
    """(K,), > 0."""

    @property
    def matrix(self) -> Array:
        """(K, d): maps an encoder vector into the whitened subspace."""
        return self.directions / self.lengths[:, None]

    @classmethod
    def identity(cls, d: int) -> Subspace:
        """Return the encoder's own space."""
        return cls(np.eye(d), np.ones(d))


def fit_subspace(vectors: Array, *, rank: int = RANK, floor: float = FLOOR) -> Subspace:
    """Fit the whitened leading-K subspace on the vocabulary's concept vectors (m, d).

    Raises:
        ValueError: fewer than two distinct vectors, which span no direction.
    """
    centred = vectors - vectors.mean(axis=0)
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    variances = singular**2 / len(vectors)
    # equal vectors differ from their mean by rounding, which is no direction
    rounding = 1e-24 * float((vectors**2).sum()) / len(vectors)
    keep = min(rank, int((variances > max(1e-12 * variances[0], rounding)).sum()))
    if keep == 0:
        raise ValueError("a subspace needs at least two distinct concept vectors")
    # a singular vector's sign is arbitrary: fix it, so that every machine has the same basis
    directions = directions[:keep]
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
    lengths = np.sqrt(variances[:keep] + floor * variances[0])
    return Subspace(directions * np.sign(largest), lengths)
