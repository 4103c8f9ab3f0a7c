"""Operators of files, screens and signals."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.random import Generator
from PIL import Image
from scipy import ndimage

from finexl.operators.operator import graded
from finexl.operators.raster import Raster, chroma, chroma_scaled, grey, luma, mix, noise, rgb, unit
from finexl.operators.regions import cell_means

_JPEG_SIDE = 384  # a block of 8 pixels then is 1/48 of the shorter side of any picture
_SIGNALS = (rgb(1, 0, 0.6), rgb(0, 1, 0.9), rgb(0.2, 1, 0.1), rgb(0.1, 0.1, 1))


@graded("jpeg artifacts", "compression artefacts", "blocky compression", "heavily compressed")
def jpeg(image: Raster, level: float, _rng: Generator) -> Raster:
    """Add the error that JPEG makes at quality 60 (level 0) to 4 (level 1)."""
    height, width = image.shape[:2]
    factor = min(_JPEG_SIDE / min(height, width), 2048 / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    scaled = _picture(image).resize(size, Image.Resampling.BILINEAR)
    stream = BytesIO()
    scaled.save(stream, "JPEG", quality=round(60 * (4 / 60) ** level), subsampling=2)
    error = _raster(Image.open(stream)) - _raster(scaled)
    back = _raster(_picture(error / 2 + 0.5).resize((width, height), Image.Resampling.BILINEAR))
    return image + 2.0 * back - 1.0


def _picture(image: Raster) -> Image.Image:
    return Image.fromarray((np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8))


def _raster(picture: Image.Image) -> Raster:
    return np.asarray(picture, np.float32) / np.float32(255)


@graded("pixel art", "pixelated", "8-bit graphics", "retro video game", "blocky pixels")
def pixelate(image: Raster, level: float, _rng: Generator) -> Raster:
    """Show the picture in square blocks of few colours: at the highest level 48 by 48."""
    block = max(1, round(8.0 * unit(image) * level))
    rows, cols = (np.arange(n) // block for n in image.shape[:2])
    label = rows[:, None] * (cols[-1] + 1) + cols
    mean = cell_means(image, label, int(label[-1, -1]) + 1)
    steps = round(32.0 * (7.0 / 32.0) ** level) - 1
    colours = np.clip(chroma_scaled(mean, 1.0 + 0.3 * level), 0, 1)
    blocks: Raster = (np.round(colours * steps) / steps)[label]
    return blocks


@graded("low resolution", "low-res", "upscaled thumbnail", "poor image quality")
def low_resolution(image: Raster, level: float, _rng: Generator) -> Raster:
    """Shrink the picture, down to 40 pixels on its shorter side, and enlarge it again."""
    height, width = image.shape[:2]
    factor = 1.0 + max(0.0, 8.6 * unit(image)) * level
    small = (max(1, round(width / factor)), max(1, round(height / factor)))
    shrunk = _picture(image).resize(small, Image.Resampling.BOX)
    return _raster(shrunk.resize((width, height), Image.Resampling.BILINEAR))


@graded("glitch art", "glitch", "corrupted signal", "databending")
def glitch(image: Raster, level: float, rng: Generator) -> Raster:
    """Tear bands of the picture sideways, part its channels and corrupt some blocks."""
    height, width = image.shape[:2]
    u = unit(image)
    edges = np.sort(rng.integers(0, height + 1, 26))
    band = np.searchsorted(edges, np.arange(height), side="right")
    torn = rng.normal(0.0, 34.0, 27) * (rng.random(27) < 0.5)
    part = 7.0 + 9.0 * rng.random(27) * (rng.random(27) < 0.5)
    result = np.empty_like(image)
    for channel, sign in enumerate((-1.0, 0.0, 1.0)):
        shift = np.round((torn + sign * part) * u * level).astype(int)[band]
        cols = (np.arange(width) + shift[:, None]) % width
        result[..., channel] = np.take_along_axis(image[..., channel], cols, axis=1)
    for _ in range(14):
        top, left = rng.integers(0, height), rng.integers(0, width)
        tall, wide = 1 + int(rng.uniform(2, 14) * u), 1 + int(rng.uniform(20, 120) * u)
        tint = _SIGNALS[rng.integers(len(_SIGNALS))]
        patch = result[top : top + tall, left : left + wide]
        patch[:] = mix(patch, tint, 0.75 * level)
    odd = np.arange(height)[:, None] / max(2.0, 3.0 * u) % 1.0 < 0.5
    return result * grey(1.0 - 0.22 * level * odd)


@graded("vhs tape", "crt scan lines", "analogue video", "old television picture")
def vhs(image: Raster, level: float, rng: Generator) -> Raster:
    """Bleeding colours, jitter, dark scan lines and a band of noise, as from a worn tape."""
    height, width = image.shape[:2]
    u = unit(image)
    jitter = noise((height,), 6 * u, rng) * 1.6 + noise((height,), 1.0, rng) * 0.5
    tracking = np.exp(-(((np.arange(height) / height - rng.uniform(0.8, 0.95)) / 0.025) ** 2))
    shift = np.round((jitter + 26.0 * tracking) * u * level).astype(int)
    cols = np.clip(np.arange(width) + shift[:, None], 0, width - 1)
    moved = np.take_along_axis(image, cols[..., None], axis=1)
    tone = ndimage.uniform_filter1d(luma(moved), max(1, round(4 * u * level)), axis=1)
    bleed = ndimage.uniform_filter1d(chroma(moved), max(1, round(22 * u * level)), axis=1)
    bleed = np.roll(bleed, round(6 * u * level), axis=1) * (1.0 + 0.15 * level)
    snow = 0.06 * noise((height, width), 1.5, rng) + 0.7 * tracking[:, None] * (
        rng.random((height, width), np.float32) > 0.75
    )
    turn = 2.0 * np.pi / max(2.0, 4.0 * u)
    wave = 0.15 + 0.15 * np.cos(turn * np.arange(height, dtype=np.float32))
    lines = grey(1.0 - level * wave[:, None])
    tape = tone + level * (0.06 + snow) * (1.0 - 0.3 * level)
    screen: Raster = (grey(tape) + bleed) * lines
    return screen


DIGITAL = (jpeg, pixelate, low_resolution, glitch, vhs)
