"""Attributes read off a picture, for comments that name none: "I love these colors" (ViPer A.2).

A picture's row less the mean of a set of pictures says what is particular to it; its attributes are
those whose concept vectors (Eq. 6) point that way in the whitened subspace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finexl.core.orthogonality import unit_rows
from finexl.encoders import Encoder
from finexl.viper.attributes import attributes, measure_of, vectors_of

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """An attribute that a picture shows."""

    attribute: str
    category: str
    alignment: float
    """Cosine with what is particular to the picture, in [-1, 1]."""


def looks(
    encoder: Encoder, rows: Array, mean: Array, wanted: Sequence[Sequence[str]], n: int = 1
) -> list[list[Seen]]:
    """Return for each picture the attributes of its categories that it shows most, best first.

    Args:
        encoder: made the rows.
        rows: (m, d), the pictures.
        mean: (d,), of the set that they are compared with.
        wanted: for each picture the categories that are asked about, taken together.
        n: how many attributes of a picture.
    """
    asked = {category for categories in wanted for category in categories}
    listed = [one for one in attributes() if one.category in asked]
    if not listed or not len(rows):
        return [[] for _ in rows]
    measure = measure_of(encoder)
    concepts = measure.inside(vectors_of(encoder, [one.text for one in listed]).vectors)
    cosines = unit_rows(measure.inside(rows - mean)) @ unit_rows(concepts).T
    found = []
    for row, categories in zip(cosines, wanted, strict=True):
        order = [i for i in np.argsort(-row, kind="stable") if listed[i].category in categories]
        found.append([Seen(listed[i].text, listed[i].category, float(row[i])) for i in order[:n]])
    return found
