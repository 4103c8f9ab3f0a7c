"""What an extractor finds of what agents' comments speak of, and how much of it is so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finexl.errors import UsageError
from finexl.viper.agents.agent import Agent, Manner
from finexl.viper.agents.identity import pictures_of, wilson
from finexl.viper.attributes import by_text
from finexl.viper.extraction.base import Extracted, Extractor

DRAWS = 2000
"""Resamples of the agents, of which the intervals are the middle 95 %."""
Progress = Callable[[str, int, int], None]
Pair = tuple[str, str]
"""An attribute, or its kind, and "liked" or "disliked"."""


@dataclass(frozen=True)
class Share:
    """A part of a whole, in percent."""

    value: float
    ci: tuple[float, float]
    """95 %."""
    part: int
    whole: int


@dataclass(frozen=True)
class Recovery:
    """What an extractor makes of comments whose meaning is known."""

    extractor: str
    agents: int
    precision: Share
    """Of what it found (attribute and polarity), what the comments speak of."""
    recall: Share
    """Of what the comments speak of, what it found."""
    kind_precision: Share
    """The same where another attribute of the subcategory will do."""
    kind_recall: Share
    held_precision: Share
    """Of what it found, what the agent holds, spoken of or not."""
    held_recall: Share
    """Of what the agents hold, what it found; most of it nobody speaks of."""
    by_manner: dict[Manner, Share]
    """Recall by how the comments speak of it (the plainest way, where there are several)."""
    polarity: Share
    """Of spoken-of attributes that it found with one polarity, those with the right one."""


def recovery(
    agents: Sequence[Agent],
    extractor: Extractor,
    *,
    folder: Path | None = None,
    progress: Progress = lambda *_: None,
) -> Recovery:
    """Read all agents' comments and compare with what the grammar meant by them.

    Args:
        agents: whose comments the grammar wrote.
        extractor: reads each agent's comments together.
        folder: where the pictures are; None to read without looking.
        progress: told how many agents are done.

    Raises:
        UsageError: no agents, or comments whose meaning is not known.
    """
    if not agents or any(one.about is None for agent in agents for one in agent.comments):
        raise UsageError(
            "What comments mean is known of agents whose comments the grammar wrote; make some "
            "without --vlm."
        )
    names = (
        "precision", "recall", "kind_precision", "kind_recall", "held_precision", "held_recall",
        "polarity",
    )  # fmt: skip
    counts = np.zeros((len(agents), len(names), 2), np.int64)
    manners: dict[Manner, Counter[bool]] = {
        manner: Counter() for manner in ("named", "described", "judged", "unspecific")
    }
    for number, agent in enumerate(agents):
        progress("Reading comments", number, len(agents))
        found = pairs_of(extractor.extract(agent.said(), pictures_of(agent, folder)))
        said = _said(agent)
        held = {(text.casefold(), side) for side in ("liked", "disliked")
                for text in getattr(agent, side)}  # fmt: skip
        kinds, said_kinds = _kinds(found), _kinds(set(said))
        signed = {text for text, _ in said} & {text for text, _ in found}
        parts = (
            (found & said.keys(), found),
            (found & said.keys(), said),
            ({one for one in found if _kind(one) in said_kinds}, found),
            ({one for one in said if _kind(one) in kinds}, said),
            (found & held, found),
            (found & held, held),
            ({text for text, _ in found & said.keys()}, signed),
        )
        counts[number] = [(len(part), len(whole)) for part, whole in parts]
        for pair, manner in said.items():
            manners[manner][pair in found] += 1
    progress("Reading comments", len(agents), len(agents))
    shares = dict(zip(names, _shares(counts), strict=True))
    return Recovery(
        extractor=extractor.name,
        agents=len(agents),
        by_manner={manner: _plain(tally[True], tally.total()) for manner, tally in manners.items()},
        **shares,
    )


def pairs_of(extracted: Extracted) -> set[Pair]:
    """Return what was found; what is mixed is on both sides."""
    pairs = {(one.attribute.casefold(), "liked") for one in (*extracted.liked, *extracted.mixed)}
    return pairs | {
        (one.attribute.casefold(), "disliked") for one in (*extracted.disliked, *extracted.mixed)
    }


def _said(agent: Agent) -> dict[Pair, Manner]:
    """Return what an agent's comments speak of, and how at their plainest."""
    plainest: tuple[Manner, ...] = ("named", "described", "judged", "unspecific")
    spoken = [one for remark in agent.comments for one in remark.about or ()]
    spoken.sort(key=lambda one: plainest.index(one.manner))
    said: dict[Pair, Manner] = {}
    for one in spoken:
        said.setdefault((one.attribute.casefold(), one.opinion), one.manner)
    return said


def _kind(pair: Pair) -> Pair:
    known = by_text().get(pair[0])
    return (pair[0] if known is None else f"{known.category}: {known.subcategory}", pair[1])


def _kinds(pairs: set[Pair]) -> set[Pair]:
    return {_kind(pair) for pair in pairs}


def _shares(counts: NDArray[np.int64]) -> list[Share]:
    """Return each share over all agents; intervals by drawing whole agents again."""
    rng = np.random.default_rng(0)
    times = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), DRAWS)
    drawn = np.einsum("da,ask->dsk", times, counts)
    found = []
    for number, (part, whole) in enumerate(counts.sum(axis=0).tolist()):
        values = drawn[:, number, 0] / np.maximum(drawn[:, number, 1], 1)
        low, high = np.quantile(values, (0.025, 0.975))
        value = part / whole if whole else 0.0
        found.append(Share(100 * value, (100 * float(low), 100 * float(high)), part, whole))
    return found


def _plain(part: int, whole: int) -> Share:
    share = part / whole if whole else 0.0
    low, high = wilson(share, max(whole, 1))
    return Share(100 * share, (100 * low, 100 * high), part, whole)
