"""What a proxy sees of a picture: its direction from a centre, and along a person's preferences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finexl.core.orthogonality import unit_rows
from finexl.encoders import Encoder, image_rows
from finexl.errors import UsageError
from finexl.viper.attributes import measure_of, vectors_of
from finexl.viper.taste import Preferences, Taste, taste_of

Array = NDArray[np.float64]
Pictures = Sequence[Image.Image] | NDArray[np.floating]
"""Pictures, or the rows that the encoder made of them, (n, d)."""

HALF_WAY = 8
"""With so many examples, as many liked as disliked, the centre is half way between theirs and the
usual one."""


@dataclass(frozen=True)
class Wanted:
    """Preferences as a direction: f(C)/‖f(C)‖ by confidence, summed over VP+ less VP− (Eq. 6)."""

    matrix: Array
    """(K, d): into the whitened subspace."""
    direction: Array
    """(K,), of unit length."""

    def along(self, away: Array) -> Array:
        """Return the cosines (n,) with what rows are away from the centre, (n, d)."""
        cosines: Array = unit_rows(away @ self.matrix.T) @ self.direction
        return cosines


@dataclass(frozen=True)
class Sight:
    """Rows as features."""

    encoder: Encoder
    centre: Array
    """(d,): the row of what is neither liked nor disliked."""
    whitening: Array
    """(d, d); see `Reference`."""
    wanted: Wanted | None
    """None where there are no preferences."""

    def features(self, rows: Array) -> Array:
        """Return s(x), u(x) of rows (n, d) as (n, 1 + d).

        s is how well the row points along the preferences, 0 without any; u the whitened row at
        unit length, both from the centre.
        """
        away = rows - self.centre
        along = np.zeros(len(rows)) if self.wanted is None else self.wanted.along(away)
        return np.column_stack([along, unit_rows(away @ self.whitening)])


def rows_of(encoder: Encoder, pictures: Pictures) -> Array:
    """Return the rows (n, d) of pictures; or given rows, once they are sure to be the encoder's.

    Raises:
        UsageError: rows of another size, or with numbers that are none.
    """
    if not isinstance(pictures, np.ndarray):
        if not len(pictures):
            return np.zeros((0, encoder.dim))
        return image_rows(encoder, pictures).astype(np.float64)
    if pictures.ndim != 2 or pictures.shape[1] != encoder.dim:
        raise UsageError(
            f"Rows of shape {pictures.shape} are not the encoder {encoder.name}'s; its have "
            f"{encoder.dim} numbers each."
        )
    if not np.isfinite(pictures).all():
        raise UsageError("Some rows have NaN or infinite numbers; leave those pictures out.")
    return pictures.astype(np.float64)


def centre_of(sides: Sequence[Array], usual: Array) -> Array:
    """Return the usual centre, moved to the middle between liked and disliked as both grow."""
    both = 2 * min(map(len, sides))
    if not both:
        return usual
    middle = np.mean([side.mean(axis=0) for side in sides], axis=0)
    centre: Array = usual + (middle - usual) * both / (both + HALF_WAY)
    return centre


def wanted_of(profile: Preferences | Taste | None, encoder: Encoder) -> Wanted | None:
    """Return where preferences point; None where there are none or they cancel out."""
    taste = profile if profile is None or isinstance(profile, Taste) else taste_of(profile)
    if taste is None or not taste.heard:
        return None
    words, weights = zip(*taste.liked, *((w, -much) for w, much in taste.disliked), strict=True)
    matrix = measure_of(encoder).frame.subspace.matrix
    total = np.array(weights) @ unit_rows(vectors_of(encoder, words).vectors @ matrix.T)
    length = float(np.linalg.norm(total))
    return Wanted(matrix, total / length) if length > 1e-9 else None
