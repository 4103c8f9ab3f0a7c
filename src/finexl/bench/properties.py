"""The three properties that FineXL asks of an encoder (§4.3–4.4, §6.7, Table 8, Appendix A)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finexl.concepts.vectors import frame_of, map_concepts
from finexl.concepts.vocabulary import neutral_prompts, vocabulary
from finexl.core.decompositions import DECOMPOSITIONS
from finexl.core.orthogonality import unit_rows
from finexl.encoders import Encoder, image_rows
from finexl.images import load_image
from finexl.operators import OPERATORS, apply

Array = NDArray[np.float64]

PICTURES = Path(str(files("finexl.bench") / "pictures"))
"""Six photographs that the operators are applied to where no others are given."""
PAIRS = 150
"""Unions of two concepts that linearity is measured on."""
RESAMPLES = 1000
PROMPTS = 8
PAPER = {
    "CLIP": (0.79, 0.03, 0.72),
    "ALIGN": (0.81, 0.05, 0.65),
    "OpenCLIP": (0.72, 0.05, 0.63),
    "EVA-CLIP": (0.73, 0.02, 0.69),
}
"""Linearity, orthogonality and alignment in the paper's Table 8: with Stable Diffusion 3.5 as the
ideal generator and the paper's own concepts, so that only their order of size compares."""
FITTED = (
    "This encoder was fitted on these operators and phrases, so that its alignment is in-sample; "
    "its card has figures for operators and styles that it never saw."
)
LINEAR, ALIGNED = 0.5, 0.1
"""Least linearity, and least alignment beyond that of words for other changes, to rely on."""


@dataclass(frozen=True)
class Measure:
    """A mean and its 95 % bootstrap interval over concepts, pairs of them, or operators."""

    value: float
    ci: tuple[float, float]


@dataclass(frozen=True)
class Properties:
    """What Table 8 says of an encoder, and whether FineXL can be trusted with it."""

    encoder: str
    revision: str
    linearity: Measure
    """Mean cosine of f(C_i ∪ C_j) with its best fit w_i f(C_i) + w_j f(C_j) (Eq. 2), in [0, 1];
    1 is additive."""
    orthogonality: Measure
    """Mean cosine of distinct concepts in the encoder's space (Eq. 8), in [-1, 1]; 0 is best."""
    orthogonality_in_subspace: Measure
    """The same where concepts are decomposed."""
    alignment: Measure
    """Mean cosine of f(C) with the change that an operator named C makes to pictures (Eq. 7, 12),
    in [-1, 1]; 1 is best."""
    alignment_of_others: Measure
    """The same with words for other operators: what counts as nothing."""
    verdict: str
    note: str
    """What keeps these figures from being compared with others; may be empty."""


def properties(
    encoder: Encoder, pictures: Sequence[Image.Image] | None = None, *, seed: int = 0
) -> Properties:
    """Measure an encoder's linearity, orthogonality and alignment.

    Args:
        encoder: any.
        pictures: that the operators change; by default six photographs that ship.
        seed: of the pairs drawn, the operators' grain and the bootstrap.
    """
    shown = pictures or [load_image(path) for path in sorted(PICTURES.glob("*.jpg"))]
    template = DECOMPOSITIONS["subspace"].template
    prompts = neutral_prompts()[:PROMPTS]
    texts = [concept.text for concept in vocabulary("style")]
    F = map_concepts(encoder, texts, neutral_prompts(), template).vectors
    matrix = frame_of(encoder, "subspace", template).subspace.matrix
    rng = np.random.default_rng([seed, 0])
    named, others = _alignment(encoder, shown, prompts, template, seed)
    linearity = _mean(_linearity(encoder, texts, prompts, template, rng), rng)
    alignment, alignment_of_others = _mean(named, rng), _mean(others, rng)
    return Properties(
        encoder=encoder.name,
        revision=encoder.revision,
        linearity=linearity,
        orthogonality=_mean_cosine(F, rng),
        orthogonality_in_subspace=_mean_cosine(F @ matrix.T, rng),
        alignment=alignment,
        alignment_of_others=alignment_of_others,
        verdict=_verdict(linearity, _mean(named - others, rng)),
        note=FITTED if encoder.name == "embedded" else "",
    )


def _linearity(
    encoder: Encoder,
    texts: Sequence[str],
    prompts: Sequence[str],
    template: str,
    rng: np.random.Generator,
) -> Array:
    """Return the cosine of f("A and B") with the plane of f(A) and f(B), for pairs of concepts."""
    every = list(itertools.combinations(range(len(texts)), 2))
    pairs = [every[i] for i in rng.choice(len(every), min(PAIRS, len(every)), replace=False)]
    unions = [f"{texts[i]} and {texts[j]}" for i, j in pairs]
    used = sorted({i for pair in pairs for i in pair})
    alone = map_concepts(encoder, [texts[i] for i in used], prompts, template).vectors
    together = map_concepts(encoder, unions, prompts, template).vectors
    place = {concept: row for row, concept in enumerate(used)}
    found = []
    for union, (i, j) in zip(together, pairs, strict=True):
        basis = alone[[place[i], place[j]]]
        w = np.linalg.lstsq(basis.T, union, rcond=None)[0]
        length = np.linalg.norm(union)
        found.append(np.linalg.norm(w @ basis) / length if length > 0 else 0.0)
    return np.array(found)


def _mean_cosine(F: Array, rng: np.random.Generator) -> Measure:
    """Return the mean cosine of distinct concepts; resampled by concept, not by pair."""
    unit = unit_rows(F)
    m = len(unit)
    cosines = unit @ unit.T
    counts = rng.multinomial(m, np.full(m, 1 / m), size=RESAMPLES).astype(np.float64)
    off = cosines - np.diag(np.diag(cosines))
    # a concept drawn twice is no pair of distinct concepts
    pairs = counts.sum(axis=1) ** 2 - (counts**2).sum(axis=1)
    counts, pairs = counts[pairs > 0], pairs[pairs > 0]
    means = ((counts @ off) * counts).sum(axis=1) / pairs
    low, high = np.quantile(means, (0.025, 0.975))
    return Measure(float(off.sum() / (m * (m - 1))), (float(low), float(high)))


def _alignment(
    encoder: Encoder,
    pictures: Sequence[Image.Image],
    prompts: Sequence[str],
    template: str,
    seed: int,
) -> tuple[Array, Array]:
    """Return each operator's cosine with its own first phrase, and its mean with the others'."""
    plain = image_rows(encoder, pictures).astype(np.float64)
    changes = []
    for number, name in enumerate(OPERATORS):
        rng = np.random.default_rng([seed, 1, number])
        changed = [apply(picture, name, 1.0, rng) for picture in pictures]
        changes.append((image_rows(encoder, changed) - plain).mean(axis=0))
    phrases = [operator.phrases[0] for operator in OPERATORS.values()]
    F = map_concepts(encoder, phrases, prompts, template).vectors
    cosines = unit_rows(np.array(changes)) @ unit_rows(F).T
    named = np.diag(cosines)
    others = (cosines.sum(axis=1) - named) / (len(phrases) - 1)
    return named, others


def _mean(values: Array, rng: np.random.Generator) -> Measure:
    n = len(values)
    means = rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES) @ values / n
    low, high = np.quantile(means, (0.025, 0.975))
    return Measure(float(values.mean()), (float(low), float(high)))


def _verdict(linearity: Measure, beyond: Measure) -> str:
    """Say in a line whether words and pictures move together, and concepts add up."""
    gain = f"{beyond.value:.2f} more than words for other changes"
    if beyond.ci[0] <= 0:
        return f"Not to be trusted: pictures do not move along the words for their change ({gain})."
    if beyond.ci[0] < ALIGNED or linearity.ci[0] < LINEAR:
        return (
            f"With care: pictures move along the words for their change only weakly ({gain}), or "
            f"concepts do not add up (linearity {linearity.value:.2f})."
        )
    return (
        f"Can be trusted: pictures move along the words for their change ({gain}) and concepts add "
        f"up (linearity {linearity.value:.2f})."
    )
