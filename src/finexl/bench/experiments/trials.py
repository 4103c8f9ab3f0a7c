"""Trials: sets of known levels that belong together, embedded once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finexl.bench.data.graded import Graded
from finexl.bench.methods import Array, Case
from finexl.embedding import embed
from finexl.encoders import Encoder
from finexl.errors import UsageError
from finexl.imageset import ImageSet
from finexl.measure import Measure
from finexl.pairing import pair
from finexl.runs import Run
from finexl.vlm import VLM


@dataclass(frozen=True)
class Model:
    """A personalized model, embedded: row i of both sides was made of the same prompt."""

    levels: Mapping[str, float]
    """Aspect -> how much of it."""
    base: ImageSet
    personalized: ImageSet
    before: Array
    """(n, d)"""
    after: Array
    """(n, d)"""

    @property
    def n(self) -> int:
        """How many pairs there are."""
        return len(self.before)

    @property
    def rows(self) -> Array:
        """The pair divergences (n, d)."""
        return self.after - self.before

    def some(self, chosen: NDArray[np.intp]) -> Model:
        """Return the model with some of its pairs."""
        base, personalized = (
            ImageSet(side.name, side.kind, tuple(side.pictures[i] for i in chosen))
            for side in (self.base, self.personalized)
        )
        return Model(self.levels, base, personalized, self.before[chosen], self.after[chosen])

    def case(
        self, measure: Measure, words: Sequence[str], vlm: VLM | None = None, seed: int = 0
    ) -> Case:
        """Return what methods are given of it: everything but its levels."""
        return Case(
            self.base, self.personalized, self.before, self.after, measure, tuple(words), vlm, seed
        )


@dataclass(frozen=True)
class Trial:
    """Models that differ by how much they have of the same aspects."""

    family: str
    """Where they come from: "operators", "AdaIN", "tiny diffusion" …"""
    aspects: tuple[str, ...]
    models: tuple[Model, ...]

    @property
    def name(self) -> str:
        """What results call it."""
        return " + ".join(self.aspects)

    @property
    def coordinates(self) -> Array:
        """(models, aspects), the true levels."""
        return np.array([[m.levels[a] for a in self.aspects] for m in self.models])

    def some(self, images: int | None, seed: int) -> Trial:
        """Return the trial with so many of the pairs, the same ones for all models."""
        n = len(self.models[0].before)
        if images is None or images >= n:
            return self
        chosen = np.sort(np.random.default_rng([seed, n]).choice(n, images, replace=False))
        return Trial(self.family, self.aspects, tuple(m.some(chosen) for m in self.models))

    def divergences(self, measure: Measure) -> Array:
        """Return each model's V_div in the decomposition's space, (models, K)."""
        return measure.inside(np.array([model.rows.mean(axis=0) for model in self.models]))


@dataclass(frozen=True)
class Plan:
    """A trial that is embedded when it is asked for."""

    family: str
    name: str
    make: Callable[[], Trial]


def embedded(graded: Graded, encoder: Encoder, base: ImageSet | None = None) -> Model:
    """Embed a set and what it differs from; rows are cached by the pictures' content.

    Raises:
        UsageError: there is no base, or nothing pairs up.
    """
    before = graded.base if base is None else base
    if before is None:
        raise UsageError(f"{graded.name} has no base to differ from.")
    matched = pair(before, graded.personalized, "auto")
    if not matched.pairs:
        raise UsageError(f"No image of {graded.name} belongs to one of {before.name}.")
    sides = []
    for images, chosen in (
        (before, [p.base[0] for p in matched.pairs]),
        (graded.personalized, [p.personalized[0] for p in matched.pairs]),
    ):
        some = ImageSet(images.name, images.kind, tuple(images.pictures[i] for i in chosen))
        rows = embed(some, range(len(chosen)), encoder, Run(), lambda *_: None).rows
        if len(rows) < len(chosen):
            raise UsageError(f"A picture of {images.name} cannot be opened.")
        sides.append((some, np.array([rows[i] for i in range(len(chosen))], dtype=np.float64)))
    (left, before_rows), (right, after_rows) = sides
    return Model(dict(graded.levels), left, right, before_rows, after_rows)


def plans_of(
    family: str, sets: Sequence[Graded], encoder: Encoder, aspects: int, least: int = 2
) -> list[Plan]:
    """Group sets into trials: those with the same aspects, so many of them, at differing levels.

    Args:
        family: what the trials' family is called.
        sets: in any order; a level of 0 counts, an aspect that is not named does not.
        encoder: embeds them when a trial is made.
        aspects: how many aspects a trial's models have.
        least: how many levels a trial has at least.
    """
    groups: dict[tuple[str, ...], list[Graded]] = {}
    for one in sets:
        if len(one.levels) == aspects:
            groups.setdefault(tuple(sorted(one.levels)), []).append(one)
    found = []
    for names, some in groups.items():
        levels = {tuple(one.levels[name] for name in names): one for one in some}
        if len(levels) >= least:
            ordered = [levels[at] for at in sorted(levels)]
            found.append(_planned(family, names, ordered, encoder))
    return found


def _planned(
    family: str, aspects: tuple[str, ...], sets: Iterable[Graded], encoder: Encoder
) -> Plan:
    def make() -> Trial:
        return Trial(family, aspects, tuple(embedded(one, encoder) for one in sets))

    return Plan(family, " + ".join(aspects), make)
