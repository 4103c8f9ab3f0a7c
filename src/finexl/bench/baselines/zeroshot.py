"""Pictures and texts compared as CLIP is used without training: cosines in the shared space."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from finexl.cache import ArrayCache, cache_folder, key_of
from finexl.core.orthogonality import unit_rows
from finexl.encoders import Encoder, text_rows

DECIMALS = 6
"""To which cosines are taken: embeddings are float32, and the rest is the order of additions."""

Array = NDArray[np.float64]


def unit_texts(encoder: Encoder, texts: Sequence[str]) -> Array:
    """Return each text's own embedding at unit length, (m, d); kept on disk, as lists repeat."""
    if not texts:
        return np.zeros((0, encoder.dim))
    cache = ArrayCache(cache_folder() / "texts")
    key = key_of("1", encoder.name, encoder.revision, *texts)
    entry = cache.get(key)
    if entry is None:
        rows = text_rows(encoder, texts)
        cache.put(key, {"rows": rows}, {"texts": json.dumps(len(texts))})
    else:
        rows = entry[0]["rows"]
    return unit_rows(rows.astype(np.float64))


def cosines(images: Array, texts: Array) -> Array:
    """Return the cosine of each picture (n, d) with each unit text (m, d), as (n, m)."""
    found: Array = np.round(unit_rows(images) @ texts.T, DECIMALS)
    return found
