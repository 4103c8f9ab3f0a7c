"""A model's own image preprocessing, as its preprocessor_config.json describes it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finexl.errors import UsageError


@dataclass(frozen=True)
class Preprocessing:
    """Resize, crop, scale, normalise; in that order, each where the settings ask for it."""

    resize: tuple[int, int] | int | None
    """(height, width), or the shorter side; None leaves the size."""
    resample: Image.Resampling
    crop: tuple[int, int] | None
    """(height, width), from the centre."""
    factor: float
    """What 8-bit values are multiplied by."""
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def read(cls, path: Path) -> Preprocessing:
        """Read the hub's usual form.

        Raises:
            UsageError: missing, or not of that form.
        """
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            size, crop = found.get("size", 224), found.get("crop_size")
            plain = not found.get("do_normalize", True)
            return cls(
                resize=_size(size) if found.get("do_resize", True) else None,
                resample=Image.Resampling(found.get("resample", Image.Resampling.BICUBIC)),
                crop=_crop(crop) if found.get("do_center_crop", False) and crop else None,
                factor=float(found.get("rescale_factor", 1 / 255))
                if found.get("do_rescale", True)
                else 1.0,
                mean=(0.0,) * 3 if plain else tuple(map(float, found["image_mean"])),
                std=(1.0,) * 3 if plain else tuple(map(float, found["image_std"])),
            )
        except OSError as error:
            raise UsageError(f"{path} is missing; it says how images are prepared.") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"{path} does not say how images are prepared ({error}).") from error

    def __call__(self, image: Image.Image) -> NDArray[np.float32]:
        """Return the prepared picture, float32 (3, height, width)."""
        image = image.convert("RGB")
        if isinstance(self.resize, int):
            image = image.resize(_shorter_side(image.size, self.resize), self.resample)
        elif self.resize is not None:
            height, width = self.resize
            image = image.resize((width, height), self.resample)
        values = np.asarray(image)
        if self.crop is not None:
            values = _centre(values, *self.crop)
        scaled = values.astype(np.float32) * np.float32(self.factor)
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        return np.ascontiguousarray(((scaled - mean) / std).transpose(2, 0, 1))


def _size(given: Any) -> tuple[int, int] | int:
    if isinstance(given, int):
        return given
    if "shortest_edge" in given:
        return int(given["shortest_edge"])
    return int(given["height"]), int(given["width"])


def _crop(given: Any) -> tuple[int, int]:
    found = _size(given)
    return (found, found) if isinstance(found, int) else found


def _shorter_side(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Return (width, height) with the shorter one `side`, the longer rounded down."""
    short, long = min(size), max(size)
    longer = int(side * long / short)
    return (side, longer) if size[0] <= size[1] else (longer, side)


def _centre(values: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Return the middle of a picture (h, w, 3); what lies outside of it is black."""
    down, across = max(0, height - values.shape[0]), max(0, width - values.shape[1])
    if down or across:
        before = (-(-down // 2), -(-across // 2))
        values = np.pad(
            values, ((before[0], down - before[0]), (before[1], across - before[1]), (0, 0))
        )
    top, left = (values.shape[0] - height) // 2, (values.shape[1] - width) // 2
    return values[top : top + height, left : left + width]
