"""Real fine-tunes: is what their authors say of them found, and how much that they do not say?"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from finexl.bench.data.graded import Graded
from finexl.bench.data.truth import Truth
from finexl.bench.experiments.readers import Reading
from finexl.bench.experiments.trials import embedded
from finexl.bench.methods import Method
from finexl.bench.results import Result, Results
from finexl.encoders import Encoder
from finexl.options import Options
from finexl.pipeline import explain_sets
from finexl.runs import Run
from finexl.vlm import VLM

FIRST = (1, 3, 5)
"""k of hit@k."""
EXPERIMENT = "fine-tunes"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Said:
    """One aspect of an explanation."""

    concept: str
    score: float
    significant: bool | None = None
    """None where the method does not test."""


@dataclass(frozen=True)
class Answer:
    """An explanation, the strongest aspect first, whichever way it goes."""

    said: tuple[Said, ...]
    detected: bool | None = None
    """Whether it finds any difference; None where that is not tested."""


class Explainer(Protocol):
    """A row of the table."""

    @property
    def name(self) -> str:
        """What the table calls it."""
        ...

    def explain(self, truth: Truth, seed: int) -> Answer:
        """Explain a pair of sets; looks at nothing of the truth but its images and prompts."""
        ...


@dataclass(frozen=True)
class Pipeline:
    """FineXL as `finexl explain` runs it, with its defaults."""

    encoder: Encoder
    decomposition: Literal["subspace", "nnls", "paper"] = "subspace"
    vocabulary: str = "style"
    vlm: VLM | None = None

    @property
    def name(self) -> str:
        """What the table calls it."""
        return f"FineXL ({self.decomposition})"

    def explain(self, truth: Truth, seed: int) -> Answer:
        """Run the pipeline. See `Explainer.explain`."""
        options = Options(decomposition=self.decomposition, vocabulary=self.vocabulary, seed=seed)
        done = explain_sets(
            truth.base, truth.personalized, options, self.encoder, Run(), vlm=self.vlm
        )
        found = done.explanation
        said = [Said(a.concept, a.score, a.significant) for a in (*found.aspects, *found.less)]
        return Answer(_ordered(said), found.divergence.detected)


@dataclass(frozen=True)
class Baseline:
    """A method of the tables that gives scores, on the pairs; it tests nothing."""

    method: Method
    reading: Reading

    @property
    def name(self) -> str:
        """The method's."""
        return self.method.name

    def explain(self, truth: Truth, seed: int) -> Answer:
        """Let the method tell. See `Explainer.explain`.

        Raises:
            UsageError: the sets have no pairs.
        """
        reading = self.reading
        model = embedded(
            Graded(truth.name, (), truth.personalized, truth.base), reading.measure.encoder
        )
        prompts = tuple(dict.fromkeys(p.prompt for p in model.base.pictures if p.prompt))
        measure = replace(reading.measure, made_with=prompts, seed=seed)
        told = self.method.tell(model.case(measure, reading.words, reading.vlm, seed))
        return Answer(_ordered([Said(c, score) for c, score in told.scores.items() if score]))


def fine_tunes(
    truths: Sequence[Truth],
    explainers: Sequence[Explainer],
    results: Results,
    *,
    settings: str,
    seeds: Sequence[int] = (0,),
    progress: Progress = lambda *_: None,
) -> None:
    """Explain each pair of sets; see `scores_of` for what is measured.

    Args:
        truths: the pairs, each a trial.
        explainers: the rows.
        results: added to; what is there is not computed again.
        settings: digest of everything that the values depend on.
        seeds: of the statistics' and the methods' draws.
        progress: told of every pair.
    """
    done = results.done(EXPERIMENT, settings, lambda r: (r.row, r.trial, r.seed))
    for number, truth in enumerate(truths):
        progress(f"Fine-tunes: {truth.name}", number, len(truths))
        for seed, explainer in itertools.product(seeds, explainers):
            if (explainer.name, truth.name, seed) in done:
                continue
            started = time.monotonic()
            answer = explainer.explain(truth, seed)
            seconds = round(time.monotonic() - started, 2)
            results.add(
                *(
                    Result(
                        EXPERIMENT,
                        measure,
                        explainer.name,
                        "real fine-tunes",
                        truth.name,
                        seed,
                        value,
                        settings,
                        seconds,
                        {"said": details_of(truth, answer)},
                    )
                    for measure, value in scores_of(truth, answer)
                )
            )
    progress("Scored", len(truths), len(truths))


def scores_of(truth: Truth, answer: Answer) -> Iterable[tuple[str, float]]:
    """Yield what an explanation is measured by; what cannot be said is left out, and is not 0.

    hit@k           1 where any of the k strongest aspects names a true one, else 0
    false aspects   how many of those called significant name none
    detected        1 where a difference was found, else 0
    """
    named = [truth.named(one.concept, one.score > 0) for one in answer.said]
    if truth.aspects:
        for k in FIRST:
            yield f"hit@{k}", float(any(number is not None for number in named[:k]))
        tested = [one.significant for one in answer.said]
        if answer.detected is not None and None not in tested:
            false = [n is None and bool(t) for n, t in zip(named, tested, strict=True)]
            yield "false aspects", float(sum(false))
    if answer.detected is not None:
        yield "detected", float(answer.detected)


def details_of(truth: Truth, answer: Answer) -> list[dict[str, object]]:
    """Return the strongest aspects, JSON-like, each with the true aspect's first name or None."""
    found: list[dict[str, object]] = []
    for one in answer.said[: 2 * FIRST[-1]]:
        number = truth.named(one.concept, one.score > 0)
        found.append(
            {
                "concept": one.concept,
                "score": round(one.score, 4),
                "significant": one.significant,
                "names": None if number is None else truth.aspects[number].names[0],
            }
        )
    return found


def _ordered(said: Sequence[Said]) -> tuple[Said, ...]:
    return tuple(sorted(said, key=lambda one: -abs(one.score)))
