"""Query pictures of nothing but form: fields, bars, discs, paint, lines."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from finexl.operators import raster as r
from finexl.viper.drawing.canvas import (
    Canvas,
    Raster,
    color,
    coordinates,
    disc,
    flat,
    floats,
    gradient,
    lit,
    over,
    path,
    shaded,
)


def fields(size: int, rng: Generator, ground: str, colors: tuple[str, ...]) -> Raster:
    """Draw soft-edged fields of color, one above the other."""
    x, y = coordinates(size)
    picture = flat(size, ground)
    tops = np.linspace(0.07, 0.95, len(colors) + 1)
    rough = 0.012 * r.noise((size, size), 0.03 * size, rng)
    for k, tint in enumerate(colors):
        top, foot = tops[k] + 0.012, tops[k + 1] - 0.012
        inside = np.minimum(np.minimum(y - top, foot - y), np.minimum(x - 0.09, 0.91 - x)) + rough
        cover = np.clip(inside / 0.02 + 0.5, 0, 1) * (
            0.84 + 0.12 * r.noise((size, size), 0.09 * size, rng)
        )
        picture = over(picture, np.clip(cover, 0, 1).astype(np.float32), tint)
    return picture * shaded(size, rng, 0.004, 0.02)[..., None]


def grid(size: int, rng: Generator, colors: tuple[str, ...]) -> Raster:
    """Draw black bars on white and a few panes of pure color between them."""
    board = Canvas(flat(size, "#f5f2e8"))
    across, down = [0.0, 0.19, 0.62, 0.8, 1.0], [0.0, 0.3, 0.44, 0.78, 1.0]
    for column, row, tint in (
        (1, 0, colors[0]),
        (0, 3, colors[1]),
        (3, 3, colors[2]),
        (0, 1, "#f5f2e8"),
        (3, 1, colors[1]),
        (2, 2, "#dcd9d0"),
    ):
        board.box((across[column], down[row]), (across[column + 1], down[row + 1]), tint)
    for at in across[1:-1]:
        board.line([(at, -0.05), (at, 1.05)], "#111111", 0.022)
    for at in down[1:-1]:
        board.line([(-0.05, at), (1.05, at)], "#111111", 0.022)
    board.line([(0.4, 0.3), (0.4, 0.78)], "#111111", 0.022)
    return board.raster() * shaded(size, rng, 0.006, 0.008)[..., None]


def circles(size: int, rng: Generator, ground: str, colors: tuple[str, ...]) -> Raster:
    """Draw discs, bars and half circles in balance, as a school of design taught."""
    del rng
    board = Canvas(flat(size, ground))
    board.ellipse((0.4, 0.42), 0.27, fill=colors[0])
    half = [
        (0.4 + 0.27 * np.cos(t), 0.42 + 0.27 * np.sin(t))
        for t in np.linspace(-np.pi / 4, 3 * np.pi / 4, 50)
    ]
    board.polygon(half, colors[1])
    board.ellipse((0.4, 0.42), 0.1, fill=ground)
    board.ellipse((0.4, 0.42), 0.055, fill=colors[3])
    board.polygon(path("0.62,0.12 0.94,0.12 0.94,0.44"), colors[2])
    for k in range(6):
        board.box((0.62, 0.6 + 0.055 * k), (0.93 - 0.04 * k, 0.625 + 0.055 * k), colors[3])
    quarter = [
        (0.08, 0.94),
        *[
            (0.08 + 0.24 * np.sin(t), 0.94 - 0.24 * np.cos(t))
            for t in np.linspace(0, np.pi / 2, 30)
        ],
    ]
    board.polygon(quarter, colors[2])
    board.line([(0.04, 0.8), (0.97, 0.07)], colors[3], 0.009)
    board.line([(0.1, 0.84), (1.0, 0.13)], colors[1], 0.004)
    for row in range(4):
        for column in range(4):
            board.ellipse(
                (0.4 + 0.042 * column, 0.79 + 0.042 * row), 0.011, fill=colors[(row + column) % 2]
            )
    return board.raster()


def splatter(size: int, rng: Generator, ground: str, colors: tuple[str, ...]) -> Raster:
    """Draw poured and flung paint, layer over layer."""
    board = Canvas(flat(size, ground) * shaded(size, rng, 0.006, 0.02)[..., None])
    for k in range(90):
        tint = colors[k % len(colors)]
        at, way = rng.uniform(-0.1, 1.1, 2), rng.uniform(0, 2 * np.pi)
        points, turn = [], rng.normal(0, 0.12)
        for _ in range(int(rng.integers(15, 60))):
            points.append((float(at[0]), float(at[1])))
            way += turn + rng.normal(0, 0.22)
            at = at + 0.017 * np.array([np.cos(way), np.sin(way)])
        wide = rng.uniform(0.0015, 0.009)
        board.line(points, tint, wide)
        for point in points[:: int(rng.integers(3, 9))]:
            board.ellipse(
                (point[0] + rng.normal(0, 0.012), point[1] + rng.normal(0, 0.012)),
                wide * rng.uniform(0.4, 1.5),
                fill=tint,
            )
    for _ in range(650):
        middle = rng.uniform(0, 1, 2)
        board.ellipse(
            (float(middle[0]), float(middle[1])),
            0.0012 + 0.007 * rng.random() ** 4,
            fill=str(rng.choice(colors)),
        )
    return board.raster()


def flow(size: int, rng: Generator, ground: str, colors: tuple[str, ...]) -> Raster:
    """Draw long lines that follow one smooth current."""
    n = 64
    field = np.asarray(r.noise((n, n), 0.45 * n, rng)) * 1.7
    board = Canvas(flat(size, ground))
    for k in range(560):
        at, points = rng.uniform(-0.05, 1.05, 2), []
        for _ in range(46):
            points.append((float(at[0]), float(at[1])))
            cell = np.clip((at * n).astype(int), 0, n - 1)
            angle = field[cell[1], cell[0]] + 0.6
            at = at + 0.013 * np.array([np.cos(angle), np.sin(angle)])
        board.line(points, colors[k % len(colors)], rng.uniform(0.0012, 0.006))
    return board.raster()


def paper_layers(size: int, rng: Generator, colors: tuple[str, ...]) -> Raster:
    """Draw sheets of cut paper, each throwing a soft shadow on the one below."""
    x, y = coordinates(size)
    picture = flat(size, colors[-1])
    dx, dy = x - 0.5, y - 0.5
    angle, away = np.arctan2(dy, dx), np.hypot(dx, dy)
    for k, tint in enumerate(colors[::-1]):
        wave = sum(
            rng.normal(0, 0.03 / m) * np.cos(m * angle + rng.uniform(0, 6)) for m in (2, 3, 5, 7)
        )
        hole = 0.1 + 0.065 * (k + 0.2) + wave
        sheet = np.clip((away - hole) * size / 2 + 0.5, 0, 1).astype(np.float32)
        shadow = np.asarray(
            r.blur(np.roll(sheet, (int(0.012 * size), int(0.008 * size)), (0, 1)), 0.014 * size)
        )
        picture = picture * (1 - 0.45 * shadow[..., None])
        picture = over(
            picture.astype(np.float32),
            sheet,
            color(tint) * shaded(size, rng, 0.004, 0.012)[..., None],
        )
    return picture


def contours(size: int, rng: Generator, stops: tuple[str, ...], ink: str) -> Raster:
    """Draw a map of heights: bands of color and fine lines between them."""
    height = np.asarray(r.even(np.asarray(r.noise((size * 2, size * 2), 0.55 * size, rng))))
    band = height * 16
    edge = np.abs(band % 1 - 0.5) < 0.06
    thick = edge & (np.floor(band - 0.5) % 4 == 0)
    picture = gradient((np.floor(band) / 16).astype(np.float32), *stops)
    picture = over(picture, (0.55 * edge + 0.4 * thick).astype(np.float32).clip(0, 1), ink)
    return floats(picture.reshape(size, 2, size, 2, 3).mean(axis=(1, 3)))


def impossible(size: int, rng: Generator, ground: str, colors: tuple[str, str, str]) -> Raster:
    """Draw a triangle of three beams that cannot be.

    Three lines bound the hole; each beam is the outer strip along one side of it and turns into the
    inner strip along the next.
    """
    del rng
    x, y = coordinates(size)
    board = Canvas(lit(flat(size, ground), disc(x, y, (0.5, 0.5), 0.55, 0.6), "#ffffff", 0.5))
    sides = [(np.cos(a), np.sin(a)) for a in np.pi / 2 + 2 * np.pi * np.arange(3) / 3]

    def meet(i: int, a: float, j: int, b: float) -> tuple[float, float]:
        """Return where the lines so many strips outside of sides i and j meet."""
        normals = np.array([sides[i % 3], sides[j % 3]])
        found = np.linalg.solve(normals, 0.06 + 0.085 * np.array([a, b]))
        return 0.5 + float(found[0]), 0.57 + float(found[1])

    def cut(i: int, j: int, a: float) -> tuple[float, float]:
        """Return where side i's line a is cut off before its corner with side j."""
        return meet(i, a, 3 - i % 3 - j % 3, -3.4)

    for i in range(3):
        j, k = i + 1, i + 2
        beam = [
            cut(i, k, 2),
            meet(i, 2, j, 1),
            meet(j, 1, k, 0),
            meet(j, 0, k, 0),
            meet(j, 0, i, 1),
            cut(i, k, 1),
        ]
        board.polygon(beam, colors[i])
        board.line([*beam, beam[0]], "#1b1b1e", 0.004)
    return board.raster()
