"""f(C): a concept as the change that its words make to the text embeddings (§4.3, Eq. 6)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def concept_vectors(with_concept: Array, without: Array) -> Array:
    """Return f(C) (m, d) = mean over prompts of Enc_text[t ∪ C] − Enc_text[t] (Eq. 6).

    Args:
        with_concept: (m, n, d), the text embeddings of n prompts with each of m concepts.
        without: (n, d), those of the prompts alone.
    """
    difference: Array = with_concept.mean(axis=1) - without.mean(axis=0)
    return difference


def scatter_over_prompts(with_concept: Array, without: Array) -> Array:
    """Return (m,), how much Enc_text[t ∪ C] − Enc_text[t] varies over the prompts, summed over d.

    Args:
        with_concept: (m, n, d), n ≥ 2.
        without: (n, d).
    """
    scatter: Array = (with_concept - without).var(axis=1, ddof=1).sum(axis=1)
    return scatter


def agreement_with_all(vectors: Array, scatter: Array, n: int, n_all: int) -> float:
    """Estimate the cosine between f(C) from n prompts and from all `n_all` that they stand for.

    The n prompts are a random sample of the n_all; what their mean lacks is their scatter. The
    median over the concepts is returned, in [0, 1]; 1 where all were used.

    Args:
        vectors: (m, d), f(C) from the n prompts.
        scatter: (m,), from `scatter_over_prompts`.
        n: prompts used.
        n_all: prompts there are.
    """
    if n >= n_all:
        return 1.0
    if n < 2:
        return 0.0
    # ‖mean of n‖² = ‖mean of all‖² + error, where error = scatter · (1/n − 1/n_all)
    error = scatter * (1.0 / n - 1.0 / n_all)
    length = (vectors**2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = np.sqrt(np.clip(1.0 - error / length, 0.0, 1.0))
    return float(np.median(np.where(length > 0, cosine, 1.0)))
