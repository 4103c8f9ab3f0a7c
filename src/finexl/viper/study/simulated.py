"""Tables 1, 3 and 4 on people whose taste is known, by scorers in a person's place (C.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finexl.errors import UsageError
from finexl.images import Picture
from finexl.viper.study.gallery import METHODS, PLAIN, VIPER, Gallery, Progress, rows_of
from finexl.viper.study.lineups import SIZE, TOP, Share, share_of
from finexl.viper.study.people import Subject
from finexl.viper.study.plan import Plan, Seen
from finexl.viper.study.published import published
from finexl.viper.study.questions import PAIR, PROMPT, Questions, near
from finexl.viper.study.scorers import Rates, Scorer

Array = NDArray[np.float64]
Credits = dict[tuple[str, int], dict[int, list[float]]]
"""(study, k) -> taste -> what its questions scored."""


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
    too_near = near([one.taste for one in tastes])
    found = []
    eyes: dict[int, Rates] | None = {} if elsewhere else None
    for method in plan.methods:
        credits: Credits = {}
        for person in range(plan.people):
            progress(f"Asking {scorer.name}", person, plan.people)
            own = person % len(tastes)
            rng = np.random.default_rng([plan.seed, person])
            asked = Questions(
                plan, tastes, seen, scorer, seen.own[method], own, too_near[own], rng, eyes
            )
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
