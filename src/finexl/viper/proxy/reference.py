"""How pictures differ under an encoder, whoever looks at them: by what a taste is least told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from finexl.cache import ArrayCache, cache_folder, key_of
from finexl.encoders import Encoder, image_rows
from finexl.viper.drawing.recipes import recipes
from finexl.viper.pictures import SMALL, built_in_mean, draw

Array = NDArray[np.float64]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Reference:
    """Rows of pictures of all kinds."""

    rows: Array
    """(n, d), n at least 2."""

    @cached_property
    def mean(self) -> Array:
        """(d,): what is neither liked nor disliked as long as nothing else is known."""
        mean: Array = self.rows.mean(axis=0)
        return mean

    @cached_property
    def whitening(self) -> Array:
        """(d, d), W = (C + c I)^(−1/2): how the pictures differ counts for less.

        C is their covariance and c the mean of as many eigenvalues as so many pictures can have.
        """
        away = self.rows - self.mean
        variances, directions = np.linalg.eigh(away.T @ away / (len(away) - 1))
        rank = min(len(away) - 1, len(variances))
        usual = max(variances.sum() / rank, np.finfo(float).tiny)
        scales = (np.maximum(variances, 0) + usual) ** -0.5
        whitening: Array = (directions * scales) @ directions.T
        return whitening


def built_in(encoder: Encoder, progress: Progress = lambda *_: None) -> Reference:
    """Return the built-in query set under an encoder, drawn small the first time and kept."""
    cache = ArrayCache(cache_folder() / "viper")
    # the mean is another one whenever the drawings are
    key = key_of("rows", built_in_mean(encoder, progress).tobytes().hex())
    kept = cache.get(key)
    if kept is not None and kept[0].get("rows", np.zeros(0)).shape == (
        len(recipes()),
        encoder.dim,
    ):
        return Reference(kept[0]["rows"].astype(np.float64))
    rows = []
    for number in range(len(recipes())):
        rows.append(image_rows(encoder, [draw(number, SMALL)])[0])
        progress("Looking at the query set", number + 1, len(recipes()))
    cache.put(key, {"rows": np.array(rows, np.float32)}, {})
    return Reference(np.array(rows, np.float64))
