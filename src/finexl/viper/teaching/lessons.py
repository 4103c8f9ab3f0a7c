"""What an extractor is asked in its training, word for word as later, and what it should answer.

The answer holds what the comments speak of, which is known where the grammar wrote them. Where a
model did it is not: then it holds what the agent likes and dislikes of what the pictures show. An
agent's other likings are in no answer: nobody could read them there, and who is taught to name them
is taught to invent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from numpy.random import Generator

from finexl.viper.agents.agent import Agent, Remark
from finexl.viper.agents.identity import pictures_of
from finexl.viper.agents.tastes import Likings
from finexl.viper.agents.views import Cared, cared_for
from finexl.viper.extraction.asking import AT_ONCE, question_about
from finexl.viper.extraction.forms import LISTS, written
from finexl.vlm import Question


@dataclass(frozen=True)
class Lesson:
    """A question about an agent's comments, and its answer."""

    question: Question
    answer: str


def lesson(agent: Agent, folder: Path, numbers: Sequence[int]) -> Lesson:
    """Return a lesson on some of an agent's comments.

    Args:
        agent: whose comments.
        folder: where the agents' pictures are; one that cannot be opened is left out, as when
            comments are read.
        numbers: which comments, in which order.
    """
    question, _ = question_about(LISTS, numbers, agent.said(), pictures_of(agent, folder))
    cared = meant(agent, numbers)
    sides = ([text for text, opinion in cared if opinion == side] for side in ("liked", "disliked"))
    return Lesson(question, written(*sides))


def drawn(agent: Agent, folder: Path, rng: Generator) -> Lesson:
    """Return a lesson on so many of an agent's comments as one question takes, in any order."""
    mixed = rng.permutation(len(agent.comments))[:AT_ONCE]
    return lesson(agent, folder, [int(number) for number in mixed])


def meant(agent: Agent, numbers: Sequence[int]) -> list[Cared]:
    """Return what comments speak of, each attribute once, in the order of the comments."""
    found = (one for number in numbers for one in _meant(agent, agent.comments[number]))
    return list(dict.fromkeys(found))


def _meant(agent: Agent, remark: Remark) -> Iterator[Cared]:
    if remark.about is not None:
        yield from ((one.attribute, one.opinion) for one in remark.about)
        return
    for shown in agent.pictures:
        if shown.file == remark.picture:
            yield from cared_for(Likings(agent.liked, agent.disliked), shown.visible)
