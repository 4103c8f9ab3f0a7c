"""Which models are the same: duplicates, near-duplicates, and those of which it cannot be told."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np

from finexl.comparing.ground import Ground
from finexl.core.comparison import detect_all
from finexl.core.lengths import cosine, lengths, longest
from finexl.core.significance import ALPHA

NEAR = 0.25
"""Models are nearly the same where what tells them apart is at most this part of the smaller one's
V_div, with 95 % confidence."""

Verdict = Literal["identical", "same within noise", "nearly the same", "different", "untold"]


@dataclass(frozen=True)
class Alike:
    """Two models, and how far they are from being one; None where undefined."""

    models: tuple[str, str]
    cosine: float | None
    """cos of their V_div in the encoder's space, in [−1, 1]: with the noise taken out where there
    is an interval, and else of V_div as they are, noise and all."""
    ci: tuple[float, float] | None
    at_most: float | None
    """What cannot be excluded: the most that they differ by, with 95 % confidence, as a part of the
    smaller one's V_div; ≥ 0."""
    q_value: float | None
    """Of no difference, adjusted over all pairs of models."""
    verdict: Verdict


def alike(ground: Ground) -> tuple[Alike, ...]:
    """Compare every two models as wholes, the ones most alike first."""
    models = ground.models
    between = list(itertools.combinations(range(len(models)), 2))
    rows = ground.rows
    q = detect_all([rows[b] - rows[a] for a, b in between], ground.rng())
    found = []
    for i, (a, b) in enumerate(between):
        of = None if q is None else float(q[i])
        angle = cosine(rows[a], rows[b]) if ground.testable else None
        defined = angle is not None and np.isfinite(angle.value)
        at_most = _at_most(ground, a, b) if ground.testable else None
        digests = {models[i].explanation.personalized.digest for i in (a, b)}
        found.append(
            Alike(
                (models[a].name, models[b].name),
                angle.value if defined and angle else _plain_cosine(ground, a, b),
                (angle.low, angle.high) if defined and angle else None,
                at_most,
                of,
                _verdict(len(digests) == 1, of, at_most),
            )
        )
    order = ("identical", "same within noise", "nearly the same", "untold", "different")
    return tuple(sorted(found, key=lambda one: (order.index(one.verdict), -(one.cosine or -1.0))))


def _verdict(one: bool, q: float | None, at_most: float | None) -> Verdict:
    if one:
        return "identical"
    if q is None or at_most is None:
        return "untold" if q is None or q > ALPHA else "different"
    if at_most <= NEAR:
        return "nearly the same" if q <= ALPHA else "same within noise"
    return "different" if q <= ALPHA else "untold"


def _at_most(ground: Ground, a: int, b: int) -> float | None:
    """Return the bound on the difference; None where noise could be all of the smaller V_div."""
    smaller = min(lengths(ground.rows[i])[0] for i in (a, b))
    return float(longest(ground.rows[b] - ground.rows[a]) / smaller) if smaller > 0 else None


def _plain_cosine(ground: Ground, a: int, b: int) -> float | None:
    """Return the cosine of V_div as they are, noise and all; None where one has no length."""
    V, W = (ground.rows[i].mean(axis=0) for i in (a, b))
    lengths = float(np.linalg.norm(V) * np.linalg.norm(W))
    return float(V @ W) / lengths if lengths > 0 else None
