"""Stands in for the few parts of torchvision that open_clip imports, where none can be installed.

The image transforms are Pillow's and torch's own, written out, so that what open_clip composes of
them is what it would compose of the real ones.
"""

from __future__ import annotations

import importlib.machinery
from collections.abc import Callable, Sequence
from enum import Enum
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image


class InterpolationMode(Enum):
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"


class Compose:
    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = list(transforms)

    def __call__(self, image: Any) -> Any:
        for transform in self.transforms:
            image = transform(image)
        return image


class Resize:
    def __init__(self, size: Any, interpolation: InterpolationMode = InterpolationMode.BILINEAR):
        self.size, self.interpolation = size, interpolation

    def __call__(self, image: Image.Image) -> Image.Image:
        size = self.size
        if not isinstance(size, int) and len(size) == 2:
            height, width = size
        else:
            side = size if isinstance(size, int) else size[0]
            longer = int(side * max(image.size) / min(image.size))
            tall = image.width <= image.height
            height, width = (longer, side) if tall else (side, longer)
        return image.resize((width, height), Image.Resampling[self.interpolation.name])


class CenterCrop:
    def __init__(self, size: Any) -> None:
        self.size = (size, size) if isinstance(size, int) else tuple(size)

    def __call__(self, image: Image.Image) -> Image.Image:
        height, width = self.size
        left, top = round((image.width - width) / 2), round((image.height - height) / 2)
        return image.crop((left, top, left + width, top + height))


class ToTensor:
    def __call__(self, image: Image.Image) -> torch.Tensor:
        return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).float() / 255.0


class Normalize:
    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean, self.std = (torch.tensor(values)[:, None, None] for values in (mean, std))

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        return (pixels - self.mean) / self.std


class NotNeeded:
    """What open_clip imports for training or for other architectures."""


def stand_in() -> dict[str, ModuleType]:
    """Return the modules by name, for sys.modules."""
    names = "", ".transforms", ".transforms.functional", ".ops", ".ops.misc"
    modules = {f"torchvision{name}": ModuleType(f"torchvision{name}") for name in names}
    for name, module in modules.items():
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        module.__path__ = []
    transforms: Any = modules["torchvision.transforms"]
    for kind in (InterpolationMode, Compose, Resize, CenterCrop, ToTensor, Normalize):
        setattr(transforms, kind.__name__, kind)
    for name in ("RandomResizedCrop", "ColorJitter", "Grayscale"):
        setattr(transforms, name, NotNeeded)
    misc: Any = modules["torchvision.ops.misc"]
    misc.FrozenBatchNorm2d = NotNeeded
    transforms.functional = modules["torchvision.transforms.functional"]
    transforms.functional.to_tensor = ToTensor()
    top: Any = modules["torchvision"]
    top.transforms, top.ops = transforms, modules["torchvision.ops"]
    return modules
