"""What an automated study makes and asks, and what a scorer sees of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finexl.errors import UsageError
from finexl.generators import Job
from finexl.viper.study.gallery import METHODS, PLAIN, VIPER
from finexl.viper.study.lineups import SIZE

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """What is made and asked."""

    prompts: tuple[str, ...]
    seeds: int = 3
    """Of each personalized picture's prompt."""
    methods: tuple[str, ...] = (VIPER,)
    people: int = 1000
    """Each has one of the tastes in turn, and line-ups of their own."""
    seed: int = 0
    """Of the draws."""

    def __post_init__(self) -> None:
        """Refuse a plan that cannot be.

        Raises:
            UsageError: fewer than two prompts, the same twice, no seed, nobody, or no method.
        """
        if len(self.prompts) < 2 or len(set(self.prompts)) < len(self.prompts):
            raise UsageError("A study needs two different prompts at least, each given once.")
        if self.seeds < 1 or self.people < 1:
            raise UsageError("A study needs one seed and one person at least.")
        unknown = [method for method in self.methods if method not in METHODS or method == PLAIN]
        if unknown or not self.methods:
            others = ", ".join(method for method in METHODS if method != PLAIN)
            raise UsageError(f"Give one or several of the methods {others}.")

    def jobs(self, method: str) -> list[Job]:
        """Return a method's pictures, prompt by prompt; plain ones start from other noise as well.

        The plain seeds from `seeds` on are those that line-ups take, so that none of their pictures
        shares the own one's noise.
        """
        count = self.seeds + SIZE - 1 if method == PLAIN else self.seeds
        return [Job(prompt, seed) for prompt in self.prompts for seed in range(count)]


@dataclass(frozen=True)
class Seen:
    """What one scorer sees of everything that was made."""

    plain: Array
    """(prompts, seeds + 7, d)"""
    own: Mapping[str, Array]
    """Method -> (tastes, prompts, seeds, d)."""
    elsewhere: tuple[tuple[Array, Array], ...] = ()
    """For each taste, pictures known to be liked and disliked; empty where not all have some."""
