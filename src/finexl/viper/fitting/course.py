"""All steps of a training, gone on with where they broke off.

OUT/training.json          what is trained on whom, and how
OUT/state.safetensors      weights and Adam's moments, to go on from
OUT/adapter/               the LoRA, as peft writes it

Step s draws all that it draws from the recipe's seed and s: a run that was broken off ends bit for
bit as an unbroken one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

from finexl.errors import FinexlError
from finexl.personalize.state import restore, save
from finexl.viper.fitting.learner import Learner, Lessons

SAVE_EVERY_SECONDS = 120.0
ADAPTER = "adapter"

Progress = Callable[[str, int, int], None]


def learn(
    learner: Learner, lessons: Lessons, out: Path, progress: Progress = lambda *_: None
) -> tuple[float, ...]:
    """Take the recipe's steps, or those that are left; keep the adapter; return their losses.

    Args:
        learner: fresh.
        lessons: what is learned.
        out: the training's folder, claimed (`finexl.personalize.state.claim`).
        progress: told of every step.

    Raises:
        UsageError: a damaged state.
        FinexlError: the loss is no number any more, or a step has nothing to learn from.
    """
    steps = learner.recipe.steps
    start = restore(learner.trained, (learner.adam,), out)
    losses, saved = [], time.monotonic()
    for step in range(start, steps):
        progress("Training", step, steps)
        losses.append(learner.step(step, lessons))
        if not math.isfinite(losses[-1]):
            raise FinexlError(
                f"The loss is no number any more after {step + 1} steps; lower the learning rate."
            )
        if step + 1 == steps or time.monotonic() - saved > SAVE_EVERY_SECONDS:
            save(learner.trained, (learner.adam,), out, step + 1)
            saved = time.monotonic()
    progress("Training", steps, steps)
    learner.keep(out / ADAPTER)
    return tuple(losses)
