"""Algorithm 1's two thresholds: how much may be left, how far concepts may overlap (Eq. 9, 11)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from finexl.bench.experiments.ablations.rows import Progress, quiet
from finexl.bench.experiments.ablations.ways import Way, score_ways
from finexl.bench.experiments.readers import Reading
from finexl.bench.experiments.trials import Plan
from finexl.bench.results import Results
from finexl.core.decompositions.paper import Paper

PAPER: Mapping[float, Mapping[str, float]] = {
    0.02: {"residual": 0.094},
    0.05: {"residual": 0.093},
    0.1: {"concepts": 68, "residual": 0.098, "rank error": 0.7},
    0.2: {"concepts": 33, "residual": 0.192, "rank error": 0.7},
    0.3: {"concepts": 19, "residual": 0.280, "rank error": 0.7},
    0.4: {"concepts": 9, "residual": 0.383, "rank error": 0.9},
    0.5: {"concepts": 8, "residual": 0.428, "rank error": 0.9},
    0.6: {"concepts": 5, "residual": 0.541, "rank error": 1.1},
}
"""Appendix B, synthetic dataset. The text has six counts for eight thresholds; the two that are
missing are taken to be those that are never reached, which have no rank error either."""


def threshold(
    plans: Sequence[Plan],
    reading: Reading,
    results: Results,
    *,
    settings: str,
    thresholds: Sequence[float] = tuple(PAPER),
    e_ortho: Sequence[float] = (Paper().e_ortho,),
    images: int | None = None,
    seeds: Sequence[int] = (0,),
    progress: Progress = quiet,
) -> None:
    """Run Algorithm 1 to different residuals (Appendix B): concepts needed, residual, rank error.

    Args:
        plans: trials.
        reading: candidates and encoder.
        results: added to.
        settings: digest of everything else that values depend on.
        thresholds: e_decomp of Eq. 11; one that is never reached does not limit anything.
        e_ortho: Eq. 9's; with few concepts open to selection no small residual can be reached.
        images: pairs of a model, drawn by the seed; None for all.
        seeds: of the pairs.
        progress: told of every trial.
    """
    ways = {
        f"e_decomp {decomp:g}, e_ortho {ortho:g}": Way(
            Paper(e_decomp=decomp, e_ortho=ortho), reading
        )
        for ortho in e_ortho
        for decomp in thresholds
    }
    score_ways(
        "ablation-threshold",
        plans,
        ways,
        results,
        settings=settings,
        images=images,
        seeds=seeds,
        progress=progress,
    )


def orthogonality(
    plans: Sequence[Plan],
    reading: Reading,
    results: Results,
    *,
    settings: str,
    thresholds: Sequence[float] = (0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 1.0, math.inf),
    images: int | None = None,
    seeds: Sequence[int] = (0,),
    progress: Progress = quiet,
) -> None:
    """Run Algorithm 1 with different e_ortho (Eq. 9): concepts kept, residual, rank error.

    The total projection is a sum and may exceed 1: only inf lets every concept in. The arguments
    are those of `threshold`.
    """
    ways = {f"e_ortho {ortho:g}": Way(Paper(e_ortho=ortho), reading) for ortho in thresholds}
    score_ways(
        "ablation-orthogonality",
        plans,
        ways,
        results,
        settings=settings,
        images=images,
        seeds=seeds,
        progress=progress,
    )
