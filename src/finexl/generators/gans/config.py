"""A GAN's config.json: which architecture, how large, and what it is asked with."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finexl.errors import UsageError
from finexl.generators.gans.words import FILE as VOCABULARY
from finexl.generators.gans.words import Vocabulary

CONDITIONINGS = ("text", "class", "none")
MOST_WORDS = 200_000
MOST_BYTES = 16_000_000
"""Of a settings file."""


@dataclass(frozen=True)
class Config:
    """The settings of one model; nothing of it is believed before it is checked."""

    path: Path
    said: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Config:
        """Read a config.json.

        Raises:
            UsageError: no such file, no JSON object, or an unknown way of asking.
        """
        config = cls(path, _object(path))
        if config.conditioning not in CONDITIONINGS:
            raise UsageError(
                f"{path} has the conditioning {config.conditioning!r}; it is one of "
                f"{', '.join(CONDITIONINGS)}."
            )
        return config

    @property
    def folder(self) -> Path:
        """Where the model's other files are."""
        return self.path.parent

    @property
    def architecture(self) -> str:
        """The name of the networks' family."""
        return str(self.said.get("architecture"))

    @property
    def conditioning(self) -> str:
        """How a prompt becomes a condition: "text", "class" or "none"."""
        return str(self.said.get("conditioning", "text"))

    def number(self, key: str, most: int, default: int | None = None) -> int:
        """Return a whole number from 1 to `most`.

        Raises:
            UsageError: missing, or none such.
        """
        found = self.said.get(key, default)
        if type(found) is not int or not 1 <= found <= most:
            raise self.wrong(key, f"a whole number from 1 to {most}")
        return found

    def numbers(self, key: str, most: int, count: tuple[int, int]) -> tuple[int, ...]:
        """Return a list of such numbers, so many at least and at most.

        Raises:
            UsageError: missing, or none such.
        """
        found = self.said.get(key)
        if (
            not isinstance(found, list)
            or not count[0] <= len(found) <= count[1]
            or any(type(one) is not int or not 1 <= one <= most for one in found)
        ):
            few, many = count
            wanted = str(few) if few == many else f"{few} to {many}"
            raise self.wrong(key, f"a list of {wanted} whole numbers from 1 to {most}")
        return tuple(found)

    def amount(self, key: str, most: float) -> float:
        """Return a number from 0 to `most`; 0 where there is none.

        Raises:
            UsageError: none such.
        """
        found = self.said.get(key, 0.0)
        if type(found) not in (int, float) or not 0 <= found <= most:
            raise self.wrong(key, f"a number from 0 to {most:g}")
        return float(found)

    def wrong(self, key: str, wanted: str) -> UsageError:
        """Return the error of a setting that cannot be."""
        found = json.dumps(self.said.get(key))[:80]
        return UsageError(f"{self.path} has {key!r}: {found}, and it has to be {wanted}.")

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The model's words, of vocabulary.json beside it.

        Raises:
            UsageError: no such file, or no words with numbers.
        """
        path = self.folder / VOCABULARY
        found = _object(path)
        if not 1 <= len(found) <= MOST_WORDS or any(
            type(number) is not int or not 0 <= number < MOST_WORDS for number in found.values()
        ):
            raise UsageError(
                f"{path} has to give each of at most {MOST_WORDS:,} words a number below that."
            )
        return Vocabulary(found, self.number("length", most=512, default=18), path)

    @cached_property
    def classes(self) -> Mapping[str, int]:
        """The classes' names and numbers.

        Raises:
            UsageError: none are given.
        """
        found = self.said.get("classes")
        if (
            not isinstance(found, dict)
            or not 1 <= len(found) <= MOST_WORDS
            or any(type(one) is not int or not 0 <= one < MOST_WORDS for one in found.values())
        ):
            raise self.wrong("classes", "an object of names and their numbers from 0")
        return found

    def read_by(self, prompts: Sequence[str]) -> NDArray[np.int64]:
        """Return all that the model reads of prompts: numbers of words, or a class's, (n, k).

        Raises:
            UsageError: a prompt that says nothing to it.
        """
        if self.conditioning == "text":
            return self.vocabulary.read(prompts)
        if self.conditioning == "class":
            return np.array([[self.class_in(prompt)] for prompt in prompts], np.int64)
        return np.zeros((len(prompts), 0), np.int64)

    def class_in(self, prompt: str) -> int:
        """Return the number of the class that a prompt names; of several, the longest name.

        Raises:
            UsageError: it names none.
        """
        for name in sorted(self.classes, key=len, reverse=True):
            if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", prompt, re.IGNORECASE):
                return self.classes[name]
        names = ", ".join(sorted(self.classes)[:20])
        raise UsageError(
            f"The prompt {prompt[:80]!r} names no class of {self.folder}; its classes are {names}"
            f"{' and others' if len(self.classes) > 20 else ''}."
        )


def _object(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"{path} is larger than a settings file can be.")
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} is missing or is no JSON.") from error
    if not isinstance(found, dict):
        raise UsageError(f"{path} holds no JSON object.")
    return found
