"""From numbers to the explanation that is stored and shown."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from finexl.concepts.vocabulary import Concept
from finexl.core.analysis import Analysis, Kept
from finexl.core.divergence import Sample
from finexl.core.orthogonality import unit_rows
from finexl.core.significance import ALPHA, MIN_PROMPTS
from finexl.explanation import Alignment, Aspect, Discovery, Dropped, Proposed
from finexl.options import Inquiry
from finexl.vlm import VLM

if TYPE_CHECKING:  # what only a model's replies need is not loaded without one
    from finexl.concepts.cleaning import Proposal
    from finexl.discovery import Found

Array = NDArray[np.float64]

EXAMPLES = 4
UNSUPPORTED = "proposed, not supported"
EXACT = 1e-6
"""A residual below this means that the concepts can say anything."""


def aspects_of(
    analysis: Analysis, pool: Sequence[Concept], along: Array | None
) -> tuple[tuple[Aspect, ...], tuple[Aspect, ...]]:
    """Return what there is more of and what there is less of, each strongest first.

    Args:
        analysis: the numbers.
        pool: the candidates they are about.
        along: (n, m), how far each pair moves along each candidate; None where unpaired.
    """
    made = [_aspect(kept, pool[kept.index].text, along) for kept in analysis.kept]
    more = sorted((a for a in made if a.score > 0), key=lambda a: -a.score)
    less = sorted((a for a in made if a.score < 0), key=lambda a: a.score)
    return tuple(more), tuple(less)


def _aspect(kept: Kept, concept: str, along: Array | None) -> Aspect:
    examples: tuple[int, ...] = ()
    if along is not None:
        moved = along[:, kept.index] * np.sign(kept.score)
        order = np.argsort(-moved, kind="stable")[:EXAMPLES]
        examples = tuple(int(i) for i in order if moved[i] > 0)
    return Aspect(
        concept=concept,
        score=kept.score,
        ci=kept.ci,
        effect=kept.effect,
        weight=kept.weight,
        share=kept.share,
        share_in_sample=kept.share_in_sample,
        alignment=kept.alignment,
        selected=kept.selected,
        q_value=kept.q_value,
        specific=kept.specific,
        significant=kept.significant,
        examples=examples,
    )


def movement(rows: Array | None, F: Array, matrix: Array) -> Array | None:
    """Return (n, m): each pair's divergence along each unit concept vector, in the given space."""
    if rows is None:
        return None
    moved: Array = rows @ matrix.T @ unit_rows(F @ matrix.T).T
    return moved


def ranked(analysis: Analysis, pool: Sequence[Concept]) -> tuple[Alignment, ...]:
    """Return every candidate's signed cosine with V_div, best first."""
    if analysis.alignment is None:
        return tuple(Alignment(concept.text, None) for concept in pool)
    order = np.argsort(-analysis.alignment, kind="stable")
    return tuple(Alignment(pool[i].text, float(analysis.alignment[i])) for i in order)


def dropped_of(
    analysis: Analysis,
    pool: Sequence[Concept],
    given: Sequence[str],
    discovery: Discovery | None,
) -> tuple[Dropped, ...]:
    """Return what was left out though it aligns as well as something kept, or was named by one."""
    if analysis.alignment is None:
        return ()
    strength = {
        concept.text: abs(float(value))
        for concept, value in zip(pool, analysis.alignment, strict=True)
    }
    least = min((abs(kept.alignment) for kept in analysis.kept), default=0.0)
    named = () if discovery is None else discovery.concepts
    proposed = {p.concept.casefold(): p.supported for p in named}
    asked = {text.casefold() for text in (*given, *proposed)}
    chosen = [
        Dropped(concept, UNSUPPORTED if proposed.get(concept.casefold()) is False else reason)
        for concept, reason in analysis.dropped
        if strength[concept] >= least or concept.casefold() in asked
    ]
    return tuple(sorted(chosen, key=lambda d: -strength[d.concept]))


def discovery_of(
    found: Found | None,
    analysis: Analysis,
    texts: Sequence[str],
    inquiry: Inquiry,
    vlm: VLM | None,
    apart: bool,
) -> Discovery | None:
    """Return what a model proposed, each with what the measured pairs say to it."""
    if found is None or vlm is None:
        return None
    place = {text.casefold(): index for index, text in enumerate(texts)}
    heard = found.heard
    refused = dict.fromkeys(heard.refused)
    return Discovery(
        vlm=vlm.name,
        revision=vlm.revision,
        template=inquiry.template,
        questions=heard.asked,
        replies=heard.replies,
        pairs=len(heard.pairs),
        scored_on="other pairs" if apart else "same pairs",
        rounds=found.rounds,
        stopped=found.stopped,
        concepts=tuple(
            _proposed(p, c.text, found.keys, analysis, place.get(c.text.casefold()))
            for p, c in zip(found.proposals, found.concepts, strict=True)
        ),
        removed=(
            *(Dropped(removed.concept, removed.reason) for removed in found.removed),
            *(Dropped(text, reason) for text, reason in refused),
        ),
    )


def _proposed(
    proposal: Proposal, text: str, keys: Sequence[str], analysis: Analysis, index: int | None
) -> Proposed:
    alignment = q = supported = None
    if index is not None and analysis.alignment is not None and analysis.specific is not None:
        alignment = float(analysis.alignment[index])
        if analysis.q_values is not None and not np.isnan(analysis.q_values[index]):
            q = float(analysis.q_values[index])
            said = proposal.more - proposal.less
            moves = q <= ALPHA and bool(analysis.specific[index]) and bool(analysis.detected)
            supported = moves and alignment * said >= 0
    elif analysis.norm == 0:
        supported = False
    return Proposed(
        concept=text,
        votes=proposal.votes,
        more=proposal.more,
        less=proposal.less,
        pairs=tuple(keys[i] for i in proposal.pairs),
        merged=proposal.merged,
        flags=proposal.flags,
        alignment=alignment,
        q_value=q,
        supported=supported,
    )


def doubts(analysis: Analysis, sample: Sample, noun: str) -> tuple[str, ...]:
    """Return the warnings that the numbers themselves call for."""
    found = []
    if analysis.detected is None:
        found.append(
            f"Too few {noun} to test: {sample.n} with different prompts, and it takes "
            f"{MIN_PROMPTS}; intervals, shares and significance are left open."
        )
    if analysis.simultaneous:
        found.append(
            f"With {sample.n} prompts (fewer than 20) the intervals hold jointly for the whole "
            "pool, and are wide."
        )
    if analysis.residual_squared is not None and analysis.residual_squared < 0:
        found.append(
            "The shares add up to slightly more than 1 by noise; the residual is shown as 0."
        )
    if analysis.detected and analysis.residual is None:
        found.append(
            "Half of the pairs does not predict the other half, so that shares and residual "
            "are undefined."
        )
    if len(analysis.kept) > 1 and (analysis.residual_in_sample or 0.0) < EXACT:
        found.append(
            "The fit is exact: with so large a pool other weights would fit as well, and single "
            "ones mean little."
        )
    if analysis.kept and not analysis.confirmed:
        found.append(
            "No concept explains held-out pairs better than chance; the best-aligned one is "
            "shown as a guess."
        )
    return tuple(found)


def created() -> str:
    """Return the time of day in UTC, or that of SOURCE_DATE_EPOCH where builds set it."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    try:
        now = datetime.fromtimestamp(int(epoch), timezone.utc)
    except (ValueError, OverflowError, OSError):  # not set, or no time
        now = datetime.now(timezone.utc)
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def by_text(pool: Sequence[Concept]) -> Mapping[str, Concept]:
    """Return the candidates by their text."""
    return {concept.text: concept for concept in pool}
