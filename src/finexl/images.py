"""Opening pictures that may be anything: limits, formats, EXIF rotation, modes, digests."""

from __future__ import annotations

import hashlib
import io
import stat
import threading
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.Image import Transpose

from finexl.errors import UsageError

MAX_PIXELS = 64_000_000
MAX_BYTES = 256_000_000
_CHUNK_BYTES = 1 << 20
_FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".avif": "AVIF",
}
_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}


class ImageError(UsageError):
    """A picture that cannot be opened; the message names it and says why."""


@dataclass(frozen=True)
class Picture:
    """One image of a set, opened only when asked for, and what it was made from."""

    key: str
    """The path in its folder without suffix, or the index in its list."""
    source: Path | Image.Image | NDArray[np.float32]
    """A file, an image in memory, or its embedding (d,) where only that is known."""
    prompt: str | None = None
    seed: int | None = None

    @property
    def name(self) -> str:
        """What a message calls it: the path in its folder, or "image 3"."""
        if isinstance(self.source, Path):
            return self.key + printable(self.source.suffix)
        return f"image {self.key}"

    def open(self) -> Image.Image:
        """Return the picture as RGB, upright and decoded, its file closed.

        Raises:
            ImageError: it cannot be opened.
        """
        if isinstance(self.source, Path):
            return load_image(self.source)
        with _failures_of(self.name):
            if isinstance(self.source, np.ndarray):
                raise ValueError("only its embedding was given")
            return _as_rgb(self.source)

    def digest(self) -> str:
        """Return the sha256 (hex) of the file's bytes, or of what is in memory: RGB pixels or row.

        Raises:
            ImageError: it cannot be read.
        """
        digest = hashlib.sha256()
        if isinstance(self.source, Path):
            with _failures_of(self.source), _open_file(self.source) as file:
                while chunk := file.read(_CHUNK_BYTES):
                    digest.update(chunk)
        elif isinstance(self.source, np.ndarray):
            digest.update(f"embedding {len(self.source)}\n".encode())
            digest.update(self.source.astype("<f4").tobytes())
        else:
            image = self.open()
            digest.update(f"{image.mode} {image.width}x{image.height}\n".encode())
            digest.update(image.tobytes())
        return digest.hexdigest()


def load_image(source: Path | Image.Image) -> Image.Image:
    """Return a picture as RGB, upright and decoded, whatever it came as.

    EXIF rotation is honoured; transparency is laid over white; 16 and 32 bits are scaled to 8, not
    clipped; of an animation the first frame is taken; colour profiles are ignored.

    Raises:
        ImageError: missing, no image, truncated, over 256 MB or over 64 megapixels (which is
            looked up before decoding), or of a colour mode that has no RGB.
    """
    if isinstance(source, Image.Image):
        with _failures_of(getattr(source, "filename", "") or "an image in memory"):
            return _as_rgb(source)
    with _failures_of(source), _open_file(source) as file:
        with _no_warnings():
            image = Image.open(file, formats=tuple(image_formats().values()))
        return _as_rgb(image)


def decoded(content: bytes) -> Image.Image:
    """Return a picture as `load_image` does, from a file's bytes that came from somewhere.

    Raises:
        ImageError: no picture of the formats that are read, or one that is damaged or too large.
    """
    with _failures_of("what was sent"):
        with _no_warnings():
            image = Image.open(io.BytesIO(content), formats=tuple(image_formats().values()))
        return _as_rgb(image)


@cache
def image_formats() -> dict[str, str]:
    """Return the suffixes that are read, each with Pillow's name of its format."""
    supported = set(Image.registered_extensions().values())
    return {suffix: name for suffix, name in _FORMATS.items() if name in supported}


def printable(text: str) -> str:
    """Return a file name fit for terminals and UTF-8: control characters and odd bytes escaped."""
    return "".join(
        repr(character)[1:-1] if unicodedata.category(character) in ("Cc", "Cs") else character
        for character in text
    )


def _as_rgb(image: Image.Image) -> Image.Image:
    pixels = image.width * image.height
    if pixels == 0:
        raise ValueError("it has no pixels")
    if pixels > MAX_PIXELS:
        raise ValueError(
            f"it has {pixels / 1e6:,.1f} megapixels and the most is {MAX_PIXELS / 1e6:.0f}"
        )
    # TIFF reads its metadata while it decodes
    with _no_warnings() if image.format == "TIFF" else nullcontext():
        image.load()
    turn = _UPRIGHT.get(_orientation(image))
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        rgb = _scaled_to_8_bits(image).convert("RGB")
    elif image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        rgb = Image.alpha_composite(white, rgba).convert("RGB")
    else:
        rgb = image.convert("RGB")
    if turn is not None:
        rgb = rgb.transpose(turn)
    rgb.info = {}  # else the EXIF rotation that was just done would be done again
    return rgb


def _scaled_to_8_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.float64)
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise ValueError("it has pixels that are no finite numbers")
    if image.mode.startswith("I;16"):
        low, high = 0.0, 65535.0
    else:  # the range is not written anywhere: the smallest usual one that holds the values
        usual = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
        low, high = next(((0.0, top) for top in usual if low >= 0 and high <= top), (low, high))
    scaled = (values - low) * (255.0 / ((high - low) or 1.0))
    return Image.fromarray(np.rint(scaled).astype(np.uint8))


def _orientation(image: Image.Image) -> int:
    with _no_warnings():
        try:
            return int(image.getexif().get(_ORIENTATION_TAG, 1))
        except Exception:  # a picture is no worse for a broken EXIF block
            return 1


def _open_file(path: Path) -> BinaryIO:
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise ValueError("it is a folder")
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        raise ValueError("it is not a regular file")
    if status.st_size == 0:
        raise ValueError("it is empty")
    if status.st_size > MAX_BYTES:
        raise ValueError(f"it has {status.st_size / 1e6:,.0f} MB and the most is 256")
    return path.open("rb")


_FILTERS = threading.Lock()


@contextmanager
def _no_warnings() -> Iterator[None]:
    """Keep Pillow's warnings (its own bomb limit, odd metadata) from the caller.

    The filters belong to the process, so only what is quick is done inside, one thread at a time.
    """
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _failures_of(name: Path | str) -> Iterator[None]:
    """Turn whatever goes wrong with a picture into one sentence that names it."""
    try:
        yield
    except Exception as error:  # Pillow's decoders raise nearly every kind on bad bytes
        if isinstance(error, UnidentifiedImageError):
            formats = ", ".join(dict.fromkeys(image_formats().values()))
            why = f"it is not one of {formats}, or its header is damaged"
        elif isinstance(error, OSError) and error.strerror:
            why = error.strerror.lower()
        else:
            why = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ImageError(f"{printable(str(name))} cannot be opened as an image: {why}.") from error
