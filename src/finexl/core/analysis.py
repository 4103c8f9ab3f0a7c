"""One model's divergence, decomposed and tested: the numbers behind an explanation.

V_div → the decomposition's space → concepts kept → weights → shares, intervals, tests
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from finexl.core.decompositions import Decomposition, Weights, functionals, refit
from finexl.core.divergence import Sample
from finexl.core.orthogonality import unit_rows
from finexl.core.significance import (
    ALPHA,
    MIN_PROMPTS,
    Detection,
    adjusted_p_values,
    alignments,
    detect,
    noise_floor,
    simultaneous_quantile,
    specific,
)
from finexl.core.subspace import Subspace
from finexl.core.uncertainty import Shares, held_out_shares, intervals, reproducible

Array = NDArray[np.float64]

SPLIT_FROM = 20
"""From so many prompts on, one half chooses the concepts and the other gives their intervals."""
UNTESTED_LIMIT = 3
"""Most concepts kept where there are too few prompts to test."""
SPLITS = 50
"""Two-fold splits of the held-out stopping rule."""
RESAMPLES = 1000
"""Bootstrap reruns of the selection."""
IDENTICAL = 1e-6
"""A divergence below this part of r is rounding: the encoder sees no difference."""


@dataclass(frozen=True)
class Frame:
    """Where concepts are compared and what a score of 1 is: fixed per encoder revision."""

    subspace: Subspace
    scale: float
    """r: a score is w·‖f(C)‖/r."""


@dataclass(frozen=True)
class Kept:
    """The numbers of one kept concept; None where undefined."""

    index: int
    score: float
    ci: tuple[float, float] | None
    effect: float
    weight: float
    share: float | None
    share_in_sample: float
    alignment: float
    selected: float | None
    q_value: float | None
    specific: bool
    significant: bool | None


@dataclass(frozen=True)
class Analysis:
    """Everything measured about one divergence."""

    norm: float
    noise_floor: float | None
    p_value: float | None
    detected: bool | None
    alignment: Array | None
    """(m,), every candidate's cosine with V_div; None where V_div = 0."""
    q_values: Array | None
    """(m,), every candidate's q, NaN for those chosen on this sample; None where untestable."""
    specific: NDArray[np.bool_] | None
    """(m,), which candidates fit better than unrelated phrases; None where V_div = 0."""
    kept: tuple[Kept, ...]
    residual: float | None
    residual_squared: float | None
    residual_in_sample: float | None
    outside: float | None
    dropped: tuple[tuple[str, str], ...]
    confirmed: bool
    """Whether any concept met the stopping rule."""
    simultaneous: bool
    """Whether the intervals hold for the whole pool at once (below 20 prompts)."""


@dataclass(frozen=True)
class Fitted:
    """V_div on a pool, and what that leaves of it; nothing about how sure that is."""

    residual: float | None
    """√(1 − Σ shares), held-out; None where no difference is detected or nothing reproduces."""
    left: Array
    """(K,), V_div less the kept concepts' part, in the decomposition's space."""
    kept: tuple[int, ...]
    """Which concepts were kept."""
    scores: Array
    """(kept,), theirs, as `Kept.score`."""


def fit(
    sample: Sample,
    F: Array,
    distractors: Array,
    concepts: Sequence[str],
    frame: Frame,
    decomposition: Decomposition,
    *,
    seed: int,
) -> Fitted:
    """Decompose a sample's V_div as `analyse` does, with the same scores; nothing is tested."""
    if np.linalg.norm(sample.mean) <= IDENTICAL * frame.scale:
        return Fitted(None, sample.through(frame.subspace.matrix).mean, (), np.zeros(0))
    found = _decompose(sample, F, distractors, concepts, frame, decomposition, seed)
    kept = found.G[found.kept]
    return Fitted(
        found.residual,
        found.inside.mean - found.w @ kept,
        tuple(found.kept),
        found.w * np.linalg.norm(kept, axis=1) / frame.scale,
    )


@dataclass(frozen=True)
class _Decomposed:
    """V_div on its support, before anything is said of how sure that is."""

    inside: Sample
    G: Array
    """(m, K), the pool in the decomposition's space."""
    H: Array
    """(q, K), the unrelated phrases."""
    weights: Weights
    judge: Sample | None
    kept: list[int]
    """What was chosen, and what was pinned beside it."""
    L: Array
    w: Array
    left: float
    detection: Detection | None
    shares: Shares | None

    @property
    def detected(self) -> bool:
        """Whether a difference was tested and found."""
        return self.detection is not None and self.detection.detected

    @property
    def residual(self) -> float | None:
        """√(1 − Σ shares)."""
        if self.shares is None:
            return None
        return float(np.sqrt(max(self.shares.residual_squared, 0.0)))


def _decompose(
    sample: Sample,
    F: Array,
    distractors: Array,
    concepts: Sequence[str],
    frame: Frame,
    decomposition: Decomposition,
    seed: int,
    limit: int | None = None,
    pinned: Sequence[int] = (),
) -> _Decomposed:
    testable = sample.n >= MIN_PROMPTS
    detection = detect(sample, _stream(seed, "detect")) if testable else None
    inside = sample.through(frame.subspace.matrix)
    G, H = F @ frame.subspace.matrix.T, distractors @ frame.subspace.matrix.T
    weights, judge = _select(inside, G, H, concepts, decomposition, seed, limit)
    kept = [*weights.kept, *(j for j in pinned if j not in weights.kept and G[j].any())]
    L = functionals(G, kept, decomposition.ridge)
    w, left = refit(inside.mean, G, kept, decomposition.ridge)
    # where no difference is detected there is nothing that could be shared out
    detected = detection is not None and detection.detected
    shares = held_out_shares(reproducible(inside), G[kept], L) if detected else None
    return _Decomposed(inside, G, H, weights, judge, kept, L, w, left, detection, shares)


def analyse(
    sample: Sample,
    F: Array,
    distractors: Array,
    concepts: Sequence[str],
    frame: Frame,
    decomposition: Decomposition,
    *,
    seed: int,
    limit: int | None = None,
    pinned: Sequence[int] = (),
    chosen: Sequence[int] = (),
) -> Analysis:
    """Decompose a sample's V_div into concepts and say how sure each number is.

    Args:
        sample: the embeddings of both sets, in the encoder's space.
        F: (m, d), the pool's concept vectors.
        distractors: (q, d), vectors of unrelated phrases.
        concepts: the pool's words.
        frame: the decomposition's space and scale.
        decomposition: how to decompose.
        seed: of every random draw; each purpose has its own stream.
        limit: the most concepts to keep.
        pinned: candidates that are kept beside those chosen, because somebody asked for them.
        chosen: candidates that were chosen by looking at this very sample: they get no q, since
            its null would have to choose as well, and are not called significant.

    Raises:
        ValueError: an embedding or a concept vector with a number that is not finite.
    """
    norm = float(np.linalg.norm(sample.mean))
    if not (np.isfinite(norm) and np.isfinite(F).all() and np.isfinite(distractors).all()):
        raise ValueError("embeddings and concept vectors must be finite")
    testable = sample.n >= MIN_PROMPTS
    floor = noise_floor(sample) if sample.n > 1 else None
    if norm <= IDENTICAL * frame.scale:
        return _identical(floor, concepts)

    found = _decompose(sample, F, distractors, concepts, frame, decomposition, seed, limit, pinned)
    inside, G, weights, kept = found.inside, found.G, found.weights, found.kept
    dropped = tuple(d for d in weights.dropped if d[0] not in {concepts[j] for j in kept})
    numbers = _Columns(
        alignment=alignments(inside.mean, G),
        specific=specific(alignments(inside.mean, G), alignments(inside.mean, found.H)),
        q=_q_values(inside, G, chosen, seed) if testable else None,
        weight=found.w,
        unit=np.linalg.norm(G[kept], axis=1) / frame.scale,
        effect=unit_rows(G[kept]) @ inside.mean / frame.scale,
        ends=_intervals(inside, found.judge, G, found.L, found.w, seed) if testable else None,
        share=None if found.shares is None else found.shares.each,
        share_in_sample=found.w * (G[kept] @ inside.mean) / float(inside.mean @ inside.mean),
        selected=_stability(inside, G, kept, len(weights.kept), decomposition, seed)
        if testable
        else None,
    )
    detection = found.detection
    certain = None if detection is None else found.detected and weights.confirmed
    return Analysis(
        norm=norm,
        noise_floor=floor,
        p_value=detection.p_value if detection else None,
        detected=detection.detected if detection else None,
        alignment=numbers.alignment,
        q_values=numbers.q,
        specific=numbers.specific,
        kept=tuple(numbers.of(i, j, certain) for i, j in enumerate(kept)),
        residual=found.residual,
        residual_squared=None if found.shares is None else found.shares.residual_squared,
        residual_in_sample=None if np.isnan(found.left) else found.left,
        outside=_outside(sample, frame.subspace) if found.detected else None,
        dropped=dropped,
        confirmed=weights.confirmed,
        simultaneous=testable and sample.n < SPLIT_FROM,
    )


@dataclass(frozen=True)
class _Columns:
    """The numbers of all kept concepts, side by side; the first three are over the pool."""

    alignment: Array
    specific: NDArray[np.bool_]
    q: Array | None
    weight: Array
    unit: Array
    """What turns a weight into a score."""
    effect: Array
    ends: tuple[Array, Array] | None
    share: Array | None
    share_in_sample: Array
    selected: Array | None

    def of(self, i: int, index: int, certain: bool | None) -> Kept:
        """Return the i-th kept concept's numbers; `index` is its place in the pool."""
        q = None if self.q is None or np.isnan(self.q[index]) else float(self.q[index])
        is_specific = bool(self.specific[index])
        unit, effect = float(self.unit[i]), float(self.effect[i])
        score = float(self.weight[i]) * unit
        ends = self.ends
        ci = None if ends is None else (float(ends[0][i]) * unit, float(ends[1][i]) * unit)
        # q speaks of the concept alone, the score of its part beside the others: both have to agree
        one_sided = ci is not None and ci[0] * ci[1] > 0 and score * effect > 0
        return Kept(
            index=index,
            score=score,
            ci=ci,
            effect=effect,
            weight=float(self.weight[i]),
            share=None if self.share is None else float(self.share[i]),
            share_in_sample=float(self.share_in_sample[i]),
            alignment=float(self.alignment[index]),
            selected=None if self.selected is None else float(self.selected[i]),
            q_value=q,
            specific=is_specific,
            significant=None
            if certain is None or q is None
            else certain and q <= ALPHA and is_specific and one_sided,
        )


def _select(
    inside: Sample,
    G: Array,
    unrelated: Array,
    concepts: Sequence[str],
    decomposition: Decomposition,
    seed: int,
    limit: int | None,
) -> tuple[Weights, Sample | None]:
    """Choose the concepts; return also the half that judges them, where there is one."""
    if inside.n < MIN_PROMPTS:
        limit = UNTESTED_LIMIT if limit is None else min(limit, UNTESTED_LIMIT)
        return decomposition.fit(inside.mean, G, concepts, unrelated=unrelated, limit=limit), None
    alone = inside.n < SPLIT_FROM
    chooser, judge = (inside, None) if alone else inside.halves(_stream(seed, "judge"))
    weights = decomposition.fit(
        chooser.mean,
        G,
        concepts,
        halves=_splits(chooser, seed),
        unrelated=unrelated,
        limit=limit,
    )
    if judge is None:
        return weights, None
    return _steady(weights, chooser.mean, inside.mean, G, concepts, decomposition), judge


def _steady(
    weights: Weights,
    chooser: Array,
    V: Array,
    G: Array,
    concepts: Sequence[str],
    decomposition: Decomposition,
) -> Weights:
    """Drop concepts that change sign between the half that chose them and all pairs.

    Neither their weight nor their own alignment may: so a decomposition whose signs match the
    alignments on the half keeps that promise on all pairs.
    """
    kept = list(weights.kept)
    chosen = dict(zip(weights.kept, np.sign(weights.w), strict=True))
    aligned = np.sign(G @ chooser) == np.sign(G @ V)
    dropped = list(weights.dropped)
    while kept:
        w, left = refit(V, G, kept, decomposition.ridge)
        turned = [
            j
            for j, value in zip(kept, w, strict=True)
            if np.sign(value) != chosen[j] or not aligned[j]
        ]
        if not turned:
            return Weights(w, left, tuple(kept), tuple(dropped), weights.confirmed)
        dropped += [(concepts[j], "it changes sign between halves of the pairs") for j in turned]
        kept = [j for j in kept if j not in turned]
    alone = decomposition.fit(V, G, concepts, limit=1)
    listed = [concepts[j] for j in alone.kept]
    others = tuple((concept, reason) for concept, reason in dropped if concept not in listed)
    return replace(alone, dropped=others, confirmed=False)


def _intervals(
    inside: Sample, judge: Sample | None, G: Array, L: Array, w: Array, seed: int
) -> tuple[Array, Array]:
    """Return the weights' intervals: from the half that did not choose, else for the whole pool."""
    if judge is None:
        critical = simultaneous_quantile(inside, G, _stream(seed, "interval"))
        return intervals(inside, L, simultaneous=critical)
    low, high = intervals(judge, L)
    # the judging half's own interval; the estimate from all pairs belongs inside it
    return np.minimum(low, w), np.maximum(high, w)


def _q_values(inside: Sample, G: Array, chosen: Sequence[int], seed: int) -> Array:
    q = adjusted_p_values(inside, G, _stream(seed, "pool"))
    q[list(chosen)] = np.nan
    return q


def _stability(
    inside: Sample,
    G: Array,
    kept: list[int],
    count: int,
    decomposition: Decomposition,
    seed: int,
) -> Array:
    """Return how often each kept concept is among the `count` that a resample would choose."""
    resampled = inside.resample(_stream(seed, "stability"), RESAMPLES)
    frequency: Array = decomposition.reselect(resampled, G, count)[:, kept].mean(axis=0)
    return frequency


def _outside(sample: Sample, subspace: Subspace) -> float | None:
    """Return the part of the length that no concept reaches; None where the space is all of it."""
    rank, d = subspace.directions.shape
    M = reproducible(sample)
    total = float(np.trace(M))
    if rank >= d or not total > 0:
        return None
    within = float(np.trace(subspace.directions @ M @ subspace.directions.T)) / total
    return float(np.sqrt(np.clip(1.0 - within, 0.0, 1.0)))


def _splits(sample: Sample, seed: int) -> list[tuple[Array, Array]]:
    rng = _stream(seed, "splits")
    pairs = (sample.halves(rng) for _ in range(SPLITS))
    return [(first.mean, second.mean) for first, second in pairs]


_PURPOSES = ("detect", "pool", "splits", "judge", "interval", "stability")


def _stream(seed: int, purpose: str) -> np.random.Generator:
    """Return a purpose's own generator: what one step draws never shifts another's draws."""
    return np.random.default_rng([seed, _PURPOSES.index(purpose)])


def _identical(floor: float | None, concepts: Sequence[str]) -> Analysis:
    """V_div = 0: nothing is undefined about "no difference", everything else is."""
    return Analysis(
        norm=0.0,
        noise_floor=floor,
        p_value=1.0,
        detected=False,
        alignment=None,
        q_values=None,
        specific=None,
        kept=(),
        residual=None,
        residual_squared=None,
        residual_in_sample=None,
        outside=None,
        dropped=tuple((concept, "there is no difference to explain") for concept in concepts),
        confirmed=False,
        simultaneous=False,
    )
