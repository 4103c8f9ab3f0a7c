"""Training M: an adapter on a vision-language model learns to tell what somebody likes (§3.3).

OUT/training.json          what is trained on whom, and how
OUT/state.safetensors      weights and Adam's moments, to go on from
OUT/adapter/               the LoRA, as peft writes it: what `--proxy` takes
OUT/result.json            how well it does on people that nothing was learned from

Step s draws all that it draws from the recipe's seed and s: a run that was broken off ends bit for
bit as an unbroken one. The loss of a set is the paper's cross-entropy, of its two questions: is the
liked picture liked, and is the disliked one.
"""

from __future__ import annotations

import json
import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from finexl import hub
from finexl._version import __version__
from finexl.cache import key_of
from finexl.errors import FinexlError, UsageError
from finexl.files import write_atomic
from finexl.images import ImageError, load_image
from finexl.personalize.state import restore, save
from finexl.viper.proxy.judge import ROLE, Judge
from finexl.viper.proxy.people import Person
from finexl.viper.proxy.question import Example, ask, leaning
from finexl.viper.proxy.recipe import TARGETS, Recipe
from finexl.viper.proxy.sets import Task, build, split
from finexl.vlm.pictures import scaled

SCHEMA = "finexl.proxy/1"
SAVE_EVERY_SECONDS = 120.0
MOST_TESTS = 1000
"""Sets that are tested on: the published code's."""
_FIRST = 10**9
"""Draws for tests are counted from here, those for steps from 0."""

Progress = Callable[[str, int, int], None]


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
    _claim(out, asked)
    learner = Learner(judge, base, recipe)
    start = restore(learner.trained, (learner.adam,), out)
    losses, saved = [], time.monotonic()
    for step in range(start, recipe.steps):
        progress("Training", step, recipe.steps)
        losses.append(learner.step(step, tasks))
        if not math.isfinite(losses[-1]):
            raise FinexlError(
                f"The loss is no number any more after {step + 1} steps; lower the learning rate."
            )
        if step + 1 == recipe.steps or time.monotonic() - saved > SAVE_EVERY_SECONDS:
            save(learner.trained, (learner.adam,), out, step + 1)
            saved = time.monotonic()
    progress("Training", recipe.steps, recipe.steps)
    learner.keep(out / "adapter")
    found = _tested(learner, tests, progress)
    trained = Trained(out / "adapter", tuple(losses), *found)
    result = {
        "accuracy": trained.accuracy,
        "log_loss": trained.log_loss,
        "sets": trained.tested,
        "people": len(tested_on),
        "finexl_version": __version__,
    }
    write_atomic(out / "result.json", json.dumps(result, indent=1) + "\n")
    return trained


class Learner:
    """A vision-language model under an adapter that is trained."""

    def __init__(self, judge: Judge, base: str, recipe: Recipe) -> None:
        """Lay fresh adapters over a model, the same for the same seed.

        Raises:
            UsageError: it has none of the layers that adapters are laid over.
            PrerequisiteError: an extra or the model is missing.
        """
        try:
            import peft
            import torch
        except ImportError as error:
            raise hub.missing_extra(base, ROLE.extra, ROLE) from error
        self.recipe, self.side = recipe, judge.side
        model, self.processor = judge.opened()
        config = peft.LoraConfig(
            r=recipe.rank,
            lora_alpha=recipe.rank,
            lora_dropout=recipe.dropout,
            init_lora_weights="gaussian",
            target_modules=TARGETS,
            base_model_name_or_path=base,
        )
        torch.manual_seed(recipe.seed)  # the adapters' start
        try:
            with warnings.catch_warnings():
                # peft asks transformers by names that it is about to give up
                warnings.simplefilter("ignore", FutureWarning)
                self.model = peft.PeftModel(model, config)
        except ValueError as error:
            raise UsageError(
                f"{base} cannot be trained: it has none of the layers that IDEFICS2 has."
            ) from error
        self.trained = {n: p for n, p in self.model.named_parameters() if p.requires_grad}
        self.adam = torch.optim.AdamW(
            list(self.trained.values()),
            lr=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
        )

    def step(self, step: int, tasks: Sequence[Task]) -> float:
        """Take one step; everything drawn comes from the seed and the step's number.

        Raises:
            FinexlError: not one of its sets has pictures that can be opened.
        """
        import torch

        rng = np.random.default_rng([self.recipe.seed, step])
        first = step * self.recipe.together
        losses = []
        self.model.train()
        self.adam.zero_grad()
        with torch.random.fork_rng():
            torch.manual_seed(int(rng.integers(2**62)))  # dropout
            for place in range(first, first + self.recipe.together):
                for loss in self._losses(tasks[place % len(tasks)], rng):
                    (loss / (2 * self.recipe.together)).backward()
                    losses.append(float(loss.detach()))
        if not losses:
            raise FinexlError(
                f"Of the pictures that step {step + 1} asks about none can be opened; were they "
                "moved since?"
            )
        self.adam.step()
        return float(np.mean(losses))

    def rate(self, task: Task, number: int) -> tuple[float, float] | None:
        """Return how probable it is that the disliked and the liked picture of a set are liked.

        None where they cannot be opened.
        """
        import torch

        self.model.eval()
        rng = np.random.default_rng([self.recipe.seed, _FIRST + number])
        with torch.inference_mode():
            found = [float(math.exp(-float(loss))) for loss in self._losses(task, rng)]
        return (1 - found[0], found[1]) if found else None

    def keep(self, folder: Path) -> None:
        """Write the adapter as it is now."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            self.model.save_pretrained(folder, safe_serialization=True)

    def _losses(self, task: Task, rng: np.random.Generator) -> Iterator[Any]:
        """Yield the loss of the disliked and of the liked query, one after the other."""
        import torch

        opened = _opened(task, self.side, rng)
        if opened is None:
            return
        examples, queries = opened
        for answer, picture in enumerate(queries):
            scores = leaning(self.model, ask(self.processor, examples, picture))
            target = torch.tensor([answer], device=scores.device)
            yield torch.nn.functional.cross_entropy(scores[None], target)


def _opened(
    task: Task, side: int, rng: np.random.Generator
) -> tuple[list[Example], tuple[Any, Any]] | None:
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
        rated = learner.rate(task, number)
        if rated is not None:
            found.append(rated)
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


def _claim(out: Path, asked: Mapping[str, Any]) -> None:
    """Make the folder this training's, or refuse one that is another's."""
    path = out / "training.json"
    try:
        out.mkdir(parents=True, exist_ok=True)
        before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        strangers = before is None and any(out.iterdir())
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{out} cannot hold a training: {error}.") from error
    if strangers:
        raise UsageError(f"{out} has files in it already; choose an empty or new folder.")
    written = json.loads(json.dumps(asked))
    if before is not None and before != written:
        raise UsageError(f"{out} holds another training; choose a new folder.")
    if before is None:
        write_atomic(path, json.dumps(asked, ensure_ascii=False, indent=1) + "\n")
