"""Redundancy of concepts: distinct meanings should be orthogonal (§4.4, Eq. 8–9)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def total_projection(cosines: Array, *, absolute: bool = False) -> Array:
    """Return O(C) ≥ 0 from a concept's cosines with the concepts kept so far (Eq. 9).

    Args:
        cosines: (..., k), ⟨f(C), f(C_k)⟩ / (‖f(C)‖ ‖f(C_k)‖); k may be 0.
        absolute: sum the absolute cosines, so that opposite ones cannot cancel. The paper's text
            leaves this open; the authors' code takes the absolute value of the signed sum.

    A concept is redundant where O(C) reaches the threshold e_ortho.
    """
    total: Array = np.abs(cosines).sum(axis=-1) if absolute else np.abs(cosines.sum(axis=-1))
    return total


def unit_rows(F: Array) -> Array:
    """Return the rows of F (m, d) at unit length; a zero row stays zero."""
    length = np.linalg.norm(F, axis=1, keepdims=True)
    rows: Array = np.divide(F, length, out=np.zeros_like(F), where=length > 0)
    return rows
