"""Query pictures of what grows and swims, and of a wave that might."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from finexl.operators import raster as r
from finexl.viper.drawing.canvas import (
    Canvas,
    Raster,
    between,
    coordinates,
    disc,
    flat,
    gradient,
    lit,
    over,
    path,
    shaded,
)


def meadow(size: int, rng: Generator, ground: tuple[str, ...], flowers: tuple[str, ...]) -> Raster:
    """Draw flowers without end, smaller and closer with the distance."""
    _, y = coordinates(size)
    board = Canvas(over(gradient(y / 0.4, "#9fd0ee", "#e9f4f2"), (y > 0.34).astype(np.float32),
                        gradient((y - 0.34) / 0.66, *ground)))  # fmt: skip
    for _ in range(1500):
        depth = rng.beta(1.1, 1.6)
        at = (rng.uniform(-0.02, 1.02), 0.35 + 0.68 * depth)
        tall = 0.012 + 0.07 * depth
        board.line(
            [at, (at[0] + rng.normal(0, 0.3) * tall, at[1] - tall)],
            ground[-1],
            0.001 + 0.002 * depth,
            0.6,
        )
    for depth in np.sort(rng.beta(1.1, 1.5, 420)):
        at = (rng.uniform(-0.02, 1.02), 0.36 + 0.66 * depth)
        radius, tint = 0.003 + 0.02 * depth, str(rng.choice(flowers))
        turn = rng.uniform()
        for petal in range(5):
            angle = 2 * np.pi * (petal / 5 + turn)
            board.ellipse((at[0] + radius * np.cos(angle), at[1] + 0.75 * radius * np.sin(angle)),
                          radius * 0.7, radius * 0.55, tint)  # fmt: skip
        board.ellipse(at, radius * 0.45, radius * 0.38, "#f7c948")
    return board.raster()


def great_wave(size: int, rng: Generator) -> Raster:
    """Draw curling waves of scallops under a pale sky, in few flat colors."""
    x, y = coordinates(size)
    board = Canvas(
        over(gradient(y, "#efe3c4", "#e8d3a8"), disc(x, y, (0.7, 0.27), 0.11), "#c8402f")
    )
    claw = path(
        "0.02,0.62 0.06,0.36 0.18,0.2 0.36,0.15 0.5,0.22 0.54,0.33 "
        "0.46,0.27 0.36,0.27 0.27,0.36 0.25,0.52 0.3,0.66"
    )
    board.polygon(claw, "#1d3f66")
    for shift in (0.0, 0.05, 0.1):
        board.line(
            [(0.05 + shift, 0.6), (0.11 + shift, 0.4), (0.2 + shift, 0.28)], "#9dbccb", 0.007
        )
    for row in range(9):
        down = 0.45 + 0.075 * row
        lift = 0.2 * np.exp(-((row - 3) ** 2) / 6)
        for i in range(-1, 9):
            at = 0.14 * i + 0.07 * (row % 2)
            top = down - lift * np.exp(-(((at - 0.3) / 0.24) ** 2))
            for k, tint in enumerate(
                ("#f4efe1", "#1d3f66", "#f4efe1", "#3f6f95", "#f4efe1", "#9dbccb")
            ):
                board.ellipse((at, top + 0.07), 0.095 - 0.014 * k, 0.095 - 0.014 * k, tint)
    for t in np.linspace(0, 1, 16):
        foam = (0.1 + 0.44 * t, 0.27 - 0.13 * np.sin(np.pi * t) + 0.08 * t * t)
        board.ellipse(foam, 0.022 + 0.012 * rng.random(), fill="#f4efe1")
    for _ in range(36):
        board.ellipse(
            (rng.uniform(0.4, 0.75), rng.uniform(0.1, 0.42)),
            rng.uniform(0.002, 0.007),
            fill="#f4efe1",
        )
    return board.raster()


def underwater(size: int, rng: Generator) -> Raster:
    """Draw rays of light, weeds and fish in green water."""
    x, y = coordinates(size)
    picture = gradient(y, "#7fe3d4", "#1c8fa0", "#06395c", "#021a34")
    angle = (x - 0.42 + 0.16 * y) / (0.25 + y)
    rays = np.clip(np.sin(26 * angle) + np.sin(47 * angle + 1) - 0.4, 0, 2) * np.exp(-2.2 * y)
    picture = lit(picture, np.asarray(rays, np.float32), "#d9fff2", 0.35)
    board = Canvas(picture)
    for _ in range(26):
        foot, tall, bend = rng.uniform(0, 1), rng.uniform(0.12, 0.4), rng.uniform(0, 6)
        weed = [
            (foot + 0.02 * np.sin(bend + 9 * t), 1.02 - tall * t) for t in np.linspace(0, 1, 14)
        ]
        board.line(
            weed, str(rng.choice(("#0b4a4a", "#13604f", "#0a3550"))), rng.uniform(0.006, 0.016)
        )
    for _ in range(15):
        at, long = (rng.uniform(0.08, 0.92), rng.uniform(0.2, 0.75)), rng.uniform(0.02, 0.05)
        tint = str(rng.choice(("#ffb347", "#ff7f50", "#ffe08a", "#f4f1de")))
        board.ellipse(at, long, long * 0.45, tint)
        board.polygon([(at[0] + long * 0.8, at[1]), (at[0] + long * 1.5, at[1] - long * 0.5),
                       (at[0] + long * 1.5, at[1] + long * 0.5)], tint)  # fmt: skip
        board.ellipse((at[0] - long * 0.55, at[1] - long * 0.08), long * 0.09, fill="#12263a")
    for _ in range(60):
        board.ellipse(
            (rng.uniform(0, 1), rng.uniform(0, 1)),
            rng.uniform(0.002, 0.006),
            fill="#e8fffb",
            alpha=0.4,
        )
    return board.raster()


def botanical(size: int, rng: Generator, paper: str, ink: str, fill: str) -> Raster:
    """Draw one plant, leaf by leaf, as in an old herbal."""
    board = Canvas(flat(size, paper) * shaded(size, rng, 0.01, 0.012)[..., None])
    stem = [(0.5 + 0.05 * np.sin(2.4 * t), 0.94 - 0.8 * t) for t in np.linspace(0, 1, 40)]
    for k in range(7):
        at = stem[5 + 5 * k]
        for side in (-1, 1):
            long, rise = 0.3 - 0.033 * k, 0.5 + 0.05 * k
            tip = (at[0] + side * long, at[1] - rise * long)
            upper = [
                between(at, tip, t, side * 0.085 * np.sin(np.pi * t) * (1.3 - 0.09 * k))
                for t in np.linspace(0, 1, 24)
            ]
            lower = [
                between(at, tip, t, -side * 0.06 * np.sin(np.pi * t)) for t in np.linspace(1, 0, 24)
            ]
            board.polygon(upper + lower, fill)
            board.line([*upper, *lower, upper[0]], ink, 0.003)
            board.line([at, tip], ink, 0.003)
            for t in np.linspace(0.15, 0.9, 9):
                middle = between(at, tip, t, 0)
                for way, reach in ((1, 0.085 * (1.3 - 0.09 * k)), (-1, 0.06)):
                    edge = between(
                        at,
                        tip,
                        min(t + 0.1, 1),
                        way * side * reach * np.sin(np.pi * min(t + 0.1, 1)) * 0.92,
                    )
                    board.line([middle, edge], ink, 0.0015)
    board.line(stem, ink, 0.008)
    head = stem[-1]
    for ring, n, reach in ((0, 12, 0.1), (1, 9, 0.065)):
        for i in range(n):
            angle = 2 * np.pi * (i + 0.5 * ring) / n
            tip = (head[0] + reach * np.cos(angle), head[1] + reach * np.sin(angle))
            petal = [between(head, tip, t, 0.022 * np.sin(np.pi * t)) for t in np.linspace(0, 1, 9)]
            petal += [
                between(head, tip, t, -0.022 * np.sin(np.pi * t)) for t in np.linspace(1, 0, 9)
            ]
            board.polygon(petal, "#d98a94" if ring else "#c86b7a")
            board.line([*petal, petal[0]], ink, 0.002)
    board.ellipse(head, 0.025, fill="#e0b050", outline=ink, width=0.003)
    return board.raster()


def bamboo(size: int, rng: Generator) -> Raster:
    """Draw bamboo in ink on pale paper, most of which stays empty."""
    x, y = coordinates(size)
    paper = flat(size, "#f1ead8") * shaded(size, rng, 0.02, 0.012)[..., None]
    paper = over(paper, 0.5 * disc(x, y, (0.72, 0.24), 0.1, 0.02), "#d98f7a")
    haze = np.clip(r.clouds((size, size), 0.5 * size, rng) - 0.45, 0, 1) * np.clip(
        1.6 * y - 0.9, 0, 1
    )
    board = Canvas(over(paper, np.asarray(haze, np.float32), "#8b8f8a"))
    for at, wide, strength in ((0.14, 0.02, 0.35), (0.24, 0.032, 0.92), (0.35, 0.015, 0.55)):
        down = 1.02
        while down > -0.1:
            up = down - rng.uniform(0.16, 0.22)
            lean = 0.03 * (1 - down)
            left, right = at + lean - wide / 2, at + lean + wide / 2
            above = up + 0.012
            stem = [(left, down), (right, down), (right + 0.006, above), (left + 0.006, above)]
            board.polygon(stem, "#20251f", strength)
            for _ in range(3):
                side, long = rng.choice((-1, 1)), rng.uniform(0.09, 0.18)
                droop = rng.uniform(0.2, 0.9)
                start = (at + lean + side * wide, up + rng.uniform(-0.02, 0.05))
                tip = (start[0] + side * long, start[1] + droop * long)
                leaf = [
                    between(start, tip, t, 0.014 * np.sin(np.pi * t)) for t in np.linspace(0, 1, 12)
                ]
                leaf += [
                    between(start, tip, t, -0.01 * np.sin(np.pi * t)) for t in np.linspace(1, 0, 12)
                ]
                board.polygon(leaf, "#20251f", strength)
            down = up
    board.box((0.84, 0.8), (0.89, 0.86), "#b5372b")
    return board.raster()
