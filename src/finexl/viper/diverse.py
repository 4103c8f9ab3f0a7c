"""A query set out of what a model makes (ViPer A.1): the most different of many pictures are kept.

Attributes, drawn by their weights, are put together with everyday subjects; the model makes a
picture of each combination; those farthest from each other in the encoder's space stay, beside the
pictures that somebody added by hand.

OUT/candidates/    all that was made, continued where it broke off
OUT/*.png, manifest.jsonl
                   the set, as `pictures.draw_set` writes one
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finexl.embedding import Progress, embed
from finexl.encoders import Encoder
from finexl.errors import UsageError
from finexl.generators import Generator, Job, make_all
from finexl.images import Picture
from finexl.imageset import ImageSet, images_from
from finexl.runs import Run
from finexl.viper.attributes import attributes, probabilities
from finexl.viper.pictures import Shown, write_picture, write_set

FEWEST, MOST = 3, 6
"""Attributes in a combination, each of another category."""
COMBINATIONS = 2_000
KEPT = 50


@dataclass(frozen=True)
class Combination:
    """What one picture is asked for."""

    subject: str
    attributes: tuple[str, ...]

    @property
    def prompt(self) -> str:
        """The words that a model is given."""
        return ", ".join((self.subject, *self.attributes))


@cache
def subjects() -> tuple[str, ...]:
    """Return fifty things to make pictures of."""
    text = (files("finexl.viper") / "data" / "subjects.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


def combinations(n: int, seed: int) -> tuple[Combination, ...]:
    """Return n different combinations of attributes; every subject comes as often as any other."""
    rng = np.random.default_rng([seed, n])
    listed, weights = attributes(), probabilities()
    found: dict[frozenset[str], Combination] = {}
    while len(found) < n:
        by_category: dict[str, str] = {}
        wanted = int(rng.integers(FEWEST, MOST + 1))
        while len(by_category) < wanted:
            one = listed[int(rng.choice(len(listed), p=weights))]
            by_category.setdefault(one.category, one.text)
        chosen = tuple(by_category.values())
        subject = subjects()[len(found) % len(subjects())]
        found.setdefault(frozenset(chosen), Combination(subject, chosen))
    return tuple(found.values())


def farthest(rows: NDArray[np.floating], n: int, given: int = 0) -> list[int]:
    """Return the indices of rows that lie far from each other, greedily: each next is the farthest.

    Args:
        rows: (m, d).
        n: how many, at most m.
        given: so many rows, the first, are taken in any case; without one the row farthest from the
            mean is the first.
    """
    chosen = list(range(min(given, n)))
    if not chosen:
        chosen = [int(np.linalg.norm(rows - rows.mean(axis=0), axis=1).argmax())]
    nearest = np.min([np.linalg.norm(rows - rows[i], axis=1) for i in chosen], axis=0)
    while len(chosen) < min(n, len(rows)):
        nearest[chosen] = -1.0
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(rows - rows[chosen[-1]], axis=1))
    return chosen


def make_set(
    generator: Generator,
    encoder: Encoder,
    out: Path,
    *,
    combined: int = COMBINATIONS,
    kept: int = KEPT,
    added: Sequence[Path] = (),
    seed: int = 0,
    progress: Progress = lambda *_: None,
) -> tuple[Shown, ...]:
    """Make a set of `kept` pictures into a folder.

    Args:
        generator: makes the candidates.
        encoder: tells how different they are.
        out: made if need be; candidates that it has already are not made again.
        combined: candidates, one a combination of attributes.
        kept: pictures of the set, those added by hand among them.
        added: files that are in the set in any case.
        seed: of the combinations, and of each candidate's noise.
        progress: told of every picture.

    Raises:
        UsageError: fewer candidates than are to be kept, more added than that, or a file that is no
            picture.
        FinexlError: as the generator.
    """
    if not len(added) <= kept <= combined + len(added):
        raise UsageError(
            f"{kept} pictures cannot be kept of {combined:,} candidates and {len(added)} added; "
            "keep as many as are added at least, and no more than there are."
        )
    asked = combinations(combined, seed)
    jobs = [Job(one.prompt, seed + number) for number, one in enumerate(asked)]
    made = make_all(generator, jobs, out / "candidates", progress)
    told = {job.prompt: one for job, one in zip(jobs, asked, strict=True)}
    by_hand = images_from([str(path) for path in added], "added").pictures if added else ()
    every = (*by_hand, *made.pictures)
    embedded = embed(
        ImageSet(out.name, "images", every), range(len(every)), encoder, Run(), progress
    )
    for number, picture in enumerate(by_hand):
        if number not in embedded.rows:
            picture.open()  # says what is wrong with it
    numbers = sorted(embedded.rows)
    rows = np.array([embedded.rows[number] for number in numbers], dtype=np.float64)
    shown = []
    for place, index in enumerate(farthest(rows, kept, len(by_hand))):
        picture = every[numbers[index]]
        shown.append(Shown(f"{place + 1:03d}.png", _attributes(picture, told), picture.prompt))
        write_picture(out / shown[-1].file, picture.open())
    write_set(out, shown, seed)
    return tuple(shown)


def _attributes(picture: Picture, told: dict[str, Combination]) -> tuple[str, ...]:
    """Return what a picture was asked to show; nothing is known of one added by hand."""
    return told[picture.prompt].attributes if picture.prompt in told else ()
