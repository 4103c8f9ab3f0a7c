"""SpLiCE: Bhalla et al., "Interpreting CLIP with Sparse Linear Concept Embeddings" (2024).

Pictures and words are unit rows, centred by the mean of their own kind (which closes the gap
between the two), and unit rows again: z and C. Every picture is a sparse code of words,

    w(z) = argmin over w ≥ 0 of ½‖z − w C‖² + λ Σ w

and two sets of pictures differ by the difference of their mean codes. Their image mean is one of
MSCOCO; here it is that of the case's own pictures of both sets, so that it holds for any encoder.
Their λ counts twice: their code minimises ‖z − w C‖² + λ′ Σ w with λ′ = 2λ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finexl.bench.baselines.wording import distinct, say
from finexl.bench.baselines.zeroshot import unit_texts
from finexl.bench.methods import Case, Told
from finexl.core.orthogonality import unit_rows
from finexl.core.sparse_codes import nonnegative_codes

Array = NDArray[np.float64]

PENALTY = 0.15
"""About 16 words of 403 for a picture in the embedded space."""
TOP = 5
SAME = 1e-9
"""What is nearer than this differs by rounding."""


@dataclass(frozen=True)
class Splice:
    """The difference of mean sparse codes; `scores` has every word whose mean weight changed."""

    penalty: float = PENALTY
    """λ, in units of a cosine: a word that no picture is nearer to is in no code."""
    top: int = TOP
    """Words that the text tells of, of both directions together."""
    name: str = "SpLiCE"

    def tell(self, case: Case) -> Told:
        """Explain one personalized model. See `Method.tell`."""
        words = distinct(case.words)
        if not words or not case.n:
            return Told(say((), ()), {})
        before, after = unit_rows(case.before), unit_rows(case.after)
        texts = unit_texts(case.measure.encoder, words)
        Z, C = centred(np.concatenate([before, after])), centred(texts)
        codes = nonnegative_codes(Z, C, self.penalty)
        change = codes[len(before) :].mean(axis=0) - codes[: len(before)].mean(axis=0)
        order = np.argsort(-np.abs(change), kind="stable")
        found = {words[i]: float(change[i]) for i in order if abs(change[i]) > SAME}
        told = list(found)[: self.top]
        more = [word for word in told if found[word] > 0]
        return Told(say(more, [word for word in told if found[word] < 0]), found)


def centred(rows: Array) -> Array:
    """Return unit rows (n, d) about their mean, at unit length again; one at the mean is zeros."""
    moved = rows - rows.mean(axis=0)
    moved[np.linalg.norm(moved, axis=1) <= SAME] = 0.0
    return unit_rows(moved)
