"""The paper's synthetic dataset (Appendix D): 15 styles, described by hand, made by any model.

A style's images are made of "style description: caption", its base of the captions alone with the
same seeds; the captions are what both manifests name as prompts, so that they pair.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from finexl.bench.data.graded import Aspect
from finexl.bench.data.layout import BASE, Entry, Line, claim, slug, write_manifest, write_truth
from finexl.cache import key_of
from finexl.errors import UsageError
from finexl.generators import Generator, Job, make_all
from finexl.prompts import read_prompts

IMAGES = 400
MADE = "images"
"""The folder in a set's that holds what the model made, as `make_all` writes it."""
_DATA = files("finexl.bench.data")
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Style:
    """A style and the words that images in it are asked for by."""

    name: str
    description: str
    """ "a cartoon style photo", say."""

    @property
    def words(self) -> str:
        """The description as an aspect: without its article."""
        return re.sub(r"^an? ", "", self.description)

    def prompt(self, caption: str) -> str:
        """Return what a model is asked for."""
        return f"{self.description}: {caption}"


def styles() -> list[Style]:
    """Return the 15 styles that ship."""
    rows = csv.DictReader((_DATA / "styles.csv").read_text(encoding="utf-8").splitlines())
    return [Style(row["name"], row["description"]) for row in rows]


def read_captions(path: Path | None) -> list[str]:
    """Return the captions of a file (see `read_prompts`), or the 60 that ship, each once.

    Raises:
        UsageError: the file cannot be read, or has none.
    """
    if path is None:
        return (_DATA / "captions.txt").read_text(encoding="utf-8").splitlines()
    found = list(dict.fromkeys(row.prompt for row in read_prompts(path) if row.prompt))
    if not found:
        raise UsageError(f"{path} has no captions.")
    return found


def plan(
    captions: Sequence[str], images: int = IMAGES, seed: int = 0
) -> list[tuple[Style, list[Job]]]:
    """Return what each style's images show: captions drawn anew for each style, and a seed each.

    The images are shared out evenly. Where a style gets more than there are captions these come
    again, with other seeds.

    Raises:
        UsageError: fewer images than styles.
    """
    every = styles()
    if images < len(every):
        raise UsageError(f"{images} images cannot show {len(every)} styles; give more.")
    found = []
    for number, style in enumerate(every):
        count = images // len(every) + (number < images % len(every))
        rng = np.random.default_rng([seed, number])
        order = rng.permutation(len(captions))
        drawn = [captions[order[i % len(captions)]] for i in range(count)]
        found.append((style, [Job(caption, i) for i, caption in enumerate(drawn)]))
    return found


def make_synthetic(
    generator: Generator,
    captions: Sequence[str],
    folder: Path,
    *,
    images: int = IMAGES,
    seed: int = 0,
    base: bool = True,
    progress: Progress = lambda *_: None,
) -> Path:
    """Make the dataset; broken off and started again it goes on. Returns truth.csv.

    Args:
        generator: makes the images.
        captions: what they show.
        folder: made if need be.
        images: of all styles together, those of the base aside.
        seed: of the draw of captions.
        base: whether each style's captions are also made without it, to compare with.
        progress: told of every image.

    Raises:
        UsageError: the folder holds something else, or as `plan` and `make_all`.
    """
    parts = plan(captions, images, seed)
    asked = {
        "dataset": "synthetic",
        "model": generator.name,
        "digest": generator.digest,
        "captions": key_of(*captions),
        "images": images,
        "seed": seed,
        "base": base,
    }
    claim(folder, asked)
    entries = []
    for style, jobs in parts:
        name = slug(style.name)
        _make(generator, folder / name, jobs, style, progress)
        if base:
            _make(generator, folder / BASE / name, jobs, None, progress)
        beside = f"{BASE}/{name}" if base else ""
        entries.append(Entry(name, (Aspect(style.words, 1.0),), name, beside))
    return write_truth(folder, entries)


def _make(
    generator: Generator,
    folder: Path,
    jobs: Sequence[Job],
    style: Style | None,
    progress: Progress,
) -> None:
    """Make the captions' images, in a style or plain, and name them by their captions."""
    asked = [job if style is None else Job(style.prompt(job.prompt), job.seed) for job in jobs]
    made = make_all(generator, asked, folder / MADE, progress)
    captions = {(full.prompt, full.seed): job.prompt for full, job in zip(asked, jobs, strict=True)}
    lines = []
    for picture in made.pictures:
        assert picture.prompt is not None and picture.seed is not None  # noqa: PT018 - of a job
        lines.append(
            Line(
                f"{MADE}/{picture.name}",
                captions[picture.prompt, picture.seed],
                picture.seed if generator.seeded else None,
                {"asked": picture.prompt},
            )
        )
    write_manifest(folder, lines)
