"""What drawn pictures show: shapes, where they lie, what is behind and around them.

Lengths are in sides of the picture, (0, 0) is its middle and y points down. Everything is given
for all pixels at once, `x` and `y` (size, size).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator as Draws
from numpy.typing import NDArray

from finexl.personalize.scenes import SHAPES

Array = NDArray[np.float64]
Placed = tuple[float, float, float]
"""Where a shape lies, and its radius."""
Field = Callable[[Array, Array], Array]
Moved = Callable[..., Array]
"""(aside, down) -> how many pixels lie between each pixel and a shape that was moved so far."""


def soft(inside: Array) -> Array:
    """Return the share of each pixel that is covered, of how many pixels deep it lies inside."""
    return np.clip(inside + 0.5, 0, 1)


def shade(kind: str, distance: Moved, radius: float) -> Array:
    """Return how much of a shape's shadow lies on each pixel, in [0, 1]."""
    if kind == "cast shadow":
        return soft(-distance(0.25 * radius, 0.25 * radius))
    if kind == "soft shadow":
        away = distance(0.22 * radius, 0.22 * radius)
        return np.clip(0.5 - away / (0.5 * radius * len(away)), 0, 1)
    if kind == "long shadow":
        steps = np.linspace(0.1, 2.4, 24) * radius
        return np.asarray(np.max([soft(-distance(step, 0.6 * step)) for step in steps], axis=0))
    return np.zeros_like(distance())


def strokes(kind: str, distance: Moved, radius: float, rng: Draws) -> list[Array]:
    """Return the ink along a shape's edge, a line each."""
    if kind == "fine outline":
        return [soft(max(0.6, 0.012 * radius) - np.abs(distance()))]
    if kind == "bold outline":
        return [soft(max(1.2, 0.09 * radius) - np.abs(distance()))]
    if kind == "scribbled outline":
        slips = rng.uniform(-0.02, 0.02, (3, 2))
        return [soft(max(0.5, 0.012 * radius) - np.abs(distance(*slip))) for slip in slips]
    return []


def outside(shape: str, rng: Draws) -> Field:
    """Return how far outside of the unit shape points lie, turned a little."""
    turn = rng.uniform(-0.25, 0.25)
    named = {
        "disc": "circle", "hoop": "ring", "box": "square", "wedge": "triangle", "plus": "cross",
        "star": "star",
    }  # fmt: skip
    if shape in named:
        kind = SHAPES[named[shape]]
        return lambda u, v: kind(
            np.cos(turn) * u + np.sin(turn) * v, np.cos(turn) * v - np.sin(turn) * u
        )
    if shape == "blob":
        swell, phase = rng.uniform(0.06, 0.16, 3), rng.uniform(0, 2 * np.pi, 3)

        def blob(u: Array, v: Array) -> Array:
            angle = np.arctan2(v, u)
            waves = (np.arange(2, 5)[:, None, None] * angle) + phase[:, None, None]
            edge = 0.8 + np.tensordot(swell, np.cos(waves), 1)
            return np.asarray(np.hypot(u, v) - edge)

        return blob
    angles, gaps = rng.uniform(0, np.pi, 3), rng.uniform(-0.3, 0.3, 3)

    def shards(u: Array, v: Array) -> Array:
        cuts = [
            0.07 - np.abs(np.cos(angle) * u + np.sin(angle) * v - gap)
            for angle, gap in zip(angles, gaps, strict=True)
        ]
        square = np.maximum(np.abs(u), np.abs(v)) - 0.85
        return np.asarray(np.maximum(square, np.max(cuts, axis=0)))

    return shards


def _bands(t: Array) -> Array:
    """Return stripes of 0 and 1, two of them a unit of t, a little soft."""
    return np.clip(0.5 + 6 * np.sin(2 * np.pi * t), 0, 1)


def _triangles(x: Array, y: Array) -> Array:
    rows = np.floor(6 * y)
    rising, falling = 6 * x + (6 * y - rows), 6 * x - (6 * y - rows)
    return np.asarray((np.floor(rising) + np.floor(falling) + rows) % 2)


GROUNDS: dict[str, Field] = {
    "plain ground": lambda x, _: np.zeros_like(x),
    "gradient ground": lambda _, y: y + 0.5 + 0.5 * (y + 0.5) ** 2,
    "striped ground": lambda _, y: _bands(6 * y),
    "checkered ground": lambda x, y: np.abs(_bands(4 * x) - _bands(4 * y)),
    "dotted ground": lambda x, y: np.clip(
        8 * (0.3 - np.hypot(7 * x % 1 - 0.5, 7 * y % 1 - 0.5)), 0, 1
    ),
    "latticed ground": lambda x, y: np.clip(
        12 * (0.1 - np.minimum(np.abs(7 * x % 1 - 0.5), np.abs(7 * y % 1 - 0.5))), 0, 1
    ),
    "wavy ground": lambda x, y: _bands(6 * y + 0.35 * np.sin(2 * np.pi * 3 * x)),
    "slanting ground": lambda x, y: _bands(5 * (x + y)),
    "sunburst ground": lambda x, y: _bands(8 * np.arctan2(y, x) / (2 * np.pi)),
    "spiral ground": lambda x, y: _bands(7 * np.hypot(x, y) + 2 * np.arctan2(y, x) / (2 * np.pi)),
    "triangles ground": _triangles,
}
"""How much of the second ground colour, in [0, 1], lies at each point."""


def _heap(rng: Draws) -> list[Placed]:
    return [(*rng.uniform(-0.45, 0.45, 2), rng.uniform(0.09, 0.2)) for _ in range(26)]


def _scattered(rng: Draws) -> list[Placed]:
    return [(*rng.uniform(-0.42, 0.42, 2), rng.uniform(0.05, 0.14)) for _ in range(11)]


def _mirrored(rng: Draws) -> list[Placed]:
    half = [(rng.uniform(0.12, 0.38), y, rng.uniform(0.07, 0.14)) for y in (-0.3, 0.02, 0.32)]
    return [(side * x, y, radius) for x, y, radius in half for side in (-1, 1)]


def _around(count: int, reach: float, radius: float) -> list[Placed]:
    angles = 2 * np.pi * np.arange(count) / count
    return [(reach * float(np.sin(a)), -reach * float(np.cos(a)), radius) for a in angles]


def _edge(count: int) -> list[Placed]:
    line = np.linspace(-0.42, 0.42, count)
    return [(x, y, 0.055) for x in line for y in line if max(abs(x), abs(y)) > 0.41]


PLACES: dict[str, Callable[[Draws], list[Placed]]] = {
    "alone": lambda _: [(0, 0, 0.3)],
    "aside": lambda rng: [(rng.choice([-0.27, 0.27]), rng.choice([-0.24, 0.24]), 0.15)],
    "tiny": lambda rng: [(*rng.uniform(-0.15, 0.15, 2), 0.08)],
    "huge": lambda rng: [(*rng.choice([-1, 1], 2) * rng.uniform(0.22, 0.32, 2), 0.62)],
    "rows": lambda _: [(x, y, 0.085) for y in _quarters() for x in _quarters()],
    "round dance": lambda _: _around(9, 0.33, 0.1),
    "diagonal row": lambda _: [(t, t, 0.1) for t in np.linspace(-0.38, 0.38, 5)],
    "scattered": _scattered,
    "heap": _heap,
    "mirrored": _mirrored,
    "receding": lambda _: [
        (side * 0.42 * near, 0.3 * near, 0.2 * near)
        for near in (0.16, 0.28, 0.45, 0.7, 1.05)
        for side in (-1, 1)
    ],
    "mandala": lambda _: [*_around(12, 0.4, 0.085), *_around(6, 0.23, 0.1), (0, 0, 0.12)],
    "framed": lambda _: [(0, 0, 0.22), *_edge(8)],
}
"""Where the shapes lie, those in front last."""


def _quarters() -> Array:
    return np.linspace(-0.36, 0.36, 4)
