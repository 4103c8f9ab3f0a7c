"""One model at several steps of its training, or at several strengths: the rules, on numbers.

Numbers come as `finexl.core.lengths` jackknifes them, (S, 1 + n): a row for each of S points in
order, first from all n prompts, then from all but each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finexl.core.lengths import Jackknifed, jackknifed
from finexl.core.significance import ALPHA

Array = NDArray[np.float64]

FLAT = 0.1
"""Effects are flat from where at most this part of what they end at is still to come."""
GROWN = 0.1
"""Other movement goes on growing where it gets longer by more than this part."""
JUMP = 0.1
"""The unexplained share jumps where it is larger by more than this than at the smallest strength
that shows."""
TOLERANCE = 0.1
"""The part of the base's prompt faithfulness that may be lost."""
RESAMPLES = 2000


@dataclass(frozen=True)
class Onset:
    """Where over-training sets in: the point's index, and what speaks for it."""

    index: int
    beside: Jackknifed
    """By what part the movement beside the aspects grows from there to the end."""
    lost: Jackknifed | None
    """How prompt faithfulness changes from there to the end; None where it is not known."""

    @property
    def grows(self) -> bool:
        """Whether that movement certainly goes on growing."""
        return self.beside.low > GROWN

    @property
    def falls(self) -> bool:
        """Whether prompt faithfulness certainly goes on falling."""
        return self.lost is not None and self.lost.high < 0.0


@dataclass(frozen=True)
class Range:
    """The strengths that can be used, as indices; None where that cannot be told."""

    first: int | None
    """The smallest at which a change is detected."""
    last: int | None
    """The largest before the first that is damaged or jumps; below `first` where that is one."""
    damaged: int | None
    """The first at which prompt faithfulness is certainly below the tolerance."""
    jumped: int | None
    """The first at which the unexplained share has jumped."""

    @property
    def empty(self) -> bool:
        """Whether no strength is usable: the smallest that shows is damaged already."""
        return self.first is not None and self.last is not None and self.last < self.first


def learned_at(values: Array, q: Array | None) -> list[int | None]:
    """Return where each concept's effect is first significant, the way that it ends; (S, k)."""
    if q is None:
        return [None] * values.shape[1]
    told = (q <= ALPHA) & (np.sign(values) == np.sign(values[-1]))
    return [int(of.argmax()) if of.any() else None for of in told.T]


def half_at(at: Array, moved: Array, rng: np.random.Generator) -> tuple[float, float, float]:
    """Return where an effect first has half of what it ends at, and 95 % of resamples between.

    Linear between points, and from nothing at 0.

    Args:
        at: (S,), ascending, > 0.
        moved: (S, n), the effect in each prompt.
        rng: resamples the prompts.
    """
    n = moved.shape[1]
    counts = rng.multinomial(n, np.full(n, 1.0 / n), size=RESAMPLES) / n
    values = np.vstack([moved.mean(axis=1), counts @ moved.T]) * np.sign(moved[-1].mean())
    goal = values[:, -1:] / 2.0
    i = (values >= goal).argmax(axis=1)[:, None]
    before = np.hstack([np.zeros((len(values), 1)), values[:, :-1]])
    start = np.concatenate([[0.0], at[:-1]])
    low, high = (np.take_along_axis(table, i, axis=1) for table in (before, values))
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.nan_to_num((goal - low) / (high - low), nan=1.0)
    crossed = (start[i] + np.clip(part, 0.0, 1.0) * (at[i] - start[i]))[:, 0]
    ends = np.quantile(crossed[1:], [ALPHA / 2, 1 - ALPHA / 2])
    return float(crossed[0]), float(ends[0]), float(ends[1])


def flat_from(strength: Array) -> int | None:
    """Return from which point on the effects are flat, (S, 1 + n); None: before the last, nowhere.

    That effects have not been seen to grow is not enough: it has to be certain (one-sided 97.5 %)
    that at most a tenth of what they end at is still to come, there and at every later point. So
    points are tested from the last one back, and many of them make no error more likely.
    """
    found = None
    for s in range(len(strength) - 2, -1, -1):
        if not jackknifed(1.0 - _part(strength[s], strength[-1])).high <= FLAT:
            break
        found = s
    return found


def onset(strength: Array, rest: Array, faithful: Array | None) -> Onset | None:
    """Return where over-training sets in; None where there is no sign of it.

    It is the point from which on the effects of the aspects are flat, if from there to the last the
    movement beside them certainly grows by more than a tenth, or prompt faithfulness certainly
    falls. One point is asked, not each of those after it: of many checkpoints one would say so by
    chance.

    Args:
        strength: (S, 1 + n), the mean effect of the aspects, each the way it ends.
        rest: (S, 1 + n), the length of V_div beside them.
        faithful: (S, 1 + n), the part of the base's prompt faithfulness that is kept.
    """
    s = flat_from(strength)
    if s is None:
        return None
    found = Onset(
        s,
        jackknifed(_part(rest[-1], rest[s]) - 1.0),
        None if faithful is None else jackknifed(faithful[-1] - faithful[s]),
    )
    return found if found.grows or found.falls else None


def usable(
    detected: Sequence[bool | None],
    share: Array | None,
    faithful: Array | None,
    tolerance: float = TOLERANCE,
) -> Range:
    """Return the usable strengths, of ascending ones.

    Harm is certain with 95 % confidence for all strengths together: the more are tried, the more it
    takes to say of one of them that it harms.

    Args:
        detected: whether each strength's change is.
        share: (S, 1 + n), the unexplained part of V_div's length; None where it is not known.
        faithful: (S, 1 + n), the part of the base's prompt faithfulness that is kept; None where it
            is not known, and the upper end then only where the share has jumped.
        tolerance: the part of it that may be lost.
    """
    first = next((s for s, told in enumerate(detected) if told), None)
    if first is None:
        return Range(None, None, None, None)
    points = range(first, len(detected))
    looks = len(points)
    damaged = jumped = None
    if faithful is not None:
        lost = (s for s in points if jackknifed(faithful[s], looks).high < 1.0 - tolerance)
        damaged = next(lost, None)
    if share is not None:
        jumps = (s for s in points if jackknifed(share[s] - share[first], looks).low > JUMP)
        jumped = next(jumps, None)
    ends = [s - 1 for s in (damaged, jumped) if s is not None]
    last = min(ends, default=None if faithful is None else len(detected) - 1)
    return Range(first, last, damaged, jumped)


def _part(of: Array, whole: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Array = of / whole
    return found
