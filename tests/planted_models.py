"""Explained models whose divergences are planted: what `finexl compare` is tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from catalogued import planted
from finexl.comparing.models import Model
from finexl.explanation import Aspect, Explanation, Source
from planted import DIM, PlantedEncoder, direction

ENCODER = PlantedEncoder()
WORDS = ("vivid", "dark", "neon colors", "monochrome", "film grain", "pencil sketch")


def explained(
    name: str,
    levels: Mapping[str, float],
    n: int = 12,
    *,
    noise: float = 0.02,
    seed: int | Sequence[int] = 1,
    base: int = 0,
    keeps: Sequence[str] | None = None,
    pairs: bool = True,
    prompts: Sequence[str] | None = None,
    **changed: object,
) -> Explanation:
    """An explanation of a model that moves pictures so far along each phrase.

    Args:
        name: of the model.
        levels: how far.
        n: prompts.
        noise: of each picture, in each dimension.
        seed: of the personalized pictures' noise.
        base: of the base's, which all models against one base share.
        keeps: its aspects; by default what it moves along.
        pairs: whether it keeps its pair divergences.
        prompts: what made the pictures; by default as many scenes.
        changed: other fields of the explanation.
    """
    V = sum((level * direction(c) for c, level in levels.items()), np.zeros(DIM))
    own = np.random.default_rng(seed).standard_normal((n, DIM))
    shared = np.random.default_rng([base, 99]).standard_normal((n, DIM))
    rows = (V + noise * (own - shared)).astype(np.float16).astype(np.float64)
    texts = tuple(f"scene {i}" for i in range(n)) if prompts is None else tuple(prompts)
    kept = [(c, levels.get(c, 0.1)) for c in (levels if keeps is None else keeps)]
    found = planted(name, rows.mean(axis=0), ENCODER, pairs=rows, aspects=kept, prompts=texts)
    found = replace(
        found,
        base=Source("base", "folder", n, f"base {base}"),
        personalized=Source(name, "folder", n, f"{name} {seed}"),
        aspects=tuple(map(certain, found.aspects)),
        less=tuple(map(certain, found.less)),
        pool=replace(found.pool, size=len(kept), sources=("given",)),
        prompts=replace(found.prompts, digest=" ".join(texts)),
        n_pairs=n,
    )
    if not pairs:
        found = replace(found, divergence=replace(found.divergence, pairs=None))
    return replace(found, **changed)  # type: ignore[arg-type]


def certain(aspect: Aspect) -> Aspect:
    return replace(aspect, q_value=0.001, significant=True, specific=True)


def model(name: str, levels: Mapping[str, float], **of: object) -> Model:
    """The same as one of those compared."""
    return Model(name, explained(name, levels, **of))  # type: ignore[arg-type]
