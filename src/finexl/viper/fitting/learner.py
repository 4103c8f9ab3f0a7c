"""A vision-language model under an adapter that is being trained."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.random import Generator

from finexl import hub
from finexl.errors import FinexlError, UsageError
from finexl.hub import Role
from finexl.viper.extraction.adapted import Adapted
from finexl.viper.fitting.recipe import TARGETS, Recipe


class Lessons(Protocol):
    """What is to be learned."""

    @property
    def count(self) -> int:
        """How many losses a step has where nothing is missing."""
        ...

    def losses(self, learner: Learner, step: int, rng: Generator) -> Iterator[Any]:
        """Yield the losses of a step, torch's scalars, one by one.

        Args:
            learner: whose model is asked.
            step: its number, from 0 on: which part of what is to be learned comes now.
            rng: what is drawn in it, the same whenever it is taken.
        """
        ...


class Learner:
    """A vision-language model under an adapter that is trained."""

    def __init__(self, vlm: Adapted, base: str, recipe: Recipe, role: Role) -> None:
        """Lay a fresh adapter over a model, the same for the same seed.

        `vlm` itself answers through it from now on: the layers are changed where they are.

        Args:
            vlm: the model.
            base: what the adapter shall name as its base.
            recipe: how it is trained.
            role: what it is for, as errors speak of it.

        Raises:
            UsageError: it has none of the layers that adapters are laid over.
            PrerequisiteError: an extra or the model is missing.
        """
        try:
            import peft
            import torch
        except ImportError as error:
            raise hub.missing_extra(base, role.extra, role) from error
        self.vlm, self.recipe = vlm, recipe
        model, self.processor = vlm.opened()
        config = peft.LoraConfig(
            r=recipe.rank,
            lora_alpha=recipe.rank,
            lora_dropout=recipe.dropout,
            init_lora_weights="gaussian",
            target_modules=TARGETS,
            base_model_name_or_path=base,
        )
        torch.manual_seed(recipe.seed)  # the adapter's start
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

    def step(self, step: int, lessons: Lessons) -> float:
        """Take one step; everything drawn comes from the seed and the step's number.

        Returns:
            The mean of its losses.

        Raises:
            FinexlError: there are none.
        """
        import torch

        rng = np.random.default_rng([self.recipe.seed, step])
        losses = []
        self.model.train()
        self.adam.zero_grad()
        with torch.random.fork_rng():
            torch.manual_seed(int(rng.integers(2**62)))  # dropout
            for loss in lessons.losses(self, step, rng):
                (loss / lessons.count).backward()
                losses.append(float(loss.detach()))
        if not losses:
            raise FinexlError(
                f"Of the pictures that step {step + 1} asks about none can be opened; were they "
                "moved since?"
            )
        self.adam.step()
        return float(np.mean(losses))

    def keep(self, folder: Path) -> None:
        """Write the adapter as it is now, as peft does: safetensors."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            self.model.save_pretrained(folder, safe_serialization=True)
