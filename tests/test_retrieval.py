"""Candidates out of a list of any length, by one reading each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from finexl.cache import ArrayCache
from finexl.concepts.retrieval import retrieve
from finexl.concepts.vectors import frame_of, map_concepts
from finexl.concepts.vocabulary import neutral_prompts, vocabulary
from finexl.encoders.embedded import Embedded

TEMPLATE = "{prompt}, {concept}"
OTHERS = [f"{concept.text} {noun}" for concept in vocabulary("all") for noun in ("look", "scene")]


@pytest.mark.parametrize("planted", ["pencil sketch", "film grain", "blurry"])
def test_what_the_images_moved_along_is_found_among_many(
    encoder: Embedded, tmp_path: Path, planted: str
) -> None:
    V = map_concepts(encoder, [planted], neutral_prompts(), TEMPLATE).vectors[0]
    texts = [*OTHERS[:400], planted, *OTHERS[400:]]
    frame = frame_of(encoder, "subspace", TEMPLATE)
    for sign in (1.0, -1.0):
        cache = ArrayCache(tmp_path)
        found = retrieve(encoder, texts, sign * V, frame, TEMPLATE, 20, cache=cache)
        assert len(found) == len(set(found)) == 20
        assert 400 in found[:5]


def test_a_list_is_read_once(
    encoder: Embedded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = frame_of(encoder, "subspace", TEMPLATE)
    V = np.ones(encoder.dim)
    first = retrieve(encoder, OTHERS, V, frame, TEMPLATE, 9, cache=ArrayCache(tmp_path))

    def fail(texts: object) -> None:
        raise AssertionError(f"{texts} are read again")

    monkeypatch.setattr(encoder, "embed_texts", fail)
    assert retrieve(encoder, OTHERS, V, frame, TEMPLATE, 9, cache=ArrayCache(tmp_path)) == first
    assert retrieve(encoder, OTHERS, 5 * V, frame, TEMPLATE, 9, cache=ArrayCache(tmp_path)) == first
