"""Whose is it, among five? The paper's two identifiability tests (Table 2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.random import Generator

from finexl.errors import UsageError
from finexl.images import Picture
from finexl.viper.agents.agent import Agent
from finexl.viper.agents.matching import Matcher
from finexl.viper.extraction.base import Extractor
from finexl.viper.taste import Taste, taste_of

CANDIDATES = 5
TOP = (1, 2, 3)
EACH = 2
"""Comments by each author."""
Sides = Literal["all", "liked", "disliked"]
PAPER: Mapping[tuple[str, Sides], tuple[float, ...]] = MappingProxyType(
    {
        ("author", "all"): (83.4, 89.1, 91.2),
        ("vp", "all"): (89.9, 98.1, 100.0),
        ("vp", "liked"): (92.4, 96.2, 96.4),
        ("vp", "disliked"): (45.8, 72.1, 88.3),
    }
)
"""Table 2, in percent: GPT-4 ranks, and reconstructs the preferences that are ranked."""
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Accuracy:
    """How often the true one is among the first k."""

    test: Literal["author", "vp"]
    sides: Sides
    k: int
    share: float
    """Percent."""
    ci: tuple[float, float]
    """95 %, Wilson's, each agent counting once however many questions were about it."""
    paper: float | None
    chance: float
    questions: int


def author_test(
    agents: Sequence[Agent],
    matcher: Matcher,
    *,
    authors: int = 100,
    seed: int = 0,
    folder: Path | None = None,
    progress: Progress = lambda *_: None,
) -> list[Accuracy]:
    """Return how often a comment's author is found among five agents.

    Args:
        agents: those that candidates are drawn from.
        matcher: ranks the candidates.
        authors: how many agents are authors, of two of their comments each.
        seed: of the draws.
        folder: where the pictures are, for matchers that look.
        progress: told how many comments are done.

    Raises:
        UsageError: not so many agents with two comments, or fewer than five agents.
    """
    writers = [place for place, one in enumerate(agents) if len(one.comments) >= EACH]
    rng, drawn = _drawn(writers, authors, len(agents), seed)
    hits: list[list[tuple[float, ...]]] = []
    for number, place in enumerate(drawn):
        progress("Whose comment", number, len(drawn))
        agent, pictures = agents[place], pictures_of(agents[place], folder)
        chosen = rng.permutation(len(agent.comments))[:EACH]
        hits.append([])
        for one in chosen:
            lineup = _lineup(place, len(agents), rng)
            candidates = [agents[other].taste for other in lineup]
            scores = matcher.author(agent.comments[int(one)], pictures, candidates)
            hits[-1].append(_credits(scores, lineup.index(place)))
    progress("Whose comment", len(drawn), len(drawn))
    return _accuracies("author", "all", hits)


def vp_test(
    agents: Sequence[Agent],
    extractor: Extractor,
    matcher: Matcher,
    *,
    tested: int = 50,
    seed: int = 0,
    folder: Path | None = None,
    progress: Progress = lambda *_: None,
) -> list[Accuracy]:
    """Return how often preferences read from all comments are told to be their agent's.

    The line-up is the agent's true preferences and four others'; it is the same for all
    preferences, those liked and those disliked alone. Arguments as in `author_test`.
    """
    writers = [place for place, one in enumerate(agents) if one.comments]
    rng, drawn = _drawn(writers, tested, len(agents), seed)
    hits: dict[Sides, list[list[tuple[float, ...]]]] = {"all": [], "liked": [], "disliked": []}
    for number, place in enumerate(drawn):
        progress("Whose preferences", number, len(drawn))
        agent = agents[place]
        found = taste_of(extractor.extract(agent.said(), pictures_of(agent, folder)))
        lineup = _lineup(place, len(agents), rng)
        candidates = [agents[other].taste for other in lineup]
        for sides, listed in hits.items():
            scores = matcher.same(_only(found, sides), [_only(one, sides) for one in candidates])
            listed.append([_credits(scores, lineup.index(place))])
    progress("Whose preferences", len(drawn), len(drawn))
    return [row for sides, listed in hits.items() for row in _accuracies("vp", sides, listed)]


def pictures_of(agent: Agent, folder: Path | None) -> dict[str, Picture]:
    """Return an agent's pictures by file, as an extractor takes them; none without a folder."""
    if folder is None:
        return {}
    return {one.file: Picture(one.file, folder / one.file) for one in agent.pictures}


def wilson(share: float, count: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share of `count` trials; never empty, also at 0 and 1."""
    z = 1.959963984540054
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + (z / count) ** 2 / 4)
    return max(0.0, middle - half), min(1.0, middle + half)


def _drawn(able: Sequence[int], wanted: int, count: int, seed: int) -> tuple[Generator, list[int]]:
    if count < CANDIDATES:
        raise UsageError(f"The test needs {CANDIDATES} agents or more; there are {count:,}.")
    if not 1 <= wanted <= len(able):
        raise UsageError(
            f"{wanted:,} agents cannot be tested; {len(able):,} have comments enough for it."
        )
    rng = np.random.default_rng([seed, wanted])
    return rng, [able[int(place)] for place in rng.permutation(len(able))[:wanted]]


def _lineup(true: int, count: int, rng: Generator) -> list[int]:
    """Return the true agent and four others, in no order: models prefer who comes first."""
    others = rng.choice(count - 1, CANDIDATES - 1, replace=False)
    lineup = [true, *(int(other) + int(other >= true) for other in others)]
    return [lineup[int(place)] for place in rng.permutation(CANDIDATES)]


def _credits(scores: Sequence[float], true: int) -> tuple[float, ...]:
    """Return whether the true one is among the first k, for k of `TOP`.

    Where it shares its score with others, it is as often as the order among them leaves to chance.
    """
    above = sum(score > scores[true] for score in scores)
    level = sum(score == scores[true] for score in scores)
    return tuple(min(1.0, max(0.0, (k - above) / level)) for k in TOP)


def _accuracies(
    test: Literal["author", "vp"], sides: Sides, hits: Sequence[Sequence[tuple[float, ...]]]
) -> list[Accuracy]:
    means = np.array([np.mean(of_one, axis=0) for of_one in hits])
    rows = []
    for place, k in enumerate(TOP):
        share = float(means[:, place].mean())
        low, high = wilson(share, len(means))
        paper = PAPER[test, sides][place]
        questions = sum(len(of_one) for of_one in hits)
        rows.append(
            Accuracy(
                test, sides, k, 100 * share, (100 * low, 100 * high), paper,
                100 * k / CANDIDATES, questions,
            )
        )  # fmt: skip
    return rows


def _only(taste: Taste, sides: Sides) -> Taste:
    if sides == "all":
        return taste
    return replace(taste, **{"disliked" if sides == "liked" else "liked": ()})
