"""What an encoder is to the rest of the package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image


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
