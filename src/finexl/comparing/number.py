"""A number as comparisons show it, with how certain it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from finexl.core.comparison import Numbers
from finexl.core.lengths import Jackknifed
from finexl.core.significance import ALPHA


@dataclass(frozen=True)
class Number:
    """A number and how certain it is; None where that cannot be told."""

    value: float
    ci: tuple[float, float] | None = None
    """95 %."""
    q_value: float | None = None
    """Of its being 0, adjusted over all that was looked at beside it."""

    @property
    def significant(self) -> bool | None:
        """Whether it is more than chance."""
        return None if self.q_value is None else self.q_value <= ALPHA

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {**vars(self), "significant": self.significant}


def table_of(numbers: Numbers, *, testable: bool) -> list[tuple[Number, ...]]:
    """Return a table's numbers; without intervals where there are too few prompts to test."""
    q = numbers.q_values
    return [
        tuple(
            Number(
                float(numbers.value[i, k]),
                (float(numbers.low[i, k]), float(numbers.high[i, k])) if testable else None,
                None if q is None else float(q[i, k]),
            )
            for k in range(numbers.value.shape[1])
        )
        for i in range(len(numbers.value))
    ]


def number_of(found: Jackknifed, q_value: float | None = None) -> Number | None:
    """Return a jackknifed number; None where it is undefined."""
    if not np.isfinite(found.value):
        return None
    return Number(found.value, (found.low, found.high), q_value)
