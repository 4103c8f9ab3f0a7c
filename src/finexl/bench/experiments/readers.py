"""How an experiment reads each model's score of an aspect: from what it is told, or from V_div.

One documented rule a row, the same for all models of a trial; none of them sees a level.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from finexl.bench.baselines.grading import Grader
from finexl.bench.experiments.trials import Trial
from finexl.bench.methods import Array, Case, Method
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


class Reader(Protocol):
    """A row of the experiments' tables."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    def read(self, trial: Trial, reading: Reading) -> Array:
        """Return each model's score of each aspect, (models, aspects)."""
        ...


@dataclass(frozen=True)
class ByScores:
    """Reads a method's own numbers: 0 for an aspect that its explanation does not have."""

    method: Method
    suffix: str = ""

    @property
    def name(self) -> str:
        """The method's."""
        return self.method.name + self.suffix

    def read(self, trial: Trial, reading: Reading) -> Array:
        """Return the scores. See `Reader.read`."""
        told = [self.method.tell(case) for case in _cases(trial, reading)]
        return np.array([[one.scores.get(a, 0.0) for a in trial.aspects] for one in told])


@dataclass(frozen=True)
class ByWords:
    """Grades a method's words from 1 to 10, as the paper does (Appendix C)."""

    method: Method
    grader: Grader

    @property
    def name(self) -> str:
        """The method's, and who grades."""
        return f"{self.method.name}, graded by {self.grader.name}"

    def read(self, trial: Trial, reading: Reading) -> Array:
        """Return the grades. See `Reader.read`."""
        told = [self.method.tell(case) for case in _cases(trial, reading)]
        return np.array([[self.grader.grade(one.text, a) for a in trial.aspects] for one in told])


@dataclass(frozen=True)
class Shared:
    """Reads all models on one shared support, the aspects in question.

    Models are compared by effect, or refitted on one shared support (`docs/method.md`). Here the
    support are the aspects, and the fit is made within the plane that the models themselves span:
    with k aspects, the k leading principal directions P of the models' V_div (uncentred). There
    V_m ≈ Σ_i w_i P f(C_i) has one solution; for one aspect it is the effect, up to one factor.
    What the words' vectors have outside of that plane cannot be in any of the models.
    """

    name: str = "FineXL"

    def read(self, trial: Trial, reading: Reading) -> Array:
        """Return the weights. See `Reader.read`."""
        measure = reading.measure
        V = trial.divergences(measure)
        F = measure.inside(measure.vectors(trial.aspects).vectors)
        return shared_weights(V, F)


def shared_weights(V: Array, F: Array) -> Array:
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


def _cases(trial: Trial, reading: Reading) -> list[Case]:
    measure = replace(reading.measure, seed=reading.seed)
    return [model.case(measure, reading.words, reading.vlm, reading.seed) for model in trial.models]
