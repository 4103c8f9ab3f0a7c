"""Preferences without any language model: words, rules, and the encoder's two sides.

Good at what is said plainly; blind to irony without its usual words, and to everything between the
lines. How good it is: docs/viper.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from finexl.encoders import Encoder
from finexl.images import Picture
from finexl.viper.extraction.base import Extracted, Finding, merged
from finexl.viper.extraction.closeness import listed_for
from finexl.viper.extraction.reading import Reading, Said, read
from finexl.viper.extraction.seeing import CLEAR, seen
from finexl.viper.pictures import built_in_mean
from finexl.viper.profile import Comment, Opinion

LEAST_SURE, MOST_SURE = 0.35, 0.95
"""How sure a finding is by the weakest and the strongest opinion."""
OPEN = 0.9
"""The part of it that is left where the attribute is none of the list."""
Phrase = tuple[str, str]
"""An attribute as it was said, and its category."""


@dataclass(frozen=True)
class Offline:
    """Reads comments by rules; looks at pictures through an encoder, if it has one."""

    encoder: Encoder | None = None
    mean: Callable[[], NDArray[np.float64]] | None = None
    """Returns (d,), the mean row of the set that commented pictures are from; called when the first
    of them has to be looked at. None for the built-in set's."""

    @property
    def name(self) -> str:
        """See `Extractor.name`."""
        return "offline" if self.encoder is None else f"offline with {self.encoder.name}"

    def extract(self, comments: Sequence[Comment], pictures: Mapping[str, Picture]) -> Extracted:
        """Return the preferences in comments. See `Extractor.extract`.

        Time grows with the comments: 10,000 of them take under a minute on one core, and beside
        that what looking at `seeing.LOOKED_AT` pictures takes at most.
        """
        readings = [read(comment.text) for comment in comments]
        listed = self._listed(readings)
        found = [
            finding
            for number, reading in enumerate(readings)
            for one in reading.said
            if one.attribute is not None
            for finding in _findings(number, comments[number], one, listed)
        ]
        notes = _notes(readings)
        if self.encoder is not None:
            mean = self.mean or partial(built_in_mean, self.encoder)
            also, failures = seen(self.encoder, mean, comments, readings, pictures)
            found, notes = [*found, *also], [*notes, *failures]
        return merged(found, notes)

    def _listed(self, readings: Sequence[Reading]) -> Mapping[Phrase, Phrase]:
        """Return the listed attributes that open phrases are other spellings of."""
        if self.encoder is None:
            return {}
        open_ones = Counter(
            (one.attribute, one.category)
            for reading in readings
            for one in reading.said
            if one.attribute is not None and one.category is not None and not one.listed
        )
        near = listed_for(self.encoder, [phrase for phrase, _ in open_ones.most_common()])
        return {phrase: (one.text, one.category) for phrase, one in near.items()}


def _findings(
    number: int, comment: Comment, one: Said, listed: Mapping[Phrase, Phrase]
) -> list[Finding]:
    said = (one.attribute or "", one.category or "")
    attribute, category = listed.get(said, said)
    sure = float(np.interp(abs(one.value), (0.4, 3.0), (LEAST_SURE, MOST_SURE)))
    if not (one.listed or said in listed):
        sure *= OPEN
    opinions: list[Opinion] = ["liked" if one.value > 0 else "disliked"]
    if one.both:
        opinions = ["liked", "disliked"]
    return [
        Finding(attribute, category or None, opinion, sure, number, one.words, comment.picture)
        for opinion in opinions
    ]


def _notes(readings: Sequence[Reading]) -> list[str]:
    """Return a sentence on each kind of comment that says less than it might."""
    kinds = (
        (
            "not read, as the words do not look English; a vision-language model (--vlm) reads "
            "other languages",
            [not reading.english for reading in readings],
        ),
        (
            "without an opinion of anything visual that could be found",
            [
                reading.english and not reading.said and abs(reading.total) < CLEAR
                for reading in readings
            ],
        ),
        ("longer than what is read of one; the rest is kept", [one.cut for one in readings]),
    )
    return [
        f"{_comments([number for number, holds in enumerate(which) if holds])} {what}."
        for what, which in kinds
        if any(which)
    ]


def _comments(numbers: Sequence[int]) -> str:
    shown = ", ".join(str(number + 1) for number in numbers[:5])
    more = f" and {len(numbers) - 5:,} more" if len(numbers) > 5 else ""
    return f"Comment {shown} is" if len(numbers) == 1 else f"Comments {shown}{more} are"
