"""The rows of an ablation's table: one setting each, scored on every trial, never twice."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from finexl.bench.experiments.trials import Model, Plan, Trial
from finexl.bench.methods import Array
from finexl.bench.results import Result, Results
from finexl.core.divergence import Paired

Measures = Mapping[str, float]
"""What was measured -> the value. What is undefined is left out."""
Score = Callable[[Trial, int, Sequence[str]], Iterable[tuple[str, Measures]]]
"""(trial, seed, rows) -> the measures of each of these rows."""
Progress = Callable[[str, int, int], None]


def quiet(_: str, __: int, ___: int) -> None:
    """Tell nobody."""


def score_rows(
    experiment: str,
    plans: Sequence[Plan],
    rows: Sequence[str],
    score: Score,
    results: Results,
    *,
    settings: str,
    images: int | None = None,
    seeds: Sequence[int] = (0,),
    progress: Progress = quiet,
) -> None:
    """Score every trial under every setting and seed that is not known yet.

    Args:
        experiment: what the results are filed under.
        plans: trials; one is embedded only where something of it is missing.
        rows: the settings' names.
        score: measures some rows on a trial.
        results: added to.
        settings: digest of everything that the values depend on beside row, trial and seed.
        images: pairs of a model, drawn by the seed; None for all.
        seeds: of the pairs and of every other draw.
        progress: told of every trial.
    """
    done = results.done(experiment, settings, lambda r: (r.row, r.column, r.trial, r.seed))
    for number, plan in enumerate(plans):
        progress(f"{experiment}, {plan.family}: {plan.name}", number, len(plans))
        missing = {
            seed: [row for row in rows if (row, plan.family, plan.name, seed) not in done]
            for seed in seeds
        }
        trial = plan.make() if any(missing.values()) else None
        for seed, wanted in missing.items():
            if trial is None or not wanted:
                continue
            started = time.monotonic()
            for row, measures in score(trial.some(images, seed), seed, wanted):
                seconds = round(time.monotonic() - started, 2)
                results.add(
                    *(
                        Result(
                            experiment,
                            measure,
                            row,
                            plan.family,
                            plan.name,
                            seed,
                            float(value),
                            settings,
                            seconds,
                        )
                        for measure, value in measures.items()
                    )
                )
                started = time.monotonic()
    progress(experiment, len(plans), len(plans))


def strongest(trial: Trial) -> Model:
    """Return the model with the most of everything: of equals the last."""
    levels = trial.coordinates.sum(axis=1)
    return max(zip(levels, itertools.count(), trial.models, strict=False))[2]


def by_prompt(model: Model) -> Array:
    """Return the pair divergences, pairs of one prompt as one row: they are not independent."""
    units = [
        f"pair {i}" if picture.prompt is None else f"prompt {picture.prompt}"
        for i, picture in enumerate(model.base.pictures)
    ]
    return Paired.of(model.rows, units).rows
