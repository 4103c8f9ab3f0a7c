"""Operators that build the picture of pieces or bend it: mosaic, glass, paper, facets, swirls."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.spatial import Delaunay

from finexl.operators.marks import relief, slopes
from finexl.operators.operator import blended, graded
from finexl.operators.raster import (
    Raster,
    blur,
    centred,
    chroma_scaled,
    clouds,
    grey,
    luma,
    mix,
    noise,
    radius,
    ramp,
    rgb,
    sample,
    smooth,
    unit,
)
from finexl.operators.regions import cell_means, cells, palette


@blended("mosaic", "mosaic tiles", "tessellated", "small ceramic tiles")
def mosaic(image: Raster, rng: Generator) -> Raster:
    """Small uneven stones, each of one colour, set in grey mortar."""
    u = unit(image)
    stones = cells(image.shape[:2], 11 * u, 0.45, rng)
    colour = cell_means(chroma_scaled(image, 1.35), stones.label, stones.n)
    colour = colour * (1.0 + 0.09 * rng.standard_normal((stones.n, 1), np.float32))
    face = np.clip(colour, 0, 1)[stones.label]
    bevel = 1.0 + 0.06 * np.clip(relief(ramp(stones.border, 0, 6 * u), 0.6 * u), -2, 2)
    mortar = rgb(0.66, 0.64, 0.60)
    return mix(mortar, face * grey(bevel), ramp(stones.border, 0.8 * u, 2.4 * u))


@blended("stained glass", "leaded glass", "glass panes with dark leading", "glowing glass panes")
def stained_glass(image: Raster, rng: Generator) -> Raster:
    """Large glowing panes of pure colour between black leads."""
    shape, u = image.shape[:2], unit(image)
    panes = cells(shape, 26 * u, 0.85, rng)
    colour = cell_means(chroma_scaled(image, 3.0), panes.label, panes.n)
    colour = np.clip(colour * 1.15 + 0.03, 0.03, 1.0)
    colour = colour * (1.0 + 0.12 * rng.standard_normal((panes.n, 1), np.float32))
    light = 0.72 + 0.35 * clouds(shape, 50 * u, rng) + 0.35 * ramp(-panes.near, -18 * u, 0.0)
    glass = np.clip(colour[panes.label] * grey(light), 0, 1)
    return mix(np.full_like(image, 0.03), glass, ramp(panes.border, 2.4 * u, 4.6 * u))


@blended("low poly", "triangular facets", "polygonal", "faceted geometry", "geometric shapes")
def low_poly(image: Raster, rng: Generator) -> Raster:
    """Flat triangles whose corners lie where the picture has edges."""
    height, width = image.shape[:2]
    u = unit(image)
    down, right = slopes(luma(image), 2 * u)
    weight = np.sqrt(np.hypot(down, right)).ravel() + 0.004
    chosen = rng.choice(weight.size, 900, p=weight / weight.sum())
    inner = np.stack(np.divmod(chosen, width), axis=1) + rng.uniform(-0.4, 0.4, (900, 2))
    t = np.linspace(0.0, 1.0, 8)
    rim = [(r, c) for s in t for r, c in ((0, s), (1, s), (s, 0), (s, 1))]
    outer = np.unique(np.array(rim), axis=0) * [height + 1, width + 1] - 1
    corners = np.concatenate([outer, inner])[:, ::-1]
    triangles = corners[Delaunay(corners).simplices].reshape(-1, 6).tolist()
    sheet = Image.new("I", (width, height))
    pen = ImageDraw.Draw(sheet)
    for index, triangle in enumerate(triangles):
        pen.polygon(triangle, index)
    label = np.asarray(sheet, np.intp)
    colour = cell_means(image, label, len(triangles))
    tilt = 1.0 + 0.04 * rng.standard_normal((len(colour), 1), np.float32)
    faces: Raster = np.clip(colour * tilt, 0, 1)[label]
    return chroma_scaled(faces, 1.3)


@blended("paper collage", "cut paper", "paper cutout", "layered paper craft")
def collage(image: Raster, rng: Generator) -> Raster:
    """Sheets of coloured paper, cut along the picture's tones, each throwing a shadow."""
    shape, u = image.shape[:2], unit(image)
    soft = smooth(smooth(blur(image, 1.5 * u), 6 * u, 0.15), 6 * u, 0.15)
    colours, label = palette(chroma_scaled(soft, 1.4), 6, rng)
    result: Raster = np.broadcast_to(colours[0], image.shape)
    for index in range(1, len(colours)):
        piece = blur((label >= index).astype(np.float32), 2.2 * u)
        sheet = ramp(piece, 0.45, 0.55)
        cast = ndimage.shift(sheet, (3.5 * u, 3.0 * u), order=1, mode="nearest")
        result = result * grey(1.0 - 0.5 * blur(cast, 2.2 * u) * (1.0 - sheet))
        result = mix(result, colours[index], sheet)
        rim = sheet * (1.0 - ramp(piece, 0.55, 0.75))
        result = mix(result, rgb(0.97, 0.97, 0.97), 0.55 * rim)
    fibre = relief(noise(shape, 2.0 * u, rng), 0.6) + relief(noise(shape, 6.0 * u, rng), 1.0)
    return np.clip(result, 0, 1) * grey(1.0 + 0.022 * fibre)


@graded("swirling", "warped", "distorted", "twisted spiral")
def swirl(image: Raster, level: float, _rng: Generator) -> Raster:
    """Twist the picture round its centre."""
    shape = image.shape[:2]
    rows, cols = centred(shape)
    turn = 4.2 * level * np.exp(-((radius(shape) / 0.42) ** 2))
    return sample(
        image,
        rows * np.cos(turn) - cols * np.sin(turn),
        rows * np.sin(turn) + cols * np.cos(turn),
    )


@graded("kaleidoscope", "radial symmetry", "mandala", "mirrored segments", "symmetrical")
def kaleidoscope(image: Raster, level: float, rng: Generator) -> Raster:
    """Repeat one wedge eight times round the centre, in a disc that grows with the level."""
    shape = image.shape[:2]
    rows, cols = centred(shape)
    away = np.hypot(rows, cols)
    wedge = np.pi / 4
    turn = np.mod(np.arctan2(rows, cols), 2 * wedge)
    turn = np.where(turn > wedge, 2 * wedge - turn, turn) + rng.uniform(0, 2 * np.pi)
    folded = sample(image, away * np.sin(turn), away * np.cos(turn))
    reach = 1.1 * level
    return mix(image, folded, ramp(-radius(shape), -reach, -reach + 0.04))


PIECES = (mosaic, stained_glass, low_poly, collage, swirl, kaleidoscope)
