"""What other extractors, and the comments, are measured by: the plainest reader, and the best.

`Lookup` finds a listed attribute where its name or one of its aliases stands in a sentence; the
sentence blames where one of a dozen words does, and praises otherwise. `Truth` knows what the
grammar meant: what even it cannot tell is not in the comments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from finexl.errors import UsageError
from finexl.images import Picture
from finexl.viper.agents.agent import Agent, Reaction
from finexl.viper.attributes import Attribute, attributes, by_text
from finexl.viper.extraction.base import Extracted, Finding, merged
from finexl.viper.profile import Comment, Opinion

BLAME = re.compile(
    r"\b(?:not|no|never|don't|doesn't|isn't|hate|dislike|bad|ugly|boring|awful|terrible|worst)\b",
    re.IGNORECASE,
)
SURE = 0.5
"""Every finding's confidence."""


@dataclass(frozen=True)
class Lookup:
    """Looks words up; sees no picture."""

    name: str = "lookup"

    def extract(self, comments: Sequence[Comment], pictures: Mapping[str, Picture]) -> Extracted:
        """Return the preferences in comments. See `Extractor.extract`."""
        del pictures
        return merged(
            Finding(
                found.text, found.category, _opinion(sentence), SURE, number, sentence,
                comment.picture,
            )
            for number, comment in enumerate(comments)
            for sentence in re.split(r"(?<=[.!?])\s+|\n", comment.text)
            for found in listed_in(sentence)
        )  # fmt: skip


@dataclass(frozen=True)
class Truth:
    """Knows what agents' comments speak of."""

    agents: Sequence[Agent]
    name: str = "truth"

    def extract(self, comments: Sequence[Comment], pictures: Mapping[str, Picture]) -> Extracted:
        """Return the preferences in comments of these agents. See `Extractor.extract`.

        Raises:
            UsageError: a model wrote a comment, and what it meant is not known.
        """
        del pictures
        meant = [self._meant.get((one.text, one.picture)) for one in comments]
        if None in meant:
            raise UsageError(
                "What comments mean is known of agents whose comments the grammar wrote; make some "
                "without --vlm."
            )
        return merged(
            Finding(
                found.attribute, by_text()[found.attribute.casefold()].category, found.opinion,
                SURE, number, comments[number].text, comments[number].picture,
            )
            for number, about in enumerate(meant)
            for found in about or ()
        )  # fmt: skip

    @cached_property
    def _meant(self) -> Mapping[tuple[str, str | None], tuple[Reaction, ...] | None]:
        return {(one.text, one.picture): one.about for who in self.agents for one in who.comments}


def listed_in(text: str) -> tuple[Attribute, ...]:
    """Return the attributes that a text names outright, each once, the longest names first."""
    pattern, named = _names()
    plain = text.lower().replace("colour", "color").replace("grey", "gray")
    return tuple(dict.fromkeys(named[match] for match in pattern.findall(plain)))


@cache
def _names() -> tuple[re.Pattern[str], Mapping[str, Attribute]]:
    named = {name.lower(): one for one in attributes() for name in (*one.aliases, one.text)}
    longest = sorted(named, key=lambda name: (-len(name), name))
    return re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, longest)) + r")(?!\w)"), named


def _opinion(sentence: str) -> Opinion:
    return "disliked" if BLAME.search(sentence) else "liked"
