"""What makes pictures to a taste: this project's own drawings, or a model steered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from finexl.cache import key_of
from finexl.errors import FinexlError
from finexl.files import write_atomic
from finexl.generators import Generator, Job
from finexl.images import load_image
from finexl.viper.agents.drawn import Drawn
from finexl.viper.agents.picturing import drawn
from finexl.viper.agents.tastes import Likings
from finexl.viper.agents.views import cared_for
from finexl.viper.steering import DEGREE, Viper, pipeline_of
from finexl.viper.taste import Taste

TRIES = 40
"""Recipes that are looked through for one that shows something liked and nothing disliked."""


class Painter(Protocol):
    """Makes pictures to a taste."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    def paint(self, taste: Taste, count: int, seed: int) -> list[Image.Image]:
        """Return so many pictures; of an empty taste, pictures for nobody.

        Args:
            taste: VP+ and VP−.
            count: how many.
            seed: same seed, same pictures; each of them is of a prompt of its own.
        """
        ...


@dataclass(frozen=True)
class DrawnPainter:
    """Draws what is liked, of what can be drawn, and leaves out what is disliked."""

    size: int = 160

    @property
    def name(self) -> str:
        """See `Painter.name`."""
        return "drawn"

    def paint(self, taste: Taste, count: int, seed: int) -> list[Image.Image]:
        """See `Painter.paint`."""
        likings = Likings(*(tuple(words for words, _ in side)
                            for side in (taste.liked, taste.disliked)))  # fmt: skip
        jobs = [self._job(likings, seed, number) for number in range(count)]
        return [one.image for one in Drawn(self.size).make(jobs) if one.image is not None]

    def _job(self, likings: Likings, seed: int, number: int) -> Job:
        rng = np.random.default_rng([seed, number])
        best, reached = None, -np.inf
        for _ in range(TRIES):
            planned = drawn(likings, int(rng.integers(2**31)), rng)
            opinions = [opinion for _, opinion in cared_for(likings, planned.visible)]
            good, bad = opinions.count("liked"), opinions.count("disliked")
            if good and not bad:
                return planned.job
            if good - bad > reached:
                best, reached = planned.job, good - bad
            if not likings.liked and not bad:
                break
        assert best is not None
        return best


@dataclass(frozen=True)
class ModelPainter:
    """Steers a model: its pictures are of prompts that it is given in turn."""

    base: Generator
    prompts: Sequence[str]
    degree: float = DEGREE

    @property
    def name(self) -> str:
        """See `Painter.name`."""
        return f"{self.base.name}, steered at {self.degree:g}"

    def paint(self, taste: Taste, count: int, seed: int) -> list[Image.Image]:
        """See `Painter.paint`.

        Raises:
            UsageError: a model that cannot be steered.
            FinexlError: it makes blank pictures.
        """
        model = Viper(pipeline_of(self.base), taste, self.degree)
        rng = np.random.default_rng(seed)
        chosen = rng.permutation(len(self.prompts))
        jobs = [
            Job(self.prompts[int(chosen[number % len(chosen)])], int(rng.integers(2**31)))
            for number in range(count)
        ]
        size = max(1, model.batch)
        made = [one for start in range(0, count, size) for one in model.make(jobs[start:][:size])]
        images = [one.image for one in made if one.image is not None and one.blank is None]
        if len(images) < count:
            raise FinexlError(f"{model.name} made pictures that cannot be used.")
        return images


@dataclass(frozen=True)
class Kept:
    """A painter whose pictures are kept in a folder: what was painted once is there again."""

    painter: Painter
    folder: Path

    @property
    def name(self) -> str:
        """See `Painter.name`."""
        return self.painter.name

    def paint(self, taste: Taste, count: int, seed: int) -> list[Image.Image]:
        """See `Painter.paint`."""
        key = key_of(repr(self.painter), repr(taste), str(seed), str(count))[:24]
        where = self.folder / key
        paths = [where / f"{number}.png" for number in range(count)]
        if not all(path.is_file() for path in paths):
            where.mkdir(parents=True, exist_ok=True)
            for path, image in zip(paths, self.painter.paint(taste, count, seed), strict=True):
                file = BytesIO()
                image.save(file, "PNG")
                write_atomic(path, file.getvalue())
        return [load_image(path) for path in paths]
