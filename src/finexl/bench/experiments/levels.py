"""Scenarios 1 and 2: levels of one aspect by rank, of several by coordinate (Appendix C)."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from finexl.bench.experiments.readers import BY_NAME, Reader, Reading
from finexl.bench.experiments.trials import Plan, Trial
from finexl.bench.methods import Array
from finexl.bench.results import Result, Results
from finexl.bench.scoring import coordinate_accuracy, rank_error, ranks_of

LEVELS = (3, 5, 8, 10)
"""How many levels a pool has (Table 2)."""
SIX = ((1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (3, 1))
"""Figure 11: the six mixtures of two aspects, of which at most four parts in four are theirs."""

RANKED = "rank error"
LOCATED = "coordinate accuracy"

Progress = Callable[[str, int, int], None]


def one_aspect(
    plans: Sequence[Plan],
    readers: Sequence[Reader],
    reading: Reading,
    results: Results,
    *,
    settings: str,
    images: int | None = None,
    seeds: Sequence[int] = (0,),
    counts: Sequence[int] = LEVELS,
    progress: Progress = lambda *_: None,
) -> None:
    """Rank the models of each trial by the aspect's score; the mean absolute error of the ranks.

    Tables 1, 2, 4, 5 and 6. With fewer levels than a trial has, those that lie evenly are taken.

    Args:
        plans: trials of one aspect each, at as many levels as the largest count.
        readers: the rows.
        reading: what they read with.
        results: added to; what is there is not computed again.
        settings: digest of everything that the values depend on.
        images: pairs of a model, drawn by the seed; None for all.
        seeds: of the pairs and of the methods' draws.
        counts: how many levels.
        progress: told of every trial.
    """

    def score(trial: Trial, reading: Reading, reader: Reader) -> Iterable[Result]:
        started = time.monotonic()
        some = trial.some(images, reading.seed)
        levels = some.coordinates[:, 0]
        whole = reader.read(some, reading)[:, 0]
        seconds = time.monotonic() - started
        for count in counts:
            if count > len(levels):
                continue
            at = evenly(len(levels), count)
            yield Result(
                "one-aspect",
                RANKED + reader.kind,
                reader.name,
                f"{trial.family}, {count} levels",
                trial.name,
                reading.seed,
                rank_error(list(whole[at]), list(levels[at])),
                settings,
                round(seconds, 2),
                {"levels": [float(x) for x in levels[at]], "scores": _short(whole[at])},
            )

    done = results.done("one-aspect", settings, _part)
    _each(score, RANKED, plans, readers, reading, seeds, results, done, progress)


def several_aspects(
    plans: Sequence[Plan],
    readers: Sequence[Reader],
    reading: Reading,
    results: Results,
    *,
    settings: str,
    images: int | None = None,
    seeds: Sequence[int] = (0,),
    progress: Progress = lambda *_: None,
) -> None:
    """Read each model's coordinate from its scores; how often it is the true one (Table 3).

    A trial with two aspects at three levels is also scored on the six mixtures of Figure 11 alone.
    The arguments are those of `one_aspect`.
    """

    def score(trial: Trial, reading: Reading, reader: Reader) -> Iterable[Result]:
        some = trial.some(images, reading.seed)
        levels = ranks_of(some.coordinates)
        # who reads each model by itself reads it once; the others see no model outside of a part
        whole, seconds = _timed(reader, some, reading) if reader.kind == BY_NAME else (None, 0.0)
        for name, at in parts_of(levels):
            part = replace(some, models=tuple(some.models[i] for i in at))
            if whole is None:
                scores, seconds = _timed(reader, part, reading)
            else:
                scores = whole[at]
            yield Result(
                "several-aspects",
                LOCATED + reader.kind,
                reader.name,
                f"{trial.family}, {name}",
                trial.name,
                reading.seed,
                coordinate_accuracy(scores, levels[at]),
                settings,
                round(seconds, 2),
                {
                    "aspects": list(part.aspects),
                    "levels": levels[at].tolist(),
                    "scores": [_short(row) for row in scores],
                },
            )
            seconds = 0.0

    done = results.done("several-aspects", settings, _part)
    _each(score, LOCATED, plans, readers, reading, seeds, results, done, progress)


def evenly(n: int, count: int) -> list[int]:
    """Return so many indices of n, the first and the last among them, as evenly as can be."""
    return [round(i) for i in np.linspace(0, n - 1, count)]


def _short(values: Array) -> list[float]:
    """Return scores as results keep them: six significant digits."""
    return [float(f"{value:.6g}") for value in values]


def parts_of(levels: NDArray[np.int_]) -> list[tuple[str, list[int]]]:
    """Return the pools that a trial's models make: the six mixtures, and all of them, by index.

    Args:
        levels: (models, aspects), counted from 1.
    """
    k, most = levels.shape[1], int(levels.max())
    there = list(map(tuple, levels.tolist()))
    found = []
    if k == 2 and set(itertools.product((1, 2, 3), repeat=2)) <= set(there):
        six = [i for i, at in enumerate(there) if at in SIX]
        found.append(("2 aspects, the six mixtures", six))
    name = f"{k} aspects, {' x '.join([str(most)] * k)}" if k < 4 else f"{k} aspects"
    if len(levels) < most**k:
        name = f"{k} aspects, {len(levels)} mixtures"
    return [*found, (name, list(range(len(levels))))]


def _timed(reader: Reader, trial: Trial, reading: Reading) -> tuple[Array, float]:
    started = time.monotonic()
    scores = reader.read(trial, reading)
    return scores, time.monotonic() - started


def _part(r: Result) -> tuple[object, ...]:
    """Return what results are found together: those of one reader, trial and seed."""
    return r.measure, r.row, r.trial, r.seed, r.column.split(",")[0]


def _each(
    score: Callable[[Trial, Reading, Reader], Iterable[Result]],
    measure: str,
    plans: Sequence[Plan],
    readers: Sequence[Reader],
    reading: Reading,
    seeds: Sequence[int],
    results: Results,
    done: Collection[object],
    progress: Progress,
) -> None:
    """Score every trial with every reader and seed that is not known yet."""
    for number, plan in enumerate(plans):
        progress(f"{plan.family}: {plan.name}", number, len(plans))
        missing = [
            (seed, reader)
            for seed, reader in itertools.product(seeds, readers)
            if (measure + reader.kind, reader.name, plan.name, seed, plan.family) not in done
        ]
        trial = plan.make() if missing else None
        here = {seed: replace(reading, seed=seed, told={}) for seed in seeds}
        for seed, reader in missing:
            assert trial is not None
            results.add(*score(trial, here[seed], reader))
    progress("Scored", len(plans), len(plans))
