"""Who likes what: attributes drawn by category weight, no two agents alike (ViPer §3.1, A.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from finexl.errors import FinexlError, UsageError
from finexl.viper.attributes import attributes, probabilities

SIZES = (40, 60)
"""How many attributes an agent has: every number from the one to the other alike, 50 on average."""
APART = 0.85
"""The least Jaccard distance of two agents' signed attributes."""
MOST = 100_000
"""Agents."""
TRIES = 1_000
"""Draws for one agent before it is given up: there is no room left at this distance."""


@dataclass(frozen=True)
class Likings:
    """What an agent likes and dislikes: listed attributes, in the list's order."""

    liked: tuple[str, ...]
    disliked: tuple[str, ...]


def draw_likings(count: int, seed: int, *, apart: float = APART) -> list[Likings]:
    """Return agents' likings; the first ones are the same however many are drawn.

    An agent that comes too close to an earlier one is drawn again.

    Args:
        count: agents; 5,000 take seconds.
        seed: same seed, same agents.
        apart: the least Jaccard distance of any two, in [0, 1]: 1 − |A ∩ B| / |A ∪ B|, where an
            attribute liked by one and disliked by the other is in no intersection.

    Raises:
        UsageError: a count, seed or distance that is none.
        FinexlError: so many agents do not fit so far apart.
    """
    if not 1 <= count <= MOST:
        raise UsageError(f"{count:,} agents cannot be made; give a number from 1 to {MOST:,}.")
    if seed < 0:
        raise UsageError(f"The seed is {seed}; give a number from 0 on.")
    if not 0 <= apart <= 1:
        raise UsageError(f"A Jaccard distance lies between 0 and 1, not at {apart:g}.")
    rng, chances = np.random.default_rng([seed, 0]), probabilities()
    chances /= chances.sum()
    texts = 2 * [one.text for one in attributes()]
    has = np.zeros((len(texts), count), np.uint8)  # which agent has which signed attribute
    sizes = np.zeros(count, np.int64)
    found: list[Likings] = []
    for number in range(count):
        for signed in _tries(rng, chances):
            # only the rows of its own attributes are added up, and a byte counts to 60
            shared = has[signed, :number].sum(axis=0, dtype=np.uint8).astype(np.int64)
            either = sizes[:number] + len(signed) - shared
            if (shared <= (1 - apart) * either + 1e-9).all():
                break
        else:
            raise FinexlError(
                f"After {number:,} agents no other was found at a Jaccard distance of {apart:g} "
                "from all of them; ask for fewer."
            )
        has[signed, number] = 1
        sizes[number] = len(signed)
        sides = np.split(signed, [np.searchsorted(signed, len(chances))])
        found.append(Likings(*(tuple(texts[place] for place in side) for side in sides)))
    return found


def jaccard_distance(one: Likings, other: Likings) -> float:
    """Return 1 − |A ∩ B| / |A ∪ B| of two agents' signed attributes."""
    a, b = (
        {(text, side) for side in ("liked", "disliked") for text in getattr(likings, side)}
        for likings in (one, other)
    )
    return 1 - len(a & b) / max(len(a | b), 1)


def _tries(rng: Generator, chances: NDArray[np.float64]) -> Iterator[NDArray[np.intp]]:
    """Yield draws: sorted places of what is liked, and, behind all attributes, disliked."""
    for _ in range(TRIES):
        size = int(rng.integers(SIZES[0], SIZES[1] + 1))
        chosen = rng.choice(len(chances), size, replace=False, p=chances)
        yield np.sort(chosen + len(chances) * rng.integers(0, 2, size))
