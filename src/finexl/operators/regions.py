"""How a picture is cut up: into cells and into its main colours."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from finexl.operators.raster import LUMA, Plane, Raster, Shape


class Cells(NamedTuple):
    """The picture cut into the cells of jittered grid points (Voronoi)."""

    label: NDArray[np.intp]
    """(H, W) the cell of each pixel, in [0, n)."""
    near: Plane
    """(H, W) pixels to the cell's own point."""
    border: Plane
    """(H, W) about twice the pixels to the next cell."""
    n: int


def cells(shape: Shape, spacing: float, jitter: float, rng: Generator) -> Cells:
    """Return the cells of points about `spacing` pixels apart; jitter 0 gives squares."""
    spacing = max(spacing, 2.0)
    rows, cols = np.indices(shape, dtype=np.float32)
    grid = (int(shape[0] / spacing) + 4, int(shape[1] / spacing) + 4)
    shift = (rng.random((2, *grid), np.float32) - 0.5) * jitter
    home_row, home_col = (rows / spacing).astype(np.intp) + 1, (cols / spacing).astype(np.intp) + 1
    near = np.full(shape, np.inf, np.float32)
    second = near.copy()
    label = np.zeros(shape, np.intp)
    for index in np.ndindex(3, 3):
        row, col = home_row + index[0] - 1, home_col + index[1] - 1
        down = (row - 0.5 + shift[0][row, col]) * np.float32(spacing) - rows
        right = (col - 0.5 + shift[1][row, col]) * np.float32(spacing) - cols
        distance = np.sqrt(down * down + right * right)
        second = np.minimum(second, np.maximum(near, distance))
        label = np.where(distance < near, row * grid[1] + col, label)
        near = np.minimum(near, distance)
    return Cells(label, near, second - near, grid[0] * grid[1])


def cell_means(image: Raster, label: NDArray[np.intp], n: int) -> Raster:
    """Return (n, 3), the mean colour of the pixels of each label; 0 for labels not used."""
    count = np.maximum(np.bincount(label.ravel(), minlength=n), 1)
    sums = [np.bincount(label.ravel(), image[..., c].ravel(), n) for c in range(3)]
    return np.stack([total / count for total in sums], axis=-1).astype(np.float32)


def palette(image: Raster, k: int, rng: Generator) -> tuple[Raster, NDArray[np.intp]]:
    """Return the picture's `k` main colours (k, 3), dark to light, and each pixel's (H, W)."""
    pixels = image.reshape(-1, 3)
    some = pixels[rng.integers(0, len(pixels), 2000)]
    order = np.argsort(some @ LUMA)
    colours = some[order[np.linspace(0, len(order) - 1, 2 * k + 1).astype(int)[1::2]]]
    for _ in range(12):
        nearest = _nearest(some, colours)
        used = np.unique(nearest)
        colours[used] = [some[nearest == i].mean(axis=0) for i in used]
    colours = colours[np.argsort(colours @ LUMA, kind="stable")]
    return colours, _nearest(pixels, colours).reshape(image.shape[:2])


def _nearest(pixels: Raster, colours: Raster) -> NDArray[np.intp]:
    distance = (colours * colours).sum(axis=1) - 2.0 * pixels @ colours.T  # less |pixel|²
    nearest: NDArray[np.intp] = np.argmin(distance, axis=1)
    return nearest
