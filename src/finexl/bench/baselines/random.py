"""A random concept with a random score: what chance looks like in a table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from finexl.bench.baselines.wording import NOTHING
from finexl.bench.methods import Case, Told
from finexl.cache import key_of


@dataclass(frozen=True)
class Random:
    """Draws by the case's seed and its pictures, so that models of one experiment differ."""

    name: str = "Random"

    def tell(self, case: Case) -> Told:
        """Say that there is somewhat more or less, in (−1, 1), of any of the words."""
        if not case.words:
            return Told(NOTHING, {})
        digest = key_of(case.before.tobytes().hex(), case.after.tobytes().hex())
        rng = np.random.default_rng([case.seed, int(digest[:16], 16)])
        word = case.words[int(rng.integers(len(case.words)))]
        score = float(rng.uniform(-1, 1))
        return Told(f"{'More' if score > 0 else 'Less'}: {word}.", {word: score})
