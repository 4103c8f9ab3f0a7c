"""How much nearer a picture lies to what somebody likes than to what they dislike.

    s(x) = Σ over VP+ of w_a cos(f(x), f(a)) / Σ w_a − the same over VP−,

f being an encoder: the paper's reward and yardstick (C.8, Table 3) with an attribute at a time, so
that no list is cut at 77 tokens. In [−2, 2]. It compares pictures of one prompt; its size by itself
says nothing, since encoders put all pictures at some distance from all texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finexl.core.orthogonality import unit_rows
from finexl.encoders import Encoder, image_rows, text_rows
from finexl.errors import UsageError
from finexl.viper.taste import Attributes, Taste

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Similarity:
    """s(x) for one person; `similarity_to` makes one."""

    encoder: Encoder
    direction: Array
    """(d,): s of a picture is its unit row times this."""

    def scores(self, pictures: Sequence[Image.Image]) -> Array:
        """Return s of pictures (n,)."""
        found: Array = unit_rows(image_rows(self.encoder, pictures).astype(float)) @ self.direction
        return found


def similarity_to(taste: Taste, encoder: Encoder) -> Similarity:
    """Return the similarity to a taste.

    Raises:
        UsageError: a taste that says nothing.
    """
    if not taste.heard:
        raise UsageError("This profile names nothing liked or disliked, so nothing is similar.")
    sides = [_mean(side, encoder) for side in (taste.liked, taste.disliked)]
    return Similarity(encoder, sides[0] - sides[1])


def _mean(attributes: Attributes, encoder: Encoder) -> Array:
    heard = [(words, weight) for words, weight in attributes if weight > 0]
    if not heard:
        return np.zeros(encoder.dim)
    words, weights = zip(*heard, strict=True)
    found: Array = (
        np.array(weights) @ unit_rows(text_rows(encoder, words).astype(float)) / sum(weights)
    )
    return found
