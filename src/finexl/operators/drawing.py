"""Operators that draw: pencil, charcoal, ink, cartoon, blueprint."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from finexl.operators.marks import contours, outlines, printed, slopes, streaks
from finexl.operators.operator import blended
from finexl.operators.raster import (
    Plane,
    Raster,
    Shape,
    blur,
    centred,
    chroma,
    chroma_scaled,
    clouds,
    gradient_map,
    grey,
    luma,
    mix,
    noise,
    ramp,
    rgb,
    screen,
    smooth,
    strength,
    unit,
)


def _hatching(shape: Shape, angle: float, u: float, rng: Generator) -> Plane:
    return streaks(shape, angle, 34 * u, max(1.0, 1.1 * u), rng)


@blended("pencil sketch", "graphite drawing", "sketch", "hand-drawn in pencil", "rough sketch")
def pencil_sketch(image: Raster, rng: Generator) -> Raster:
    """Grey contours and hatching on white paper."""
    shape, u = image.shape[:2], unit(image)
    tone = luma(smooth(image, 2 * u, 0.08))
    contour = ramp(tone / (blur(tone, 5 * u) + 0.02), 0.2, 1.05)
    hatch = printed(ramp(tone, -0.15, 0.75), _hatching(shape, -0.9, u, rng), 0.45)
    cross = printed(ramp(tone, -0.5, 0.4), _hatching(shape, -0.35, u, rng), 0.4)
    paper = 0.98 - 0.02 * np.abs(noise(shape, 1.2 * u, rng))
    shade = (0.45 + 0.55 * contour) * (0.66 + 0.34 * hatch) * (0.74 + 0.26 * cross)
    lines = contours(tone, 1.3 * u, 0.05) * (0.5 + 0.5 * clouds(shape, 3 * u, rng))
    return grey(paper * shade * (1.0 - 0.62 * lines))


@blended("coloured pencil", "colored pencil drawing", "crayon drawing", "pencil crayons")
def coloured_pencil(image: Raster, rng: Generator) -> Raster:
    """Hatching in the picture's colours, the white paper showing through."""
    shape, u = image.shape[:2], unit(image)
    soft = smooth(image, 3 * u, 0.10)
    dark = 1.0 - luma(soft)
    pigment = np.clip(chroma_scaled(soft, 1.7), 0.02, 1.0) ** 0.85
    result = np.ones_like(image)
    for angle, cover in ((-0.8, 0.45 + 0.75 * dark), (-0.45, 0.9 * dark)):
        stroke = ramp(cover - _hatching(shape, angle, u, rng), -0.25, 0.35)
        result = mix(result, result * pigment, 0.75 * stroke)
    lines = outlines(luma(soft), 1.2 * u) * (0.5 + 0.5 * clouds(shape, 2 * u, rng))
    return mix(result, pigment * 0.35, 0.75 * lines)


@blended("charcoal drawing", "charcoal", "smudged black drawing", "coal on paper")
def charcoal(image: Raster, rng: Generator) -> Raster:
    """Broad, smudged, grainy black on greyish paper."""
    shape, u = image.shape[:2], unit(image)
    tone = luma(smooth(image, 3 * u, 0.10))
    grain = 0.5 * clouds(shape, 2.2 * u, rng) + 0.5 * streaks(shape, -0.8, 16 * u, 2.5 * u, rng)
    deep = ramp(tone, 0.02, 0.75)
    rubbed = 0.55 * printed(deep, grain, 0.30) + 0.45 * blur(deep, 2.5 * u)
    lines = outlines(blur(tone, 0.8 * u), 2.0 * u) * (0.55 + 0.45 * grain)
    paper = 0.90 + 0.03 * noise(shape, 1.5 * u, rng)
    return grey(paper * (0.06 + 0.94 * rubbed) * (1.0 - 0.85 * lines))


@blended("line art", "ink drawing", "thin black lines on white", "pen drawing", "outline drawing")
def line_art(image: Raster, _rng: Generator) -> Raster:
    """Thin black contours on white, nothing else."""
    u = unit(image)
    tone = luma(smooth(image, 3 * u, 0.07))
    return grey(1.0 - 0.95 * contours(tone, 1.3 * u, 0.05))


@blended("cartoon", "cel shading", "anime", "flat shading with outlines", "animated film still")
def cartoon(image: Raster, _rng: Generator) -> Raster:
    """Few flat bright colours inside dark outlines."""
    u = unit(image)
    flat = image
    for _ in range(3):
        flat = smooth(flat, 3 * u, 0.08)
    tone = luma(flat)
    steps = 4.0 * ramp(tone, -0.05, 0.95)
    shelf = (np.floor(steps) + ramp(steps - np.floor(steps), 0.42, 0.58)) / 4.0
    colours = chroma_scaled(flat, 1.75) + grey(0.10 + 0.88 * shelf - tone)
    drawn = luma(smooth(image, 3 * u, 0.08))
    lines = np.maximum(outlines(tone, 1.3 * u, 9), contours(drawn, 2.2 * u, 0.07))
    return mix(np.clip(colours, 0, 1), rgb(0.06, 0.04, 0.08), lines)


@blended("comic book", "halftone dots", "pop art", "comic strip print")
def halftone(image: Raster, _rng: Generator) -> Raster:
    """Cyan, magenta and yellow dots inside black outlines."""
    u = unit(image)
    rows, cols = centred(image.shape[:2])
    flat = np.clip(chroma_scaled(smooth(image, 4 * u, 0.12), 2.0), 0, 1)
    flat = 0.5 * flat + 0.5 * ramp(flat, 0.05, 0.85)
    period = max(3.0, 6.5 * u)
    dots = np.ones_like(image)
    for channel, angle in enumerate((0.26, 1.31, 0.0)):
        across = (cols * np.cos(angle) + rows * np.sin(angle)) * (2 * np.pi / period)
        down = (rows * np.cos(angle) - cols * np.sin(angle)) * (2 * np.pi / period)
        spot = 0.5 + 0.25 * (np.cos(across) + np.cos(down))
        dots[..., channel] = printed(flat[..., channel], spot, 1.2 / period)
    lines = np.maximum(outlines(luma(flat), 1.6 * u), ramp(-luma(flat), -0.14, -0.08))
    return mix(mix(dots, flat, 0.25), np.full(3, 0.03, np.float32), lines)


@blended("blueprint", "technical drawing", "white lines on blue", "architectural plan")
def blueprint(image: Raster, rng: Generator) -> Raster:
    """White contours on a blue sheet with a faint grid."""
    shape, u = image.shape[:2], unit(image)
    tone = luma(smooth(image, 3 * u, 0.07))
    lines = contours(tone, 1.3 * u, 0.05)
    rows, cols = np.indices(shape)
    step = max(4, round(24 * u))
    grid = 0.16 * ((rows % step == step // 2) | (cols % step == step // 2)).astype(np.float32)
    sheet = gradient_map(clouds(shape, 120 * u, rng), (0.03, 0.18, 0.46), (0.07, 0.27, 0.58))
    return mix(sheet, rgb(0.93, 0.97, 1.0), np.clip(lines + grid, 0, 1))


@blended("neon lights", "glowing edges", "glowing lines on black", "neon sign")
def neon_edges(image: Raster, _rng: Generator) -> Raster:
    """Glowing contours in loud colours on black."""
    u = unit(image)
    rows, cols = centred(image.shape[:2])
    tone = luma(image)
    down, right = slopes(smooth(tone, 2 * u, 0.06), 1.1 * u)
    edge = ramp(np.hypot(down, right) * u, 0.015, 0.09)
    place = 0.5 + 0.5 * np.sin(3.0 * (rows + cols) / max(image.shape) + 1.5)
    wheel = gradient_map(place, (1.0, 0.05, 0.65), (0.55, 0.15, 1.0), (0.0, 0.9, 1.0))
    own = chroma(image)
    tube = np.clip(wheel + 0.9 * own / (strength(own) + 0.10), 0.0, 1.0)
    lit = tube * grey(edge)
    glow = 1.3 * blur(lit, 2.5 * u) + 1.4 * blur(lit, 9 * u)
    core = screen(lit, grey(0.6 * ramp(edge, 0.7, 1.0)))
    return screen(core, np.clip(glow, 0, 1)) + 0.02


DRAWING = (
    pencil_sketch, coloured_pencil, charcoal, line_art, cartoon, halftone, blueprint, neon_edges,
)  # fmt: skip
