"""Families of models with known levels that need no files: photographs under image operators."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from finexl.bench.data.graded import Aspect, Graded
from finexl.bench.data.operated import Mixture, ladder, operated
from finexl.bench.experiments.trials import Plan, Trial, embedded
from finexl.encoders import Encoder
from finexl.imageset import ImageSet
from finexl.operators import OPERATORS

OPERATED = "operators"
COMPOSED = "operators composed"
MIXED = "operators mixed"
PARTS = 4
"""Of so many parts of the pictures, an aspect at level l has l where several are mixed."""


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


def mixed(
    photographs: ImageSet,
    groups: Sequence[Sequence[str]],
    levels: int,
    encoder: Encoder,
    seed: int = 0,
) -> list[Plan]:
    """Return a trial for each group: pictures of several styles in known proportions.

    As where a model is trained on a mixture (Appendix C): with k aspects at L levels, a picture has
    each aspect at full strength or not at all, at level l in l of 4 parts (of L + 1, if more) of
    the pictures, independently of the other aspects; which pictures is the same at all levels, and
    more are added as the level rises.
    """
    parts = max(PARTS, levels + 1)

    def sets(group: Sequence[str]) -> Iterable[Graded]:
        n = len(photographs.pictures)
        rng = np.random.default_rng([seed, n, len(group)])
        ranks = [rng.permutation(n) for _ in group]
        full: dict[tuple[bool, ...], Graded] = {}
        for mixture in _grid(group, levels):
            wanted = [round(level * levels) for level in mixture.values()]
            has = np.array(
                [rank * parts < level * n for rank, level in zip(ranks, wanted, strict=True)]
            )
            pictures = []
            for i in range(n):
                key = tuple(bool(one) for one in has[:, i])
                if key not in full:
                    applied = {name: float(on) for name, on in zip(group, key, strict=True)}
                    full[key] = operated(photographs, applied, seed)
                pictures.append(full[key].personalized.pictures[i])
            name = " ".join(f"{a} {level}" for a, level in zip(group, wanted, strict=True))
            aspects = tuple(
                Aspect(_word(a), float(level)) for a, level in zip(group, wanted, strict=True)
            )
            yield Graded(name, aspects, ImageSet(name, "images", tuple(pictures)), photographs)

    return [_plan(MIXED, group, sets(group), encoder) for group in groups]


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
