"""Listed attributes for phrases that only spell them otherwise ("multi-layered texture").

Sentence vectors take opposites for neighbours ("harsh contrast" lies nearest to "low contrast"), so
that only a phrase very near to one attribute of its own category, and nearer than to any other,
becomes that one; all others are kept as they were said.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from finexl.core.orthogonality import unit_rows
from finexl.encoders import Encoder, text_rows
from finexl.viper.attributes import Attribute, attributes

NEAR = 0.85
"""Cosine, both less the attributes' mean."""
APART = 0.03
"""How much nearer than the next attribute of the category."""
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
        if row[best] >= NEAR and row[best] - row[next_best] >= APART:
            found[entry] = listed[best]
    return found
