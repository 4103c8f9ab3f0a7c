"""Drawn scenes with captions: pictures whose content and whose style are known exactly.

A scene is one shape of one colour on one background. `SCENES` has one scene for every caption;
`variants` moves and resizes one without changing its caption. A style is laid over the plain
picture at a level in [0, 1]: the picture at level l is (1 - l) plain + l styled, pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finexl.errors import UsageError

Array = NDArray[np.float64]
RGB = tuple[int, int, int]

SIZE = 32
"""Pixels a side, where nothing else is asked."""
COLOURS: dict[str, RGB] = {
    "red": (214, 32, 40),
    "orange": (246, 138, 20),
    "yellow": (246, 222, 32),
    "green": (36, 160, 60),
    "blue": (36, 80, 210),
    "purple": (140, 48, 170),
}
BACKGROUNDS: dict[str, RGB] = {
    "white": (246, 246, 246),
    "black": (14, 14, 14),
    "grey": (128, 128, 128),
    "beige": (222, 200, 160),
    "pink": (250, 176, 200),
    "brown": (96, 62, 38),
}
STEP = 0.1
"""How far the places of `variants` lie apart, in sides of the picture."""
RADII = (0.26, 0.30, 0.34)
"""The sizes of `variants`, in sides of the picture."""
SAMPLES = 6
"""Points a pixel and axis at which an edge is looked at."""


@dataclass(frozen=True)
class Scene:
    """What is in a picture. Lengths are in sides of the picture; (0, 0) is its middle."""

    shape: str
    colour: str
    background: str
    x: float = 0.0
    y: float = 0.0
    radius: float = RADII[1]


def circle(x: Array, y: Array) -> Array:
    """Return how far inside (negative) or outside of the unit shape points lie; y points down."""
    return np.hypot(x, y) - 0.95


def square(x: Array, y: Array) -> Array:
    """Return the same of an upright square."""
    return np.maximum(np.abs(x), np.abs(y)) - 0.85


def triangle(x: Array, y: Array) -> Array:
    """Return the same of a triangle that stands on its side."""
    return np.maximum(y - 0.8, 0.894 * np.abs(x) - 0.447 * (y + 1.0))


def cross(x: Array, y: Array) -> Array:
    """Return the same of a plus sign."""
    along, across = np.maximum(np.abs(x), np.abs(y)), np.minimum(np.abs(x), np.abs(y))
    return np.maximum(along - 1.0, across - 0.34)


def star(x: Array, y: Array) -> Array:
    """Return the same of a star with five points."""
    fold = np.pi / 5
    angle = np.abs((np.arctan2(x, -y) + fold) % (2 * fold) - fold)
    radius = np.hypot(x, y)
    # the side from the point (0, 1.05) to the notch at half a fifth of the turn
    notch = 0.44 * np.array([np.sin(fold), np.cos(fold)])
    side = notch - np.array([0.0, 1.05])
    across = np.array([side[1], -side[0]]) / np.hypot(*side)
    inside: Array = (
        -(radius * np.sin(angle)) * across[0] - (radius * np.cos(angle) - 1.05) * across[1]
    )
    return inside


def ring(x: Array, y: Array) -> Array:
    """Return the same of a ring."""
    return np.abs(np.hypot(x, y) - 0.72) - 0.25


SHAPES: dict[str, Callable[[Array, Array], Array]] = {
    "circle": circle,
    "square": square,
    "triangle": triangle,
    "cross": cross,
    "star": star,
    "ring": ring,
}
SCENES: tuple[Scene, ...] = tuple(Scene(*names) for names in product(SHAPES, COLOURS, BACKGROUNDS))
"""One scene for every caption."""


def variants(scene: Scene) -> Iterator[Scene]:
    """Yield the scene in nine places and three sizes, itself among them."""
    for x, y, radius in product((-STEP, 0.0, STEP), (-STEP, 0.0, STEP), RADII):
        yield replace(scene, x=x, y=y, radius=radius)


def sample(generator: np.random.Generator) -> Scene:
    """Draw a scene: every caption alike, every place and size between those of `variants`."""
    scene = SCENES[int(generator.integers(len(SCENES)))]
    x, y = generator.uniform(-STEP, STEP, 2)
    return replace(scene, x=float(x), y=float(y), radius=float(generator.uniform(*RADII[::2])))


def caption(scene: Scene) -> str:
    """Say what is in the picture: "a red star on a grey background"."""
    article = "an" if scene.colour[0] in "aeiou" else "a"
    return f"{article} {scene.colour} {scene.shape} on a {scene.background} background"


def distance(scene: Scene, x: Array, y: Array) -> Array:
    """Return how far points lie outside of the scene's shape, in sides of the picture."""
    r = scene.radius
    return SHAPES[scene.shape]((x - scene.x) / r, (y - scene.y) / r) * r


def coverage(inside: Callable[[Array, Array], NDArray[np.bool_]], size: int) -> Array:
    """Return the share of every pixel, in [0, 1], that lies inside."""
    n = size * SAMPLES
    axis = (np.arange(n) + 0.5) / n - 0.5
    x, y = np.meshgrid(axis, axis)
    points = inside(x, y).reshape(size, SAMPLES, size, SAMPLES)
    return np.asarray(points.mean(axis=(1, 3)))


def mask(scene: Scene, size: int = SIZE) -> Array:
    """Return the share of every pixel that the scene's shape covers."""
    return coverage(lambda x, y: distance(scene, x, y) <= 0, size)


def edge(scene: Scene, size: int = SIZE) -> Array:
    """Return the share of every pixel that a line along the shape's edge covers."""
    return coverage(lambda x, y: np.abs(distance(scene, x, y)) <= 0.035, size)


def plain(scene: Scene, size: int = SIZE) -> Array:
    """Return the picture without a style, in [0, 255], not rounded."""
    share = mask(scene, size)[..., None]
    ground, colour = BACKGROUNDS[scene.background], COLOURS[scene.colour]
    return np.asarray((1 - share) * np.array(ground) + share * np.array(colour))


def ink(scene: Scene) -> Array:
    """Return what can be seen on the background: near black on a light one, else near white."""
    light = np.dot(BACKGROUNDS[scene.background], (0.299, 0.587, 0.114)) > 100
    return np.array((16.0, 16.0, 24.0) if light else (240.0, 240.0, 232.0))


def striped(scene: Scene, picture: Array, generator: np.random.Generator) -> Array:
    """Lay eight level stripes of ink over the whole picture."""
    del generator
    rows = coverage(lambda _, y: (y * 8) % 1 < 0.5, len(picture))[..., None]
    return np.asarray(picture + 0.75 * rows * (ink(scene) - picture))


def outlined(scene: Scene, picture: Array, generator: np.random.Generator) -> Array:
    """Draw the shape's edge in ink."""
    del generator
    return picture + edge(scene, len(picture))[..., None] * (ink(scene) - picture)


def noisy(scene: Scene, picture: Array, generator: np.random.Generator) -> Array:
    """Add grey grain, sixteen grains a side."""
    del scene
    cells = np.arange(len(picture)) * 16 // len(picture)
    grain = generator.choice((-60.0, 60.0), (16, 16))[np.ix_(cells, cells)]
    return np.asarray(np.clip(picture + grain[..., None], 0, 255))


def faded(scene: Scene, picture: Array, generator: np.random.Generator) -> Array:
    """Wash the picture out, towards a light grey."""
    del scene, generator
    return picture + 0.7 * (204.0 - picture)


Style = Callable[[Scene, Array, np.random.Generator], Array]
STYLES: dict[str, Style] = {
    "striped": striped,
    "outlined": outlined,
    "noisy": noisy,
    "faded": faded,
}


def render(
    scene: Scene,
    size: int = SIZE,
    *,
    style: str | None = None,
    level: float = 1.0,
    generator: np.random.Generator | None = None,
) -> Array:
    """Return the picture as numbers in [0, 255], not rounded.

    Args:
        scene: what to draw.
        size: pixels a side.
        style: one of `STYLES`; None draws plainly.
        level: how much of the style, from 0 (plain) to 1.
        generator: where the grain of "noisy" comes from; without one it is always the same.

    Raises:
        UsageError: the scene, the style or the level is none there is.
    """
    for kind, name, known in (
        ("shape", scene.shape, list(SHAPES)),
        ("colour", scene.colour, list(COLOURS)),
        ("background", scene.background, list(BACKGROUNDS)),
        ("style", style, [None, *STYLES]),
    ):
        if name not in known:
            raise UsageError(
                f"There is no {kind} {name!r}; there are {', '.join(filter(None, known))}."
            )
    if not 0 <= level <= 1:
        raise UsageError(f"A style's level lies between 0 and 1, not at {level:g}.")
    picture = plain(scene, size)
    if style is None:
        return picture
    generator = np.random.default_rng(0) if generator is None else generator
    return picture + level * (STYLES[style](scene, picture, generator) - picture)


def draw(
    scene: Scene,
    size: int = SIZE,
    *,
    style: str | None = None,
    level: float = 1.0,
    generator: np.random.Generator | None = None,
) -> Image.Image:
    """Draw a scene; the arguments are those of `render`."""
    pixels = render(scene, size, style=style, level=level, generator=generator)
    return Image.fromarray(np.rint(pixels).astype(np.uint8))
