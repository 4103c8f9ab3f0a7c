"""How well an extractor reads people whose comments' meaning is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from finexl.errors import NoReplyError
from finexl.viper.agents.agent import Agent
from finexl.viper.agents.identity import pictures_of
from finexl.viper.agents.recovery import pairs_of
from finexl.viper.extraction.base import Extractor
from finexl.viper.teaching.lessons import meant


@dataclass(frozen=True)
class Score:
    """Of (attribute, polarity) pairs over all people, in [0, 1]; an attribute is its words."""

    f1: float
    precision: float | None
    """Of what was found, what was meant; None where nothing was found."""
    recall: float | None
    """Of what was meant, what was found; None where nothing was meant."""
    unread: int
    """People of whose comments not one answer could be read; nothing of theirs was found."""


def score(
    agents: Sequence[Agent],
    extractor: Extractor,
    folder: Path,
    progress: Callable[[int], None] = lambda _: None,
) -> Score:
    """Let an extractor read everybody's comments, and compare with what they meant.

    Args:
        agents: whose comments are read.
        extractor: reads them.
        folder: where their pictures are.
        progress: told how many people are done.

    Raises:
        FinexlError: the extractor cannot work at all.
    """
    both = there = said = unread = 0
    for number, agent in enumerate(agents):
        progress(number)
        true = {(text.casefold(), side) for text, side in meant(agent, range(len(agent.comments)))}
        try:
            found = pairs_of(extractor.extract(agent.said(), pictures_of(agent, folder)))
        except NoReplyError:
            found, unread = set(), unread + 1
        both, there, said = both + len(found & true), there + len(found), said + len(true)
    return Score(
        2 * both / (there + said) if there + said else 0.0,
        both / there if there else None,
        both / said if said else None,
        unread,
    )
