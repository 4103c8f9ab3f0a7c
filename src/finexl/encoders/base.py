"""What an encoder is to the rest of the package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finexl.errors import UsageError


class Encoder(Protocol):
    """An image encoder and a text encoder that share one space (§4.3)."""

    @property
    def name(self) -> str:
        """What users call it."""
        ...

    @property
    def revision(self) -> str:
        """Digest of the weights: scores of two revisions are never compared."""
        ...

    @property
    def dim(self) -> int:
        """d, the dimensions of the space."""
        ...

    @property
    def normalized(self) -> bool:
        """Whether rows have unit length."""
        ...

    def embed_images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Return one row for each RGB image, float32 (n, d)."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one row for each text, float32 (n, d)."""
        ...


@runtime_checkable
class Localiser(Protocol):
    """An encoder that can tell the places of a picture apart."""

    def embed_places(self, images: Sequence[Image.Image]) -> NDArray[np.float32] | None:
        """Return (n, h, w, d): each place in the space of the rows; None if this model has none."""
        ...


@runtime_checkable
class Differentiable(Protocol):
    """An encoder whose rows have gradients with respect to pixels."""

    def embed_pixels(self, pixels: Any) -> Any | None:
        """Return unit rows (n, d) of torch's pixels (n, 3, h, w) in [0, 1]; None: not this model.

        They are those of `embed_images` but for its rounding to 255 levels.
        """
        ...


def places_of(encoder: Encoder, images: Sequence[Image.Image]) -> NDArray[np.float32] | None:
    """Return the places of pictures, (n, h, w, d); None from an encoder that has none to show."""
    return encoder.embed_places(images) if isinstance(encoder, Localiser) else None


def image_rows(encoder: Encoder, images: Sequence[Image.Image]) -> NDArray[np.float32]:
    """Return the encoder's rows for images, float32 (n, d).

    Raises:
        UsageError: it gave something else than n finite rows of its d numbers.
    """
    return _checked(encoder, encoder.embed_images(images), len(images), "images")


def text_rows(encoder: Encoder, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return the encoder's rows for texts, float32 (n, d).

    Raises:
        UsageError: it gave something else than n finite rows of its d numbers.
    """
    return _checked(encoder, encoder.embed_texts(texts), len(texts), "texts")


def _checked(encoder: Encoder, rows: object, n: int, what: str) -> NDArray[np.float32]:
    found = np.asarray(rows, dtype=np.float32)
    if found.shape != (n, encoder.dim):
        raise UsageError(
            f"The encoder {encoder.name} gave embeddings of shape {found.shape} for {n} {what}; "
            f"{(n, encoder.dim)} was expected: its image and text side have to share one space."
        )
    if not np.isfinite(found).all():
        raise UsageError(
            f"The encoder {encoder.name} gave embeddings that are not finite for some {what}; "
            "its weights are damaged, or half precision is too coarse for it."
        )
    return found
