"""How M is trained: the paper's recipe, and the published code's numbers where it has none."""

from __future__ import annotations

from dataclasses import dataclass

from finexl.errors import UsageError
from finexl.viper import fitting
from finexl.viper.proxy.sets import CONTEXT


@dataclass(frozen=True)
class Recipe(fitting.Recipe):
    """The settings of a training of M; by default every set is learned from once."""

    sets: int = 5000
    """The paper's."""
    context: int = CONTEXT
    """Examples in a set."""

    def check(self) -> None:
        """Refuse what cannot be trained.

        Raises:
            UsageError: numbers that are none.
        """
        super().check()
        if min(self.sets, self.context) < 1:
            raise UsageError("Sets and context have to be above 0.")
