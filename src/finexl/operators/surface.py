"""Operators of the surface a picture lies on or is made of."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from finexl.operators.marks import relief, streaks
from finexl.operators.operator import blended
from finexl.operators.raster import (
    Raster,
    blur,
    centred,
    chroma_scaled,
    clouds,
    gradient_map,
    grey,
    luma,
    mix,
    noise,
    radius,
    ramp,
    rgb,
    smooth,
    unit,
)


@blended("canvas texture", "woven canvas", "painted on linen", "fabric weave")
def canvas(image: Raster, rng: Generator) -> Raster:
    """Threads over and under each other, lit from one side."""
    shape, u = image.shape[:2], unit(image)
    period = max(3.0, 4.6 * u)
    rows, cols = np.indices(shape, dtype=np.float32) / period
    over = (np.floor(rows) + np.floor(cols)) % 2
    thread = np.where(over > 0, np.abs(np.sin(np.pi * rows)), np.abs(np.sin(np.pi * cols)))
    uneven = streaks(shape, 0.0, 40 * u, period, rng) + streaks(shape, 1.5708, 40 * u, period, rng)
    shade = 0.62 + 0.42 * thread * (0.75 + 0.25 * uneven) + 0.03 * noise(shape, 1.5, rng)
    return (0.06 + 0.94 * image) * grey(shade.astype(np.float32)) * 1.05


@blended("parchment", "aged paper", "old paper texture", "antique manuscript")
def parchment(image: Raster, rng: Generator) -> Raster:
    """Print the picture in brown on stained paper with burnt edges."""
    shape, u = image.shape[:2], unit(image)
    tone = luma(image) ** np.float32(0.65)
    ink = mix(
        gradient_map(tone, (0.22, 0.12, 0.06), (1.0, 1.0, 1.0)), chroma_scaled(image, 0.5), 0.3
    )
    stain = clouds(shape, 120 * u, rng)
    fibre = noise(shape, 1.8 * u, rng) + 0.8 * relief(clouds(shape, 30 * u, rng), 1.0 * u)
    sheet = gradient_map(stain, (1.0, 0.95, 0.79), (0.92, 0.80, 0.57))
    edge = ramp(radius(shape) + 0.25 * (stain - 0.5), 0.62, 1.15)
    sheet = mix(sheet, rgb(0.42, 0.26, 0.12), 0.8 * edge)
    return (0.18 + 0.82 * ink) * sheet * grey(1.0 + 0.035 * fibre)


@blended("embossed", "bas-relief", "stamped in metal", "carved stone relief")
def emboss(image: Raster, _rng: Generator) -> Raster:
    """Grey stone, raised where the picture is light, lit from the upper left."""
    u = unit(image)
    tone = luma(smooth(image, 2 * u, 0.04))
    light = 0.6 * relief(tone, 1.0 * u) + 0.5 * relief(tone, 2.2 * u)
    return grey(0.53 + 0.24 * np.tanh(0.9 * light) + 0.06 * (tone - 0.5))


@blended("ornamental pattern", "decorative pattern", "patterned", "ornate", "damask")
def ornament(image: Raster, rng: Generator) -> Raster:
    """Cover the picture with rows of golden rosettes on deepened colour."""
    shape, u = image.shape[:2], unit(image)
    tile = max(6.0, 84 * u)
    rows, cols = centred(shape)
    petals, rings = rng.choice([5, 6, 8]), rng.uniform(2.4, 3.4)
    result = np.zeros(shape, np.float32)
    for shift in (0.0, 0.5):
        down = np.mod(rows / tile + shift, 1.0) - 0.5
        right = np.mod(cols / tile + shift, 1.0) - 0.5
        away, turn = np.hypot(down, right) * 2.0, np.arctan2(down, right)
        petal = 0.25 * np.cos(petals * turn) * (1.2 - away)
        line = np.abs(np.sin(np.pi * (rings * away + petal * 2.0)))
        inside = ramp(-away, -0.72, -0.66)
        width = 0.42 + 2.0 / tile
        result = np.maximum(result, inside * ramp(-line, -width, -width + 0.2))
    deep = chroma_scaled(blur(image, 1.0 * u), 1.2) * 0.85
    gold = gradient_map(
        0.4 + 0.6 * luma(image), (0.45, 0.28, 0.05), (0.95, 0.75, 0.30), (1.0, 0.95, 0.75)
    )
    return mix(np.clip(deep, 0, 1), gold, 0.92 * result)


SURFACE = (canvas, parchment, emboss, ornament)
