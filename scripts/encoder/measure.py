"""How well the encoder finds the words for styles and operators that it was not fitted on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoder.fit import Settings, fit_maps
from encoder.supervision import Supervision
from finexl.operators import OPERATORS

Array = NDArray[np.float64]
MODEL = "albedo"
"""The model whose described styles are ranked: 37 of them, each against this reference alone."""


def rank_styles(
    known: Supervision, settings: Settings, folds: int, seed: int = 0
) -> dict[str, Any]:
    """Rank the descriptions of one model's styles for the pictures of each, whole styles held out.

    Args:
        known: what is known.
        settings: of the fit.
        folds: parts of the styles held out in turn; 1 holds all of them out at once.
        seed: which styles fall into which part.
    """
    ranked = [s for s in known.keyworded if s.reference == MODEL]
    order = np.random.default_rng(seed).permutation(len(ranked))
    ranks = np.zeros(len(ranked))
    texts = np.array([known.keyword_texts[s.slug].mean(axis=0) for s in ranked])
    for part in np.array_split(order, folds):
        held = {ranked[i].slug for i in part}
        maps = fitted(known, settings, held_styles=held)
        images = np.array([known.style_images[ranked[i].slug].mean(axis=0) for i in part])
        ranks[part] = _ranks(_cosines(images @ maps[0], texts @ maps[1]), part)
    return figures(ranks, len(ranked))


def rank_operators(known: Supervision, settings: Settings, folds: int = 8) -> dict[str, Any]:
    """Rank all operators' phrases for the pictures of each, whole operators held out."""
    names = list(OPERATORS)
    texts = np.array([known.sentences.mean_difference(OPERATORS[n].phrases) for n in names])
    images = np.array([known.of_operator[n].mean(axis=0) for n in names])
    ranks = np.zeros(len(names))
    for part in np.array_split(np.random.default_rng(0).permutation(len(names)), folds):
        held = {names[i] for i in part}
        maps = fitted(known, settings, held_operators=held)
        ranks[part] = _ranks(_cosines(images[part] @ maps[0], texts @ maps[1]), part)
    return figures(ranks, len(names))


def fitted(
    known: Supervision,
    settings: Settings,
    held_styles: Collection[str] = (),
    held_operators: Collection[str] = (),
) -> tuple[Array, Array]:
    """Return the image map and the text map, fitted without what is held out."""
    groups = known.groups(held_styles, held_operators)
    typical = known.typical(held_styles)
    return fit_maps(groups, known.noise(), known.text_noise(), typical, settings)


def figures(ranks: Array, among: int) -> dict[str, Any]:
    return {
        "n": len(ranks),
        "among": among,
        "top1": round(float((ranks <= 1).mean()), 3),
        "top5": round(float((ranks <= 5).mean()), 3),
        "median_rank": float(np.median(ranks)),
        "geometric_mean_rank": round(float(np.exp(np.log(ranks).mean())), 2),
    }


def _cosines(images: Array, texts: Array) -> Array:
    images = images / np.linalg.norm(images, axis=1, keepdims=True)
    cosines: Array = images @ (texts / np.linalg.norm(texts, axis=1, keepdims=True)).T
    return cosines


def _ranks(similarity: Array, truth: Sequence[int] | NDArray[np.intp]) -> Array:
    own = similarity[np.arange(len(truth)), truth]
    ranks: Array = 1.0 + (similarity > own[:, None]).sum(axis=1)
    return ranks
