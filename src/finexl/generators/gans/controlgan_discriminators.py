"""ControlGAN's discriminators, one a size: is it a real picture, and does it show the sentence.

Named as in the published weights, with the number of the size before each name ("0." is 64 pixels).
The word-level discriminator is not here: it compares the words with the features of an Inception
network that was trained with the text encoder, and in the published code nothing is learned of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from finexl.generators.gans.config import Config
from finexl.generators.gans.controlgan import STAGES

Tensor = Any
SIDE = 4
"""Pixels a side of the features, whatever the size of the picture."""


def normed(layer: nn.Conv2d) -> list[nn.Module]:
    """Return a convolution with what follows it."""
    return [layer, nn.BatchNorm2d(layer.out_channels), nn.LeakyReLU(0.2)]


def halved(before: int, after: int) -> nn.Conv2d:
    """Return a convolution whose picture is half as large."""
    return nn.Conv2d(before, after, 4, 2, 1, bias=False)


def kept(before: int, after: int) -> nn.Sequential:
    """Return a block that keeps the size."""
    return nn.Sequential(*normed(nn.Conv2d(before, after, 3, padding=1, bias=False)))


class Verdict(nn.Module):  # type: ignore[misc]
    """A logit of the features, and of the sentence where it is asked for."""

    def __init__(self, channels: int, text: int | None) -> None:
        super().__init__()
        if text is not None:
            self.jointConv = kept(channels + text, channels)
        self.outlogits = nn.Sequential(nn.Conv2d(channels, 1, SIDE, SIDE))

    def forward(self, features: Tensor, sentence: Tensor | None = None) -> Tensor:
        """Return (n,)."""
        if sentence is not None:
            said = sentence[..., None, None].expand(-1, -1, SIDE, SIDE)
            features = self.jointConv(torch.cat([features, said], 1))
        return self.outlogits(features).flatten()


class OneSize(nn.Module):  # type: ignore[misc]
    """The discriminator of pictures of 64, 128 or 256 pixels."""

    def __init__(self, channels: int, text: int, stage: int) -> None:
        super().__init__()
        self.img_code_s16 = nn.Sequential(
            halved(3, channels),
            nn.LeakyReLU(0.2),
            *normed(halved(channels, 2 * channels)),
            *normed(halved(2 * channels, 4 * channels)),
            *normed(halved(4 * channels, 8 * channels)),
        )
        self.more: list[str] = []
        if stage > 0:
            self._add("img_code_s32", nn.Sequential(*normed(halved(8 * channels, 16 * channels))))
        if stage == 1:
            self._add("img_code_s32_1", kept(16 * channels, 8 * channels))
        if stage > 1:
            self._add("img_code_s64", nn.Sequential(*normed(halved(16 * channels, 32 * channels))))
            self._add("img_code_s64_1", kept(32 * channels, 16 * channels))
            self._add("img_code_s64_2", kept(16 * channels, 8 * channels))
        self.UNCOND_DNET = Verdict(8 * channels, None)
        self.COND_DNET = Verdict(8 * channels, text)

    def _add(self, name: str, block: nn.Module) -> None:
        self.add_module(name, block)
        self.more.append(name)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return features, (n, 8 channels, 4, 4)."""
        features = self.img_code_s16(pictures)
        for name in self.more:
            features = getattr(self, name)(features)
        return features


class Discriminator(nn.ModuleList):  # type: ignore[misc]
    """All sizes' discriminators."""

    def __init__(self, config: Config) -> None:
        channels = config.number("discriminator", most=512, default=64)
        text = config.number("text", most=4096, default=256)
        stages = config.number("stages", most=STAGES, default=STAGES)
        super().__init__(OneSize(channels, text, stage) for stage in range(stages))

    def features(self, pictures: Sequence[Tensor]) -> list[Tensor]:
        """Return what the verdicts are given on, one a size."""
        return [one(seen) for one, seen in zip(self, pictures, strict=True)]

    def verdicts(
        self, features: Sequence[Tensor], condition: tuple[Tensor, ...]
    ) -> list[tuple[Tensor, Tensor | None]]:
        """Return for each size the logits (n,) "is real" and "shows the sentence"."""
        _, sentences, _ = condition
        return [
            (one.UNCOND_DNET(seen), one.COND_DNET(seen, sentences))
            for one, seen in zip(self, features, strict=True)
        ]
