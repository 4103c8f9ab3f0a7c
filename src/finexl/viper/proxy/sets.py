"""What M learns from: somebody's examples, and one liked and one disliked picture to tell apart.

Each pair of a set, one liked and one disliked picture, is of one route, so that no route's
fingerprint tells which is which; the routes take turns. Pictures come once in a set, by content.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from finexl.errors import UsageError
from finexl.viper.proxy.people import Person, Shot

CONTEXT = 18
"""Examples in a set, half of them liked: from there on the paper's M gains nothing (C.7)."""


@dataclass(frozen=True)
class Pair:
    """A liked and a disliked picture by one route."""

    liked: Shot
    disliked: Shot
    route: str


@dataclass(frozen=True)
class Task:
    """One set of the paper's 5,000."""

    person: str
    context: tuple[Pair, ...]
    query: Pair


def build(
    people: Sequence[Person], count: int, seed: int, *, context: int = CONTEXT
) -> tuple[Task, ...]:
    """Return sets; everybody has as many as anybody else, to one. The first ones stay the same.

    Args:
        people: whom the sets are about. What one of them lacks in disliked pictures by a route is
            taken from what the others like by it.
        count: sets.
        seed: same seed and people, same sets.
        context: examples in a set, half of them liked; fewer where somebody has fewer pictures.

    Raises:
        UsageError: a context that is none, or nobody has a liked and another picture by one route
            to ask about, and as many for an example.
    """
    if context < 2 or context % 2:
        raise UsageError(f"A context of {context} pictures cannot be half liked; give an even one.")
    likes = {
        route: [one for person in people for one in person.liked.get(route, ())]
        for route in sorted({route for person in people for route in person.liked})
    }
    able = [person for person in people if len(_pairs(person, likes, 2, _draws(seed, 0))) == 2]
    if not able:
        raise UsageError(
            "Nobody has two liked and two other pictures by one route: there is nothing to learn."
        )
    found = []
    for number, person in zip(range(count), _in_turn(able, seed), strict=False):
        pairs = _pairs(person, likes, context // 2 + 1, _draws(seed, 1 + number))
        found.append(Task(person.name, tuple(pairs[1:]), pairs[0]))
    return tuple(found)


def _pairs(
    person: Person, likes: Mapping[str, Sequence[Shot]], count: int, rng: Generator
) -> list[Pair]:
    """Return so many pairs, or as many as there are, the routes in turn; no picture comes twice."""
    left = {
        route: (_mixed(shots, rng), _others(person, route, likes[route], count, rng))
        for route, shots in sorted(person.liked.items())
    }
    routes = [list(left)[i] for i in rng.permutation(len(left))]
    used: set[str] = set()
    pairs: list[Pair] = []
    while routes and len(pairs) < count:
        route = routes.pop(0)
        shots = [
            next((one for one in side if one.digest not in used), None) for side in left[route]
        ]
        liked, other = shots
        if liked is not None and other is not None:
            used |= {liked.digest, other.digest}
            pairs.append(Pair(liked, other, route))
            routes.append(route)
    return pairs


def _others(
    person: Person, route: str, everyones: Sequence[Shot], count: int, rng: Generator
) -> list[Shot]:
    """Return what somebody dislikes by a route; or else some of what only others like by it."""
    if route in person.disliked:
        return _mixed(person.disliked[route], rng)
    own = {one.digest for shots in person.liked.values() for one in shots}
    size = min(len(everyones), count + len(own))  # were all of the person's own among them
    drawn = (everyones[i] for i in rng.choice(len(everyones), size, replace=False))
    return [one for one in drawn if one.digest not in own]


def _mixed(shots: Sequence[Shot], rng: Generator) -> list[Shot]:
    return [shots[i] for i in rng.permutation(len(shots))]


def _in_turn(people: Sequence[Person], seed: int) -> Iterator[Person]:
    """Yield everybody, over and over, in another order each time."""
    rng = np.random.default_rng([seed, 1])
    while True:
        yield from (people[i] for i in rng.permutation(len(people)))


def _draws(seed: int, number: int) -> Generator:
    return np.random.default_rng([seed, 2, number])
