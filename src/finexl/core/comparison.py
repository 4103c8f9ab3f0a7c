"""Several models against one base: what each has of the same concepts, and where they differ.

Models are explained on one shared support, so that no difference between them comes from which
concepts each explanation happened to keep. Effects and scores are linear in V_div, so that the
intervals are Student's over prompts. A difference between two models is that of their pair
divergences prompt by prompt: what their images share, the base's noise above all, cancels.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finexl.core.decompositions import functionals
from finexl.core.divergence import Paired
from finexl.core.orthogonality import total_projection, unit_rows
from finexl.core.significance import ALPHA, MIN_PROMPTS
from finexl.core.uncertainty import intervals

Array = NDArray[np.float64]

REDUNDANT = 0.6
"""The total projection (Eq. 9) on those taken from which on a concept is not taken as well."""
_TIES = 1.0 - 1e-9  # arrangements equal but for rounding count as equal


@dataclass(frozen=True)
class Numbers:
    """A number for each row and concept, with 95 % intervals of its own; each (rows, k)."""

    value: Array
    low: Array
    high: Array
    q_values: Array | None = None
    """Adjusted over all rows and concepts; None with fewer than 6 prompts."""


@dataclass(frozen=True)
class Comparison:
    """Models beside each other on one support."""

    effects: Numbers
    """⟨V_div, f(C)/‖f(C)‖⟩ / r of each model: what a concept alone would show."""
    scores: Numbers
    """w · ‖f(C)‖ / r of each model, refitted on the support: a concept's part beside the others."""
    between: tuple[tuple[int, int], ...]
    """Pairs of models (a, b), a < b."""
    differences: Numbers
    """Effect of b less that of a, a row for each of these pairs."""
    score_differences: Numbers
    """Likewise of the scores."""

    @property
    def q_values(self) -> Array | None:
        """Of the differences by effect, (pairs, k)."""
        return self.differences.q_values


def compare_models(
    rows: Sequence[Array],
    F: Array,
    scale: float,
    ridge: float,
    rng: np.random.Generator,
    pool: Array | None = None,
) -> Comparison:
    """Compare models on one support.

    Args:
        rows: each model's pair divergences (n, K) in the decomposition's space, row j of all models
            of the same prompt.
        F: (k, K), the support's concept vectors there, none of them zero.
        scale: r.
        ridge: of the refit; see `Decomposition.ridge`.
        rng: draws the signs of the test, where there are too many to try all.
        pool: (m, K), what the support was chosen from by looking at these very rows: intervals and
            q hold for all of it at once. None: other prompts chose the support, or nobody did.

    Raises:
        ValueError: no model, no concept, or models of different numbers of prompts.
    """
    shapes = {part.shape for part in rows}
    if len(shapes) != 1 or not len(F):
        raise ValueError("a comparison needs concepts, and models with rows of the same prompts")
    by_effect = unit_rows(F) / scale
    by_score = functionals(F, range(len(F)), ridge) * np.linalg.norm(F, axis=1, keepdims=True)
    ways = [by_effect, by_score / scale]
    between = tuple(itertools.combinations(range(len(rows)), 2))
    apart = [rows[b] - rows[a] for a, b in between]
    effects, scores = _measured(rows, ways, rng, pool)
    return Comparison(effects, scores, between, *_measured(apart, ways, rng, pool))


def measure(
    rows: Sequence[Array],
    directions: Array,
    rng: np.random.Generator,
    pool: Array | None = None,
) -> Numbers:
    """Return linear functionals of the means of several parts, with intervals and q.

    Args:
        rows: the parts, each (n, K), row j of all of the same prompt.
        directions: (k, K), the functionals.
        rng: draws the signs of the test, where there are too many to try all.
        pool: (m, K), what the directions were chosen from by looking at these very rows: intervals
            and q hold for all of it at once. None: they were not chosen by these rows.
    """
    return _measured(rows, [directions], rng, pool)[0]


def detect_all(rows: Sequence[Array], rng: np.random.Generator) -> Array | None:
    """Return q (parts,): is a part's mean more than chance, adjusted over all of the parts?

    The test of `significance.detect`, all parts' signs flipped together. None with fewer than 6
    prompts.
    """
    if not rows or len(rows[0]) < MIN_PROMPTS:
        return None
    signs = _signs(len(rows[0]), rng)
    found = np.zeros((len(rows), len(signs)))
    for i, part in enumerate(rows):
        gram = part @ part.T
        moment = float(np.trace(gram)) / len(part)
        if moment > 0:  # ‖mean‖² as a part of the mean squared length, which no sign changes
            found[i] = np.einsum("bj,bj->b", signs @ gram, signs) / moment
    return _reached(found.max(axis=0), found[:, :1])[:, 0]


def shared_support(
    kept: Sequence[Sequence[int]], effects: Array, G: Array, limit: int | None = None
) -> list[int]:
    """Return the concepts that any model's explanation keeps, without those that say the same.

    The one with the largest effect in any of the models comes first; a concept whose total
    projection on those taken is 0.6 or more adds nothing to compare by.

    Args:
        kept: each model's concepts, as indices.
        effects: (models, m), of all candidates.
        G: (m, K), the candidates' vectors in the decomposition's space.
        limit: the most concepts.
    """
    union = list(dict.fromkeys(itertools.chain(*kept)))
    largest = np.abs(effects).max(axis=0, initial=0.0)
    unit = unit_rows(G)
    taken: list[int] = []
    for index in sorted(union, key=lambda i: -largest[i]):
        full = limit is not None and len(taken) >= limit
        if not full and total_projection(unit[index] @ unit[taken].T) < REDUNDANT:
            taken.append(index)
    return taken


def _measured(
    rows: Sequence[Array],
    ways: Sequence[Array],
    rng: np.random.Generator,
    pool: Array | None,
) -> list[Numbers]:
    """Return `measure` of each way to look at the rows; each is, with the pool, its own family."""
    n = len(rows[0]) if rows else 0
    criticals: list[float | None] = [None] * len(ways)
    q: list[Array | None] = [None] * len(ways)
    if n >= MIN_PROMPTS:
        signs = _signs(n, rng)
        largest, observed = _largest(rows, ways, pool, signs)
        q = [_reached(*pair) for pair in zip(largest, observed, strict=True)]
        if pool is not None:
            centred = [part - part.mean(axis=0) for part in rows]
            largest, _ = _largest(centred, ways, pool, signs)
            reached = np.quantile(largest, 1.0 - ALPHA, axis=1, method="higher")
            criticals = (np.sqrt(n - 1) * reached / np.sqrt(1.0 - reached**2)).tolist()
    found = []
    for way, critical, of in zip(ways, criticals, q, strict=True):
        table = np.zeros((3, len(rows), len(way)))
        for i, part in enumerate(rows):
            sample = Paired(part)
            ends = intervals(sample, way, simultaneous=critical)
            table[:, i] = way @ sample.mean, *ends
        value, low, high = table
        found.append(Numbers(value, low, high, of))
    return found


def _signs(n: int, rng: np.random.Generator) -> Array:
    """Return (B, n): all signs of n rows, or many draws, over n; row 0 is the data as it is."""
    return Paired(np.eye(n)).null(rng).means


def _largest(
    rows: Sequence[Array], ways: Sequence[Array], pool: Array | None, signs: Array
) -> tuple[Array, list[Array]]:
    """Return each arrangement's largest statistic (ways, B), and those observed, (rows, k) a way.

    The statistic is |mean| over the root mean square, which no sign changes: |t| in another order
    of size, t = √(n − 1) s / √(1 − s²). Part by part, as all of a dozen models' pairs and a pool at
    once would not fit into memory.
    """
    largest = np.zeros((len(ways), len(signs)))
    observed = [np.zeros((len(rows), len(way))) for way in ways]
    for i, part in enumerate(rows):
        beside = 0.0 if pool is None else _most(_statistics(part, pool, signs))
        for of, way, most in zip(observed, ways, largest, strict=True):
            reached = _statistics(part, way, signs)
            of[i] = np.abs(reached[:, 0])
            most[:] = np.maximum(np.maximum(most, beside), _most(reached))
    return largest, observed


def _statistics(part: Array, directions: Array, signs: Array) -> Array:
    """Return each direction's mean over its root mean square, in each arrangement, (k, B)."""
    values = directions @ part.T
    size = np.sqrt((values**2).mean(axis=1, keepdims=True))
    found: Array = np.divide(values, size, out=np.zeros_like(values), where=size > 0) @ signs.T
    return found


def _most(statistics: Array) -> Array:
    """Return each arrangement's largest, whatever its sign, (B,)."""
    most: Array = np.maximum(
        statistics.max(axis=0, initial=0.0), -statistics.min(axis=0, initial=0.0)
    )
    return most


def _reached(largest: Array, observed: Array) -> Array:
    """Return how often the largest statistic is at least as large as each one observed."""
    ordered = np.sort(largest)
    below = np.searchsorted(ordered, observed * _TIES)
    q: Array = (len(ordered) - below) / len(ordered)
    return q
