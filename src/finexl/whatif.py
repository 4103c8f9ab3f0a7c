"""What is left of a change once an aspect of it is taken away (`finexl.what-if/1`)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from finexl.explanation import rounded

SCHEMA = "finexl.what-if/1"


@dataclass(frozen=True)
class Moved:
    """One concept's effect, before and after."""

    concept: str
    before: float
    after: float


@dataclass(frozen=True)
class Changed:
    """One pair, and how far it would move."""

    index: int
    caption: str
    by: float
    """On the scale of scores: how much of the aspect this pair has; negative against it."""


@dataclass(frozen=True)
class Tried:
    """Some pairs made again in another way, and what became of the aspect in them."""

    how: str
    pairs: int
    before: float
    """The aspect's mean joint score in these pairs."""
    predicted: float
    observed: float


@dataclass(frozen=True)
class WhatIf:
    """V_div less one aspect's part of it, w·f(C)."""

    concept: str
    more: bool
    """The aspect is one there is more of, and it was taken away; else one there is less of."""
    norm_before: float
    """‖V_div‖ in the decomposition's space."""
    norm_after: float
    aspects: tuple[Moved, ...]
    """Effects of the aspects; the others' joint scores hardly move, as the part taken is joint."""
    next: tuple[Moved, ...]
    """The other candidates with the largest effects in what is left."""
    pairs: tuple[Changed, ...]
    """Those that would change most; none where the sets are unpaired."""
    tried: tuple[Tried, ...] = ()
    """What a model made of these pairs when told so; none where there is no model to ask."""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        found: dict[str, Any] = rounded({"schema": SCHEMA, **asdict(self)})
        return found
