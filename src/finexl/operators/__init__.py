"""Graded image operators: known changes to pictures, with the phrases people name them by.

    picture = apply(picture, "pencil_sketch", 0.5, np.random.default_rng(0))

Level 0 leaves a picture as it is, level 1 is a strong, unmistakable effect; in between it grows.
Sizes (blur, brushes, grain) follow the shorter side, so an effect looks alike at 256 and 1024 px.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from PIL import Image

from finexl.errors import UsageError
from finexl.operators.colour import COLOUR
from finexl.operators.digital import DIGITAL
from finexl.operators.drawing import DRAWING
from finexl.operators.film import FILM
from finexl.operators.focus import FOCUS
from finexl.operators.light import LIGHT
from finexl.operators.operator import Operator
from finexl.operators.painting import PAINTING
from finexl.operators.pieces import PIECES
from finexl.operators.printmaking import PRINTMAKING
from finexl.operators.surface import SURFACE

__all__ = ["OPERATORS", "Operator", "apply"]

OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        operator.name: operator
        for kind in (
            COLOUR, LIGHT, FOCUS, FILM, DIGITAL, DRAWING, PRINTMAKING, PAINTING, SURFACE, PIECES,
        )
        for operator in kind
    }
)  # fmt: skip
"""Every operator by name, grouped by kind; read-only."""


def apply(image: Image.Image, name: str, level: float, rng: np.random.Generator) -> Image.Image:
    """Return the picture changed by one operator.

    Args:
        image: Any picture; it is read as RGB.
        name: A key of `OPERATORS`.
        level: How much, in [0, 1]; 0 returns the pixels unchanged.
        rng: Where the operator's grain, strokes or drops come from; same state, same bytes.

    Returns:
        A new RGB picture of the same size.

    Raises:
        UsageError: No such operator, or a level outside [0, 1].
    """
    if name not in OPERATORS:
        raise UsageError(f"There is no operator {name!r}; choose one of {', '.join(OPERATORS)}.")
    if not 0.0 <= level <= 1.0:
        raise UsageError(f"The level of {name!r} is {level}; give a number from 0 to 1.")
    picture = image.convert("RGB")
    if level == 0:
        return picture
    raster = np.asarray(picture, np.float32) / np.float32(255)
    changed = OPERATORS[name].function(raster, float(level), rng)
    return Image.fromarray((changed * 255 + 0.5).astype(np.uint8))
