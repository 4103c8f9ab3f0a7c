"""Families of models with known levels that need no files: photographs under image operators."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from finexl.bench.data.graded import Graded
from finexl.bench.data.operated import Mixture, ladder, operated
from finexl.bench.experiments.trials import Plan, Trial, embedded
from finexl.encoders import Encoder
from finexl.imageset import ImageSet
from finexl.operators import OPERATORS

OPERATED = "operators"
COMPOSED = "operators composed"


def ladders(
    photographs: ImageSet, names: Sequence[str], levels: int, encoder: Encoder, seed: int = 0
) -> list[Plan]:
    """Return a trial for each operator: the photographs at l/L of it, l = 1 … L."""
    return [
        _plan(
            OPERATED,
            [operator],
            (operated(photographs, mixture, seed) for mixture in ladder(operator, levels)),
            encoder,
        )
        for operator in names
    ]


def composed(
    photographs: ImageSet,
    groups: Sequence[Sequence[str]],
    levels: int,
    encoder: Encoder,
    seed: int = 0,
) -> list[Plan]:
    """Return a trial for each group: every combination of levels, one operator after the other."""
    return [
        _plan(
            COMPOSED,
            group,
            (operated(photographs, mixture, seed) for mixture in _grid(group, levels)),
            encoder,
        )
        for group in groups
    ]


def evenly_of(photographs: ImageSet, count: int) -> ImageSet:
    """Return so many of the photographs, lying evenly among them; all where there are no more."""
    n = len(photographs.pictures)
    at = dict.fromkeys(round(i) for i in np.linspace(0, n - 1, min(count, n)))
    return replace(photographs, pictures=tuple(photographs.pictures[i] for i in at))


def some_of(plans: Sequence[Plan], size: int, count: int, seed: int) -> list[tuple[Plan, ...]]:
    """Draw so many groups of trials, all of them where there are no more; in their order."""
    every = list(itertools.combinations(plans, size))
    rng = np.random.default_rng([seed, size, count, len(plans)])
    chosen = rng.choice(len(every), min(count, len(every)), replace=False)
    return [every[i] for i in sorted(chosen)]


def groups_of(names: Sequence[str], size: int, count: int, seed: int) -> list[list[str]]:
    """Draw so many groups of operators; no two of a group share or oppose a phrase."""
    rng = np.random.default_rng([seed, size, count])
    found: list[list[str]] = []
    while len(found) < count:
        group = [names[i] for i in rng.choice(len(names), size, replace=False)]
        if not any(_close(a, b) for a, b in itertools.combinations(group, 2)):
            found.append(group)
    return found


def _close(a: str, b: str) -> bool:
    """Whether two operators are the same or opposite changes by their own phrases."""
    one, other = OPERATORS[a], OPERATORS[b]
    mine, its = ({*o.phrases, *o.opposite} for o in (one, other))
    return bool(mine & its)


def _grid(group: Sequence[str], levels: int) -> Iterable[Mixture]:
    steps = [level / levels for level in range(1, levels + 1)]
    for at in itertools.product(steps, repeat=len(group)):
        yield dict(zip(group, at, strict=True))


def _word(operator: str) -> str:
    return OPERATORS[operator].phrases[0]


def _plan(family: str, group: Sequence[str], sets: Iterable[Graded], encoder: Encoder) -> Plan:
    aspects = tuple(_word(operator) for operator in group)

    def make() -> Trial:
        return Trial(family, aspects, tuple(embedded(one, encoder) for one in sets))

    return Plan(family, " + ".join(aspects), make)
