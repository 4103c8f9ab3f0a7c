"""How sensitive explanations are to wording: of t ∪ C in Eq. 6, and of the question to a VLM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from PIL import Image

from finexl import cache
from finexl.bench.experiments.ablations.rows import (
    Measures,
    Progress,
    quiet,
    score_rows,
    strongest,
)
from finexl.bench.experiments.ablations.said import accepted
from finexl.bench.experiments.ablations.ways import KINDS, Way, score_ways
from finexl.bench.experiments.readers import Reading
from finexl.bench.experiments.trials import Model, Plan, Trial
from finexl.bench.results import Results
from finexl.concepts.cleaning import clean, key_of
from finexl.concepts.proposals import Heard, ask_all, plan
from finexl.errors import PrerequisiteError
from finexl.images import Picture
from finexl.vlm import VLM

TEMPLATES = (
    "{prompt}, {concept}",
    "{prompt}, {concept} style",
    "{concept}, {prompt}",
    "{concept} {prompt}",
    "{prompt} in {concept} style",
)
"""Ways to write t ∪ C; the first is the package's own, the second the authors'."""
ASKED = ("original", "condensed", "elaborated")
"""Appendix G's ways to ask a model; see `finexl.concepts.instructions`."""


def templates(
    plans: Sequence[Plan],
    reading: Reading,
    results: Results,
    *,
    settings: str,
    texts: Sequence[str] = TEMPLATES,
    decompositions: Sequence[str] = ("subspace", "paper"),
    prompts: int | None = None,
    images: int | None = None,
    seeds: Sequence[int] = (0,),
    progress: Progress = quiet,
) -> None:
    """Write t ∪ C in different ways (Eq. 6).

    Beside `measures_of`: "alignment", the mean cosine of V_div with the aspects' words. The
    subspace is fitted on vectors of the same template.

    Args:
        plans: trials.
        reading: candidates and encoder.
        results: added to.
        settings: digest of everything else that values depend on.
        texts: with {prompt} and {concept}.
        decompositions: which explain.
        prompts: Eq. 6 over the first so many alone: a template costs a text for each concept and
            prompt. None as the package.
        images: pairs of a model, drawn by the seed; None for all.
        seeds: of the pairs and held-out splits.
        progress: told of every trial.
    """
    over = "" if prompts is None else f", {prompts} prompts"
    ways = {
        f"{kind}, {text}{over}": Way(KINDS[kind](template=text), reading, prompts=prompts)
        for text in texts
        for kind in decompositions
    }
    score_ways(
        "ablation-templates",
        plans,
        ways,
        results,
        settings=settings,
        images=images,
        seeds=seeds,
        progress=progress,
        more=lambda way, trial, _: {"alignment": way.alignment(trial)},
    )


def instructions(
    plans: Sequence[Plan],
    reading: Reading,
    results: Results,
    *,
    settings: str,
    asked: Sequence[str] = ASKED,
    decompositions: Sequence[str] = ("subspace",),
    rounds: int = 8,
    at_once: int = 3,
    images: int | None = None,
    seeds: Sequence[int] = (0,),
    progress: Progress = quiet,
) -> None:
    """Ask the VLM in different words (Appendix G); its proposals alone are the pool.

    It is shown pairs of each trial's strongest model; all models are explained with what it names
    there, and with the aspects, so that their scores are defined. Beside `measures_of`: "proposed",
    whether an aspect was named, and "proposals", how many concepts were.

    Args:
        plans: trials.
        reading: encoder and VLM; its words are not used.
        results: added to.
        settings: digest of everything else that values depend on, the VLM's name too.
        asked: of `finexl.concepts.instructions.INSTRUCTIONS`.
        decompositions: which explain.
        rounds: questions.
        at_once: pairs in one question.
        images: pairs of a model, drawn by the seed; None for all.
        seeds: of the pairs, the questions and the held-out splits.
        progress: told of every trial.

    Raises:
        PrerequisiteError: there is no VLM.
        UsageError, NoReplyError: as the VLM.
    """
    vlm = reading.vlm
    if vlm is None:
        raise PrerequisiteError("Asking in different words needs a model to ask; give --vlm NAME.")
    rows_of = {f"{kind}, {name}": (kind, name) for name in asked for kind in decompositions}

    def score(trial: Trial, seed: int, rows: Sequence[str]) -> Iterator[tuple[str, Measures]]:
        for name in dict.fromkeys(rows_of[row][1] for row in rows):
            said = proposals(vlm, strongest(trial), reading, name, rounds, at_once, seed)
            own = replace(reading, words=tuple(dict.fromkeys([*said, *trial.aspects])))
            names = accepted(trial.aspects)
            named = {
                "proposed": float(any(key_of(word) in names for word in said)),
                "proposals": float(len(said)),
            }
            for row in rows:
                kind, instruction = rows_of[row]
                if instruction == name:
                    yield row, {**Way(KINDS[kind](), own).measures(trial, seed), **named}

    score_rows(
        "ablation-instructions",
        plans,
        list(rows_of),
        score,
        results,
        settings=settings,
        images=images,
        seeds=seeds,
        progress=progress,
    )


def proposals(
    vlm: VLM,
    model: Model,
    reading: Reading,
    instruction: str,
    rounds: int,
    at_once: int,
    seed: int,
) -> list[str]:
    """Return the concepts that a VLM names of a model's pairs, the most voted first."""
    rng = np.random.default_rng([seed, rounds, at_once])
    sides = zip(model.base.pictures, model.personalized.pictures, strict=True)
    shown = [_Pair(before, after) for before, after in sides]
    heard = Heard()
    asks = plan(range(len(shown)), rounds, at_once, rng)
    ask_all(vlm, shown, asks, instruction, _Kept(), heard)
    measure = reading.measure
    found, _ = clean(
        heard.votes,
        prompts=[picture.prompt for picture in model.base.pictures if picture.prompt],
        vectors=lambda texts: measure.inside(measure.vectors(texts).vectors),
    )
    return [proposal.concept for proposal in found]


@dataclass(frozen=True)
class _Pair:
    """A base's picture and a personalized one, as `ask_all` shows them."""

    before: Picture
    after: Picture

    def open(self) -> tuple[Image.Image, Image.Image]:
        return self.before.open(), self.after.open()

    def digest(self) -> str:
        return cache.key_of(self.before.digest(), self.after.digest())


@dataclass
class _Kept:
    """Replies of one round of questions, in memory."""

    records: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def find(self, key: str) -> Mapping[str, Any] | None:
        return self.records.get(key)

    def add(self, key: str, record: Mapping[str, Any]) -> None:
        self.records[key] = record
