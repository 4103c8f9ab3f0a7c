"""Tables 1, 3 and 4 on people whose taste is known, by scorers in a person's place (C.1).

The prompts are divided in halves: what a scorer knows a person by was made of the prompts of one,
what it is asked about of the other's, so that no picture and no prompt is on both sides. For every
other taste the halves are exchanged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator as Draws
from numpy.typing import NDArray

from finexl.errors import UsageError
from finexl.generators import Job
from finexl.images import Picture
from finexl.viper.study.gallery import METHODS, PLAIN, VIPER, Gallery, Progress, rows_of
from finexl.viper.study.lineups import SIZE, TOP, Share, better, share_of, top
from finexl.viper.study.people import Subject
from finexl.viper.study.published import published
from finexl.viper.study.scorers import Rates, Scorer
from finexl.viper.taste import Taste

Array = NDArray[np.float64]

EXAMPLES = 9
"""Pictures of each side that a scorer knows a person by, at most: 18, where the paper's M has
settled (C.7)."""
APART = 0.85
"""The least Jaccard distance of two tastes that meet in a line-up, as between the paper's
agents (§3.1)."""


@dataclass(frozen=True)
class Plan:
    """What is made and asked."""

    prompts: tuple[str, ...]
    seeds: int = 3
    """Of each personalized picture's prompt."""
    methods: tuple[str, ...] = (VIPER,)
    people: int = 1000
    """Each has one of the tastes in turn, and line-ups of their own."""
    seed: int = 0
    """Of the draws."""

    def __post_init__(self) -> None:
        """Refuse a plan that cannot be.

        Raises:
            UsageError: fewer than two prompts, the same twice, no seed, nobody, or no method.
        """
        if len(self.prompts) < 2 or len(set(self.prompts)) < len(self.prompts):
            raise UsageError("A study needs two different prompts at least, each given once.")
        if self.seeds < 1 or self.people < 1:
            raise UsageError("A study needs one seed and one person at least.")
        unknown = [method for method in self.methods if method not in METHODS or method == PLAIN]
        if unknown or not self.methods:
            others = ", ".join(method for method in METHODS if method != PLAIN)
            raise UsageError(f"Give one or several of the methods {others}.")

    def jobs(self, method: str) -> list[Job]:
        """Return a method's pictures, prompt by prompt; plain ones start from other noise as well.

        The plain seeds from `seeds` on are those that line-ups take, so that none of their pictures
        shares the own one's noise.
        """
        count = self.seeds + SIZE - 1 if method == PLAIN else self.seeds
        return [Job(prompt, seed) for prompt in self.prompts for seed in range(count)]


@dataclass(frozen=True)
class Seen:
    """What one scorer sees of everything that was made."""

    plain: Array
    """(prompts, seeds + 7, d)"""
    own: Mapping[str, Array]
    """Method -> (tastes, prompts, seeds, d)."""
    elsewhere: tuple[tuple[Array, Array], ...] = ()
    """For each taste, pictures known to be liked and disliked; empty where not all have some."""


def make(
    plan: Plan, tastes: Sequence[Subject], gallery: Gallery, progress: Progress = lambda *_: None
) -> None:
    """Make all pictures that are not there yet; what was made is kept, whatever ends it."""
    gallery.pictures(PLAIN, None, plan.jobs(PLAIN))
    for number, subject in enumerate(tastes):
        progress("Making pictures", number, len(tastes))
        for method in plan.methods:
            gallery.pictures(method, subject, plan.jobs(method))
    progress("Making pictures", len(tastes), len(tastes))


def look(
    plan: Plan,
    tastes: Sequence[Subject],
    gallery: Gallery,
    scorer: Scorer,
    progress: Progress = lambda *_: None,
) -> Seen:
    """Return what a scorer sees of a study's pictures."""

    def seen(method: str, subject: Subject | None) -> Array:
        rows = rows_of(gallery.pictures(method, subject, plan.jobs(method)), scorer)
        return rows.reshape(len(plan.prompts), -1, scorer.dim)

    plain = seen(PLAIN, None)
    own: dict[str, Array] = {}
    for method in plan.methods:
        found = []
        for number, subject in enumerate(tastes):
            progress(f"Looking at {METHODS[method]}", number, len(tastes))
            found.append(seen(method, subject))
        own[method] = np.array(found)
    return Seen(plain, own, _elsewhere(tastes, scorer))


def _elsewhere(tastes: Sequence[Subject], scorer: Scorer) -> tuple[tuple[Array, Array], ...]:
    if not all(one.liked and one.disliked for one in tastes):
        return ()

    def rows(paths: Sequence[Path]) -> Array:
        return rows_of([Picture(path.stem, path) for path in paths], scorer)

    return tuple((rows(one.liked), rows(one.disliked)) for one in tastes)


@dataclass(frozen=True)
class Found:
    """One figure of a study."""

    study: str
    method: str
    scorer: str
    share: Share

    def to_dict(self) -> dict[str, Any]:
        """Return it as a line of JSON has it."""
        return {
            "study": self.study,
            "method": self.method,
            "scorer": self.scorer,
            **self.share.to_dict(),
        }


NONE, OTHERS, PAIR, PROMPT = "own vs none", "own vs others", "personalized or not", "prompt"
ANY = "own vs others, of any distance"
Credits = dict[tuple[str, int], dict[int, list[float]]]
"""(study, k) -> taste -> what its questions scored."""


def measure(
    plan: Plan,
    tastes: Sequence[Subject],
    seen: Seen,
    scorer: Scorer,
    progress: Progress = lambda *_: None,
    *,
    elsewhere: bool = False,
) -> list[Found]:
    """Ask a scorer everything about everybody.

    Args:
        plan: who is asked what.
        tastes: in the order in which people have them.
        seen: what the scorer sees.
        scorer: in the people's place.
        progress: told how many people are done.
        elsewhere: let it know people by the pictures that are known of them (`Seen.elsewhere`), not
            by what was made for them: then it cannot know a method by its look.

    Raises:
        UsageError: a single taste, so that there are no others.
    """
    if elsewhere and not seen.elsewhere:
        raise UsageError("No pictures are known that all these people like and dislike.")
    name = f"{scorer.name}, by other pictures" if elsewhere else scorer.name
    if len(tastes) < 2:
        raise UsageError("Own pictures are told from others': give two tastes at least.")
    near = _near([one.taste for one in tastes])
    found = []
    eyes: dict[int, Rates] | None = {} if elsewhere else None
    for method in plan.methods:
        credits: Credits = {}
        for person in range(plan.people):
            progress(f"Asking {scorer.name}", person, plan.people)
            own = person % len(tastes)
            rng = np.random.default_rng([plan.seed, person])
            asked = _Asked(plan, tastes, seen, scorer, seen.own[method], own, near[own], rng, eyes)
            for study, scored in asked.all(anybody=method == VIPER):
                for k, score in zip(TOP, scored, strict=False):
                    credits.setdefault((study, k), {}).setdefault(own, []).append(score)
        for (study, k), by_taste in credits.items():
            label = study if study in (PAIR, PROMPT) else f"{study}, top-{k}"
            chance = 0.5 if study in (PAIR, PROMPT) else k / SIZE
            share = share_of(list(by_taste.values()), chance, published(study, method, name, k))
            found.append(Found(label, method, name, share))
    progress(f"Asking {scorer.name}", plan.people, plan.people)
    return found


@dataclass
class _Asked:
    """One person's questions."""

    plan: Plan
    tastes: Sequence[Subject]
    seen: Seen
    scorer: Scorer
    made: Array
    """(tastes, prompts, seeds, d), of one method."""
    own: int
    near: NDArray[np.bool_]
    """Which tastes are too near to be met, (tastes,)."""
    rng: Draws
    elsewhere: dict[int, Rates] | None
    """Eyes by taste, of those known by other pictures; None: of pictures made for them."""

    def __post_init__(self) -> None:
        half = len(self.plan.prompts) // 2
        prompts = list(range(len(self.plan.prompts)))
        self.known, self.queried = prompts[:half], prompts[half:]
        if self.own % 2:
            self.known, self.queried = prompts[-half:], prompts[:-half]

    def all(self, anybody: bool) -> Iterator[tuple[str, tuple[float, ...]]]:
        """Yield studies and what a question of theirs scored: by k, or right or wrong."""
        yield from self.against_none()
        yield from self.against_others(OTHERS, ~self.near)
        if anybody:
            yield from self.against_others(ANY, np.arange(len(self.tastes)) != self.own)
        yield from self.prompted()

    def against_none(self) -> Iterator[tuple[str, tuple[float, ...]]]:
        """Table 1, left, and Table 3: one picture of each."""
        seeds = self.plan.seeds
        rates = self.eyes(self.seen.plain[self.known, seeds:].reshape(-1, self.scorer.dim))
        lineups = [
            np.concatenate(
                [self.made[self.own, prompt, seed][None], self.seen.plain[prompt, seeds:]]
            )
            for prompt, seed in self.queries()
        ]
        scored = self.scores(rates, lineups)
        yield from ((NONE, top(scores, 0)) for scores in scored)
        pair = scored[int(self.rng.integers(len(scored)))]
        yield PAIR, (better(pair[0], pair[1 + self.rng.integers(SIZE - 1)]),)

    def against_others(
        self, study: str, among: NDArray[np.bool_]
    ) -> Iterator[tuple[str, tuple[float, ...]]]:
        """Table 1, right: what others like is known from people who are not in the line-up."""
        others = self.rng.permutation(np.flatnonzero(among))
        if len(others) < SIZE:
            return
        met, rest = others[: SIZE - 1], others[SIZE - 1 :]
        rates = self.eyes(self.made[rest][:, self.known].reshape(-1, self.scorer.dim))
        lineups = [self.made[[self.own, *met], prompt, seed] for prompt, seed in self.queries()]
        yield from ((study, top(scores, 0)) for scores in self.scores(rates, lineups))

    def scores(self, rates: Rates, lineups: Sequence[Array]) -> Array:
        """Return the scores of line-ups (q, n), all asked at once."""
        flat = np.concatenate(lineups)
        return rates(flat).reshape(len(lineups), -1)

    def prompted(self) -> Iterator[tuple[str, tuple[float, ...]]]:
        """Table 4: the picture of a prompt, or one of another prompt, to the same taste."""
        prompt, other = self.rng.permutation(len(self.plan.prompts))[:2]
        rates = self.scorer.follows(self.plan.prompts[prompt])
        if rates is not None:
            seed = int(self.rng.integers(self.plan.seeds))
            yield PROMPT, (better(*rates(self.made[self.own, [prompt, other], seed])),)

    def queries(self) -> list[tuple[int, int]]:
        """Return prompts and seeds of the pictures that are asked about."""
        return [(prompt, seed) for prompt in self.queried for seed in range(self.plan.seeds)]

    def eyes(self, disliked: Array) -> Rates:
        """Return the person's eyes: own pictures of the known prompts, and so many of these."""
        taste = self.tastes[self.own].taste
        if self.elsewhere is not None:
            if self.own not in self.elsewhere:
                pictures = self.seen.elsewhere[self.own]
                self.elsewhere[self.own] = self.scorer.likes(taste, *pictures)
            return self.elsewhere[self.own]
        liked = self.made[self.own, self.known].reshape(-1, self.scorer.dim)[:EXAMPLES]
        some = self.rng.permutation(len(disliked))[: len(liked)]
        return self.scorer.likes(taste, liked, disliked[some])


def distance(one: Taste, other: Taste) -> float:
    """Return the Jaccard distance of two tastes' signed attributes."""
    a, b = (
        {(words, side) for side in ("liked", "disliked") for words, _ in getattr(taste, side)}
        for taste in (one, other)
    )
    return 1 - len(a & b) / max(len(a | b), 1)


def _near(tastes: Sequence[Taste]) -> NDArray[np.bool_]:
    """Return which tastes are nearer to each other than APART, (n, n); each is to itself."""
    return np.array([[distance(one, other) < APART for other in tastes] for one in tastes])
