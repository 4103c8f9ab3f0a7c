"""A comment taken apart into clauses: pieces that hold one opinion each.

"I love the lines, but the colors are too loud" is two: what is said in one is not about the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from finexl.viper.extraction.cues import Cue
from finexl.viper.extraction.words import kind

ENDS = frozenset(".!?…;:\n")
PARTS = frozenset(("(", ")", "[", "]", "—", "–", "--", '"', "“", "”", "/"))
SUBJECTS = kind("subject")
DETERMINERS = kind("determiner")
VERBS = kind("verb")
_STARTS_WITH_OPINION = kind("opinion verb")
_JOINS = frozenset((",", "and", "so", "because", "since", "which", "as", "or", "plus"))
_ALWAYS = frozenset(("because", "since", "which"))
_WEAK_CONTRASTS = frozenset(("yet", "still", "while", "unfortunately", "sadly"))
_CONCESSIVE = frozenset(
    ("although", "though", "despite", "while", "whereas", "except", "apart", "aside", "even", "in",
     "other")
)  # fmt: skip


@dataclass(frozen=True)
class Clause:
    """A stretch of a comment's words."""

    start: int
    end: int
    contrast: bool
    """It begins with a "but"."""
    concessive: bool
    """It begins with an "although": the contrast is with what comes after it as well."""


def clauses(
    words: Sequence[str], cues: Sequence[Cue], whole: Sequence[tuple[int, int]]
) -> list[Clause]:
    """Return the clauses of a comment's words, in order.

    Args:
        words: as compared.
        cues: of these words.
        whole: spans (start, end) that stay in one piece.
    """
    inside = {i for start, end in whole for i in range(start + 1, end)}
    contrasts = {cue.start: cue for cue in cues if cue.kind == "but" and cue.start not in inside}
    found: list[Clause] = []
    start, contrast, concessive = 0, False, False

    def close(end: int) -> None:
        if any(word != "," for word in words[start:end]):
            found.append(Clause(start, end, contrast, concessive))

    i = 0
    while i < len(words):
        word = words[i]
        if i in inside:
            i += 1
            continue
        if word[0] in ENDS or word in PARTS:
            close(i)
            start, contrast, concessive = i + 1, False, False
        elif not word[0].isalnum() and word != ",":  # a smile is a sentence of its own
            close(i)
            start, contrast, concessive = i, False, False
            close(i + 1)
            start = i + 1
        elif i in contrasts and _is_a_contrast(words, i):
            close(i)
            start, contrast = i, True
            concessive = word in _CONCESSIVE
            i = contrasts[i].end
            continue
        elif word in _JOINS and _begins_a_clause(words, i):
            close(i)
            keeps = contrast and not concessive and word == "and"
            start, contrast, concessive = i + 1, keeps, False
        i += 1
    close(len(words))
    return found


def _is_a_contrast(words: Sequence[str], at: int) -> bool:
    if words[at] not in _WEAK_CONTRASTS:
        return True
    # "free yet structured" is one; ", yet it moves me" are two
    before = words[at - 1] if at else "."
    return before in (",", "and") or before[0] in ENDS or at == 0


def _begins_a_clause(words: Sequence[str], at: int) -> bool:
    """Whether what follows a comma or an "and" has a subject and a verb of its own."""
    i = at + 1
    while i < len(words) and words[i] in (*_JOINS, "also", "then", "really", "just", "but"):
        i += 1
    if i >= len(words):
        return False
    ahead = []
    for word in words[i : i + 12]:
        if word in (",", "and") or word[0] in ENDS or word in PARTS:
            break
        ahead.append(word)
    if not ahead:
        return False
    first, verbs = ahead[0], VERBS.intersection(ahead[1:])
    if words[at] in _ALWAYS or first in _STARTS_WITH_OPINION:
        return True
    return (bool(verbs) and (first in SUBJECTS or first in DETERMINERS)) or (
        first in ("make", "give", "feel", "look", "need", "lack", "could", "isnt", "doesnt", "dont")
    )
