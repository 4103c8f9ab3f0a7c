"""A model's own vocabulary: how it reads a prompt."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finexl.errors import UsageError

PADDING = 0
"""The number that stands where a prompt has ended."""
FILE = "vocabulary.json"
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Vocabulary:
    """Words and their numbers; a word that is not among them means nothing to the model."""

    numbers: Mapping[str, int]
    length: int
    """The most words of a prompt that are read."""
    path: Path

    def read(self, prompts: Sequence[str]) -> NDArray[np.int64]:
        """Return the known words' numbers, (n, length), padded with zeros.

        Raises:
            UsageError: a prompt of which no word is known.
        """
        rows = np.full((len(prompts), self.length), PADDING, np.int64)
        for row, prompt in zip(rows, prompts, strict=True):
            words = _WORD.findall(prompt.casefold())
            found = [self.numbers[word] for word in words if word in self.numbers]
            found = [number for number in found if number != PADDING][: self.length]
            if not found:
                some = ", ".join(sorted(word for word in self.numbers if _WORD.fullmatch(word))[:8])
                raise UsageError(
                    f"No word of the prompt {prompt[:80]!r} is in {self.path}, and the model knows "
                    f"no other; it knows {some}, for instance."
                )
            row[: len(found)] = found
        return rows
