"""Simulated people and their pictures' rows, as `proxy.py` tunes and scores by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from finexl.encoders import Encoder, image_rows
from finexl.imageset import read_images
from finexl.operators import OPERATORS, apply
from finexl.viper.agents.drawn import Drawn
from finexl.viper.agents.picturing import Planned, drawn
from finexl.viper.agents.tastes import Likings, draw_likings
from finexl.viper.agents.views import cared_for
from finexl.viper.proxy.sight import Wanted, wanted_of
from finexl.viper.taste import Taste

Array = NDArray[np.float64]

KEPT, ASKED = 14, 4
"""Of each side: pictures that examples are taken from, and that are asked about."""
SIDE = KEPT + ASKED
LIKINGS = 5
LEVELS = (0.3, 1.0)
CROP = (0.6, 1.0)
PHOTOGRAPHS = 400
SIZE = 256
PLAIN = 100
"""Pictures made for nobody: the same photographs, the same drawing."""
TRIES = 400
"""Pictures that an agent is drawn before it is given up: too little of it can be drawn."""


@dataclass(frozen=True)
class Person:
    """Pictures by row, and the words for what is liked and disliked."""

    liked: Array
    """(SIDE, d)"""
    disliked: Array
    taste: Taste
    wanted: Wanted | None = None
    """The same as a direction; where it is asked for."""


def half_of(name: str) -> int:
    return hashlib.sha256(name.encode()).digest()[0] % 2


def under_operators(
    encoder: Encoder, photographs: Sequence[Image.Image], half: int, number: int
) -> Person:
    rng = np.random.default_rng([half, number])
    names = [name for name in OPERATORS if half_of(name) == half]
    chosen = [names[i] for i in rng.permutation(len(names))[: 2 * LIKINGS]]
    sides = chosen[:LIKINGS], chosen[LIKINGS:]
    rows = [
        image_rows(encoder, [operated(photographs, side, rng) for _ in range(SIDE)])
        for side in sides
    ]
    words = [tuple((OPERATORS[name].phrases[0], 1.0) for name in side) for side in sides]
    return Person(rows[0].astype(float), rows[1].astype(float), Taste(*words))


def operated(
    photographs: Sequence[Image.Image], side: Sequence[str], rng: Generator
) -> Image.Image:
    image = photographs[int(rng.integers(len(photographs)))]
    count = rng.integers(1, 4) if side else 0
    names = [side[i] for i in rng.permutation(len(side))[:count]]
    length = int(min(image.size) * rng.uniform(*CROP))
    left, top = (int(rng.integers(0, room - length + 1)) for room in image.size)
    image = image.crop((left, top, left + length, top + length))
    image = image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for name in names:
        image = apply(image, name, float(rng.uniform(*LEVELS)), rng)
    return image


def agents(encoder: Encoder, count: int, seed: int) -> Iterator[Person]:
    maker = Drawn()
    for number, likings in enumerate(draw_likings(2 * count, seed)):
        rng = np.random.default_rng([seed, 1, number])
        jobs: dict[str, list[Any]] = {"liked": [], "disliked": []}
        for place in range(TRIES):
            planned = drawn(likings, number * TRIES + place, rng)
            opinions = {opinion for _, opinion in cared_for(likings, planned.visible)}
            if len(opinions) == 1:
                jobs[opinions.pop()].append(planned.job)
            if min(map(len, jobs.values())) >= SIDE:
                break
        else:
            continue
        rows = {
            side: image_rows(encoder, [one.image for one in maker.make(some[:SIDE]) if one.image])
            for side, some in jobs.items()
        }
        words = (tuple((text, 1.0) for text in side) for side in (likings.liked, likings.disliked))
        yield Person(rows["liked"].astype(float), rows["disliked"].astype(float), Taste(*words))


def of_folders(
    encoder: Encoder, folder: Path, count: int, likings: int
) -> tuple[Iterator[Person], Array]:
    """People who like the pictures of some sub-folders and dislike those of others."""
    kinds = sorted(one for one in folder.iterdir() if one.is_dir())
    rows = [
        image_rows(encoder, [one.open() for one in read_images(kind).pictures]).astype(float)
        for kind in kinds
    ]

    def people() -> Iterator[Person]:
        for number in range(count):
            rng = np.random.default_rng([3, number])
            mixed = rng.permutation(len(kinds))
            chosen = mixed[:likings], mixed[likings : 2 * likings]
            sides = [rng.permutation(np.concatenate([rows[i] for i in side])) for side in chosen]
            words = [tuple((kinds[i].name.replace("_", " "), 1.0) for i in side) for side in chosen]
            yield Person(sides[0][:SIDE], sides[1][:SIDE], Taste(*words))

    return people(), np.random.default_rng([3]).permutation(np.concatenate(rows))[:PLAIN]


def drawn_for_nobody(seed: int) -> list[Planned]:
    rng, nobody = np.random.default_rng([seed, 2]), Likings((), ())
    return [drawn(nobody, place, rng) for place in range(PLAIN)]


def alike(people: Sequence[Person], plain: Sequence[Planned]) -> float:
    """Return how many pictures drawn for nobody are as good as liked, as a share.

    They show something that somebody likes and nothing that they dislike: nothing tells them from
    those drawn for that person.
    """
    found = [
        {opinion for _, opinion in cared_for(likings, one.visible)} == {"liked"}
        for person in people
        for likings in [Likings(*(tuple(words for words, _ in side) for side in
                                  (person.taste.liked, person.taste.disliked)))]
        for one in plain
    ]  # fmt: skip
    return float(np.mean(found))


def save(path: Path, found: Sequence[Person], plain: Array, encoder: Encoder) -> None:
    np.savez_compressed(
        path,
        liked=np.array([one.liked for one in found], np.float32),
        disliked=np.array([one.disliked for one in found], np.float32),
        plain=plain,
        taste=json.dumps([asdict(one.taste) for one in found]),
        encoder=encoder.revision,
    )


@dataclass(frozen=True)
class People:
    """A file of them."""

    name: str
    everyone: Sequence[Person]
    plain: Array
    """(PLAIN, d)"""


def read(path: Path, encoder: Encoder) -> People:
    with np.load(path) as file:
        assert str(file["encoder"]) == encoder.revision, f"{path} is another encoder's"
        tastes = [
            Taste(*(tuple((words, weight) for words, weight in told[side]) for side in told))
            for told in json.loads(str(file["taste"]))
        ]
        sides = zip(file["liked"].astype(float), file["disliked"].astype(float), strict=True)
        everyone = [
            Person(*side, taste, wanted_of(taste, encoder))
            for side, taste in zip(sides, tastes, strict=True)
        ]
        return People(path.stem, everyone, file["plain"].astype(float))
