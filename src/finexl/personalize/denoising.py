"""A diffusers pipeline as training sees it: latents, noise, words, and what its denoiser is given.

What differs between Stable Diffusion 1 and 2, XL, 3 and FLUX is a `Form`: the denoiser's arguments
beside the words, and how its answer is latents again.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finexl.errors import UsageError
from finexl.generators.steering import Words, denoiser_of, encode, told
from finexl.personalize.examples import Example


class Form:
    """Stable Diffusion 1 and 2: latents and times, nothing else."""

    latents = "sample"

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline

    def given(self, noisy: Any, times: Any) -> dict[str, Any]:
        """Return the denoiser's arguments beside the words; times run from 0 to 1,000."""
        return {self.latents: noisy, "timestep": times}

    def answered(self, found: Any, noisy: Any) -> Any:
        """Return what the denoiser said, in the latents' shape."""
        del noisy
        return found


class Sized(Form):
    """SDXL: is told how large its pictures were, and where they were cut; as when it makes them."""

    def given(self, noisy: Any, times: Any) -> dict[str, Any]:
        """See `Form.given`."""
        height, width = (side * self.pipeline.vae_scale_factor for side in noisy.shape[-2:])
        sizes = noisy.new_tensor([[height, width, 0, 0, height, width]])
        added = {"time_ids": sizes.expand(len(noisy), -1)}
        return {**super().given(noisy, times), "added_cond_kwargs": added}


class Joint(Form):
    """SD3: a transformer, which takes latents as they are."""

    latents = "hidden_states"


class Packed(Form):
    """FLUX: four neighbouring latents are one token, with its place; the guidance is an input.

    That is the strength at which the pipeline makes images if nothing else is asked.
    """

    def given(self, noisy: Any, times: Any) -> dict[str, Any]:
        """See `Form.given`."""
        n, channels, height, width = noisy.shape
        pipeline = self.pipeline
        places = (n, height // 2, width // 2, noisy.device, noisy.dtype)
        arguments = {
            "hidden_states": pipeline._pack_latents(noisy, n, channels, height, width),
            "timestep": times / 1000,
            "img_ids": pipeline._prepare_latent_image_ids(*places),
        }
        if pipeline.transformer.config.guidance_embeds:
            own = inspect.signature(type(pipeline).__call__).parameters["guidance_scale"].default
            arguments["guidance"] = times.new_full((n,), own, dtype=noisy.dtype)
        return arguments

    def answered(self, found: Any, noisy: Any) -> Any:
        """See `Form.answered`."""
        factor = self.pipeline.vae_scale_factor
        height, width = (side * factor for side in noisy.shape[-2:])
        return self.pipeline._unpack_latents(found, height, width, factor)


FORMS: dict[str, type[Form]] = {
    "StableDiffusionPipeline": Form,
    "StableDiffusionXLPipeline": Sized,
    "StableDiffusion3Pipeline": Joint,
    "FluxPipeline": Packed,
}


class Denoising:
    """The parts of a pipeline that training needs. Nothing of it learns, until it is told to."""

    def __init__(
        self, pipeline: Any, base: str, examples: Sequence[Example], size: int | None
    ) -> None:
        import torch

        self.denoiser = denoiser_of(pipeline, base)
        self.pipeline, self.base, self.examples = pipeline, base, examples
        names = (kind.__name__ for kind in type(pipeline).__mro__)
        self.form = next(FORMS[name] for name in names if name in FORMS)(pipeline)
        self.vae: Any = pipeline.vae
        own = getattr(pipeline, "default_sample_size", None) or self.denoiser.config.sample_size
        self.size = size or own * pipeline.vae_scale_factor
        grain = 2 * pipeline.vae_scale_factor
        if isinstance(self.form, (Joint, Packed)) and self.size % grain:
            raise UsageError(
                f"{base} makes images of a multiple of {grain} pixels, and not of {self.size}."
            )
        for part in pipeline.components.values():
            if isinstance(part, torch.nn.Module):
                part.requires_grad_(False)
        if self.vae.dtype == torch.float16 and self.vae.config.force_upcast:
            self.vae.to(torch.float32)  # its numbers leave half precision's range
        self._latents: dict[int, Any] = {}
        self._words: dict[str, Words] = {}

    def latents(self, chosen: Sequence[int]) -> Any:
        """Return images as the VAE's most likely latents (n, channels, height, width)."""
        import torch

        return torch.cat([self._latent(index) for index in chosen])

    def words(self, chosen: Sequence[int]) -> Words:
        """Return the images' captions, encoded."""
        return rows_of([self.encoded(self.examples[index].caption) for index in chosen])

    def encoded(self, caption: str) -> Words:
        """Return a text, encoded: one row."""
        import torch

        if caption not in self._words:
            with torch.no_grad():
                self._words[caption] = encode(self.pipeline, caption)
        return self._words[caption]

    def noise(self, latents: Any, rng: np.random.Generator) -> Any:
        """Return noise for these latents."""
        return _tensor(rng.standard_normal(latents.shape), latents)

    def noised(
        self, latents: Any, noise: Any, rng: np.random.Generator, together: bool = False
    ) -> tuple[Any, Any, Any]:
        """Return noisy latents, their times, and what the denoiser should say of them.

        Flow matching: x_σ = (1 − σ) x + σ n, which has the velocity n − x, with σ uniform in
        [0, 1] and shifted as the scheduler does where the shift does not depend on the image's
        size. Otherwise x_t = √ᾱ_t x + √(1 − ᾱ_t) n with t uniform: what the noise's own
        definition says, whichever scheduler makes images of it in steps of another scale.

        Args:
            latents: of n images.
            noise: of the same shape.
            rng: draws the times.
            together: one time for all.
        """
        import torch
        from diffusers import DDPMScheduler

        scheduler, n, draws = self.pipeline.scheduler, len(latents), 1 if together else len(latents)
        config = scheduler.config
        kind = getattr(config, "prediction_type", "epsilon")
        if type(scheduler).__name__.startswith("FlowMatch") or kind == "flow_prediction":
            shift = getattr(config, "flow_shift", None) or getattr(config, "shift", None) or 1.0
            if getattr(config, "use_dynamic_shifting", False):
                shift = 1.0
            drawn = rng.uniform(size=(draws, 1, 1, 1))
            drawn = shift * drawn / (1 + (shift - 1) * drawn)
            exact = torch.tensor(drawn, dtype=torch.float32, device=latents.device)
            exact = exact.expand(n, 1, 1, 1)
            sigma, times = exact.to(latents.dtype), exact.flatten() * config.num_train_timesteps
            return (1 - sigma) * latents + sigma * noise, times, noise - latents
        training = DDPMScheduler.from_config(config)
        count = config.num_train_timesteps
        times = torch.tensor(rng.integers(0, count, draws), device=latents.device).expand(n)
        noisy = training.add_noise(latents, noise, times)
        if kind == "epsilon":
            return noisy, times, noise
        if kind == "v_prediction":
            return noisy, times, training.get_velocity(latents, noise, times)
        raise UsageError(f"{self.base} predicts {kind!r}, which this version cannot train.")

    def given(self, noisy: Any, times: Any) -> dict[str, Any]:
        """Return the denoiser's arguments beside the words."""
        return self.form.given(noisy, times)

    def loss(self, chosen: Sequence[int], words: Words, rng: np.random.Generator) -> Any:
        """Return how far the denoiser is from what it should say of images, with a gradient.

        Args:
            chosen: which of the examples.
            words: what it is told, a row for each.
            rng: draws noise and times.
        """
        import torch

        latents = self.latents(chosen)
        noise = self.noise(latents, rng)
        noisy, times, target = self.noised(latents, noise, rng)
        found = self.predicted(noisy, times, words)
        return torch.nn.functional.mse_loss(found.float(), target.float())

    def predicted(self, noisy: Any, times: Any, words: Words) -> Any:
        """Return what the denoiser says of noisy latents, in their shape."""
        arguments = told(self.given(noisy, times), words)
        return self.form.answered(self.denoiser(**arguments, return_dict=False)[0], noisy)

    def _latent(self, index: int) -> Any:
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
                scaled = (found - shift) * self.vae.config.scaling_factor
                self._latents[index] = scaled.to(self.denoiser.dtype)
        return self._latents[index]


def rows_of(texts: Sequence[Words]) -> Words:
    """Return several texts as one, a row each."""
    import torch

    pooled = [one.pooled for one in texts]
    return Words(
        torch.cat([one.hidden for one in texts]), None if pooled[0] is None else torch.cat(pooled)
    )


def _tensor(values: NDArray[np.float64], like: Any) -> Any:
    import torch

    return torch.tensor(values, dtype=like.dtype, device=like.device)
