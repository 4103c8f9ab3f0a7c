"""What can be asked of an explanation, and what cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from finexl.core.decompositions import DECOMPOSITIONS
from finexl.errors import UsageError


@dataclass(frozen=True)
class Inquiry:
    """How a vision-language model is asked for concepts."""

    template: str = "original"
    """One of `finexl.concepts.instructions.INSTRUCTIONS`."""
    rounds: int = 6
    """Questions at first."""
    pairs: int = 3
    """Pairs in a question."""
    again: int = 2
    """Further rounds at most, about what is left unexplained."""
    same_pairs: bool = False
    """Measure on the pairs that were looked at, even where there are enough for both."""

    def check(self) -> None:
        """Refuse numbers that ask nothing.

        Raises:
            UsageError: less than one round or pair.
        """
        if self.rounds < 1 or self.pairs < 1 or self.again < 0:
            raise UsageError("A vision-language model is asked at least once, about one pair.")


USUAL = Inquiry()


@dataclass(frozen=True)
class Options:
    """What can be asked of an explanation, beside the two sets; see `explain`."""

    prompts: str | Path | Sequence[str] | None = None
    pairing: str = "auto"
    vocabulary: str = "style"
    concepts: Sequence[str] = ()
    only_concepts: Sequence[str] | None = None
    exclude: Sequence[str] = ()
    add: Sequence[str] = ()
    drop: Sequence[str] = ()
    inquiry: Inquiry = USUAL
    decomposition: str = "subspace"
    top: int | None = None
    name: str | None = None
    seed: int = 0
    pool: bool = False

    def check(self) -> None:
        """Refuse what cannot work.

        Raises:
            UsageError: an unknown decomposition, one text in place of a list, a seed or a number
                of concepts that is none.
        """
        if self.decomposition not in DECOMPOSITIONS:
            raise UsageError(
                f"There is no decomposition {self.decomposition!r}; "
                f"choose one of {', '.join(DECOMPOSITIONS)}."
            )
        if not isinstance(self.seed, int):
            raise UsageError(f"The seed is {self.seed!r}; give a whole number from 0 on.")
        _listed(self.concepts, "concepts")
        _listed(self.only_concepts, "only_concepts")
        _listed(self.exclude, "exclude")
        _listed(self.add, "add")
        _listed(self.drop, "drop")
        self.inquiry.check()
        if self.top is not None and self.top < 1:
            raise UsageError(f"At least one concept has to be kept; {self.top} were asked for.")
        if self.seed < 0:
            raise UsageError(f"The seed is {self.seed}; give a whole number from 0 on.")


def _listed(texts: Sequence[str] | None, what: str) -> None:
    if isinstance(texts, str):
        raise UsageError(f"{what} is one text, {texts!r}; give a list of texts.")
