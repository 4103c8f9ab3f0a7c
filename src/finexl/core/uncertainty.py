"""How far each number can be trusted: shares on held-out pairs, intervals, stability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finexl.core.divergence import Sample

Array = NDArray[np.float64]

LEVEL = 0.95


@dataclass(frozen=True)
class Shares:
    """What each kept concept explains of V_div, of pairs it was not fitted on."""

    each: Array
    """(k,), additive, of ‖V_div‖² with the noise taken out; may be slightly negative."""
    residual_squared: float
    """1 − Σ each; may be slightly negative."""


def reproducible(sample: Sample) -> Array:
    """Return M (d, d), the mean of a bᵀ over all splits of the prompts into halves a and b.

    Two half-means share no noise, so ⟨a, b⟩ estimates ‖V_div‖² without the bias that noise gives
    to ‖mean‖². Over all half splits the average has a closed form: M = V Vᵀ − Cov(V).
    """
    V = sample.mean
    return np.outer(V, V) - sample.covariance()


def held_out_shares(M: Array, F: Array, L: Array) -> Shares | None:
    """Return share_i = mean of w_i(a) ⟨f_i, b⟩ over mean of ⟨a, b⟩, on a fixed support.

    Args:
        M: what `reproducible` returned.
        F: (k, d), the kept concepts.
        L: (k, d), their weights as functionals of V_div.

    Returns:
        None where ⟨a, b⟩ is not positive: nothing reproduces, so that nothing has a share.
    """
    total = float(np.trace(M))
    if not total > 0:
        return None
    each = np.einsum("kd,de,ke->k", L, M, F) / total
    return Shares(each, 1.0 - float(each.sum()))


def intervals(
    sample: Sample, functionals: Array, *, simultaneous: float | None = None
) -> tuple[Array, Array]:
    """Return lower and upper ends (k,) of 95 % intervals of linear functionals of V_div.

    Args:
        sample: evidence that did not choose the functionals; else give `simultaneous`.
        functionals: (k, d).
        simultaneous: a critical |t| that holds for the whole pool at once; by default Student's,
            with the design's degrees of freedom.
    """
    estimate = sample.estimate(functionals)
    critical = _student(estimate.dof) if simultaneous is None else simultaneous
    return estimate.mean - critical * estimate.error, estimate.mean + critical * estimate.error


def _student(dof: Array) -> Array:
    """Return the two-sided critical |t| of LEVEL for each number of degrees of freedom."""
    from scipy.special import stdtrit  # a third of a second to import, and not always needed

    critical: Array = stdtrit(dof, 0.5 + LEVEL / 2)
    return critical
