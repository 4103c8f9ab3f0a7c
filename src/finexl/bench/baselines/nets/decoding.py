"""Writing a caption word by word: the best so far, several at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from finexl.bench.baselines.nets.settings import CLS, END, MASK, PAD, START

Tensor = Any
NEVER = (PAD, START, MASK, CLS)
"""What is no word, nor the end."""


def beam(scores: Callable[[Tensor], Tensor], width: int, length: int) -> list[int]:
    """Return the caption whose mean log-probability a word is highest of those that were kept.

    Args:
        scores: the words so far (k, t), START first, to scores (k, V) of the next.
        width: how many beginnings are kept; 1 takes the likeliest word each time.
        length: the most words.

    Returns:
        The words' numbers, without START and END.
    """
    begun, total = torch.tensor([[START]]), torch.zeros(1)
    ended: list[tuple[float, list[int]]] = []
    for place in range(1, length + 2):
        found = scores(begun).double()
        found[:, list(NEVER)] = -torch.inf
        found = torch.log_softmax(found, -1)
        if place == length + 1:  # the caption is full
            found[:, :END] = found[:, END + 1 :] = -torch.inf
        summed = (total[:, None] + found).flatten()
        best, where = summed.topk(min(width - len(ended), int((summed > -torch.inf).sum())))
        row, word = where // found.shape[1], where % found.shape[1]
        begun, total = torch.cat([begun[row], word[:, None]], 1), best
        over = word == END
        for value, words in zip(total[over].tolist(), begun[over].tolist(), strict=True):
            ended.append((value / place, words[1:-1]))
        begun, total = begun[~over], total[~over]
        if not len(begun):
            break
    return max(ended, key=lambda one: one[0])[1]
