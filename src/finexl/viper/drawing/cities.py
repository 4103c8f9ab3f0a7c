"""Query pictures of towns: towers, arcades, blocks, cottages, a cathedral."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from finexl.operators import raster as r
from finexl.viper.drawing.canvas import (
    Canvas,
    Raster,
    coordinates,
    darker,
    flat,
    floats,
    glow,
    gradient,
    lit,
)


def neon_city(size: int, rng: Generator) -> Raster:
    """Draw towers at night, their signs mirrored in a wet street."""
    x, y = coordinates(size)
    picture = lit(
        gradient(y, "#0a0618", "#1c0f3a", "#3a1450"), glow(x, y, (0.5, 0.62), 0.3), "#ff3fa4", 0.35
    )
    board = Canvas(picture)
    for depth in range(4):
        at = -0.05
        while at < 1.05:
            wide, tall = rng.uniform(0.06, 0.15), rng.uniform(0.2, 0.5) * (1.25 - 0.14 * depth)
            middle = abs(at + wide / 2 - 0.5)
            tall *= 0.55 + 1.2 * middle if depth > 1 else 1
            top = 0.72 - tall
            board.box(
                (at, top), (at + wide, 0.74), ("#241548", "#1a0f38", "#120a28", "#0a0618")[depth]
            )
            for row in np.arange(top + 0.02, 0.7, 0.022):
                for column in np.arange(at + 0.01, at + wide - 0.008, 0.016):
                    if rng.random() < 0.3:
                        tint = str(rng.choice(("#ffd36b", "#6bd7ff", "#ff6bd0", "#fff2c9")))
                        board.box(
                            (column, row), (column + 0.007, row + 0.01), tint, 0.35 + 0.2 * depth
                        )
            if depth > 1 and rng.random() < 0.8:
                tint = str(rng.choice(("#ff2f92", "#18e0ff", "#b04bff", "#ffe14b")))
                left = at + rng.uniform(0.1, 0.5) * wide
                board.box(
                    (left, top + 0.06), (left + 0.022, top + 0.06 + rng.uniform(0.08, 0.18)), tint
                )
            at += wide + rng.uniform(-0.01, 0.03)
    picture = board.raster()
    bright = np.clip(picture - 0.45, 0, 1)
    picture = np.asarray(
        r.screen(picture, np.clip(2.2 * r.blur(bright, 0.016 * size), 0, 1)), np.float32
    )
    ground = int(0.73 * size)
    rows = np.clip(ground - 1 - (np.arange(size - ground) * 1.6).astype(int), 0, size - 1)
    sway = (0.012 * size * np.sin(np.arange(size - ground) * 0.9 + 3 * rng.random())).astype(int)
    wet = np.stack([np.roll(picture[row], shift, 0) for row, shift in zip(rows, sway, strict=True)])
    picture[ground:] = np.asarray(r.blur(wet, 0.006 * size)) * 0.75
    return picture


def avenue(
    size: int, rng: Generator, sky: tuple[str, ...], wall: tuple[str, str], floor: tuple[str, str]
) -> Raster:
    """Draw an arcade in one-point perspective over a checkered floor."""
    del rng
    _, y = coordinates(size)
    board = Canvas(gradient(y * 1.8, *sky))
    center = (0.5, 0.45)

    def at(px: float, py: float, far: float) -> tuple[float, float]:
        scale = 1 / (1 + far)
        return center[0] + (px - center[0]) * scale, center[1] + (py - center[1]) * scale

    steps = [0.5 * k for k in range(18)]
    for far, further in zip(steps[-2::-1], steps[:0:-1], strict=True):
        for k in range(8):
            left, right = -0.9 + 0.35 * k, -0.9 + 0.35 * (k + 1)
            dark = (k + int(far * 2)) % 2
            board.polygon(
                [
                    at(left, 1.15, far),
                    at(right, 1.15, far),
                    at(right, 1.15, further),
                    at(left, 1.15, further),
                ],
                floor[dark],
            )
    for side in (-1, 1):
        edge = 0.5 + side * 0.62
        for far, further in zip(steps[-2::-1], steps[:0:-1], strict=True):
            fade = min(1.0, 0.25 + far / 7)
            board.polygon(
                [
                    at(edge, 1.15, far),
                    at(edge, 1.15, further),
                    at(edge, -0.6, further),
                    at(edge, -0.6, far),
                ],
                wall[0],
            )
            inner = [at(edge, 1.15, far + (0.1 + 0.8 * t) * 0.5) for t in (0, 1)]
            arch = []
            for t in np.linspace(0, 1, 16):
                depth = far + (0.12 + 0.76 * t) * 0.5
                arch.append(at(edge, 0.32 - 0.24 * np.sin(np.pi * t), depth))
            board.polygon([inner[0], *arch, inner[1]], wall[1])
            board.polygon([inner[0], *arch[:3], at(edge, 1.15, far + 0.1)], "#fff4dc", 0.35)
            board.polygon(
                [
                    at(edge, 1.15, far),
                    at(edge, 1.15, further),
                    at(edge, -0.6, further),
                    at(edge, -0.6, far),
                ],
                sky[-1],
                0.5 * fade - 0.12 if fade > 0.3 else 0.0,
            )
            shade = [
                at(edge, 1.15, far + 0.1),
                at(edge, 1.15, far + 0.4),
                at(edge - side * 0.75, 1.15, far + 0.7),
                at(edge - side * 0.75, 1.15, far + 0.4),
            ]
            if side > 0:
                board.polygon(shade, "#2b1d3a", 0.28)
    figure = at(0.56, 1.15, 3.2)
    board.line([figure, (figure[0], figure[1] - 0.05)], "#2b1d3a", 0.012)
    board.ellipse((figure[0], figure[1] - 0.065), 0.011, fill="#2b1d3a")
    board.polygon(
        [
            figure,
            (figure[0] + 0.01, figure[1]),
            (figure[0] - 0.16, figure[1] + 0.05),
            (figure[0] - 0.18, figure[1] + 0.045),
        ],
        "#2b1d3a",
        0.55,
    )
    return board.raster()


def blocks(size: int, rng: Generator, sky: str, tops: tuple[str, ...]) -> Raster:
    """Draw a city of blocks seen from above and aside, without any vanishing point."""
    board = Canvas(flat(size, sky))
    unit = 0.075
    for row in range(-3, 22):
        for column in range(9):
            at = ((column + 0.5 * (row % 2)) * 2 * unit * 0.87 - 0.05, row * unit * 0.5 + 0.2)
            tall = rng.choice((0.02, 0.05, 0.09, 0.14, 0.2), p=(0.3, 0.3, 0.2, 0.12, 0.08))
            tint = str(rng.choice(tops))
            _cube(board, at, unit * 0.87, tall, tint, rng)
    return board.raster()


def _cube(
    board: Canvas, at: tuple[float, float], half: float, tall: float, tint: str, rng: Generator
) -> None:
    x, y = at
    roof = [
        (x, y - half / 2 - tall),
        (x + half, y - tall),
        (x, y + half / 2 - tall),
        (x - half, y - tall),
    ]
    board.polygon(
        [(x - half, y - tall), (x, y + half / 2 - tall), (x, y + half / 2), (x - half, y)],
        darker(tint, 0.78),
    )
    board.polygon(
        [(x + half, y - tall), (x, y + half / 2 - tall), (x, y + half / 2), (x + half, y)],
        darker(tint, 0.55),
    )
    board.polygon(roof, tint)
    for k in range(int(tall / 0.03)):
        for j in range(3):
            if rng.random() < 0.75:
                t = (j + 0.7) / 3.6
                left = (x - half + t * half, y - tall + 0.014 + 0.03 * k + t * half / 2)
                board.polygon(
                    [
                        left,
                        (left[0] + 0.011, left[1] + 0.0055),
                        (left[0] + 0.011, left[1] + 0.018),
                        (left[0], left[1] + 0.0125),
                    ],
                    "#fff6da",
                    0.85,
                )


def village(size: int, rng: Generator) -> Raster:
    """Draw gay little houses in a row upon hills, as a child would place them."""
    _, y = coordinates(size)
    board = Canvas(gradient(y, "#7cc4f0", "#cbeafc"))
    board.ellipse((0.84, 0.15), 0.085, fill="#ffd84a")
    for k in range(16):
        points = [
            (0.84 + reach * np.cos(k * np.pi / 8), 0.15 + reach * np.sin(k * np.pi / 8))
            for reach in (0.1, 0.135)
        ]
        board.line(points, "#ffd84a", 0.009)
    for cloud in ((0.2, 0.13), (0.5, 0.2)):
        for k in range(4):
            board.ellipse(
                (cloud[0] + 0.045 * k, cloud[1] - 0.015 * (k % 2)), 0.04, 0.032, "#ffffff"
            )
    walls = ("#f25f5c", "#ffe066", "#f7f7f2", "#70c1b3", "#f4a6c0", "#ff9f5a", "#9d8df1")
    for hill, (down, green) in enumerate(((0.48, "#8fce5a"), (0.66, "#6fb548"), (0.85, "#4f9a3c"))):
        board.ellipse((0.25 + 0.3 * hill, down + 0.55), 1.0, 0.58, green)
        for k in range(6 - hill):
            wide = 0.1 + 0.025 * hill
            at = 0.03 + k * (0.165 + 0.035 * hill) + rng.uniform(-0.01, 0.01)
            dx = at + wide / 2 - 0.25 - 0.3 * hill
            foot = down + 0.55 - 0.58 * np.sqrt(max(0.05, 1 - dx * dx)) + 0.04
            top = foot - wide * rng.uniform(0.85, 1.2)
            board.box((at, top), (at + wide, foot), walls[(k + 3 * hill) % 7])
            board.polygon(
                [(at - 0.012, top), (at + wide / 2, top - 0.075), (at + wide + 0.012, top)],
                ("#8c3b2e", "#3b4a7a", "#5a3d2b")[(k + hill) % 3],
            )
            board.box((at + wide * 0.4, foot - wide * 0.45), (at + wide * 0.62, foot), "#5a3d2b")
            for px in (0.15, 0.7):
                board.box(
                    (at + wide * px, top + wide * 0.16),
                    (at + wide * (px + 0.18), top + wide * 0.36),
                    "#bfe8ff",
                )
        for _ in range(9):
            at, foot = rng.uniform(0, 1), down + rng.uniform(0.06, 0.14)
            board.line([(at, foot), (at, foot - 0.035)], "#6b4226", 0.008)
            board.ellipse((at, foot - 0.055), 0.026, fill="#2f7d3a")
            for _ in range(3):
                board.ellipse(
                    (at + rng.uniform(-0.015, 0.015), foot - 0.055 + rng.uniform(-0.015, 0.015)),
                    0.004,
                    fill="#e8383b",
                )
    return board.raster()


def cathedral(size: int, rng: Generator, glass: tuple[str, ...], stone: str) -> Raster:
    """Draw a rose window and lancets in a dark wall, their light on the floor."""
    del rng
    _, y = coordinates(size)
    board = Canvas(gradient(y, stone, "#0c0a12"))
    center = (0.5, 0.34)
    board.ellipse(center, 0.285, fill="#07060b")
    for ring, n, inner, outer in ((0, 24, 0.2, 0.27), (1, 12, 0.11, 0.19), (2, 6, 0.03, 0.1)):
        for k in range(n):
            a, b = 2 * np.pi * (k + 0.06) / n, 2 * np.pi * (k + 0.94) / n
            along = np.linspace(a, b, 8)
            rims = [(outer, t) for t in along] + [(inner, t) for t in along[::-1]]
            pane = [(center[0] + far * np.cos(t), center[1] + far * np.sin(t)) for far, t in rims]
            board.polygon(pane, glass[(k + ring) % len(glass)])
            middle = (
                center[0] + (inner + outer) / 2 * np.cos((a + b) / 2),
                center[1] + (inner + outer) / 2 * np.sin((a + b) / 2),
            )
            board.ellipse(middle, 0.2 * (outer - inner), fill=glass[(k + ring + 2) % len(glass)])
    board.ellipse(center, 0.026, fill="#ffe7a0")
    for k in range(5):
        at = 0.17 + 0.165 * k
        arch = [(at + 0.05 * np.cos(t), 0.74 - 0.09 * np.sin(t)) for t in np.linspace(0, np.pi, 20)]
        board.polygon([(at + 0.05, 0.92), *arch, (at - 0.05, 0.92)], "#07060b")
        for j in range(7):
            tint = glass[(j * 2 + k) % len(glass)]
            board.polygon(
                [
                    (at - 0.04, 0.905 - 0.027 * j),
                    (at + 0.04, 0.905 - 0.027 * j),
                    (at + 0.04, 0.883 - 0.027 * j),
                    (at - 0.04, 0.883 - 0.027 * j),
                ],
                tint,
                0.9,
            )
    picture = board.raster()
    bright = np.clip(picture - 0.3, 0, 1)
    return floats(r.screen(picture, np.clip(1.6 * r.blur(bright, 0.03 * size), 0, 1)))
