"""What a proxy says of one picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from finexl.errors import UsageError


@dataclass(frozen=True)
class Rating:
    """How probable it is that a person likes a picture."""

    probability: float
    """In [0, 1]; 0.5 where nothing is known."""
    low: float | None = None
    high: float | None = None
    """95 % of what the person's taste may be, given what is known of it, lies between; None where
    the proxy cannot say."""
    known: bool = True
    """Whether there was anything to go by."""

    def __post_init__(self) -> None:
        low = 0.0 if self.low is None else self.low
        high = 1.0 if self.high is None else self.high
        if not 0 <= low <= self.probability <= high <= 1:
            raise UsageError(
                f"A rating of {self.probability} within {self.low} to {self.high} is none."
            )

    @property
    def says(self) -> str:
        """The rating in two words; "may" where the interval holds one half, and no side at 0.50."""
        if not self.known:
            return "not known"
        if abs(self.probability - 0.5) < 0.005:
            return "undecided"
        sure = self.low is None or self.high is None or not self.low <= 0.5 <= self.high
        likes = "like" if self.probability >= 0.5 else "dislike"
        return f"{likes}s" if sure else f"may {likes}"

    def to_dict(self) -> Mapping[str, Any]:
        """Return it as JSON has it."""
        interval = None if self.low is None or self.high is None else [self.low, self.high]
        return {
            "probability": self.probability,
            "ci": interval,
            "known": self.known,
            "says": self.says,
        }
