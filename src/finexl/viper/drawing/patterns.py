"""Query pictures of patterns, and of what they do to the eye."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from finexl.viper.drawing.canvas import (
    Canvas,
    Raster,
    circle_points,
    coordinates,
    darker,
    disc,
    flat,
    floats,
    gradient,
    lit,
    over,
)


def bulge(size: int, rng: Generator) -> Raster:
    """Draw a black and white checkerboard that swells out of the picture."""
    del rng
    x, y = (c - 0.5 for c in coordinates(size * 2))
    away = np.hypot(x + 0.06, y + 0.04)
    lens = np.where(away < 0.38, 0.45 + 0.55 * (away / 0.38) ** 2, 1.0)
    u, v = (x + 0.06) * lens, (y + 0.04) * lens
    tone = ((np.floor(u * 17 + 0.5) + np.floor(v * 17 + 0.5)) % 2).astype(np.float32)
    small = tone.reshape(size, 2, size, 2).mean(axis=(1, 3))
    return gradient(small, "#0b0b0d", "#f7f7f4")


def fractal(size: int, rng: Generator, stops: tuple[str, ...]) -> Raster:
    """Draw a Julia set, its escape smoothly colored."""
    del rng
    x, y = coordinates(size)
    z = ((x - 0.5) * 2.7 + 1j * (y - 0.5) * 2.7).astype(np.complex64)
    steps = np.zeros((size, size), np.float32)
    alive = np.ones((size, size), bool)
    for k in range(140):
        z[alive] = z[alive] ** 2 + np.complex64(-0.745 + 0.113j)
        gone = alive & (np.abs(z) > 8)
        steps[gone] = k + 1 - np.log2(np.log(np.abs(z[gone])) / np.log(8))
        alive &= ~gone
    t = np.where(alive, 0, 0.5 - 0.5 * np.cos(np.pi * np.clip(steps / 140, 0, 1) ** 0.45 * 1.6))
    picture = gradient(np.asarray(t, np.float32), *stops)
    return over(picture, alive.astype(np.float32), stops[0])


def mandala(size: int, rng: Generator, ground: str, colors: tuple[str, ...]) -> Raster:
    """Draw ring upon ring of petals round one center."""
    del rng
    x, y = coordinates(size)
    board = Canvas(lit(flat(size, ground), disc(x, y, (0.5, 0.5), 0.5, 0.5), colors[0], 0.12))
    for ring in range(9, 0, -1):
        reach, n = 0.05 * ring, (8, 12, 16, 24)[ring % 4]
        for k, base in enumerate(circle_points((0.5, 0.5), reach * 0.62, n, 0.5 / n * (ring % 2))):
            tip = circle_points((0.5, 0.5), reach * 1.02, n, 0.5 / n * (ring % 2))[k]
            dx, dy = tip[0] - base[0], tip[1] - base[1]
            wide = np.pi * reach / n * 0.95
            long = float(np.hypot(dx, dy)) or 1.0
            side = (-dy / long * wide, dx / long * wide)
            petal = []
            for t in np.linspace(0, 1, 14):
                fat = np.sin(np.pi * t**0.8)
                petal.append((base[0] + dx * t + side[0] * fat, base[1] + dy * t + side[1] * fat))
            for t in np.linspace(1, 0, 14):
                fat = np.sin(np.pi * t**0.8)
                petal.append((base[0] + dx * t - side[0] * fat, base[1] + dy * t - side[1] * fat))
            board.polygon(petal, colors[ring % len(colors)])
            board.line([*petal, petal[0]], darker(colors[ring % len(colors)], 0.45), 0.0022)
            board.ellipse(
                (base[0] + 0.62 * dx, base[1] + 0.62 * dy),
                wide * 0.28,
                fill=colors[(ring + 2) % len(colors)],
            )
    board.ellipse((0.5, 0.5), 0.03, fill=colors[1], outline=darker(colors[1], 0.4), width=0.004)
    return board.raster()


def stars(size: int, rng: Generator, colors: tuple[str, ...]) -> Raster:
    """Draw a lattice of eight-pointed stars and crosses, as on a tiled wall."""
    del rng
    board = Canvas(flat(size, colors[3]))
    unit = 0.25
    for row in range(-1, 6):
        for column in range(-1, 6):
            at = ((column + 0.5) * unit, (row + 0.5) * unit)
            for radius, tint, turn in ((0.5, colors[0], 0.0), (0.5, colors[0], 0.125)):
                board.polygon(circle_points(at, radius * unit, 4, turn), tint)
            for radius, tint in ((0.4, colors[1]), (0.32, colors[2])):
                for turn in (0.0, 0.125):
                    board.polygon(circle_points(at, radius * unit, 4, turn), tint)
            star = [
                p
                for pair in zip(
                    circle_points(at, 0.2 * unit, 8),
                    circle_points(at, 0.11 * unit, 8, 1 / 16),
                    strict=True,
                )
                for p in pair
            ]
            board.polygon(star, colors[1])
            board.ellipse(at, 0.045 * unit, fill=colors[0])
            corner = (at[0] + unit / 2, at[1] + unit / 2)
            board.polygon(circle_points(corner, 0.17 * unit, 4), colors[2])
            board.polygon(circle_points(corner, 0.1 * unit, 4), colors[0])
    return board.raster()


def fans(size: int, rng: Generator, ground: str, gold: str) -> Raster:
    """Draw fans and rays in gold on dark, as on a cinema of the 1920s."""
    del rng
    board = Canvas(flat(size, ground))
    unit = 0.2
    for row in range(9, -2, -1):
        for column in range(-1, 7):
            at = ((column + 0.5 * (row % 2)) * unit, 1.06 - row * unit * 0.5)
            for k, reach in enumerate((0.5, 0.43, 0.36, 0.29, 0.22, 0.13)):
                board.ellipse(at, reach * unit, fill=ground)
                board.ellipse(at, reach * unit, outline=gold, width=0.0045 if k % 2 == 0 else 0.002)
            for a in np.linspace(np.pi * 1.08, np.pi * 1.92, 7):
                board.line(
                    [
                        (at[0] + 0.14 * unit * np.cos(a), at[1] + 0.14 * unit * np.sin(a)),
                        (at[0] + 0.35 * unit * np.cos(a), at[1] + 0.35 * unit * np.sin(a)),
                    ],
                    gold,
                    0.003,
                )
    for a in np.linspace(-0.95, 0.95, 15):
        board.polygon(
            [
                (0.5, 0.62),
                (0.5 + 0.6 * np.sin(a - 0.022), 0.62 - 0.6 * np.cos(a - 0.022)),
                (0.5 + 0.6 * np.sin(a + 0.022), 0.62 - 0.6 * np.cos(a + 0.022)),
            ],
            gold,
            0.95,
        )
    for reach, tint in (
        (0.2, ground),
        (0.185, gold),
        (0.17, ground),
        (0.15, "#0f5c5c"),
        (0.1, gold),
        (0.085, ground),
    ):
        arc = [
            (0.5 + reach * np.cos(t), 0.62 - reach * np.sin(t)) for t in np.linspace(0, np.pi, 40)
        ]
        board.polygon(arc, tint)
    board.box((0.22, 0.62), (0.78, 0.64), gold)
    return board.raster()


def quilt(size: int, rng: Generator, colors: tuple[str, ...]) -> Raster:
    """Draw patchwork: triangles of printed cloth, sewn together."""
    board, n = Canvas(flat(size, "#efe6d2")), 7
    for row in range(n):
        for column in range(n):
            a, b = column / n, row / n
            c, d = a + 1 / n, b + 1 / n
            one, two = rng.choice(len(colors), 2, replace=False)
            corners = [(a, b), (c, b), (c, d), (a, d)]
            if rng.random() < 0.5:
                halves = (
                    (corners[0], corners[1], corners[2]),
                    (corners[0], corners[2], corners[3]),
                )
            else:
                halves = (
                    (corners[0], corners[1], corners[3]),
                    (corners[1], corners[2], corners[3]),
                )
            for half, which in zip(halves, (one, two), strict=True):
                board.polygon(half, colors[which])
                middle = (sum(p[0] for p in half) / 3, sum(p[1] for p in half) / 3)
                for k in range(5):
                    for j in range(5):
                        at = (
                            middle[0] + (k - 2) * 0.012 + 0.006 * (j % 2),
                            middle[1] + (j - 2) * 0.012,
                        )
                        if which % 2:
                            board.ellipse(at, 0.0028, fill=colors[(which + 3) % len(colors)])
            for p, q in zip(corners, [*corners[1:], corners[0]], strict=True):
                for t in np.arange(0.05, 0.95, 0.1):
                    start = (p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1]))
                    end = (p[0] + (t + 0.05) * (q[0] - p[0]), p[1] + (t + 0.05) * (q[1] - p[1]))
                    board.line([start, end], "#fffaf0", 0.003)
    x, y = coordinates(size)
    weave = 1 + 0.05 * np.sin(x * size * 1.6) * np.sin(y * size * 1.6)
    return floats(np.clip(board.raster() * weave[..., None], 0, 1))
