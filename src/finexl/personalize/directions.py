"""Directions of a diffusion model, learned from images without words (NoiseCLR; §6.3).

Of N images at one time t, the direction d_k makes the edits

    Δε_k^n = ε(x_t^n, d_k) − ε(x_t^n, ∅).

A direction should do the same to every image, and not what the others do. With s(a, b) =
exp(cos(a, b) / τ) and τ = 0.5 it is therefore learned by lowering (Dalva and Yanardag, CVPR 2024)

    L = mean over k of −log( mean of s(Δε_k^a, Δε_k^b) over images a ≠ b
                            / mean of s(Δε_k^a, Δε_j^a) over images a and directions j ≠ k ).

What a direction means nobody has said: they are numbered, and `finexl explain` finds it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from finexl.errors import UsageError
from finexl.generators import Settings, directions
from finexl.generators.diffusers import Pipeline
from finexl.generators.families import of_pipeline
from finexl.generators.steering import predictions
from finexl.personalize.denoising import Denoising
from finexl.personalize.examples import Example
from finexl.personalize.recipe import Recipe

FILE = "directions.safetensors"
TEMPERATURE = 0.5
TOGETHER = 20
"""Of more directions, so many are drawn for every step."""


def trainee(
    base: str, examples: Sequence[Example], recipe: Recipe, settings: Settings
) -> tuple[Pipeline, Directions]:
    """Return a pipeline as it makes images, and the directions that are learned for it.

    Raises:
        UsageError: no such model, or nothing to compare.
        PrerequisiteError: an extra or the model is missing.
    """
    if min(recipe.batch, len(examples)) < 2:
        raise UsageError(
            "Directions are learned by comparing images: give two images or more, and a batch of "
            "at least 2."
        )
    source = Pipeline(base, settings)
    family = of_pipeline(source.source.folder, source.source.kind).name
    return source, Directions(source.opened, base, family, examples, recipe)


class Directions:
    """A pipeline that stays as it is, and directions for it. See `training.Trainee`."""

    def __init__(
        self,
        pipeline: Any,
        base: str,
        family: str | None,
        examples: Sequence[Example],
        recipe: Recipe,
    ) -> None:
        import torch

        self.pipeline, self.base, self.family, self.recipe = pipeline, base, family, recipe
        self.examples = examples
        self.seen = Denoising(pipeline, base, examples, recipe.size)
        self.denoiser = self.seen.denoiser
        rng = np.random.default_rng(np.random.SeedSequence(recipe.seed, spawn_key=(1,)))
        # each part as large as the words that its text encoder knows
        parts = [
            rng.normal(0, spread, (recipe.directions, width))
            for width, spread in directions.words_of(pipeline)
        ]
        start = torch.tensor(np.hstack(parts), dtype=torch.float32, device=self.denoiser.device)
        self.vectors = torch.nn.Parameter(start)
        self.trained = {"directions": self.vectors}
        self.optimizers = (torch.optim.Adam([self.vectors], lr=recipe.learning_rate),)
        if self.denoiser.device.type != "cpu":
            self.denoiser.enable_gradient_checkpointing()

    def step(self, step: int) -> float:
        """Take one step; everything drawn comes from the seed and the step's number."""
        rng = np.random.default_rng([self.recipe.seed, step])
        weights = np.array([example.weight for example in self.examples])
        count = min(self.recipe.batch, len(weights))
        chosen = rng.choice(len(weights), count, replace=False, p=weights / weights.sum()).tolist()
        latents = self.seen.latents(chosen)
        noise = self.seen.noise(latents, rng)
        noisy, times, _ = self.seen.noised(latents, noise, rng, together=True)
        some = np.arange(len(self.vectors))
        if len(some) > TOGETHER:
            some = rng.choice(some, TOGETHER, replace=False)
        loss = contrast(self.edits(noisy, times, some.tolist()))
        (adam,) = self.optimizers
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        return float(loss.detach())

    def edits(self, noisy: Any, times: Any, some: Sequence[int]) -> Any:
        """Return what some of the directions do to noisy images: (directions, images, ...)."""
        words = [directions.spell(self.pipeline, self.vectors[k : k + 1]) for k in some]
        texts = [self.seen.encoded(""), *words]
        said = predictions(self.denoiser, self.seen.given(noisy, times), texts).float()
        return said[1:] - said[:1]

    def keep(self, folder: Path) -> None:
        """Write the directions as they are now, by their numbers from 1."""
        vectors = {str(number): vector for number, vector in enumerate(self.vectors, start=1)}
        widths = [width for width, _ in directions.words_of(self.pipeline)]
        directions.write(folder / FILE, vectors, widths, self.family)

    def reference(self, folder: Path) -> str:
        """Return what `finexl explain` takes for the first; #2 is the second, and so on."""
        return f"directions:{self.base}+{folder / FILE}#1"


def contrast(edits: Any) -> Any:
    """Return NoiseCLR's loss of edits (directions, images, ...)."""
    import torch

    unit = torch.nn.functional.normalize(edits.flatten(2), dim=-1, eps=1e-20)
    alike = torch.exp(torch.einsum("kad,kbd->kab", unit, unit) / TEMPERATURE)
    apart = torch.exp(torch.einsum("kad,jad->kja", unit, unit) / TEMPERATURE)
    k, n = edits.shape[:2]
    others = ~torch.eye(n, dtype=torch.bool, device=edits.device)
    towards = alike[:, others].mean(dim=1)
    others = ~torch.eye(k, dtype=torch.bool, device=edits.device)
    away = apart[others].reshape(k, -1).mean(dim=1)
    return (away.log() - towards.log()).mean()
