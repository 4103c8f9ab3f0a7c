"""How a number is written: one place, so that no two reports disagree.

An undefined number (None, or one that is not finite) is always "–", never an invented value.
"""

from __future__ import annotations

import math
from typing import TypeGuard

UNDEFINED = "–"


def score(value: float | None) -> str:
    """Two decimals with a true minus sign: scores, effects, weights, cosines."""
    return _signed(f"{value:.2f}") if _defined(value) else UNDEFINED


def interval(ends: tuple[float, float] | None) -> str:
    """Both ends as scores: "0.62 to 0.80"."""
    if ends is None or not all(map(_defined, ends)):
        return UNDEFINED
    return f"{score(ends[0])} to {score(ends[1])}"


def percent(value: float | None) -> str:
    """A fraction as a whole percentage; only exactly 0 and 1 may read "0 %" and "100 %"."""
    if not _defined(value):
        return UNDEFINED
    whole = round(100 * value)
    if whole == 0 and value > 0:
        return "< 1 %"
    if whole == 100 and value < 1:
        return "> 99 %"
    return _signed(f"{whole:d}") + " %"


def p_value(value: float | None) -> str:
    """Two significant digits down to 0.0001, below that "< 0.0001": p and q."""
    if not _defined(value):
        return UNDEFINED
    if value < 0.0001:
        return "< 0.0001"
    return f"{value:.{2 if value >= 0.1 else 3 if value >= 0.01 else 4}f}"


def length(value: float | None) -> str:
    """Three significant digits: norms, whose scale is the encoder's own."""
    return _signed(f"{value:.3g}") if _defined(value) else UNDEFINED


def count(value: int) -> str:
    """A whole number with its thousands set apart."""
    return f"{value:,d}"


def _defined(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _signed(digits: str) -> str:
    """Replace the hyphen by a minus sign, and drop it where only zeros follow."""
    if digits.startswith("-"):
        return digits[1:] if not digits.strip("-0.") else "−" + digits[1:]
    return digits
