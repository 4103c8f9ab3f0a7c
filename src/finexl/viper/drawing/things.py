"""Query pictures of things: on a table, in the air, tooth in tooth."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from finexl.operators import raster as r
from finexl.viper.drawing.canvas import (
    Canvas,
    Plane,
    Raster,
    between,
    circle_points,
    color,
    coordinates,
    darker,
    disc,
    flat,
    floats,
    glow,
    gradient,
    lit,
    over,
    path,
)


def still_life(size: int, rng: Generator) -> Raster:
    """Draw fruit and a jug on a table, in strong light from the left and deep shadow."""
    del rng
    x, y = coordinates(size)
    picture = lit(gradient(x, "#3a2a1e", "#15100d"), glow(x, y, (0.2, 0.3), 0.25), "#b98a55", 0.35)
    picture = over(picture, (y > 0.7).astype(np.float32), gradient(x, "#7a4a2b", "#2b180f"))
    folds = 0.5 + 0.5 * np.sin(34 * x + 9 * y + 2 * np.sin(11 * y))
    cloth = (y > 0.72 + 0.05 * np.sin(7 * x)) & (x > 0.08) & (x < 0.58)
    picture = over(
        picture,
        cloth.astype(np.float32),
        gradient(np.asarray(folds * (1.15 - x), np.float32), "#8f8778", "#f3ecdc"),
    )
    for at, wide, tall in (((0.66, 0.76), 0.34, 0.04), ((0.34, 0.79), 0.3, 0.03)):
        away = np.hypot((x - at[0] - 0.1) / wide, (y - at[1]) / tall)
        picture = picture * (1 - 0.65 * np.clip(1.2 - away, 0, 1)[..., None])
    half = np.interp(y, [0.28, 0.32, 0.37, 0.5, 0.62, 0.74], [0.06, 0.045, 0.05, 0.115, 0.12, 0.07])
    inside = (np.abs(x - 0.66) < half) & (y > 0.28) & (y < 0.74)
    u = np.clip((x - 0.66) / half, -1, 1)
    tone = np.clip(
        0.95 * np.sqrt(np.clip(1 - (u + 0.45) ** 2 / 2.1, 0, 1)) - 0.32 * (u + 0.2), 0.03, 1
    )
    picture = over(
        picture,
        inside.astype(np.float32),
        gradient(np.asarray(tone, np.float32), "#0d1a22", "#3f6a78", "#bfe0da"),
    )
    picture = lit(picture, glow(x, y, (0.605, 0.46), 0.014), "#ffffff")
    fruit = (
        ((0.2, 0.7), 0.085, "#c0392b"),
        ((0.36, 0.7), 0.095, "#e08a2c"),
        ((0.29, 0.59), 0.075, "#d8b13a"),
        ((0.5, 0.735), 0.07, "#7d2240"),
        ((0.82, 0.745), 0.06, "#6f8f3a"),
        ((0.46, 0.62), 0.055, "#8a2b4d"),
    )
    for at, radius, tint in fruit:
        picture = _ball(picture, x, y, at, radius, tint)
    board = Canvas(picture)
    board.line([(0.2, 0.62), (0.21, 0.585)], "#3a2614", 0.007)
    board.line([(0.29, 0.52), (0.3, 0.49)], "#3a2614", 0.007)
    board.polygon(path("0.3,0.49 0.36,0.47 0.38,0.5 0.33,0.51"), "#5d7f35")
    ear = [(0.765 + 0.06 * np.sin(t), 0.46 - 0.1 * np.cos(t)) for t in np.linspace(0, np.pi, 20)]
    board.line(ear, "#22404b", 0.016)
    return board.raster()


def _ball(
    picture: Raster, x: Plane, y: Plane, at: tuple[float, float], radius: float, tint: str
) -> Raster:
    """Lay a shaded ball over a picture, lit from the upper left."""
    dx, dy = (x - at[0]) / radius, (y - at[1]) / radius
    dz = np.sqrt(np.clip(1 - dx * dx - dy * dy, 0, 1))
    light = np.clip(-0.62 * dx - 0.5 * dy + 0.6 * dz, 0, 1)
    base = color(tint)
    tone = (base * (0.1 + 0.95 * light[..., None])).astype(np.float32)
    tone = np.clip(tone + (light[..., None] ** 14) * 0.55, 0, 1).astype(np.float32)
    return over(picture, disc(x, y, at, radius), tone)


def vanitas(size: int, rng: Generator) -> Raster:
    """Draw a skull, a candle that has just gone out, an hourglass and a wilting rose."""
    x, y = coordinates(size)
    picture = lit(gradient(y, "#1a1512", "#2e2219"), glow(x, y, (0.3, 0.28), 0.2), "#d9a35c", 0.6)
    picture = over(picture, (y > 0.72).astype(np.float32), gradient(x, "#5a3a24", "#22140d"))
    board = Canvas(picture)
    for book, (top, tint) in enumerate(((0.79, "#5d2a26"), (0.73, "#2c3d3a"))):
        board.box((0.4 + 0.02 * book, top), (0.86 - 0.03 * book, top + 0.06), tint)
        board.box((0.4 + 0.02 * book, top + 0.015), (0.425 + 0.02 * book, top + 0.045), "#d9c7a0")
    bone, dark = "#e2d3ae", "#1b130d"
    board.ellipse((0.62, 0.52), 0.155, 0.15, bone)
    board.polygon(path("0.53,0.58 0.71,0.58 0.69,0.72 0.55,0.72"), bone)
    for side in (-1, 1):
        board.ellipse((0.62 + side * 0.062, 0.545), 0.042, 0.046, dark)
    board.polygon(path("0.62,0.58 0.597,0.63 0.643,0.63"), dark)
    for k in range(6):
        board.line([(0.565 + 0.022 * k, 0.665), (0.565 + 0.022 * k, 0.72)], dark, 0.004)
    board.line([(0.555, 0.69), (0.685, 0.69)], dark, 0.004)
    board.box((0.26, 0.42), (0.33, 0.75), "#efe4c8")
    board.polygon(
        path("0.26,0.42 0.33,0.42 0.335,0.5 0.32,0.46 0.31,0.53 0.295,0.45 0.27,0.49"),
        "#fff7e0",
    )
    board.ellipse((0.295, 0.75), 0.075, 0.02, "#a8843f")
    board.line([(0.295, 0.42), (0.297, 0.395)], "#1b130d", 0.005)
    smoke = [(0.297 + 0.03 * np.sin(9 * t) * t, 0.39 - 0.33 * t) for t in np.linspace(0, 1, 50)]
    board.line(smoke, "#cfc6ba", 0.006, 0.4)
    board.line([(p[0] + 0.012, p[1]) for p in smoke], "#cfc6ba", 0.01, 0.18)
    for top in (0.5, 0.735):
        board.box((0.075, top), (0.205, top + 0.018), "#7a5230")
    board.polygon(
        path("0.09,0.518 0.19,0.518 0.143,0.627 0.19,0.735 0.09,0.735 0.137,0.627"),
        "#dfeaf0",
        0.3,
    )
    board.polygon(path("0.1,0.735 0.18,0.735 0.14,0.675"), "#e6c27a")
    board.polygon(path("0.118,0.575 0.162,0.575 0.14,0.625"), "#e6c27a")
    board.line([(0.14, 0.62), (0.14, 0.7)], "#e6c27a", 0.003)
    stem = [(0.9 - 0.06 * t, 0.78 - 0.23 * t + 0.05 * t * t) for t in np.linspace(0, 1, 20)]
    board.line(stem, "#3f5130", 0.007)
    for k in range(9):
        board.ellipse(
            (
                stem[-1][0] + 0.02 * np.cos(k * 2.4) * (k / 9 + 0.3),
                stem[-1][1] + 0.02 * np.sin(k * 2.4) * (k / 9 + 0.3),
            ),
            0.026 - 0.0018 * k,
            fill=("#7d1f2b", "#9c2c38", "#5d141f")[k % 3],
        )
    for _ in range(5):
        board.ellipse((rng.uniform(0.75, 0.95), rng.uniform(0.8, 0.86)), 0.014, 0.007, "#7d1f2b")
    picture = board.raster()
    side = np.clip(1.15 - 1.0 * np.clip(x - 0.35, 0, 1), 0, 1.2)
    return floats(np.clip(picture * side[..., None], 0, 1))


def balloons(size: int, rng: Generator, sky: tuple[str, ...], colors: tuple[str, ...]) -> Raster:
    """Draw striped balloons adrift over soft hills."""
    _, y = coordinates(size)
    picture = gradient(y, *sky)
    soft = r.clouds((size, size), 0.4 * size, rng)
    picture = over(
        picture, np.asarray(0.6 * np.clip((soft - 0.6) * 3, 0, 1), np.float32), "#ffffff"
    )
    board = Canvas(picture)
    for k, green in enumerate(("#b6cfae", "#93b88d", "#6f9f78")):
        hill = [
            (t, 0.84 + 0.05 * k - 0.05 * np.sin(5 * t + 2.1 * k)) for t in np.linspace(0, 1, 40)
        ]
        board.polygon([(0, 1), *hill, (1, 1)], green)
    for k, (at, size_) in enumerate(
        (
            ((0.3, 0.34), 0.17),
            ((0.7, 0.22), 0.11),
            ((0.8, 0.56), 0.085),
            ((0.5, 0.62), 0.055),
            ((0.12, 0.68), 0.05),
        )
    ):
        for stripe in range(9):
            left, right = -1 + 2 * stripe / 9, -1 + 2 * (stripe + 1) / 9
            points = []
            for edge, ts in ((left, np.linspace(0, 1, 22)), (right, np.linspace(1, 0, 22))):
                for t in ts:
                    fat = np.sin(np.pi * min(1.0, 0.06 + 0.86 * t) ** 0.85)
                    points.append(
                        (
                            at[0] + size_ * np.sin(edge * np.pi / 2) * fat,
                            at[1] - size_ + 2.3 * size_ * t,
                        )
                    )
            board.polygon(points, colors[(stripe + k) % len(colors)])
        foot = at[1] + 1.3 * size_
        for side in (-1, 1):
            board.line(
                [
                    (at[0] + side * 0.25 * size_, foot - 0.05 * size_),
                    (at[0] + side * 0.14 * size_, foot + 0.25 * size_),
                ],
                "#5b4636",
                0.002,
            )
        board.box(
            (at[0] - 0.15 * size_, foot + 0.22 * size_),
            (at[0] + 0.15 * size_, foot + 0.45 * size_),
            "#8a5a35",
        )
    return board.raster()


def gears(size: int, rng: Generator) -> Raster:
    """Draw brass wheels and pipes, tooth in tooth."""
    x, y = coordinates(size)
    board = Canvas(
        lit(gradient(y, "#241812", "#3b2616"), glow(x, y, (0.35, 0.35), 0.3), "#ff9d42", 0.35)
    )
    for left in np.arange(0.06, 1.0, 0.17):
        board.box((left, 0), (left + 0.03, 1), "#4d3320")
        board.box((left + 0.006, 0), (left + 0.012, 1), "#8a6138")
    metals = ("#c58f3d", "#a5702d", "#d8b060", "#8f5a2a", "#b08d57")
    wheels = (
        ((0.34, 0.4), 0.23, 22),
        ((0.7, 0.28), 0.15, 14),
        ((0.69, 0.66), 0.19, 18),
        ((0.24, 0.8), 0.14, 13),
        ((0.45, 0.78), 0.08, 9),
        ((0.93, 0.47), 0.08, 9),
        ((0.08, 0.2), 0.1, 10),
    )
    for k, (at, radius, teeth) in enumerate(wheels):
        tint, rim = metals[k % 5], []
        for i in range(teeth * 4):
            reach = radius * (1.0 if i % 4 < 2 else 0.87)
            angle = 2 * np.pi * (i + 0.5) / (teeth * 4)
            rim.append((at[0] + reach * np.cos(angle), at[1] + reach * np.sin(angle)))
        board.polygon([(p[0] + 0.012, p[1] + 0.014) for p in rim], "#120b07", 0.6)
        board.polygon(rim, tint)
        board.ellipse(at, radius * 0.8, fill=darker(tint, 0.75))
        board.ellipse(at, radius * 0.74, fill=darker(tint, 1.12))
        for i in range(5):
            angle = 2 * np.pi * i / 5 + k
            board.ellipse(
                (at[0] + 0.46 * radius * np.cos(angle), at[1] + 0.46 * radius * np.sin(angle)),
                0.19 * radius,
                fill="#1d130c",
            )
        board.ellipse(at, radius * 0.17, fill=darker(tint, 0.6))
        board.ellipse((at[0] - 0.02 * radius, at[1] - 0.02 * radius), radius * 0.1, fill="#f2d9a0")
        for i in range(10):
            angle = 2 * np.pi * i / 10
            board.ellipse(
                (at[0] + 0.77 * radius * np.cos(angle), at[1] + 0.77 * radius * np.sin(angle)),
                0.022 * radius + 0.001,
                fill="#f6e3b0",
            )
    picture = board.raster()
    sheen = 0.5 + 0.5 * np.sin(14 * (x + y)) * 0.35
    steam = r.clouds((size, size), 0.35 * size, rng)
    picture = np.clip(picture * (0.82 + 0.36 * sheen[..., None]), 0, 1).astype(np.float32)
    return over(
        picture, np.asarray(0.35 * np.clip((steam - 0.55) * 2, 0, 1), np.float32), "#e8dccb"
    )


def comic_burst(size: int, rng: Generator) -> Raster:
    """Draw an explosion as comic books have it, with rays, dots and black outlines."""
    del rng
    x, y = coordinates(size)
    angle = np.arctan2(y - 0.5, x - 0.5)
    rays = np.where(np.sin(18 * angle) > 0, 1.0, 0.0)
    picture = over(flat(size, "#ffd400"), np.asarray(rays, np.float32), "#ff8a00")
    dots = np.hypot(
        (x * 46) % 1 - 0.5, (y * 46 + 0.5 * (np.floor(x * 46) % 2)) % 1 - 0.5
    ) < 0.52 * np.clip(np.hypot(x - 0.5, y - 0.5) * 1.5 - 0.25, 0, 1)
    board = Canvas(over(picture, dots.astype(np.float32), "#e5202b"))
    for reach, tint in (
        (0.46, "#101014"),
        (0.435, "#e5202b"),
        (0.35, "#101014"),
        (0.33, "#ffffff"),
        (0.25, "#18a0e8"),
    ):
        points = []
        for i in range(26):
            away = reach * ((1.0, 0.68)[i % 2] + 0.12 * np.sin(i * 2.7))
            points.append(
                (
                    0.5 + away * np.cos(2 * np.pi * i / 26),
                    0.5 + 0.82 * away * np.sin(2 * np.pi * i / 26),
                )
            )
        board.polygon(points, tint)
    bolt = path("0.52,0.3 0.39,0.53 0.49,0.52 0.44,0.71 0.62,0.45 0.52,0.46 0.59,0.3")
    board.polygon([(p[0] + 0.012, p[1] + 0.014) for p in bolt], "#101014")
    board.polygon(bolt, "#ffe600")
    board.line([*bolt, bolt[0]], "#101014", 0.01)
    for at in ((0.12, 0.14), (0.86, 0.18), (0.13, 0.86), (0.88, 0.84)):
        star = [
            point
            for pair in zip(
                circle_points(at, 0.065, 5), circle_points(at, 0.028, 5, 0.1), strict=True
            )
            for point in pair
        ]
        board.polygon(star, "#ffffff")
        board.line([*star, star[0]], "#101014", 0.008)
    return board.raster()


def birds(size: int, rng: Generator, sky: tuple[str, ...], code: str) -> Raster:
    """Draw a flock that turns, small against an open sky."""
    x, y = coordinates(size)
    board = Canvas(lit(gradient(y, *sky), glow(x, y, (0.75, 0.8), 0.2), "#fff3d6", 0.5))
    for t in np.sort(rng.uniform(0, 1, 130)):
        angle = 5.2 * t + rng.normal(0, 0.12)
        reach = 0.08 + 0.34 * t + rng.normal(0, 0.03)
        at = (0.47 + reach * np.cos(angle), 0.44 + 0.72 * reach * np.sin(angle))
        wing, beat = 0.007 + 0.024 * t * rng.uniform(0.6, 1.2), rng.uniform(-0.4, 0.9)
        tilt = rng.normal(0, 0.25)
        for side in (-1, 1):
            tip = (
                at[0] + side * wing * np.cos(tilt),
                at[1] - wing * beat + side * wing * np.sin(tilt),
            )
            board.line(
                [at, between(at, tip, 0.5, -side * 0.25 * wing), tip], code, 0.0022 + 0.004 * t
            )
    return board.raster()
