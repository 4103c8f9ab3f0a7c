"""A small conditional GAN: a style from noise and condition modulates every block.

    w = f(z, c)            a mapping of noise z and condition c
    h ← (1 + γ(w)) · h / rms(h) + β(w)

after every convolution, the root mean square taken over a pixel's channels: no statistics of a
batch, so that an image is the same in any. The discriminator is the projection discriminator
(Miyato and Koyama 2018): with the picture's features φ, one logit u·φ says whether it is a real
one, and u·φ + φᵀV c whether it is one of what c says.

The condition is the prompt's words ("text"), a class's number ("class") or nothing ("none").
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
from finexl.generators.gans.words import PADDING, Vocabulary

Tensor = Any
SIDE = 4
"""Pixels a side of what the first block starts from."""


@dataclass(frozen=True)
class Widths:
    """The sizes of both networks, as config.json gives them."""

    z: int
    w: int
    text: int
    channels: tuple[int, ...]
    """Of the generator's pictures, from 4 pixels a side on, each twice as large."""
    discriminator: tuple[int, ...]
    """Of the discriminator's, from half the size down."""
    features: int

    @property
    def size(self) -> int:
        """Pixels a side."""
        return int(SIDE * 2 ** (len(self.channels) - 1))

    @classmethod
    def of(cls, config: Config) -> Widths:
        """Read them, within bounds.

        Raises:
            UsageError: one that is missing, no number, or too large.
        """
        channels = config.numbers("channels", most=1024, count=(2, 8))
        return cls(
            config.number("z", most=8192),
            config.number("w", most=8192),
            config.number("text", most=4096),
            channels,
            config.numbers(
                "discriminator", most=1024, count=(len(channels) - 1, len(channels) - 1)
            ),
            config.number("features", most=4096),
        )


class Words(nn.Module):  # type: ignore[misc]
    """A prompt as one vector: words and their places, mixed one by one, and summed."""

    def __init__(self, words: int, length: int, width: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.places = nn.Parameter(torch.zeros(length, width))
        self.inner = nn.Linear(width, width)
        self.outer = nn.Linear(width, width)

    def forward(self, numbers: Tensor) -> Tensor:
        """Return (n, width) of word numbers (n, length)."""
        known = (numbers != PADDING).to(self.places.dtype)[..., None]
        each = functional.leaky_relu(self.inner(self.words(numbers) + self.places), 0.2)
        return self.outer((each * known).sum(1) / known.sum(1).sqrt())


def reader(widths: Widths, config: Config) -> nn.Module | None:
    """Return what reads the condition; None where there is nothing to read."""
    if config.conditioning == "text":
        vocabulary = config.vocabulary
        return Words(max(vocabulary.numbers.values()) + 1, vocabulary.length, widths.text)
    if config.conditioning == "class":
        return nn.Embedding(max(config.classes.values()) + 1, widths.text)
    return None


class Styled(nn.Module):  # type: ignore[misc]
    """A convolution, and the style that w asks for after it."""

    def __init__(self, convolution: nn.Module, w: int) -> None:
        super().__init__()
        self.convolution = convolution
        self.style = nn.Linear(w, 2 * convolution.out_channels)

    def forward(self, h: Tensor, w: Tensor) -> Tensor:
        """Return what the convolution makes of h, (n, channels, s, s), styled."""
        h = self.convolution(h)
        h = h * (h.square().mean(1, keepdim=True) + 1e-6).rsqrt()
        gain, bias = self.style(w)[..., None, None].chunk(2, 1)
        return functional.leaky_relu((1 + gain) * h + bias, 0.2)


class Generator(nn.Module):  # type: ignore[misc]
    """Noise and a condition to a picture."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = Widths.of(config)
        self.config, self.z, self.w, self.noise = config, widths.z, widths.w, widths.z
        self.sizes = (widths.size,)
        self.reader = reader(widths, config)
        read = widths.text if self.reader is not None else 0
        self.mapping = nn.Sequential(
            nn.Linear(widths.z + read, widths.w),
            nn.LeakyReLU(0.2),
            nn.Linear(widths.w, widths.w),
            nn.LeakyReLU(0.2),
        )
        channels = widths.channels
        self.start = nn.Linear(widths.w, channels[0] * SIDE * SIDE)
        self.blocks = nn.ModuleList(
            Styled(layer, widths.w)
            for a, b in pairwise(channels)
            for layer in (nn.ConvTranspose2d(a, b, 4, 2, 1), nn.Conv2d(b, b, 3, padding=1))
        )
        self.picture = nn.Conv2d(channels[-1], 3, 3, padding=1)

    def condition(self, prompts: Sequence[str]) -> tuple[Tensor, ...]:
        """Return what of the prompts both networks are given."""
        return numbers(self.config, prompts, self.start.weight.device)

    def forward(
        self, noise: Tensor, condition: tuple[Tensor, ...], edit: Tensor | None = None
    ) -> tuple[list[Tensor], Tensor]:
        """Return the pictures, (n, 3, size, size) in [-1, 1], and 0: nothing else is asked of them.

        Args:
            noise: z, (n, z).
            condition: as `condition` returns it.
            edit: added to w.
        """
        read = [] if self.reader is None else [self.reader(*condition)]
        w = self.mapping(torch.cat([noise, *read], 1))
        if edit is not None:
            w = w + edit
        h = self.start(w).unflatten(1, (-1, SIDE, SIDE))
        for block in self.blocks:
            h = block(h, w)
        return [torch.tanh(self.picture(h))], noise.new_zeros(())


class Discriminator(nn.Module):  # type: ignore[misc]
    """Whether a picture is a real one, and whether it shows what the condition says."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = Widths.of(config)
        layers: list[nn.Module] = []
        for before, after in zip((3, *widths.discriminator), widths.discriminator, strict=False):
            layers += [nn.Conv2d(before, after, 4, 2, 1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        flat = widths.discriminator[-1] * SIDE * SIDE
        self.features_of = nn.Sequential(nn.Linear(flat, widths.features), nn.LeakyReLU(0.2))
        self.alone = nn.Linear(widths.features, 1)
        self.reader = reader(widths, config)
        if self.reader is not None:
            self.projection = nn.Linear(widths.text, widths.features, bias=False)

    def features(self, pictures: Sequence[Tensor]) -> list[Tensor]:
        """Return what the verdicts are given on, one a size."""
        return [self.features_of(self.layers(one)) for one in pictures]

    def verdicts(
        self, features: Sequence[Tensor], condition: tuple[Tensor, ...]
    ) -> list[tuple[Tensor, Tensor | None]]:
        """Return for each size the logits (n,) "is real" and, with a condition, "shows it"."""
        found: list[tuple[Tensor, Tensor | None]] = []
        for phi in features:
            alone, matched = self.alone(phi).squeeze(1), None
            if self.reader is not None:
                said = self.projection(self.reader(*condition))
                matched = alone + (phi * said).sum(1) / phi.shape[1] ** 0.5
            found.append((alone, matched))
        return found


def numbers(config: Config, prompts: Sequence[str], device: Any) -> tuple[Tensor, ...]:
    """Return the numbers of words or classes in prompts, as tensors; none without a condition."""
    if config.conditioning == "text":
        vocabulary: Vocabulary = config.vocabulary
        return (torch.from_numpy(vocabulary.read(prompts)).to(device),)
    if config.conditioning == "class":
        return (torch.tensor([config.class_in(prompt) for prompt in prompts], device=device),)
    return ()
