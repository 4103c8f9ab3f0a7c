"""A world whose truth is known by construction: each phrase moves pictures one known way."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finexl.images import Picture
from finexl.imageset import ImageSet

DIM = 96


class PlantedEncoder:
    """A text is the sum of its phrases' directions, whatever else it says; a picture is its row."""

    name = "planted"
    revision = "1"
    dim = DIM
    normalized = False

    def embed_images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        raise AssertionError(f"planted pictures come as rows, not as {len(images)} pictures")

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = [sum(map(direction, pieces(text)), np.zeros(DIM)) for text in texts]
        return np.array(rows, dtype=np.float32)


def pieces(text: str) -> list[str]:
    return [piece.strip() for piece in re.split(r",| style$", text) if piece.strip()]


@cache
def direction(phrase: str) -> NDArray[np.float64]:
    """The unit direction that a phrase moves texts, and pictures that have it."""
    digest = hashlib.blake2b(phrase.encode(), digest_size=8).digest()
    row = np.random.default_rng(int.from_bytes(digest, "little")).standard_normal(DIM)
    unit: NDArray[np.float64] = row / np.linalg.norm(row)
    return unit


def rows_of(
    levels: Mapping[str, float], n: int, *, noise: float = 0.02, seed: int = 0
) -> NDArray[np.float32]:
    """Pictures of n prompts with so much of each phrase; the same prompts, the same contents."""
    contents = np.array([direction(f"content {i}") for i in range(n)])
    moved = sum((level * direction(c) for c, level in levels.items()), np.zeros(DIM))
    scatter = np.random.default_rng([seed, n]).standard_normal((n, DIM)) * noise
    found: NDArray[np.float32] = (contents + moved + scatter).astype(np.float32)
    return found


def pictured(
    name: str, levels: Mapping[str, float], n: int, *, noise: float = 0.02, seed: int = 0
) -> ImageSet:
    """The same as a set of pictures, each of a prompt of its own."""
    rows = rows_of(levels, n, noise=noise, seed=seed)
    pictures = (Picture(f"{i:03}", row, f"scene {i}", 0) for i, row in enumerate(rows))
    return ImageSet(name, "embeddings", tuple(pictures))
