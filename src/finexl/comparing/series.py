"""Checkpoints of one training run over its steps, and one LoRA at several strengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from finexl.comparing.ground import Ground
from finexl.comparing.number import Number, number_of
from finexl.comparing.pictures import faithfulness_of
from finexl.concepts.vocabulary import Concept
from finexl.core.lengths import Jackknifed, jackknifed, lengths, means
from finexl.core.orthogonality import unit_rows
from finexl.core.series import (
    TOLERANCE,
    Onset,
    Range,
    flat_from,
    half_at,
    learned_at,
    onset,
    usable,
)
from finexl.core.significance import ALPHA
from finexl.errors import UsageError

Array = NDArray[np.float64]
Kind = Literal["step", "strength"]


@dataclass(frozen=True)
class Point:
    """A model in the series; numbers are None where they cannot be told."""

    model: str
    at: float
    detected: bool | None
    norm: float
    """‖V_div‖ in the encoder's space."""
    aspects: Number | None
    """The mean effect of the aspects that are significant at the end, each the way it ends."""
    beside: Number | None
    """Length of what V_div is beside the concepts compared by, in the encoder's space."""
    unexplained: Number | None
    """The part of V_div's length that they leave in the decomposition's space, in [0, 1]."""
    faithfulness: Number | None
    """The part of the base's prompt faithfulness that is kept: 1 all, 0 none."""
    cosine: Number | None
    """Cosine of images and their prompts, less that of the base's images."""


@dataclass(frozen=True)
class Learned:
    """When an aspect comes; None where that cannot be told."""

    concept: Concept
    at: float | None
    """The first step or strength at which its effect is significant, the way that it ends."""
    half_at: float | None
    """Where it has half of what it ends at, linear in between."""
    half_ci: tuple[float, float] | None
    end: Number
    """Its effect at the last."""


@dataclass(frozen=True)
class Series:
    """Models in the order of their steps or strengths."""

    kind: Kind
    points: tuple[Point, ...]
    learned: tuple[Learned, ...]
    """Each concept, the earliest first."""
    flat_from: float | None
    """From where on the aspects' effects are certain to be flat."""
    onset: Onset | None
    """Of steps: where over-training sets in."""
    range: Range | None
    """Of strengths: which are usable."""
    tolerance: float
    """The part of prompt faithfulness that may be lost."""
    warnings: tuple[str, ...] = ()

    def at(self, index: int | None) -> float | None:
        """Return the step or strength of a point."""
        return None if index is None else self.points[index].at

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        points, learned = [], []
        for p in self.points:
            of = {key: x.to_dict() if isinstance(x, Number) else x for key, x in vars(p).items()}
            points.append(of)
        for one in self.learned:
            of = {**vars(one), "concept": one.concept.text, "end": one.end.to_dict()}
            learned.append(of)
        found: dict[str, Any] = {"kind": self.kind, "points": points, "learned": learned}
        found["flat_from"] = self.flat_from
        if self.kind == "step":
            return {**found, "over_training": _onset_dict(self)}
        return {**found, "usable": _range_dict(self), "tolerance": self.tolerance}


def series_of(
    ground: Ground, kind: Kind, at: Sequence[float], tolerance: float = TOLERANCE
) -> Series:
    """Read a series of models, in ascending order of their steps or strengths.

    Args:
        ground: what they are compared on.
        kind: what the series runs over.
        at: where each model is.
        tolerance: the part of prompt faithfulness that may be lost.
    """
    places = np.array(at, dtype=np.float64)
    inside = ground.inside()
    numbers = ground.effects_of(inside)
    # (S, n, k), and which of the concepts are certain to be there in the end
    moved = np.array([rows @ unit_rows(ground.F).T for rows in inside]) / ground.measure.frame.scale
    certain = numbers.q_values[-1] <= ALPHA if numbers.q_values is not None else None
    aspects = None
    if certain is not None and certain.any():
        signed = moved[:, :, certain] * np.sign(numbers.value[-1, certain])
        aspects = np.array([means(of) for of in signed.mean(axis=2)])
    beside, share = _beside(ground, inside)
    kept, cosines, warnings = _faithfulness(ground)
    tables = [aspects, beside, share, kept, cosines]
    tables = [table if ground.testable else None for table in tables]
    flat = flat_from(aspects) if aspects is not None else None
    detected = [model.explanation.divergence.detected for model in ground.models]
    return Series(
        kind,
        tuple(
            Point(
                model.name,
                at[s],
                detected[s],
                model.explanation.divergence.norm,
                *(None if table is None else number_of(jackknifed(table[s])) for table in tables),
            )
            for s, model in enumerate(ground.models)
        ),
        _learned(ground, places, moved, numbers.value, numbers.q_values),
        None if flat is None else at[flat],
        onset(aspects, beside, kept) if kind == "step" and aspects is not None else None,
        usable(detected, share, kept, tolerance) if kind == "strength" else None,
        tolerance,
        tuple(warnings),
    )


def _beside(ground: Ground, inside: Sequence[Array]) -> tuple[Array, Array]:
    """Return how long V_div is beside the concepts, and which part they leave; (S, 1 + n) each.

    The length is in the encoder's space and holds what no word reaches, the part is that of the
    residual and does not.
    """
    span = np.linalg.pinv(ground.F) @ ground.F
    back = np.linalg.pinv(ground.measure.frame.subspace.matrix)
    explained = [rows @ span for rows in inside]
    beside = [r - e @ back.T for r, e in zip(ground.rows, explained, strict=True)]
    left = np.array([lengths(r - e) for r, e in zip(inside, explained, strict=True)])
    whole = np.array([lengths(rows) for rows in inside])
    share = np.divide(left, whole, out=np.full_like(left, np.nan), where=whole > 0)
    return np.array([lengths(rows) for rows in beside]), share


def _learned(
    ground: Ground, at: Array, moved: Array, values: Array, q: Array | None
) -> tuple[Learned, ...]:
    first = learned_at(values, q)
    found = []
    for k, concept in enumerate(ground.concepts):
        half: tuple[float, float, float] | None = None
        end = Number(float(values[-1, k]))
        if q is not None:
            end = Number(end.value, None, float(q[-1, k]))
            if end.significant:
                half = half_at(at, moved[:, :, k], ground.rng())
        found.append(
            Learned(
                concept,
                None if first[k] is None else float(at[first[k]]),
                None if half is None else half[0],
                None if half is None else half[1:],
                end,
            )
        )
    last = float("inf")
    return tuple(
        sorted(found, key=lambda one: (last if one.at is None else one.at, -abs(one.end.value)))
    )


def _faithfulness(ground: Ground) -> tuple[Array | None, Array | None, list[str]]:
    """Return what every model keeps of prompt faithfulness, its cosines, and why there is none."""
    kept, cosines = [], []
    if not ground.testable:
        return None, None, ["Prompt faithfulness is not known: too few prompts are shared."]
    try:
        for model in ground.models:
            found = faithfulness_of(model, ground.encoder)
            place = {prompt: i for i, prompt in enumerate(found.prompts)}
            order = [place[prompt] for prompt in ground.prompts if prompt in place]
            kept.append(means(found.personalized[order]) / means(found.base[order]))
            cosines.append(means(found.moved[order]))
    except UsageError as error:
        return None, None, [f"Prompt faithfulness is not known. {error}"]
    return np.array(kept), np.array(cosines), []


def _onset_dict(series: Series) -> dict[str, Any] | None:
    found = series.onset
    if found is None:
        return None
    lost = None if found.lost is None else vars(found.lost)
    return {
        "from": series.at(found.index),
        "beside_grows_by": vars(found.beside),
        "faithfulness": lost,
    }


def _dict(found: Jackknifed) -> dict[str, Any] | None:
    number = number_of(found)
    return None if number is None else number.to_dict()


def _range_dict(series: Series) -> dict[str, Any] | None:
    found = series.range
    if found is None:
        return None
    return {
        "from": series.at(found.first),
        "to": None if found.empty else series.at(found.last),
        "empty": found.empty,
        "damaged_at": series.at(found.damaged),
        "jumps_at": series.at(found.jumped),
    }
