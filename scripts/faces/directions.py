"""Directions in W by ridge regression of what is seen in faces on their styles.

    d = X̄ᵀ (X̄ X̄ᵀ + λ tr(X̄ X̄ᵀ)/n · I)⁻¹ (y − ȳ),    X̄ the styles about their mean

then made orthogonal to what it must not change along with it (InterFaceGAN, Shen et al. 2020), and
given a length at which scale 2 is plainly seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

RIDGE = 1.0
"""λ; 0.3 to 3 are as good in cross-validation."""
FOLDS = 10
KEEPS: Mapping[str, tuple[str, ...]] = {
    "glasses": ("man", "age", "smile"),
    "smile": ("man", "age", "glasses"),
    "man": ("age", "smile", "glasses"),
    "age": ("man", "smile", "glasses"),
    "beard": ("age", "smile", "glasses"),
    "blond": ("man", "age", "smile"),
}
"""What is held while a direction is followed. A beard's may go with "man"."""
LENGTHS: Mapping[str, float] = {"glasses": 2.75}
"""Where it is not 2."""

Array = NDArray[np.float64]


def slope(styles: Array, seen: Array) -> Array:
    """Return d (512,) of styles (n, 512) and what is seen in each (n,)."""
    about = styles - styles.mean(axis=0)
    gram = about @ about.T
    size = len(gram)
    damped = gram + RIDGE * np.trace(gram) / size * np.eye(size)
    found: Array = about.T @ np.linalg.solve(damped, seen - seen.mean())
    return found


def held_out(styles: Array, seen: Array) -> float:
    """Return the correlation of what is seen with what d tells of faces left out of its fit."""
    fold = np.random.default_rng(0).permutation(len(seen)) % FOLDS
    told = np.zeros(len(seen))
    for one in range(FOLDS):
        out = fold == one
        told[out] = styles[out] @ slope(styles[~out], seen[~out])
    return float(np.corrcoef(told, seen)[0, 1])


def directions(styles: Array, labels: Mapping[str, Array]) -> dict[str, Array]:
    """Return the direction of each label."""
    slopes = {name: _unit(slope(styles, seen)) for name, seen in labels.items()}
    found = {}
    for name, kept in KEEPS.items():
        held, _ = np.linalg.qr(np.stack([slopes[other] for other in kept], axis=1))
        free = slopes[name] - held @ (held.T @ slopes[name])
        found[name] = LENGTHS.get(name, 2.0) * _unit(free)
    return found


def _unit(vector: Array) -> Array:
    found: Any = vector / np.linalg.norm(vector)
    return found  # type: ignore[no-any-return]
