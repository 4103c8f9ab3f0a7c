"""Listed attributes for phrases that only spell them otherwise ("multi-layered texture").

Sentence vectors take opposites for neighbours ("harsh contrast" lies nearest to "low contrast",
"warm mood" to "cold mood") and a noun alone for any that describes it ("shadows" for "no shadows").
So a phrase becomes an attribute only if it is very near to that one of its own category, nearer
than to any other, and has the words that one of its names describes with, in some form ("curving"
for "curved"); of colors, no others beside. All other phrases are kept as they were said.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

import numpy as np

from finexl.core.orthogonality import unit_rows
from finexl.encoders import Encoder, text_rows
from finexl.viper.attributes import Attribute, attributes, categories
from finexl.viper.extraction.names import COLORS
from finexl.viper.extraction.words import phrase

NEAR = 0.85
"""Cosine, both less the attributes' mean."""
APART = 0.03
"""How much nearer than the next attribute of the category."""
SAME_LETTERS, SAME_PART = 3, 0.55
"""How many first letters two forms of a word share, and which part of the longer one they are."""
MOST = 2_000
"""Phrases that are looked up; the rest stay as they are."""


def listed_for(
    encoder: Encoder, phrases: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], Attribute]:
    """Return the attributes that phrases (text, category) are other spellings of."""
    wanted = list(dict.fromkeys(phrases))[:MOST]
    if not wanted:
        return {}
    listed = attributes()
    rows = text_rows(encoder, [one.text for one in listed]).astype(np.float64)
    mean = rows.mean(axis=0)
    told = text_rows(encoder, [text for text, _ in wanted]).astype(np.float64)
    cosines = unit_rows(told - mean) @ unit_rows(rows - mean).T
    found = {}
    for entry, row in zip(wanted, cosines, strict=True):
        same = [i for i, one in enumerate(listed) if one.category == entry[1]]
        best, next_best = sorted(same, key=lambda i, row=row: -row[i])[:2]  # type: ignore[misc]
        near = row[best] >= NEAR and row[best] - row[next_best] >= APART
        if near and spells(entry[0], listed[best]):
            found[entry] = listed[best]
    return found


def spells(text: str, one: Attribute) -> bool:
    """Return whether a phrase has the words that a name of the attribute describes with.

    Words count as one where they begin alike: three letters at least, and most of the longer one.
    """
    nouns = {word for noun in categories()[one.category].nouns for word in phrase(noun)}
    said = [word for word in phrase(text) if word not in nouns]
    for name in (one.text, *one.aliases):
        telling = [word for word in phrase(name) if word not in nouns]
        if not telling or not all(_any_alike(word, said) for word in telling):
            continue
        if one.category != COLORS or all(_any_alike(word, telling) for word in said):
            return True
    return False


def _any_alike(word: str, others: Sequence[str]) -> bool:
    return any(word == other or _begin_alike(word, other) for other in others)


def _begin_alike(a: str, b: str) -> bool:
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))
    return same >= SAME_LETTERS and same >= SAME_PART * max(len(a), len(b))
