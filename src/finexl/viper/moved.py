"""How far a change goes along each attribute of a taste, tested together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from finexl.core.orthogonality import unit_rows
from finexl.core.significance import ALPHA, MIN_PROMPTS, adjusted_p_values, specific
from finexl.core.uncertainty import intervals
from finexl.pipeline import Explained
from finexl.viper.taste import Taste

Verdict = Literal["as wished", "against the wish", "not told"]


@dataclass(frozen=True)
class Moved:
    """How far steering moved one attribute."""

    attribute: str
    wished: Literal[1, -1]
    effect: float
    """⟨V_div, f(C)/‖f(C)‖⟩ / r."""
    ci: tuple[float, float] | None
    q_value: float | None
    """Adjusted over the attributes of the taste; None with fewer than 6 prompts."""
    specific: bool
    """It moved further along this attribute than along 95 % of unrelated phrases."""
    verdict: Verdict
    """Told only where a difference is detected, q ≤ 0.05 and the attribute is specific."""


def movements(explained: Explained, taste: Taste, seed: int) -> tuple[Moved, ...]:
    """Return how far V_div goes along each attribute of the taste, tested together."""
    measure, sample = explained.measure, explained.evidence.sample
    sides: tuple[tuple[Literal[1, -1], tuple[tuple[str, float], ...]], ...] = (
        (1, taste.liked),
        (-1, taste.disliked),
    )
    wishes = [(words, way) for way, side in sides for words, weight in side if weight]
    G = unit_rows(measure.inside(measure.vectors([words for words, _ in wishes]).vectors))
    inside = sample.through(measure.frame.subspace.matrix)
    scale = measure.frame.scale
    effects = G @ inside.mean / scale
    U = unit_rows(measure.inside(measure.unrelated))
    telling = specific(G @ inside.mean, U @ inside.mean)
    detected = bool(explained.explanation.divergence.detected)
    low = high = q = None
    if sample.n >= MIN_PROMPTS:
        low, high = intervals(inside, G / scale)
        q = adjusted_p_values(inside, G, np.random.default_rng([seed, len(wishes)]))
    found = []
    for i, (words, way) in enumerate(wishes):
        sure = detected and q is not None and q[i] <= ALPHA and bool(telling[i])
        verdict: Verdict = "not told"
        if sure:
            verdict = "as wished" if effects[i] * way > 0 else "against the wish"
        found.append(
            Moved(
                words,
                way,
                float(effects[i]),
                None if low is None or high is None else (float(low[i]), float(high[i])),
                None if q is None else float(q[i]),
                bool(telling[i]),
                verdict,
            )
        )
    return tuple(found)
