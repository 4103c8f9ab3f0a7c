"""Who is learned from, and who is only tested on: whole people, never parts of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np

from finexl.errors import UsageError


class Named(Protocol):
    """Somebody."""

    @property
    def name(self) -> str:
        """What tells them from everybody else."""
        ...


Somebody = TypeVar("Somebody", bound=Named)


def split(
    people: Sequence[Somebody], share: float, seed: int
) -> tuple[tuple[Somebody, ...], tuple[Somebody, ...]]:
    """Return people to train on and people to test on: whole people, nobody is in both.

    Args:
        people: everybody; their order is of no account.
        share: of those to test on, in [0, 1); one at least unless it is 0.
        seed: who.

    Raises:
        UsageError: a share that is none, or nobody is left to train on.
    """
    if not 0 <= share < 1:
        raise UsageError(f"The share {share:g} of people to test on is none; give one below 1.")
    count = round(share * len(people)) or int(share > 0)
    if count >= len(people):
        raise UsageError(f"Of {len(people)} people none would be left to train on; give more.")
    ordered = sorted(people, key=lambda person: person.name)
    mixed = np.random.default_rng([seed, 0]).permutation(len(ordered))
    test, train = np.sort(mixed[:count]), np.sort(mixed[count:])
    return tuple(ordered[i] for i in train), tuple(ordered[i] for i in test)
