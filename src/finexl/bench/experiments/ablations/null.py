"""No difference at all, made of data that has one: where an explanation must not find anything."""

from __future__ import annotations

import numpy as np

from finexl.bench.experiments.ablations.rows import by_prompt
from finexl.bench.experiments.trials import Model
from finexl.bench.methods import Array
from finexl.core.significance import MIN_PROMPTS

PERMUTED = "false aspects, pairs permuted"
SPLIT = "false aspects, base split"


def nothing(model: Model, draws: int, seed: int) -> dict[str, list[Array]]:
    """Return pair divergences (n, d) without a difference, by what finding any in them is called.

    Args:
        model: the pairs are permuted; its base is also split, where half of it is enough to test.
        draws: of either kind.
        seed: of the draws.
    """
    rngs = [np.random.default_rng([seed, draw]) for draw in range(draws)]
    found = {PERMUTED: [permuted(by_prompt(model), rng) for rng in rngs]}
    if len(model.before) >= 2 * MIN_PROMPTS:
        found[SPLIT] = [split(model.before, rng) for rng in rngs]
    return found


def permuted(rows: Array, rng: np.random.Generator) -> Array:
    """Return pair divergences as base against base has them, at the scatter of these.

    Their mean is taken out, and which of a pair's two is called personalized is drawn: all that is
    left is how pairs differ from one another, and both signs of it are as likely.
    """
    signs = rng.choice((-1.0, 1.0), size=(len(rows), 1))
    null: Array = (rows - rows.mean(axis=0)) * signs
    return null


def split(before: Array, rng: np.random.Generator) -> Array:
    """Return half of the base's images (n, d) less the other half, (n // 2, d), as pairs."""
    order = rng.permutation(len(before))
    half = len(before) // 2
    difference: Array = before[order[:half]] - before[order[half : 2 * half]]
    return difference
