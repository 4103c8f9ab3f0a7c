"""Style transfer by adaptive instance normalization (Huang and Belongie 2017), at any strength.

    AdaIN(x, y) = σ(y) (x − μ(x)) / σ(x) + μ(y)                      their Eq. 8
    T(c, s, α)  = g((1 − α) f(c) + α AdaIN(f(c), f(s)))              their Eq. 12, 14

f is VGG19 up to relu4_1, g its mirror; μ and σ are each channel's mean and standard deviation over
the picture. `scripts/fetch_adain.py` fetches both networks and writes them as safetensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from finexl.bench.weights import read_weights
from finexl.devices import torch_threads
from finexl.errors import UsageError

WEIGHTS = "adain.safetensors"
SMALLEST = 16
"""Pixels of the shorter side; below, nothing is left of a picture after three poolings."""
EPSILON = 1e-5


def _convolution(n_in: int, n_out: int) -> list[nn.Module]:
    return [nn.ReflectionPad2d(1), nn.Conv2d(n_in, n_out, 3), nn.ReLU()]


def encoder() -> nn.Sequential:
    """Return VGG19 up to relu4_1; its first layer takes RGB in [0, 1] to what VGG expects."""
    pool = [nn.MaxPool2d(2, 2, ceil_mode=True)]
    return nn.Sequential(
        nn.Conv2d(3, 3, 1),
        *_convolution(3, 64),
        *_convolution(64, 64),
        *pool,
        *_convolution(64, 128),
        *_convolution(128, 128),
        *pool,
        *_convolution(128, 256),
        *(layer for _ in range(3) for layer in _convolution(256, 256)),
        *pool,
        *_convolution(256, 512),
    )


def decoder() -> nn.Sequential:
    """Return the mirror of the encoder."""
    up = [nn.Upsample(scale_factor=2, mode="nearest")]
    return nn.Sequential(
        *_convolution(512, 256),
        *up,
        *(layer for _ in range(3) for layer in _convolution(256, 256)),
        *_convolution(256, 128),
        *up,
        *_convolution(128, 128),
        *_convolution(128, 64),
        *up,
        *_convolution(64, 64),
        nn.ReflectionPad2d(1),
        nn.Conv2d(64, 3, 3),
    )


def adapted(content: Tensor, style: Tensor) -> Tensor:
    """Return the content's features (1, c, h, w) with the style's mean and spread: Eq. 8."""
    (mean, spread), (style_mean, style_spread) = statistics(content), statistics(style)
    return (content - mean) / spread * style_spread + style_mean


def statistics(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return each channel's mean and standard deviation (1, c, 1, 1)."""
    spread = (features.var((2, 3), keepdim=True) + EPSILON).sqrt()
    return features.mean((2, 3), keepdim=True), spread


@dataclass(frozen=True)
class AdaIN:
    """Both networks."""

    encoder: nn.Sequential
    decoder: nn.Sequential
    revision: str
    """The sha256 of the weights' file."""
    device: str = "cpu"
    """Where to compute; on another one the last bits differ."""
    threads: int | None = None

    @classmethod
    def load(cls, folder: Path, device: str = "cpu", threads: int | None = None) -> AdaIN:
        """Open the networks that `scripts/fetch_adain.py` wrote into a folder.

        Raises:
            PrerequisiteError: they are not there.
            UsageError: the file is damaged, too large, or of other networks.
        """
        whole = nn.ModuleDict({"encoder": encoder(), "decoder": decoder()}).eval()
        revision = read_weights(whole, folder / WEIGHTS, "fetch_adain.py", "AdaIN's networks")
        whole = whole.to(device)
        return cls(whole["encoder"], whole["decoder"], revision, device, threads)

    def __call__(self, content: Image.Image, style: Image.Image, level: float) -> Image.Image:
        """Return the content in the style; level 0 is the content as the networks redraw it."""
        return self.graded(content, self.features(style), [level])[0]

    def features(self, picture: Image.Image) -> Tensor:
        """Return f(picture), (1, 512, h / 8, w / 8), for several uses of one style.

        Raises:
            UsageError: a picture of fewer than 16 pixels a side.
        """
        if min(picture.size) < SMALLEST:
            raise UsageError(
                f"A picture of {picture.width} × {picture.height} pixels is too small for style "
                f"transfer; give at least {SMALLEST} a side."
            )
        pixels = np.asarray(picture.convert("RGB"), dtype=np.float32) / 255
        with torch.inference_mode(), torch_threads(self.threads):
            shown = torch.from_numpy(pixels).permute(2, 0, 1)[None]
            return self.encoder(shown.to(self.device))

    def graded(
        self, content: Image.Image, style: Tensor, levels: Sequence[float]
    ) -> list[Image.Image]:
        """Return the content in the style at each strength, encoded once.

        Args:
            content: of any size from 16 pixels a side; the result has it too.
            style: `features` of the painting.
            levels: α in [0, 1].

        Raises:
            UsageError: a level outside [0, 1], or a picture that is too small.
        """
        if not all(0 <= level <= 1 for level in levels):
            raise UsageError(f"Strengths of style transfer lie in [0, 1], not {list(levels)}.")
        ours = self.features(content)
        found = []
        with torch.inference_mode(), torch_threads(self.threads):
            styled = adapted(ours, style)
            for level in levels:
                drawn = self.decoder(level * styled + (1 - level) * ours)[0].clamp(0, 1)
                pixels = (drawn.permute(1, 2, 0).cpu().numpy() * 255).round().astype(np.uint8)
                # the poolings round sizes up
                found.append(Image.fromarray(pixels[: content.height, : content.width].copy()))
        return found
