"""Marks on paper: lines, strokes, grooves and the light on them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw
from scipy import ndimage

from finexl.operators.raster import (
    Plane,
    Shape,
    blur,
    centred,
    even,
    ramp,
    sample,
    standardised,
)


def slopes(plane: Plane, sigma: float) -> tuple[Plane, Plane]:
    """Return the derivatives down and to the right, per pixel, of the blurred plane."""
    soft = np.pad(blur(plane, sigma), 1, mode="edge")
    return (soft[2:, 1:-1] - soft[:-2, 1:-1]) / 2, (soft[1:-1, 2:] - soft[1:-1, :-2]) / 2


def outlines(tone: Plane, width: float, gain: float = 14.0) -> Plane:
    """Return how dark a line a pen would draw here: the dark side of edges, thresholded."""
    soft = blur(tone, width)
    return ramp(gain * (blur(tone, 1.8 * width) - soft) / (0.25 + soft), 0.1, 0.5)


def contours(tone: Plane, width: float, contrast: float) -> Plane:
    """Return thin lines, `width` pixels wide, where the slope is steepest.

    Edges whose tone changes by less than `contrast` within `width` pixels draw nothing.
    """
    width = max(width, 1.0)
    down, right = slopes(tone, 0.8 * width)
    steep = np.hypot(down, right) + np.float32(1e-6)
    rows, cols = centred((tone.shape[0], tone.shape[1]))
    reach = 1.2 * width / steep
    ahead = sample(steep, rows + down * reach, cols + right * reach)
    behind = sample(steep, rows - down * reach, cols - right * reach)
    crest = 1.0 - 0.5 * (ahead + behind) / steep
    return ramp(crest, 0.05, 0.35) * ramp(steep * width, 0.5 * contrast, 1.5 * contrast)


def relief(height: Plane, sigma: float) -> Plane:
    """Return the light from the upper left on a surface: 0 where flat, unit variance."""
    down, right = slopes(height, sigma)
    return standardised(-down - right)


def streaks(shape: Shape, angle: float, length: float, width: float, rng: Generator) -> Plane:
    """Return noise drawn out along `angle` (radians from the horizontal), uniform in [0, 1]."""
    side = int(np.hypot(*shape)) + 3
    field = rng.standard_normal((side, side), np.float32)
    field = ndimage.uniform_filter1d(field, max(1, round(length)), axis=1)
    field = ndimage.gaussian_filter1d(field, width / 2.0, axis=0)
    rows, cols = centred(shape)
    along = cols * np.cos(angle) + rows * np.sin(angle)
    across = rows * np.cos(angle) - cols * np.sin(angle)
    return even(standardised(sample(field, across, along)))


def stripes(position: Plane, period: float) -> Plane:
    """Return a triangular wave in [0, 1] of the position (pixels across the stripes)."""
    wave: Plane = np.abs(2.0 * np.mod(position / period, 1.0) - 1.0)
    return wave


def printed(tone: Plane, screen: Plane, softness: float) -> Plane:
    """Return paper (1) where the tone is lighter than the screen and ink (0) elsewhere."""
    return ramp(tone - screen, -softness, softness)


def flow(tone: Plane, sigma: float) -> tuple[Plane, Plane]:
    """Return the unit vectors (down, right) along which the picture changes least."""
    down, right = slopes(tone, 1.0)
    double = np.arctan2(
        2.0 * blur(down * right, sigma), blur(right * right, sigma) - blur(down * down, sigma)
    )
    return np.cos(double / 2.0), -np.sin(double / 2.0)


def dragged(texture: Plane, along: tuple[Plane, Plane], length: float) -> Plane:
    """Return the mean of the texture over `length` pixels of the flow line through each pixel."""
    height, width = texture.shape
    total = texture.copy()
    steps = max(1, round(length / 2.0))
    for sign in (1.0, -1.0):
        rows, cols = np.indices(texture.shape, dtype=np.float32)
        down, right = along[0] * sign, along[1] * sign
        for _ in range(steps):
            rows = np.clip(rows + down, 0, height - 1)
            cols = np.clip(cols + right, 0, width - 1)
            at = (rows + 0.5).astype(np.intp) * width + (cols + 0.5).astype(np.intp)
            total += texture.ravel()[at]
            next_down, next_right = along[0].ravel()[at], along[1].ravel()[at]
            # a direction of least change has no sign: keep going the way we came
            turn = np.where(next_down * down + next_right * right < 0, -1.0, 1.0)
            down, right = next_down * turn, next_right * turn
    return total / (2 * steps + 1)


def drawn(shape: Shape, paint: Callable[[ImageDraw.ImageDraw, float], None]) -> Plane:
    """Return what `paint(pen, scale)` draws in white (255) on black, antialiased.

    The pen works on a canvas `scale` times as large as the picture.
    """
    scale = 2
    sheet = Image.new("L", (shape[1] * scale, shape[0] * scale))
    paint(ImageDraw.Draw(sheet), float(scale))
    return np.asarray(sheet.reduce(scale), np.float32) / 255.0
