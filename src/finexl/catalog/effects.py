"""What an explanation's own numbers say of a direction it may never have looked at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finexl.core.divergence import Paired
from finexl.core.significance import MIN_PROMPTS
from finexl.explanation import Explanation
from finexl.pipeline import OWN

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Effects:
    """Linear functionals of V_div, with 95 % intervals; each (m,)."""

    value: Array
    low: Array | None
    """None where the explanation keeps no pairs, or has too few prompts."""
    high: Array | None

    def ci(self, i: int) -> tuple[float, float] | None:
        """Return one of the intervals."""
        if self.low is None or self.high is None:
            return None
        return float(self.low[i]), float(self.high[i])


def effects_of(explanation: Explanation, directions: Array) -> Effects:
    """Return functionals (m, d) of an explanation's V_div, with Student's intervals.

    Prompts are the unit. Where there are more pairs than prompts and it is not said which pairs
    share one, the pairs of a prompt count as one that was seen several times: the interval is then
    too wide rather than too narrow.
    """
    divergence = explanation.divergence
    value = directions @ np.asarray(divergence.vector, dtype=np.float64)
    units = independent_units(explanation)
    if divergence.pairs is None or units < MIN_PROMPTS:
        return Effects(value, None, None)
    from scipy.special import stdtrit

    each = np.asarray(divergence.pairs, dtype=np.float64) @ directions.T
    labels = prompt_of_each(explanation)
    if labels is not None:
        each = Paired.of(each, labels).rows
    error = each.std(axis=0, ddof=1) / np.sqrt(units)
    margin = float(stdtrit(units - 1, 0.975)) * error
    return Effects(value, value - margin, value + margin)


def independent_units(explanation: Explanation) -> int:
    """Return how many prompts (or, where none are known, pairs) speak for an explanation."""
    if explanation.divergence.pairs is None:
        return 0
    labels = prompt_of_each(explanation)
    if labels is not None:
        return len(set(labels))
    pairs = len(explanation.divergence.pairs)
    own = explanation.prompts.source == OWN
    return min(pairs, explanation.prompts.n) if own else pairs


def prompt_of_each(explanation: Explanation) -> list[str] | None:
    """Return each pair's prompt, a name of its own where it is unknown; None where none is said.

    Nothing is said where the prompts are not the images' own, or where several pairs share one in
    an explanation of a version that did not keep which.
    """
    divergence, texts = explanation.divergence, explanation.prompts.texts
    if divergence.pairs is None or explanation.prompts.source != OWN:
        return None
    which = divergence.pair_prompts
    if which is None:
        return list(texts) if len(texts) == len(divergence.pairs) else None
    return [
        f"{explanation.base.digest} {j}" if i is None else texts[i] for j, i in enumerate(which)
    ]
