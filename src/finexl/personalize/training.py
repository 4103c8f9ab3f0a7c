"""Training a model on images with captions, kept at known levels.

OUT/training.json          what is trained on what, and how
OUT/step-000020/           the model after 20 steps
OUT/state.safetensors      weights and Adam's moments, to go on from
OUT/levels.json            written at the end: each level's reference

Step s draws all that it draws from the recipe's seed and s: a run that was broken off ends bit for
bit as an unbroken one. What a step is and what is kept of the model, each family says for itself:
`diffusion`, `inversion`, `directions`, `gan`, `autoregressive`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from finexl._version import __version__
from finexl.cache import key_of
from finexl.errors import FinexlError, UsageError
from finexl.files import write_atomic
from finexl.generators import Generator, Settings, is_reference
from finexl.personalize.examples import Example
from finexl.personalize.recipe import Recipe
from finexl.personalize.state import claim, restore, save
from finexl.sources import absolute

SCHEMA = "finexl.levels/1"
SAVE_EVERY_SECONDS = 120.0

Progress = Callable[[str, int, int], None]


class Trainee(Protocol):
    """A model in training."""

    @property
    def trained(self) -> Mapping[str, Any]:
        """Torch's tensors that training changes, by name: weights, and buffers of no optimizer."""
        ...

    @property
    def optimizers(self) -> Sequence[Any]:
        """Adam, once or more; their moments are kept with the weights."""
        ...

    def step(self, step: int) -> float:
        """Take one step and return its loss; all that is drawn follows from the step's number."""
        ...

    def keep(self, folder: Path) -> None:
        """Write the model as it is now."""
        ...

    def reference(self, folder: Path) -> str:
        """Return what `finexl explain` takes for what `keep` wrote."""
        ...


@dataclass(frozen=True)
class Trained:
    """What came of it."""

    folder: Path
    levels: Mapping[int, str]
    """Steps -> the reference that `finexl explain` takes."""
    losses: tuple[float, ...]
    """The loss of every step of this attempt."""


def open_trainee(
    base: str, examples: Sequence[Example], recipe: Recipe, settings: Settings
) -> tuple[Generator, Trainee]:
    """Return a base as it makes images, and as it is trained.

    Args:
        base: `diffusers:…` (or its rest alone), `gan:…` or `ar:…`.
        examples: images with captions.
        recipe: what is trained and how.
        settings: device and precision.

    Raises:
        UsageError: no such model, or one that cannot be trained so.
        PrerequisiteError: an extra or the model is missing.
    """
    kind, _, rest = base.partition(":")
    if kind == "gan":
        from finexl.personalize import gan

        return gan.trainee(rest, examples, recipe, settings)
    if kind == "ar":
        from finexl.personalize import autoregressive

        return autoregressive.trainee(rest, examples, recipe, settings)
    if kind in ("lora", "directions", "api"):
        raise UsageError(f"{base} is no base that can be trained; give diffusers:, gan: or ar:.")
    base = base.removeprefix("diffusers:")
    if recipe.method == "directions":
        from finexl.personalize import directions

        return directions.trainee(base, examples, recipe, settings)
    if recipe.method == "inversion":
        from finexl.personalize import inversion

        return inversion.trainee(base, examples, recipe, settings)
    from finexl.personalize import diffusion

    return diffusion.trainee(base, examples, recipe, settings)


def personalize(
    base: str,
    examples: Sequence[Example],
    recipe: Recipe,
    out: Path,
    settings: Settings,
    progress: Progress = lambda *_: None,
) -> Trained:
    """Train a personalized model from a base, and keep it at the recipe's levels.

    Args:
        base: as in `open_trainee`.
        examples: images with captions.
        recipe: what is trained and how.
        out: a new folder, or that of the same training to go on with.
        settings: device and precision.
        progress: told of every step.

    Raises:
        UsageError: a base that cannot be trained so, or a folder with another training in it.
        PrerequisiteError: an extra or the model is missing.
        FinexlError: the loss is no number any more.
    """
    recipe.check()
    # a level's reference has to hold from wherever it is used
    base, out = absolute(base if is_reference(base) else f"diffusers:{base}"), out.absolute()
    source, trainee = open_trainee(base, examples, recipe, settings)
    asked = {
        "base": base,
        "base_digest": source.digest,
        "recipe": recipe.record(),
        "examples": _record_of(examples),
    }
    return train(source, trainee, recipe.levels, asked, out, progress)


def train(
    source: Generator,
    trainee: Trainee,
    levels: Sequence[int],
    about: Mapping[str, Any],
    out: Path,
    progress: Progress = lambda *_: None,
) -> Trained:
    """Train what was opened, and keep it at levels; goes on where it was broken off.

    Args:
        source: the base as it makes images.
        trainee: the same as it is trained.
        levels: steps after which it is kept, rising.
        about: all that the outcome follows from, JSON-like: a folder is one training's.
        out: as an absolute path: a new folder, or that of the same training.
        progress: told of every step.

    Raises:
        UsageError: a folder with another training in it.
        FinexlError: the loss is no number any more.
    """
    asked = {"schema": SCHEMA, **about}
    claim(out, asked)
    folders = {level: folder_of(out, level) for level in levels}
    start = restore(trainee.trained, trainee.optimizers, out)
    for level, folder in folders.items():
        if level <= start and not any(folder.glob("**/*.safetensors")):
            raise UsageError(f"{out} lacks the level {level}; start in a new folder.")
    losses = []
    last = levels[-1]
    progress(f"Training {source.name}", start, last)
    saved = time.monotonic()
    for step in range(start, last):
        losses.append(trainee.step(step))
        if not np.isfinite(losses[-1]):
            raise FinexlError(
                f"The loss is no number any more after {step + 1} steps; lower the learning rate, "
                "or train in float32."
            )
        done = step + 1
        if done in folders:
            _refuse_numberless(trainee, done)
            trainee.keep(folders[done])
        if done in folders or time.monotonic() - saved > SAVE_EVERY_SECONDS:
            save(trainee.trained, trainee.optimizers, out, done)
            saved = time.monotonic()
        progress(f"Training {source.name}", done, last)
    found = {level: trainee.reference(folder) for level, folder in folders.items()}
    written = {
        **asked,
        "levels": [{"steps": level, "reference": name} for level, name in found.items()],
        "versions": {"finexl": __version__, **source.record().get("versions", {})},
    }
    write_atomic(out / "levels.json", json.dumps(written, ensure_ascii=False, indent=1) + "\n")
    return Trained(out, found, tuple(losses))


def folder_of(out: Path, level: int) -> Path:
    """Return where a training keeps a level."""
    return out / f"step-{level:06d}"


def _refuse_numberless(trainee: Trainee, steps: int) -> None:
    """Refuse to keep a model with weights that are no numbers: its last loss may still be one."""
    import torch

    for name, tensor in trainee.trained.items():
        if not bool(torch.isfinite(tensor).all()):
            raise FinexlError(
                f"After {steps} steps the weights are no numbers any more ({name}); lower the "
                "learning rate, or train in float32."
            )


def _record_of(examples: Sequence[Example]) -> dict[str, Any]:
    parts = [f"{e.picture.digest()} {e.weight:.6g} {e.caption}" for e in examples]
    return {"n": len(examples), "digest": key_of(*parts)}
