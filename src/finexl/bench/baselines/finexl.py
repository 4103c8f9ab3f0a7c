"""FineXL itself, its three decompositions behind the same Protocol as what it is compared with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from finexl.bench.baselines.wording import NOTHING, distinct, say
from finexl.bench.methods import Case, Told
from finexl.core.divergence import Paired


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
        words = distinct(case.words)
        if not words or not case.n:
            return Told(NOTHING, {})
        measure = replace(case.measure, decomposition=self.decomposition, seed=case.seed)
        if measure == case.measure:  # which has mapped its frame already
            measure = case.measure
        units = [
            f"pair {i}" if picture.prompt is None else f"prompt {picture.prompt}"
            for i, picture in enumerate(case.base.pictures)
        ]
        # what explanations say of how sure a score is, is not compared: it takes most of the time
        fitted = measure.fit(Paired.of(case.after - case.before, units), words)
        found = zip(fitted.kept, fitted.scores, strict=True)
        scores = {words[j]: float(score) for j, score in found if score != 0}
        ordered = sorted(scores, key=lambda word: -abs(scores[word]))
        more = [word for word in ordered if scores[word] > 0]
        less = [word for word in ordered if scores[word] < 0]
        return Told(say(more, less), {word: scores[word] for word in (*more, *less)})
