"""What an agent thinks of a picture: one of five opinions, from what it sees and cares for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from numpy.random import Generator

from finexl.viper.agents.agent import View
from finexl.viper.agents.tastes import Likings
from finexl.viper.attributes import by_text
from finexl.viper.profile import Opinion

COOL = 0.15
"""How often a picture leaves an agent neutral although something in it matters."""
FURIOUS = 0.35
"""How often a picture with nothing but what is disliked is an abomination."""
TORN = 0.75
"""How often liked and disliked at once is conflicted; else the larger side decides."""
MOST = 3
"""Attributes that a comment speaks of."""
_SPOKEN = (0.5, 0.35, 0.15)
"""How often of one, two and three."""

Cared = tuple[str, Opinion]
"""An attribute in sight, liked or disliked."""


@dataclass(frozen=True)
class Impression:
    """What an agent thinks of a picture and, of what it has an opinion of, what it speaks of."""

    opinion: View
    spoken: tuple[Cared, ...]


def impression(likings: Likings, visible: Sequence[str], rng: Generator) -> Impression:
    """Return what an agent makes of a picture in which these attributes are visible."""
    cared = cared_for(likings, visible)
    opinion = _view(cared, rng)
    if opinion == "neutral":
        keep = 1 if rng.random() < 0.5 else 0
        return Impression(opinion, _some(cared, keep, rng))
    count = 1 + int(rng.choice(MOST, p=_SPOKEN))
    if opinion == "conflicted":
        more = count == MOST and rng.random() < 0.5
        good = _some([one for one in cared if one[1] == "liked"], 1 + more, rng)
        bad = _some(
            [one for one in cared if one[1] == "disliked"], 1 + (count == MOST and not more), rng,
            good,
        )  # fmt: skip
        return Impression(opinion, good + bad)
    side = "liked" if opinion == "positive" else "disliked"
    return Impression(opinion, _some([one for one in cared if one[1] == side], count, rng))


def cared_for(likings: Likings, visible: Sequence[str]) -> list[Cared]:
    """Return what is visible and liked or disliked."""
    liked, disliked = set(likings.liked), set(likings.disliked)
    found: list[Cared] = [(text, "liked") for text in visible if text in liked]
    return [*found, *((text, "disliked") for text in visible if text in disliked)]


def _view(cared: Sequence[Cared], rng: Generator) -> View:
    liked = sum(opinion == "liked" for _, opinion in cared)
    disliked = len(cared) - liked
    if not cared or rng.random() < COOL:
        return "neutral"
    if liked and disliked and (liked == disliked or rng.random() < TORN):
        return "conflicted"
    if liked > disliked:
        return "positive"
    return "extremely negative" if not liked and rng.random() < FURIOUS else "negative"


def _some(
    cared: Sequence[Cared], count: int, rng: Generator, besides: Sequence[Cared] = ()
) -> tuple[Cared, ...]:
    """Return some of them, of categories that differ, also from others', where there are such."""
    mixed = [cared[int(place)] for place in rng.permutation(len(cared))]
    taken = {_category(one) for one in besides}
    mixed.sort(key=lambda one: _category(one) in taken)
    kept: dict[str, Cared] = {}
    for one in mixed:
        kept.setdefault(_category(one), one)
    return tuple(list(kept.values())[:count])


def _category(cared: Cared) -> str:
    return by_text()[cared[0].casefold()].category
