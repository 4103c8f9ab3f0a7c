"""Which attributes a comment names: those of the list, and others as they are said.

In order of preference: a listed attribute or alias ("watercolor"); a category's noun with words
before it ("flowing lines") or after it ("the lines are flowing"); a color, with its shade; a style
by its ending ("cottagecore"); a noun alone ("the colors"), which says what but not which.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from finexl.viper.extraction.clauses import DETERMINERS, ENDS, PARTS, SUBJECTS, VERBS
from finexl.viper.extraction.cues import Cue, find_cues, prior
from finexl.viper.extraction.names import (
    COLORS,
    FUNCTION_WORDS,
    SAID,
    SHADES,
    Named,
    colors,
    cores,
    index,
    is_noun,
    named_apart,
    nouns,
    styles,
    whole,
)  # fmt: skip
from finexl.viper.extraction.words import kind

COPULAS = kind("copula")
_NO_MODIFIERS = kind("no modifier")
_BEFORE_A_VERB = kind("before a verb")
_ADJECTIVE = re.compile(
    r"\w{2,}(y|ic|ous|ful|less|ish|ive|al|ed|ing|ant|ent|ary|esque|like|ible|able|ate)$"
)
_BEFORE_A_PREDICATE = frozenset(
    ("here", "in", "this", "of", "it", "also", "all", "just", "really", "themselves")
)
_SAYS_NOTHING_SEEN = frozenset(("opinion", "torn", "sarcasm"))
"""Kinds of cues whose phrases name no attribute, whatever words are in them: "makes me happy"."""
_LONGEST_PREDICATE = 8


@dataclass(frozen=True)
class Mention:
    """An attribute where a comment names it."""

    start: int
    end: int
    attribute: str | None
    """None where a whole category is named and nothing of it: "these colors"."""
    category: str | None
    listed: bool
    """Whether it is one of our attributes."""


def find_mentions(words: Sequence[str], cues: Sequence[Cue] | None = None) -> list[Mention]:
    """Return the mentions among a comment's words, in order."""
    cues = find_cues(words) if cues is None else cues
    spoken = {i for cue in cues if cue.kind != "content" for i in range(cue.start, cue.end)}
    found = _Found(words, spoken)
    phrases = [cue for cue in cues if cue.kind in _SAYS_NOTHING_SEEN and cue.end - cue.start > 1]
    known = [
        (start, end, one)
        for start, end, one in index().find(words)
        if not any(cue.start <= start and end <= cue.end for cue in phrases)
    ]
    for start, end, one in known:
        if end - start > 1:
            found.add(start, end, one.text, one.category, listed=True)
    said = [
        (start, end, category)
        for start, end, category in nouns().find(words)
        if not found.taken.intersection(range(start, end)) and not _is_a_verb(words, start)
    ]
    specified = set()
    for start, end, category in said:
        if _modifiers(found, start, end, category):
            specified.add(start)
    for start, end, category in said:
        if _predicates(found, end, category, start) and not found.covers(start):
            specified.add(start)
    _anaphora(found, said)
    for named in (*colors(words), *styles(words)):
        found.add_named(named)
    for start, end, one in known:
        found.add(start, end, one.text, one.category, listed=True)
    for start, end, category in said:
        if start not in specified and not found.covers(start):
            found.add(start, end, None, category, listed=False)
    return sorted(found.mentions, key=lambda mention: mention.start)


class _Found:
    """The mentions so far, none on words of another."""

    def __init__(self, words: Sequence[str], cued: set[int]) -> None:
        self.words, self.cued = words, cued
        self.mentions: list[Mention] = []
        self.taken: set[int] = set()

    def add(
        self, start: int, end: int, text: str | None, category: str | None, *, listed: bool
    ) -> bool:
        if self.taken.intersection(range(start, end)):
            return False
        self.mentions.append(Mention(start, end, text, category, listed))
        self.taken.update(range(start, end))
        return True

    def add_named(self, one: Named) -> bool:
        return self.add(one.start, one.end, one.attribute, one.category, listed=one.listed)

    def covers(self, at: int) -> bool:
        return at in self.taken

    def free(self, at: int) -> bool:
        """Whether a word may describe something: no sign, cue, function word or other mention."""
        word = self.words[at]
        return not (
            at in self.cued or at in self.taken or not word[0].isalnum() or word in FUNCTION_WORDS
        )


def _modifiers(found: _Found, start: int, end: int, category: str) -> bool:
    """Add what stands before a category's noun: "transparent and layered texture"."""
    words, said = found.words, False
    i, last = start - 1, start
    while i >= 0:
        segment_end = i + 1
        while i >= 0 and (found.free(i) or words[i] in SHADES) and not is_noun(words, i):
            i -= 1
        segment = (i + 1, segment_end)
        if segment[0] == segment[1] or (i >= 0 and words[i] in _BEFORE_A_VERB):
            break
        to = end if last == start else segment[1]
        if not _describe(found, segment[0], segment[1], to, category):
            break
        said, last = True, segment[0]
        if i >= 0 and words[i] in ("and", ",", "or", "yet"):
            i -= 2 if i >= 1 and words[i] in ("and", "or") and words[i - 1] == "," else 1
        else:
            break
    return said


def _describe(found: _Found, start: int, end: int, to: int, category: str) -> bool:
    """Add the attribute that words make of a category's noun; say whether they make one."""
    words = tuple(found.words[start:end])
    for cut in range(len(words)):
        exact = cores(category).get(words[cut:]) or named_apart(words[cut:])
        if exact is not None:
            return found.add(start + cut, to, exact.text, exact.category, listed=True)
    told = list(styles(words))
    if category == COLORS and not told:
        told = list(colors(words, beside_color=True))
    if told:
        one = told[-1]
        past = max(start + one.end, to) if category == COLORS else start + one.end
        return found.add_named(one._replace(start=start + one.start, end=past))
    words = tuple(word for word in words if not word.endswith("ly"))
    if not 0 < len(words) <= 3 or words[-1] in _NO_MODIFIERS or words[-1].isdigit():
        return False
    text = " ".join((*words, SAID[category]))
    return found.add(start, to, text, category, listed=False)


def _predicates(found: _Found, at: int, category: str, noun: int | None) -> bool:
    """Add what is said of a category's noun: "the lines are flowing and delicate"."""
    words, said = found.words, False
    if noun is not None and noun >= 2 and words[noun - 1] in DETERMINERS:
        how = next((i for i in range(max(0, noun - 4), noun - 1) if words[i] == "how"), None)
        if how is not None and noun - 1 - how > 1:  # "how extreme the patterns are"
            return _describe(found, how + 1, noun - 1, noun - 1, category)
    i = at
    while i < min(len(words), at + 3) and words[i] in _BEFORE_A_PREDICATE:
        i += 1
    if i >= len(words) or words[i] not in COPULAS:
        return False
    for j in range(i + 1, min(len(words), i + 1 + _LONGEST_PREDICATE)):
        word = words[j]
        stops = word in SUBJECTS or word in DETERMINERS or word == "but" or is_noun(words, j)
        if word[0] in ENDS or word in PARTS or (stops and j > i + 1):
            break
        if j in found.taken or not word[0].isalnum() or word in FUNCTION_WORDS:
            continue
        exact = cores(category).get((word,))
        if exact is not None:
            said = found.add(j, j + 1, exact.text, exact.category, listed=True) or said
        elif (
            j not in found.cued
            and named_apart((word,)) is None
            and not word.endswith("ly")
            and (whole((word,)) is not None or _ADJECTIVE.match(word) or prior((word,)))
        ):
            said = found.add(j, j + 1, f"{word} {SAID[category]}", category, listed=False) or said
    return said


def _anaphora(found: _Found, nouns: Sequence[tuple[int, int, str]]) -> None:
    """Add what is said of a "they" or "it" that stands for the only noun shortly before."""
    words = found.words
    for at, word in enumerate(words):
        first = (
            at == 0 or not words[at - 1][0].isalnum() or words[at - 1] in ("and", "but", "which")
        )
        if word not in ("they", "it", "which", "these") or not first:
            continue
        before = [(s, c) for s, _, c in nouns if at - 12 <= s < at]
        if word == "it":  # else the picture is meant
            ends = [i for i in range(max(0, at - 12), at) if words[i][0] in ENDS]
            before = [(s, c) for s, c in before if not ends or s > ends[-1]]
        if len({category for _, category in before}) == 1:
            _predicates(found, at + 1, before[-1][1], None)


def _is_a_verb(words: Sequence[str], at: int) -> bool:
    """Whether "feel" is one where it stands: "the lines feel", not "a retro feel"."""
    if words[at] not in ("feel", "feeling"):
        return False
    before = words[at - 1] if at else "."
    return (
        before in SUBJECTS - {"this", "that"} or not before[0].isalnum() or before in VERBS
        or is_noun(words, at - 1) or before in ("piece", "picture", "image", "painting", "artwork")
    )  # fmt: skip
