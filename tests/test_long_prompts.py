"""Prompts longer than a text encoder reads must not cut the concept off."""

from __future__ import annotations

import numpy as np
import pytest

from finexl.cache import ArrayCache
from finexl.concepts.vectors import PROMPT_WORDS, choose_prompts, map_concepts, shortened
from finexl.core.orthogonality import unit_rows
from finexl.encoders import load_encoder

TEMPLATE = "{prompt}, {concept}"
LONG = "a cat on a chair beside the window " * 20


def test_a_long_prompt_keeps_its_beginning() -> None:
    assert shortened("a  cat") == "a  cat"
    assert shortened(LONG).split() == LONG.split()[:PROMPT_WORDS]
    assert len(shortened("x" * 2000)) == 200
    assert len(shortened("字" * 2000)) == PROMPT_WORDS


def test_prompts_that_begin_alike_are_one() -> None:
    assert choose_prompts([LONG + "1", LONG + "2", "a dog"], 0) == (shortened(LONG), "a dog")


@pytest.mark.parametrize(
    "prompt", [LONG, "字" * 2000, "x" * 2000], ids=["words", "cjk", "one word"]
)
def test_concepts_behind_long_prompts_keep_their_direction(prompt: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    encoder, cache = load_encoder(threads=1), ArrayCache(tmp_path)
    texts = ["vivid", "oil painting", "blurry"]
    short = map_concepts(encoder, texts, ("a cat on a chair",), TEMPLATE, cache=cache).vectors
    long = map_concepts(encoder, texts, choose_prompts([prompt], 0), TEMPLATE, cache=cache).vectors
    cosines = unit_rows(short) @ unit_rows(long).T
    assert list(cosines.argmax(axis=0)) == [0, 1, 2]
    assert (np.diag(cosines) > 0.3).all()


def test_a_concept_that_the_encoder_does_not_read_has_no_vector(tmp_path) -> None:  # type: ignore[no-untyped-def]
    encoder, cache = load_encoder(threads=1), ArrayCache(tmp_path)
    unread = "word " * 300
    found = map_concepts(encoder, ["vivid"], (unread,), TEMPLATE, cache=cache).vectors
    assert not found.any()
