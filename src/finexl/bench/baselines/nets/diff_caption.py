"""Diff Caption's network: Yao, Wang & Jin, "Image Difference Captioning with Pre-training and
Contrastive Learning" (AAAI 2022).

Each picture is a [CLS] and its grid's places, projected (a sigmoid after), with the kind of token
and its place added. One transformer layer reads each picture alone, one reads both together, and a
unified transformer reads both and the caption: pictures see pictures, a word sees the pictures and
the words before it. A caption is written from left to right: what is behind it is a [MASK], and the
word that the mask stands for is the next.

Pre-training aligns a pair's difference with its caption: a contrastive loss of the mean of both
pictures' [CLS] against the caption's, the negatives being other captions (fine-grained difference
aligning), beside masked words. Masked visual modelling, their third task, is left out: the features
are frozen here and few.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from finexl.bench.baselines.nets.layers import Attention, Seen, causal, feed_forward, waves
from finexl.bench.baselines.nets.settings import CLS, MASK, Settings

Tensor = Any
CLS_1, IMAGE_1, CLS_2, IMAGE_2, CLS_3, TEXT = range(6)
"""The kinds of token."""
CONTRAST = 2.0
"""What a difference is multiplied by, as pictures differ less from themselves than from others."""


class Layer(nn.Module):  # type: ignore[misc]
    """x + attention(norm(x)), then x + feed_forward(norm(x))."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        width = settings.width
        self.attention = Attention(width, settings.heads)
        self.feed_forward = feed_forward(width, settings.inner, settings.dropout)
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        """Return (n, t, width) of (n, t, width)."""
        normed = self.norms[0](x)
        x = x + self.dropout(self.attention(normed, normed, seen))
        return x + self.dropout(self.feed_forward(self.norms[1](x)))


class Stack(nn.Module):  # type: ignore[misc]
    """Layers, and a norm before them, as theirs."""

    def __init__(self, settings: Settings, count: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(settings.width)
        self.layers = nn.ModuleList([Layer(settings) for _ in range(count)])

    def forward(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        """Return (n, t, width) of (n, t, width)."""
        x = self.norm(x)
        for layer in self.layers:
            x = layer(x, seen)
        return x


class DiffCaptionNet(nn.Module):  # type: ignore[misc]
    """Two grids and the words so far to scores of the next word."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        width = settings.width
        self.difference = settings.difference
        self.seen = Seen(settings.features, settings.channels)
        self.project = nn.Sequential(nn.Linear(self.seen.out, width), nn.Sigmoid())
        self.words = nn.Embedding(len(settings.words), width)
        # read times √width: no larger than what says its place
        nn.init.normal_(self.words.weight, std=width**-0.5)
        self.kinds = nn.Embedding(6, width)
        self.norm = nn.LayerNorm(width)
        self.alone, self.both = Stack(settings, 1), Stack(settings, 1)
        self.unified = Stack(settings, settings.layers)
        self.out = nn.Linear(width, len(settings.words))
        self.dropout = nn.Dropout(settings.dropout)
        longest = max(settings.places, settings.length + 2)
        self.register_buffer("waves", waves(longest, width), persistent=False)

    def encode(self, before: Tensor, after: Tensor) -> Tensor:
        """Return what is seen of two grids (n, s, s, c): (n, 2 + 2s², width)."""
        pictures, first, second = [], self.seen(before), self.seen(after)
        if self.difference:
            second = CONTRAST * (second - first)
        for grid, cls, kind in ((first, CLS_1, IMAGE_1), (second, CLS_2, IMAGE_2)):
            rows = self.project(grid.flatten(1, 2))
            rows = self._told(rows + self.waves[: rows.shape[1]], kind)
            pictures.append(self.alone(torch.cat([self._cls(len(rows), cls), rows], 1)))
        return self.both(torch.cat(pictures, 1))

    def decode(self, memory: Tensor, words: Tensor) -> Tensor:
        """Return the scores (n, V) of what follows the words (n, t), START the first of them."""
        mask = torch.full_like(words[:, :1], MASK)
        return self._read(memory, torch.cat([words, mask], 1))[:, -1]

    def score(self, memory: Tensor, words: Tensor, hidden: Tensor) -> Tensor:
        """Return the scores (n, t, V) of words (n, t), the hidden ones (of bool) masked."""
        return self._read(memory, torch.where(hidden, MASK, words))

    def align(self, memory: Tensor, words: Tensor) -> Tensor:
        """Return the cosines (n,) of pairs' differences with captions (n, t) without START."""
        text = torch.cat([self._cls(len(words), CLS_3), self._text(words)], 1)
        read = self.unified(torch.cat([memory, text], 1))
        half, start = memory.shape[1] // 2, memory.shape[1]
        return functional.cosine_similarity((read[:, 0] + read[:, half]) / 2, read[:, start], -1)

    def _read(self, memory: Tensor, words: Tensor) -> Tensor:
        pictures, count = memory.shape[1], words.shape[1]
        seen = torch.zeros(pictures + count, pictures + count, dtype=torch.bool)
        seen[:, :pictures] = True
        seen[pictures:, pictures:] = causal(count)
        read = self.unified(torch.cat([memory, self._text(words)], 1), seen.to(words.device))
        return self.out(read[:, pictures:])

    def _text(self, words: Tensor) -> Tensor:
        rows = self.words(words) * self.words.embedding_dim**0.5
        return self._told(rows + self.waves[: words.shape[1]], TEXT)

    def _cls(self, n: int, kind: int) -> Tensor:
        number = torch.full((n, 1), CLS, device=self.waves.device)
        return self._told(self.words(number), kind)

    def _told(self, rows: Tensor, kind: int) -> Tensor:
        return self.dropout(self.norm(rows + self.kinds.weight[kind]))
