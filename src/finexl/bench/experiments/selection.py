"""Model selection, the authors' later test: of many personalized models, the one that is wanted.

A model is wanted of which there are some images; a pool of models is described in words, each by
images of other prompts. The one whose explanation is most like that of the wanted model's images is
chosen.

    prompts      a random half describes the pool, the other half the wanted model
    wanted       each kind in the pool in turn
    explanation  a method's scores of all words, as a vector
    chosen       the largest cosine; where several are as like, one of them, each as likely
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import rankdata

from finexl.bench.experiments.levels import evenly
from finexl.bench.experiments.readers import Reading
from finexl.bench.experiments.trials import Model, Plan
from finexl.bench.methods import Array, Method
from finexl.bench.results import Result, Results
from finexl.core.orthogonality import unit_rows
from finexl.errors import UsageError

EXPERIMENT = "selection"
TIES = 1e-9
LOOKED_AT = 6
"""Pictures of two models that a perceptual distance is the mean over."""

Progress = Callable[[str, int, int], None]
Distance = Callable[[Image.Image, Image.Image], float]
"""How different two pictures of the same content look: `finexl.bench.perceptual.Lpips`."""
Likeness = Callable[[Array, Array], Array]
"""Explanations (n, m) and (k, m) -> how like each is each, (n, k)."""


@dataclass(frozen=True)
class Pool:
    """Models to choose from, all of the same prompts."""

    column: str
    """What the tables call it: a family of models, and how many levels or aspects."""
    name: str
    models: tuple[Model, ...]


@dataclass(frozen=True)
class PoolPlan:
    """A pool that is embedded when it is asked for."""

    column: str
    name: str
    make: Callable[[], Pool]


class Describer(Protocol):
    """A row of the tables: models as vectors that can be compared."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    @property
    def likeness(self) -> Likeness:
        """How like two of its vectors are."""
        ...

    def describe(self, models: Sequence[Model], reading: Reading) -> list[Mapping[str, float]]:
        """Return each model's scores by word; a word that is not there has 0."""
        ...


def cosine(some: Array, others: Array) -> Array:
    """Return the cosine, whatever the lengths; 0 where nothing was found."""
    found: Array = unit_rows(some) @ unit_rows(others).T
    return found


def concordance(some: Array, others: Array) -> Array:
    """Return 2⟨a, b⟩ / (‖a‖² + ‖b‖²), 1 for equal vectors alone: the cosine, less where one is
    longer than the other. Levels of one style differ by length, which a cosine cannot see.
    """
    squares = (some**2).sum(axis=1)[:, None] + (others**2).sum(axis=1)[None]
    products = 2 * some @ others.T
    found: Array = np.divide(products, squares, out=np.zeros_like(products), where=squares > 0)
    return found


@dataclass(frozen=True)
class Effects:
    """FineXL: what each word alone would show, in one space for all models.

    Models are compared by effect, ⟨V_div, f(C)/‖f(C)‖⟩ / r, which is defined for every word
    whatever else an explanation keeps.
    """

    likeness: Likeness = cosine
    name: str = "FineXL"

    def describe(self, models: Sequence[Model], reading: Reading) -> list[Mapping[str, float]]:
        """Return the effects. See `Describer.describe`."""
        measure = reading.measure
        V = measure.inside(np.array([model.rows.mean(axis=0) for model in models]))
        F = measure.inside(measure.vectors(reading.words).vectors)
        effects = V @ unit_rows(F).T / measure.frame.scale
        return [dict(zip(reading.words, map(float, row), strict=True)) for row in effects]


@dataclass(frozen=True)
class Scores:
    """A method's own scores, of the words that it tells of."""

    method: Method
    likeness: Likeness = cosine
    suffix: str = ""

    @property
    def name(self) -> str:
        """The method's."""
        return self.method.name + self.suffix

    def describe(self, models: Sequence[Model], reading: Reading) -> list[Mapping[str, float]]:
        """Let the method tell. See `Describer.describe`."""
        measure = replace(reading.measure, seed=reading.seed)
        cases = (m.case(measure, reading.words, reading.vlm, reading.seed) for m in models)
        return [self.method.tell(case).scores for case in cases]


def single_aspect(plans: Sequence[Plan], counts: Sequence[int] = (3, 5, 8)) -> list[PoolPlan]:
    """Return a pool for each count of levels: every style at so many of its levels, lying evenly.

    Args:
        plans: trials of one aspect each over the same prompts, as scenario 1 has them.
        counts: how many levels; a style that has fewer is left out.
    """

    made = cache(lambda: [plan.make().models for plan in plans])

    def make(count: int) -> Pool:
        column = f"{plans[0].family}, 1 aspect, {count} levels"
        some = [[of[i] for i in evenly(len(of), count)] for of in made() if len(of) >= count]
        return Pool(column, f"{count} levels", tuple(itertools.chain(*some)))

    return [_planned(plans[0].family, "1 aspect", f"{n} levels", make, n) for n in counts]


def mixtures(
    plans: Mapping[int, Sequence[Plan]], models: int | None = None, seed: int = 0
) -> list[PoolPlan]:
    """Return a pool for each number of aspects: every group of aspects at its mixtures of levels.

    Args:
        plans: how many aspects -> trials of so many over the same prompts, as scenario 2 has them.
        models: mixtures of a group, drawn by the seed; None for all.
        seed: of that draw.
    """

    def make(count: int) -> Pool:
        trials = [plan.make() for plan in plans[count]]
        rng = np.random.default_rng([seed, count])
        column = f"{plans[count][0].family}, {count} aspects"
        some: list[Model] = []
        for trial in trials:
            of = trial.models
            few = len(of) if models is None else min(models, len(of))
            some += [of[i] for i in np.sort(rng.choice(len(of), few, replace=False))]
        return Pool(column, f"{count} aspects", tuple(some))

    return [_planned(plans[n][0].family, f"{n} aspects", "", make, n) for n in plans]


def selection(
    plans: Sequence[PoolPlan],
    describers: Sequence[Describer],
    reading: Reading,
    results: Results,
    *,
    settings: str,
    images: int | None = None,
    seeds: Sequence[int] = (0,),
    distance: Distance | None = None,
    progress: Progress = lambda *_: None,
) -> None:
    """Choose for each kind of model in a pool, wanted by other images of it, the most like one.

    Measured, as means over the kinds: "same style", how often the chosen model has the wanted
    aspects and no others; "level error", where it has, how far its levels are from the wanted ones
    in ranks, mean over the aspects (left out where no choice had); "perceptual distance", see
    `apart`. A pool is a trial, a seed draws which prompts describe the pool.

    Args:
        plans: the columns.
        describers: the rows.
        reading: what they read with; give the same prompts (or none) for pool and wanted.
        results: added to; what is there is not computed again.
        settings: digest of everything that the values depend on.
        images: pairs that describe a model, each half; None for all.
        seeds: of the halves and of the methods' draws.
        distance: None leaves the perceptual distance out, which needs weights that do not ship.
        progress: told of every pool.
    """
    done = results.done(EXPERIMENT, settings, lambda r: (r.row, r.column, r.trial, r.seed))
    for number, plan in enumerate(plans):
        progress(f"Selection: {plan.column}", number, len(plans))
        missing = [
            (seed, row)
            for seed, row in itertools.product(seeds, describers)
            if (row.name, plan.column, plan.name, seed) not in done
            or (
                distance is not None
                and not results.has(*_key("perceptual distance", row.name, plan, seed, settings))
            )
        ]
        pool = plan.make() if missing else None
        for seed, of_seed in itertools.groupby(missing, key=lambda entry: entry[0]):
            assert pool is not None
            halves = split(pool, seed, images)
            looks = _Looks(halves[1].models, distance)
            for _, row in of_seed:
                started = time.monotonic()
                found = list(_chosen(row, halves, replace(reading, seed=seed), looks, seed))
                seconds = round(time.monotonic() - started, 2)
                results.add(
                    *(
                        Result(
                            EXPERIMENT,
                            measure,
                            row.name,
                            plan.column,
                            plan.name,
                            seed,
                            value,
                            settings,
                            seconds,
                            {"models": len(pool.models)},
                        )
                        for measure, value in found
                    )
                )
    progress("Scored", len(plans), len(plans))


def split(pool: Pool, seed: int, images: int | None = None) -> tuple[Pool, Pool]:
    """Return the pool by one half of its prompts, and by the other; the halves share no prompt.

    Raises:
        UsageError: fewer than two prompts, or the models were not made of the same ones.
    """
    keys = {tuple((p.prompt, p.key) for p in model.base.pictures) for model in pool.models}
    if len(keys) != 1:
        raise UsageError(f"The models of {pool.column} were not made of the same prompts.")
    units = [key if prompt is None else prompt for prompt, key in keys.pop()]
    distinct = list(dict.fromkeys(units))
    if len(distinct) < 2:
        raise UsageError(f"The models of {pool.column} have one prompt; two halves need two.")
    order = np.random.default_rng([seed, len(distinct)]).permutation(len(distinct))
    first = {distinct[i] for i in order[: len(distinct) // 2]}
    found = []
    for inside in (True, False):
        chosen = np.array([i for i, unit in enumerate(units) if (unit in first) == inside])
        some = tuple(model.some(chosen[:images]) for model in pool.models)
        found.append(replace(pool, models=some))
    return found[0], found[1]


def chances(likeness: Array) -> Array:
    """Return for each wanted model (rows) how likely each of the pool is chosen; rows sum to 1."""
    best = likeness.max(axis=1, keepdims=True) - TIES
    as_like = (likeness >= best).astype(np.float64)
    shares: Array = as_like / as_like.sum(axis=1, keepdims=True)
    return shares


def same_style(models: Sequence[Model]) -> NDArray[np.bool_]:
    """Return which models have the same aspects, at whatever levels, (n, n)."""
    styles = [_style(model) for model in models]
    return np.array([[a == b for b in styles] for a in styles])


def level_errors(models: Sequence[Model]) -> Array:
    """Return how far levels are apart, (n, n): mean over the first one's aspects, in ranks.

    Ranks of the levels that an aspect has in models of the same style. NaN for other styles.
    """
    n = len(models)
    styles = [_style(model) for model in models]
    found = np.full((n, n), np.nan)
    for style in set(styles):
        at = [i for i in range(n) if styles[i] == style]
        levels = np.array([[models[i].levels[a] for a in sorted(style)] for i in at])
        if not style:
            found[np.ix_(at, at)] = 0.0
            continue
        ranks = np.stack([rankdata(column, method="dense") for column in levels.T], axis=1)
        found[np.ix_(at, at)] = np.abs(ranks[:, None] - ranks[None]).mean(axis=2)
    return found


def apart(chosen: Model, wanted: Model, distance: Distance) -> float:
    """Return how different two models' images look: the mean over the first so many prompts.

    Distances mean something between pictures of the same content alone. So the images that the
    wanted model is known by are compared with those that the chosen model makes of the same
    prompts, which the choice was not made by; the wanted model itself has 0.
    """
    pairs = zip(chosen.personalized.pictures, wanted.personalized.pictures, strict=True)
    some = itertools.islice(pairs, LOOKED_AT)
    return float(np.mean([distance(a.open(), b.open()) for a, b in some]))


@dataclass
class _Looks:
    """Perceptual distances between the models of one half, each measured once."""

    models: Sequence[Model]
    distance: Distance | None
    known: dict[tuple[int, int], float] = field(default_factory=dict)

    def between(self, chosen: int, wanted: int) -> float:
        assert self.distance is not None
        if chosen == wanted:
            return 0.0
        key = (min(chosen, wanted), max(chosen, wanted))
        if key not in self.known:
            self.known[key] = apart(self.models[key[0]], self.models[key[1]], self.distance)
        return self.known[key]


def _chosen(
    row: Describer, halves: tuple[Pool, Pool], reading: Reading, looks: _Looks, seed: int
) -> Iterable[tuple[str, float]]:
    """Yield what one row's choices are measured by."""
    offered, wanted = (row.describe(half.models, reading) for half in halves)
    words = list(dict.fromkeys(itertools.chain(*offered, *wanted)))
    shares = chances(row.likeness(_table(wanted, words), _table(offered, words)))
    models = halves[1].models
    same = same_style(models)
    yield "same style", float((shares * same).sum(axis=1).mean())
    hits = shares * same
    if hits.any():
        yield "level error", float((hits * np.nan_to_num(level_errors(models))).sum() / hits.sum())
    if looks.distance is not None:
        rng = np.random.default_rng([seed, len(models)])
        picks = [int(rng.choice(len(models), p=row_shares)) for row_shares in shares]
        yield (
            "perceptual distance",
            float(np.mean([looks.between(pick, at) for at, pick in enumerate(picks)])),
        )


def _table(found: Sequence[Mapping[str, float]], words: Sequence[str]) -> Array:
    # where nothing was found of any model there is one column of zeros
    rows = [[scores.get(word, 0.0) for word in words] or [0.0] for scores in found]
    return np.array(rows, dtype=np.float64)


def _style(model: Model) -> frozenset[str]:
    return frozenset(aspect for aspect, level in model.levels.items() if level > 0)


def _planned(
    family: str, aspects: str, levels: str, make: Callable[[int], Pool], count: int
) -> PoolPlan:
    column = ", ".join(part for part in (family, aspects, levels) if part)
    return PoolPlan(column, levels or aspects, lambda: make(count))


def _key(measure: str, row: str, plan: PoolPlan, seed: int, settings: str) -> tuple[str, ...]:
    return (EXPERIMENT, measure, row, plan.column, plan.name, str(seed), settings)
