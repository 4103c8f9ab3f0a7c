"""Query pictures of places where something may happen, or has."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from finexl.operators import raster as r
from finexl.viper.drawing.canvas import (
    Canvas,
    Raster,
    coordinates,
    disc,
    flat,
    glow,
    gradient,
    lit,
    over,
    path,
)


def synth_grid(size: int, rng: Generator) -> Raster:
    """Draw a banded sun over a glowing grid."""
    x, y = coordinates(size)
    picture = gradient(y / 0.6, "#12052e", "#3d0f63", "#ff5fa2")
    stars = (rng.random((size, size)) > 0.998) & (y < 0.4)
    picture = lit(
        picture, np.asarray(r.blur(stars.astype(np.float32) * 4, 0.6), np.float32), "#ffffff"
    )
    sun = disc(x, y, (0.5, 0.4), 0.21)
    bands = np.where(y > 0.36, ((y - 0.36) * 26) % 1 > np.clip((y - 0.34) * 3, 0, 0.7), True)
    picture = lit(picture, glow(x, y, (0.5, 0.4), 0.22), "#ff7a3d", 0.4)
    picture = over(
        picture,
        (sun * bands).astype(np.float32),
        gradient((y - 0.19) / 0.4, "#fff27a", "#ff9a3d", "#ff2f8e"),
    )
    ground = y > 0.6
    depth = 1 / np.clip(y - 0.6, 0.002, 1)
    across = np.abs(((x - 0.5) * depth * 0.55 + 0.5) % 1 - 0.5)
    along = np.abs((depth * 0.33) % 1 - 0.5)
    width = np.clip(0.02 + 0.0022 * depth, 0, 0.2)
    lines = np.clip(1 - np.minimum(across, along) / width, 0, 1) * np.clip((y - 0.6) * 9, 0.15, 1)
    floor = lit(
        gradient((y - 0.6) / 0.4, "#2a0a4a", "#0d0420"), np.asarray(lines, np.float32), "#28e7ff"
    )
    floor = lit(
        floor,
        np.asarray(r.blur(np.asarray(lines, np.float32), 0.008 * size), np.float32),
        "#c04bff",
        0.8,
    )
    picture = over(picture, ground.astype(np.float32), floor)
    board = Canvas(picture)
    for side in (-1, 1):
        tops = [
            (0.5 + side * (0.5 - 0.055 * k), 0.6 - (0.17 - 0.02 * k) * rng.uniform(0.4, 1))
            for k in range(7)
        ]
        peaks = [(0.5 + side * 0.5, 0.6), *tops, (0.5 + side * 0.12, 0.6)]
        board.polygon(peaks, "#1a0736")
        board.line(peaks[1:], "#28e7ff", 0.003)
    return board.raster()


def noir_street(size: int, rng: Generator) -> Raster:
    """Draw a lamp, a man, and their long shadows, in black and white."""
    del rng
    x, y = coordinates(size)
    tone = (
        0.05
        + 0.75 * glow(x, y, (0.66, 0.3), 0.2)
        + 0.5 * glow(x, 0.5 + (y - 0.78) * 2.4, (0.6, 0.5), 0.22)
    )
    bricks = ((y * 34) % 1 < 0.1) | (((x * 17 + 0.5 * (np.floor(y * 34) % 2)) % 1) < 0.05)
    tone = np.where(y < 0.66, tone * np.where(bricks, 0.72, 1.0) * 0.8, tone)
    slats = (y < 0.5) & (x < 0.34) & (x > 0.1) & (y > 0.12)
    tone = np.where(slats, np.where(((y + 0.1 * x) * 30) % 1 < 0.5, 0.85, 0.08), tone)
    board = Canvas(np.repeat(np.clip(tone, 0, 1)[..., None], 3, 2).astype(np.float32))
    board.line([(0.66, 0.9), (0.66, 0.24)], "#050505", 0.014)
    board.polygon(path("0.61,0.25 0.71,0.25 0.68,0.18 0.64,0.18"), "#050505")
    board.ellipse((0.66, 0.265), 0.03, 0.025, "#fffdf2")
    man, foot = 0.4, 0.84
    board.polygon(
        [
            (man - 0.045, foot),
            (man - 0.06, foot - 0.24),
            (man - 0.02, foot - 0.28),
            (man + 0.04, foot - 0.27),
            (man + 0.065, foot - 0.22),
            (man + 0.05, foot),
        ],
        "#060606",
    )
    board.ellipse((man + 0.01, foot - 0.3), 0.028, 0.035, "#060606")
    board.ellipse((man + 0.008, foot - 0.325), 0.065, 0.013, "#060606")
    board.polygon(
        [
            (man - 0.03, foot - 0.33),
            (man + 0.045, foot - 0.33),
            (man + 0.035, foot - 0.375),
            (man - 0.02, foot - 0.375),
        ],
        "#060606",
    )
    board.polygon(
        [(man - 0.045, foot), (man + 0.05, foot), (man - 0.3, 1.0), (man - 0.52, 1.0)],
        "#050505",
        0.85,
    )
    board.polygon(path("0.653,0.9 0.667,0.9 0.72,1 0.69,1"), "#050505", 0.8)
    return board.raster()


def plan(size: int, rng: Generator) -> Raster:
    """Draw a house's front, measured out in white lines on blue."""
    del rng
    x, y = coordinates(size)
    picture = flat(size, "#12467f")
    mesh = ((x * 26) % 1 < 0.06) | ((y * 26) % 1 < 0.06)
    board = Canvas(over(picture, 0.16 * mesh.astype(np.float32), "#ffffff"))
    ink = "#eaf3ff"

    def frame(a: tuple[float, float], b: tuple[float, float], width: float = 0.004) -> None:
        board.line([a, (b[0], a[1]), b, (a[0], b[1]), a], ink, width)

    frame((0.2, 0.42), (0.8, 0.78), 0.006)
    board.line(path("0.14,0.42 0.5,0.18 0.86,0.42 0.14,0.42"), ink, 0.006)
    board.ellipse((0.5, 0.33), 0.045, outline=ink, width=0.004)
    board.line([(0.455, 0.33), (0.545, 0.33)], ink, 0.003)
    board.line([(0.5, 0.285), (0.5, 0.375)], ink, 0.003)
    frame((0.45, 0.56), (0.55, 0.78))
    for at in (0.26, 0.62):
        frame((at, 0.52), (at + 0.12, 0.66))
        board.line([(at + 0.06, 0.52), (at + 0.06, 0.66)], ink, 0.003)
        board.line([(at, 0.59), (at + 0.12, 0.59)], ink, 0.003)
    board.line([(0.2, 0.85), (0.8, 0.85)], ink, 0.003)
    board.line([(0.91, 0.18), (0.91, 0.78)], ink, 0.003)
    for a, b in (
        ((0.2, 0.83), (0.2, 0.87)),
        ((0.8, 0.83), (0.8, 0.87)),
        ((0.89, 0.18), (0.93, 0.18)),
        ((0.89, 0.78), (0.93, 0.78)),
        ((0.5, 0.84), (0.5, 0.86)),
    ):
        board.line([a, b], ink, 0.003)
    board.line([(0.06, 0.78), (0.94, 0.78)], ink, 0.005)
    for k in range(24):
        board.line([(0.07 + 0.036 * k, 0.79), (0.05 + 0.036 * k, 0.81)], ink, 0.002)
    arc = [
        (0.5 + 0.3 * np.cos(t), 0.42 - 0.3 * np.sin(t)) for t in np.linspace(0.25, np.pi - 0.25, 50)
    ]
    for k in range(0, 49, 2):
        board.line([arc[k], arc[k + 1]], ink, 0.002)
    board.box((0.06, 0.9), (0.3, 0.96), "#12467f")
    frame((0.06, 0.9), (0.3, 0.96), 0.003)
    for k in range(3):
        board.line([(0.08, 0.915 + 0.015 * k), (0.2 + 0.03 * k, 0.915 + 0.015 * k)], ink, 0.003)
    return board.raster()


def window(size: int, rng: Generator) -> Raster:
    """Draw a warm room with a cat at a rainy window."""
    x, y = coordinates(size)
    picture = lit(
        gradient(x * 0.5 + y * 0.5, "#8a4f38", "#5d2f2c", "#3d1f24"),
        glow(x, y, (0.88, 0.5), 0.25),
        "#ffb35c",
        0.75,
    )
    board = Canvas(picture)
    board.box((0.14, 0.1), (0.7, 0.7), "#2b3b52")
    for _ in range(24):
        at = (rng.uniform(0.16, 0.68), rng.uniform(0.2, 0.66))
        board.ellipse(
            at,
            rng.uniform(0.012, 0.035),
            fill=str(rng.choice(("#f2c14e", "#f78154", "#7fb7d6", "#e8e4d8"))),
            alpha=0.35,
        )
    for _ in range(170):
        at = (rng.uniform(0.15, 0.69), rng.uniform(0.11, 0.66))
        board.line(
            [at, (at[0] + rng.uniform(-0.003, 0.003), at[1] + rng.uniform(0.006, 0.05))],
            "#cfe3f2",
            0.002,
            0.5,
        )
    for _ in range(120):
        board.ellipse(
            (rng.uniform(0.15, 0.69), rng.uniform(0.11, 0.69)),
            rng.uniform(0.002, 0.005),
            fill="#dcebf5",
            alpha=0.6,
        )
    for a, b in (
        ((0.12, 0.08), (0.15, 0.72)),
        ((0.69, 0.08), (0.72, 0.72)),
        ((0.12, 0.08), (0.72, 0.11)),
        ((0.405, 0.1), (0.435, 0.7)),
        ((0.14, 0.37), (0.7, 0.4)),
    ):
        board.box(a, b, "#e9d3b0")
    board.box((0.07, 0.7), (0.77, 0.75), "#d9bd92")
    cat = "#20161a"
    board.ellipse((0.53, 0.6), 0.075, 0.11, cat)
    board.ellipse((0.53, 0.46), 0.05, 0.045, cat)
    for side in (-1, 1):
        board.polygon(
            [
                (0.53 + side * 0.048, 0.45),
                (0.53 + side * 0.042, 0.385),
                (0.53 + side * 0.012, 0.425),
            ],
            cat,
        )
    tail = [(0.59 + 0.1 * t, 0.68 + 0.11 * np.sin(3.2 * t)) for t in np.linspace(0, 1, 20)]
    board.line(tail, cat, 0.024)
    board.box((0.84, 0.56), (0.92, 0.93), "#3b2320")
    board.polygon(path("0.78,0.56 0.98,0.56 0.94,0.4 0.82,0.4"), "#ffd58a")
    board.box((0.0, 0.9), (1.0, 1.0), "#4a2a25")
    for k in range(9):
        tint = ("#7f3b3b", "#2f5d62", "#c58940", "#5b4b8a")[k % 4]
        board.box((0.16 + 0.05 * k, 0.78 + 0.02 * (k % 3)), (0.2 + 0.05 * k, 0.9), tint)
    return board.raster()


def floating_island(size: int, rng: Generator) -> Raster:
    """Draw an island in the sky with a door on it and stairs to nowhere."""
    x, y = coordinates(size)
    picture = lit(
        gradient(y, "#5d8fd3", "#b9a7dd", "#f6c9c0"), glow(x, y, (0.5, 0.8), 0.35), "#ffe6b8", 0.5
    )
    soft = r.clouds((size, size), 0.45 * size, rng)
    picture = over(
        picture,
        np.asarray(np.clip((soft - 0.55) * 2.4, 0, 1) * np.clip(y * 1.3, 0, 0.9), np.float32),
        "#fffaf4",
    )
    board = Canvas(picture)
    rock = path(
        "0.2,0.56 0.8,0.56 0.74,0.63 0.68,0.66 0.63,0.76 0.57,0.79 "
        "0.52,0.92 0.47,0.8 0.4,0.77 0.36,0.68 0.27,0.64"
    )
    board.polygon(rock, "#6a5a6e")
    board.polygon([(0.5, 0.56), *rock[1:7]], "#51445a")
    board.ellipse((0.5, 0.56), 0.3, 0.045, "#7fb069")
    board.ellipse((0.5, 0.552), 0.285, 0.035, "#94c47d")
    for k in range(9):
        at = (0.6 + 0.035 * k, 0.55 - 0.042 * k)
        board.polygon(
            [at, (at[0] + 0.06, at[1]), (at[0] + 0.06, at[1] + 0.014), (at[0], at[1] + 0.014)],
            "#f3e9e0",
        )
        board.polygon(
            [
                (at[0], at[1] + 0.014),
                (at[0] + 0.06, at[1] + 0.014),
                (at[0] + 0.06, at[1] + 0.02),
                (at[0], at[1] + 0.02),
            ],
            "#b9a4a8",
        )
    board.box((0.38, 0.33), (0.5, 0.56), "#7a3b2e")
    board.box((0.395, 0.345), (0.485, 0.56), "#101638")
    for _ in range(26):
        board.ellipse(
            (rng.uniform(0.4, 0.48), rng.uniform(0.36, 0.54)),
            rng.uniform(0.001, 0.003),
            fill="#fff6d8",
        )
    board.ellipse((0.455, 0.395), 0.014, fill="#f6e7b2")
    board.line([(0.29, 0.55), (0.29, 0.44)], "#5a4334", 0.012)
    for dx, dy in ((0, -0.02), (-0.04, 0.01), (0.04, 0.01), (0.0, 0.02)):
        board.ellipse((0.29 + dx, 0.42 + dy), 0.045, fill="#e58fa7")
    for at, wide in (((0.14, 0.3), 0.03), ((0.2, 0.24), 0.02), ((0.82, 0.7), 0.025)):
        board.line(
            [(at[0] - wide, at[1] - 0.01), at, (at[0] + wide, at[1] - 0.01)], "#3b3a5a", 0.004
        )
    board.ellipse((0.8, 0.17), 0.07, fill="#fff4d6", alpha=0.85)
    return board.raster()
