"""One comment read without a model: clauses, cues, mentions, and what is thought of each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from finexl.viper.extraction.clauses import ENDS, clauses
from finexl.viper.extraction.cues import find_cues
from finexl.viper.extraction.mentions import find_mentions
from finexl.viper.extraction.names import listed_words
from finexl.viper.extraction.opinions import LEAST, judge, tempers
from finexl.viper.extraction.spelling import corrected
from finexl.viper.extraction.words import READ, readable, tokens

ENGLISH = 0.34
"""Of the words of a comment so many at least are known, if it is English at all."""
FEW = 4
"""A comment of fewer words is taken as it is."""


@dataclass(frozen=True)
class Said:
    """An opinion of an attribute, or of a category as a whole, in a comment's own words."""

    attribute: str | None
    """None: "these colors"."""
    category: str | None
    value: float
    """In [-3, 3]: liked above 0."""
    both: bool
    """Praise and blame at once; `value` says which has more."""
    words: str
    listed: bool
    missing: bool
    """It is wished for, since this picture has none of it."""


@dataclass(frozen=True)
class Reading:
    """What a comment says."""

    said: tuple[Said, ...]
    total: float
    """What it thinks of the picture, in [-3, 3]."""
    words: str
    """The comment as it can be quoted."""
    english: bool
    cut: bool
    """It is longer than what is read."""


def read(comment: str) -> Reading:
    """Read one comment."""
    text = readable(comment)
    cut = len(text) > READ
    text = text[:READ]
    found = corrected(tokens(text))
    words = [token.word for token in found]
    if not words or not _is_english(words):
        return Reading((), 0.0, text, not words, cut)
    cues = find_cues(words)
    mentions = find_mentions(words, cues)
    parts = clauses(words, cues, [(m.start, m.end) for m in mentions])
    judged, total = judge(words, parts, cues, mentions)
    said = []
    for one in judged:
        if abs(one.value) < LEAST and not one.both:
            continue
        attribute = one.mention.attribute
        if attribute is None and one.amount:  # "more contrast" is not what the picture has
            attribute = " ".join(words[one.mention.start : one.mention.end])
        first, last = found[one.clause.start], found[one.clause.end - 1]
        said.append(
            Said(
                attribute,
                one.mention.category,
                one.value,
                one.both,
                _quoted(text[first.start : last.end]),
                one.mention.listed,
                one.missing,
            )
        )
    return Reading(tuple(said), total, text, True, cut)


def tempered(comment: str) -> list[tuple[str, float]]:
    """Return a comment's clauses as they are written, and what each thinks, in [-3, 3]."""
    text = readable(comment)[:READ]
    found = corrected(tokens(text))
    words = [token.word for token in found]
    cues = find_cues(words)
    mentions = find_mentions(words, cues)
    parts = clauses(words, cues, [(m.start, m.end) for m in mentions])
    values = tempers(words, parts, cues, mentions)
    spans = [(found[one.start].start, found[one.end - 1].end) for one in parts]
    return [
        (_quoted(text[start:end]), value)
        for (start, end), value in zip(spans, values, strict=True)
        if any(letter.isalnum() for letter in text[start:end])
    ]


def _quoted(words: str) -> str:
    return words.strip(' \n,;:-–—"“”()' + "".join(ENDS - {"!", "?", "."}))


@cache
def _ours() -> frozenset[str]:
    return listed_words()


def _is_english(words: list[str]) -> bool:
    spoken = [word for word in words if word[0].isalpha()]
    foreign = sum(not word.isascii() for word in spoken)
    if foreign > len(spoken) / 2:
        return False
    if len(spoken) < FEW:
        return True
    known = sum(word in _ours() for word in spoken)
    return known >= ENGLISH * len(spoken)
