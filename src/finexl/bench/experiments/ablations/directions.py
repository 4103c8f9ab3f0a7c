"""Where concepts are compared: how many principal directions K, how mildly whitened (ε)."""

from __future__ import annotations

from collections.abc import Sequence

from finexl.bench.experiments.ablations.rows import Progress, quiet
from finexl.bench.experiments.ablations.ways import Way, score_ways
from finexl.bench.experiments.readers import Reading
from finexl.bench.experiments.trials import Plan
from finexl.bench.results import Results
from finexl.core.decompositions.sparse import Sparse


def directions(
    plans: Sequence[Plan],
    reading: Reading,
    results: Results,
    *,
    settings: str,
    ranks: Sequence[int] = (5, 10, 18, 32, 64, 127),
    floors: Sequence[float] = (1e-3, 3.0),
    images: int | None = None,
    seeds: Sequence[int] = (0,),
    progress: Progress = quiet,
) -> None:
    """Explain with `subspace` in spaces of different size and whitening.

    The residual is that of the space: what lies outside of it is not in it.

    Args:
        plans: trials.
        reading: candidates and encoder.
        results: added to.
        settings: digest of everything else that values depend on.
        ranks: K; at most as many directions as the vocabulary spans are there.
        floors: ε, a part of the largest variance; large leaves lengths in proportion.
        images: pairs of a model, drawn by the seed; None for all.
        seeds: of the pairs and held-out splits.
        progress: told of every trial.
    """
    ways = {
        f"K {rank}, ε {floor:g}": Way(Sparse(), reading, rank=rank, floor=floor)
        for rank in ranks
        for floor in floors
    }
    score_ways(
        "ablation-directions",
        plans,
        ways,
        results,
        settings=settings,
        images=images,
        seeds=seeds,
        progress=progress,
    )
