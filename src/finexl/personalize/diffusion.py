"""A diffusion model in training: its U-Net, or adapters on it (§5, Appendix C)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finexl.errors import UsageError
from finexl.generators import Settings
from finexl.generators.diffusers import Pipeline
from finexl.personalize.examples import Example
from finexl.personalize.recipe import Recipe

TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
"""The attention's projections, which adapters are laid over."""


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
            f"{base} is a diffusion model, whose methods are lora, full and directions, not "
            f"{recipe.method}."
        )
    source = Pipeline(base, settings)
    return source, Denoiser(source.opened, base, examples, recipe)


class Denoiser:
    """A pipeline whose U-Net is trained. See `training.Trainee`."""

    def __init__(
        self, pipeline: Any, base: str, examples: Sequence[Example], recipe: Recipe
    ) -> None:
        import torch

        self.pipeline, self.base, self.recipe = pipeline, base, recipe
        self.examples = examples
        self.unet: Any = getattr(pipeline, "unet", None)
        self.vae: Any = getattr(pipeline, "vae", None)
        if self.unet is None or self.vae is None or not hasattr(pipeline, "encode_prompt"):
            raise UsageError(
                f"{base} is a {type(pipeline).__name__}, which this version cannot train: it takes "
                "models with a U-Net, a VAE and one text encoder (Stable Diffusion 1 and 2)."
            )
        if getattr(pipeline, "text_encoder_2", None) is not None:
            raise UsageError(f"{base} is an SDXL model, which this version cannot train.")
        self.device = self.unet.device
        self.size = recipe.size or self.unet.config.sample_size * pipeline.vae_scale_factor
        for part in (self.vae, pipeline.text_encoder, self.unet):
            part.requires_grad_(False)
        torch.manual_seed(recipe.seed)  # the adapters' start
        if recipe.method == "lora":
            from peft import LoraConfig

            self.unet.add_adapter(
                LoraConfig(
                    r=recipe.rank,
                    lora_alpha=recipe.rank,
                    init_lora_weights="gaussian",
                    target_modules=list(TARGETS),
                )
            )
        else:
            self.unet.requires_grad_(True)
        self.trained = {n: p for n, p in self.unet.named_parameters() if p.requires_grad}
        adam = torch.optim.Adam(list(self.trained.values()), lr=recipe.learning_rate)
        self.optimizers = (adam,)
        self.scheduler = type(pipeline.scheduler).from_config(pipeline.scheduler.config)
        self._latents: dict[int, Any] = {}
        self._words: dict[str, Any] = {}
        self.unet.train()

    def step(self, step: int) -> float:
        """Take one step; everything drawn comes from the seed and the step's number."""
        import torch

        rng = np.random.default_rng([self.recipe.seed, step])
        weights = np.array([example.weight for example in self.examples])
        chosen = rng.choice(len(weights), self.recipe.batch, p=weights / weights.sum())
        latents = torch.cat([self._latent(int(i)) for i in chosen])
        words = torch.cat([self._encoded(self.examples[int(i)].caption) for i in chosen])
        noise = _tensor(rng.standard_normal(latents.shape), latents)
        noisy, times, target = self._noised(latents, noise, rng)
        found = self.unet(noisy, times, encoder_hidden_states=words, return_dict=False)[0]
        loss = torch.nn.functional.mse_loss(found.float(), target.float())
        (adam,) = self.optimizers
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        return float(loss.detach())

    def _noised(self, latents: Any, noise: Any, rng: np.random.Generator) -> tuple[Any, Any, Any]:
        """Return noisy latents, their times, and what the model should say of them."""
        import torch

        scheduler, n = self.scheduler, len(latents)
        config = scheduler.config
        kind = getattr(config, "prediction_type", "epsilon")
        if type(scheduler).__name__.startswith("FlowMatch") or kind == "flow_prediction":
            shift = getattr(config, "flow_shift", None) or getattr(config, "shift", None) or 1.0
            drawn = rng.uniform(size=(n, 1, 1, 1))
            sigma = _tensor(shift * drawn / (1 + (shift - 1) * drawn), latents)
            times = sigma.flatten() * config.num_train_timesteps
            return (1 - sigma) * latents + sigma * noise, times, noise - latents
        count = config.num_train_timesteps
        times = torch.tensor(rng.integers(0, count, n), device=self.device)
        noisy = scheduler.add_noise(latents, noise, times)
        if kind == "epsilon":
            return noisy, times, noise
        if kind == "v_prediction":
            alpha = scheduler.alphas_cumprod.to(latents)[times].view(-1, 1, 1, 1)
            return noisy, times, alpha**0.5 * noise - (1 - alpha) ** 0.5 * latents
        raise UsageError(f"{self.base} predicts {kind!r}, which this version cannot train.")

    def _latent(self, index: int) -> Any:
        """Return an image as the VAE's most likely latent (1, c, h, w)."""
        import torch
        from PIL import ImageOps

        if index not in self._latents:
            picture = self.examples[index].picture.open()
            fitted = ImageOps.fit(picture, (self.size, self.size))
            pixels: NDArray[np.float64] = np.asarray(fitted, dtype=np.float64) / 127.5 - 1.0
            with torch.no_grad():
                row = _tensor(pixels.transpose(2, 0, 1)[None], next(self.vae.parameters()))
                found = self.vae.encode(row).latent_dist.mode()
                shift = getattr(self.vae.config, "shift_factor", None) or 0.0
                self._latents[index] = (found - shift) * self.vae.config.scaling_factor
        return self._latents[index]

    def _encoded(self, caption: str) -> Any:
        import torch

        if caption not in self._words:
            with torch.no_grad():
                self._words[caption] = self.pipeline.encode_prompt(
                    caption, self.device, 1, do_classifier_free_guidance=False
                )[0]
        return self._words[caption]

    def keep(self, folder: Path) -> None:
        """Write the model as it is now: a LoRA, or a whole pipeline."""
        if self.recipe.method == "full":
            self.pipeline.save_pretrained(folder, safe_serialization=True)
            return
        from diffusers.utils import convert_state_dict_to_diffusers
        from peft.utils import get_peft_model_state_dict

        layers = convert_state_dict_to_diffusers(get_peft_model_state_dict(self.unet))
        type(self.pipeline).save_lora_weights(
            str(folder), unet_lora_layers=layers, safe_serialization=True
        )

    def reference(self, folder: Path) -> str:
        """Return what `finexl explain` takes for what `keep` wrote."""
        if self.recipe.method == "full":
            return f"diffusers:{folder}"
        return f"lora:{self.base}+{folder / 'pytorch_lora_weights.safetensors'}"


def _tensor(values: NDArray[np.float64], like: Any) -> Any:
    import torch

    return torch.tensor(values, dtype=like.dtype, device=like.device)
