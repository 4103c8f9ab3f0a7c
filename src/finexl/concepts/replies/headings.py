"""What headings, keys and values say about a direction: "Set B has less of", "lower"."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from finexl.concepts.replies.words import among, plain

Direction: TypeAlias = Literal["more", "less"]

_COMPARED = re.compile(r"\b(?:than|compared|versus|vs|relative|but not|not in)\b[^,]*")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[_-]")
_NAMED = {"set", "image", "images", "group", "model", "in", "picture", "photo", "sample"}
_UP = {"up", "higher", "high", "↑", "positive", "yes", "present", "+"}
_DOWN = {"down", "lower", "low", "↓", "negative", "-"}


@dataclass(frozen=True)
class Context:
    """What headings and keys say about the items under them."""

    of_second: int = 1
    """+1: what the second, personalized set has more or less of; -1: what the first has."""
    more: int = 1
    said: bool = False
    """A heading says so, rather than the default."""
    foreign: bool = False
    """In another language than English."""

    def turned(self, sign: int) -> Context:
        """Return the context of what itself says that it is more (1) or less (-1)."""
        return replace(self, more=sign, said=True) if sign else self


DEFAULT = Context()


def heading(text: str, outer: Context = DEFAULT) -> Context | None:
    """Return what a heading or key such as "Set B has less of" says; None: it is neither."""
    if len(text) > 100:
        return None
    words = re.findall(r"[^\W_]+", _COMPARED.sub("", spelled_out(text)))
    ours = among("heading words") | among("first set") | among("second set") | {"a", "b"}
    if len(words) > 10 or not all(word in ours or sign_of(word) for word in words):
        return None
    # an "a" that follows no "set" is an article
    sets = [
        -1 if word in among("first set") or word == "a" else 1
        for before, word in zip(["", *words], words, strict=False)
        if word in among("first set") | among("second set") | {"b"}
        or (word == "a" and (before in _NAMED or len(words) == 1))
    ]
    signs = [sign_of(word) for word in words if sign_of(word)]
    # "left" and "style" alone say nothing; neither does a heading of fillers
    if not signs and not (sets and (_NAMED | {"a", "b"}) & {*words}):
        return None
    second, more = (*sets, 1)[0], (*signs, outer.more)[0]
    foreign = outer.foreign or bool(among("foreign directions") & {*words})
    return Context(second * outer.of_second, more, True, foreign)


def sign_of(word: str) -> int:
    """Return 1 for a word like "more", -1 for one like "less", else 0."""
    return (word in among("more")) - (word in among("less"))


def value_sign(value: str) -> int:
    """Return the direction that a value such as "higher" or "Less in set B" names, or 0."""
    word = plain(value).strip(" .!")
    found = heading(value)
    return (word in _UP) - (word in _DOWN) or (found.more * found.of_second if found else 0)


def spelled_out(key: str) -> str:
    """Return the words of a key such as "setBHasLess" or "set_b_has_less"."""
    return plain(_CAMEL.sub(" ", key))
