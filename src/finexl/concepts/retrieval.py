"""Candidates for one divergence out of a list of any length.

Eq. 6 reads every concept under several prompts, which a list of thousands makes slow. Here each is
read once, alone, and those whose words point along V_div or against it are kept as candidates;
Eq. 6 then maps these as it does all others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from finexl.cache import ArrayCache, cache_folder, key_of
from finexl.concepts.vectors import map_concepts
from finexl.concepts.vocabulary import neutral_prompts, vocabulary
from finexl.core.analysis import Frame
from finexl.core.orthogonality import unit_rows
from finexl.encoders import Encoder, text_rows

RETRIEVED = 200
"""Candidates kept of a long list."""
_FORMAT = "alone 1"

Array = NDArray[np.float64]


def retrieve(
    encoder: Encoder,
    texts: Sequence[str],
    V_div: Array,
    frame: Frame,
    template: str,
    count: int = RETRIEVED,
    *,
    cache: ArrayCache | None = None,
) -> list[int]:
    """Return the indices of the `count` texts that align most with ±V_div, best first.

    A text's vector is what it alone embeds to, less the mean of the built-in vocabulary's words
    read that way, plus the mean of their concept vectors: all concepts share a direction (the
    authors' later finding), which words read alone do not show.

    Args:
        encoder: gives the text embeddings.
        texts: the list, of any length.
        V_div: (d,), of images on which the concepts found will not be tested.
        frame: the decomposition's space.
        template: how t ∪ C is written.
        count: how many to keep.
        cache: where the texts' embeddings are kept; the user's own by default.
    """
    listed = [concept.text for concept in vocabulary("all")]
    shift = map_concepts(encoder, listed, neutral_prompts(), template, cache=cache).vectors.mean(0)
    shift = shift - _alone(encoder, listed, cache).mean(axis=0)
    rows = (_alone(encoder, texts, cache) + shift) @ frame.subspace.matrix.T
    aligned = np.abs(unit_rows(rows) @ (frame.subspace.matrix @ V_div))
    return [int(i) for i in np.argsort(-aligned, kind="stable")[:count]]


def _alone(encoder: Encoder, texts: Sequence[str], cache: ArrayCache | None) -> Array:
    """Return the embeddings of texts read alone, (n, d), from the cache where it has the list."""
    cache = ArrayCache(cache_folder() / "concepts") if cache is None else cache
    key = key_of(_FORMAT, encoder.name, encoder.revision, *texts)
    entry = cache.get(key)
    if entry is not None and entry[0]["rows"].shape == (len(texts), encoder.dim):
        return entry[0]["rows"].astype(np.float64)
    rows = text_rows(encoder, texts)
    cache.put(key, {"rows": rows}, {})
    return rows.astype(np.float64)
