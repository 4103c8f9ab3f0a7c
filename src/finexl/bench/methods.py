"""What a way of explaining a personalized model is to the experiments: one model in, words out.

FineXL and every baseline of §5 stand behind the same Protocol, see the same images and the same
pool of words, and never the truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from finexl.imageset import ImageSet
from finexl.measure import Measure
from finexl.vlm import VLM

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """One personalized model beside its base. Picture i of both was made of the same prompt."""

    base: ImageSet
    personalized: ImageSet
    before: Array
    """(n, d), the base's images in the encoder's space, in their order."""
    after: Array
    """(n, d), the personalized model's."""
    measure: Measure
    """The encoder, and words as vectors (Eq. 6)."""
    words: tuple[str, ...]
    """The candidates: a vocabulary, the same for all models of an experiment."""
    vlm: VLM | None
    """Who looks at pictures; None: nobody, and the candidates stand in for what it would say."""
    seed: int

    @property
    def n(self) -> int:
        """How many pairs there are."""
        return len(self.before)


@dataclass(frozen=True)
class Told:
    """An explanation."""

    text: str
    """In words; what a person would read, or a language model grade."""
    scores: Mapping[str, float]
    """Concept -> how much more (positive) or less (negative) of it; empty where the method gives
    words alone. A concept that is not in it was not found: 0."""


class Method(Protocol):
    """A way of explaining."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    def tell(self, case: Case) -> Told:
        """Explain one personalized model. The same case, the same answer.

        Raises:
            FinexlError: it cannot, and why.
        """
        ...
