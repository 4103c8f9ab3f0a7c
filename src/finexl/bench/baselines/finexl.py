"""FineXL itself, its three decompositions behind the same Protocol as what it is compared with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from finexl.answer import aspects_of, by_text
from finexl.bench.baselines.wording import NOTHING, distinct
from finexl.bench.methods import Case, Told
from finexl.concepts.vocabulary import concept_from
from finexl.core.divergence import Paired
from finexl.explanation import Divergence
from finexl.sentences import write_sentences


@dataclass(frozen=True)
class FineXL:
    """V_div (Eq. 5) decomposed into the words (Eq. 10); `scores` are the joint coefficients.

    Each is a score as explanations have it: w · ‖f(C)‖ / r, below 0 where there is less. What was
    not kept is not in it; the best guess, where nothing is confirmed, is, as a reader sees it too.
    """

    decomposition: Literal["subspace", "nnls", "paper"] = "subspace"

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"FineXL ({self.decomposition})"

    def tell(self, case: Case) -> Told:
        """Explain one personalized model. See `Method.tell`."""
        pool = [concept_from(word) for word in distinct(case.words)]
        if not pool or not case.n:
            return Told(NOTHING, {})
        measure = replace(case.measure, decomposition=self.decomposition, seed=case.seed)
        if measure == case.measure:  # which has mapped its frame already
            measure = case.measure
        units = [
            f"pair {i}" if picture.prompt is None else f"prompt {picture.prompt}"
            for i, picture in enumerate(case.base.pictures)
        ]
        sample = Paired.of(case.after - case.before, units)
        analysis, _ = measure.analyse(sample, [concept.text for concept in pool])
        more, less = aspects_of(analysis, pool, None)
        divergence = Divergence(
            norm=analysis.norm,
            noise_floor=analysis.noise_floor,
            detected=analysis.detected,
            p_value=analysis.p_value,
            vector=sample.mean.astype(np.float32),
            pairs=None,
        )
        sentences = write_sentences(divergence, more, less, analysis.residual, by_text(pool))
        return Told(" ".join(sentences), {a.concept: a.score for a in (*more, *less)})
