"""Training M: an adapter on a vision-language model learns to tell what somebody likes (§3.3).

The loss of a set is the paper's cross-entropy, of its two questions: is the liked picture liked,
and is the disliked one. OUT/result.json says how well it does on people that nothing was learned
from; the rest of the folder is as `fitting.course` has it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from finexl import hub
from finexl._version import __version__
from finexl.cache import key_of
from finexl.errors import UsageError
from finexl.files import write_atomic
from finexl.images import ImageError, load_image
from finexl.personalize.state import claim
from finexl.viper.fitting import ADAPTER, Learner, Progress, learn, split
from finexl.viper.proxy.judge import ROLE, Judge
from finexl.viper.proxy.people import Person
from finexl.viper.proxy.question import Example, ask, leaning
from finexl.viper.proxy.recipe import Recipe
from finexl.viper.proxy.sets import Task, build
from finexl.vlm.pictures import scaled

SCHEMA = "finexl.proxy/1"
MOST_TESTS = 1000
"""Sets that are tested on: the published code's."""
_FIRST = 10**9
"""Draws for tests are counted from here, those for steps from 0."""


@dataclass(frozen=True)
class Trained:
    """What came of it."""

    adapter: Path
    losses: tuple[float, ...]
    """The loss of every step of this attempt."""
    accuracy: float | None
    """The share of test sets whose liked picture is held the more probable; None without any."""
    log_loss: float | None
    """Of their questions; log 2 = 0.69 is chance."""
    tested: int


def train(
    base: str,
    people: Sequence[Person],
    recipe: Recipe,
    out: Path,
    *,
    device: str | None = None,
    progress: Progress = lambda *_: None,
) -> Trained:
    """Train an adapter on a vision-language model.

    Args:
        base: a folder or a hub id; HuggingFaceM4/idefics2-8b is the paper's.
        people: everybody; the recipe's share of them is tested on.
        recipe: how.
        out: a new folder, or that of the same training to go on with.
        device: where to compute.
        progress: told of every step.

    Raises:
        UsageError: a base that cannot be trained so, too few pictures, or a folder with another
            training in it.
        PrerequisiteError: an extra or the model is missing.
        FinexlError: the loss is no number any more.
    """
    recipe.check()
    learned_from, tested_on = split(people, recipe.test, recipe.seed)
    tasks = build(learned_from, recipe.sets, recipe.seed, context=recipe.context)
    tests = _tests(tested_on, recipe)
    judge = Judge(base, hub.locate(base, hub.VLM), device=device)
    out = out.absolute()
    asked = {
        "schema": SCHEMA,
        "base": base,
        "base_revision": judge.revision,
        "recipe": dict(recipe.record()),
        "people": {"learned_from": len(learned_from), "tested_on": len(tested_on)},
        "sets": {"n": len(tasks), "digest": _digest((*tasks, *tests))},
    }
    claim(out, asked)
    learner = Learner(judge, base, recipe, ROLE)
    losses = learn(learner, Sets(tasks, recipe.together), out, progress)
    found = _tested(learner, tests, progress)
    trained = Trained(out / ADAPTER, losses, *found)
    result = {
        "accuracy": trained.accuracy,
        "log_loss": trained.log_loss,
        "sets": trained.tested,
        "people": len(tested_on),
        "finexl_version": __version__,
    }
    write_atomic(out / "result.json", json.dumps(result, indent=1) + "\n")
    return trained


@dataclass(frozen=True)
class Sets:
    """What M learns from, so many sets a step, as `fitting.Lessons`."""

    tasks: Sequence[Task]
    together: int

    @property
    def count(self) -> int:
        """See `Lessons.count`: two questions a set."""
        return 2 * self.together

    def losses(self, learner: Learner, step: int, rng: Generator) -> Iterator[Any]:
        """See `Lessons.losses`."""
        first = step * self.together
        for place in range(first, first + self.together):
            yield from losses_of(learner, self.tasks[place % len(self.tasks)], rng)


def losses_of(learner: Learner, task: Task, rng: Generator) -> Iterator[Any]:
    """Yield the loss of the disliked and of the liked query of a set, one after the other.

    None where they cannot be opened.
    """
    import torch

    opened = _opened(task, learner.vlm.side, rng)
    if opened is None:
        return
    examples, queries = opened
    for answer, picture in enumerate(queries):
        scores = leaning(learner.model, ask(learner.processor, examples, picture))
        target = torch.tensor([answer], device=scores.device)
        yield torch.nn.functional.cross_entropy(scores[None], target)


def rated(learner: Learner, task: Task, number: int) -> tuple[float, float] | None:
    """Return how probable it is that the disliked and the liked picture of a set are liked.

    None where they cannot be opened.
    """
    import torch

    learner.model.eval()
    rng = np.random.default_rng([learner.recipe.seed, _FIRST + number])
    with torch.inference_mode():
        found = [float(math.exp(-float(loss))) for loss in losses_of(learner, task, rng)]
    return (1 - found[0], found[1]) if found else None


def _opened(task: Task, side: int, rng: Generator) -> tuple[list[Example], tuple[Any, Any]] | None:
    """Return a set's examples, either of a pair first by chance, and its disliked and liked query.

    A pair of which one cannot be opened is left out; without the queries there is nothing to ask.
    """
    found: list[Example] = []
    queries = None
    for pair in (task.query, *task.context):
        swapped = bool(rng.integers(2))
        try:
            no, yes = (scaled(load_image(one.path), side) for one in (pair.disliked, pair.liked))
        except ImageError:
            continue
        if pair is task.query:
            queries = no, yes
        else:
            both: list[Example] = [(no, False), (yes, True)]
            found += both[::-1] if swapped else both
    return None if queries is None else (found, queries)


def _tests(people: Sequence[Person], recipe: Recipe) -> tuple[Task, ...]:
    """Return a set for each person that is tested on; nobody may have pictures enough."""
    try:
        return build(people, min(len(people), MOST_TESTS), recipe.seed, context=recipe.context)
    except UsageError:
        return ()


def _tested(
    learner: Learner, tests: Sequence[Task], progress: Progress
) -> tuple[float | None, float | None, int]:
    found = []
    for number, task in enumerate(tests):
        progress("Testing", number, len(tests))
        chances = rated(learner, task, number)
        if chances is not None:
            found.append(chances)
    if not found:
        return None, None, 0
    no, yes = np.array(found).T
    accuracy = float(((yes > no) + 0.5 * (yes == no)).mean())
    told = np.maximum(np.concatenate([1 - no, yes]), 1e-12)
    return accuracy, float(-np.log(told).mean()), len(found)


def _digest(tasks: Sequence[Task]) -> str:
    """Return what sets are known by: who, which pictures, in which order."""
    parts = [
        " ".join([task.person, *(d for p in (task.query, *task.context) for d in
                                 (p.liked.digest, p.disliked.digest))])
        for task in tasks
    ]  # fmt: skip
    return key_of(*parts)
