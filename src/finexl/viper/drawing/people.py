"""Query pictures of people: calm, in pieces, dancing."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from finexl.viper.drawing.canvas import (
    Canvas,
    Raster,
    between,
    circle_points,
    coordinates,
    darker,
    disc,
    flat,
    floats,
    glow,
    gradient,
    lit,
    path,
    shaded,
)


def portrait(
    size: int, rng: Generator, ground: tuple[str, ...], skin: str, hair: str, dress: str
) -> Raster:
    """Draw a calm face, softly lit from one side."""
    del rng
    x, y = coordinates(size)
    board = Canvas(lit(gradient(y, *ground), glow(x, y, (0.3, 0.3), 0.3), "#fff1d6", 0.25))
    board.ellipse((0.5, 0.42), 0.24, 0.29, hair)
    board.polygon(path("0.27,0.45 0.22,0.85 0.78,0.85 0.73,0.45"), hair)
    board.polygon(path("0.42,0.55 0.58,0.55 0.6,0.78 0.4,0.78"), darker(skin, 0.86))
    board.ellipse((0.5, 1.0), 0.36, 0.27, dress)
    board.polygon(path("0.4,0.74 0.6,0.74 0.5,0.86"), darker(skin, 0.86))
    face = [
        (0.5 + 0.165 * np.sin(t) * (1 - 0.12 * max(0.0, -np.cos(t)) ** 2), 0.44 - 0.21 * np.cos(t))
        for t in np.linspace(0, 2 * np.pi, 60)
    ]
    board.polygon(face, skin)
    board.polygon(
        path("0.325,0.42 0.36,0.24 0.5,0.2 0.66,0.26 0.68,0.42 0.6,0.3 0.47,0.3 0.37,0.33"),
        hair,
    )
    for side in (-1, 1):
        at = (0.5 + side * 0.07, 0.44)
        board.ellipse(at, 0.034, 0.016, "#fbf6ee")
        board.ellipse((at[0], at[1]), 0.015, fill="#3c5a4a")
        board.ellipse((at[0], at[1]), 0.007, fill="#14110f")
        board.ellipse((at[0] - 0.005, at[1] - 0.005), 0.004, fill="#ffffff")
        lid = [
            (at[0] - 0.036 + 0.072 * t, at[1] - 0.017 * np.sin(np.pi * t))
            for t in np.linspace(0, 1, 14)
        ]
        board.line(lid, "#2b1c18", 0.006)
        brow = [
            (at[0] - 0.042 + 0.084 * t, at[1] - 0.045 - 0.012 * np.sin(np.pi * t))
            for t in np.linspace(0, 1, 14)
        ]
        board.line(brow, darker(hair, 0.8), 0.008)
        board.ellipse((0.5 + side * 0.095, 0.51), 0.034, 0.025, "#e2725b", 0.22)
    board.line(path("0.505,0.44 0.512,0.51 0.492,0.523"), darker(skin, 0.72), 0.005)
    board.polygon(
        path("0.455,0.568 0.485,0.558 0.5,0.563 0.515,0.558 0.545,0.568 0.5,0.59"),
        "#b5483f",
    )
    board.line(path("0.455,0.568 0.5,0.571 0.545,0.568"), "#7d2a28", 0.003)
    for side in (-1, 1):
        board.ellipse((0.5 + side * 0.17, 0.55), 0.013, fill="#e8c15a")
    picture = board.raster()
    shade = np.clip((x - 0.48) * 2.2, 0, 0.5) * disc(x, y, (0.5, 0.55), 0.45, 0.2)
    return floats(picture * (1 - 0.75 * shade[..., None]))


def broken_face(size: int, rng: Generator, colors: tuple[str, ...]) -> Raster:
    """Draw a face from several sides at once, in angular pieces."""
    board = Canvas(flat(size, "#cbb48f"))
    for _ in range(46):
        middle, reach = (rng.uniform(), rng.uniform()), rng.uniform(0.12, 0.3)
        corners = circle_points(middle, reach, int(rng.integers(3, 5)), rng.uniform())
        board.polygon(corners, str(rng.choice(colors)), 0.62)
        board.line([*corners, corners[0]], "#2a211b", 0.003, 0.55)
    front = path("0.36,0.2 0.6,0.16 0.7,0.42 0.6,0.72 0.46,0.82 0.33,0.62 0.3,0.38")
    board.polygon(front, "#e6cfa7", 0.85)
    board.polygon(
        path("0.5,0.18 0.6,0.16 0.7,0.42 0.6,0.72 0.46,0.82 0.52,0.5 0.47,0.47"),
        "#a5683f",
        0.85,
    )
    board.line([*front, front[0]], "#1d1713", 0.008)
    board.line(path("0.5,0.18 0.46,0.44 0.58,0.54 0.49,0.57 0.46,0.82"), "#1d1713", 0.009)
    for at, tilt in (((0.4, 0.39), 0.02), ((0.58, 0.34), -0.03)):
        eye = [
            (at[0] - 0.06, at[1] + tilt),
            (at[0], at[1] - 0.035),
            (at[0] + 0.06, at[1] - tilt),
            (at[0], at[1] + 0.035),
        ]
        board.polygon(eye, "#f4ead2")
        board.line([*eye, eye[0]], "#1d1713", 0.006)
        board.ellipse(at, 0.018, fill="#1d1713")
    board.polygon(path("0.42,0.67 0.5,0.645 0.585,0.66 0.5,0.7"), "#8c3b2a")
    board.line([(0.42, 0.67), (0.585, 0.66)], "#1d1713", 0.005)
    for k in range(7):
        start = (0.34 + 0.045 * k, 0.21 - 0.02 * (k % 3))
        board.line(
            [start, (start[0] - 0.08, start[1] - 0.14), (start[0] - 0.02, start[1] - 0.19)],
            "#1d1713",
            0.007,
        )
    return board.raster() * shaded(size, rng, 0.012, 0.05)[..., None]


def dancers(size: int, rng: Generator, colors: tuple[str, ...], ground: str) -> Raster:
    """Draw figures of ribbons, whirling."""
    board = Canvas(flat(size, ground))
    for k, (middle, scale) in enumerate(
        (((0.28, 0.55), 0.9), ((0.55, 0.45), 1.15), ((0.8, 0.6), 0.8))
    ):
        tint = colors[k % len(colors)]
        for _ in range(26):
            start, reach = rng.uniform(0, 2 * np.pi), scale * rng.uniform(0.1, 0.25)
            points = []
            for t in np.linspace(0, 1, 40):
                angle = start + 2.6 * t
                points.append(
                    (
                        middle[0] + reach * (0.35 + t) * np.cos(angle),
                        middle[1] + 0.12 * scale + reach * 0.55 * (0.35 + t) * np.sin(angle),
                    )
                )
            board.line(
                points,
                str(rng.choice((tint, tint, colors[(k + 1) % len(colors)]))),
                0.003 + 0.009 * rng.random(),
                0.55,
            )
        hip, neck = (
            (middle[0], middle[1] + 0.08 * scale),
            (middle[0] + 0.03 * scale, middle[1] - 0.16 * scale),
        )
        dark = "#1c1626"
        board.line([hip, neck], dark, 0.032 * scale)
        board.ellipse((neck[0] + 0.012, neck[1] - 0.055 * scale), 0.032 * scale, 0.04 * scale, dark)
        for hand in (
            (neck[0] - 0.17 * scale, neck[1] - 0.1 * scale),
            (neck[0] + 0.16 * scale, neck[1] - 0.16 * scale),
        ):
            elbow = between(neck, hand, 0.55, 0.04 * scale)
            board.line([(neck[0], neck[1] + 0.02), elbow, hand], dark, 0.015 * scale)
        for foot in (
            (hip[0] - 0.04 * scale, hip[1] + 0.34 * scale),
            (hip[0] + 0.2 * scale, hip[1] + 0.24 * scale),
        ):
            board.line([hip, between(hip, foot, 0.5, -0.05 * scale), foot], dark, 0.019 * scale)
    return board.raster()
