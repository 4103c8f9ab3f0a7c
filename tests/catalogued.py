"""Explanations made of planted divergences, for tests of what is done with many of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from finexl.encoders import Encoder
from finexl.explanation import Aspect, Divergence, EncoderId, Explanation, Pool, Prompts, Source

Array = NDArray[np.float64]


def planted(
    name: str,
    V: Array,
    encoder: Encoder | EncoderId,
    *,
    pairs: Array | None = None,
    aspects: Sequence[tuple[str, float]] = (),
    prompts: tuple[str, ...] = (),
    created: str = "2026-01-01T00:00:00Z",
) -> Explanation:
    """Return an explanation whose V_div is V (d,), with these pairs (n, d) and aspects."""
    listed = [
        Aspect(concept, score, None, score, score, None, None, None, None, None, None, None)
        for concept, score in aspects
    ]
    n = 0 if pairs is None else len(pairs)
    source = "the images' own prompts" if prompts else "built-in neutral prompts"
    return Explanation(
        name=name,
        base=Source("base", "folder", n, "b" * 64),
        personalized=Source(name, "folder", n, "p" * 64),
        encoder=EncoderId(encoder.name, encoder.revision),
        decomposition="subspace",
        prompts=Prompts(len(prompts) or 32, source, "d" * 64, prompts),
        pool=Pool(100, ("style",), "e" * 64),
        n_pairs=n,
        pairing="seed",
        seed=0,
        divergence=Divergence(
            norm=float(np.linalg.norm(V)),
            noise_floor=None,
            detected=True if n >= 6 else None,
            p_value=0.001 if n >= 6 else None,
            vector=V.astype(np.float32),
            pairs=None if pairs is None else pairs.astype(np.float16),
        ),
        aspects=tuple(aspect for aspect in listed if aspect.score > 0),
        less=tuple(aspect for aspect in listed if aspect.score < 0),
        residual=0.5,
        residual_in_sample=0.4,
        outside=None,
        dropped=(),
        sentences=tuple(f"More {concept}." for concept, _ in aspects),
        warnings=(),
        finexl_version="0",
        created=created,
    )


def scattered(V: Array, n: int, spread: float, seed: int) -> Array:
    """Return pairs (n, d) whose mean is V exactly."""
    noise = np.random.default_rng(seed).normal(size=(n, len(V))) * spread
    found: Array = V + noise - noise.mean(axis=0)
    return found
