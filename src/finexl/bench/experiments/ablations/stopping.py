"""With and without what says how sure a concept is: all that is listed, or what stands a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from finexl.bench.experiments.ablations.null import nothing
from finexl.bench.experiments.ablations.rows import (
    Measures,
    Progress,
    by_prompt,
    quiet,
    score_rows,
    strongest,
)
from finexl.bench.experiments.ablations.said import Said, measures_of
from finexl.bench.experiments.readers import Reading
from finexl.bench.experiments.trials import Plan, Trial
from finexl.bench.methods import Array
from finexl.bench.results import Results
from finexl.core.analysis import Analysis, Kept
from finexl.core.divergence import Paired
from finexl.measure import Measure

Rule = Callable[[Analysis, Kept], bool]


def _listed(_: Analysis, __: Kept) -> bool:
    return True


def _confirmed(analysis: Analysis, _: Kept) -> bool:
    return analysis.confirmed


def _off_zero(analysis: Analysis, kept: Kept) -> bool:
    return analysis.confirmed and kept.ci is not None and kept.ci[0] * kept.ci[1] > 0


def _significant(_: Analysis, kept: Kept) -> bool:
    return kept.significant is True


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "all kept": _listed,
        "confirmed": _confirmed,
        "interval off zero": _off_zero,
        "significant": _significant,
    }
)
"""Which of the listed concepts are read: all, the best guess included; those that the stopping rule
confirms; of these those whose 95 % interval leaves out 0; those called significant (a difference is
detected, q ≤ 0.05, more specific than unrelated phrases, and the interval)."""


def stopping(
    plans: Sequence[Plan],
    reading: Reading,
    results: Results,
    *,
    settings: str,
    decompositions: Sequence[str] = ("subspace", "nnls", "paper"),
    draws: int = 20,
    images: int | None = None,
    seeds: Sequence[int] = (0,),
    progress: Progress = quiet,
) -> None:
    """Read whole explanations by each of `RULES`, on the models and where there is no difference.

    Args:
        plans: trials.
        reading: candidates and encoder.
        results: added to.
        settings: digest of everything else that values depend on.
        decompositions: which explain.
        draws: of no difference, for each trial.
        images: pairs of a model, drawn by the seed; None for all.
        seeds: of the pairs and of the explanations' draws.
        progress: told of every trial.
    """
    names = {f"{d}, {rule}": (d, rule) for d in decompositions for rule in RULES}

    def score(trial: Trial, seed: int, rows: Sequence[str]) -> Iterator[tuple[str, Measures]]:
        for kind in dict.fromkeys(names[row][0] for row in rows):
            measure = replace(reading.measure, decomposition=kind, seed=seed)
            models = [_analysed(measure, by_prompt(model), words) for model in trial.models]
            null = {
                name: [_analysed(measure, pairs, words) for pairs in drawn]
                for name, drawn in nothing(strongest(trial), draws, seed).items()
            }
            for row in rows:
                if names[row][0] == kind:
                    rule = RULES[names[row][1]]
                    false = {
                        name: float(np.mean([len(_read(one, words, rule).scores) for one in drawn]))
                        for name, drawn in null.items()
                    }
                    said = [_read(one, words, rule) for one in models]
                    yield row, {**measures_of(trial, said), **false}

    words = tuple(dict.fromkeys(reading.words))
    score_rows(
        "ablation-stopping",
        plans,
        list(names),
        score,
        results,
        settings=settings,
        images=images,
        seeds=seeds,
        progress=progress,
    )


def _analysed(measure: Measure, pairs: Array, words: Sequence[str]) -> Analysis:
    return measure.analyse(Paired(pairs), words)[0]


def _read(analysis: Analysis, words: Sequence[str], rule: Rule) -> Said:
    return Said(
        {words[kept.index]: kept.score for kept in analysis.kept if rule(analysis, kept)},
        analysis.residual_in_sample,
    )
