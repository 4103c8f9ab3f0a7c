"""What a captioning network sees of a picture: a grid of features.

The published networks read a ResNet-101's 2,048 channels of 7 × 7 or 8 × 8 places, pretrained on
ImageNet. No such weights can be had here, so that there are two in its place, and a model's
config.json says which: "embedded", the embedded encoder's places (its EfficientNet's stages,
mapped into the shared space), frozen as Diff Caption's features are; or "cnn", a small network
that is trained with the rest, as Chg2Cap's is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finexl.encoders.embedded import GRID, Embedded


def embedded_grids(
    encoder: Embedded, images: Sequence[Image.Image], side: int
) -> NDArray[np.float32]:
    """Return (n, side, side, d): the means of places; `side` divides their 16 a side."""
    places = encoder.embed_places(images)
    each = GRID // side
    blocks = places.reshape(len(places), side, each, side, each, places.shape[-1])
    grids: NDArray[np.float32] = blocks.mean(axis=(2, 4))
    return grids
