"""What an operator is, and the two ways to make one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from finexl.operators.raster import Raster, mix

Effect = Callable[[NDArray[np.float32], float, Generator], NDArray[np.float32]]
_Grading = Callable[[NDArray[np.float32], float, Generator], Raster]
_Rendering = Callable[[NDArray[np.float32], Generator], Raster]


@dataclass(frozen=True)
class Operator:
    """A known change to pictures, and how people would name it."""

    name: str
    phrases: tuple[str, ...]
    """Names of the effect as a concept, lower-case."""
    opposite: tuple[str, ...]
    """Names of the opposite direction; empty where it has none."""
    function: Effect
    """(picture, level, generator) -> picture; float32 (H, W, 3) sRGB in [0, 1], level in [0, 1]."""


def graded(*phrases: str, opposite: tuple[str, ...] = ()) -> Callable[[_Grading], Operator]:
    """Make an operator of a function that takes the level itself; its result is clipped."""

    def define(effect: _Grading) -> Operator:
        @wraps(effect)
        def bounded(
            image: NDArray[np.float32], level: float, rng: Generator
        ) -> NDArray[np.float32]:
            if level == 0:
                return image.copy()
            return np.clip(effect(image, level, rng), 0.0, 1.0).astype(np.float32, copy=False)

        return Operator(effect.__name__, phrases, opposite, bounded)

    return define


def blended(*phrases: str, opposite: tuple[str, ...] = ()) -> Callable[[_Rendering], Operator]:
    """Make an operator of a full-strength rendering: the level mixes it into the picture."""

    def define(rendering: _Rendering) -> Operator:
        @wraps(rendering)
        def effect(image: NDArray[np.float32], level: float, rng: Generator) -> Raster:
            return mix(image, np.clip(rendering(image, rng), 0.0, 1.0), level)

        return graded(*phrases, opposite=opposite)(effect)

    return define
