"""Colour, tone, sharpness and layout of a picture as 64 plain numbers.

A backbone trained to recognise objects is taught to ignore most of these; a description of style
needs them. All are computed on the picture at one fixed size, so that they do not depend on it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

SIZE = 256
"""The side of the square picture the statistics are defined on, in pixels."""
_BINS = 1024


def appearance(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the statistics (64,) of an sRGB picture (SIZE, SIZE, 3) with values in [0, 1]."""
    planes = np.ascontiguousarray(picture.transpose(2, 0, 1))  # channels apart: much quicker
    r, g, b = planes
    luma = 0.299 * r + 0.587 * g + 0.114 * b
    high = np.maximum(np.maximum(r, g), b)
    chroma = high - np.minimum(np.minimum(r, g), b)
    dx, dy = np.diff(luma, axis=1)[:-1], np.diff(luma, axis=0)[:, :-1]
    slope = np.hypot(dx, dy)
    return np.concatenate(
        [
            _tone(planes, luma),
            _colour(planes, chroma, chroma / np.maximum(high, 1e-3)),
            _hues(planes, chroma),
            _palette(planes, luma),
            _bands(luma, r - g),
            _edges(slope, dx, dy),
            _layout(luma, chroma, slope),
            _lines(luma),
        ]
    ).astype(np.float32)


def _tone(planes: Array, luma: Array) -> Array:
    """Mean and spread of each channel; seven quantiles of brightness."""
    flat = planes.reshape(3, -1)
    quantiles = _quantiles(luma, (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98))
    return np.concatenate([flat.mean(axis=1), flat.std(axis=1), quantiles])


def _colour(planes: Array, chroma: Array, saturation: Array) -> Array:
    """How much colour there is, how varied, and to which side it leans."""
    r, g, b = planes
    red_green, yellow_blue = r - g, 0.5 * (r + g) - b
    spread = float(np.hypot(red_green.std(), yellow_blue.std()))
    lean = float(np.hypot(red_green.mean(), yellow_blue.mean()))
    return np.array(
        [
            saturation.mean(),
            saturation.std(),
            *_quantiles(saturation, (0.1, 0.5, 0.9)),
            chroma.mean(),
            chroma.std(),
            red_green.mean(),
            red_green.std(),
            yellow_blue.mean(),
            yellow_blue.std(),
            spread + 0.3 * lean,  # Hasler and Süsstrunk's colourfulness
        ]
    )


def _hues(planes: Array, chroma: Array) -> Array:
    """Eight hues' parts of the chroma, and how evenly it is spread over them."""
    r, g, b = planes
    eighths = _eighths(np.sqrt(np.float32(3.0)) * (g - b), 2 * r - g - b)
    parts = np.bincount(eighths.ravel(), weights=chroma.ravel(), minlength=8) / chroma.size
    return np.append(parts, _entropy(parts / (parts.sum() + 1e-6)))


def _eighths(y: Array, x: Array) -> NDArray[np.intp]:
    """Return which eighth of the circle each direction is in, from −π to π; no angle is needed."""
    above = y >= 0
    beyond = np.where(above, x <= 0, x >= 0)
    tall, wide = np.abs(y), np.abs(x)
    late = np.where(beyond, wide >= tall, tall >= wide)
    eighths: NDArray[np.intp] = 4 * above.astype(np.intp) + 2 * beyond + late
    return eighths


def _palette(planes: Array, luma: Array) -> Array:
    """Parts of black and white; how many tones and colours; how much the four commonest cover."""
    tones = np.bincount((luma * 31.99).astype(np.intp).ravel(), minlength=32) / luma.size
    r, g, b = (planes * 7.99).astype(np.intp)
    levels = 64 * r + 8 * g + b
    colours = np.bincount(levels.ravel(), minlength=512) / luma.size
    return np.array(
        [
            (luma < 0.06).mean(),
            (luma > 0.94).mean(),
            _entropy(tones),
            _entropy(colours),
            np.sort(colours)[-4:].sum(),
        ]
    )


def _bands(luma: Array, red_green: Array) -> Array:
    """Contrast at five scales and how sparse it is at the finest three; colour contrast at two."""
    values = []
    for scale, band in enumerate(_pyramid(luma, 5)):
        spread = band.std()
        values.append(np.log(spread + 1e-3))
        if scale < 3:
            values.append(np.log(np.abs(band).mean() / (spread + 1e-4) + 1e-2))
    values += [np.log(band.std() + 1e-3) for band in _pyramid(red_green, 2)]
    return np.array(values)


def _pyramid(plane: Array, scales: int) -> list[Array]:
    """Return what each halving of the resolution loses, finest first."""
    bands: list[Array] = []
    for _ in range(scales):
        half = (plane[::2, ::2] + plane[1::2, ::2] + plane[::2, 1::2] + plane[1::2, 1::2]) / 4
        bands.append(plane - half.repeat(2, axis=0).repeat(2, axis=1))
        plane = half
    return bands


def _edges(slope: Array, dx: Array, dy: Array) -> Array:
    """How steep edges are, how much is flat, and whether one direction rules."""
    across, down = np.abs(dx).mean() + 1e-3, np.abs(dy).mean() + 1e-3
    eighths = _eighths(dy, np.where(dy == 0, np.abs(dx), dx))  # level is level, up- or downhill
    parts = np.bincount(eighths.ravel() % 4, weights=slope.ravel(), minlength=4)
    return np.array(
        [
            *np.log(_quantiles(np.minimum(slope, 1.0), (0.25, 0.5, 0.75, 0.9, 0.98)) + 2e-3),
            (slope < 0.008).mean(),
            (slope > 0.2).mean(),
            np.log(across / down),
            _entropy(parts / (parts.sum() + 1e-6)),
        ]
    )


def _layout(luma: Array, chroma: Array, slope: Array) -> Array:
    """Centre against border in brightness, colour and detail; left against right."""
    centre, border = _zones()
    inner, outer = centre[:-1, :-1], border[:-1, :-1]
    return np.array(
        [
            luma[centre].mean() - luma[border].mean(),
            chroma[centre].mean() - chroma[border].mean(),
            np.log((slope[inner].mean() + 1e-3) / (slope[outer].mean() + 1e-3)),
            np.abs(luma - luma[:, ::-1]).mean(),
        ]
    )


@cache
def _zones() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    radius = np.hypot(x, y)
    return radius < 0.6, radius > 1.05


def _lines(luma: Array) -> Array:
    """How much thin dark and thin light there is, as a pen or a scratch would leave."""
    closed = _rank(_rank(luma, np.maximum), np.minimum)
    opened = _rank(_rank(luma, np.minimum), np.maximum)
    return np.array([(closed - luma).mean(), (luma - opened).mean()])


def _rank(plane: Array, pick: np.ufunc) -> Array:
    """Return the largest or the smallest of each 5 × 5 neighbourhood, edges mirrored.

    The same as SciPy's rank filters, which take ten times as long.
    """
    for _ in range(2):
        wide = np.pad(plane, ((2, 2), (0, 0)), mode="symmetric")
        two = pick(wide[:-1], wide[1:])
        plane = pick(pick(two[:-3], two[2:-1]), wide[4:]).T
    return plane


def _quantiles(values: Array, levels: tuple[float, ...]) -> Array:
    """Return quantiles of values in [0, 1], to 1/1024: a histogram is far quicker than a sort."""
    counts = np.bincount((values * (_BINS - 1)).astype(np.intp).ravel(), minlength=_BINS)
    total = counts.cumsum()
    reached: Array = np.searchsorted(total, np.array(levels) * total[-1]) / (_BINS - 1)
    return reached


def _entropy(parts: NDArray[np.float64]) -> float:
    return float(-(parts * np.log(parts + 1e-9)).sum())
