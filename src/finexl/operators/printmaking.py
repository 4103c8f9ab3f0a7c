"""Operators of prints and dots: woodcut, engraving, stippling, pointillism."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from finexl.operators.marks import outlines, printed, stripes
from finexl.operators.operator import blended
from finexl.operators.raster import (
    Plane,
    Raster,
    blur,
    centred,
    chroma_scaled,
    gradient_map,
    grey,
    luma,
    mix,
    noise,
    ramp,
    rgb,
    smooth,
    unit,
)
from finexl.operators.regions import cell_means, cells


@blended("woodcut", "linocut", "block print", "carved relief print")
def woodcut(image: Raster, rng: Generator) -> Raster:
    """Bold black ink on cream paper, half tones carved in tapering grooves."""
    shape, u = image.shape[:2], unit(image)
    rows, cols = centred(shape)
    tone = luma(smooth(image, 4 * u, 0.10))
    deep = _stretched(tone)
    wave = 5 * u * noise(shape, 26 * u, rng) + 18 * u * blur(tone, 5 * u)
    groove = stripes(rows * 0.9 + cols * 0.35 + wave, max(4.0, 7.0 * u))
    cut = 0.08 + 0.80 * groove + 0.04 * noise(shape, 1.6 * u, rng)
    paper = printed(deep, cut, 0.10)
    paper = np.minimum(paper, 1.0 - outlines(tone, 2.0 * u))
    return gradient_map(blur(paper, 0.4 * u), (0.06, 0.05, 0.05), (0.95, 0.91, 0.80))


def _stretched(tone: Plane) -> Plane:
    """Return the tone from its 3rd to its 97th percentile as 0 to 1."""
    low, high = np.percentile(tone, [3, 97])
    full: Plane = np.clip((tone - low) / max(high - low, 0.15), 0.0, 1.0)
    return full


@blended("engraving", "cross-hatching", "etching", "fine engraved lines")
def engraving(image: Raster, _rng: Generator) -> Raster:
    """Fine black lines that follow the form, crossed in the shadows."""
    u = unit(image)
    rows, cols = centred(image.shape[:2])
    tone = luma(smooth(image, 2 * u, 0.06))
    deep = _stretched(tone) ** 0.8
    bend = 22 * u * blur(tone, 5 * u)
    period = max(3.0, 4.6 * u)
    paper = np.ones_like(tone)
    for angle, reach in ((0.5, 1.0), (-0.6, 0.62), (1.4, 0.34)):
        line = stripes(rows * np.cos(angle) + cols * np.sin(angle) + bend, period)
        paper = np.minimum(paper, printed(deep / reach, line, 1.3 / period))
    paper = np.minimum(paper, 1.0 - 0.9 * outlines(tone, 1.1 * u))
    return gradient_map(paper, (0.08, 0.08, 0.10), (0.97, 0.96, 0.92))


@blended("stippling", "stippled ink dots", "dotwork", "drawn in tiny black dots")
def stippling(image: Raster, rng: Generator) -> Raster:
    """Small black dots on white, crowded where it is dark."""
    shape, u = image.shape[:2], unit(image)
    dark = (1.0 - _stretched(luma(smooth(image, 2 * u, 0.06)))) ** 1.6
    paper = np.ones(shape, np.float32)
    for layer in range(4):  # each fills up before the next begins: an even tone
        dots = cells(shape, 3.4 * u, 0.8, rng)
        full = cell_means(grey(4.0 * dark - layer), dots.label, dots.n)[:, 0]
        at = full > 0.1 + 0.9 * rng.random(dots.n, np.float32)
        size = max(0.7, 1.0 * u)
        paper *= 1.0 - at[dots.label] * ramp(-dots.near, -size - 0.5, -size + 0.5)
    return grey(1.0 - 0.97 * (1.0 - paper))


@blended("pointillism", "pointillist painting", "dabs of pure colour", "painted in coloured dots")
def pointillism(image: Raster, rng: Generator) -> Raster:
    """Round dabs of varied pure colour over a pale ground."""
    shape, u = image.shape[:2], unit(image)
    vivid = np.clip(chroma_scaled(image, 1.8), 0, 1)
    result = mix(blur(vivid, 3 * u), rgb(0.96, 0.93, 0.84), 0.55)
    for spacing, size in ((9.0, 5.2), (8.0, 4.0), (7.0, 3.2)):
        dots = cells(shape, spacing * u, 1.0, rng)
        colour = cell_means(vivid, dots.label, dots.n)
        colour = colour + rng.normal(0.0, 0.08, colour.shape).astype(np.float32)
        round_ = ramp(-dots.near, -(size * u) - 0.6, -(size * u) + 0.6)
        result = mix(result, np.clip(colour, 0, 1)[dots.label], round_)
    return result


PRINTMAKING = (woodcut, engraving, stippling, pointillism)
