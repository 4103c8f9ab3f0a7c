"""Models put together from pictures of one aspect each, in known proportions.

As where a model is trained on a mixture (Appendix C), a picture is of one aspect or plain: of k
aspects at L levels, level l is l of k L parts of the pictures.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finexl.bench.experiments.trials import Model, Plan, Trial
from finexl.errors import UsageError
from finexl.imageset import ImageSet

MIXED = "mixed"


@dataclass(frozen=True)
class Mixed(Trial):
    """A trial that can be put together anew: the seed draws which picture is of which aspect."""

    full: tuple[Model, ...] = ()
    """Each aspect alone at full strength, of the same pictures."""
    most: int = 3
    """L."""

    def some(self, images: int | None, seed: int) -> Trial:
        """Return other mixtures of so many of the pictures, dealt to the aspects by the seed."""
        n = self.full[0].n
        count = n if images is None else min(images, n)
        order = np.random.default_rng([seed, n, count]).permutation(n)[:count]
        chosen = np.sort(order)
        dealt = np.searchsorted(chosen, order)
        return put_together(
            self.family, self.aspects, [one.some(chosen) for one in self.full], self.most, dealt
        )


def mixed(family: str, full: Sequence[Plan], levels: int) -> Plan:
    """Return a trial whose models have several aspects in known proportions of their pictures.

    Args:
        family: what it is called.
        full: a trial for each aspect, whose last model has it at full strength.
        levels: L.
    """
    aspects = tuple(plan.name for plan in full)

    def make() -> Trial:
        models = [plan.make().models[-1] for plan in full]
        keys = {tuple(p.key for p in model.base.pictures) for model in models}
        if len(keys) > 1:
            raise UsageError(f"{' and '.join(aspects)} of {family} were not made of one base.")
        named = f"{family} {MIXED}"
        order = np.random.default_rng(0).permutation(models[0].n)
        return put_together(named, aspects, models, levels, order)

    return Plan(f"{family} {MIXED}", " + ".join(aspects), make)


def put_together(
    family: str,
    aspects: tuple[str, ...],
    full: Sequence[Model],
    levels: int,
    order: NDArray[np.intp],
) -> Mixed:
    """Return every combination of levels 1 … L.

    An aspect's pictures at a level are among those at the next one.

    Args:
        family: the trial's.
        aspects: k of them.
        full: each aspect alone, of n pictures.
        levels: L.
        order: (n,), the pictures as they are dealt out: one after the other to k L parts of
            n / (k L) each, rounded, the first L of them the first aspect's, and so on.
    """
    n, parts = len(order), len(full) * levels
    if n < parts:
        raise UsageError(f"{n} pictures are fewer than the {parts} parts of {family}.")
    part_of = np.empty(n, dtype=np.intp)
    part_of[order] = np.arange(n) * parts // n
    at = itertools.product(range(1, levels + 1), repeat=len(full))
    models = tuple(_mixture(full, aspects, coordinate, part_of, levels) for coordinate in at)
    return Mixed(family, aspects, models, tuple(full), levels)


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
