"""Whose preferences are these: candidates scored by similarity, or ranked by a language model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from finexl.errors import NoReplyError
from finexl.images import Picture
from finexl.viper.agents.agent import Remark
from finexl.viper.extraction.base import Extractor
from finexl.viper.profile import Comment
from finexl.viper.taste import Taste, taste_of
from finexl.vlm import VLM, LimitReachedError, Question

AUTHOR_TASK = """\
Here is a comment that one of {n} people wrote about an artwork:

"{comment}"

These are the visual preferences of the {n} people:
{people}
Rank the people by how likely it is that they wrote the comment, the likeliest first. \
Reply with their numbers alone, like this: {example}"""
SAME_TASK = """\
These visual preferences were reconstructed from what one of {n} people wrote about artworks:

{found}

These are the true visual preferences of the {n} people:
{people}
Rank the people by how likely it is that the reconstructed preferences are theirs, the likeliest \
first. Reply with their numbers alone, like this: {example}"""
"""The paper says what is asked (§4.1) and not in which words; these are ours."""


class Matcher(Protocol):
    """Tells people apart by what they like and dislike."""

    @property
    def name(self) -> str:
        """What results call it."""
        ...

    def author(
        self, remark: Remark, pictures: Mapping[str, Picture], candidates: Sequence[Taste]
    ) -> tuple[float, ...]:
        """Return how likely each candidate wrote a comment; only the order counts."""
        ...

    def same(self, found: Taste, candidates: Sequence[Taste]) -> tuple[float, ...]:
        """Return how likely each candidate is the one whose preferences were found."""
        ...


@dataclass(frozen=True)
class Similar:
    """Compares attribute by attribute; reads comments with an extractor."""

    extractor: Extractor

    @property
    def name(self) -> str:
        """See `Matcher.name`."""
        return f"similarity, {self.extractor.name}"

    def author(
        self, remark: Remark, pictures: Mapping[str, Picture], candidates: Sequence[Taste]
    ) -> tuple[float, ...]:
        """See `Matcher.author`."""
        comment = Comment(remark.text, remark.picture)
        return self.same(taste_of(self.extractor.extract([comment], pictures)), candidates)

    def same(self, found: Taste, candidates: Sequence[Taste]) -> tuple[float, ...]:
        """See `Matcher.same`; the scores are those of `similarity`."""
        return tuple(similarity(found, one) for one in candidates)


@dataclass
class Ranked:
    """Lets a language model rank; where it does not, all are alike."""

    vlm: VLM
    unanswered: int = field(default=0, init=False)
    """Questions without a usable ranking after two attempts."""

    @property
    def name(self) -> str:
        """See `Matcher.name`."""
        return self.vlm.name

    def author(
        self, remark: Remark, pictures: Mapping[str, Picture], candidates: Sequence[Taste]
    ) -> tuple[float, ...]:
        """See `Matcher.author`; the picture is not shown, as in the paper."""
        del pictures
        return self._ranked(AUTHOR_TASK, {"comment": remark.text}, candidates)

    def same(self, found: Taste, candidates: Sequence[Taste]) -> tuple[float, ...]:
        """See `Matcher.same`."""
        return self._ranked(SAME_TASK, {"found": described(found)}, candidates)

    def _ranked(
        self, task: str, about: Mapping[str, str], candidates: Sequence[Taste]
    ) -> tuple[float, ...]:
        count = len(candidates)
        people = "".join(
            f"\nPerson {number}\n{described(one)}\n" for number, one in enumerate(candidates, 1)
        )
        example = ", ".join(str(number) for number in range(count, 0, -1))
        question = Question(
            (task.format(n=count, people=people, example=example, **about),), max_tokens=60
        )
        for _ in range(2):
            try:
                order = ranking(self.vlm.ask(question).text, count)
            except LimitReachedError:
                raise
            except NoReplyError:
                continue
            if order is not None:
                return tuple(-float(order.index(number)) for number in range(count))
        self.unanswered += 1
        return (0.0,) * count


def similarity(found: Taste, candidate: Taste) -> float:
    """Return how well found preferences agree with a candidate's.

    Each found attribute adds its weight where the candidate has it on the same side, and takes it
    away where it stands on the other; one that the candidate does not have counts nothing. Either
    of the two lists may be empty, as in the tests of one side.
    """
    liked = {text.casefold() for text, _ in candidate.liked}
    disliked = {text.casefold() for text, _ in candidate.disliked}
    return sum(
        weight * ((text.casefold() in own) - (text.casefold() in other))
        for preferred, own, other in (
            (found.liked, liked, disliked),
            (found.disliked, disliked, liked),
        )
        for text, weight in preferred
    )


def described(taste: Taste) -> str:
    """Return a taste as two lists of words."""
    sides = (("Likes", taste.liked), ("Dislikes", taste.disliked))
    return "\n".join(
        f"{side}: {', '.join(text for text, _ in listed) or 'nothing known'}"
        for side, listed in sides
    )


def ranking(reply: str, count: int) -> list[int] | None:
    """Return the order that a reply gives, from 0 on; None unless it names each number once."""
    last = reply.strip().splitlines()[-1:] or [""]
    for text in (reply, *last):
        order = [int(number) - 1 for number in re.findall(r"\d{1,6}", text)]
        if sorted(order) == list(range(count)):
            return order
    return None
