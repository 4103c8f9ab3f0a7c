"""Who is shown which pictures in which order, and whose they are: the key of a ranking test.

DIR/study.json     `finexl.study/1`: the key. Stays with whoever made the study.
DIR/pages/         a page a person; they know nothing of the key
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import ConfigDict, TypeAdapter, ValidationError

from finexl.cache import key_of
from finexl.errors import UsageError
from finexl.viper.study.lineups import SIZE

SCHEMA = "finexl.study/1"
FILE = "study.json"
MOST_BYTES = 64_000_000
MOST_PEOPLE = 200
Test = Literal["none", "others"]
TESTS: Mapping[Test, str] = {
    "none": "own vs none: the others are made without personalization",
    "others": "own vs others: the others are made for other people",
}
NOBODY = "-"
"""Whose a picture is that was made for nobody."""
_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Image:
    """A picture of the study, as its pages show it."""

    __pydantic_config__ = _STRICT

    digest: str
    """Of the bytes on the pages; the file is DIR/pictures/DIGEST.jpg."""
    whose: str
    """For whom it was made; NOBODY: for nobody."""
    prompt: str


@dataclass(frozen=True)
class Trial:
    """Pictures of one prompt, to be ranked."""

    __pydantic_config__ = _STRICT

    test: Test
    prompt: str
    pictures: tuple[int, ...]
    """Places among the study's pictures, in the order in which they are shown."""


@dataclass(frozen=True)
class Person:
    """Somebody who takes part."""

    __pydantic_config__ = _STRICT

    name: str
    page: str
    """Digest of all that their page shows: answers carry it."""
    trials: tuple[Trial, ...]
    liked: tuple[tuple[str, float], ...]
    """VP+ with weights, for the proxy; empty where only pictures are known."""
    disliked: tuple[tuple[str, float], ...]
    examples: tuple[int, ...] = ()
    """Pictures of theirs that no trial of anybody shows, for the proxy."""


@dataclass(frozen=True)
class Study:
    """A ranking test and its key."""

    __pydantic_config__ = _STRICT

    id: str
    made_of: str
    """What made the pictures, in words."""
    seed: int
    pictures: tuple[Image, ...]
    people: tuple[Person, ...]
    plain: tuple[int, ...] = ()
    """Pictures made for nobody that no trial shows, for the proxy."""
    schema: Literal["finexl.study/1"] = field(default="finexl.study/1")

    def __post_init__(self) -> None:
        shown = [place for one in self.people for trial in one.trials for place in trial.pictures]
        places = [*shown, *self.plain, *(place for one in self.people for place in one.examples)]
        if any(not 0 <= place < len(self.pictures) for place in places):
            raise UsageError("The study names a picture that it does not have.")
        for person in self.people:
            for trial in person.trials:
                owners = [self.pictures[place].whose for place in trial.pictures]
                if owners.count(person.name) != 1:
                    raise UsageError(f"A trial of {person.name} has not one picture of theirs.")

    def own(self, person: Person, trial: Trial) -> int:
        """Return where in a trial the person's own picture is."""
        owners = [self.pictures[place].whose for place in trial.pictures]
        return owners.index(person.name)

    def to_json(self) -> str:
        """Return the JSON text: same study, same bytes."""
        data: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        whole = {"schema": data.pop("schema"), **data}
        return json.dumps(whole, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


_ADAPTER: TypeAdapter[Study] = TypeAdapter(Study)


@dataclass(frozen=True)
class Offered:
    """Pictures that there are to make trials of, by person and prompt: places of `pictures`."""

    pictures: tuple[Image, ...]
    own: Mapping[str, Mapping[str, tuple[int, ...]]]
    """Person -> prompt -> those made for them: one, or one for each test."""
    plain: Mapping[str, tuple[int, ...]]
    """Prompt -> those made for nobody; empty without."""


def design(
    offered: Offered,
    prompts: Sequence[str],
    tastes: Mapping[str, tuple[tuple[tuple[str, float], ...], tuple[tuple[str, float], ...]]],
    tests: Sequence[Test],
    *,
    made_of: str,
    seed: int,
) -> Study:
    """Draw up everybody's trials.

    Args:
        offered: pictures; those of other prompts than `prompts` are examples for the proxy.
        prompts: of the trials, each asked once a test and person.
        tastes: person -> VP+ and VP− with weights; the people, in order.
        tests: which.
        made_of: what made the pictures.
        seed: of who meets whom and of every order.

    Raises:
        UsageError: too few pictures, people or prompts.
    """
    names = list(tastes)
    if not 1 <= len(names) <= MOST_PEOPLE or NOBODY in names:
        raise UsageError(f"A study is of 1 to {MOST_PEOPLE} people, none of them called {NOBODY}.")
    if "others" in tests and len(names) < 2:
        raise UsageError("Own against others needs two people at least; give more, or --test none.")
    short = [prompt for prompt in prompts if len(offered.plain.get(prompt, ())) < SIZE - 1]
    if "none" in tests and short:
        raise UsageError(
            f"Own against none shows {SIZE - 1} pictures without personalization of a prompt, and "
            f"of {short[0]!r} there are {len(offered.plain.get(short[0], ()))}."
        )
    digests = sorted(one.digest for one in offered.pictures)
    identity = key_of(SCHEMA, str(seed), json.dumps([list(prompts), names, list(tests)]), *digests)
    people = [
        _person(offered, number, names, prompts, tests, tastes[name], identity)
        for number, name in enumerate(names)
    ]
    spare = [place for prompt, some in offered.plain.items() if prompt not in prompts
             for place in some]  # fmt: skip
    return Study(identity[:16], made_of, seed, offered.pictures, tuple(people), tuple(spare))


def _person(
    offered: Offered,
    number: int,
    names: Sequence[str],
    prompts: Sequence[str],
    tests: Sequence[Test],
    taste: tuple[tuple[tuple[str, float], ...], tuple[tuple[str, float], ...]],
    identity: str,
) -> Person:
    # an order that follows from the pictures as well as from the seed: it cannot be had without
    # them, as whoever has a page does not
    rng = np.random.default_rng([int(identity, 16) % 2**64, number])
    name = names[number]
    trials = []
    for number_of_test, test in enumerate(tests):

        def made_for(who: str, prompt: str, place: int = number_of_test) -> int:
            some = offered.own[who][prompt]
            return some[place % len(some)]

        for prompt in prompts:
            own = made_for(name, prompt)
            if test == "none":
                some = offered.plain[prompt]
                others = [some[int(i)] for i in rng.permutation(len(some))[: SIZE - 1]]
            else:
                rest = [other for other in names if other != name]
                met = rng.permutation(len(rest))[: SIZE - 1]
                others = [made_for(rest[int(i)], prompt) for i in met]
            shown = [own, *others]
            order = rng.permutation(len(shown))
            trials.append(Trial(test, prompt, tuple(shown[int(i)] for i in order)))
    trials = [trials[int(i)] for i in rng.permutation(len(trials))]
    shown_digests = [offered.pictures[i].digest for trial in trials for i in trial.pictures]
    page = key_of(identity, name, *(trial.prompt for trial in trials), *shown_digests)[:16]
    examples = tuple(
        i for prompt, some in offered.own[name].items() if prompt not in prompts for i in some
    )
    return Person(name, page, tuple(trials), *taste, examples)


def read_study(folder: Path) -> Study:
    """Read what `finexl viper study make` wrote.

    Raises:
        UsageError: there is none, or it is of another version or malformed.
    """
    path = folder / FILE
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"{path} is larger than a study can be.")
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{folder} has no {FILE}; `finexl viper study make` writes it.") from error
    try:
        schema = json.loads(text)["schema"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UsageError(f"{path} is no study: no JSON with a `schema`.") from error
    if schema != SCHEMA:
        raise UsageError(f"{path} has schema {schema!r}, and this version reads {SCHEMA}.")
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{path} is wrong at `{where}`: {first['msg']}.") from error
