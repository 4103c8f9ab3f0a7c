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


class Reader(Protocol):
    """A row of the experiments' tables."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    @property
    def asked(self) -> bool:
        """Whether it is told what the aspects are called."""
        ...

    def read(self, trial: Trial, reading: Reading) -> Array:
        """Return each model's score of each aspect, (models, aspects)."""
        ...


@dataclass(frozen=True)
class ByScores:
    """Reads a method's own numbers: 0 for an aspect that its explanation does not have."""

    method: Method
    asked: ClassVar[bool] = True

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
    asked: ClassVar[bool] = False

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
    asked: ClassVar[bool] = False

    def read(self, trial: Trial, reading: Reading) -> Array:
        """Return the effects. See `Reader.read`."""
        measure = reading.measure
        F = unit_rows(measure.inside(measure.vectors(reading.words).vectors))
        return _most(trial.divergences(measure) @ F.T)


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
    asked: ClassVar[bool] = True

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
    asked: ClassVar[bool] = True

    def read(self, trial: Trial, reading: Reading) -> Array:
        """Return the weights. See `Reader.read`."""
        V, F = _vectors(trial, reading)
        weights: Array = V @ np.linalg.pinv(F)
        return weights


@dataclass(frozen=True)
class InPlane:
    """The same, within the plane that the models of a trial span: their levels are not looked at.

    With k aspects, the k leading principal directions of the models' V_div (uncentred). What the
    words' vectors have outside of it cannot be in any of the models.
    """

    name: str = "FineXL, within the models' plane"
    asked: ClassVar[bool] = True

    def read(self, trial: Trial, reading: Reading) -> Array:
        """Return the weights. See `Reader.read`."""
        return weights_in_plane(*_vectors(trial, reading))


def weights_in_plane(V: Array, F: Array) -> Array:
    """Return the models' weights of the concepts within the plane that the models span.

    Args:
        V: (models, K), divergences.
        F: (k, K), concept vectors.

    Returns:
        (models, k)
    """
    P = np.linalg.svd(V, full_matrices=False)[2][: len(F)]
    weights: Array = (V @ P.T) @ np.linalg.pinv(F @ P.T)
    return weights


def _vectors(trial: Trial, reading: Reading) -> tuple[Array, Array]:
    """Return the models' divergences and the aspects' vectors in the decomposition's space."""
    measure = reading.measure
    return trial.divergences(measure), measure.inside(measure.vectors(trial.aspects).vectors)
