"""VisDiff: Dunlap et al., "Describing Differences in Image Sets with Natural Language", CVPR 2024.

1  a sample of both sets is captioned, and a language model proposes phrases that hold more often
   for one set (or a model looks at a grid of both); both directions are asked for
2  each phrase's cosine with every picture tells the sets apart or not: AUROC
3  those that Welch's t-test finds significant, the five best of each direction

The sets are not taken as pairs. Unlike there, phrases are judged on pictures that the proposer did
not see; the word list, which sees none, is judged on all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import rankdata
from scipy.stats import t as student

from finexl.bench.baselines.asking import ask, model_of, read_list, some_pairs
from finexl.bench.baselines.wording import distinct, say
from finexl.bench.baselines.zeroshot import cosines, unit_texts
from finexl.bench.methods import Case, Told
from finexl.core.significance import ALPHA
from finexl.errors import NoReplyError, UsageError
from finexl.images import Picture
from finexl.vlm import VLM, Question

TOP = 5
ROUNDS = 3
SAMPLE = 20
"""Pictures of each set that one round is about."""
TILE = 128
COLUMNS = 10
_CAPTION = "Describe this picture in one sentence: what it shows, and its style, colours and light."
_CAPTIONED = "These are captions of pictures of two groups."
_GRID = (
    "This picture is a grid of pictures of two groups. The upper half, above the white band, is "
    "group A; the lower half is group B."
)
_PROPOSE = (
    "Find the main differences between the groups. List 10 distinct concepts that are more likely "
    "to be true for group {more} than for group {less}. Each is a short caption of one thing that "
    "can be seen, such as “film grain” or “a sunlit scene”; it does not compare (“more …”), join "
    "two concepts, list examples, or talk about captions. Answer with one concept a line, each "
    "after a bullet “*”, and nothing else."
)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Hypothesis:
    """A phrase, and how well it tells the personalized pictures from the base's."""

    text: str
    auroc: float
    """Chance that it fits a personalized picture better than one of the base, in [0, 1]."""
    p: float
    """Of Welch's t-test; NaN where a set has a single picture."""


@dataclass(frozen=True)
class VisDiff:
    """Phrases proposed, then ranked by how well they tell the two sets apart.

    `scores` are 2 · AUROC − 1, in [−1, 1]: below 0 for a phrase that holds less often. `text` has
    the phrases alone, in their order: what the method publishes and a model grades.
    """

    vlm: str | None = None
    """The name of the model that the cases bring; None: the word list is proposed."""
    proposer: Literal["captions", "pictures"] = "captions"
    """What the model proposes from; without one this says nothing."""
    top: int = TOP
    """Phrases of each direction at most."""

    @property
    def name(self) -> str:
        """What tables call it."""
        if self.vlm is None:
            return "VisDiff (vocabulary)"
        return f"VisDiff ({self.vlm}{', grids' if self.proposer == 'pictures' else ''})"

    def tell(self, case: Case) -> Told:
        """Explain one personalized model. See `Method.tell`."""
        more, less = self.found(case)
        scores = {h.text: 2 * h.auroc - 1 for h in (*more, *less)}
        return Told(say([h.text for h in more], [h.text for h in less]), scores)

    def found(self, case: Case) -> tuple[list[Hypothesis], list[Hypothesis]]:
        """Return what holds more often and what less often, at most `top` each, best first.

        Raises:
            UsageError: there is a model and a single pair: none is left to judge by.
            NoReplyError: the model proposes nothing.
        """
        vlm = model_of(case, self.vlm)
        more: Sequence[str] = distinct(case.words)
        less, held = more, np.arange(case.n)
        if vlm is not None:
            seen = some_pairs(case, min(ROUNDS * SAMPLE, case.n // 2))
            if not seen:
                raise UsageError("VisDiff looks at one half of the pairs: give two or more.")
            held = np.setdiff1d(held, seen)
            more, less = self._proposed(case, vlm, seen)
        ranked = [_ranked(case, held, texts) for texts in (more, less)]
        return (
            [h for h in ranked[0] if h.auroc > 0.5 and h.p < ALPHA][: self.top],
            [h for h in ranked[1][::-1] if h.auroc < 0.5 and h.p < ALPHA][: self.top],
        )

    def _proposed(
        self, case: Case, vlm: VLM, seen: Sequence[int]
    ) -> tuple[Sequence[str], Sequence[str]]:
        """Return what is said to hold more often for the personalized set, and for the base."""
        more: dict[str, None] = {}
        less: dict[str, None] = {}
        for start in range(0, len(seen), SAMPLE):
            some = seen[start : start + SAMPLE]
            base = [case.base.pictures[i] for i in some]
            personalized = [case.personalized.pictures[i] for i in some]
            if self.proposer == "captions":
                told = _captions(vlm, base, "A") + _captions(vlm, personalized, "B")
                shown: tuple[str | Image.Image, ...] = (_CAPTIONED, "\n".join(told))
            else:
                shown = (grid(base, personalized), _GRID)
            for phrases, names in ((more, ("B", "A")), (less, ("A", "B"))):
                words = _PROPOSE.format(more=names[0], less=names[1])
                phrases.update(dict.fromkeys(ask(vlm, Question((*shown, words)), read_list)))
        return list(more), list(less)


def _captions(vlm: VLM, pictures: Sequence[Picture], group: str) -> list[str]:
    """Return a line for each picture that the model describes.

    Raises:
        NoReplyError: it describes none.
    """

    def caption(picture: Picture) -> str:
        try:
            text = vlm.ask(Question((picture.open(), _CAPTION), max_tokens=128)).text
        except NoReplyError:
            return ""
        return " ".join(text.split())

    with ThreadPoolExecutor(max(1, vlm.concurrency)) as pool:
        said = [text for text in pool.map(caption, pictures) if text]
    if not said:
        raise NoReplyError(f"The model {vlm.name} describes none of {len(pictures)} pictures.")
    return [f"Group {group}: {text}" for text in said]


def grid(above: Sequence[Picture], below: Sequence[Picture]) -> Image.Image:
    """Return two groups of pictures as one: rows of small squares, a white band between."""
    rows = -(-max(len(above), len(below)) // COLUMNS)
    columns = min(COLUMNS, max(len(above), len(below)))
    sheet = Image.new("RGB", (columns * TILE, 2 * rows * TILE + TILE // 4), "white")
    for top, pictures in ((0, above), (rows * TILE + TILE // 4, below)):
        for number, picture in enumerate(pictures):
            row, column = divmod(number, COLUMNS)
            sheet.paste(picture.open().resize((TILE, TILE)), (column * TILE, top + row * TILE))
    return sheet


def _ranked(case: Case, held: NDArray[np.intp], texts: Sequence[str]) -> list[Hypothesis]:
    """Return the phrases with their numbers on these pairs' pictures, by falling AUROC."""
    if not texts or not len(held):
        return []
    rows = unit_texts(case.measure.encoder, texts)
    base, personalized = cosines(case.before[held], rows), cosines(case.after[held], rows)
    areas, p = auroc(personalized, base), welch(personalized, base)
    order = np.argsort(-areas, kind="stable")
    return [Hypothesis(texts[i], float(areas[i]), float(p[i])) for i in order]


def auroc(positive: Array, negative: Array) -> Array:
    """Return for each column the chance that a positive row exceeds a negative one, ties half."""
    n, k = len(positive), len(negative)
    ranks = rankdata(np.vstack([positive, negative]), axis=0)[:n].sum(axis=0)
    area: Array = (ranks - n * (n + 1) / 2) / (n * k)
    return area


def welch(a: Array, b: Array) -> Array:
    """Return for each column the two-sided p of Welch's t-test between the rows of a and b.

    NaN where a set has a single row; where no row differs from its own set, 1 for equal sets, else
    0.
    """
    if min(len(a), len(b)) < 2:
        return np.full(a.shape[1], np.nan)
    of_a, of_b = a.var(axis=0, ddof=1) / len(a), b.var(axis=0, ddof=1) / len(b)
    apart, error = a.mean(axis=0) - b.mean(axis=0), np.sqrt(of_a + of_b)
    with np.errstate(divide="ignore", invalid="ignore"):
        dof = (of_a + of_b) ** 2 / (of_a**2 / (len(a) - 1) + of_b**2 / (len(b) - 1))
        p = 2 * student.sf(np.abs(apart) / error, dof)
    found: Array = np.where(error > 0, p, np.where(apart == 0, 1.0, 0.0))
    return found
