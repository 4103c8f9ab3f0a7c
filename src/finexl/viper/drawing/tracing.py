"""A query picture of glossy balls, traced ray by ray."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from finexl.viper.drawing.canvas import Raster, color, floats, gradient

_BALLS = (
    ((-0.95, 0.72, 0.5), "#e63946"),
    ((0.75, 0.95, 1.1), "#d9dee4"),
    ((0.15, 0.38, -0.75), "#ffb703"),
    ((1.25, 0.33, -0.6), "#219ebc"),
    ((-1.5, 0.3, -0.75), "#8ac926"),
)
"""Where they lie, as high above the floor as their radius, and their colors; one is a mirror."""


def spheres(size: int, rng: Generator) -> Raster:
    """Trace glossy balls on a checkered floor: each mirrors the others."""
    n = size
    y, x = (np.mgrid[0:n, 0:n].astype(np.float32) + 0.5) / n
    way = np.stack([x - 0.5, 0.42 - y, np.full_like(x, 0.95)], -1)
    way /= np.linalg.norm(way, axis=-1, keepdims=True)
    start = np.broadcast_to(np.array([0, 1.1, -3.6], np.float32), way.shape)
    balls = [(np.array(middle), middle[1], tint) for middle, tint in _BALLS]
    sun = np.array([-0.5, 0.75, -0.55])
    sun /= np.linalg.norm(sun)
    del rng

    def trace(start: np.ndarray, way: np.ndarray, left: int) -> np.ndarray:
        near = np.full(way.shape[:-1], np.inf)
        which = np.full(way.shape[:-1], -1)
        for k, (middle, radius, _) in enumerate(balls):
            away = start - middle
            b = (away * way).sum(-1)
            under = b * b - (away * away).sum(-1) + radius * radius
            t = -b - np.sqrt(np.where(under > 0, under, np.inf))
            hit = (under > 0) & (t > 1e-3) & (t < near)
            near, which = np.where(hit, t, near), np.where(hit, k, which)
        floor = np.where(
            way[..., 1] < -1e-4, -start[..., 1] / np.minimum(way[..., 1], -1e-4), np.inf
        )
        on_floor = (floor > 1e-3) & (floor < near)
        near = np.where(on_floor, floor, near)
        place = start + way * np.where(np.isfinite(near), near, 0)[..., None]
        sky = gradient(
            np.clip(way[..., 1] * 1.2, 0, 1).astype(np.float32), "#f7efe2", "#9cc4e4", "#4d83c4"
        )
        tiles = (np.floor(place[..., 0]) + np.floor(place[..., 2])) % 2
        seen = np.where(
            on_floor[..., None], gradient(tiles.astype(np.float32), "#2b2d42", "#edf2f4"), sky
        )
        if left:
            dark = np.zeros(near.shape, bool)
            for middle, radius, _ in balls:
                away = place - middle
                b = (away * sun).sum(-1)
                dark |= (b * b - (away * away).sum(-1) + radius * radius > 0) & (b < 0)
            seen = np.where((on_floor & dark)[..., None], seen * 0.42, seen)
        fade = np.exp(-np.where(on_floor, near, 0) * 0.05)[..., None]
        seen = seen * fade + sky * (1 - fade)
        for k, (middle, radius, tint) in enumerate(balls):
            mine = which == k
            mine &= ~on_floor
            if not mine.any():
                continue
            normal = (place[mine] - middle) / radius
            ray = way[mine]
            mirrored = ray - 2 * (ray * normal).sum(-1, keepdims=True) * normal
            light = np.clip((normal * sun).sum(-1, keepdims=True), 0, 1)
            shine = np.clip((mirrored * sun).sum(-1, keepdims=True), 0, 1) ** 60
            base = color(tint) * (0.22 + 0.78 * light)
            if left:
                facing = 0.1 + 0.9 * (1 + (ray * normal).sum(-1, keepdims=True)) ** 3
                mirror = 0.75 if tint == "#d9dee4" else 0.15 + 0.6 * facing
                base = base * (1 - mirror) + mirror * trace(
                    place[mine] + 1e-3 * normal, mirrored, left - 1
                )
            seen[mine] = base + shine
        return np.asarray(seen)

    return floats(np.clip(trace(start, way, 2), 0, 1))
