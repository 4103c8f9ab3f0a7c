"""Scenes as tensors, the same for the same seed."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from finexl.personalize import scenes
from finexl.personalize.scenes import Scene


def tensor(pixels: NDArray[np.float64]) -> Tensor:
    """Turn pictures in [0, 255], channels last, into what the models see: [-1, 1], first."""
    return torch.from_numpy(pixels.astype(np.float32) / 127.5 - 1).movedim(-1, -3).contiguous()


def pictures(images: Tensor) -> list[Image.Image]:
    """Turn what models make back into pictures."""
    pixels = ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).movedim(-3, -1)
    return [Image.fromarray(array) for array in pixels.numpy()]


def drawn(
    count: int, seed: int, style: str | None = None, level: float = 1.0
) -> tuple[Tensor, list[str]]:
    """Draw scenes of one style, with their captions."""
    generator = np.random.default_rng(seed)
    found: list[Scene] = [scenes.sample(generator) for _ in range(count)]
    pixels = [scenes.render(s, style=style, level=level, generator=generator) for s in found]
    return tensor(np.stack(pixels)), [scenes.caption(scene) for scene in found]
