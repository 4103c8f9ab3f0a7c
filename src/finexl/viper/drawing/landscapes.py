"""Query pictures of land, sea and sky."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from finexl.operators import raster as r
from finexl.viper.drawing.canvas import (
    Canvas,
    Raster,
    below,
    code_of,
    color,
    coordinates,
    disc,
    flat,
    glow,
    gradient,
    lit,
    over,
    ridge,
)


def mountains(
    size: int, rng: Generator, sky: tuple[str, ...], near: str, sun: str | None = None
) -> Raster:
    """Draw range behind range, each paler than the one before it."""
    x, y = coordinates(size)
    picture = gradient(y / 0.7, *sky)
    if sun is not None:
        at = (0.66, 0.34)
        picture = lit(picture, glow(x, y, at, 0.16), sun, 0.7)
        picture = over(picture, disc(x, y, at, 0.055), sun)
    far = picture[int(0.55 * size), size // 2]
    for k in range(6):
        depth = k / 5
        line = 0.46 + 0.09 * k + (0.13 - 0.008 * k) * ridge(size, rng, 0.53)
        tint = far + (color(near) - far) * np.float32(0.15 + 0.85 * depth**1.2)
        picture = over(picture, below(y, line), tint)
        mist = np.clip((y - line[None, :]) * 5, 0, 1) * below(y, line) * (0.4 * (1 - depth))
        picture = over(picture, mist.astype(np.float32), far)
    return picture


def sea(
    size: int, rng: Generator, sky: tuple[str, ...], water: tuple[str, ...], sun: str, at: float
) -> Raster:
    """Draw the sun over open water, and its light upon it."""
    x, y = coordinates(size)
    horizon = 0.55
    picture = gradient(y / horizon, *sky)
    bands = r.clouds((size, size), 0.5 * size, rng)
    stretched = bands[:, :: max(1, size // size)]
    high = np.clip((stretched - 0.5) * 2, 0, 1) * np.clip((horizon - y) * 4, 0, 1)
    picture = over(picture, (0.35 * high).astype(np.float32), sky[-1])
    picture = lit(picture, glow(x, y, (at, horizon - 0.1), 0.2), sun, 0.6)
    picture = over(picture, disc(x, y, (at, horizon - 0.1), 0.07), sun)
    depth = np.clip((y - horizon) / (1 - horizon), 0, 1)
    surface = gradient(depth, *water)
    phase = 60 / (0.06 + depth) + 5 * r.noise((size, size), 0.04 * size, rng)
    swell = np.sin(phase + 9 * x) * np.sin(0.37 * phase - 14 * x)
    surface = surface * (1 + 0.14 * swell[..., None])
    path = np.exp(-(((x - at) / (0.04 + 0.16 * depth)) ** 2)) * (swell > -0.1)
    surface = lit(surface.astype(np.float32), path.astype(np.float32), sun, 0.75)
    return over(picture, (y > horizon).astype(np.float32), surface)


def forest(size: int, rng: Generator, fog: str, trunk: str) -> Raster:
    """Draw bare trunks that fade into fog."""
    _, y = coordinates(size)
    picture = gradient(y, fog, fog, trunk) * 0.35 + flat(size, fog) * 0.65
    for k in range(5):
        depth = k / 4
        board = Canvas(picture)
        tint = color(fog) + (color(trunk) - color(fog)) * (0.12 + 0.88 * depth**1.5)
        code = code_of(tint)
        for _ in range(14 - 2 * k):
            at, wide = rng.uniform(-0.05, 1.05), (0.006 + 0.02 * depth) * rng.uniform(0.7, 1.4)
            lean, foot = rng.normal(0, 0.03), 0.72 + 0.3 * depth
            board.polygon(
                [(at - wide, foot), (at + lean - wide * 0.45, -0.05), (at + lean + wide * 0.45,
                 -0.05), (at + wide, foot)], code)  # fmt: skip
            for _ in range(7):
                up = rng.uniform(0.05, 0.75)
                side, reach = rng.choice((-1, 1)), rng.uniform(0.04, 0.13) * (0.5 + depth)
                start = (at + lean * (1 - up / foot), up)
                middle = (start[0] + side * reach * 0.5, up - 0.25 * reach)
                board.line([start, middle, (start[0] + side * reach, up - reach)], code,
                           0.002 + 0.003 * depth)  # fmt: skip
        board.polygon([(0, 0.72 + 0.28 * depth), (1, 0.7 + 0.3 * depth), (1, 1), (0, 1)], code, 0.5)
        picture = board.raster()
        picture = picture + (color(fog) - picture) * np.float32(0.18 * (1 - depth))
    return picture


def desert(size: int, rng: Generator, sky: tuple[str, ...], sand: tuple[str, str]) -> Raster:
    """Draw dunes, one side in light and the other in long shadow."""
    x, y = coordinates(size)
    picture = gradient(y / 0.5, *sky)
    picture = over(picture, disc(x, y, (0.22, 0.2), 0.06), "#fff4d8")
    light, dark = color(sand[0]), color(sand[1])
    for k in range(5):
        knots = rng.uniform(-1, 1, 5)
        wave = np.interp(np.linspace(0, 4, size), range(5), knots)
        smooth = np.asarray(r.blur(np.tile(wave.astype(np.float32), (3, 1)), size * 0.06))[1]
        line = (0.4 + 0.12 * k + 0.07 * smooth).astype(np.float32)
        slope = np.gradient(line) * size
        facing = 1 / (1 + np.exp(-9 * (slope + 0.06)))
        ripple = 0.03 * np.sin(250 * (y - line[None, :]) + 25 * x + 3 * k)
        shade = np.clip(facing[None, :] + ripple + 0.6 * (y - line[None, :]), 0, 1)[..., None]
        picture = over(picture, below(y, line), (dark + (light - dark) * shade).astype(np.float32))
    return picture


def lake_at_night(size: int, rng: Generator) -> Raster:
    """Draw the moon, stars, black hills and their reflection."""
    x, y = coordinates(size)
    sky = gradient(y / 0.6, "#050a1e", "#12224a", "#2f4a7d")
    stars = rng.random((size, size)) > 0.9985
    sky = lit(sky, np.asarray(r.blur(stars.astype(np.float32) * 3, 0.7), np.float32), "#ffffff")
    at = (0.62, 0.2)
    sky = lit(sky, glow(x, y, at, 0.13), "#9fb8e8", 0.8)
    sky = over(sky, disc(x, y, at, 0.06), "#f4f1de")
    sky = over(sky, 0.5 * disc(x, y, (0.6, 0.185), 0.013, 0.01), "#d8d3bd")
    sky = over(sky, 0.5 * disc(x, y, (0.635, 0.215), 0.018, 0.012), "#d8d3bd")
    for height, tint in ((0.5, "#1a2b52"), (0.55, "#0c1731")):
        sky = over(sky, below(y, height + 0.07 * ridge(size, rng, 0.55)), tint)
    shore = int(0.62 * size)
    rows = np.clip(shore - (np.arange(shore, size) - shore), 0, shore - 1)
    ripple = (
        3 * np.sin(np.arange(shore, size) * 0.8) * np.linspace(0.2, 2.2, size - shore)
    ).astype(int)
    water = np.stack([np.roll(sky[row], shift, 0) for row, shift in zip(rows, ripple, strict=True)])
    sky[shore:] = water * np.array([0.62, 0.68, 0.8], np.float32)
    return sky


def galaxy(size: int, rng: Generator) -> Raster:
    """Draw a spiral of stars and clouds of gas."""
    x, y = coordinates(size)
    dx, dy = x - 0.5, (y - 0.5) * 1.5
    away, turn = np.hypot(dx, dy), np.arctan2(dy, dx)
    arms = 0.5 + 0.5 * np.cos(
        2 * turn - 9 * np.log(away + 0.05) + 1.5 * r.noise((size, size), 0.06 * size, rng)
    )
    dust = r.clouds((size, size), 0.3 * size, rng)
    light = np.exp(-away * 6.5) * (0.35 + 1.3 * arms * dust)
    gas = r.clouds((size, size), 0.5 * size, rng)
    picture = gradient(np.asarray(gas, np.float32), "#04030c", "#120a2a", "#2a1247")
    picture = lit(picture, np.asarray(light, np.float32), "#c59bff", 1.3)
    picture = lit(picture, np.asarray(np.exp(-away * 13), np.float32), "#ffe3b0", 1.0)
    picture = lit(picture, np.asarray(light * np.clip(gas - 0.5, 0, 1), np.float32), "#ff5f9e", 2.4)
    stars = (rng.random((size, size)) > 0.997) * rng.random((size, size)) ** 2
    return lit(
        picture, np.asarray(r.blur(stars.astype(np.float32) * 5, 0.6), np.float32), "#ffffff"
    )
