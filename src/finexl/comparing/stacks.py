"""What each part of a stack of LoRAs contributes, from leaving it out.

    contribution of a part = V_div(all parts) − V_div(all but this one)

What the contributions of all parts do not add up to is not additive: V_div(all) − Σ contributions.
Where it is positive along an aspect, parts do the same and each is missed less than it does alone;
where it is negative, they do it only together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from finexl.comparing.ground import Ground
from finexl.comparing.number import Number, number_of, table_of
from finexl.concepts.vocabulary import Concept
from finexl.core.comparison import detect_all
from finexl.core.lengths import jackknifed, lengths
from finexl.errors import UsageError


@dataclass(frozen=True)
class Part:
    """One part of the stack, or what is left beside all of them."""

    name: str
    effects: tuple[Number, ...]
    """Its contribution along each concept."""
    share: Number | None
    """The length of its contribution as a part of the whole stack's; its q is that of no
    contribution, adjusted over the parts. None where it cannot be told."""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "name": self.name,
            "effects": [effect.to_dict() for effect in self.effects],
            "share": None if self.share is None else self.share.to_dict(),
        }


@dataclass(frozen=True)
class Stack:
    """A stack, taken apart."""

    name: str
    concepts: tuple[Concept, ...]
    parts: tuple[Part, ...]
    rest: Part
    """What is not additive; of a single part left out, all that the others do."""
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "model": self.name,
            "parts": [part.to_dict() for part in self.parts],
            "not_additive": self.rest.to_dict(),
        }


def stack_of(ground: Ground, names: Sequence[str]) -> Stack:
    """Take a stack apart.

    Args:
        ground: the stack with all its parts, and then without each of these, in their order.
        names: the parts.

    Raises:
        UsageError: another number of parts than of models, or a name twice.
    """
    if len(names) != len(ground.models) - 1 or len(set(names)) < len(names):
        raise UsageError("Every part of a stack takes one model without it, and a name of its own.")
    inside, outside = ground.inside(), ground.rows
    effects = table_of(ground.effects_of(_apart(inside)), testable=ground.testable)
    whole = _apart(list(outside))
    q = detect_all(whole, ground.rng())
    of_all = lengths(outside[0])
    parts = []
    for i, name in enumerate((*names, "not additive" if len(names) > 1 else "the rest")):
        with np.errstate(divide="ignore", invalid="ignore"):
            share = jackknifed(lengths(whole[i]) / of_all)
        certain = None if q is None else float(q[i])
        parts.append(Part(name, effects[i], number_of(share, certain) if ground.testable else None))
    return Stack(
        ground.models[0].name,
        ground.concepts,
        tuple(parts[:-1]),
        parts[-1],
        _about_bases(ground) + _about_one(names),
    )


def _apart(rows: list[np.ndarray]) -> list[np.ndarray]:
    """Return the rows of the contributions, and of what they do not add up to."""
    every, *without = rows
    contributions = [every - rest for rest in without]
    return [*contributions, every - sum(contributions)]


def _about_bases(ground: Ground) -> tuple[str, ...]:
    if len({model.explanation.base.digest for model in ground.models}) == 1:
        return ()
    return (
        "The stack was explained against different images of a base: contributions hold what these "
        "differ by.",
    )


def _about_one(names: Sequence[str]) -> tuple[str, ...]:
    if len(names) > 1:
        return ()
    return (f"Only {names[0]} was left out: whether the parts add up cannot be told.",)
