"""GSCLIP: Zhu, Liang & Zou, "A Framework for Explaining Distribution Shifts in Natural Language".

1  generators, which see no picture: a rule that puts words into a phrase, and a language model
2  the selector ranks candidates by how well the shift of the text's embedding, from a plain phrase
   to the one with the candidate, aligns with the shift of the pictures' mean embedding

Both shifts are taken between unit embeddings and compared by their cosine, so that a candidate with
a long shift has no advantage. One phrase is moved, not the pictures' prompts as in Eq. 6.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finexl.bench.baselines.asking import ask, model_of, read_list
from finexl.bench.baselines.wording import distinct, say
from finexl.bench.baselines.zeroshot import unit_texts
from finexl.bench.methods import Case, Told
from finexl.core.orthogonality import unit_rows
from finexl.vlm import VLM, Question

TOP = 5
PLAIN = "a picture"
RULE = "a picture, {}"
"""How the rule-based generator words a candidate: fits adjectives, nouns and phrases alike."""
PROMPTS = 20
IDENTICAL = 1e-9
"""Means of unit rows that are nearer than this differ by rounding."""
_GENERATE = (
    "Two datasets of pictures show the same subjects{subjects}. They differ in something that you "
    "cannot see. List 20 varied guesses of what may be true of one dataset's pictures and not of "
    "the other's: style, colours, light, texture, surroundings. Each is a phrase that completes "
    "“a picture, …”. Answer with one phrase a line, each after a bullet “*”, and nothing else."
)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class GSCLIP:
    """Candidates from generators that see nothing, chosen by the shift of embeddings.

    `scores` are the selector's: the cosine of the two shifts, in [−1, 1], of the `top` candidates
    that align best, either way. Where the means of the pictures do not differ, nothing is found.
    """

    vlm: str | None = None
    """The name of the model that the cases bring, as a second generator; None: the rule alone."""
    top: int = TOP
    """Candidates told of, of both directions together."""

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"GSCLIP ({'vocabulary' if self.vlm is None else f'vocabulary and {self.vlm}'})"

    def tell(self, case: Case) -> Told:
        """Explain one personalized model. See `Method.tell`."""
        vlm = model_of(case, self.vlm)
        generated = [] if vlm is None else _generated(case, vlm)
        candidates = distinct([*generated, *case.words])
        before, after = unit_rows(case.before), unit_rows(case.after)
        if not candidates or not case.n:
            return Told(say((), ()), {})
        moved = after.mean(axis=0) - before.mean(axis=0)
        if np.linalg.norm(moved) <= IDENTICAL:
            return Told(say((), ()), {})
        texts = unit_texts(case.measure.encoder, [PLAIN, *map(RULE.format, candidates)])
        aligned = select(texts[1:] - texts[0], moved)
        order = np.argsort(-np.abs(aligned), kind="stable")[: self.top]
        scores = {candidates[i]: float(aligned[i]) for i in order if aligned[i]}
        more = [c for c, score in scores.items() if score > 0]
        return Told(say(more, [c for c, score in scores.items() if score < 0]), scores)


def select(text_shifts: Array, image_shift: Array) -> Array:
    """Return cos(Δ_text, Δ_image) of each candidate: (m, d), (d,) -> (m,); 0 for a shift of 0."""
    cosine: Array = unit_rows(text_shifts) @ unit_rows(image_shift[None])[0]
    return cosine


def _generated(case: Case, vlm: VLM) -> list[str]:
    made = dict.fromkeys(picture.prompt for picture in case.base.pictures if picture.prompt)
    listed = "; ".join(list(made)[:PROMPTS])
    text = _GENERATE.format(subjects=f" ({listed})" if listed else "")
    return ask(vlm, Question((text,)), read_list)
