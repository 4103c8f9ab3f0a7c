"""FABRIC (von Rütte et al. 2023): attention to pictures that a person likes and dislikes.

At every step the reference pictures get the same noise as the images, and the U-Net reads them with
the empty prompt. What its self-attention layers see of them, R, they then attend to beside the
image's own tokens H: with K and V of both, and every weight on R multiplied by λ,

    a_j ∝ m_j exp(q·k_j / √d),   m_j = 1 for tokens of H, λ for tokens of R,   output Σ_j a_j v_j.

That is softmax with log m_j added to the scores. Liked pictures are attended to where the prompt is
heard, disliked ones in the unconditional half; without guidance they are not heard at all. As
published, λ is whole in the middle third of the steps and a tenth before and after. The references'
noise is the same at every step (the authors draw it anew), so that an image depends on its seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finexl.errors import UsageError
from finexl.generators import Job, Made
from finexl.generators.checkpoints import digest_of_file
from finexl.generators.diffusers import Pipeline
from finexl.generators.running import made_within, quietly
from finexl.generators.steering import Words, encode, told
from finexl.images import load_image
from finexl.viper.denoiser import Arguments, Denoiser, rows
from finexl.viper.over import Over

KNOWN = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")
WINDOW = (1 / 3, 2 / 3)
"""The part of the steps in which the weights are whole."""
OUTSIDE = 0.1
"""How much of them is left before and after."""


@dataclass
class Fabric(Over):
    """A U-Net pipeline that attends to reference pictures. With weights 0 it is its base."""

    base: Pipeline
    liked: Sequence[Path] = ()
    disliked: Sequence[Path] = ()
    weight: float = 1.0
    """λ of the liked pictures."""
    disliked_weight: float = 0.5
    """λ of the disliked ones."""
    kind = "fabric"
    _read: Any = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse what has no such layers.

        Raises:
            UsageError: a base without a U-Net, or a weight below 0.
        """
        if self.base.source.kind not in KNOWN:
            raise UsageError(
                f"{self.base.name} ({self.base.source.kind}) has no U-Net whose attention could be "
                "turned to pictures; Stable Diffusion 1, 2 and XL have."
            )
        for _, weight in self._sides():
            if not (math.isfinite(weight) and weight >= 0):
                raise UsageError(f"The weight of pictures is {weight:g}; give a number from 0 on.")

    @property
    def name(self) -> str:
        """The base's, and how many pictures it attends to."""
        return f"{self.base.name} + {len(self.liked)} liked, {len(self.disliked)} disliked pictures"

    def about(self) -> dict[str, Any]:
        """Return the pictures' digests and weights."""
        return {
            "liked": [digest_of_file(path) for path in self.liked],
            "disliked": [digest_of_file(path) for path in self.disliked],
            "weights": [weight for _, weight in self._sides()],
        }

    def make(self, jobs: Sequence[Job]) -> list[Made]:
        """Make one batch, in order. See `Generator.make`."""
        if not any(pictures and weight for pictures, weight in self._sides()):
            return self.base.make(jobs)  # the plain path, not one that comes to the same
        with self._attention():
            return self.base.make(jobs)

    def _sides(self) -> tuple[tuple[Sequence[Path], float], ...]:
        return (self.liked, self.weight), (self.disliked, self.disliked_weight)

    def _attention(self) -> Attention:
        pipeline = self.base.opened

        def read() -> tuple[Any, Any, Words]:
            import torch

            size = self.base.record()["size"]
            with quietly(), torch.no_grad():
                liked, disliked = (_latents(pipeline, side, size) for side, _ in self._sides())
                return liked, disliked, encode(pipeline, "")

        if self._read is None:
            self._read = made_within(read, self.base.name, str(pipeline.device), 1)
        liked, disliked, empty = self._read
        return Attention(pipeline, liked, disliked, empty, self.weight, self.disliked_weight)


class Attention(Denoiser):
    """A U-Net whose self-attention sees reference pictures as well, within `with`."""

    def __init__(
        self,
        pipeline: Any,
        liked: Any,
        disliked: Any,
        empty: Words,
        weight: float,
        disliked_weight: float,
    ) -> None:
        """Prepare.

        Args:
            pipeline: with a U-Net.
            liked: latents (pictures, channels, height, width); None for no picture.
            disliked: likewise.
            empty: what is said beside the references.
            weight: λ of the liked ones.
            disliked_weight: λ of the disliked ones.
        """
        import torch

        super().__init__(pipeline)
        there = [side for side in (liked, disliked) if side is not None]
        self.references, self.empty = torch.cat(there), empty
        self.weights = (weight, disliked_weight)
        self.counts = tuple(0 if side is None else len(side) for side in (liked, disliked))
        drawn = torch.randn(self.references.shape, generator=torch.Generator("cpu").manual_seed(0))
        self.noise = drawn.to(self.references)
        self.layers = [
            module for name, module in self.module.named_modules() if name.endswith(".attn1")
        ]

    def answer(self, plain: Callable[..., Any], arguments: Arguments) -> Any:
        """Let the U-Net read the references, and then answer with them in sight."""
        seen: dict[Any, Any] = {}
        with ExitStack() as stack:
            for layer in self.layers:
                stack.callback(layer.register_forward_pre_hook(_record(seen)).remove)
            plain(**self._asked_of_references(arguments))
        masks = self._masks(arguments)
        with ExitStack() as stack:
            for layer in self.layers:
                hook = _inject(seen[layer], masks, self.counts)
                stack.callback(layer.register_forward_pre_hook(hook, with_kwargs=True).remove)
            return plain(**arguments)[0]

    def _asked_of_references(self, arguments: Arguments) -> dict[str, Any]:
        """Return the U-Net's arguments for the references, as noisy as the images are now."""
        scheduler, time = self.pipeline.scheduler, arguments["timestep"]
        n = len(self.references)
        noisy = scheduler.add_noise(self.references, self.noise, time.reshape(1).expand(n))
        last = self.prompted(arguments).stop - 1
        hidden, pooled = (
            None if one is None else one.expand(n, *one.shape[1:])
            for one in (self.empty.hidden, self.empty.pooled)
        )
        given = told(rows(arguments, [last] * n), Words(hidden, pooled))
        return {**given, "sample": scheduler.scale_model_input(noisy, time)}

    def _masks(self, arguments: Arguments) -> tuple[Any, Any]:
        """Return log λ of either side for each row; −∞ where a row does not see that side."""
        import torch

        times = self.pipeline.scheduler.timesteps
        step = int((times == arguments["timestep"].to(times)).nonzero()[0])
        share = 1.0 if WINDOW[0] <= (step + 0.5) / len(times) <= WINDOW[1] else OUTSIDE
        prompted = self.prompted(arguments)
        hears = torch.arange(prompted.stop) >= prompted.start
        x = arguments["sample"]
        liked, disliked = (
            torch.where(rows_of, share * weight, 0.0).log().to(x)
            for rows_of, weight in zip((hears, ~hears), self.weights, strict=True)
        )
        return liked, disliked


def _record(seen: dict[Any, Any]) -> Callable[..., None]:
    def hook(layer: Any, args: tuple[Any, ...]) -> None:
        seen[layer] = args[0]

    return hook


def _inject(seen: Any, masks: tuple[Any, Any], counts: tuple[int, ...]) -> Callable[..., Any]:
    """Return a hook that puts what was seen of the references beside a layer's own tokens.

    Args:
        seen: (pictures, tokens, width), the liked ones first.
        masks: log λ for each row, of either side.
        counts: how many pictures there are of either side.
    """
    import torch

    def hook(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        own = args[0]
        n, tokens, width = own.shape
        beside = seen.reshape(1, -1, width).expand(n, -1, -1).to(own)
        parts = [own.new_zeros(n, tokens)]
        for mask, count in zip(masks, counts, strict=True):
            parts.append(mask[:, None].expand(n, count * seen.shape[1]))
        mask = torch.cat(parts, dim=1)[:, None]
        both = torch.cat([own, beside], dim=1)
        return args, {**kwargs, "encoder_hidden_states": both, "attention_mask": mask}

    return hook


def _latents(pipeline: Any, paths: Sequence[Path], size: int | None) -> Any:
    """Return pictures as the VAE's most likely latents; None of no picture."""
    import torch

    if not paths:
        return None
    vae = pipeline.vae
    dtype, wide = vae.dtype, vae.dtype == torch.float16 and vae.config.force_upcast
    if wide:
        vae.to(torch.float32)  # its numbers leave half precision's range
    pictures = [load_image(path) for path in paths]
    pixels = pipeline.image_processor.preprocess(pictures, height=size, width=size)
    found = vae.encode(pixels.to(vae.device, vae.dtype)).latent_dist.mode()
    if wide:
        vae.to(dtype)
    return (found * vae.config.scaling_factor).to(pipeline.unet.dtype)
