"""How concepts are mapped and a divergence decomposed: the same for every stage of an explanation.

§4.3 and §4.4–4.5 with their settings: which encoder, which prompts, which decomposition, what seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from finexl.concepts.retrieval import retrieve
from finexl.concepts.vectors import ConceptVectors, choose_prompts, frame_of, map_concepts
from finexl.concepts.vocabulary import distractors, neutral_prompts
from finexl.core.analysis import Analysis, Fitted, Frame, analyse, fit
from finexl.core.decompositions import DECOMPOSITIONS, Decomposition
from finexl.core.divergence import Sample
from finexl.encoders import Encoder

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Measure:
    """What turns words into vectors and a sample into numbers."""

    encoder: Encoder
    decomposition: str
    made_with: tuple[str, ...]
    """The prompts that made the images; empty where unknown."""
    seed: int

    @property
    def method(self) -> Decomposition:
        """The decomposition."""
        return DECOMPOSITIONS[self.decomposition]

    @cached_property
    def prompts(self) -> tuple[str, ...]:
        """The prompts that Eq. 6 averages over."""
        return choose_prompts(self.made_with, self.seed) or neutral_prompts()

    @cached_property
    def frame(self) -> Frame:
        """Where concepts are compared, and what a score of 1 is."""
        return frame_of(self.encoder, self.method.space, self.method.template)

    def vectors(self, texts: Sequence[str]) -> ConceptVectors:
        """Return f(C) for each text (Eq. 6)."""
        n_all = len(self.made_with or neutral_prompts())
        return map_concepts(self.encoder, texts, self.prompts, self.method.template, n_all=n_all)

    @cached_property
    def unrelated(self) -> Array:
        """Vectors of phrases that no picture's style or subject should align with."""
        return self.vectors(distractors()).vectors

    def inside(self, vectors: Array) -> Array:
        """Return vectors (m, d) as they stand in the decomposition's space, (m, K)."""
        return vectors @ self.frame.subspace.matrix.T

    def retrieve(self, texts: Sequence[str], V_div: Array) -> list[int]:
        """Return the indices of the texts of a long list that may explain V_div (d,)."""
        return retrieve(self.encoder, texts, V_div, self.frame, self.method.template)

    def fit(self, sample: Sample, texts: Sequence[str]) -> Fitted:
        """Decompose without saying how sure each number is; see `finexl.core.analysis.fit`."""
        vectors = self.vectors(texts).vectors
        return fit(sample, vectors, self.unrelated, texts, self.frame, self.method, seed=self.seed)

    def analyse(
        self,
        sample: Sample,
        texts: Sequence[str],
        *,
        limit: int | None = None,
        pinned: Sequence[int] = (),
        chosen: Sequence[int] = (),
    ) -> tuple[Analysis, ConceptVectors]:
        """Decompose a sample's V_div into these concepts; see `finexl.core.analysis.analyse`."""
        mapped = self.vectors(texts)
        analysis = analyse(
            sample,
            mapped.vectors,
            self.unrelated,
            texts,
            self.frame,
            self.method,
            seed=self.seed,
            limit=limit,
            pinned=pinned,
            chosen=chosen,
        )
        return analysis, mapped
