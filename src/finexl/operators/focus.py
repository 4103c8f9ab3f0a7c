"""Operators of sharpness, blur and detail."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from finexl.operators.operator import blended, graded
from finexl.operators.raster import (
    Plane,
    Raster,
    blur,
    centred,
    chroma_scaled,
    grey,
    luma,
    mix,
    radius,
    ramp,
    screen,
    smooth,
    unit,
)


@blended("soft focus", "soft", "gentle blur", "diffused", opposite=("sharp focus", "sharp"))
def soft_focus(image: Raster, _rng: Generator) -> Raster:
    """Lay a blurred copy over the picture, as a diffusion filter does."""
    veil = blur(image, 5 * unit(image))
    return mix(mix(image, veil, 0.7), screen(image, veil), 0.2)


@graded("blurry", "out of focus", "blurred", "unfocused", opposite=("sharp", "in focus"))
def gaussian_blur(image: Raster, level: float, _rng: Generator) -> Raster:
    """Blur everything."""
    return blur(image, 8.0 * unit(image) * level)


@graded("motion blur", "fast movement", "blurred by motion", "speed streaks")
def motion_blur(image: Raster, level: float, rng: Generator) -> Raster:
    """Smear along one nearly horizontal direction."""
    angle = rng.uniform(-0.3, 0.3)
    step = 28.0 * unit(image) * level
    image = _moved(image, -step, angle)
    while step >= 0.5:  # means of two at halving distances make one even smear
        image = 0.5 * (image + _moved(image, step, angle))
        step /= 2.0
    return image


def _moved(image: Raster, distance: float, angle: float) -> Raster:
    rows = np.arange(image.shape[0]) + round(distance * np.sin(angle))
    cols = np.arange(image.shape[1]) + round(distance * np.cos(angle))
    rows, cols = np.clip(rows, 0, len(rows) - 1), np.clip(cols, 0, len(cols) - 1)
    moved: Raster = image[rows][:, cols]
    return moved


@graded(
    "shallow depth of field", "bokeh", "blurred background", "wide aperture",
    opposite=("deep focus", "everything in focus"),
)  # fmt: skip
def shallow_focus(image: Raster, level: float, _rng: Generator) -> Raster:
    """Keep the centre sharp and blur what surrounds it."""
    return _defocused(image, ramp(radius(image.shape[:2]), 0.25, 0.75), level)


@graded("tilt-shift", "miniature effect", "toy-like scene", "narrow band of focus")
def tilt_shift(image: Raster, level: float, _rng: Generator) -> Raster:
    """Keep a horizontal band sharp and the colours bright, as in a photograph of a model."""
    rows, _ = centred(image.shape[:2])
    band = ramp(np.abs(rows / image.shape[0] - 0.06), 0.07, 0.38)
    bright = np.clip(chroma_scaled(image, 1.0 + 0.7 * level) * (1.0 + 0.08 * level), 0, 1)
    return _defocused(bright, band, level)


def _defocused(image: Raster, amount: Plane, level: float) -> Raster:
    """Blur by the amount, bright spots the widest, as a lens does."""
    u = unit(image)
    bright = np.clip(image, 0, 1) ** 3
    near, far = (np.cbrt(np.maximum(blur(bright, s * u * level), 0)) for s in (3.0, 8.0))
    return mix(mix(image, near, np.clip(2 * amount, 0, 1)), far, np.clip(2 * amount - 1, 0, 1))


@graded("sharp", "crisp", "sharp focus", "sharpened", "in focus", opposite=("blurry", "soft focus"))
def sharpen(image: Raster, level: float, _rng: Generator) -> Raster:
    """Add what a small blur removes (unsharp mask)."""
    return image + 3.0 * level * (image - blur(image, max(0.7, 1.1 * unit(image))))


@graded(
    "highly detailed", "intricate detail", "rich in texture", "fine detail",
    opposite=("smooth", "simplified", "less detailed"),
)  # fmt: skip
def detailed(image: Raster, level: float, _rng: Generator) -> Raster:
    """Strengthen texture at several sizes, edges left as they are."""
    u, tone = unit(image), luma(image)
    boost = np.zeros_like(tone)
    for radius_, gain in ((2.0, 2.6), (5.0, 1.4), (12.0, 0.6)):
        boost += gain * (tone - smooth(tone, radius_ * u, 0.10))
    return image + level * grey(boost)


@blended(
    "smooth", "simplified", "less detailed", "smooth surfaces", "airbrushed",
    opposite=("highly detailed", "rich in texture", "rough"),
)  # fmt: skip
def smoothing(image: Raster, _rng: Generator) -> Raster:
    """Wipe texture away between the edges."""
    for _ in range(3):
        image = smooth(image, 4 * unit(image), 0.07)
    return image


FOCUS = (
    soft_focus, gaussian_blur, motion_blur, shallow_focus, tilt_shift, sharpen, detailed, smoothing,
)  # fmt: skip
