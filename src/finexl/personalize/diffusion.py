"""A diffusion model in training: its denoiser, or adapters on it (§5, Appendix C)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from finexl.errors import UsageError
from finexl.generators import Settings
from finexl.generators.diffusers import Pipeline
from finexl.personalize.denoising import Denoising
from finexl.personalize.examples import Example
from finexl.personalize.recipe import Recipe

TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
"""The attention's projections, which adapters are laid over."""
TEXT_TARGETS = ("add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")
"""The same for the text, which attends as the picture does in SD3 and FLUX."""


def trainee(
    base: str, examples: Sequence[Example], recipe: Recipe, settings: Settings
) -> tuple[Pipeline, Denoiser]:
    """Return a pipeline as it makes images, and as it is trained.

    Raises:
        UsageError: no such model, or one that cannot be trained so.
        PrerequisiteError: an extra or the model is missing.
    """
    if recipe.method not in ("lora", "full"):
        raise UsageError(
            f"{base} is a diffusion model, whose methods are lora, full, directions and "
            f"inversion, not {recipe.method}."
        )
    source = Pipeline(base, settings)
    return source, Denoiser(source.opened, base, examples, recipe)


class Denoiser:
    """A pipeline whose U-Net or transformer is trained. See `training.Trainee`."""

    def __init__(
        self, pipeline: Any, base: str, examples: Sequence[Example], recipe: Recipe
    ) -> None:
        import torch

        self.pipeline, self.base, self.recipe = pipeline, base, recipe
        self.examples = examples
        self.seen = Denoising(pipeline, base, examples, recipe.size)
        self.denoiser = self.seen.denoiser
        self.part = "unet" if getattr(pipeline, "unet", None) is not None else "transformer"
        torch.manual_seed(recipe.seed)  # the adapters' start
        if recipe.method == "lora":
            from diffusers.training_utils import cast_training_params
            from peft import LoraConfig

            targets = TARGETS if self.part == "unet" else (*TARGETS, *TEXT_TARGETS)
            self.denoiser.add_adapter(
                LoraConfig(
                    r=recipe.rank,
                    lora_alpha=recipe.rank,
                    init_lora_weights="gaussian",
                    target_modules=list(targets),
                )
            )
            cast_training_params(self.denoiser)  # half precision loses small steps
        else:
            self.denoiser.requires_grad_(True)
        self.trained = {n: p for n, p in self.denoiser.named_parameters() if p.requires_grad}
        adam = torch.optim.Adam(list(self.trained.values()), lr=recipe.learning_rate)
        self.optimizers = (adam,)
        self.denoiser.train()

    def step(self, step: int) -> float:
        """Take one step; everything drawn comes from the seed and the step's number."""
        rng = np.random.default_rng([self.recipe.seed, step])
        weights = np.array([example.weight for example in self.examples])
        chosen = rng.choice(len(weights), self.recipe.batch, p=weights / weights.sum()).tolist()
        loss = self.seen.loss(chosen, self.seen.words(chosen), rng)
        (adam,) = self.optimizers
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        return float(loss.detach())

    def keep(self, folder: Path) -> None:
        """Write the model as it is now: a LoRA, or a whole pipeline."""
        if self.recipe.method == "full":
            self.pipeline.save_pretrained(folder, safe_serialization=True)
            return
        from diffusers.utils import convert_state_dict_to_diffusers
        from peft.utils import get_peft_model_state_dict

        layers = get_peft_model_state_dict(self.denoiser)
        if self.part == "unet":  # a transformer's names are diffusers' own already
            layers = convert_state_dict_to_diffusers(layers)
        type(self.pipeline).save_lora_weights(
            str(folder), **{f"{self.part}_lora_layers": layers}, safe_serialization=True
        )

    def reference(self, folder: Path) -> str:
        """Return what `finexl explain` takes for what `keep` wrote."""
        if self.recipe.method == "full":
            return f"diffusers:{folder}"
        return f"lora:{self.base}+{folder / 'pytorch_lora_weights.safetensors'}"
