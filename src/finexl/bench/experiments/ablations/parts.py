"""What each part of `subspace` is good for: the same with one part switched off."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from finexl.bench.experiments.ablations.null import nothing
from finexl.bench.experiments.ablations.rows import Measures, Progress, quiet, strongest
from finexl.bench.experiments.ablations.ways import Way, score_ways
from finexl.bench.experiments.readers import Reading
from finexl.bench.experiments.trials import Plan, Trial
from finexl.bench.methods import Array
from finexl.bench.results import Results
from finexl.core.decompositions import Weights, refit
from finexl.core.decompositions.base import IMMOVABLE, Halves, residual
from finexl.core.decompositions.nonnegative import NonNegative
from finexl.core.decompositions.paper import Paper
from finexl.core.decompositions.sparse import Sparse


def parts(
    plans: Sequence[Plan],
    reading: Reading,
    results: Results,
    *,
    settings: str,
    rows: Sequence[str] | None = None,
    draws: int = 20,
    images: int | None = None,
    seeds: Sequence[int] = (0,),
    progress: Progress = quiet,
) -> None:
    """Explain with `subspace`, with it less one part, with `paper` and with `nnls`.

    Beside `measures_of` the false aspects are counted: concepts that a way confirms where there is
    no difference (`finexl.bench.experiments.ablations.null`). No test of the difference stands
    before it here, which would hide them.

    Args:
        plans: trials.
        reading: candidates and encoder.
        results: added to.
        settings: digest of everything else that values depend on.
        rows: which of `ways_of`; None for all.
        draws: of no difference, for each trial.
        images: pairs of a model, drawn by the seed; None for all.
        seeds: of the pairs and draws.
        progress: told of every trial.
    """

    def false(way: Way, trial: Trial, seed: int) -> Measures:
        return {
            measure: float(np.mean([_confirmed(way.select(rows, seed)) for rows in drawn]))
            for measure, drawn in nothing(strongest(trial), draws, seed).items()
        }

    ways = ways_of(reading)
    score_ways(
        "ablation-parts",
        plans,
        {name: ways[name] for name in (rows or ways)},
        results,
        settings=settings,
        images=images,
        seeds=seeds,
        progress=progress,
        more=false,
    )


def ways_of(reading: Reading) -> dict[str, Way]:
    """Return the rows.

    without whitening               the same directions, each at its own length
    in-sample end                   5 % more of ‖V_div‖² explained, not more on held-out pairs
    without unrelated phrases       their alignment ends nothing
    without either end              the in-sample one alone
    without exchange                what was taken stays
    without orthogonality           e_ortho = inf
    non-negative                    only what V_div has more of
    without sparsity                least squares over all candidates, with the same ridge
    """
    return {
        "subspace": Way(Sparse(), reading),
        "without whitening": Way(Sparse(), reading, whitened=False),
        "in-sample end": Way(Partly(held_out=False), reading),
        "without unrelated phrases": Way(Partly(ahead=False), reading),
        "without either end": Way(Partly(held_out=False, ahead=False), reading),
        "without exchange": Way(Sparse(exchange=False), reading),
        "without orthogonality": Way(Sparse(e_ortho=math.inf), reading),
        "non-negative": Way(MoreOnly(), reading),
        "without sparsity": Way(LeastSquares(), reading),
        "nnls": Way(NonNegative(), reading),
        "paper": Way(Paper(), reading),
    }


def _confirmed(weights: Weights) -> int:
    return len(weights.kept) if weights.confirmed else 0


@dataclass(frozen=True)
class Partly(Sparse):
    """`subspace` without one of its ends."""

    held_out: bool = True
    """End where held-out pairs are explained no better; else in sample."""
    ahead: bool = True
    """End where unrelated phrases align as well."""

    def fit(
        self,
        V_div: Array,
        F: Array,
        concepts: Sequence[str],
        *,
        halves: Halves = (),
        unrelated: Array | None = None,
        limit: int | None = None,
    ) -> Weights:
        """Select without what is switched off. See `Decomposition.fit`."""
        return super().fit(
            V_div,
            F,
            concepts,
            halves=halves if self.held_out else (),
            unrelated=unrelated if self.ahead else None,
            limit=limit,
        )


@dataclass(frozen=True)
class MoreOnly(Sparse):
    """`subspace` among the concepts that V_div has more of.

    A weight never turns against its own concept's alignment, so that none is negative.
    """

    def fit(
        self,
        V_div: Array,
        F: Array,
        concepts: Sequence[str],
        *,
        halves: Halves = (),
        unrelated: Array | None = None,
        limit: int | None = None,
    ) -> Weights:
        """Select among a part of the pool. See `Decomposition.fit`."""
        aligned = F @ V_div > 0
        more = [j for j in range(len(F)) if aligned[j]]
        without = tuple(
            (concepts[j], "there is no more of it") for j in range(len(F)) if not aligned[j]
        )
        if not more:
            return Weights(np.zeros(0), residual(V_div, F, (), np.zeros(0)), (), without, False)
        found = super().fit(
            V_div,
            F[more],
            [concepts[j] for j in more],
            halves=halves,
            unrelated=unrelated,
            limit=limit,
        )
        kept = tuple(more[j] for j in found.kept)
        return replace(found, kept=kept, dropped=(*found.dropped, *without))


@dataclass(frozen=True)
class LeastSquares:
    """All concepts at once, nothing selected (Eq. 10 alone); of dependent ones the shortest fit."""

    space: Literal["subspace", "encoder"] = "subspace"
    template: str = Sparse().template
    ridge: float = Sparse().ridge

    def fit(
        self,
        V_div: Array,
        F: Array,
        concepts: Sequence[str],
        *,
        halves: Halves = (),  # noqa: ARG002
        unrelated: Array | None = None,  # noqa: ARG002
        limit: int | None = None,
    ) -> Weights:
        """Fit all; a limit keeps the largest of them as they are. See `Decomposition.fit`."""
        lengths = np.linalg.norm(F, axis=1)
        moved = np.flatnonzero(lengths > 0)
        w = refit(V_div, F, moved.tolist(), self.ridge)[0]
        order = np.argsort(-np.abs(w * lengths[moved]), kind="stable")[:limit]
        kept = tuple(int(j) for j in moved[order])
        dropped = tuple(
            (concepts[j], "weaker than those listed" if lengths[j] > 0 else IMMOVABLE)
            for j in range(len(F))
            if j not in kept
        )
        return Weights(w[order], residual(V_div, F, kept, w[order]), kept, dropped, bool(kept))

    def reselect(self, V_divs: Array, F: Array, count: int) -> NDArray[np.bool_]:
        """Return the largest again. See `Decomposition.reselect`."""
        mask = np.zeros((len(V_divs), len(F)), dtype=np.bool_)
        for row, V_div in zip(mask, V_divs, strict=True):
            row[list(self.fit(V_div, F, [""] * len(F), limit=count).kept)] = True
        return mask
