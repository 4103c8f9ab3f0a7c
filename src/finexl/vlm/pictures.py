"""Pictures as a model is shown them: upright RGB of a bounded size."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO

from PIL import Image

from finexl.images import load_image

SIDE = 768
"""The longer side, in pixels, that a picture is scaled down to."""
JPEG_QUALITY = 90


def scaled(image: Image.Image, side: int = SIDE) -> Image.Image:
    """Return a picture as RGB whose longer side has at most `side` pixels; never a larger one.

    Raises:
        ImageError: a picture that cannot be decoded.
    """
    rgb = load_image(image)
    if max(rgb.size) <= side:
        return rgb
    factor = side / max(rgb.size)
    width, height = (max(1, round(length * factor)) for length in rgb.size)
    return rgb.resize((width, height), Image.Resampling.LANCZOS)


def data_url(image: Image.Image, side: int = SIDE) -> str:
    """Return a picture, scaled, as a JPEG in a data URL, without any of its metadata."""
    file = BytesIO()
    scaled(image, side).save(file, "JPEG", quality=JPEG_QUALITY)
    return f"data:image/jpeg;base64,{b64encode(file.getvalue()).decode()}"
