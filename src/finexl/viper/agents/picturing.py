"""Which pictures an agent is shown: of random subsets of what it likes and dislikes (§3.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from numpy.random import Generator as Draws

from finexl.concepts.vocabulary import neutral_prompts
from finexl.generators import Job
from finexl.viper.agents.ingredients import (
    SLOTS,
    Ingredient,
    drawable,
    hidden,
    of_slot,
    visible,
    written,
)
from finexl.viper.agents.tastes import Likings

ASKED = (2, 5)
"""How many attributes a drawn picture is made from, where so many fit together."""
PROMPTED = (3, 8)
"""The same of a prompt."""
SIDES: tuple[tuple[float, bool, bool], ...] = (
    (0.38, True, False),
    (0.34, False, True),
    (0.28, True, True),
)
"""How often a picture is made from what is liked, from what is disliked, from both."""
BLAND = ("ground", "outline", "shadow", "medium", "tone", "light", "surface")
"""Slots that stay plain where nothing is asked of them, most of the time."""


@dataclass(frozen=True)
class Planned:
    """A picture to be made, and what will be visible in it."""

    job: Job
    visible: tuple[str, ...]


Planner = Callable[[Likings, int, Draws], Planned]
"""(what an agent likes and dislikes, the picture's seed, draws) -> a picture."""


def drawn(likings: Likings, seed: int, rng: Draws) -> Planned:
    """Return a recipe that shows some of the agent's attributes; see `ingredients`.

    All that is visible is told, also what came along unasked. Parts that nothing asked for are
    taken so that they do not bring in the side that the picture is not made from.
    """
    wanted, unwanted = _sides(likings, rng)
    asked = [text for text in wanted if text in drawable()]
    count = int(rng.integers(ASKED[0], ASKED[1] + 1))
    recipe: dict[str, Ingredient] = {}
    shown = 0
    for place in rng.permutation(len(asked)):
        showing = drawable()[asked[int(place)]]
        if shown == count:
            break
        if any(one.slot in recipe and one is recipe[one.slot] for one in showing):
            continue  # it is there already
        one = showing[int(rng.integers(len(showing)))]
        if _fits(one, recipe) and not unwanted & set(one.shows):
            recipe[one.slot] = one
            shown += 1
    for slot in SLOTS:
        if slot not in recipe:
            recipe[slot] = _filling(slot, recipe, unwanted, rng)
    return Planned(Job(written(recipe), seed), visible(recipe))


def prompted(likings: Likings, seed: int, rng: Draws) -> Planned:
    """Return a prompt with some of the agent's attributes, for any model that makes images.

    What the prompt asks for is taken to be visible: how well the model heeds it is not looked at.
    """
    wanted, _ = _sides(likings, rng)
    count = min(int(rng.integers(PROMPTED[0], PROMPTED[1] + 1)), len(wanted))
    asked = [wanted[int(place)] for place in rng.permutation(len(wanted))[:count]]
    subjects = neutral_prompts()
    subject = subjects[int(rng.integers(len(subjects)))]
    order = {text: place for place, text in enumerate((*likings.liked, *likings.disliked))}
    return Planned(
        Job(", ".join((subject, *asked)), seed), tuple(sorted(asked, key=lambda t: order[t]))
    )


def _sides(likings: Likings, rng: Draws) -> tuple[Sequence[str], set[str]]:
    """Return what a picture is made from, and what it is not to show."""
    odds = [share for share, _, _ in SIDES]
    _, likes, dislikes = SIDES[int(rng.choice(len(SIDES), p=odds))]
    wanted = (*likings.liked * likes, *likings.disliked * dislikes)
    unwanted = (*likings.liked * (not likes), *likings.disliked * (not dislikes))
    return wanted, set(unwanted)


def _fits(one: Ingredient, recipe: dict[str, Ingredient]) -> bool:
    """Return whether a part can be added: its place is free, and nobody hides anybody."""
    busy = set(recipe)
    return one.slot not in busy | hidden(recipe) and not busy & set(one.hides)


def _filling(
    slot: str, recipe: dict[str, Ingredient], unwanted: set[str], rng: Draws
) -> Ingredient:
    """Return a part that nothing asked for, and that tells nothing where it is out of sight."""
    listed = of_slot(slot)
    if slot in BLAND and (slot in hidden(recipe) or rng.random() < 0.75):
        return listed[0]
    free = [one for one in listed if not set(recipe) & set(one.hides)]
    if slot not in hidden(recipe):
        free = [one for one in free if not unwanted & set(one.shows)] or free
    return free[int(rng.integers(len(free)))]
