"""The fit: a regularised canonical correlation of image differences with text differences.

Groups of differences are known from different sources; each is scaled to unit variance on either
side, so that its weight alone says how much it counts. With their second moments C_x, C_y, C_xy,

    S_x = (1 − α) C_x + α N + λ_x I      N: what varies within one operator or one style
    S_y = C_y + γ M + λ_y I              M: how words for what a picture shows move a sentence
    S_x^(−1/2) C_xy S_y^(−1/2) = U s Vᵀ
    image map = S_x^(−1/2) U √s          text map = S_y^(−1/2) V √s

and the direction in which all stylisations move the images is taken out of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

REDUCED = 400
REDUCTION_ROWS = 3000


@dataclass(frozen=True)
class Settings:
    """Chosen by cross-validation over styles and operators; see the card."""

    dim: int = 128
    noise: float = 0.8
    """α"""
    image_ridge: float = 10.0
    """λ_x, times the mean variance of a reduced feature"""
    text_noise: float = 3.0
    """γ"""
    text_ridge: float = 20.0
    """λ_y, likewise"""


@dataclass(frozen=True)
class Group:
    """Differences of one kind: images (n, reduced) and texts (n, 384), row by row."""

    images: Array
    texts: Array
    weight: float

    def moments(self) -> tuple[Array, Array, Array]:
        n = len(self.images)
        xx = self.images.T @ self.images / n
        yy = self.texts.T @ self.texts / n
        xy = self.images.T @ self.texts / n
        x, y = np.trace(xx), np.trace(yy)
        return xx / x, yy / y, xy / np.sqrt(x * y)


@dataclass(frozen=True)
class Reduction:
    """Features (2912,) -> (REDUCED,): scaled by photographs, then principal directions."""

    matrix: Array

    @classmethod
    def of(cls, differences: Array, photographs: Array) -> Reduction:
        """Fit on differences (n, features), each at unit length, scaled by photographs' spread."""
        scale = photographs.std(axis=0) + 1e-4
        rows = differences / scale
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        some = np.random.default_rng(0).permutation(len(rows))[:REDUCTION_ROWS]
        _, _, directions = np.linalg.svd(rows[some], full_matrices=False)
        return cls((directions[:REDUCED] / scale).T)

    def __call__(self, features: Array) -> Array:
        reduced: Array = features @ self.matrix
        return reduced


def fit_maps(
    groups: Sequence[Group], noise: Array, text_noise: Array, typical: Array, settings: Settings
) -> tuple[Array, Array]:
    """Return the image map (reduced, dim − 1) and the text map (384, dim − 1).

    Args:
        groups: what is known.
        noise: (reduced, reduced), N.
        text_noise: (384, 384), M.
        typical: (n, reduced), mean differences of many styles.
        settings: the regularisation.
    """
    total = sum(group.weight for group in groups)
    moments = [group.moments() for group in groups]
    shares = np.array([group.weight / total for group in groups])
    xx, yy, xy = (np.tensordot(shares, np.array([m[i] for m in moments]), 1) for i in range(3))
    alpha = settings.noise
    sx = (1 - alpha) * xx + alpha * noise + settings.image_ridge / len(xx) * np.eye(len(xx))
    sy = yy + settings.text_noise * text_noise + settings.text_ridge / len(yy) * np.eye(len(yy))
    a, b = _inverse_root(sx), _inverse_root(sy)
    u, s, vt = np.linalg.svd(a @ xy @ b, full_matrices=False)
    d, root = settings.dim, np.sqrt(s[: settings.dim])
    image_map, text_map = a @ u[:, :d] * root, b @ vt[:d].T * root
    away = (typical @ image_map).mean(axis=0)
    away /= np.linalg.norm(away)
    keep = np.eye(d) - np.outer(away, away)
    # one dimension is gone: leave it out of the space
    basis = np.linalg.svd(keep)[0][:, : d - 1]
    return image_map @ basis, text_map @ basis


def within(groups: Sequence[Array]) -> Array:
    """Return the covariance within groups, scaled to unit trace."""
    return second_moment(np.concatenate([centred(rows) for rows in groups]))


def second_moment(rows: Array) -> Array:
    """Return the second moment about zero, scaled to unit trace."""
    moment: Array = rows.T @ rows
    moment /= np.trace(moment)
    return moment


def centred(rows: Array) -> Array:
    moved: Array = rows - rows.mean(axis=0)
    return moved


def _inverse_root(matrix: Array) -> Array:
    values, vectors = np.linalg.eigh(matrix)
    root: Array = (vectors / np.sqrt(np.maximum(values, 1e-12))) @ vectors.T
    return root
