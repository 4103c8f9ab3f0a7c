"""Where everything in the two charts goes: geometry alone, the templates draw it.

x is in percent of the chart's width, so that the charts fit any width with text of constant size;
y is in CSS pixels.
"""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass

from finexl.explanation import Aspect, Explanation
from finexl.report import numbers, wording

ROW_HEIGHT = 46.0
TOP = 26.0
BOTTOM = 26.0
LABEL_COLUMNS = 34
"""A label's longest width in letters (wide ones count twice): what a narrow screen has room for."""
MARGIN = 2.0
"""Percent of the width kept free at both ends, so that a dot there is whole."""


FAINTEST = 0.35
"""The strength of the last colour among the shares of one direction; the first has 1."""


@dataclass(frozen=True)
class Scale:
    """A linear map of scores to x: `low` falls on MARGIN, `high` on 100 − MARGIN."""

    low: float
    high: float

    def x(self, score: float) -> float:
        """The position of a score, in percent of the width."""
        return MARGIN + (100 - 2 * MARGIN) * (score - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Mark:
    """One aspect: its bar from zero, its dot, its interval (ends None where undefined)."""

    aspect: Aspect
    label: str
    direction: str
    """ "more" or "less"."""
    y: float
    """The top of its row."""
    x: float
    bar_x: float
    bar_width: float
    ci_x: tuple[float, float] | None
    description: str


@dataclass(frozen=True)
class Tick:
    """A value on the axis."""

    x: float
    label: str


@dataclass(frozen=True)
class Chart:
    """The scores with their intervals, one row an aspect, on a common scale with a zero line."""

    scale: Scale
    zero_x: float
    height: float
    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class Segment:
    """A part of ‖V_div‖²: an aspect's share, or what is left unexplained ("rest")."""

    label: str
    share: float
    direction: str
    """ "more", "less" or "rest"."""
    x: float
    width: float
    strength: float
    """How strong its colour is, in (0, 1]."""


def score_chart(explanation: Explanation) -> Chart | None:
    """Lay out the scores; None where there is no aspect."""
    aspects = (*explanation.aspects, *explanation.less)
    if not aspects:
        return None
    ends = [end for a in aspects for end in (a.score, *(a.ci or ()))]
    scale = _spanning(min(0.0, *ends), max(0.0, *ends))
    rows = [("more", a) for a in explanation.aspects] + [("less", a) for a in explanation.less]
    marks = tuple(_mark(i, direction, a, scale) for i, (direction, a) in enumerate(rows))
    height = TOP + ROW_HEIGHT * len(marks) + BOTTOM
    return Chart(scale, scale.x(0), height, marks, _ticks(scale))


def share_bar(explanation: Explanation) -> tuple[Segment, ...]:
    """Lay out shares and the unexplained rest end to end; empty where a share is undefined.

    Shares are parts of ‖V_div‖², so the rest is the residual squared. A negative share has no
    width; where the rest sums to more than the whole, the bar is scaled to fit.
    """
    parts = _parts(explanation)
    if not parts:
        return ()
    whole = max(1.0, sum(max(0.0, share) for _, share, _, _ in parts))
    segments: list[Segment] = []
    x = 0.0
    for label, share, direction, strength in parts:
        width = 100 * max(0.0, share) / whole
        segments.append(Segment(label, share, direction, x, width, strength))
        x += width
    return tuple(segments)


def _parts(explanation: Explanation) -> list[tuple[str, float, str, float]]:
    """(label, share, direction, strength) of every part; empty where one is undefined."""
    if explanation.residual is None:
        return []
    parts = []
    for direction, aspects in (("more", explanation.aspects), ("less", explanation.less)):
        for i, aspect in enumerate(aspects):
            if aspect.share is None:
                return []
            strength = 1 - (1 - FAINTEST) * i / max(1, len(aspects) - 1)
            label = shortened(aspect.concept, LABEL_COLUMNS)
            parts.append((label, aspect.share, direction, strength))
    return [*parts, ("Unexplained", explanation.residual**2, "rest", 1.0)] if parts else []


def shortened(text: str, columns: int) -> str:
    """`text` cut with an ellipsis to at most `columns` letters, wide ones counting twice."""
    kept, room = "", columns
    for letter in wording.plain(text):
        room -= 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        if room < 0:
            return kept[:-1].rstrip() + "…"
        kept += letter
    return kept


def _mark(row: int, direction: str, aspect: Aspect, scale: Scale) -> Mark:
    x, zero = scale.x(aspect.score), scale.x(0)
    interval, tested = numbers.interval(aspect.ci), wording.SIGNIFICANCE[aspect.significant]
    return Mark(
        aspect=aspect,
        label=shortened(aspect.concept, LABEL_COLUMNS),
        direction=direction,
        y=TOP + ROW_HEIGHT * row,
        x=x,
        bar_x=min(x, zero),
        bar_width=abs(x - zero),
        ci_x=None if aspect.ci is None else (scale.x(aspect.ci[0]), scale.x(aspect.ci[1])),
        description=f"{aspect.concept}: {numbers.score(aspect.score)}"
        f" (95 % interval {interval}, {tested})",
    )


def _spanning(low: float, high: float) -> Scale:
    return Scale(low, high if high > low else low + 1)


def _ticks(scale: Scale) -> tuple[Tick, ...]:
    """The multiples of 1, 2 or 5 · 10^k on the scale, zero among them: two to seven."""
    span = scale.high - scale.low
    power = 10.0 ** math.floor(math.log10(span))
    step = next(m * power for m in (0.2, 0.5, 1, 2) if span / (m * power) < 6)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    steps = range(math.ceil(scale.low / step - 1e-9), math.floor(scale.high / step + 1e-9) + 1)
    return tuple(Tick(scale.x(k * step), _tick_label(k * step, decimals)) for k in steps)


def _tick_label(value: float, decimals: int) -> str:
    return "0" if value == 0 else f"{value:.{decimals}f}".replace("-", "−")
