"""Concepts by looking, in a loop (§4.2, §4.5): ask, see what is left, ask about that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finexl.cache import key_of
from finexl.concepts.cleaning import Proposal, Removed, clean
from finexl.concepts.proposals import Heard, ask_all, plan
from finexl.concepts.vocabulary import Concept, concept_from
from finexl.core.orthogonality import unit_rows
from finexl.embedding import Progress
from finexl.errors import FinexlError, NoReplyError, UsageError
from finexl.evidence import Evidence
from finexl.explanation import Round
from finexl.images import Picture
from finexl.measure import Measure
from finexl.options import Inquiry
from finexl.pairing import Compared
from finexl.runs import PROPOSALS, Run
from finexl.vlm import VLM


class NoConceptError(FinexlError):
    """A model answered, and named nothing that could be a concept."""


E_DECOMP = 0.2
"""Eq. 11: with a residual no larger, nothing more is asked."""
LEAST_FALL = 0.01
"""A round that lowers the residual by less has brought nothing."""
AGAIN = 3
"""Questions in each later round, about the third of the pairs that is explained least."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """What a model proposed."""

    proposals: tuple[Proposal, ...]
    concepts: tuple[Concept, ...]
    """The proposals as candidates, in the same order."""
    removed: tuple[Removed, ...]
    heard: Heard
    rounds: tuple[Round, ...]
    stopped: str
    keys: tuple[str, ...]
    """What to call each pair."""


@dataclass
class _Showing:
    """A base's picture and a personalized one, opened when a question needs them."""

    key: str
    base: Picture
    personalized: Picture
    _digest: str | None = field(default=None, repr=False)

    def open(self) -> tuple[Image.Image, Image.Image]:
        return self.base.open(), self.personalized.open()

    def digest(self) -> str:
        if self._digest is None:
            self._digest = key_of(self.base.digest(), self.personalized.digest())
        return self._digest


def discover(
    vlm: VLM,
    looked: Compared,
    evidence: Evidence,
    pool_with: Callable[[Sequence[Concept]], tuple[Concept, ...]],
    measure: Measure,
    inquiry: Inquiry,
    run: Run,
    *,
    excluded: Sequence[str] = (),
    progress: Progress = lambda *_: None,
) -> Found:
    """Ask what changes between the sets, several times, then about what is left unexplained.

    Args:
        vlm: who is asked.
        looked: the images that may be looked at.
        evidence: what they say about V_div.
        pool_with: the pool that some proposals make with everything else.
        measure: how a pool is fitted.
        inquiry: how often, about how many pairs, in which words.
        run: keeps every reply, and has those of an earlier attempt.
        excluded: concepts to leave out.
        progress: told of every answer.

    Raises:
        NoReplyError: no question was answered.
        NoConceptError: no reply names a concept.
        UsageError: there are no pictures to show, or the model cannot be asked.
        PrerequisiteError: a key, a model or a host is missing.
    """
    rng = np.random.default_rng([measure.seed, 0x564C4D])
    shown = _showings(looked, evidence, rng)
    paired = evidence.rows is not None
    heard, rounds, asked = Heard(), [], set[tuple[frozenset[int], bool]]()
    asks = plan(range(len(shown)), inquiry.rounds, inquiry.pairs, rng, asked=asked)
    while True:
        total, before = heard.asked + len(asks), heard.replies

        def answered(done: int, total: int = total, before: int = before) -> None:
            progress(f"Asking {vlm.name}", before + done, total)

        ask_all(vlm, shown, asks, inquiry.template, run, heard, answered, paired=paired)
        proposals, removed = clean(
            heard.votes,
            prompts=evidence.prompts,
            excluded=excluded,
            vectors=lambda texts: measure.inside(measure.vectors(texts).vectors),
        )
        _require(vlm, heard, proposals, run)
        concepts = tuple(concept_from(proposal.concept) for proposal in proposals)
        pool = pool_with(concepts)
        fitted = measure.fit(evidence.sample, [concept.text for concept in pool])
        rounds.append(Round(len(asks), fitted.residual))
        stopped = _why_stop(rounds, inquiry, heard)
        if stopped is None:
            least = _least_explained(evidence, fitted.left, measure, len(shown))
            asks = plan(least, AGAIN, inquiry.pairs, rng, heard.asked, asked)
            stopped = None if asks else "every question about these pairs had been asked"
        if stopped is not None:
            keys = tuple(showing.key for showing in shown)
            return Found(proposals, concepts, removed, heard, tuple(rounds), stopped, keys)


def _showings(looked: Compared, evidence: Evidence, rng: np.random.Generator) -> list[_Showing]:
    """Return the pairs that can be shown; of unpaired sets, pictures put together at random."""
    base, personalized = looked.base, looked.personalized
    if any(isinstance(p.source, np.ndarray) for p in (*base.pictures, *personalized.pictures)):
        raise UsageError(
            "A vision-language model looks at pictures, and only embeddings were given; give the "
            "images, or leave the model out."
        )
    if evidence.rows is not None:
        return [
            _Showing(p.key, base.pictures[p.base[0]], personalized.pictures[p.personalized[0]])
            for p in evidence.pairs
        ]
    left, right = evidence.opened
    n = min(len(left), len(right))
    ours = [base.pictures[left[i]] for i in rng.permutation(len(left))[:n]]
    theirs = [personalized.pictures[right[i]] for i in rng.permutation(len(right))[:n]]
    return [_Showing(f"{a.key} and {b.key}", a, b) for a, b in zip(ours, theirs, strict=True)]


def _require(vlm: VLM, heard: Heard, proposals: Sequence[Proposal], run: Run) -> None:
    """Refuse to go on as if nobody had been asked."""
    if not heard.replies:
        raise NoReplyError(
            f"{vlm.name} answered none of {heard.asked} questions. {heard.failures[0]}"
        )
    if proposals:
        return
    kept = "" if run.folder is None else f" The replies are in {run.folder / PROPOSALS}."
    why = [*heard.remarks, *(reason for _, reason in heard.refused)]
    said = f" ({', '.join(dict.fromkeys(why))})" if why else ""
    raise NoConceptError(
        f"None of the {heard.replies} replies of {vlm.name} names a concept{said}.{kept} Try "
        "another model or --vlm-template, or leave --vlm out."
    )


def _why_stop(rounds: Sequence[Round], inquiry: Inquiry, heard: Heard) -> str | None:
    left = rounds[-1].residual
    if heard.failures:
        return "not every question was answered"
    if left is None:
        return "the pairs looked at do not tell how much is left unexplained"
    if left <= E_DECOMP:
        return f"the held-out residual reached {E_DECOMP:g}"
    if len(rounds) > 1:
        before = rounds[-2].residual
        if before is not None and left > before - LEAST_FALL:
            return "the held-out residual no longer fell"
    if len(rounds) > inquiry.again:
        return "it had been asked as often as was allowed"
    return None


def _least_explained(evidence: Evidence, left: Array, measure: Measure, n: int) -> list[int]:
    """Return the third of the pairs that moves most along what is left of V_div."""
    if evidence.rows is None:
        return list(range(n))
    along = measure.inside(evidence.rows) @ unit_rows(left[None])[0]
    return [int(i) for i in np.argsort(-along, kind="stable")[: max(1, -(-n // 3))]]
