"""How an experiment reads each model's score of an aspect: from what it is told, or from V_div.

One documented rule a row, the same for all models of a trial; none of them sees a level.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol

import numpy as np

from finexl.bench.baselines.grading import Grader
from finexl.bench.experiments.trials import Trial
from finexl.bench.methods import Array, Method, Told
from finexl.core.orthogonality import unit_rows
from finexl.measure import Measure
from finexl.vlm import VLM


@dataclass(frozen=True)
class Reading:
    """What every reader of a trial is given beside it."""

    measure: Measure
    words: tuple[str, ...]
    """The candidates: the vocabulary, and the aspects of all trials of the experiment."""
    vlm: VLM | None = None
    seed: int = 0
    told: dict[tuple[object, ...], list[Told]] = field(default_factory=dict, compare=False)
    """What methods have said of the trial at hand: several rows read the same words."""

    def of(self, method: Method, trial: Trial) -> list[Told]:
        """Return what a method says of each model."""
        key = (method.name, self.seed, trial.name, len(trial.models), trial.models[0].n)
        if key not in self.told:
            measure = replace(self.measure, seed=self.seed)
            self.told[key] = [
                method.tell(model.case(measure, self.words, self.vlm, self.seed))
                for model in trial.models
            ]
        return self.told[key]


BY_NAME = ""
"""A row that is told what the aspects are called and reads each model by itself."""
FOUND = " by what is found"
"""Rows that are not told it."""


class Reader(Protocol):
    """A row of the experiments' tables."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    @property
    def kind(self) -> str:
        """What it knows, as its measure's name ends: rows of different kinds share no table."""
        ...

    def read(self, trial: Trial, reading: Reading) -> Array:
        """Return each model's score of each aspect, (models, aspects)."""
        ...


@dataclass(frozen=True)
class ByScores:
    """Reads a method's own numbers: 0 for an aspect that its explanation does not have."""

    method: Method
    kind: ClassVar[str] = BY_NAME

    @property
    def name(self) -> str:
        """The method's."""
        return self.method.name

    def read(self, trial: Trial, reading: Reading) -> Array:
        """Return the scores. See `Reader.read`."""
        told = reading.of(self.method, trial)
        return np.array([[one.scores.get(a, 0.0) for a in trial.aspects] for one in told])


@dataclass(frozen=True)
class ByFound:
    """Reads a method's numbers for what it finds, whatever that is called.

    Of all that it names, the concept with the largest mean score over the trial's models, in
    whichever direction: where a model is told from others of its kind without knowing what to look
    for. One aspect alone can be read so.
    """

    method: Method
    kind: ClassVar[str] = FOUND

    @property
    def name(self) -> str:
        """The method's."""
        return self.method.name

    def read(self, trial: Trial, reading: Reading) -> Array:
        """Return the scores. See `Reader.read`."""
        told = reading.of(self.method, trial)
        names = list(dict.fromkeys(name for one in told for name in one.scores))
        if not names:
            return np.zeros((len(told), 1))
        table = np.array([[one.scores.get(name, 0.0) for name in names] for one in told])
        return _most(table)


@dataclass(frozen=True)
class FoundEffect:
    """Ranks models by the effect of the candidate that their mean V_div moves along most."""

    name: str = "FineXL"
    kind: ClassVar[str] = FOUND

    def read(self, trial: Trial, reading: Reading) -> Array:
        """Return the effects. See `Reader.read`."""
        measure = reading.measure
        F = unit_rows(measure.inside(measure.vectors(reading.words).vectors))
        return _most(trial.divergences(measure) @ F.T)


@dataclass(frozen=True)
class Length:
    """Ranks models by ‖V_div‖: what no word is needed for, and words have to be better than."""

    name: str = "Length of V_div, no words"
    kind: ClassVar[str] = FOUND

    def read(self, trial: Trial, reading: Reading) -> Array:
        """Return the lengths. See `Reader.read`."""
        lengths: Array = np.linalg.norm(trial.divergences(reading.measure), axis=1)[:, None]
        return lengths


def _most(table: Array) -> Array:
    """Return the column that is largest on average, in its own direction, (models, 1)."""
    means = table.mean(axis=0)
    at = int(np.argmax(np.abs(means)))
    column: Array = table[:, [at]] * np.sign(means[at])
    return column


@dataclass(frozen=True)
class ByWords:
    """Grades a method's words from 1 to 10, as the paper does (Appendix C)."""

    method: Method
    grader: Grader
    kind: ClassVar[str] = BY_NAME

    @property
    def name(self) -> str:
        """The method's, and who grades."""
        return f"{self.method.name}, graded by {self.grader.name}"

    def read(self, trial: Trial, reading: Reading) -> Array:
        """Return the grades. See `Reader.read`."""
        told = reading.of(self.method, trial)
        return np.array([[self.grader.grade(one.text, a) for a in trial.aspects] for one in told])


@dataclass(frozen=True)
class Shared:
    """Reads every model on one shared support: the aspects in question (`docs/method.md`).

    V_m ≈ Σ_i w_i f(C_i) by least squares in the decomposition's space; for one aspect that is its
    effect. Each model is read by itself.
    """

    name: str = "FineXL"
    kind: ClassVar[str] = BY_NAME

    def read(self, trial: Trial, reading: Reading) -> Array:
        """Return the weights. See `Reader.read`."""
        V, F = vectors_of(trial, reading)
        weights: Array = V @ np.linalg.pinv(F)
        return weights


def vectors_of(trial: Trial, reading: Reading) -> tuple[Array, Array]:
    """Return the models' divergences and the aspects' vectors in the decomposition's space."""
    measure = reading.measure
    return trial.divergences(measure), measure.inside(measure.vectors(trial.aspects).vectors)
