"""MobileStyleGAN (Belousov 2021): StyleGAN2 distilled into depthwise convolutions and wavelets.

    w = w̄ + ψ (f(z) − w̄)                      the mapping, drawn towards its mean (truncation)
    h ← leaky(M · D(h · (A w + a)) + n + b)    a style for each channel; D depthwise, M mixes them
    h ← W⁻¹(h · (A w + a))                     twice the size: the inverse Haar transform

What it keeps of StyleGAN2 (Karras et al. 2020): the mapping network, styles that scale channels,
noise after each convolution. What it does otherwise: demodulation does not depend on the style, so
it is part of the weights; blocks grow by wavelets, and so does the picture from the last features.
Noise is part of the weights too: the same w is always the same picture. Edits are added to w.
`scripts/fetch_faces.py` fetches a model of faces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from finexl.generators.gans.config import Config

Tensor = Any
SIDE = 4
"""Pixels a side of what the first block starts from."""
LEAK = 0.2
GAIN = 2**0.5
"""Keeps the variance where the leaky rectifier halves it; in the mapping alone."""


@dataclass(frozen=True)
class Widths:
    """The sizes of the network, as config.json gives them."""

    z: int
    """Of z and of w."""
    layers: int
    """Of the mapping."""
    channels: tuple[int, ...]
    """Of the constant, then of each block."""
    truncation: float
    """ψ: 1 is all of the model's variety, 0 the mean picture alone."""

    @property
    def size(self) -> int:
        """Pixels a side; the last step to the picture doubles them once more."""
        return int(SIDE * 2 ** len(self.channels))

    @classmethod
    def of(cls, config: Config) -> Widths:
        """Read them, within bounds.

        Raises:
            UsageError: one that is missing, no number, or too large.
        """
        channels = config.numbers("channels", most=2048, count=(2, 9))
        if any(count % 4 for count in channels[:-1]):
            raise config.wrong("channels", "numbers that four divides, the last one aside")
        truncation = config.said.get("truncation", 1)
        if type(truncation) not in (int, float) or not 0 <= truncation <= 1:
            raise config.wrong("truncation", "a number from 0 to 1")
        layers = config.number("layers", most=32, default=8)
        return cls(config.number("z", most=2048), layers, channels, float(truncation))


def inverse_haar(bands: Tensor) -> Tensor:
    """Return (n, c, 2s, 2s) of (n, 4c, s, s): c low bands, then three details for each.

    The details are vertical, horizontal and diagonal differences: with low L and details a, b, d
    the four pixels of a square are ½(L ± a ± b ± d), the sign of d the product of the others'.
    """
    count = bands.shape[1] // 4
    low = bands[:, :count]
    a, b, d = bands[:, count:].unflatten(1, (count, 3)).unbind(2)
    upper, lower, more, less = low + a, low - a, b + d, b - d
    square = torch.stack([upper + more, upper - more, lower + less, lower - less], 2)
    return functional.pixel_shuffle(square.flatten(1, 2), 2) / 2


class Style(nn.Linear):  # type: ignore[misc]
    """A factor for each channel, from w."""

    def forward(self, h: Tensor, w: Tensor) -> Tensor:
        """Return the hidden picture h (n, c, s, s) in the style w (n, z)."""
        return h * super().forward(w)[..., None, None]


class Modulated(nn.Module):  # type: ignore[misc]
    """A convolution of styled channels, then noise and bias.

    To scale the input is to scale the weights sample by sample, as StyleGAN2's Eq. 1 does, and lets
    a batch share one convolution.
    """

    def __init__(self, before: int, after: int, z: int, side: int, depthwise: bool = True) -> None:
        super().__init__()
        self.style = Style(z, before)
        self.depthwise = (
            nn.Conv2d(before, before, 3, padding=1, groups=before, bias=False)
            if depthwise
            else nn.Identity()
        )
        width = 1 if depthwise else 3
        self.mix = nn.Conv2d(before, after, width, padding=width // 2)
        self.noise = nn.Parameter(torch.zeros(1, 1, side, side))

    def forward(self, h: Tensor, w: Tensor) -> Tensor:
        """Return (n, after, s, s) of (n, before, s, s)."""
        h = self.mix(self.depthwise(self.style(h, w)))
        return functional.leaky_relu(h.add_(self.noise), LEAK, inplace=True)


class Block(nn.Module):  # type: ignore[misc]
    """Twice as large, and in the style that w asks for."""

    def __init__(self, before: int, after: int, z: int, side: int) -> None:
        super().__init__()
        self.style = Style(z, before)
        self.first = Modulated(before // 4, after, z, side)
        self.second = Modulated(after, after, z, side)

    def forward(self, h: Tensor, w: Tensor) -> Tensor:
        """Return (n, after, 2s, 2s) of (n, before, s, s)."""
        h = inverse_haar(self.style(h, w))
        return self.second(self.first(h, w), w)


class Generator(nn.Module):  # type: ignore[misc]
    """Noise to a picture of the one kind that the model knows; it reads no prompt."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = Widths.of(config)
        self.config, self.widths = config, widths
        self.z = self.w = self.noise = widths.z
        self.sizes = (widths.size // 4, widths.size // 2, widths.size)
        z, channels = widths.z, widths.channels
        self.mapping = nn.ModuleList(nn.Linear(z, z) for _ in range(widths.layers))
        self.mean = nn.Parameter(torch.zeros(z))
        self.constant = nn.Parameter(torch.zeros(1, channels[0], SIDE, SIDE))
        self.start = Modulated(channels[0], channels[0], z, SIDE, depthwise=False)
        pairs = pairwise(channels)
        self.blocks = nn.ModuleList(
            Block(before, after, z, SIDE * 2**place)
            for place, (before, after) in enumerate(pairs, start=1)
        )
        self.style = Style(z, channels[-1])
        self.picture = nn.Conv2d(channels[-1], 12, 1)

    def condition(self, prompts: Sequence[str]) -> tuple[Tensor, ...]:
        """Return what of the prompts the network is given: nothing."""
        del prompts
        return ()

    def styles(self, noise: Tensor) -> Tensor:
        """Return w (n, z) of z (n, z), truncated."""
        w = noise * (noise.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        for layer in self.mapping:
            w = functional.leaky_relu(layer(w), LEAK) * GAIN
        return self.mean + self.widths.truncation * (w - self.mean)

    def draw(self, w: Tensor) -> Tensor:
        """Return the pictures of styles w (n, z)."""
        h = self.start(self.constant, w)
        for block in self.blocks:
            h = block(h, w)
        return inverse_haar(self.picture(self.style(h, w)))

    def forward(
        self, noise: Tensor, condition: tuple[Tensor, ...], edit: Tensor | None = None
    ) -> tuple[list[Tensor], Tensor]:
        """Return the pictures, (n, 3, s, s) for each of `sizes`, and 0: nothing else is asked.

        Black is -1 and white 1; as in StyleGAN2, some values lie outside, and are to be cut off.
        The smaller ones are averages of the large one's squares.

        Args:
            noise: z, (n, z).
            condition: nothing.
            edit: added to w.
        """
        del condition
        w = self.styles(noise)
        found = self.draw(w if edit is None else w + edit)
        smaller = [functional.avg_pool2d(found, side) for side in (4, 2)]
        return [*smaller, found], noise.new_zeros(())
