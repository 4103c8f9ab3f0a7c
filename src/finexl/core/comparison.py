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
from finexl.core.significance import MIN_PROMPTS, adjusted_p_values, simultaneous_quantile
from finexl.core.uncertainty import intervals

Array = NDArray[np.float64]

REDUNDANT = 0.6
"""The total projection (Eq. 9) on those taken from which on a concept is not taken as well."""


@dataclass(frozen=True)
class Numbers:
    """A number for each row and concept, with 95 % intervals of its own; each (rows, k)."""

    value: Array
    low: Array
    high: Array


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
    q_values: Array | None
    """(pairs, k), adjusted over all concepts and pairs; None with fewer than 6 prompts."""


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
    unit = unit_rows(F)
    refitted = functionals(F, range(len(F)), ridge) * np.linalg.norm(F, axis=1, keepdims=True)
    between = tuple(itertools.combinations(range(len(rows)), 2))
    apart = [rows[b] - rows[a] for a, b in between]
    looked_at = unit if pool is None else np.concatenate([unit, unit_rows(pool)])
    testable = len(rows[0]) >= MIN_PROMPTS
    q = critical = None
    if testable and between:
        every = _along(apart, looked_at)
        q = adjusted_p_values(every, np.eye(every.rows.shape[1]), rng)
        q = q.reshape(len(apart), -1)[:, : len(unit)]
    if testable and pool is not None:
        every = _along([*rows, *apart], looked_at)
        critical = simultaneous_quantile(every, np.eye(every.rows.shape[1]), rng)
    return Comparison(
        _numbers(rows, unit / scale, critical),
        _numbers(rows, refitted / scale, critical),
        between,
        _numbers(apart, unit / scale, critical),
        q,
    )


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


def _along(rows: Sequence[Array], directions: Array) -> Paired:
    """Return all rows along all directions as one sample: each pair of the two is a column."""
    return Paired(np.concatenate([part @ directions.T for part in rows], axis=1))


def _numbers(rows: Sequence[Array], directions: Array, critical: float | None) -> Numbers:
    """Return the means of each row's functionals, and their intervals."""
    found = np.zeros((3, len(rows), len(directions)))
    for i, part in enumerate(rows):
        sample = Paired(part)
        ends = intervals(sample, directions, simultaneous=critical)
        found[:, i] = directions @ sample.mean, *ends
    return Numbers(*found)
