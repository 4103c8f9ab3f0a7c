"""What people's rankings say, and what M would have said in their place (Table 1, Appendix B)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finexl.images import Picture
from finexl.viper.study.answers import Answered
from finexl.viper.study.building import PICTURES
from finexl.viper.study.design import TESTS, Person, Study, Test, Trial
from finexl.viper.study.gallery import rows_of
from finexl.viper.study.lineups import TOP, Share, share_of, top, top_of_ranks
from finexl.viper.study.matrices import Agreement, Matrix, Ranking, agreement, matrix
from finexl.viper.study.published import PROXY, USERS
from finexl.viper.study.scorers import Scorer
from finexl.viper.taste import Taste

SCHEMA = "finexl.study-analysis/1"
Array = NDArray[np.float64]
Progress = Callable[[str, int, int], None]
PAPER_NAMES: dict[Test, str] = {"none": "own vs none", "others": "own vs others"}


@dataclass(frozen=True)
class Asked:
    """One line-up that was put to a person."""

    person: Person
    trial: Trial
    ranking: tuple[int, ...]
    """What they ranked, the best first; empty where M alone is asked."""


@dataclass(frozen=True)
class Tops:
    """How often the own picture is among the first k, k = 1 … 4."""

    test: Test
    by: str
    """"people", or the scorer's name."""
    shares: tuple[Share, ...]


@dataclass(frozen=True)
class Analysis:
    """All that a study found."""

    study: str
    made_of: str
    people: tuple[str, ...]
    """Whose answers there are, or without answers everybody."""
    answered: bool
    tops: tuple[Tops, ...]
    of_people: Matrix | None
    of_proxy: Matrix | None
    agreement: Agreement | None
    scorer: str
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "schema": SCHEMA,
            "study": self.study,
            "made_of": self.made_of,
            "people": list(self.people),
            "answered": self.answered,
            "scorer": self.scorer,
            "tests": [
                {
                    "test": tops.test,
                    "by": tops.by,
                    "top": [share.to_dict() for share in tops.shares],
                }
                for tops in self.tops
            ],
            "matrices": {
                "people": None if self.of_people is None else self.of_people.to_dict(),
                "proxy": None if self.of_proxy is None else self.of_proxy.to_dict(),
                "agreement": None if self.agreement is None else self.agreement.to_dict(),
            },
            "notes": list(self.notes),
        }


def analyse(
    study: Study,
    folder: Path,
    answers: Sequence[Answered],
    scorer: Scorer,
    notes: Sequence[str] = (),
    progress: Progress = lambda *_: None,
) -> Analysis:
    """Compare people's rankings with their pictures' owners, and with a scorer's.

    The scorer is asked about the line-ups that people ranked something in; without any answers
    about all of them.

    Args:
        study: the key.
        folder: where the study is.
        answers: people's; each ranked something.
        scorer: M, in the people's place.
        notes: what is missing, in sentences.
        progress: told how many line-ups are scored.

    Raises:
        UsageError: pictures that are gone.
    """
    asked = [
        Asked(one.person, trial, ranking)
        for one in answers
        for trial, ranking in zip(one.person.trials, one.rankings, strict=True)
        if ranking
    ] or [Asked(person, trial, ()) for person in study.people for trial in person.trials]
    said = list(notes)
    scores = _scored(study, folder, asked, scorer, said, progress)
    tests = [test for test in TESTS if any(one.trial.test == test for one in asked)]
    tops = []
    for test in tests:
        some = [place for place, one in enumerate(asked) if one.trial.test == test]
        if answers:
            ranked = {place: _of_person(study, asked[place]) for place in some}
            tops.append(_tops(test, "people", asked, ranked))
        known = {place: top(scores[place], _own(study, asked[place]))
                 for place in some if place in scores}  # fmt: skip
        if known:
            tops.append(_tops(test, scorer.name, asked, known))
    met = [place for place, one in enumerate(asked) if one.trial.test == "others"]
    names = [person.name for person in study.people]
    people = [_ranking(study, asked[place], asked[place].ranking) for place in met] * bool(answers)
    proxies = [
        _ranking(study, asked[place], tuple(int(i) for i in np.argsort(-scores[place])))
        for place in met
        if place in scores
    ]
    of_people = matrix(names, people) if people else None
    of_proxy = matrix(names, proxies) if proxies else None
    both = None if of_people is None or of_proxy is None else agreement(of_people, of_proxy)
    whose = [one.person.name for one in answers] or names
    return Analysis(
        study.id, study.made_of, tuple(whose), bool(answers), tuple(tops), of_people, of_proxy,
        both, scorer.name, tuple(said),
    )  # fmt: skip


def _own(study: Study, one: Asked) -> int:
    return study.own(one.person, one.trial)


def _of_person(study: Study, one: Asked) -> tuple[float, ...]:
    return top_of_ranks(one.ranking, _own(study, one), len(one.trial.pictures))


def _tops(
    test: Test, by: str, asked: Sequence[Asked], scored: dict[int, tuple[float, ...]]
) -> Tops:
    units: dict[str, list[int]] = {}
    for place in scored:
        units.setdefault(asked[place].person.name, []).append(place)
    paper = (USERS if by == "people" else PROXY)[PAPER_NAMES[test]]
    shares = []
    for number, k in enumerate(TOP):
        credits = [[scored[place][number] for place in places] for places in units.values()]
        chance = float(np.mean([min(1.0, k / len(asked[p].trial.pictures)) for p in scored]))
        shares.append(share_of(credits, chance, paper[number]))
    return Tops(test, by, tuple(shares))


def _ranking(study: Study, one: Asked, places: tuple[int, ...]) -> Ranking:
    shown = tuple(study.pictures[picture].whose for picture in one.trial.pictures)
    return Ranking(one.person.name, shown, places)


def _scored(
    study: Study,
    folder: Path,
    asked: Sequence[Asked],
    scorer: Scorer,
    notes: list[str],
    progress: Progress,
) -> dict[int, Array]:
    """Return the scorer's number for each picture of the line-ups, by place in `asked`."""
    pictures = [
        Picture(image.digest, folder / PICTURES / f"{image.digest}.jpg") for image in study.pictures
    ]
    rows = rows_of(pictures, scorer)
    scores: dict[int, Array] = {}
    for person in study.people:
        mine = [place for place, one in enumerate(asked) if one.person == person]
        taste = Taste(person.liked, person.disliked)
        if not mine:
            continue
        if not person.examples and not taste.heard:
            notes.append(f"M knows nothing of {person.name}: neither words nor pictures.")
            continue
        eyes = {}
        for test in {asked[place].trial.test for place in mine}:
            others = [i for one in study.people if one != person for i in one.examples]
            away = study.plain if test == "none" else others
            # as many as there are of the person's own, evenly from all that there are
            count = min(len(away), len(person.examples))
            some = [away[i * len(away) // count] for i in range(count)]
            eyes[test] = scorer.likes(taste, rows[list(person.examples)], rows[some])
        for place in mine:
            trial = asked[place].trial
            scores[place] = eyes[trial.test](rows[list(trial.pictures)])
            progress(f"Asking {scorer.name}", len(scores), len(asked))
    return scores
