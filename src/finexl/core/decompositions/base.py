"""What every decomposition takes and returns, and the refit on a chosen support."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from finexl.core.orthogonality import unit_rows

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
Halves = Sequence[tuple[Array, Array]]
"""Half-means (a, b) of repeated two-fold splits, each (K,)."""


@dataclass(frozen=True)
class Weights:
    """A decomposition: V_div ≈ Σ w_i f(C_i) over the kept concepts."""

    w: Array
    """(k,), Eq. 10, in the order of `kept`."""
    residual: float
    """Eq. 11, in sample, in [0, 1] for the least-squares fits; NaN where V_div = 0."""
    kept: tuple[int, ...]
    """Indices of the kept concepts, in the order in which they were taken."""
    dropped: tuple[tuple[str, str], ...]
    """Every other concept, and why it was left out."""
    confirmed: bool = True
    """Whether the rule that ends the selection was met by at least one concept."""


class Decomposition(Protocol):
    """One way of choosing the concepts that make up V_div."""

    @property
    def space(self) -> Literal["subspace", "encoder"]:
        """Where it works: the whitened subspace or the encoder's own space."""
        ...

    @property
    def template(self) -> str:
        """How t ∪ C is written, with {prompt} and {concept}."""
        ...

    @property
    def ridge(self) -> float:
        """What is added to the unit-length Gram matrix's diagonal when weights are refitted."""
        ...

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
        """Decompose V_div (K,) into the rows of F (m, K).

        Args:
            V_div: the divergence.
            F: one concept vector a row.
            concepts: their words.
            halves: half-means for a held-out stopping rule; empty where there are too few pairs.
            unrelated: (q, K), vectors of phrases that no concept worth keeping may fall behind.
            limit: the most concepts to keep.
        """
        ...

    def reselect(self, V_divs: Array, F: Array, count: int) -> NDArray[np.bool_]:
        """Return (B, m): which concepts a rerun on each resampled V_div (B, K) would keep.

        Args:
            V_divs: resampled divergences.
            F: the concept vectors.
            count: how many concepts the fit on the data kept: as many are asked for here, where
                the method has a number to ask for.
        """
        ...


IMMOVABLE = "its words do not move the text encoder"


def redundant(concept: str, projection: float) -> str:
    """Say that Eq. 9 found a concept redundant, and with which kept one above all."""
    return f"redundant with “{concept}” (total projection {projection:.2f})"


def functionals(F: Array, kept: Sequence[int], ridge: float) -> Array:
    """Return L (k, K) such that the refitted weights on this support are w = L V_div.

    Least squares over the kept concepts (Eq. 10) at unit length with a ridge, so that the ridge
    does not depend on how long a concept's vector is; rescaled to F's own lengths.
    """
    rows = F[list(kept)]
    unit = unit_rows(rows)
    solved: Array = np.linalg.pinv(unit @ unit.T + ridge * np.eye(len(rows)), hermitian=True) @ unit
    rescaled: Array = solved / np.linalg.norm(rows, axis=1, keepdims=True)
    return rescaled


def refit(V_div: Array, F: Array, kept: Sequence[int], ridge: float) -> tuple[Array, float]:
    """Return the weights (k,) on a fixed support and the residual of Eq. 11."""
    w = functionals(F, kept, ridge) @ V_div if kept else np.zeros(0)
    return w, residual(V_div, F, kept, w)


def residual(V_div: Array, F: Array, kept: Sequence[int], w: Array) -> float:
    """Return ‖V_div − Σ w_i f(C_i)‖ / ‖V_div‖ (Eq. 11); NaN where V_div = 0."""
    norm = float(np.linalg.norm(V_div))
    if norm == 0.0:
        return float("nan")
    return float(np.linalg.norm(V_div - w @ F[list(kept)])) / norm


def solve_supports(G: Array, c: Array, support: Indices, ridge: float) -> Array:
    """Solve (G_SS + ridge·I) x = c_S for many supports at once.

    Args:
        G: (m, m) Gram matrix.
        c: (B, m) right-hand sides.
        support: (B, s) indices; −1 pads, and its solution is 0.
        ridge: ≥ 0.
    """
    A, index, valid = _gathered(G, support, ridge)
    x = np.where(valid, np.take_along_axis(c, index, axis=1), 0.0)
    try:
        solution = np.linalg.solve(A, x[..., None])[..., 0]
    except np.linalg.LinAlgError:  # a support with dependent concepts and no ridge
        solution = (np.linalg.pinv(A, hermitian=True) @ x[..., None])[..., 0]
    return np.asarray(solution, dtype=np.float64)


def inverse_on_supports(G: Array, support: Indices) -> Array:
    """Return G_SS⁻¹ (B, s, s) for many supports; a padded row and column are the identity's."""
    A = _gathered(G, support, 0.0)[0]
    try:
        return np.asarray(np.linalg.inv(A), dtype=np.float64)
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.pinv(A, hermitian=True), dtype=np.float64)


def _gathered(G: Array, support: Indices, ridge: float) -> tuple[Array, Indices, NDArray[np.bool_]]:
    """Return G_SS + ridge·I, padded to the identity; the indices without −1; which are no pads."""
    valid = support >= 0
    index = np.where(valid, support, 0)
    both = valid[:, :, None] & valid[:, None, :]
    A = np.where(both, G[index[:, :, None], index[:, None, :]], 0.0)
    A += np.eye(support.shape[1]) * np.where(valid, ridge, 1.0)[:, None, :]
    return A, index, valid


def kept_mask(support: Indices, m: int) -> NDArray[np.bool_]:
    """Return (B, m) from padded supports (B, s)."""
    mask = np.zeros((len(support), m + 1), dtype=np.bool_)
    np.put_along_axis(mask, np.where(support >= 0, support, m), True, axis=1)
    return mask[:, :m]


def supports(mask: NDArray[np.bool_]) -> Indices:
    """Return padded supports (B, s) from a mask (B, m); s is the largest one's size."""
    size = mask.sum(axis=1)
    row, concept = np.nonzero(mask)
    slot = np.arange(row.size) - np.repeat(np.cumsum(size) - size, size)
    support = np.full((len(mask), size.max(initial=0)), -1, dtype=np.intp)
    support[row, slot] = concept
    return support
