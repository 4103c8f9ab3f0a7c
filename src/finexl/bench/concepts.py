"""Do the concepts that were found name the right change? (§6.6, Table 7)

Concepts are found for each set of images; a judge sees them beside the set's own description and
other sets' descriptions, and says which fits best. By chance it is right once in as many times as
there are alternatives.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finexl.bench.described import Described
from finexl.core.orthogonality import unit_rows
from finexl.discovery import NoConceptError
from finexl.encoders import Encoder
from finexl.errors import UsageError
from finexl.measure import Measure
from finexl.options import Inquiry, Options
from finexl.pipeline import Explained, explain_sets
from finexl.runs import Run
from finexl.vlm import VLM, Question

ALTERNATIVES = (5, 10, 15)
WORDS = 5
"""Concepts of a set that the judge sees."""
DRAWS = 20
"""Draws of the other descriptions for each set, where the judge is the encoder; a VLM gets one."""
RESAMPLES = 2000
PAPER = {5: 1.0, 10: 0.933, 15: 0.933}
"""Table 7's best model: GPT-4o, judged by GPT-4o, on the authors' own synthetic subsets."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Accuracy:
    """How often the right description was chosen, with a 95 % bootstrap interval over sets."""

    alternatives: int
    value: float
    ci: tuple[float, float]
    chance: float
    trials: int


@dataclass(frozen=True)
class Row:
    """One way of finding concepts, judged in one way."""

    found_by: str
    judged_by: str
    sets: int
    unnamed: int
    """Sets for which no concept was found; they count as wrong."""
    accuracies: tuple[Accuracy, ...]


@dataclass(frozen=True)
class Named:
    """A set's concepts, most important first."""

    words: tuple[str, ...]
    weights: tuple[float, ...]
    """Above 0 where there is more of it, below where less: replies that say so, or the cosine."""


def concepts_experiment(
    sets: Sequence[Described],
    encoder: Encoder,
    *,
    vlm: VLM | None = None,
    judge: VLM | None = None,
    inquiry: Inquiry,
    seed: int = 0,
    runs: Callable[[str, str], Run] = lambda *_: Run(),
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> list[Row]:
    """Return a row for each way of finding concepts and each judge.

    Args:
        sets: images whose change is known in words, at least five.
        encoder: maps images and words, and is a judge.
        vlm: finds concepts by looking; None for the vocabulary alone.
        judge: a language model as a second judge; None for the encoder alone.
        inquiry: how the model is asked.
        seed: of every draw.
        runs: gives each set's run folder, by who finds concepts and the set's description.
        progress: told of every set.

    Raises:
        UsageError: fewer sets than the smallest number of alternatives.
    """
    if len(sets) < min(ALTERNATIVES):
        raise UsageError(
            f"There are {len(sets)} sets, and choosing among {min(ALTERNATIVES)} descriptions "
            f"takes {min(ALTERNATIVES)} at least."
        )
    finders: dict[str, VLM | None] = {"vocabulary": None}
    if vlm is not None:
        finders[vlm.name] = vlm
    descriptions = [one.description for one in sets]
    # descriptions of different sets are compared under neutral prompts
    measure = Measure(encoder, "subspace", (), seed)
    targets = unit_rows(measure.inside(measure.vectors(descriptions).vectors))
    rows = []
    for name, looker in finders.items():
        named: list[Named | None] = []
        vectors: list[Array] = []
        for number, one in enumerate(sets):
            progress(f"Concepts by {name}", number, len(sets))
            explained = _explained(one, encoder, looker, inquiry, seed, runs(name, one.description))
            words = None if explained is None else _named(explained)
            named.append(words)
            vectors.append(np.zeros(targets.shape[1]) if words is None else _vector(words, measure))
        progress(f"Concepts by {name}", len(sets), len(sets))
        cosines = unit_rows(np.array(vectors)) @ targets.T
        known = np.array([words is not None for words in named])
        by_encoder = _by_encoder(cosines, known)
        rows.append(_row(name, f"encoder {encoder.name}", known, by_encoder, DRAWS, seed))
        if judge is not None:
            by_judge = _by_judge(judge, named, descriptions)
            rows.append(_row(name, judge.name, known, by_judge, 1, seed))
    return rows


def _explained(
    one: Described, encoder: Encoder, vlm: VLM | None, inquiry: Inquiry, seed: int, run: Run
) -> Explained | None:
    options = Options(seed=seed, pool=True, inquiry=inquiry)
    try:
        return explain_sets(one.base, one.personalized, options, encoder, run, vlm=vlm)
    except NoConceptError:  # a model that names nothing is wrong about this set, no more
        return None


def _named(explained: Explained) -> Named | None:
    """Return a set's first concepts: by votes where a model looked, else by alignment."""
    explanation = explained.explanation
    if explanation.discovery is not None:
        chosen = explanation.discovery.concepts[:WORDS]
        found = [(c.concept, float(c.more - c.less)) for c in chosen]
    else:
        ranked = explanation.pool.alignment or ()
        found = [(a.concept, a.cosine) for a in ranked if a.cosine]
        found = sorted(found, key=lambda pair: -abs(pair[1]))[:WORDS]
    if not found:
        return None
    words, weights = zip(*found, strict=True)
    return Named(words, weights)


def _vector(named: Named, measure: Measure) -> Array:
    """Return the concepts together: the sum of their directions, each with its weight."""
    unit = unit_rows(measure.inside(measure.vectors(named.words).vectors))
    together: Array = np.array(named.weights) @ unit
    return together


Choose = Callable[[int, Sequence[int]], bool]
"""Whether the judge, for set i, chooses i among these sets' descriptions."""


def _by_encoder(cosines: Array, known: NDArray[np.bool_]) -> Choose:
    def chooses(i: int, among: Sequence[int]) -> bool:
        return bool(known[i]) and max(among, key=lambda j: float(cosines[i, j])) == i

    return chooses


def _by_judge(judge: VLM, named: Sequence[Named | None], descriptions: Sequence[str]) -> Choose:
    def chooses(i: int, among: Sequence[int]) -> bool:
        words = named[i]
        if words is None:
            return False
        said = [
            f"{'more' if weight > 0 else 'less'} {word}"
            for word, weight in zip(words.words, words.weights, strict=True)
            if weight
        ]
        listed = "\n".join(f"{n}. {descriptions[j]}" for n, j in enumerate(among, start=1))
        text = (
            "One set of pictures was changed into another. The change was summed up as: "
            f"{'; '.join(said)}.\nWhich of these descriptions of a change fits that best?\n"
            f"{listed}\nAnswer with its number alone."
        )
        answer = re.search(r"\d+", judge.ask(Question((text,), max_tokens=16)).text)
        number = int(answer[0]) if answer and len(answer[0]) < 6 else 0
        return 1 <= number <= len(among) and among[number - 1] == i

    return chooses


def _row(
    found_by: str,
    judged_by: str,
    known: NDArray[np.bool_],
    chooses: Choose,
    draws: int,
    seed: int,
) -> Row:
    n = len(known)
    accuracies = []
    for count in (count for count in ALTERNATIVES if count <= n):
        rng = np.random.default_rng([seed, count])
        right = np.zeros(n)
        for i in range(n):
            for _ in range(draws):
                others = rng.choice([j for j in range(n) if j != i], count - 1, replace=False)
                among = [int(j) for j in rng.permutation([i, *others])]
                right[i] += chooses(i, among) / draws
        means = rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES) @ right / n
        low, high = np.quantile(means, (0.025, 0.975))
        accuracies.append(
            Accuracy(count, float(right.mean()), (float(low), float(high)), 1 / count, n * draws)
        )
    return Row(found_by, judged_by, n, int((~known).sum()), tuple(accuracies))
