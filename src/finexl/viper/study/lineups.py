"""How often the own picture is among the first k of a line-up, and how sure that is (Table 1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finexl.viper.agents.identity import wilson

Array = NDArray[np.float64]
TOP = (1, 2, 3, 4)
SIZE = 8
"""Pictures in a line-up, one of them the person's own."""


@dataclass(frozen=True)
class Share:
    """A share in [0, 1] with its 95 % interval, and what chance would give."""

    value: float
    ci: tuple[float, float]
    units: int
    """What counts once, however many questions it was asked: people, or their tastes."""
    questions: int
    chance: float
    paper: float | None = None
    """The paper's figure for it, found on other people with other models."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "value": self.value,
            "ci": list(self.ci),
            "units": self.units,
            "questions": self.questions,
            "chance": self.chance,
            "paper": self.paper,
        }


def share_of(
    credits: Sequence[Sequence[float]], chance: float, paper: float | None = None
) -> Share:
    """Return the share over units, each counting once however often it was asked.

    The interval is Wilson's for as many trials as there are units, which cannot be too narrow: a
    unit's mean varies by p(1 − p) at most. Of one unit alone its questions count.

    Args:
        credits: for each unit, what its questions scored, in [0, 1]; empty units do not count.
        chance: what knowing nothing would score.
        paper: the paper's figure.
    """
    asked = [unit for unit in credits if len(unit)]
    questions = sum(len(unit) for unit in asked)
    value = float(np.mean([np.mean(unit) for unit in asked]))
    ci = wilson(value, len(asked) if len(asked) > 1 else questions)
    return Share(value, ci, len(asked), questions, chance, paper)


def top(scores: Sequence[float] | Array, own: int) -> tuple[float, ...]:
    """Return whether the own picture is among the k best, for k of `TOP`; ties are left to chance.

    Args:
        scores: (n,), the higher the better.
        own: its place among them.
    """
    given = np.asarray(scores, np.float64)
    above = int((given > given[own]).sum())
    level = int((given == given[own]).sum())
    return tuple(min(1.0, max(0.0, (k - above) / level)) for k in TOP)


def top_of_ranks(ranks: Sequence[int], own: int, size: int) -> tuple[float, ...]:
    """Return the same of what a person ranked, where the others share the places behind.

    Args:
        ranks: places in the line-up, the best first, the rest left out.
        own: the place of the own picture.
        size: pictures in the line-up.
    """
    scores = np.zeros(size)
    for number, place in enumerate(ranks):
        scores[place] = size - number
    return top(scores, own)


def better(own: float, other: float) -> float:
    """Return 1 where the first is higher, 0 where it is lower, one half where they are equal."""
    return 0.5 if own == other else float(own > other)
