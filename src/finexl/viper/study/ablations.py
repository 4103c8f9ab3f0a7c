"""What a taste is worth with parts of it left out: groups of attributes (C.5), comments (C.2).

A person is known to the scorer by pictures of theirs, and asked about others: one made to the
taste as far as it is kept, one that is not theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finexl.errors import UsageError
from finexl.images import Picture
from finexl.viper.agents.agent import Agent
from finexl.viper.attributes import by_text
from finexl.viper.extraction.base import Extractor
from finexl.viper.study.gallery import rows_of
from finexl.viper.study.lineups import Share, better, share_of
from finexl.viper.study.painters import Painter
from finexl.viper.study.published import GROUPS
from finexl.viper.study.scorers import Scorer
from finexl.viper.taste import Attributes, Taste, taste_of

Array = NDArray[np.float64]
Progress = Callable[[str, int, int], None]
EXAMPLES = 9
"""Pictures of each side that a scorer knows a person by."""
PICTURES = EXAMPLES + 1
"""Of each person: one is asked about, the others are what they are known by."""
KEPT: Mapping[str, frozenset[str]] = {
    "no color, no style": frozenset({"other"}),
    "style": frozenset({"other", "style"}),
    "color": frozenset({"other", "colour"}),
    "both": frozenset({"other", "style", "colour"}),
}
"""The groups of attributes that each column of Table 5 leaves to a taste."""


@dataclass(frozen=True)
class Left:
    """How well pictures are told that are made to what is left of a taste."""

    part: str
    share: Share


def by_groups(
    tastes: Sequence[Taste],
    painter: Painter,
    scorer: Scorer,
    *,
    seed: int = 0,
    progress: Progress = lambda *_: None,
) -> list[Left]:
    """Return how often own pictures are rated above another's, by the attributes kept (Table 5).

    What the scorer knows a person by is made to the same part of their taste, and what they are
    said to dislike are pictures of others of that part. An attribute that is not listed counts as
    "other".

    Args:
        tastes: people's.
        painter: makes the pictures.
        scorer: in people's place.
        seed: of the pictures and the draws.
        progress: told how many people's pictures are made.

    Raises:
        UsageError: fewer than two people.
    """
    if len(tastes) < 2:
        raise UsageError("Own pictures are told from others': give two people at least.")
    found = []
    for part, groups in KEPT.items():
        rows = []
        for number, taste in enumerate(tastes):
            progress(f"Painting: {part}", number, len(tastes))
            images = painter.paint(of_groups(taste, groups), PICTURES, seed + number)
            rows.append(_seen(images, scorer))
        progress(f"Painting: {part}", len(tastes), len(tastes))
        credits = [_told(n, rows, tastes[n], scorer, seed) for n in range(len(tastes))]
        found.append(Left(part, share_of(credits, 0.5, GROUPS[part])))
    return found


def _seen(images: Sequence[Image.Image], scorer: Scorer) -> Array:
    return rows_of([Picture(str(number), one) for number, one in enumerate(images)], scorer)


def _told(
    number: int, rows: Sequence[Array], taste: Taste, scorer: Scorer, seed: int
) -> list[float]:
    """Return whether each of a person's pictures is above one of somebody else's.

    Each is asked about in turn, and the person known by their others: none is in its own context.
    """
    rng = np.random.default_rng([seed, number])
    others = [n for n in range(len(rows)) if n != number]
    scored = []
    for asked in range(PICTURES):
        order = rng.permutation(others)
        met, rest = int(order[0]), order[1:] if len(order) > 1 else order
        liked = np.delete(rows[number], asked, axis=0)
        # of other pictures than the one that is asked about, where a single person has to serve
        away = [rows[rest[i % len(rest)]][(asked + 1 + i) % PICTURES] for i in range(EXAMPLES)]
        rates = scorer.likes(taste, liked, np.array(away))
        scored.append(better(*rates(np.array([rows[number][asked], rows[met][asked]]))))
    return scored


def of_groups(taste: Taste, groups: frozenset[str]) -> Taste:
    """Return a taste with the attributes of these groups alone."""

    def some(side: Attributes) -> Attributes:
        known = by_text()
        return tuple(
            (words, weight)
            for words, weight in side
            if (known[words.casefold()].group if words.casefold() in known else "other") in groups
        )

    return Taste(some(taste.liked), some(taste.disliked))


COUNTS = (1, 2, 4, 8)


def by_comments(
    agents: Sequence[Agent],
    extractor: Extractor,
    painter: Painter,
    scorer: Scorer,
    *,
    counts: Sequence[int] = COUNTS,
    queries: int = 3,
    seed: int = 0,
    progress: Progress = lambda *_: None,
) -> list[Left]:
    """Return how often pictures made to what comments tell are rated above pictures for nobody.

    The scorer knows a person by pictures made to their true taste. "all attributes" is made to that
    taste itself: what more comments could reach.

    Args:
        agents: whose comments are read, each in an order of its own.
        extractor: reads them.
        painter: makes the pictures.
        scorer: in people's place.
        counts: comments.
        queries: pictures of each part that a person is asked about.
        seed: of the orders and the pictures.
        progress: told how many agents are done.

    Raises:
        UsageError: nobody has comments.
    """
    talkers = [one for one in agents if one.comments]
    if not talkers:
        raise UsageError("Nobody has said anything; make agents with comments.")
    parts = [f"{n} comment{'s' * (n > 1)}" for n in counts] + ["all attributes"]
    credits: dict[str, list[list[float]]] = {part: [] for part in parts}
    nobody = Taste()
    for number, agent in enumerate(talkers):
        progress("Reading and painting", number, len(talkers))
        at = seed + 10 * number
        liked = _seen(painter.paint(agent.taste, EXAMPLES, at), scorer)
        plain = _seen(painter.paint(nobody, EXAMPLES + queries, at + 1), scorer)
        rates = scorer.likes(agent.taste, liked, plain[:EXAMPLES])
        others = rates(plain[EXAMPLES:])
        said = agent.said()
        order = np.random.default_rng([seed, number]).permutation(len(said))
        tastes = [
            taste_of(extractor.extract([said[int(i)] for i in order[:n]], {})) for n in counts
        ]
        for part, taste in zip(parts, [*tastes, agent.taste], strict=True):
            if not taste.heard:
                credits[part].append([0.5] * queries)  # nothing was read: pictures for nobody
                continue
            own = rates(_seen(painter.paint(taste, queries, at + 2), scorer))
            credits[part].append([better(a, b) for a, b in zip(own, others, strict=True)])
    progress("Reading and painting", len(talkers), len(talkers))
    return [Left(part, share_of(some, 0.5)) for part, some in credits.items()]
