"""The generator's mapping network in NumPy: styles without torch, and without drawing a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH = 512
LAYERS = 8
_LEAK, _GAIN = np.float32(0.2), np.float32(2**0.5)

Array = NDArray[np.float32]


def noise(count: int, seed: int) -> Array:
    """Return z, (count, 512); the first rows are the same for any count."""
    return np.random.default_rng(seed).standard_normal((count, WIDTH)).astype(np.float32)


def styles(tensors: Mapping[str, NDArray[Any]], z: Array) -> Array:
    """Return w (n, 512) of z (n, 512), not truncated."""
    w: Array = z / np.sqrt((z**2).mean(axis=1, keepdims=True) + np.float32(1e-8))
    for layer in range(LAYERS):
        w = w @ tensors[f"mapping.{layer}.weight"].T + tensors[f"mapping.{layer}.bias"]
        w = np.where(w > 0, w, _LEAK * w) * _GAIN
    return w
