"""How long mean divergences are and how they lie to each other, with the noise taken out.

‖mean‖² holds the scatter of the rows beside the true squared length. Products of rows of different
prompts do not: their mean over all j ≠ k is without bias, also for two models whose rows of one
prompt share the base's noise. Uncertainty is the jackknife's, leaving out one prompt at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEVEL = 0.95


@dataclass(frozen=True)
class Jackknifed:
    """A number with its 95 % interval; all NaN where it is undefined.

    What is jackknifed comes as (1 + n,): the number from all prompts, then from all but each; so
    that sums and ratios of such numbers are jackknifed as they are.
    """

    value: float
    low: float
    high: float


def inner(a: Array, b: Array) -> Array:
    """Return ⟨V_a, V_b⟩ from all prompts, then from all but each; (1 + n,).

    Args:
        a: (n, d), a model's pair divergences.
        b: (n, d), another's, or the same; row j of the same prompt.
    """
    n = len(a)
    own = np.einsum("jd,jd->j", a, b)
    sum_a, sum_b = a.sum(axis=0), b.sum(axis=0)
    total = float(sum_a @ sum_b - own.sum())
    without = total - a @ sum_b - b @ sum_a + 2.0 * own
    pairs = np.array([n * (n - 1.0), *[(n - 1.0) * (n - 2.0)] * n])
    found: Array = np.array([total, *without]) / np.where(pairs > 0, pairs, np.nan)
    return found


def means(values: Array) -> Array:
    """Return the mean of values (n,) from all prompts, then from all but each; (1 + n,)."""
    n, total = len(values), values.sum()
    with np.errstate(invalid="ignore"):
        found: Array = np.concatenate([[total / n], (total - values) / (n - 1.0)])
    return found


def lengths(rows: Array) -> Array:
    """Return ‖V‖ without the noise's part, from all prompts and from all but each; (1 + n,)."""
    found: Array = np.sqrt(np.maximum(inner(rows, rows), 0.0))
    return found


def jackknifed(found: Array, looks: int = 1) -> Jackknifed:
    """Return a number's interval from itself and what it is without each prompt, (1 + n,).

    Args:
        found: the number, from all prompts and from all but each.
        looks: how many such numbers are looked at; their intervals hold for all of them together.
    """
    value, without = found[0], found[1:]
    n = len(without)
    if n < 2 or not np.isfinite(found).all():
        return Jackknifed(np.nan, np.nan, np.nan)
    error = np.sqrt((n - 1.0) / n * ((without - without.mean()) ** 2).sum())
    margin = _student(n - 1.0, 1.0 - (1.0 - LEVEL) / (2 * looks)) * error
    return Jackknifed(float(value), float(value - margin), float(value + margin))


def cosine(a: Array, b: Array) -> Jackknifed:
    """Return cos(V_a, V_b), its interval within [−1, 1]; NaN where noise could be all of either."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = jackknifed(inner(a, b) / (lengths(a) * lengths(b)))
    value, low, high = np.clip([found.value, found.low, found.high], -1.0, 1.0).tolist()
    return Jackknifed(value, low, high)


def longest(rows: Array) -> float:
    """Return what ‖V‖ is at most, with 95 % confidence; NaN with fewer than 4 prompts.

    For a mean with covariance S the squared length without bias, u, scatters around ‖V‖² with a
    variance of at most 4 λ ‖V‖² + 2 tr S², λ the largest eigenvalue of S. The bound is the largest
    ‖V‖² from which u lies no further than Student's one-sided 95 %. tr S² is estimated without the
    excess that few rows in many dimensions have (Bai and Saranadasa 1996), and bounds λ.
    """
    n, d = rows.shape
    if n < 4:
        return float("nan")
    centred = rows - rows.mean(axis=0)
    gram = centred @ centred.T / (n * (n - 1.0))  # has the eigenvalues of S
    trace, squares = float(np.trace(gram)), float((gram**2).sum())
    excess = (n - 1.0) ** 2 / ((n - 2.0) * (n + 1.0))
    squares = max(excess * (squares - trace**2 / (n - 1.0)), trace**2 / d)
    largest = min(float(np.linalg.eigvalsh(gram)[-1]), np.sqrt(squares))
    u = float(inner(rows, rows)[0])
    c = _student(n - 1.0, LEVEL) ** 2
    middle = u + 2.0 * c * largest
    root = np.sqrt(max(middle**2 - u**2 + 2.0 * c * squares, 0.0))
    return float(np.sqrt(max(middle + root, 0.0)))


def _student(dof: float, level: float) -> float:
    from scipy.special import stdtrit  # a third of a second to import, and not always needed

    return float(stdtrit(dof, level))
