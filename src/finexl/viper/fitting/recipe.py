"""How an adapter is fitted: what every such training has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from finexl.errors import UsageError

TARGETS = (
    r".*(text_model|language_model|modality_projection|perceiver_resampler)"
    r".*\.(down_proj|gate_proj|up_proj|k_proj|q_proj|v_proj|o_proj)"
)
"""The layers of IDEFICS2, and of models built alike, that adapters are laid over."""


@dataclass(frozen=True)
class Recipe:
    """The settings of a training; the same recipe, people and base, the same weights."""

    test: float = 0.1
    """The share of people that nothing is learned from."""
    steps: int = 1250
    """Of Adam."""
    together: int = 4
    """Examples in a step."""
    rank: int = 8
    """Of the adapters, and their alpha."""
    dropout: float = 0.1
    learning_rate: float = 1e-5
    weight_decay: float = 0.01
    seed: int = 0
    """Of who is tested on, the adapters' start, the order and dropout."""

    def check(self) -> None:
        """Refuse what cannot be trained.

        Raises:
            UsageError: numbers that are none.
        """
        if min(self.steps, self.together, self.rank) < 1 or self.seed < 0:
            raise UsageError("Steps and rank have to be above 0.")
        if not 0 < self.learning_rate < float("inf") or not 0 <= self.weight_decay < float("inf"):
            raise UsageError("The learning rate has to be above 0, and a weight decay not below.")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"A dropout of {self.dropout:g} is none; give one from 0 to below 1.")

    def record(self) -> Mapping[str, Any]:
        """Return the recipe, JSON-like."""
        return asdict(self)
