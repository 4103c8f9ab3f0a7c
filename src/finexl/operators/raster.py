"""What the operators are made of: tone, colour, blur and noise on float pictures.

A *raster* is (H, W, 3), a *plane* (H, W), both in [0, 1] unless said otherwise. Lengths are in
pixels; callers multiply by `unit` so that an effect looks alike at every size of picture.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage, special

Floats = NDArray[np.floating[Any]]
Raster = Floats
Plane = Floats
Shape = tuple[int, int]
Colour = tuple[float, float, float]

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_BOX_FROM = 4.0  # from this sigma on three running means are as good as a Gaussian, and faster


def unit(array: Floats) -> float:
    """Return the pixels in 1/384 of the picture's shorter side."""
    return float(min(array.shape[:2])) / 384.0


def luma(image: Raster) -> Plane:
    """Return the brightness plane (Rec. 601)."""
    tone: Plane = image @ LUMA
    return tone


def grey(plane: Plane) -> Raster:
    """Return the plane as a read-only raster of three equal channels."""
    return np.broadcast_to(plane[..., None], (*plane.shape, 3))


def rgb(red: float, green: float, blue: float) -> Raster:
    """Return one colour (3,), to be combined with rasters."""
    return np.array([red, green, blue], np.float32)


def ramp(values: Plane, low: float, high: float) -> Plane:
    """Return 0 below `low`, 1 above `high` and a smooth step between."""
    t = np.clip((values - low) / (high - low), 0.0, 1.0)
    step: Plane = t * t * (3.0 - 2.0 * t)
    return step


def mix(a: Floats, b: Floats, amount: float | Plane) -> Raster:
    """Return `a` at amount 0 and `b` at amount 1; a plane gives the amount pixel by pixel."""
    t = amount[..., None] if isinstance(amount, np.ndarray) else amount
    mixed: Raster = a * (1.0 - t) + b * t  # exact at both ends
    return mixed


def screen(a: Raster, b: Raster) -> Raster:
    """Return both pictures projected on one wall: never darker than either."""
    return 1.0 - (1.0 - a) * (1.0 - b)


def chroma_scaled(image: Raster, factor: float) -> Raster:
    """Return the colours with their distance from grey multiplied by `factor`, unclipped."""
    tone = grey(luma(image))
    return tone + (image - tone) * factor


def chroma(image: Raster) -> Raster:
    """Return the picture's distance from grey, signed, channel by channel."""
    return image - grey(luma(image))


def strength(offset: Raster) -> Raster:
    """Return the largest channel of a chroma, unsigned, as a raster of three equal channels."""
    largest: Plane = np.abs(offset).max(axis=2)
    return grey(largest)


def gradient_map(tone: Plane, *stops: Colour) -> Raster:
    """Return the plane coloured through evenly spaced stops, from tone 0 to tone 1."""
    at = np.linspace(0.0, 1.0, len(stops))
    channels = [np.interp(tone, at, values) for values in zip(*stops, strict=True)]
    return np.stack(channels, axis=-1).astype(np.float32)


def blur(array: Floats, sigma: float) -> Floats:
    """Return the array with a Gaussian blur over its first two axes."""
    if sigma < _BOX_FROM:
        sigmas = (sigma, sigma, 0.0)[: array.ndim]
        fine: Floats = ndimage.gaussian_filter(array, sigmas, truncate=3.0)
        return fine
    width = 2 * round((np.sqrt(4.0 * sigma * sigma + 1.0) - 1.0) / 2.0) + 1
    for _ in range(3):
        array = box(array, width)
    return array


def box(array: Floats, width: int) -> Floats:
    """Return the mean over a `width` x `width` square round each pixel."""
    result: Floats = ndimage.uniform_filter(array, (width, width, 1)[: array.ndim])
    return result


def smooth(image: Floats, radius: float, edge: float) -> Floats:
    """Return the picture without texture, edges of more contrast than `edge` kept.

    The self-guided filter of He et al. (2010), channel by channel.
    """
    width = 2 * max(1, round(radius)) + 1
    mean = box(image, width)
    variance = np.maximum(box(image * image, width) - mean * mean, 0.0)
    keep = variance / (variance + edge * edge)
    return box(keep, width) * image + box(mean * (1.0 - keep), width)


def standardised(field: Floats) -> Floats:
    """Return the field with mean 0 and variance 1; a constant field becomes 0."""
    field = field - field.mean()
    spread = float(field.std())
    return field / spread if spread > 1e-6 else np.zeros_like(field)


def noise(shape: tuple[int, ...], grain: float, rng: Generator) -> Floats:
    """Return Gaussian noise, mean 0 and variance 1, its specks about `grain` pixels wide."""
    return standardised(blur(rng.standard_normal(shape, np.float32), grain / 2.0))


def clouds(shape: Shape, size: float, rng: Generator) -> Plane:
    """Return fractal noise, uniform in [0, 1], its largest clouds about `size` pixels wide."""
    octaves = sum(noise(shape, size / 2**k, rng) * np.float32(0.6**k) for k in range(4))
    return even(standardised(np.asarray(octaves)))


def even(field: Plane) -> Plane:
    """Return standard normal noise made uniform in [0, 1]."""
    result: Plane = special.ndtr(field)
    return result


def centred(shape: Shape) -> tuple[Plane, Plane]:
    """Return each pixel's row and column, in pixels from the picture's centre."""
    rows, cols = np.indices(shape, dtype=np.float32)
    return rows - (shape[0] - 1) / 2, cols - (shape[1] - 1) / 2


def radius(shape: Shape) -> Plane:
    """Return each pixel's distance from the centre, 1 in the corners."""
    rows, cols = centred(shape)
    return np.hypot(rows / shape[0], cols / shape[1]) * np.float32(np.sqrt(2.0))


def sample(array: Floats, rows: Plane, cols: Plane) -> Floats:
    """Return the array read so many pixels from its centre, mirrored beyond its borders."""
    if array.ndim == 3:
        return np.stack([sample(array[..., c], rows, cols) for c in range(3)], axis=-1)
    places = [rows + (array.shape[0] - 1) / 2, cols + (array.shape[1] - 1) / 2]
    result: Floats = ndimage.map_coordinates(array, places, order=1, mode="reflect")
    return result
