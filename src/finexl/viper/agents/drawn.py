"""Pictures drawn by this project's own code: shapes on a ground, under graded operators.

A `Generator` like any other, whose prompts are recipes (`ingredients.written`).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.random import Generator as Draws
from PIL import Image

from finexl.cache import key_of
from finexl.errors import UsageError
from finexl.generators import Job, Made
from finexl.operators import apply
from finexl.viper.agents.figures import (
    GROUNDS,
    PLACES,
    Array,
    Field,
    Moved,
    outside,
    shade,
    soft,
    strokes,
)
from finexl.viper.agents.ingredients import Recipe, ingredients, read_recipe

VERSION = "1"
"""Raised whenever the same recipe gives another picture."""
SIZES = (16, 2048)
"""Pixels a side, at least and at most."""


@dataclass(frozen=True)
class Drawn:
    """Draws recipes; the seed decides places, strokes and grain."""

    size: int = 160
    """Pixels a side."""
    name: ClassVar[str] = "drawn"
    kind: ClassVar[str] = "drawn"
    batch: ClassVar[int] = 1
    seeded: ClassVar[bool] = True
    prompted: ClassVar[bool] = True
    notice: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        """Refuse a size that is none.

        Raises:
            UsageError: one below 16 or above 2,048 pixels.
        """
        if not SIZES[0] <= self.size <= SIZES[1]:
            raise UsageError(
                f"Drawn pictures have {SIZES[0]} to {SIZES[1]:,} pixels a side, not {self.size:,}."
            )

    @property
    def digest(self) -> str:
        """See `Generator.digest`: the size and everything that the pictures are drawn with."""
        return key_of("drawn", VERSION, str(self.size), repr(tuple(ingredients().values())))

    def record(self) -> Mapping[str, Any]:
        """See `Generator.record`."""
        return {"size": self.size, "version": VERSION}

    def make(self, jobs: Sequence[Job]) -> list[Made]:
        """Draw one batch, in order. See `Generator.make`."""
        return [Made(draw(read_recipe(job.prompt), job.seed, self.size)) for job in jobs]


def draw(recipe: Recipe, seed: int, size: int) -> Image.Image:
    """Draw a recipe: the shapes first, then its operators; same seed and size, same bytes."""
    pixels = _plain(recipe, np.random.default_rng([seed, 0]), size)
    picture = Image.fromarray(np.rint(255 * np.clip(pixels, 0, 1)).astype(np.uint8))
    for slot in ("medium", "tone", "light", "surface"):
        operator, _, level = recipe[slot].how.partition("@")
        if operator:
            rng = np.random.default_rng([seed, zlib.crc32(operator.encode())])
            picture = apply(picture, operator, float(level), rng)
    return picture


def _plain(recipe: Recipe, rng: Draws, size: int) -> Array:
    """Return the shapes on their ground (size, size, 3), in [0, 1]."""
    colours = [_colour(code) for code in recipe["colours"].how.split()]
    x, y = (np.mgrid[0:size, 0:size][::-1] + 0.5) / size - 0.5
    share = GROUNDS[recipe["ground"].name](x, y)[..., None]
    picture = colours[0] + share * (colours[1] - colours[0])
    place = PLACES[recipe["layout"].name](rng)
    if len(place) == 1 and len(colours) > 4:  # one within the other, so that all colours are seen
        ((at_x, at_y, radius),) = place
        place = [(at_x, at_y, radius * part) for part in np.linspace(1, 0.3, len(colours) - 2)]
    bounded = recipe["outline"].name
    first = int(rng.integers(len(colours) - 2))
    for number, (at_x, at_y, radius) in enumerate(place):
        distance = _moved(outside(recipe["shape"].name, rng), x - at_x, y - at_y, radius)
        fill = colours[2 + (first + number) % (len(colours) - 2)]
        shaded = shade(recipe["shadow"].name, distance, radius)
        picture = picture * (1 - 0.6 * shaded[..., None])
        if recipe["shadow"].name == "rounded by shading":
            lit = np.clip(0.75 - 0.55 * (x - at_x + y - at_y) / radius, 0.25, 1.35)
            fill = np.clip(fill * lit[..., None], 0, 1)
        picture = picture + soft(-distance())[..., None] * (fill - picture)
        for ink in strokes(bounded, distance, radius * size, rng):
            picture = picture + ink[..., None] * (0.06 - picture)
    if recipe["layout"].name == "mirrored":
        picture[:, : size // 2] = picture[:, ::-1][:, : size // 2]
    return np.asarray(picture)


def _moved(away: Field, x: Array, y: Array, radius: float) -> Moved:
    """Return a shape of this size in the middle of (x, y), for `figures` to move about."""
    scale = radius * len(x)
    return lambda aside=0.0, down=0.0: scale * away((x - aside) / radius, (y - down) / radius)


def _colour(code: str) -> Array:
    return np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)]) / 255
