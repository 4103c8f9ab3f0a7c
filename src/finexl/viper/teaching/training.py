"""Training an extractor: an adapter learns what people like from what they say of pictures (A.2).

The loss is the cross-entropy of the answer's tokens. OUT/result.json says how well the adapter does
on people that nothing was learned from, beside its base without it and the rules; the rest of the
folder is as `fitting.course` has it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from finexl import hub
from finexl._version import __version__
from finexl.cache import key_of
from finexl.errors import UsageError
from finexl.files import write_atomic
from finexl.images import ImageError
from finexl.personalize.state import claim
from finexl.viper.agents.agent import Agent
from finexl.viper.agents.identity import pictures_of
from finexl.viper.extraction import Offline
from finexl.viper.extraction.adapted import ROLE, Adapted
from finexl.viper.extraction.asking import AT_ONCE, Asked
from finexl.viper.extraction.forms import LISTS
from finexl.viper.fitting import ADAPTER, Learner, Progress, Recipe, learn, split
from finexl.viper.teaching.lessons import drawn, lesson
from finexl.viper.teaching.scoring import Score, score
from finexl.viper.teaching.tokens import answer_loss, told

SCHEMA = "finexl.extractor/1"
MOST_TESTS = 100
"""People that are tested on: every one of them is read twice, word by word."""
ROOM = 2
"""In tests an answer may be so much longer than the longest right one: a base may never end."""


@dataclass(frozen=True)
class Tested:
    """How well people are read that nothing was learned from; None where there are none."""

    people: int
    loss: float | None
    """Of an answer's token, on average over all tokens of the right answers."""
    base_loss: float | None
    """The same without the adapter."""
    score: Score | None
    base_score: Score | None
    """Of the base asked in the same words."""
    rules_score: Score | None
    """Of comments read by rules, without looking: what costs nothing."""


@dataclass(frozen=True)
class Taught:
    """What came of it."""

    adapter: Path
    losses: tuple[float, ...]
    """The loss of every step of this attempt."""
    tested: Tested
    notes: tuple[str, ...]
    """What was left out, a sentence each."""


def train(
    base: str,
    agents: Sequence[Agent],
    folder: Path,
    recipe: Recipe,
    out: Path,
    *,
    device: str | None = None,
    progress: Progress = lambda *_: None,
) -> Taught:
    """Train an adapter on a vision-language model to extract preferences.

    Args:
        base: a folder or a hub id; HuggingFaceM4/idefics2-8b is the paper's.
        agents: everybody; the recipe's share of them is tested on.
        folder: where their pictures are.
        recipe: how.
        out: a new folder, or that of the same training to go on with.
        device: where to compute.
        progress: told of every step.

    Raises:
        UsageError: a base that cannot be trained so, nobody with comments, or a folder with another
            training in it.
        PrerequisiteError: an extra or the model is missing.
        FinexlError: the loss is no number any more.
    """
    recipe.check()
    speaking = [agent for agent in agents if agent.comments]
    if not speaking:
        raise UsageError("Nobody says anything: an extractor learns from comments.")
    learned_from, tested_on = split(speaking, recipe.test, recipe.seed)
    vlm = Adapted(base, hub.locate(base, hub.VLM), device=device)
    digest, missing = _digest(speaking, folder)
    out = out.absolute()
    asked = {
        "schema": SCHEMA,
        "base": base,
        "base_revision": vlm.revision,
        "recipe": dict(recipe.record()),
        "people": {"learned_from": len(learned_from), "tested_on": len(tested_on)},
        "digest": digest,
    }
    claim(out, asked)
    learner = Learner(vlm, base, recipe, ROLE)
    losses = learn(learner, Lessons(learned_from, folder, recipe), out, progress)
    tested = _tested(learner, tested_on[:MOST_TESTS], folder, progress)
    result = {**asdict(tested), "finexl_version": __version__}
    write_atomic(out / "result.json", json.dumps(result, indent=1) + "\n")
    silent = len(agents) - len(speaking)
    notes = [f"{silent:,} people say nothing and are left out."] if silent else []
    if missing:
        notes.append(f"{missing:,} pictures cannot be read: what is said of them is read blind.")
    return Taught(out / ADAPTER, losses, tested, tuple(notes))


@dataclass(frozen=True)
class Lessons:
    """What an extractor learns from, so many people a step, as `fitting.Lessons`."""

    agents: Sequence[Agent]
    folder: Path
    recipe: Recipe

    @property
    def count(self) -> int:
        """See `Lessons.count`: one answer a person."""
        return self.recipe.together

    def losses(self, learner: Learner, step: int, rng: Generator) -> Iterator[Any]:
        """See `Lessons.losses`."""
        first = step * self.recipe.together
        for place in range(first, first + self.recipe.together):
            one = told(learner.vlm, drawn(self._turn(place), self.folder, rng))
            yield answer_loss(learner.model, one)

    def _turn(self, place: int) -> Agent:
        """Return whose turn it is: everybody's, over and over, in another order each time."""
        round_, number = divmod(place, len(self.agents))
        order = np.random.default_rng([self.recipe.seed, 1, round_]).permutation(len(self.agents))
        return self.agents[int(order[number])]


def _tested(learner: Learner, agents: Sequence[Agent], folder: Path, progress: Progress) -> Tested:
    if not agents:
        return Tested(0, None, None, None, None, None)
    total = 2 * len(agents)
    learner.model.eval()
    loss, longest = _loss(learner, agents, folder)
    # answers through the adapter, which lies over the model's own layers
    extractor = Asked(learner.vlm, replace(LISTS, max_tokens=ROOM * longest))
    found = score(agents, extractor, folder, lambda n: progress("Testing", n, total))
    with learner.model.disable_adapter():
        base_loss, _ = _loss(learner, agents, folder)
        base = score(
            agents, extractor, folder, lambda n: progress("Testing", len(agents) + n, total)
        )
    rules = score(agents, Offline(), folder)
    progress("Testing", total, total)
    return Tested(len(agents), loss, base_loss, found, base, rules)


def _loss(learner: Learner, agents: Sequence[Agent], folder: Path) -> tuple[float, int]:
    """Return the loss of a token of the right answers to everybody's first comments.

    And how many tokens the longest answer has.
    """
    import torch

    total, counts = 0.0, []
    with torch.inference_mode():
        for agent in agents:
            numbers = range(min(len(agent.comments), AT_ONCE))
            one = told(learner.vlm, lesson(agent, folder, numbers))
            total += float(answer_loss(learner.model, one)) * one.count
            counts.append(one.count)
    return total / sum(counts), max(counts)


def _digest(agents: Sequence[Agent], folder: Path) -> tuple[str, int]:
    """Return what people are known by, their pictures' content too; and how many have none."""
    parts, missing = [], 0
    for agent in agents:
        parts.append(agent.to_json())
        for picture in pictures_of(agent, folder).values():
            try:
                parts.append(picture.digest())
            except ImageError:  # noqa: PERF203 - each picture fails on its own
                parts.append("none")
                missing += 1
    return key_of(*parts), missing
