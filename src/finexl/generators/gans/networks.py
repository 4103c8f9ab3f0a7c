"""What runs a GAN: torch for a folder of safetensors, onnxruntime for one .onnx file.

Both are given noise and prompts and return pixels; an .onnx file takes inputs of z, float (n, z),
and with classes of label, either their numbers (n,) or one-hot rows (n, classes). Its settings are
those of the file of the same name that ends in .json: `z`, `conditioning`, `classes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from finexl.errors import UsageError
from finexl.generators.gans import folder
from finexl.generators.gans.config import Config
from finexl.generators.running import alike, first_line, out_of_memory

Pixels = NDArray[np.float32]
MOST_PIXELS = 4096
"""The largest picture's side."""


class Network(Protocol):
    """Noise and prompts to pictures."""

    config: Config
    z: int
    w: int | None
    noise: int
    """How many numbers are drawn for a picture; z comes first."""
    sizes: tuple[int, ...] | None
    """The pictures' sides, in pixels; None: not known before one is made."""

    def pictures(
        self, noise: Pixels, prompts: Sequence[str], edit: Pixels | None, size: int | None
    ) -> Pixels:
        """Return (n, 3, s, s), about [-1, 1]; `edit` is added to w."""
        ...


@dataclass
class OnTorch:
    """A folder's networks; opened when first used."""

    config: Config
    device: str
    dtype: str

    def __post_init__(self) -> None:
        """Read the sizes from the settings; the weights stay closed.

        Raises:
            UsageError: settings that cannot be.
        """
        laid_out = folder.outline(self.config)
        self.z: int = laid_out.z
        self.w: int | None = laid_out.w
        self.noise: int = laid_out.noise
        self.sizes: tuple[int, ...] | None = laid_out.sizes

    @cached_property
    def opened(self) -> Any:
        """The generator with its weights."""
        network = folder.generator(self.config, self.dtype)
        try:
            return network.to(self.device)
        except Exception as error:  # torch has a class for each kind
            if out_of_memory(error):
                raise
            raise UsageError(
                f"{self.config.folder} cannot be opened on {self.device}: {first_line(error)}"
            ) from error

    def pictures(
        self, noise: Pixels, prompts: Sequence[str], edit: Pixels | None, size: int | None
    ) -> Pixels:
        """See `Network.pictures`."""
        import torch

        def placed(values: Pixels) -> Any:
            given = torch.from_numpy(values)
            return given.to(device=self.device, dtype=getattr(torch, self.dtype))

        with torch.inference_mode(), alike(self.device, 0, self.dtype):
            condition = self.opened.condition(prompts)
            added = None if edit is None else placed(edit)
            made, _ = self.opened(placed(noise), condition, added)
            sizes = self.opened.sizes
            found: Pixels = made[sizes.index(size or sizes[-1])].float().cpu().numpy()
        return found


@dataclass
class OnOnnx:
    """One .onnx file; opened when first used."""

    path: Path
    config: Config

    def __post_init__(self) -> None:
        """Read the sizes from the settings.

        Raises:
            UsageError: settings that cannot be.
        """
        self.z = self.noise = self.config.number("z", most=8192)
        self.w: int | None = None
        self.sizes: tuple[int, ...] | None = None
        if self.config.conditioning == "text":
            raise self.config.wrong("conditioning", '"class" or "none" for an .onnx file')
        if self.config.conditioning == "class":
            _ = self.config.classes

    @cached_property
    def opened(self) -> Any:
        """The onnxruntime session."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        try:
            session = onnxruntime.InferenceSession(
                str(self.path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the library has a class for each kind
            raise UsageError(f"{self.path} cannot be opened: {first_line(error)}") from error
        names = {one.name for one in session.get_inputs()}
        wanted = {"z"} | ({"label"} if self.config.conditioning == "class" else set())
        if names != wanted:
            raise UsageError(
                f"{self.path} takes {', '.join(sorted(names))}, and {self.config.path} says that "
                f"it takes {', '.join(sorted(wanted))}."
            )
        return session

    def pictures(
        self, noise: Pixels, prompts: Sequence[str], edit: Pixels | None, size: int | None
    ) -> Pixels:
        """See `Network.pictures`."""
        del edit, size
        feed = {one.name: self._given(one, noise, prompts) for one in self.opened.get_inputs()}
        try:
            found = np.asarray(self.opened.run(None, feed)[0])
        except MemoryError:
            raise
        except Exception as error:  # as above
            raise UsageError(f"{self.path} cannot make images so: {first_line(error)}") from error
        good = found.ndim == 4 and found.shape[:2] == (len(noise), 3)
        if not good or max(found.shape) > MOST_PIXELS or found.dtype.kind != "f":
            raise UsageError(
                f"{self.path} returns {found.dtype} of the shape {found.shape}, which are no "
                f"{len(noise)} pictures (n, 3, height, width)."
            )
        return found.astype(np.float32)

    def _given(self, wanted: Any, noise: Pixels, prompts: Sequence[str]) -> NDArray[Any]:
        if wanted.name == "z":
            return noise.astype(np.float16) if "float16" in wanted.type else noise
        numbers = np.array([self.config.class_in(prompt) for prompt in prompts], np.int64)
        if "int" in wanted.type:
            return numbers.astype(np.int32) if "int32" in wanted.type else numbers
        width = wanted.shape[-1]
        if type(width) is not int or not numbers.max() < width <= MOST_PIXELS * 16:
            width = max(self.config.classes.values()) + 1
        rows = np.zeros((len(numbers), width), np.float32)
        rows[np.arange(len(numbers)), numbers] = 1
        return rows
