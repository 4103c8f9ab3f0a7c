"""The built-in query set: `data/pictures.csv`, a line a picture.

Each names a scene with its options (a color, colors with spaces between, a number), image operators
laid over it in turn, each with its level, and the attributes that the picture shows.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files

from numpy.random import Generator

from finexl.viper.drawing import (
    cities,
    forms,
    landscapes,
    living,
    patterns,
    people,
    stages,
    things,
    tracing,
)  # fmt: skip
from finexl.viper.drawing.canvas import Raster

Scene = Callable[[int, Generator], Raster]
"""(pixels a side, generator) -> picture."""


@dataclass(frozen=True)
class Recipe:
    """One picture of the set."""

    name: str
    scene: Scene
    effects: tuple[tuple[str, float], ...]
    """Image operators laid over it, in turn, each with its level."""
    attributes: tuple[str, ...]
    """What can be seen in it, of the listed attributes."""


@cache
def recipes() -> tuple[Recipe, ...]:
    """Return the set's recipes, in its own order."""
    text = (files("finexl.viper") / "data" / "pictures.csv").read_text(encoding="utf-8")
    return tuple(
        Recipe(
            row["picture"],
            _scene(row["scene"], row["options"]),
            tuple((name, float(level)) for name, level in _pairs(row["effects"], "@")),
            tuple(part.strip() for part in row["attributes"].split(";")),
        )
        for row in csv.DictReader(text.splitlines())
    )


def _scene(name: str, options: str) -> Scene:
    where = (cities, forms, landscapes, living, patterns, people, stages, things, tracing)
    drawn: Scene = next(getattr(module, name) for module in where if hasattr(module, name))
    return partial(drawn, **{key: _value(value) for key, value in _pairs(options, "=")})


def _value(text: str) -> str | float | tuple[str, ...]:
    if not text.startswith("#"):
        return float(text)
    return tuple(text.split()) if " " in text else text


def _pairs(cell: str, between: str) -> list[tuple[str, str]]:
    parts = [part.strip().partition(between) for part in cell.split(";") if part.strip()]
    return [(name, value) for name, _, value in parts]
