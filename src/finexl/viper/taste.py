"""What a person likes and dislikes in pictures, as steering takes it: words with weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol

from finexl.errors import UsageError

Attributes = tuple[tuple[str, float], ...]


class Preference(Protocol):
    """One attribute of a profile."""

    @property
    def attribute(self) -> str:
        """The words for it."""
        ...

    @property
    def confidence(self) -> float:
        """How sure it is, from 0 to 1."""
        ...


class Preferences(Protocol):
    """What a profile is here."""

    @property
    def liked(self) -> Sequence[Preference]:
        """VP+."""
        ...

    @property
    def disliked(self) -> Sequence[Preference]:
        """VP−."""
        ...


@dataclass(frozen=True)
class Taste:
    """VP+ and VP−, each attribute with a weight; of weights only the ratios count.

    An attribute of weight 0 is not heard. One on both sides pulls both ways, by the difference.
    """

    liked: Attributes = ()
    disliked: Attributes = ()

    def __post_init__(self) -> None:
        """Refuse what is no attribute.

        Raises:
            UsageError: an empty one, or a weight that is not a number from 0 on.
        """
        for field in fields(self):
            for words, weight in getattr(self, field.name):
                if not words.strip():
                    raise UsageError(f"A {field.name} attribute is empty; leave it out.")
                if not (math.isfinite(weight) and weight >= 0):
                    raise UsageError(
                        f"The weight of {words!r} is {weight}; give a number from 0 on."
                    )

    @property
    def heard(self) -> bool:
        """Whether there is anything to steer by."""
        return any(weight for _, weight in (*self.liked, *self.disliked))


def taste_of(profile: Preferences) -> Taste:
    """Return a profile's taste: each attribute weighs as much as it is sure."""
    sides = (profile.liked, profile.disliked)
    return Taste(*(tuple((one.attribute, one.confidence) for one in side) for side in sides))
