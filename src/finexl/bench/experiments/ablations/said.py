"""What an explanation says of a model, and how far that is right: by names, and by levels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from finexl.bench.experiments.trials import Trial
from finexl.bench.scoring import rank_error
from finexl.concepts.cleaning import key_of
from finexl.operators import OPERATORS


@dataclass(frozen=True)
class Said:
    """What one explanation says of one model."""

    scores: Mapping[str, float]
    """Kept concept -> w · ‖f(C)‖, below 0 where there is less."""
    residual: float | None
    """Eq. 11, in sample; None where there is no difference."""
    asked: Mapping[str, float] | None = None
    """Aspect -> its score where it is kept beside those chosen, as somebody asked for it."""
    effects: Mapping[str, float] | None = None
    """Aspect -> ⟨V_div, f(C)/‖f(C)‖⟩, whatever is kept."""


def measures_of(trial: Trial, said: Sequence[Said]) -> dict[str, float]:
    """Score what was said of a trial's models, in their order.

    rank error                    scenario 1, by the strongest score among the aspect's names; 0
                                  where none is kept. Mean over aspects
    rank error, aspect asked for  the same where the aspect is kept beside those chosen
    rank error, by effect         the same by the aspect alone: only space and words matter to it
    hit@1                         how often the strongest *more of* is a name of a true aspect
    concepts                      how many are kept
    residual                      Eq. 11, in sample
    """
    names = accepted(trial.aspects)
    found = {
        "rank error": _rank_error(trial, [by_name(one.scores, trial.aspects) for one in said]),
        "hit@1": float(np.mean([key_of(strongest_word(one.scores)) in names for one in said])),
        "concepts": float(np.mean([len(one.scores) for one in said])),
    }
    for measure, scores in (
        ("rank error, aspect asked for", [one.asked for one in said]),
        ("rank error, by effect", [one.effects for one in said]),
    ):
        defined = [one for one in scores if one is not None]
        if len(defined) == len(said):
            found[measure] = _rank_error(trial, defined)
    residuals = [one.residual for one in said if one.residual is not None]
    if residuals:
        found["residual"] = float(np.mean(residuals))
    return found


def _rank_error(trial: Trial, scores: Sequence[Mapping[str, float]]) -> float:
    errors = [
        rank_error([one[aspect] for one in scores], list(levels))
        for aspect, levels in zip(trial.aspects, trial.coordinates.T, strict=True)
    ]
    return float(np.mean(errors))


def by_name(scores: Mapping[str, float], aspects: Sequence[str]) -> dict[str, float]:
    """Return each aspect's strongest score under any of its names; 0 where there is none."""
    found = {}
    for aspect in aspects:
        names = accepted([aspect])
        own = [score for word, score in scores.items() if key_of(word) in names]
        found[aspect] = max(own, key=abs, default=0.0)
    return found


def strongest_word(scores: Mapping[str, float]) -> str:
    """Return what there is most of; "" where there is more of nothing."""
    best = max(scores, key=lambda word: scores[word], default="")
    return best if scores.get(best, 0.0) > 0 else ""


def accepted(aspects: Collection[str]) -> set[str]:
    """Return the names that these aspects go by, each as `key_of` has it: one spelling for all.

    Their own; and where one is what an image operator is called, the operator's other phrases.
    """
    named = [o.phrases for o in OPERATORS.values() if o.phrases[0] in aspects]
    return {key_of(name) for name in (*aspects, *(phrase for one in named for phrase in one))}
