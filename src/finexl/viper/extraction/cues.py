"""Words that say what somebody thinks, whatever they are about: `data/cues.csv`, found in comments.

opinion    praise or blame, from -3 to 3: says nothing of what is seen
content    an attribute that already says what most people think of it: "boring", "elegant"
not        turns round what follows; "plain" are phrases that look like it and do not
stronger, weaker
           before praise or blame
excess     "too": what follows is disliked
wish       "could use more": what follows is missing, and would be liked
spare      "wish it had less": what follows is there, and is disliked
but        a contrast with what was said before
torn       no opinion, said at some length
sarcasm    praise is meant as blame
elsewhere  another picture is preferred: what is named is liked, this picture is not
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from finexl.viper.extraction.words import Phrases, kind

_SAYS_I_LIKE = kind("before like")
"""Before "like" where it is a verb; elsewhere it compares: "looks like a dream"."""
_BEFORE_A_NOUN = kind("before a noun")
_SAID_AS_VERBS = frozenset(("work", "pop"))


@dataclass(frozen=True)
class Cue:
    """A phrase of the list, where it stands among a comment's words."""

    start: int
    end: int
    kind: str
    value: float
    """Valence of an opinion or content; the factor of "stronger" and "weaker"."""


def find_cues(words: Sequence[str]) -> list[Cue]:
    """Return the cues of a comment, in order, none within another."""
    found = [Cue(start, end, *entry) for start, end, entry in _lists().find(words)]
    return [cue for cue in found if not _is_something_else(words, cue)]


@cache
def cue_words() -> frozenset[str]:
    """Return every word that is part of a cue."""
    return frozenset(_lists().words())


@cache
def prior(phrase: tuple[str, ...]) -> float:
    """Return what most people think of an attribute, by the words that it was called by."""
    values = [value for _, _, (kind, value) in _lists().find(phrase) if kind == "content"]
    return max(values, key=abs, default=0.0)


@cache
def _lists() -> Phrases[tuple[str, float]]:
    text = (files("finexl.viper") / "data" / "cues.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return Phrases((row["phrase"], (row["kind"], float(row["value"]))) for row in rows)


def _is_something_else(words: Sequence[str], cue: Cue) -> bool:
    """Whether the phrase only looks like a cue where it stands."""
    word = words[cue.start]
    before = words[cue.start - 1] if cue.start else "."
    after = words[cue.end] if cue.end < len(words) else "."
    if cue.end - cue.start > 1:
        return False
    if word == "like":  # "I like" and "Like the colors", not "feels like" or "like a dream"
        if before[0].isalnum():
            return before not in _SAYS_I_LIKE
        return before == "," or after in ("a", "an")
    if word in _SAID_AS_VERBS:  # "the colors work", not "this work"
        return before in _BEFORE_A_NOUN
    if word == "pretty":  # "pretty bad"
        return cue.end < len(words) and _lists().at(words, cue.end) is not None
    if word == "off":
        return before not in ("feel", "look", "seem", "bit", "is", "are", "little", "something")
    if word == "want":
        return after == "to"
    return word in ("could", "should")
