"""How well the encoder does on styles, operators and pictures that it was not fitted on."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from encoder.fit import Settings, centred, fit_maps
from encoder.pictures import Style
from encoder.supervision import Supervision, related
from finexl.concepts.vocabulary import vocabulary
from finexl.operators import OPERATORS

Array = NDArray[np.float64]
Maps = tuple[Array, Array]
"""The image map and the text map."""
MODEL = "albedo"
"""The model whose described styles are ranked: 37 of them, each against this reference alone."""
SPLITS = (0, 1, 2)
"""Seeds of the divisions into parts that figures are averaged over."""
STYLE_PARTS, OPERATOR_PARTS = 10, 8


class Fit(Protocol):
    """Fits the maps without what is held out."""

    def __call__(
        self, held_styles: Collection[str] = (), held_operators: Collection[str] = ()
    ) -> Maps: ...


def fitted(
    known: Supervision,
    settings: Settings,
    held_styles: Collection[str] = (),
    held_operators: Collection[str] = (),
) -> Maps:
    """Return the shipped encoder's maps, fitted without what is held out."""
    groups = known.groups(held_styles, held_operators)
    typical = known.typical(held_styles)
    return fit_maps(groups, known.noise(), known.text_noise(), typical, settings)


def rank_styles(
    known: Supervision, fit: Fit, folds: int, splits: Sequence[int] = (0,)
) -> dict[str, Any]:
    """Rank the descriptions of one model's styles for the pictures of each, whole styles held out.

    Args:
        known: what is known.
        fit: fits the maps.
        folds: parts of the styles held out in turn; 1 holds all of them out at once.
        splits: seeds of which styles fall into which part; the figures are means over them.
    """
    ranked = _ranked(known)
    images, texts = _images(known, ranked), _keywords(known, ranked)
    found = []
    for split in splits:
        ranks = np.zeros(len(ranked))
        for part, (image_map, text_map) in _held_styles(ranked, fit, folds, split):
            cosines = _cosines(images[part] @ image_map, texts @ text_map)
            ranks[part] = _ranks(cosines, part)
        found.append(ranks)
    return figures(np.array(found))


def rank_words(
    known: Supervision, fit: Fit, folds: int = STYLE_PARTS, splits: Sequence[int] = SPLITS
) -> dict[str, Any]:
    """Rank what a viewer saw in all styles for the pictures of each, whole styles held out.

    Also: of the words that the viewer used and that have an antonym, the share that is nearer to
    the pictures than the antonym.
    """
    styles, opposite = known.styles, _antonyms()
    images = _images(known, styles)
    texts = np.array([known.more_less(s.more, s.less) for s in styles])
    found, nearer = [], []
    for split in splits:
        ranks = np.zeros(len(styles))
        for part, (image_map, text_map) in _held_styles(styles, fit, folds, split):
            mapped = images[part] @ image_map
            ranks[part] = _ranks(_cosines(mapped, texts @ text_map), part)
            for image, style in zip(mapped, (styles[i] for i in part), strict=True):
                for sign, words in ((1.0, style.more), (-1.0, style.less)):
                    for word in filter(opposite.__contains__, words):
                        pair = [known.sentences.difference(w) for w in (word, opposite[word])]
                        own, other = _cosines(sign * image[None], np.array(pair) @ text_map)[0]
                        nearer.append(own > other)
        found.append(ranks)
    words = {"words_with_antonym": len(nearer) // len(splits), "nearer_than_antonym": _mean(nearer)}
    return {**figures(np.array(found)), **words}


def text_side(known: Supervision, fit: Fit) -> dict[str, Any]:
    """Say where the keywords of styles get lost: on the way to words, or from words to keywords.

    A viewer's own words stand in for perfect pictures; both sides less their mean over the styles.
    """
    ranked = _ranked(known)
    images, keywords = _images(known, ranked), _keywords(known, ranked)
    seen = np.array([known.sentences.mean_difference(s.more) for s in ranked])
    words = np.array([known.more_less(s.more, s.less) for s in ranked])
    truth = np.arange(len(ranked))
    from_words, to_words = np.zeros(len(ranked)), np.zeros(len(ranked))
    for part, (image_map, text_map) in _held_styles(ranked, fit, STYLE_PARTS, 0):
        mapped = centred(words @ text_map)
        from_words[part] = _ranks(_cosines(mapped[part], keywords @ text_map), part)
        to_words[part] = _ranks(_cosines(images[part] @ image_map, mapped), part)
    raw = _ranks(_cosines(centred(seen), centred(keywords)), truth)
    return {
        "words to keywords, sentence vectors": figures(raw[None]),
        "words to keywords, text map": figures(from_words[None]),
        "pictures to words": figures(to_words[None]),
    }


def rank_operators(known: Supervision, fit: Fit, folds: int = OPERATOR_PARTS) -> dict[str, Any]:
    """Rank all operators' phrases for the pictures of each, whole operators held out."""
    names = list(OPERATORS)
    texts = np.array([known.sentences.mean_difference(OPERATORS[n].phrases) for n in names])
    images = np.array([known.of_operator[n].mean(axis=0) for n in names])
    ranks = np.zeros(len(names))
    for part, (image_map, text_map) in _held_operators(names, fit, folds):
        ranks[part] = _ranks(_cosines(images[part] @ image_map, texts @ text_map), part)
    return figures(ranks[None])


def opposites(known: Supervision, fit: Fit) -> dict[str, Any]:
    """Say how often an operator's pictures are nearer to its phrases than to its opposite's.

    Held out: the operator and all operators that share a phrase with it or its opposite. Also the
    mean cosine of the vocabulary's antonyms, with nothing held out.
    """
    right, phrases = [], []
    maps: dict[frozenset[str], Maps] = {}
    for name, operator in OPERATORS.items():
        if not operator.opposite:
            continue
        held = frozenset(related(name))
        if held not in maps:
            maps[held] = fit(held_operators=held)
        image_map, text_map = maps[held]
        image = known.of_operator[name].mean(axis=0)[None] @ image_map
        own, other = (
            np.array([known.sentences.difference(phrase) for phrase in side]) @ text_map
            for side in (operator.phrases, operator.opposite)
        )
        means = _cosines(image, np.array([own.mean(axis=0), other.mean(axis=0)]))[0]
        right.append(means[0] > means[1])
        phrases.append((_cosines(image, other) < _cosines(image, own).T).mean())
    _, text_map = fit()
    pairs = {tuple(sorted(pair)) for pair in _antonyms().items()}
    sides = (np.array([known.sentences.difference(p[i]) for p in sorted(pairs)]) for i in (0, 1))
    one, other = (_unit(side @ text_map) for side in sides)
    return {
        "n": len(right),
        "operators": _mean(right),
        "pairs_of_phrases": _mean(phrases),
        "antonyms_mean_cosine": round(float((one * other).sum(axis=1).mean()), 2),
    }


def operator_levels(known: Supervision, fit: Fit, changes: Array) -> dict[str, Any]:
    """Say how far the scores of an operator's ascending levels are from ascending.

    Args:
        known: what is known.
        fit: fits the maps.
        changes: (pictures, operators, levels, reduced), of pictures never fitted on.
    """
    names = list(OPERATORS)
    texts = np.array([known.sentences.mean_difference(OPERATORS[n].phrases) for n in names])

    def scored(part: NDArray[np.intp], maps: Maps) -> Array:
        images = changes[:, part] @ maps[0]
        return np.asarray(np.einsum("pold,od->pol", images, _unit(texts[part] @ maps[1])))

    everything = np.arange(len(names))
    held = np.zeros(changes.shape[:3])
    for part, maps in _held_operators(names, fit, OPERATOR_PARTS):
        held[:, part] = scored(part, maps)
    found = {"fitted": scored(everything, fit()), "held out": held}
    return {
        "pictures": len(changes),
        "operators": len(names),
        **{
            name: {"each picture": _rank_error(s), "mean picture": _rank_error(s.mean(axis=0))}
            for name, s in found.items()
        },
        "beyond 0.5, fitted": [
            name
            for name, score in zip(names, found["fitted"].mean(axis=0), strict=True)
            if _rank_error(score) > 0.5
        ],
    }


def stylised_levels(
    known: Supervision, fit: Fit, changes: Array, words: Sequence[str]
) -> dict[str, Any]:
    """Say the same of stylisations (pictures, levels, reduced), by the words for each."""
    image_map, text_map = fit()
    texts = _unit(np.array([known.sentences.difference(each) for each in words]) @ text_map)
    scores = np.einsum("pld,pd->pl", changes @ image_map, texts)
    return {"pictures": len(changes), "each picture": _rank_error(scores)}


def figures(ranks: Array) -> dict[str, Any]:
    """Summarise ranks (splits, n) among n."""
    first = (ranks <= 1).mean(axis=0)
    return {
        "n": ranks.shape[1],
        "among": ranks.shape[1],
        "top1": _mean(first),
        "top5": _mean(ranks <= 5),
        "median_rank": float(np.median(ranks)),
        "geometric_mean_rank": round(float(np.exp(np.log(ranks).mean())), 2),
        "top1_standard_error": round(float(first.std() / np.sqrt(len(first))), 3),
    }


def _held_styles(
    styles: Sequence[Style], fit: Fit, folds: int, split: int
) -> Iterator[tuple[NDArray[np.intp], Maps]]:
    """Yield each part of the styles, and the maps fitted without it."""
    for part in np.array_split(np.random.default_rng(split).permutation(len(styles)), folds):
        yield part, fit(held_styles={styles[i].slug for i in part})


def _held_operators(
    names: Sequence[str], fit: Fit, folds: int
) -> Iterator[tuple[NDArray[np.intp], Maps]]:
    for part in np.array_split(np.random.default_rng(0).permutation(len(names)), folds):
        yield part, fit(held_operators={names[i] for i in part})


def _ranked(known: Supervision) -> list[Style]:
    return [style for style in known.keyworded if style.reference == MODEL]


def _images(known: Supervision, styles: Sequence[Style]) -> Array:
    return np.array([known.style_images[s.slug].mean(axis=0) for s in styles])


def _keywords(known: Supervision, styles: Sequence[Style]) -> Array:
    return np.array([known.keyword_texts[s.slug].mean(axis=0) for s in styles])


def _antonyms() -> dict[str, str]:
    """Return the vocabulary's antonyms, in both directions."""
    pairs = {c.text: c.antonym for c in vocabulary("style") if c.antonym}
    return {other: one for one, other in pairs.items()} | pairs


def _rank_error(scores: Array) -> float:
    """Return the mean distance of scores (…, levels) from ascending order, in ranks."""
    ranks = scores.argsort(axis=-1).argsort(axis=-1)
    return round(float(np.abs(ranks - np.arange(scores.shape[-1])).mean()), 3)


def _mean(values: Sequence[Any] | NDArray[Any]) -> float:
    return round(float(np.mean(values)), 3)


def _unit(rows: Array) -> Array:
    unit: Array = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    return unit


def _cosines(images: Array, texts: Array) -> Array:
    cosines: Array = _unit(images) @ _unit(texts).T
    return cosines


def _ranks(similarity: Array, truth: Sequence[int] | NDArray[np.intp]) -> Array:
    own = similarity[np.arange(len(truth)), truth]
    ranks: Array = 1.0 + (similarity > own[:, None]).sum(axis=1)
    return ranks
