"""Does a change go along a taste as a whole, whatever is told of single attributes?

Of many attributes some go the wished way by any change. Were the change nothing to the taste,
what is liked and what is disliked could be exchanged; so the difference of their mean effects is
compared with what exchanging makes of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from finexl.core.divergence import MAX_ARRANGEMENTS

LEAST_ARRANGEMENTS = 20
"""With fewer no p-value of 0.05 can be reached."""


def agreement(
    effects: NDArray[np.float64], wished: Sequence[int], rng: np.random.Generator
) -> float | None:
    """Return how often exchanged labels agree with a change as well as the taste does.

    Exact up to 4,096 arrangements, else so many draws with the +1 rule. It holds the effects fixed:
    labels are what is exchanged. People like what goes together, so that a change along one such
    group can look better than it is.

    Args:
        effects: (m,), how far it goes along each attribute.
        wished: (m,), 1 for liked and -1 for disliked.
        rng: of the draws.

    Returns:
        p in (0, 1], small where liked ones went up against disliked ones; None where either side
        is empty, or both are so small that nothing could be told.
    """
    liked = np.asarray(wished) > 0
    n, m = int(liked.sum()), len(liked)
    if not 0 < n < m or math.comb(m, n) < LEAST_ARRANGEMENTS:
        return None
    exact = math.comb(m, n) <= MAX_ARRANGEMENTS
    sums = np.array([effects[list(chosen)].sum() for chosen in _arranged(m, n, exact, rng)])
    own = float(effects[liked].sum())  # the rest is the whole less it: sums order as differences
    as_large = int((sums >= own - 1e-9 * max(1.0, float(np.abs(effects).sum()))).sum())
    return as_large / len(sums) if exact else (1 + as_large) / (1 + len(sums))


def _arranged(m: int, n: int, exact: bool, rng: np.random.Generator) -> Iterator[Sequence[int]]:
    if exact:
        yield from combinations(range(m), n)
        return
    for _ in range(MAX_ARRANGEMENTS):
        yield rng.permutation(m)[:n].tolist()
