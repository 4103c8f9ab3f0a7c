"""What one person of an automated study is asked, and what they are known by (Table 1, 3, 4).

The prompts are divided in halves: what a scorer knows a person by was made of the prompts of one,
what it is asked about of the other's, so that no picture and no prompt is on both sides. For every
other taste the halves are exchanged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator as Draws
from numpy.typing import NDArray

from finexl.viper.study.lineups import SIZE, better, top
from finexl.viper.study.people import Subject
from finexl.viper.study.plan import Plan, Seen
from finexl.viper.study.scorers import Rates, Scorer
from finexl.viper.taste import Taste

Array = NDArray[np.float64]

EXAMPLES = 9
"""Pictures of each side that a scorer knows a person by, at most: 18, where the paper's M has
settled (C.7)."""
APART = 0.85
"""The least Jaccard distance of two tastes that meet in a line-up, as between the paper's
agents (§3.1)."""


NONE, OTHERS, PAIR, PROMPT = "own vs none", "own vs others", "personalized or not", "prompt"
ANY = "own vs others, of any distance"


@dataclass
class Questions:
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


def near(tastes: Sequence[Taste]) -> NDArray[np.bool_]:
    """Return which tastes are nearer to each other than APART, (n, n); each is to itself."""
    return np.array([[distance(one, other) < APART for other in tastes] for one in tastes])
