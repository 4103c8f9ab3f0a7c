"""Families of models with known levels that need no files: photographs under image operators."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from finexl.bench.data.graded import Graded
from finexl.bench.data.operated import Mixture, ladder, operated
from finexl.bench.experiments.trials import Model, Plan, Trial, embedded
from finexl.encoders import Encoder
from finexl.imageset import ImageSet
from finexl.operators import OPERATORS

OPERATED = "operators"
COMPOSED = "operators composed"
MIXED = "mixed"


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


def mixed(family: str, full: Sequence[Plan], levels: int) -> Plan:
    """Return a trial whose models have several aspects in known proportions of their pictures.

    As where a model is trained on a mixture (Appendix C), a picture is of one aspect or plain: of k
    aspects at L levels, level l is l of k L parts of the pictures. Which pictures an aspect gets
    first is drawn once; the others follow as its level rises.

    Args:
        family: what it is called.
        full: a trial for each aspect, whose last model has it at full strength.
        levels: L.
    """
    aspects = tuple(plan.name for plan in full)

    def make() -> Trial:
        models = [plan.make().models[-1] for plan in full]
        n, parts = min(len(model.before) for model in models), len(full) * levels
        order = np.random.default_rng([n, parts]).permutation(n)
        # which picture belongs to which part; an aspect's parts lie side by side
        part_of = np.empty(n, dtype=np.intp)
        part_of[order] = np.arange(n) * parts // n
        return Trial(
            f"{family} {MIXED}",
            aspects,
            tuple(
                _mixture(models, aspects, at, part_of, levels)
                for at in itertools.product(range(1, levels + 1), repeat=len(full))
            ),
        )

    return Plan(f"{family} {MIXED}", " + ".join(aspects), make)


def _mixture(
    models: Sequence[Model],
    aspects: Sequence[str],
    at: Sequence[int],
    part_of: NDArray[np.intp],
    levels: int,
) -> Model:
    """Put together the pictures that each aspect has at its level, and the base's for the rest."""
    first = models[0]
    after, pictures = first.before.copy(), list(first.base.pictures)
    for number, (model, level) in enumerate(zip(models, at, strict=True)):
        start = number * levels
        for i in np.flatnonzero((part_of >= start) & (part_of < start + level)):
            after[i], pictures[i] = model.after[i], model.personalized.pictures[i]
    known = dict(zip(aspects, map(float, at), strict=True))
    name = " ".join(f"{aspect} {level}" for aspect, level in zip(aspects, at, strict=True))
    return Model(known, first.base, ImageSet(name, "images", tuple(pictures)), first.before, after)


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
