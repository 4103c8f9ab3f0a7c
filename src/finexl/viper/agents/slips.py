"""What goes wrong on the way to the keyboard: typos, missing capitals and dots, shorthand."""

from __future__ import annotations

import re
from collections.abc import Mapping

from numpy.random import Generator

_BESIDE: Mapping[str, str] = {
    "a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj",
    "i": "uo", "j": "hk", "k": "jl", "l": "k", "m": "n", "n": "bm", "o": "ip", "p": "o",
    "q": "w", "r": "et", "s": "ad", "t": "ry", "u": "yi", "v": "cb", "w": "qe", "x": "zc",
    "y": "tu", "z": "x",
}  # fmt: skip
"""Keys next to each other."""
_SHORT: Mapping[str, str] = {
    "really": "rly", "because": "cuz", "you": "u", "though": "tho", "please": "pls",
    "probably": "prob", "honestly": "tbh", "okay": "ok", "don't know": "dunno",
}  # fmt: skip
_BRITISH: Mapping[str, str] = {
    "color": "colour", "colored": "coloured", "colors": "colours", "gray": "grey",
    "cozy": "cosy", "favorite": "favourite", "center": "centre", "centered": "centred",
    "watercolor": "watercolour", "multicolored": "multicoloured", "theater": "theatre",
    "pajamas": "pyjamas", "mustache": "moustache", "harbor": "harbour", "fibers": "fibres",
    "parlor": "parlour",
}  # fmt: skip
HASTY = 0.03
"""From this share of slips on somebody does without capitals and shorthand creeps in."""


def slipped(text: str, share: float, british: bool, rng: Generator) -> str:
    """Return a text as somebody types it.

    Args:
        text: as it was meant.
        share: of its words, those that go wrong.
        british: whether colors are colours.
        rng: decides which.
    """
    if british:
        text = _replaced(text, _BRITISH)
    if share < 0.01:
        return text
    words = [
        _typo(word, rng) if rng.random() < share else word for word in re.split(r"(\s+)", text)
    ]
    text = "".join(words)
    if rng.random() < 8 * share:
        text = text.replace("'", "")
    if share >= HASTY:
        if rng.random() < 0.5:
            text = _replaced(text, _SHORT)
        if rng.random() < 0.6:
            text = text.lower()
        if text.endswith(".") and rng.random() < 0.6:
            text = text[:-1]
    return text


def _replaced(text: str, table: Mapping[str, str]) -> str:
    pattern = re.compile(r"\b(" + "|".join(map(re.escape, table)) + r")\b", re.IGNORECASE)

    def other(match: re.Match[str]) -> str:
        found = table[match[0].lower()]
        return found[:1].upper() + found[1:] if match[0][:1].isupper() else found

    return pattern.sub(other, text)


def _typo(word: str, rng: Generator) -> str:
    """Return a word with one letter lost, doubled, swapped or hit beside; short ones stay."""
    places = [i for i in range(1, len(word) - 1) if word[i].isalpha() and word[i + 1].isalpha()]
    if len(word) < 4 or not places:
        return word
    i, kind = places[int(rng.integers(len(places)))], int(rng.integers(4))
    letter = word[i]
    if kind == 0:
        return word[:i] + word[i + 1 :]
    if kind == 1:
        return word[:i] + 2 * letter + word[i + 1 :]
    if kind == 2:
        return word[:i] + word[i + 1] + letter + word[i + 2 :]
    beside = _BESIDE.get(letter.lower(), letter)
    return word[:i] + beside[int(rng.integers(len(beside)))] + word[i + 1 :]
