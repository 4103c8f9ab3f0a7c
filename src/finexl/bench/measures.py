"""What a measure's name says of it: which way it is better, and what values there can be."""

from __future__ import annotations

import math
import re

from finexl.bench.scoring import EVERYWHERE

_LOWER = re.compile(r"error|distance|false|regret|orthogonality|seconds|of other")
_HIGHER = re.compile(r"accuracy|same style|hit@|alignment|linearity|agreement|correlation")
_SHARE = re.compile(r"accuracy|same style|hit@|detected")
_COUNT = re.compile(r"rank error|level error|distance|false|concepts|residual|seconds")
_COSINE = re.compile(r"alignment|orthogonality|linearity|correlation")


def better_of(measure: str) -> str:
    """Return which way a measure is better: "lower", "higher", or "" where it is only counted."""
    if _LOWER.search(measure):
        return "lower"
    return "higher" if _HIGHER.search(measure) else ""


def range_of(measure: str) -> tuple[float, float]:
    """Return the least and the greatest value that a measure can have, infinite where unknown."""
    for pattern, ends in ((_SHARE, (0.0, 1.0)), (_COUNT, (0.0, math.inf)), (_COSINE, (-1.0, 1.0))):
        if pattern.search(measure):
            return ends
    return EVERYWHERE
