"""Whose comment it is, by what its clauses mean: sentence vectors in place of looked-up words.

Each clause is laid over all listed attributes by a softmax of cosines, and each attribute counts
for a candidate who has it: as much as it is probable that it is meant, and that the clause thinks
of it what the candidate does. People speak of what they like or dislike, so that an attribute
counts on either side where the clause does not tell which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from finexl.core.orthogonality import unit_rows
from finexl.encoders.embedded import Embedded
from finexl.images import Picture
from finexl.viper.agents.agent import Remark
from finexl.viper.agents.matching import Similar
from finexl.viper.attributes import attributes
from finexl.viper.extraction.reading import tempered
from finexl.viper.taste import Taste

TEMPERATURE = 0.08
"""Of the softmax over cosines."""
TRUSTED = 0.8
"""How probable it is that a clause which clearly praises is praise."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Meaning(Similar):
    """Reads comments by their clauses' sentence vectors; tells preferences apart as `Similar`."""

    sentences: Embedded = field(default_factory=Embedded)

    @property
    def name(self) -> str:
        """See `Matcher.name`."""
        return "meaning"

    def author(
        self, remark: Remark, pictures: Mapping[str, Picture], candidates: Sequence[Taste]
    ) -> tuple[float, ...]:
        """See `Matcher.author`; the picture is not looked at."""
        del pictures
        said = tempered(remark.text)
        if not said:
            return (0.0,) * len(candidates)
        meant = self.meant([words for words, _ in said])
        liked = 0.5 + (TRUSTED - 0.5) * np.tanh([value for _, value in said])
        sides = liked @ meant, (1 - liked) @ meant
        return tuple(
            float(sides[0][_places(one.liked)].sum() + sides[1][_places(one.disliked)].sum())
            for one in candidates
        )

    def meant(self, clauses: Sequence[str]) -> Array:
        """Return how probably each clause (n) speaks of each listed attribute (m): rows add to 1.

        An attribute is as near as the nearest of its names.
        """
        mean, names, starts = self._names
        cosines = unit_rows(self.sentences.sentences(clauses) - mean) @ names.T
        nearest = np.maximum.reduceat(cosines, starts, axis=1)
        weights = np.exp((nearest - nearest.max(axis=1, keepdims=True)) / TEMPERATURE)
        found: Array = weights / weights.sum(axis=1, keepdims=True)
        return found

    @cached_property
    def _names(self) -> tuple[Array, Array, list[int]]:
        """Return the attributes' mean, the unit rows of all names, and where each one's begin."""
        listed = [(one.text, *one.aliases) for one in attributes()]
        rows = self.sentences.sentences([name for names in listed for name in names])
        starts = np.cumsum([0, *(len(names) for names in listed)])[:-1].tolist()
        mean = rows[starts].mean(axis=0).astype(np.float64)
        return mean, unit_rows(rows - mean), starts


def _places(side: Sequence[tuple[str, float]]) -> list[int]:
    order = {one.text.casefold(): place for place, one in enumerate(attributes())}
    return [order[text.casefold()] for text, _ in side if text.casefold() in order]
