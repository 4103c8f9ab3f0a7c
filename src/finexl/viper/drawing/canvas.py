"""What the query pictures are drawn with: a smooth canvas, gradients, noise, light.

Lengths are in sides of the picture, (0, 0) is its upper left corner; colors are "#rrggbb".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from finexl.operators import raster as r

Raster: TypeAlias = NDArray[np.float32]
Plane: TypeAlias = NDArray[np.float32]
Point: TypeAlias = tuple[float, float]

FINER = 3
"""How much larger things are drawn than they are shown, so that edges are smooth."""


def floats(values: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return numbers as rasters and planes hold them."""
    return np.asarray(values, np.float32)


def color(code: str) -> Raster:
    """Return "#rrggbb" as (3,) in [0, 1]."""
    return np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)], np.float32) / np.float32(255)


def coordinates(size: int) -> tuple[Plane, Plane]:
    """Return each pixel's x and y in [0, 1]."""
    y, x = (np.mgrid[0:size, 0:size].astype(np.float32) + np.float32(0.5)) / np.float32(size)
    return x, y


def gradient(t: Plane, *stops: str) -> Raster:
    """Return colors through evenly spaced stops, for t from 0 to 1."""
    at = np.linspace(0.0, 1.0, len(stops))
    table = np.stack([color(stop) for stop in stops])
    channels = [np.interp(t, at, table[:, c]) for c in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def flat(size: int, code: str) -> Raster:
    """Return one color throughout."""
    return np.broadcast_to(color(code), (size, size, 3)).copy()


def ridge(size: int, rng: Generator, roughness: float = 0.5, octaves: int = 7) -> Plane:
    """Return a skyline's heights (size,) in [-1, 1], as mountains have them."""
    x = np.arange(size) / size
    line = np.zeros(size)
    for k in range(octaves):
        knots = rng.normal(size=2**k + 3)
        line += roughness**k * np.interp(x * 2**k, np.arange(len(knots)) - 0.5, knots)
    line -= line.mean()
    return (line / max(float(np.abs(line).max()), 1e-9)).astype(np.float32)


def over(under: Raster, shape: Plane, code: str | Raster) -> Raster:
    """Return a color or raster laid over another where `shape` is 1."""
    upper = color(code) if isinstance(code, str) else code
    return (under + shape[..., None] * (upper - under)).astype(np.float32)


def below(y: Plane, line: Plane) -> Plane:
    """Return 1 below a line (size,) of heights and 0 above it, one pixel soft."""
    return floats(np.clip((y - line[None, :]) * len(y) + 0.5, 0, 1))


def disc(x: Plane, y: Plane, at: Point, radius: float, soft: float = 0.002) -> Plane:
    """Return 1 within a circle and 0 outside it."""
    away = np.hypot(x - at[0], y - at[1])
    return floats(np.clip((radius - away) / soft + 0.5, 0, 1))


def glow(x: Plane, y: Plane, at: Point, reach: float) -> Plane:
    """Return light that falls off from a place, 1 there."""
    away = (x - at[0]) ** 2 + (y - at[1]) ** 2
    return np.exp(-away / (2 * reach * reach)).astype(np.float32)


def lit(picture: Raster, light: Plane, code: str, strength: float = 1.0) -> Raster:
    """Return a picture with colored light added, never beyond white."""
    added = np.clip(light[..., None] * color(code) * strength, 0, 1)
    return np.asarray(r.screen(picture, added), np.float32)


def shaded(size: int, rng: Generator, grain: float, amount: float) -> Plane:
    """Return a texture around 1, its grains so wide, in sides of the picture."""
    return (1 + amount * r.noise((size, size), grain * size, rng)).astype(np.float32)


class Canvas:
    """A picture to draw shapes on, larger than it is shown."""

    def __init__(self, picture: Raster) -> None:
        self.size = len(picture)
        self.n = self.size * FINER
        whole = Image.fromarray((np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8))
        self.image = whole.resize((self.n, self.n), Image.Resampling.BICUBIC)
        self.pen = ImageDraw.Draw(self.image, "RGBA")

    def polygon(self, points: Sequence[Point], fill: str, alpha: float = 1.0) -> None:
        """Fill a polygon."""
        self.pen.polygon(self._places(points), fill=_rgba(fill, alpha))

    def line(
        self, points: Sequence[Point], code: str, width: float = 0.004, alpha: float = 1.0
    ) -> None:
        """Draw a line through points, with round ends."""
        wide = max(1, round(width * self.n))
        places = self._places(points)
        self.pen.line(places, fill=_rgba(code, alpha), width=wide, joint="curve")
        if alpha == 1.0 and wide > 2:
            for x, y in (places[0], places[-1]):
                half = wide / 2
                self.pen.ellipse((x - half, y - half, x + half, y + half), fill=_rgba(code, alpha))

    def ellipse(
        self,
        at: Point,
        rx: float,
        ry: float | None = None,
        fill: str | None = None,
        alpha: float = 1.0,
        outline: str | None = None,
        width: float = 0.004,
    ) -> None:
        """Draw an upright ellipse."""
        ry = rx if ry is None else ry
        box = [(at[0] - rx) * self.n, (at[1] - ry) * self.n, (at[0] + rx) * self.n,
               (at[1] + ry) * self.n]  # fmt: skip
        self.pen.ellipse(
            box,
            fill=None if fill is None else _rgba(fill, alpha),
            outline=None if outline is None else _rgba(outline, alpha),
            width=max(1, round(width * self.n)),
        )

    def box(self, a: Point, b: Point, fill: str, alpha: float = 1.0) -> None:
        """Fill an upright rectangle from corner to corner."""
        self.polygon([a, (b[0], a[1]), b, (a[0], b[1])], fill, alpha)

    def raster(self) -> Raster:
        """Return what was drawn, at the size that is shown."""
        small = self.image.reduce(FINER)
        return np.asarray(small.convert("RGB"), np.float32) / np.float32(255)

    def _places(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self.n, y * self.n) for x, y in points]


def path(text: str) -> list[Point]:
    """Return the points of a text like "0,0 1,0 1,1"."""
    return [(float(x), float(y)) for x, _, y in (pair.partition(",") for pair in text.split())]


def circle_points(at: Point, radius: float, n: int, turn: float = 0.0) -> list[Point]:
    """Return n points evenly on a circle, the first straight up at turn 0."""
    angles = 2 * np.pi * (np.arange(n) / n + turn)
    return [(at[0] + radius * np.sin(a), at[1] - radius * np.cos(a)) for a in angles]


def darker(code: str, factor: float) -> str:
    """Return a color with its light scaled."""
    return code_of(color(code) * np.float32(factor))


def code_of(tint: Raster) -> str:
    """Return (3,) in [0, 1] as "#rrggbb"."""
    return "#" + "".join(f"{round(float(np.clip(c, 0, 1)) * 255):02x}" for c in tint)


def between(a: Point, b: Point, t: float, aside: float = 0.0) -> Point:
    """Return a point on the way from a to b, so far to its side."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    long = float(np.hypot(dx, dy)) or 1.0
    return a[0] + t * dx - aside * dy / long, a[1] + t * dy + aside * dx / long


def _rgba(code: str, alpha: float) -> tuple[int, int, int, int]:
    red, green, blue = (int(code[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue, round(255 * alpha)
