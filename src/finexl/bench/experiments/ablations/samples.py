"""How many prompts V_div needs (Appendix E), and whether the package knows how far off it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from finexl.bench.experiments.ablations.rows import (
    Measures,
    Progress,
    by_prompt,
    quiet,
    score_rows,
    strongest,
)
from finexl.bench.experiments.trials import Plan, Trial
from finexl.bench.methods import Array
from finexl.bench.results import Results
from finexl.core.divergence import Paired, cosine_error

COUNTS = (10, 25, 50, 100, 200, 500)
"""Table 11's."""


def samples(
    plans: Sequence[Plan],
    results: Results,
    *,
    settings: str,
    counts: Sequence[int] = COUNTS,
    draws: int = 20,
    seeds: Sequence[int] = (0,),
    progress: Progress = quiet,
) -> None:
    """Compare V_div of n pairs with V_div of all other pairs, of each trial's strongest model.

    cosine error            1 − cos of the two, which share no pair
    estimated               what `cosine_error` says from the n pairs alone
    estimated, both sides   what it makes of the two together: the others are not endless either,
                            and this is what the cosine error is to be, were the estimate exact

    A count is left out where there are not at least as many others.

    Args:
        plans: trials.
        results: added to.
        settings: digest of everything else that values depend on.
        counts: how many pairs.
        draws: of the pairs; the mean over them is one result.
        seeds: of the draws.
        progress: told of every trial.
    """
    named = {f"n = {count}": count for count in counts}

    def score(trial: Trial, seed: int, rows: Sequence[str]) -> Iterator[tuple[str, Measures]]:
        pairs = by_prompt(strongest(trial))
        for row in rows:
            if 2 * named[row] <= len(pairs):
                yield row, errors(pairs, named[row], draws, seed)

    score_rows(
        "ablation-samples",
        plans,
        list(named),
        score,
        results,
        settings=settings,
        seeds=seeds,
        progress=progress,
    )


def errors(pairs: Array, count: int, draws: int, seed: int) -> dict[str, float]:
    """Return the mean errors over draws of `count` of the pairs (n, d), 2 · count ≤ n.

    Empty where some V_div is 0: it has no direction.
    """
    found = []
    for draw in range(draws):
        order = np.random.default_rng([seed, count, draw]).permutation(len(pairs))
        some, others = Paired(pairs[order[:count]]), Paired(pairs[order[count:]])
        lengths = float(np.linalg.norm(some.mean) * np.linalg.norm(others.mean))
        if lengths == 0:
            return {}
        own, its = cosine_error(some), cosine_error(others)
        # independent errors lie across each other, so that cosines multiply
        found.append((1 - float(some.mean @ others.mean) / lengths, own, 1 - (1 - own) * (1 - its)))
    names = ("cosine error", "estimated", "estimated, both sides")
    return dict(zip(names, np.mean(found, axis=0).tolist(), strict=True))
