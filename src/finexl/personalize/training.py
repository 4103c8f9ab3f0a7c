"""Training a diffusion model's U-Net on images with captions, kept at known levels.

OUT/levels.json            what was trained on what, how, and each level's reference
OUT/step-000020/           the model after 20 steps: a LoRA, or a whole pipeline
OUT/state.safetensors      weights and Adam's moments, to go on from

Step s draws its images, noise and times from a generator of its own, seeded by the recipe's seed
and s: a run that was broken off ends bit for bit as an unbroken one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finexl._version import __version__
from finexl.errors import FinexlError, UsageError
from finexl.files import write_atomic
from finexl.generators import Settings
from finexl.personalize.examples import Example
from finexl.personalize.recipe import Recipe

SCHEMA = "finexl.levels/1"
SAVE_EVERY_SECONDS = 120.0
TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
"""The attention's projections, which adapters are laid over."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Trained:
    """What came of it."""

    folder: Path
    levels: Mapping[int, str]
    """Steps -> the reference that `finexl explain` takes."""
    losses: tuple[float, ...]
    """The mean squared error of every step of this attempt."""


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
        base: a diffusers pipeline with a U-Net, as after `diffusers:`.
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
    from finexl.generators.diffusers import Pipeline

    source = Pipeline(base, settings)
    asked = {
        "schema": SCHEMA,
        "base": base,
        "base_digest": source.digest,
        "recipe": recipe.record(),
        "examples": _record_of(examples),
    }
    _claim(out, asked)
    run = _Run(source.opened, base, examples, recipe, out)
    losses = []
    start = run.restore()
    last = recipe.levels[-1]
    progress(f"Training {source.name}", start, last)
    saved = time.monotonic()
    for step in range(start, last):
        losses.append(run.step(step))
        if not np.isfinite(losses[-1]):
            raise FinexlError(
                f"The loss is no number any more after {step + 1} steps; lower the learning rate, "
                "or train in float32."
            )
        done = step + 1
        if done in recipe.levels:
            run.keep(done)
        if done in recipe.levels or time.monotonic() - saved > SAVE_EVERY_SECONDS:
            run.save(done)
            saved = time.monotonic()
        progress(f"Training {source.name}", done, last)
    levels = {level: run.reference(level) for level in recipe.levels}
    written = {
        **asked,
        "levels": [{"steps": level, "reference": name} for level, name in levels.items()],
        "versions": {"finexl": __version__, **source.record()["versions"]},
    }
    write_atomic(out / "levels.json", json.dumps(written, ensure_ascii=False, indent=1) + "\n")
    return Trained(out, levels, tuple(losses))


class _Run:
    """The parts of a pipeline that training needs, and what is trained of them."""

    def __init__(
        self, pipeline: Any, base: str, examples: Sequence[Example], recipe: Recipe, out: Path
    ) -> None:
        import torch

        self.pipeline, self.base, self.recipe, self.out = pipeline, base, recipe, out
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
        self.optimizer = torch.optim.Adam(list(self.trained.values()), lr=recipe.learning_rate)
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
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
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

    def keep(self, level: int) -> None:
        """Write the model as it is at a level."""
        folder = self.out / f"step-{level:06d}"
        if self.recipe.method == "full":
            self.pipeline.save_pretrained(folder, safe_serialization=True)
            return
        from diffusers.utils import convert_state_dict_to_diffusers
        from peft.utils import get_peft_model_state_dict

        layers = convert_state_dict_to_diffusers(get_peft_model_state_dict(self.unet))
        type(self.pipeline).save_lora_weights(
            str(folder), unet_lora_layers=layers, safe_serialization=True
        )

    def reference(self, level: int) -> str:
        """Return what `finexl explain` takes for a level."""
        folder = self.out / f"step-{level:06d}"
        if self.recipe.method == "full":
            return f"diffusers:{folder}"
        return f"lora:{self.base}+{folder / 'pytorch_lora_weights.safetensors'}"

    def save(self, step: int) -> None:
        """Write weights and moments, to go on from."""
        from safetensors.torch import save

        tensors = {f"weight.{name}": p.detach().contiguous() for name, p in self.trained.items()}
        for name, p in self.trained.items():
            state = self.optimizer.state[p]
            for key in ("exp_avg", "exp_avg_sq", "step"):
                tensors[f"{key}.{name}"] = state[key].detach().contiguous()
        write_atomic(self.out / "state.safetensors", save(tensors, {"step": str(step)}))

    def restore(self) -> int:
        """Take up where an earlier attempt ended; return how many steps it had taken."""
        import torch
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.out / "state.safetensors", framework="pt") as file:
                step = int((file.metadata() or {})["step"])
                with torch.no_grad():
                    for name, p in self.trained.items():
                        p.copy_(file.get_tensor(f"weight.{name}"))
                        self.optimizer.state[p] = {
                            key: file.get_tensor(f"{key}.{name}").to(
                                p.device if key != "step" else "cpu"
                            )
                            for key in ("step", "exp_avg", "exp_avg_sq")
                        }
        except FileNotFoundError:
            return 0
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise UsageError(
                f"{self.out / 'state.safetensors'} cannot be read; delete it to start anew."
            ) from error
        kept = [level for level in self.recipe.levels if level <= step]
        missing = [level for level in kept if not (self.out / f"step-{level:06d}").is_dir()]
        if missing:
            raise UsageError(f"{self.out} lacks the level {missing[0]}; start in a new folder.")
        return step


def _tensor(values: NDArray[np.float64], like: Any) -> Any:
    import torch

    return torch.tensor(values, dtype=like.dtype, device=like.device)


def _record_of(examples: Sequence[Example]) -> dict[str, Any]:
    from finexl.cache import key_of

    parts = [f"{e.picture.digest()} {e.weight:.6g} {e.caption}" for e in examples]
    return {"n": len(examples), "digest": key_of(*parts)}


def _claim(out: Path, asked: Mapping[str, Any]) -> None:
    """Make the folder this training's, or refuse one that is another's."""
    path = out / "training.json"
    try:
        out.mkdir(parents=True, exist_ok=True)
        before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        strangers = before is None and any(out.iterdir())
    except (OSError, ValueError) as error:
        raise UsageError(f"{out} cannot hold a training: {error}.") from error
    if strangers:
        raise UsageError(f"{out} has files in it already; choose an empty or new folder.")
    written = json.loads(json.dumps(asked))
    if before is not None and before != written:
        different = [key for key in written if before.get(key) != written[key]]
        raise UsageError(
            f"{out} holds another training (its {', '.join(different)} differ); choose a new "
            "folder."
        )
    if before is None:
        write_atomic(path, json.dumps(asked, ensure_ascii=False, indent=1) + "\n")
