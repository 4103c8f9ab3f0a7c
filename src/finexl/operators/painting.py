"""Operators that paint: oil, brush strokes, watercolour, chalk."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

from finexl.operators.marks import dragged, flow, outlines, relief, slopes, streaks
from finexl.operators.operator import blended
from finexl.operators.raster import (
    Raster,
    blur,
    centred,
    chroma_scaled,
    clouds,
    even,
    grey,
    luma,
    mix,
    noise,
    ramp,
    rgb,
    sample,
    unit,
)


def _dabs(image: Raster, reach: float) -> Raster:
    """Return the Kuwahara filter: each pixel takes the mean of its calmest neighbourhood."""
    mean = blur(image, 0.5 * reach)
    tone = luma(image)
    soft = blur(tone, 0.5 * reach)
    unrest = np.maximum(blur(tone * tone, 0.5 * reach) - soft * soft, 0.0) + 1e-5
    total, weights = np.zeros_like(image), np.zeros_like(tone)
    rows, cols = np.arange(image.shape[0]), np.arange(image.shape[1])
    for angle in np.arange(8) * np.pi / 4:
        row = np.clip(rows + round(reach * np.sin(angle)), 0, len(rows) - 1)
        col = np.clip(cols + round(reach * np.cos(angle)), 0, len(cols) - 1)
        weight = unrest[row][:, col] ** -4.0 * 1e-18
        total += mean[row][:, col] * grey(weight)
        weights += weight
    return total / grey(weights)


@blended("oil painting", "painted in oils", "thick paint", "impasto", "painterly")
def oil_painting(image: Raster, rng: Generator) -> Raster:
    """Dabs of even colour, drawn along the forms, with the shine of thick paint."""
    shape, u = image.shape[:2], unit(image)
    painted = chroma_scaled(_dabs(_dabs(image, 2.6 * u), 2.4 * u), 1.35)
    along = flow(luma(painted), 5 * u)
    bristles = dragged(noise(shape, 1.6 * u, rng), along, 26 * u)
    return painted * grey(1.0 + 0.11 * relief(bristles, 0.5 * u)) * 1.03


@blended("impressionist", "visible brush strokes", "impressionist painting", "loose brushwork")
def impressionism(image: Raster, rng: Generator) -> Raster:
    """Short separate strokes of varied colour along the forms, broad ones first."""
    shape, u = image.shape[:2], unit(image)
    tone = luma(image)
    along = flow(tone, 6 * u)
    vivid = np.clip(chroma_scaled(blur(image, 1.5 * u), 1.5) * 1.06, 0, 1)
    sheet = Image.fromarray((vivid * 255).astype(np.uint8))
    height = Image.new("L", sheet.size, 128)
    pens = ImageDraw.Draw(sheet), ImageDraw.Draw(height)
    for spacing, length, width in ((8.0, 26.0, 8.0), (5.5, 15.0, 4.0)):
        grid = np.mgrid[0 : shape[0] : max(2.0, spacing * u), 0 : shape[1] : max(2.0, spacing * u)]
        places = grid.reshape(2, -1).T + rng.uniform(-0.5, 0.5, (grid[0].size, 2)) * spacing * u
        places = rng.permutation(places)
        row = np.clip(places[:, 0], 0, shape[0] - 1).astype(int)
        col = np.clip(places[:, 1], 0, shape[1] - 1).astype(int)
        n = len(places)
        shade = rng.normal(0.0, 0.05, (n, 3)) + rng.normal(0.0, 0.05, (n, 1))
        colours = (np.clip(vivid[row, col] + shade, 0, 1) * 255).astype(int).tolist()
        turn = rng.normal(0.0, 0.25, n)
        down, right = along[0][row, col], along[1][row, col]
        half = 0.5 * length * u * rng.uniform(0.6, 1.2, n)
        dy = (down * np.cos(turn) + right * np.sin(turn)) * half
        dx = (right * np.cos(turn) - down * np.sin(turn)) * half
        ends = np.stack([col - dx, row - dy, col + dx, row + dy], axis=1).tolist()
        bumps = rng.integers(70, 190, n).tolist()
        thick = max(1, round(width * u))
        for end, colour, bump in zip(ends, colours, bumps, strict=True):
            pens[0].line(end, tuple(colour), thick)
            pens[1].line(end, bump, thick)
    painted = blur(np.asarray(sheet, np.float32) / 255, 0.5 * u)
    bristles = dragged(noise(shape, 1.4 * u, rng), along, 12 * u)
    paint = relief(np.asarray(height, np.float32) / 255 + 0.25 * bristles, 0.6 * u)
    return painted * grey(1.0 + 0.07 * np.clip(paint, -2.5, 2.5))


@blended(
    "watercolour", "watercolor painting", "aquarelle", "translucent washes", "wet paint blooms"
)
def watercolour(image: Raster, rng: Generator) -> Raster:
    """Pale washes with darker rims and pigment grain, white paper at the edges."""
    shape, u = image.shape[:2], unit(image)
    rows, cols = centred(shape)
    wobble = [1.2 * u * noise(shape, 14 * u, rng) for _ in range(2)]
    wet = _dabs(_dabs(sample(image, rows + wobble[0], cols + wobble[1]), 3.2 * u), 3 * u)
    pigment = 1.0 - np.clip(chroma_scaled(wet, 1.8), 0, 1)
    down, right = slopes(luma(wet), 0.8 * u)
    rim = ramp(np.hypot(down, right) * u, 0.01, 0.07)
    bloom = clouds(shape, 60 * u, rng)
    grain = noise(shape, 1.6 * u, rng)
    density = 0.50 + 0.42 * bloom + 0.16 * rim + 0.05 * grain
    inward = np.minimum(shape[0] / 2 - np.abs(rows), shape[1] / 2 - np.abs(cols))
    density = density * ramp(
        2.0 * inward / min(shape) + 0.16 * (clouds(shape, 40 * u, rng) - 0.5), 0.02, 0.11
    )
    paper = 0.985 + 0.012 * relief(noise(shape, 2.2 * u, rng), 0.5)
    washes: Raster = 1.0 - 0.92 * pigment * grey(density)
    return washes * grey(paper)


@blended("chalk pastel drawing", "soft pastels", "chalky texture", "dry pastel on tinted paper")
def chalk(image: Raster, rng: Generator) -> Raster:
    """Dusty strokes of light colour on dark, rough paper."""
    shape, u = image.shape[:2], unit(image)
    soft = _dabs(image, 2.4 * u)
    bare = 0.6 * even(noise(shape, 1.3 * u, rng)) + 0.4 * streaks(shape, -0.8, 30 * u, 1.4 * u, rng)
    hand = grey(streaks(shape, -0.8, 44 * u, 5 * u, rng)) - 0.5
    hues = rgb(0.10, 0.05, -0.05)
    dust = np.clip(chroma_scaled(soft, 1.4) * 0.80 + 0.19 + hand * hues, 0, 1)
    cover = ramp(0.50 + 0.45 * luma(soft) - bare, -0.30, 0.30)
    paper = rgb(0.27, 0.24, 0.24) + 0.02 * grey(noise(shape, 1.5 * u, rng))
    return mix(
        mix(paper, dust, 0.25 + 0.70 * cover), paper * 0.5, 0.4 * outlines(luma(soft), 1.2 * u)
    )


PAINTING = (oil_painting, impressionism, watercolour, chalk)
