"""Concepts in the encoder's space: Eq. 6 over the user's prompts or the neutral ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finexl.cache import ArrayCache, cache_folder, key_of
from finexl.concepts.vocabulary import neutral_prompts, vocabulary
from finexl.core.analysis import Frame
from finexl.core.concepts import agreement_with_all, concept_vectors, scatter_over_prompts
from finexl.core.subspace import FLOOR, RANK, Subspace, fit_subspace
from finexl.encoders import Encoder, text_rows

SHIPPED = ArrayCache(Path(str(files("finexl.encoders") / "weights" / "vectors")))
"""Vectors of the built-in lists under the neutral prompts, by the embedded encoder."""
MAX_PROMPTS = 8
"""Prompts of the user's that Eq. 6 averages over at most: a concept costs a text for each."""
SUBSPACES = {"embedded": (128, 3.0)}
"""K and ε where an encoder's card says others than the authors': the embedded encoder's fit has
whitened its space already and left no idle direction, so that little is left to do (all of its
directions kept, mildly whitened)."""
PROMPT_WORDS = 32
PROMPT_CHARACTERS = 200
"""Text encoders stop reading after 64 to 128 tokens; a concept behind a longer prompt would be cut
off and leave no vector but rounding."""
IMMOVABLE = 1e-4
"""A concept that moves the prompts less than this part of their length moves them not at all."""
TEXTS_AT_ONCE = 4096
_FORMAT = "1"

Array = NDArray[np.float64]
Vectors = dict[str, tuple[NDArray[np.float32], float]]
"""Each concept's vector (d,) and its scatter over the prompts."""


@dataclass(frozen=True)
class ConceptVectors:
    """f(C) for a pool."""

    vectors: Array
    """(m, d)"""
    agreement: float
    """Estimated cosine to the vectors from all the prompts, in [0, 1]; 1 where all were used."""


def choose_prompts(prompts: Sequence[str], seed: int) -> tuple[str, ...]:
    """Return at most MAX_PROMPTS of the distinct prompts, shortened, in order, by the seed."""
    distinct = tuple(dict.fromkeys(shortened(prompt) for prompt in prompts))
    if len(distinct) <= MAX_PROMPTS:
        return distinct
    rng = np.random.default_rng([seed, len(distinct)])
    chosen = np.sort(rng.choice(len(distinct), MAX_PROMPTS, replace=False))
    return tuple(distinct[i] for i in chosen)


def shortened(prompt: str) -> str:
    """Return the prompt's beginning that leaves room for a concept behind it."""
    words = prompt.split()
    begun = " ".join(words[:PROMPT_WORDS]) if len(words) > PROMPT_WORDS else prompt
    begun = begun[:PROMPT_CHARACTERS]
    # scripts without spaces, and emoji, take a token or more for each character
    foreign = [i for i, character in enumerate(begun) if not character.isascii()]
    return begun[: foreign[PROMPT_WORDS]] if len(foreign) > PROMPT_WORDS else begun


def map_concepts(
    encoder: Encoder,
    texts: Sequence[str],
    prompts: Sequence[str],
    template: str,
    *,
    n_all: int | None = None,
    cache: ArrayCache | None = None,
) -> ConceptVectors:
    """Return f(C) for each text (Eq. 6); what was mapped before is read from the cache.

    Args:
        encoder: gives the text embeddings.
        texts: the concepts.
        prompts: the prompts t that are averaged over.
        template: how t ∪ C is written, with {prompt} and {concept}.
        n_all: of how many prompts these are a sample.
        cache: where vectors are kept; the user's own by default.
    """
    cache = ArrayCache(cache_folder() / "concepts") if cache is None else cache
    key = key_of(_FORMAT, encoder.name, encoder.revision, template, *prompts)
    known = {**_stored(cache, key), **_stored(SHIPPED, key)}
    missing = [text for text in dict.fromkeys(texts) if text not in known]
    if missing:
        known.update(_mapped(encoder, missing, prompts, template))
        _store(cache, key, known)
    found = np.array([known[text][0] for text in texts], dtype=np.float64)
    scatter = np.array([known[text][1] for text in texts], dtype=np.float64)
    n = len(prompts)
    return ConceptVectors(found, agreement_with_all(found, scatter, n, n_all or n))


def frame_of(
    encoder: Encoder, space: str, template: str, *, cache: ArrayCache | None = None
) -> Frame:
    """Return where concepts are compared and what a score of 1 is, for this encoder.

    Both come from the built-in vocabulary under the neutral prompts, never from the pool of the
    day. r is the median length of the vocabulary's concept vectors: a score of 1 moves the images
    as far as a typical concept moves its words.

    Args:
        encoder: any encoder.
        space: "subspace" for the whitened one, "encoder" for the encoder's own.
        template: how t ∪ C is written.
        cache: where vectors are kept; the user's own by default.
    """
    texts = [concept.text for concept in vocabulary("all")]
    F = map_concepts(encoder, texts, neutral_prompts(), template, cache=cache).vectors
    if space == "subspace":
        rank, floor = SUBSPACES.get(encoder.name, (RANK, FLOOR))
        subspace = fit_subspace(F, rank=rank, floor=floor)
    else:
        subspace = Subspace.identity(encoder.dim)
    lengths = np.linalg.norm(F @ subspace.matrix.T, axis=1)
    return Frame(subspace, float(np.median(lengths)))


def _mapped(
    encoder: Encoder, texts: Sequence[str], prompts: Sequence[str], template: str
) -> Iterator[tuple[str, tuple[NDArray[np.float32], float]]]:
    """Yield each concept's vector and its scatter over the prompts."""
    plain = text_rows(encoder, prompts).astype(np.float64)
    at_once = max(1, TEXTS_AT_ONCE // len(prompts))
    for start in range(0, len(texts), at_once):
        some = texts[start : start + at_once]
        written = [
            template.format(prompt=prompt, concept=text) for text in some for prompt in prompts
        ]
        rows = text_rows(encoder, written).astype(np.float64)
        moved = rows.reshape(len(some), len(prompts), -1)
        vectors = concept_vectors(moved, plain)
        lengths = np.linalg.norm(vectors, axis=1)
        vectors[lengths < IMMOVABLE * np.linalg.norm(plain, axis=1).mean()] = 0.0
        # one prompt alone has no scatter to show
        scatter = scatter_over_prompts(moved, plain) if len(prompts) > 1 else np.zeros(len(some))
        for text, vector, spread in zip(some, vectors, scatter, strict=True):
            yield text, (vector.astype(np.float32), float(spread))


def _stored(cache: ArrayCache, key: str) -> Vectors:
    entry = cache.get(key)
    if entry is None:
        return {}
    arrays, labels = entry
    texts = json.loads(labels.get("concepts", "[]"))
    rows = zip(texts, arrays["vectors"], arrays["scatter"], strict=True)
    return {text: (vector, float(spread)) for text, vector, spread in rows}


def _store(cache: ArrayCache, key: str, known: Vectors) -> None:
    arrays = {
        "vectors": np.stack([vector for vector, _ in known.values()]),
        "scatter": np.array([spread for _, spread in known.values()], dtype=np.float32),
    }
    cache.put(key, arrays, {"concepts": json.dumps(list(known), ensure_ascii=False)})
