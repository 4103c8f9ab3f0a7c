"""Where in a picture the change along a concept sits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finexl.encoders import Encoder, places_of

Array = NDArray[np.floating[Any]]


def heat_map(
    encoder: Encoder, base: Image.Image, personalized: Image.Image, direction: Array
) -> Array | None:
    """Return how far each place moved along a direction, (h, w); None where it cannot be told.

    For the embedded encoder a picture's row is a mean over places, but for what is measured of the
    picture as a whole: the values' mean is then what the pair moves. For vision transformers each
    patch goes through what the model does to the whole; the values say where, not how much.

    Args:
        encoder: one whose places can be told apart, or any other.
        base: the picture of the base.
        personalized: that of the personalized model, made from the same; content that moved shows
            as change where it was and where it is.
        direction: (d,), in the encoder's space.
    """
    places = places_of(encoder, [base, personalized])
    if places is None:
        return None
    found: Array = (places[1] - places[0]) @ direction
    return found
