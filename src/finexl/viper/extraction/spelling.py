"""Words as our lists have them: typos put right, "softness" and "softer" taken back to "soft"."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache, lru_cache

from finexl.encoders.embedded import WEIGHTS
from finexl.viper.extraction.names import listed_words
from finexl.viper.extraction.words import Token, normal

SHORTEST = 5
"""Shorter words are one slip from too many others."""
_ENDINGS = (
    ("ier", "y"), ("iest", "y"), ("iness", "y"), ("er", ""), ("er", "e"), ("est", ""), ("est", "e"),
    ("ness", ""), ("ish", ""),
)  # fmt: skip
"""What is taken off a word that is not listed where the rest is, and put in its place."""
_DRAWN_OUT = re.compile(r"([a-z])\1{2,}")


def corrected(words: Iterable[Token]) -> list[Token]:
    """Return the words with typos put right where it is clear which word was meant."""
    return [Token(_right(token.word), token.start, token.end) for token in words]


@lru_cache(maxsize=50_000)
def _right(word: str) -> str:
    if not word.isalpha() or not word.isascii() or word in _ours():
        return word
    for times in (1, 2):  # "soooo", "coool"
        shorter = normal(_DRAWN_OUT.sub(lambda match, n=times: match[1] * n, word))  # type: ignore[misc]
        if shorter != word and shorter in _ours():
            return shorter
    for ending, instead in _ENDINGS:
        if word.endswith(ending) and word[: -len(ending)] + instead in _ours():
            return word[: -len(ending)] + instead
    if len(word) < SHORTEST or word in _known():
        return word
    near = {
        other
        for piece in _less_one(word)
        for other in _ours_less_one().get(piece, ())
        if other[0] == word[0] and abs(len(other) - len(word)) <= 1 and _is_one_slip(word, other)
    }
    return near.pop() if len(near) == 1 else word


def _is_one_slip(a: str, b: str) -> bool:
    """Whether one letter too many, too few, other, or two swapped tell the words apart."""
    start = next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )
    rest_a, rest_b = a[start:], b[start:]
    if rest_a[1:] == rest_b or rest_a == rest_b[1:] or rest_a[1:] == rest_b[1:]:
        return True
    return rest_a[:2] == rest_b[:2][::-1] and rest_a[2:] == rest_b[2:]


def _less_one(word: str) -> set[str]:
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}


@cache
def _ours() -> frozenset[str]:
    return listed_words()


@cache
def _ours_less_one() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for word in sorted(_ours()):
        if len(word) >= SHORTEST - 1 and word.isalpha():
            for piece in _less_one(word):
                found.setdefault(piece, []).append(word)
    return found


@cache
def _known() -> frozenset[str]:
    """Return the words that a text model knows whole: not typos, whatever they mean."""
    vocabulary = json.loads((WEIGHTS / "tokenizer.json").read_text(encoding="utf-8"))
    return frozenset(vocabulary["model"]["vocab"])
