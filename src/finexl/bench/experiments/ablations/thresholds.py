"""Algorithm 1's two thresholds: how much may be left, how far concepts may overlap (Eq. 9, 11)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from finexl.bench.experiments.ablations.rows import Progress, quiet
from finexl.bench.experiments.ablations.ways import Way, score_ways
from finexl.bench.experiments.readers import Reading
from finexl.bench.experiments.trials import Plan
from finexl.bench.results import Results
from finexl.core.decompositions.paper import Paper

THRESHOLDS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
"""Appendix B's."""


def threshold(
    plans: Sequence[Plan],
    reading: Reading,
    results: Results,
    *,
    settings: str,
    thresholds: Sequence[float] = THRESHOLDS,
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
