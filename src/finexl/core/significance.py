"""Is there a difference, and along which concepts? Randomization tests, by prompt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finexl.core.divergence import Sample
from finexl.core.orthogonality import unit_rows

Array = NDArray[np.float64]

ALPHA = 0.05
MIN_PROMPTS = 6
"""With fewer prompts no sign-flip test can reach p ≤ 0.05 on both sides."""
DISTRACTOR_PERCENTILE = 95.0
_TIES = 1.0 - 1e-9  # arrangements equal but for rounding count as equal


@dataclass(frozen=True)
class Detection:
    """The test of V_div = 0."""

    p_value: float
    detected: bool


def detect(sample: Sample, rng: np.random.Generator) -> Detection:
    """Test whether ‖V_div‖ is larger, against its noise floor, than "no difference" would make it.

    Each arrangement has its own noise floor: labels permuted between two sets that scatter
    differently would else find a difference of scatter where there is none of the means. For pairs
    this orders the arrangements as ‖V_div‖ alone does. Exact where all arrangements are counted;
    else (1 + those as large) / (1 + draws).
    """
    arranged = sample.null(rng)
    signal, noise = (arranged.means**2).sum(axis=1), arranged.squares.sum(axis=1)
    total = signal + noise
    part = np.divide(signal, total, out=np.zeros_like(signal), where=total > 0)
    p = float((part >= part[0] * _TIES).mean())
    return Detection(p, p <= ALPHA)


def noise_floor(sample: Sample) -> float:
    """Return the norm √tr Cov(V_div) that scatter between prompts alone gives V_div; ≥ 0."""
    return float(np.sqrt(np.trace(sample.covariance())))


def adjusted_p_values(sample: Sample, F: Array, rng: np.random.Generator) -> Array:
    """Return q (m,): each concept's p-value, adjusted over the pool by the maximum statistic.

    The statistic is |t| of the pair divergences along the concept; q is how often the largest |t|
    of the whole pool is at least as large under "no difference". Controls the chance of any false
    concept (Westfall and Young, single step).
    """
    arranged = sample.through(unit_rows(F)).null(rng)
    t = _studentized(arranged.means, arranged.squares)
    largest = t.max(axis=1)
    q: Array = (largest[:, None] >= t[0][None] * _TIES).mean(axis=0)
    return q


def simultaneous_quantile(sample: Sample, F: Array, rng: np.random.Generator) -> float:
    """Return the 95 % quantile of the pool's largest |t| were every concept's effect zero."""
    arranged = sample.centred().through(unit_rows(F)).null(rng)
    largest = _studentized(arranged.means, arranged.squares).max(axis=1)
    return float(np.quantile(largest, 1.0 - ALPHA, method="higher"))


def alignments(V_div: Array, F: Array) -> Array:
    """Return cos(V_div, f(C)) (m,), signed; 0 where either has no length."""
    norm = float(np.linalg.norm(V_div))
    return unit_rows(F) @ V_div / norm if norm > 0 else np.zeros(len(F))


def specific(alignment: Array, distractor_alignment: Array) -> NDArray[np.bool_]:
    """Return which concepts align better than 95 % of unrelated phrases do, whatever the sign."""
    threshold = np.percentile(np.abs(distractor_alignment), DISTRACTOR_PERCENTILE)
    mask: NDArray[np.bool_] = np.abs(alignment) > threshold
    return mask


def _studentized(means: Array, squares: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(means) / np.sqrt(squares)
    return np.nan_to_num(t, nan=0.0, posinf=np.inf)
