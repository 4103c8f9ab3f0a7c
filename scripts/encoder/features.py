"""Features of the pictures and of the words, kept on disk between stages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finexl.encoders.embedded import Embedded
from finexl.images import load_image
from finexl.operators import OPERATORS, apply

Array = NDArray[np.float32]
LONGEST_SIDE = 384
LOWEST_LEVEL = 0.35
PROMPTS = 8
"""Neutral prompts that a fitted phrase is averaged over."""


def picture_features(weights: Path, data: Path, names: Sequence[str]) -> dict[str, Array]:
    """Return each picture's features, before any map."""
    encoder = Embedded(threads=2, weights=weights)
    found: dict[str, Array] = {}
    for start in range(0, len(names), 16):
        some = names[start : start + 16]
        found.update(zip(some, encoder.features([load_image(data / n) for n in some]), strict=True))
    return found


def operator_features(
    weights: Path, data: Path, bases: Sequence[str], processes: int
) -> dict[str, Any]:
    """Return what each operator, at a random level, does to each base's features.

    Returns:
        "difference" (n, features), "operator" (n,), "level" (n,).
    """
    jobs = [(weights, data, index, base) for index, base in enumerate(bases)]
    with get_context("spawn").Pool(processes) as pool:
        done = pool.starmap(_operators_on, jobs, chunksize=1)
    return {
        "difference": np.concatenate([rows for rows, _ in done]),
        "operator": np.array([*OPERATORS] * len(bases)),
        "level": np.concatenate([levels for _, levels in done]),
    }


def _operators_on(weights: Path, data: Path, index: int, base: str) -> tuple[Array, Array]:
    encoder = Embedded(threads=1, weights=weights)
    picture = load_image(data / base)
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    changed, levels = [picture], []
    for number, name in enumerate(OPERATORS):
        rng = np.random.default_rng([index, number])
        levels.append(float(rng.uniform(LOWEST_LEVEL, 1.0)))
        changed.append(apply(picture, name, levels[-1], rng))
    rows = encoder.features(changed)
    return rows[1:] - rows[0], np.array(levels, dtype=np.float32)


class Sentences:
    """Sentence vectors by text, each computed once and kept on disk."""

    def __init__(self, weights: Path, store: Path, prompts: Iterable[str]):
        self._encoder = Embedded(threads=2, weights=weights)
        self._store = store
        self._known: dict[str, Array] = {}
        if store.exists():
            with np.load(store) as kept:
                self._known = dict(zip(kept["texts"].tolist(), kept["rows"], strict=True))
        self.prompts = list(prompts)[:PROMPTS]

    def __call__(self, texts: Sequence[str]) -> Array:
        """Return (n, 384)."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._encoder.sentences(new), strict=True))
        return np.array([self._known[text] for text in texts])

    def difference(self, words: str, prompts: Sequence[str] | None = None) -> Array:
        """Return (384,), what the words add to a prompt (Eq. 6), in American spelling."""
        under = self.prompts if prompts is None else list(prompts)
        words = words.replace("colour", "color").replace("grey", "gray")
        written = [f"{prompt}, {words}" for prompt in under]
        added: Array = (self(written) - self(under)).mean(axis=0)
        return added

    def mean_difference(self, phrases: Sequence[str]) -> Array:
        """Return (384,), the mean over phrases, 0 where there are none."""
        if not phrases:
            return np.zeros(384, dtype=np.float32)
        mean: Array = np.mean([self.difference(phrase) for phrase in phrases], axis=0)
        return mean

    def save(self) -> None:
        texts = np.array(list(self._known))
        np.savez(self._store, texts=texts, rows=np.array(list(self._known.values())))


def digest_of_files(root: Path, names: Iterable[str]) -> str:
    """Return the sha256 over names and contents, in order."""
    digest = hashlib.sha256()
    for name in names:
        content = hashlib.sha256((root / name).read_bytes()).hexdigest()
        digest.update(f"{name} {content}\n".encode())
    return digest.hexdigest()
