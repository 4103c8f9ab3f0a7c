"""What both captioning networks are made of."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional

Tensor = Any


class Attention(nn.Module):  # type: ignore[misc]
    """Attention of several heads: softmax(q kᵀ / √d_head) v, heads side by side, and mixed."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value, self.out = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor, memory: Tensor, seen: Tensor | None = None) -> Tensor:
        """Return (n, t, width) of x (n, t, width) looking at memory (n, s, width).

        Args:
            x: who looks.
            memory: what at.
            seen: (t, s) of bool, which of memory each may see; None for all.
        """
        q, k, v = (
            part(rows).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part, rows in ((self.query, x), (self.key, memory), (self.value, memory))
        )
        found = functional.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        return self.out(found.transpose(1, 2).flatten(2))


def feed_forward(width: int, inner: int, dropout: float) -> nn.Module:
    """Return two linear layers with a ReLU between."""
    return nn.Sequential(
        nn.Linear(width, inner), nn.ReLU(), nn.Dropout(dropout), nn.Linear(inner, width)
    )


def waves(length: int, width: int) -> Tensor:
    """Return the sines and cosines that say which place is which, (length, width)."""
    place = torch.arange(length)[:, None].float()
    rate = torch.exp(torch.arange(0, width, 2).float() * (-math.log(10_000.0) / width))
    found = torch.zeros(length, width)
    found[:, 0::2] = torch.sin(place * rate)
    found[:, 1::2] = torch.cos(place * rate)[:, : width // 2]
    return found


def causal(length: int) -> Tensor:
    """Return which words a word may see: itself and those before, (length, length) of bool."""
    return torch.ones(length, length, dtype=torch.bool).tril()


class Seen(nn.Module):  # type: ignore[misc]
    """Grids of features as the network takes them: standardised, or from a small CNN."""

    def __init__(self, features: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("spread", torch.ones(features))
        into, layers = features, []
        for out in channels:
            layers += [nn.Conv2d(into, out, 3, 2, 1), nn.GroupNorm(1, out), nn.ReLU()]
            into = out
        self.cnn = nn.Sequential(*layers)
        self.out = into

    def forward(self, rows: Tensor) -> Tensor:
        """Return (n, s, s, c) of frozen features (n, s, s, features), or of pixels."""
        rows = (rows - self.mean) / self.spread
        return self.cnn(rows.permute(0, 3, 1, 2)).permute(0, 2, 3, 1) if len(self.cnn) else rows
