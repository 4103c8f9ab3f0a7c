"""Chg2Cap's network: Chang & Ghamisi, "Changes to Captions: An Attentive Network for Remote Sensing
Change Captioning" (2023).

Encoder: features of both pictures with learned rows and columns added; then, layer by layer,
self-attention in each picture alone (the same weights for both) and in both side by side, channel
to channel, each time with what came in added again (hierarchical self-attention).

Decoder: both grids side by side, the cosine of the two at each place added to all channels; a 1 × 1
convolution and a residual block of convolutions; a transformer decoder whose layers add their input
to what comes out; the scores of the next word.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from finexl.bench.baselines.nets.layers import Attention, Seen, causal, feed_forward, waves
from finexl.bench.baselines.nets.settings import Settings

Tensor = Any


class Transformer(nn.Module):  # type: ignore[misc]
    """norm(x + attention(x)), then norm(x + feed_forward(x))."""

    def __init__(self, width: int, settings: Settings) -> None:
        super().__init__()
        self.attention = Attention(width, settings.heads)
        self.feed_forward = feed_forward(width, settings.inner, settings.dropout)
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, t, width) of (n, t, width)."""
        x = self.norms[0](x + self.attention(x, x))
        return self.norms[1](x + self.feed_forward(x))


class Residual(nn.Module):  # type: ignore[misc]
    """Convolutions of 1, 3 and 1 pixels around which the input is led."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.left = nn.Sequential(
            nn.Conv2d(width, half, 1), nn.BatchNorm2d(half), nn.ReLU(),
            nn.Conv2d(half, half, 3, padding=1), nn.BatchNorm2d(half), nn.ReLU(),
            nn.Conv2d(half, width, 1), nn.BatchNorm2d(width),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, width, s, s) of (n, width, s, s)."""
        return functional.relu(x + self.left(x))


class Writer(nn.Module):  # type: ignore[misc]
    """One layer of the decoder."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        width = settings.width
        self.own, self.cross = Attention(width, settings.heads), Attention(width, settings.heads)
        self.feed_forward = feed_forward(width, settings.inner, settings.dropout)
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(3)])
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        """Return (n, t, width) of words (n, t, width) and what is seen (n, s², width)."""
        told = self.norms[0](x + self.dropout(self.own(x, x, causal(x.shape[1]).to(x.device))))
        told = self.norms[1](told + self.dropout(self.cross(told, memory)))
        return self.norms[2](told + self.dropout(self.feed_forward(told))) + x


class Chg2CapNet(nn.Module):  # type: ignore[misc]
    """Two grids and the words so far to scores of the next word."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        width = settings.width
        self.seen = Seen(settings.features, settings.channels)
        self.narrow = nn.Linear(self.seen.out, width)
        self.rows = nn.Embedding(settings.side, width // 2)
        self.columns = nn.Embedding(settings.side, width // 2)
        self.alone = nn.ModuleList(Transformer(width, settings) for _ in range(settings.layers))
        self.both = nn.ModuleList(Transformer(2 * width, settings) for _ in range(settings.layers))
        self.join = nn.Conv2d(2 * width, width, 1)
        self.residual = Residual(width)
        self.words = nn.Embedding(len(settings.words), width)
        self.writers = nn.ModuleList(Writer(settings) for _ in range(settings.writers))
        self.dropout = nn.Dropout(settings.dropout)
        self.out = nn.Linear(width, len(settings.words))
        self.register_buffer("waves", waves(settings.length + 1, width), persistent=False)

    def encode(self, before: Tensor, after: Tensor) -> Tensor:
        """Return what is seen of two grids (n, s, s, c): (n, s², width)."""
        first, second = (self._placed(grid) for grid in (before, after))
        one, two = first, second
        for alone, both in zip(self.alone, self.both, strict=True):
            one, two = alone(one) + one, alone(two) + two
            mixed_one, mixed_two = both(torch.cat([one, two], -1)).chunk(2, -1)
            one, two = mixed_one + first, mixed_two + second
        alike = functional.cosine_similarity(one, two, -1)[..., None]
        joined = torch.cat([one, two], -1) + alike
        side = round(joined.shape[1] ** 0.5)
        image = joined.transpose(1, 2).unflatten(-1, (side, side))
        return self.residual(self.join(image)).flatten(2).transpose(1, 2)

    def score(self, memory: Tensor, words: Tensor) -> Tensor:
        """Return the scores (n, t, V) of what follows each of the words (n, t)."""
        x = self.dropout(self.words(words) + self.waves[: words.shape[1]])
        for writer in self.writers:
            x = writer(x, memory)
        return self.out(self.dropout(x))

    def decode(self, memory: Tensor, words: Tensor) -> Tensor:
        """Return the scores (n, V) of what follows the words (n, t), START the first of them."""
        return self.score(memory, words)[:, -1]

    def _placed(self, grid: Tensor) -> Tensor:
        """Return a grid's places (n, s², width), each with its row and column added."""
        found = self.narrow(self.seen(grid))
        side = self.rows.num_embeddings
        rows = self.rows.weight[:, None].expand(-1, side, -1)
        columns = self.columns.weight[None].expand(side, -1, -1)
        return (found + torch.cat([rows, columns], -1)).flatten(1, 2)
