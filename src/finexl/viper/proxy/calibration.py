"""Whether probabilities hold what they say: reliability, Brier score, calibration error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
BINS = 10


@dataclass(frozen=True)
class Bin:
    """The predictions that fall between two probabilities."""

    low: float
    high: float
    n: int
    said: float | None
    """Their mean; None where there are none."""
    was: float | None
    """The share of them that came true."""


@dataclass(frozen=True)
class Calibration:
    """How well probabilities did; all but `bins` are better the lower, and at best 0."""

    n: int
    brier: float
    """Mean squared distance from what came true, in [0, 1]; 0.25 for always saying one half."""
    log_loss: float
    """Mean −log of what was said of what came true; log 2 = 0.69 for always saying one half."""
    error: float
    """Expected calibration error: |said − was| over the bins, each by how many fall into it."""
    bins: tuple[Bin, ...]


def calibration(
    probabilities: Array, truths: NDArray[np.bool_], *, bins: int = BINS
) -> Calibration:
    """Compare probabilities (n,) with what came true (n,).

    Raises:
        ValueError: none, not as many of the one as of the other, or a number outside [0, 1].
    """
    if probabilities.shape != truths.shape or probabilities.ndim != 1 or not len(truths):
        raise ValueError("probabilities and truths have to be as many, and one at least")
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("a probability lies in [0, 1]")
    true = truths.astype(np.float64)
    place = np.minimum((probabilities * bins).astype(int), bins - 1)
    found = []
    for number in range(bins):
        inside = place == number
        some = bool(inside.any())
        found.append(
            Bin(
                number / bins,
                (number + 1) / bins,
                int(inside.sum()),
                float(probabilities[inside].mean()) if some else None,
                float(true[inside].mean()) if some else None,
            )
        )
    told = np.where(truths, probabilities, 1 - probabilities)
    gaps = [one.n * abs((one.said or 0.0) - (one.was or 0.0)) for one in found]
    return Calibration(
        len(true),
        float(((probabilities - true) ** 2).mean()),
        float(-np.log(np.maximum(told, 1e-12)).mean()),
        sum(gaps) / len(true),
        tuple(found),
    )
