"""Fine-tuning on a person's preferences by a reward (C.8): DRaFT-K (Clark et al. 2024).

The reward of an image is how much nearer it lies, for an encoder of CLIP's kind, to VP+ than to VP−
(`similarity`). It is differentiable, and so is the way there: an image is sampled as the pipeline
samples it, with guidance, and the reward's gradient goes back through the decoder and the last K of
the denoising steps into a LoRA on the U-Net,

    L(θ) = −E r(decode(x_0)),   x_K constant,   x_0 = the last K steps of x_K.

Where a reward is all that is asked for, a model finds what the encoder takes for it rather than
what was meant, and makes the same picture of every noise. So at every level it is measured on
prompts and noise that stay the same: the reward, how like the images are to their prompts, and how
different from each other those of one prompt.

OUT/step-000020/pytorch_lora_weights.safetensors   what `lora:BASE+FILE` takes
OUT/step-000020/measured.json, pictures.png        and the plain model's in OUT/plain
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finexl.core.orthogonality import unit_rows
from finexl.encoders import Encoder, text_rows
from finexl.encoders.base import Differentiable
from finexl.errors import UsageError
from finexl.files import write_atomic
from finexl.generators import Settings, is_reference
from finexl.generators.diffusers import Pipeline
from finexl.generators.running import quietly
from finexl.personalize.diffusion import Denoiser
from finexl.personalize.recipe import Recipe
from finexl.personalize.training import Progress, folder_of, train
from finexl.sources import absolute
from finexl.viper.baselines.similarity import Similarity, similarity_to
from finexl.viper.taste import Taste

Array = NDArray[np.float64]

KNOWN = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")
LEARNING_RATE = 3e-4
MEASURED = "measured.json"
PICTURES = "pictures.png"
PLAIN = "plain"
MOST_SHOWN = 8
"""Rows and columns of pictures.png."""
COLLAPSED = 0.5
"""With less than this part of the plain model's diversity, the reward is said to be hacked."""


@dataclass(frozen=True)
class Rewarding:
    """What is rewarded, and how it is measured, beside the recipe."""

    prompts: Sequence[str]
    """What images are made of while it learns, one drawn for each."""
    taste: Taste
    last: int = 1
    """K, the denoising steps that the gradient goes through."""
    measured: Sequence[str] = ()
    """Prompts that it is measured on; none for those it learns with."""
    seeds: int = 4
    """Images of each of those."""

    def check(self) -> None:
        """Refuse what cannot be.

        Raises:
            UsageError: no prompts, no step, or fewer than two images to compare.
        """
        if not self.prompts:
            raise UsageError("Give prompts to make images of while the model learns.")
        if self.last < 1 or self.seeds < 2:
            raise UsageError("The gradient takes 1 step or more, and diversity 2 seeds or more.")

    def record(self) -> dict[str, Any]:
        """Return it, JSON-like."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Level:
    """What a model makes after so many steps; 0 for the plain one."""

    steps: int
    model: str
    """What `finexl explain` takes."""
    reward: float
    """The mean over images; see `similarity`."""
    faithfulness: float
    """Mean cosine of an image with its own prompt."""
    diversity: float
    """1 − cosine between two images of one prompt, mean over pairs and prompts."""
    pixels: float
    """The same by pixels: root mean square difference, of 255."""


@dataclass(frozen=True)
class Tuned:
    """What came of it."""

    levels: tuple[Level, ...]
    """The plain model first."""
    rewards: tuple[float, ...] = field(default=())
    """The mean reward of every step of this attempt."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What to bear in mind, one sentence each."""
        plain = self.levels[0]
        found = []
        for level in self.levels[1:]:
            if level.diversity < COLLAPSED * plain.diversity:
                share = level.diversity / plain.diversity
                found.append(
                    f"After {level.steps} steps the images of one prompt are {share:.2f} times as "
                    "different as the plain model's: the reward is being hacked. Take an earlier "
                    "level, or a lower learning rate."
                )
                break
        if len(self.levels) > 1 and self.levels[-1].reward <= plain.reward:
            found.append("The reward has not risen: nothing was learned from it.")
        return tuple(found)


def tune(
    base: str,
    encoder: Encoder,
    rewarding: Rewarding,
    recipe: Recipe,
    out: Path,
    settings: Settings,
    progress: Progress = lambda *_: None,
) -> Tuned:
    """Fine-tune a LoRA to a taste, and measure it at the recipe's levels; continued if begun.

    Args:
        base: `diffusers:…`, or its rest alone: Stable Diffusion 1, 2 or XL.
        encoder: rewards; one of CLIP's kind.
        rewarding: prompts and preferences.
        recipe: of method "lora": rank, rate, levels, images a step.
        out: a new folder, or that of the same training.
        settings: how images are sampled, in training and measuring alike.
        progress: told of every step.

    Raises:
        UsageError: a base without a U-Net, an encoder without gradients, or another training's
            folder.
        PrerequisiteError: an extra or a model is missing.
        FinexlError: the reward is no number any more.
    """
    recipe.check()
    rewarding.check()
    if recipe.method != "lora":
        raise UsageError(f"A reward trains a LoRA, and not by the method {recipe.method}.")
    if is_reference(base) and not base.startswith("diffusers:"):
        raise UsageError(f"{base} is no base that a reward trains; give diffusers:MODEL.")
    refuse_gradientless(encoder)
    base, out = absolute(f"diffusers:{base.removeprefix('diffusers:')}"), out.absolute()
    source = Pipeline(base.removeprefix("diffusers:"), settings)
    if source.source.kind not in KNOWN:
        raise UsageError(
            f"{source.name} is a {source.source.kind}, which a reward does not train here; Stable "
            "Diffusion 1, 2 and XL it does."
        )
    trainee = Rewarded(source, encoder, rewarding, recipe)
    about = {
        "base": base,
        "base_digest": source.digest,
        "encoder": {"name": encoder.name, "revision": encoder.revision},
        "rewarding": rewarding.record(),
        "recipe": recipe.record(),
    }
    done = train(source, trainee, recipe.levels, about, out, progress)
    if not (out / PLAIN / MEASURED).is_file():
        trainee.measure(out / PLAIN, plain=True)
    levels = [_level(0, base, out / PLAIN)]
    levels += [_level(steps, name, folder_of(out, steps)) for steps, name in done.levels.items()]
    return Tuned(tuple(levels), tuple(-loss for loss in done.losses))


def refuse_gradientless(encoder: Encoder) -> None:
    """Refuse an encoder that a reward cannot be traced back through.

    Raises:
        UsageError: which ones it can be.
    """
    import torch

    if not isinstance(encoder, Differentiable) or (
        encoder.embed_pixels(torch.zeros(1, 3, 32, 32)) is None
    ):
        raise UsageError(
            f"The encoder {encoder.name} has no gradients, which a reward is learned by; give a "
            "CLIP or SigLIP model of transformers (--encoder clip)."
        )


class Rewarded(Denoiser):
    """A pipeline whose U-Net gets adapters that a reward trains. See `training.Trainee`."""

    def __init__(
        self, source: Pipeline, encoder: Any, rewarding: Rewarding, recipe: Recipe
    ) -> None:
        import torch

        super().__init__(source.opened, source.reference, (), recipe)
        self.source, self.encoder, self.rewarding = source, encoder, rewarding
        self.similarity: Similarity = similarity_to(rewarding.taste, encoder)
        self.direction = torch.tensor(self.similarity.direction, dtype=torch.float32)
        self.measured = tuple(dict.fromkeys(rewarding.measured or rewarding.prompts))
        if self.denoiser.device.type != "cpu":
            self.denoiser.enable_gradient_checkpointing()

    def step(self, step: int) -> float:
        """Take one step; everything drawn comes from the seed and the step's number."""
        rng = np.random.default_rng([self.recipe.seed, step])
        prompts = rng.choice(np.array(self.rewarding.prompts, dtype=object), self.recipe.batch)
        noise = rng.standard_normal((len(prompts), *self._shape))
        loss = -self.reward(self.sampled(prompts.tolist(), noise, self.rewarding.last)).mean()
        (adam,) = self.optimizers
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        return float(loss.detach())

    def reward(self, pixels: Any) -> Any:
        """Return r (n,) of pixels (n, 3, h, w) in [0, 1], with its gradient."""
        rows = self.encoder.embed_pixels(pixels)
        return rows @ self.direction.to(rows)

    def sampled(self, prompts: Sequence[str], noise: Array, last: int) -> Any:
        """Return images as pixels (n, 3, h, w) in [0, 1]; gradients go through the last steps.

        It is the pipeline's own call, without what keeps gradients from it.

        Args:
            prompts: of n images.
            noise: (n, channels, height, width).
            last: how many steps gradients go through, 0 for none.
        """
        import torch

        pipeline = self.pipeline
        arguments = self.source.arguments(pipeline, len(prompts))
        call: Any = type(pipeline).__call__

        def allow(_: Any, step: int, __: Any, given: dict[str, Any]) -> dict[str, Any]:
            if 0 < last >= pipeline.num_timesteps - step - 1:
                torch.set_grad_enabled(True)
            return given

        own = inspect.signature(call).parameters["num_inference_steps"].default
        steps = arguments.get("num_inference_steps", own)
        drawn = torch.tensor(noise, dtype=torch.float32, device=self.denoiser.device)
        with torch.no_grad(), quietly():  # what is set in here ends here
            torch.set_grad_enabled(last >= steps)  # `allow` comes after the first one
            latents = call.__wrapped__(
                pipeline,
                prompt=list(prompts),
                latents=drawn.to(self.denoiser.dtype),
                output_type="latent",
                callback_on_step_end=allow,
                **arguments,
            ).images
        vae = pipeline.vae
        with torch.set_grad_enabled(last > 0):
            found = vae.decode(latents.to(vae.dtype) / vae.config.scaling_factor).sample
            return (found.float() / 2 + 0.5).clamp(0, 1)

    def keep(self, folder: Path) -> None:
        """Write the LoRA as it is now, and what it makes."""
        super().keep(folder)
        self.measure(folder)

    def measure(self, folder: Path, plain: bool = False) -> None:
        """Measure what the model makes now, or the plain one, and write it down with pictures."""
        if plain:
            self.denoiser.disable_adapters()
        try:
            images = [self._made(prompt) for prompt in self.measured]
        finally:
            if plain:
                self.denoiser.enable_adapters()
        folder.mkdir(parents=True, exist_ok=True)
        _write_sheet(folder / PICTURES, images)
        text = json.dumps(self._measures(images), indent=1, allow_nan=False)
        write_atomic(folder / MEASURED, text + "\n")

    def _made(self, prompt: str) -> NDArray[np.uint8]:
        """Return the images of a prompt that it is measured on: (seeds, h, w, 3)."""
        found = []
        for seed in range(self.rewarding.seeds):
            rng = np.random.default_rng([self.recipe.seed, 1, seed])
            pixels = self.sampled([prompt], rng.standard_normal((1, *self._shape)), 0)
            found.append((pixels[0].cpu().numpy().transpose(1, 2, 0) * 255).round())
        return np.array(found).astype(np.uint8)

    def _measures(self, images: Sequence[NDArray[np.uint8]]) -> dict[str, float]:
        rows = [
            unit_rows(self.encoder.embed_images([*map(Image.fromarray, some)]).astype(float))
            for some in images
        ]
        asked = unit_rows(text_rows(self.encoder, self.measured).astype(float))
        a, b = np.triu_indices(self.rewarding.seeds, 1)
        apart = [np.square(some[a].astype(float) - some[b]).mean((1, 2, 3)) for some in images]
        return {
            "reward": float(np.mean([some @ self.similarity.direction for some in rows])),
            "faithfulness": float(np.mean([x @ y for x, y in zip(rows, asked, strict=True)])),
            "diversity": float(np.mean([1 - (some[a] * some[b]).sum(1) for some in rows])),
            "pixels": float(np.mean(np.sqrt(apart))),
        }

    @property
    def _shape(self) -> tuple[int, int, int]:
        side = (self.source.settings.size or self.seen.size) // self.pipeline.vae_scale_factor
        return self.denoiser.config.in_channels, side, side


def _level(steps: int, model: str, folder: Path) -> Level:
    path = folder / MEASURED
    try:
        found: Mapping[str, float] = json.loads(path.read_text(encoding="utf-8"))
        return Level(steps, model, **found)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{path} cannot be read; start in a new folder.") from error


def _write_sheet(path: Path, images: Sequence[NDArray[np.uint8]]) -> None:
    """Write pictures, a row for each prompt."""
    rows = [np.concatenate(list(some[:MOST_SHOWN]), axis=1) for some in images[:MOST_SHOWN]]
    file = BytesIO()
    Image.fromarray(np.concatenate(rows)).save(file, "PNG")
    write_atomic(path, file.getvalue())
