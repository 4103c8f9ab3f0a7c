"""Praise of what a comment does not name ("I love these colors"), read off its picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finexl.encoders import Encoder
from finexl.images import Picture
from finexl.viper.extraction.base import Finding
from finexl.viper.extraction.looking import looks
from finexl.viper.extraction.palettes import palette
from finexl.viper.extraction.reading import Reading
from finexl.viper.pictures import rows_of
from finexl.viper.profile import Comment, Opinion

COUNTED = 0.35
"""How much colors counted from pixels are believed to be what was meant."""
ALIGNED = 0.35
"""The same of an attribute that a picture aligns with wholly; in proportion where less."""
AT_ALL = 0.6
"""What is left of either where not even a category is named: "Gorgeous!"."""
COLORS = "colour palette"
AT_A_GLANCE = ("style", "mood", "medium", COLORS)
"""What a picture is looked at for then."""
CLEAR = 1.5
"""How strong an opinion without any attribute has to be."""
LOOKED_AT = 200
"""Pictures that are looked at, those with most such comments; each costs the image encoder."""
LEAST = 0.02
"""Less sure than this is not worth keeping."""


@dataclass(frozen=True)
class _Question:
    """What one comment's picture is looked at for."""

    comment: int
    picture: str
    categories: tuple[str, ...]
    value: float
    words: str
    named: bool


def seen(
    encoder: Encoder,
    mean: Callable[[], NDArray[np.float64]],
    comments: Sequence[Comment],
    readings: Sequence[Reading],
    pictures: Mapping[str, Picture],
) -> tuple[list[Finding], list[str]]:
    """Return what is read off pictures, and a sentence on each that cannot be opened.

    Args:
        encoder: looks.
        mean: returns (d,), the mean row of the set that the pictures belong to.
        comments: all of them.
        readings: what each says.
        pictures: by every name that a comment may call them.
    """
    asked = [
        question
        for number, (comment, reading) in enumerate(zip(comments, readings, strict=True))
        if comment.picture is not None and comment.picture in pictures
        for question in _questions(number, comment.picture, reading)
    ]
    often = Counter(question.picture for question in asked)
    names = [name for name, _ in often.most_common(LOOKED_AT)]
    rows, colors, notes = _looked_at(encoder, names, pictures)
    found = [finding for one in asked for finding in _counted(one, colors.get(one.picture, []))]
    asked = [one for one in asked if one.picture in rows and set(one.categories) - {COLORS}]
    if not asked:
        return found, notes
    wanted = [[c for c in one.categories if c != COLORS] for one in asked]
    shown = looks(encoder, np.array([rows[one.picture] for one in asked]), mean(), wanted)
    for one, attributes in zip(asked, shown, strict=True):
        for best in attributes:
            sure = ALIGNED * best.alignment
            found += _findings(one, best.attribute, best.category, sure)
    return found, notes


def _questions(number: int, picture: str, reading: Reading) -> list[_Question]:
    """Return what a comment praises or blames without saying which: a category, or the picture."""
    named = [
        _Question(number, picture, (one.category,), one.value, one.words, True)
        for one in reading.said
        if one.attribute is None and one.category is not None and not one.both
    ]
    if named or any(one.attribute is not None for one in reading.said):
        return named
    if abs(reading.total) < CLEAR:
        return []
    return [_Question(number, picture, AT_A_GLANCE, reading.total, reading.words, False)]


def _looked_at(
    encoder: Encoder, names: Sequence[str], pictures: Mapping[str, Picture]
) -> tuple[dict[str, NDArray[np.float32]], dict[str, list[str]], list[str]]:
    """Return pictures' rows and colors by name, and what is wrong with the others."""
    rows, failures = rows_of(encoder, {name: pictures[name] for name in names})
    colors = {name: palette(pictures[name].open()) for name in rows}
    notes = [f"{failure} What was said of it was read without looking." for failure in failures]
    return rows, colors, notes


def _counted(one: _Question, colors: Sequence[str]) -> list[Finding]:
    if COLORS not in one.categories:
        return []
    most = 2 if one.named else 1
    return [f for color in colors[:most] for f in _findings(one, color, COLORS, COUNTED)]


def _findings(one: _Question, attribute: str, category: str, sure: float) -> list[Finding]:
    confidence = sure if one.named else AT_ALL * sure
    if confidence < LEAST:
        return []
    opinion: Opinion = "liked" if one.value > 0 else "disliked"
    return [
        Finding(
            attribute, category, opinion, confidence, one.comment, one.words, one.picture, seen=True
        )
    ]
