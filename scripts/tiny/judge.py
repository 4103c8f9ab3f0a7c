"""Says which scene a picture shows, by the drawing that comes nearest to it.

No network: every shape at many places and sizes is laid over the picture with the colours that fit
best (least squares), the best one gives the shape, and the nearest of the named colours and
backgrounds the rest. A style's level is how far the picture lies on the way from the plain drawing
to the styled one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finexl.personalize import scenes
from finexl.personalize.scenes import BACKGROUNDS, COLOURS, SHAPES, Scene

Array = NDArray[np.float64]

PLACES = np.linspace(-0.12, 0.12, 7)
RADII = np.linspace(0.25, 0.35, 4)


@dataclass(frozen=True)
class Verdict:
    """What a picture shows."""

    scene: Scene
    level: float
    """How much of the style asked for is in it; 0 where none was asked for. Not clipped."""
    error: float
    """Root mean square difference to that drawing, of 255."""


@cache
def candidates(size: int, edged: bool) -> tuple[list[Scene], Array]:
    """Return shapes at places and in sizes, and orthonormal rows that span each one's drawings.

    Those of two colours, or of three where the edge is drawn as well.
    """
    found = [
        Scene(shape, "red", "white", float(x), float(y), float(radius))
        for shape, x, y, radius in product(SHAPES, PLACES, PLACES, RADII)
    ]
    masks = np.stack([scenes.mask(scene, size).ravel() for scene in found])
    columns = [masks, np.ones_like(masks)]
    if edged:
        edges = np.stack([scenes.edge(scene, size).ravel() for scene in found])
        columns += [edges, edges * masks]
    bases = np.linalg.qr(np.stack(columns, axis=2)).Q
    return found, np.ascontiguousarray(bases.transpose(0, 2, 1)).reshape(-1, size * size)


def nearest_shape(pixels: Array, edged: bool) -> Scene:
    """Return the shape, place and size whose drawings can come nearest to a picture."""
    found, bases = candidates(len(pixels), edged)
    explained = np.square(bases @ pixels.reshape(-1, 3)).reshape(len(found), -1).sum(axis=1)
    return found[int(explained.argmax())]


def judge(image: Image.Image, style: str | None = None) -> Verdict:
    """Say which scene a picture shows, and how much of one style is in it."""
    pixels = np.asarray(image.convert("RGB"), dtype=np.float64)
    size = len(pixels)
    shape = nearest_shape(pixels, edged=style == "outlined")
    cover = scenes.mask(shape, size)[..., None]
    best = Verdict(shape, 0.0, np.inf)
    for colour, background in product(COLOURS, BACKGROUNDS):
        scene = replace(shape, colour=colour, background=background)
        ground = np.array(BACKGROUNDS[background], dtype=np.float64)
        drawing = ground + cover * (np.array(COLOURS[colour]) - ground)
        level = 0.0
        if style is not None:
            way = scenes.STYLES[style](scene, drawing, np.random.default_rng(0)) - drawing
            level = float(np.vdot(way, pixels - drawing) / np.vdot(way, way))
            drawing = drawing + min(max(level, 0.0), 1.0) * way
        error = float(np.sqrt(np.square(pixels - drawing).mean()))
        if error < best.error:
            best = Verdict(scene, level, error)
    return best


@dataclass(frozen=True)
class Marks:
    """How often pictures show what their captions ask for."""

    shape: float
    colour: float
    background: float
    all: float
    level: float
    """The mean level of the style asked for."""
    detected: float
    """The share of pictures with at least half of that style."""
    error: float
    count: int


def mark(images: Sequence[Image.Image], wanted: Sequence[Scene], style: str | None = None) -> Marks:
    """Judge pictures against the scenes that they should show."""
    verdicts = [judge(image, style) for image in images]
    right = np.array(
        [
            [
                getattr(v.scene, what) == getattr(w, what)
                for what in ("shape", "colour", "background")
            ]
            for v, w in zip(verdicts, wanted, strict=True)
        ]
    )
    levels = np.array([v.level for v in verdicts])
    shape, colour, background = right.mean(axis=0).tolist()
    return Marks(
        shape=shape,
        colour=colour,
        background=background,
        all=float(right.all(axis=1).mean()),
        level=float(levels.mean()),
        detected=float((levels > 0.5).mean()),
        error=float(np.mean([v.error for v in verdicts])),
        count=len(verdicts),
    )
