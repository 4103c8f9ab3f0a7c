"""A captioning network opened from a folder: two pictures in, words out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open

from finexl.bench.baselines.nets.backbone import embedded_grids
from finexl.bench.baselines.nets.chg2cap import Chg2CapNet
from finexl.bench.baselines.nets.decoding import beam
from finexl.bench.baselines.nets.diff_caption import DiffCaptionNet
from finexl.bench.baselines.nets.settings import Settings, read_settings
from finexl.devices import torch_threads
from finexl.encoders.embedded import Embedded
from finexl.errors import UsageError

CONFIG, WEIGHTS = "config.json", "model.safetensors"
NETS: Mapping[str, Callable[[Settings], Any]] = {
    "diff-caption": DiffCaptionNet,
    "chg2cap": Chg2CapNet,
}


@dataclass(frozen=True)
class Captioner:
    """A network and how it sees."""

    settings: Settings
    net: Any
    encoder: Embedded
    width: int
    """Beginnings of captions that are kept; 1 is greedy."""

    def describe(self, before: Image.Image, after: Image.Image) -> str:
        """Return how the second picture differs from the first."""
        grids = torch.from_numpy(self._grids([before, after]))
        return self.write(grids[0], grids[1])

    def write(self, before: Any, after: Any) -> str:
        """Return how the second grid (s, s, c) differs from the first, in words."""
        with torch_threads(1), torch.inference_mode():
            memory = self.net.encode(before[None], after[None])

            def scores(words: Any) -> Any:
                return self.net.decode(memory.expand(len(words), -1, -1), words)

            return self.settings.text(beam(scores, self.width, self.settings.length))

    def _grids(self, pictures: list[Image.Image]) -> np.ndarray[Any, np.dtype[np.float32]]:
        if self.settings.backbone == "embedded":
            return embedded_grids(self.encoder, pictures, self.settings.side)
        size = (self.settings.pixels, self.settings.pixels)
        squares = [picture.resize(size, Image.Resampling.BICUBIC) for picture in pictures]
        return np.stack([np.asarray(one, np.float32) / 255 for one in squares])


def open_captioner(folder: Path, architecture: str, width: int = 3) -> Captioner:
    """Open a folder's config.json and model.safetensors.

    Raises:
        UsageError: a file that is missing or damaged, another architecture, or weights that do not
            fit the settings.
    """
    settings = read_settings(folder / CONFIG)
    if settings.architecture != architecture:
        raise UsageError(
            f"{folder} has a network of the kind {settings.architecture}; give one of "
            f"{architecture}."
        )
    with torch.device("meta"):
        expected = NETS[architecture](settings).state_dict()
    shapes = {name: tuple(rows.shape) for name, rows in expected.items()}
    weights = _weights(folder / WEIGHTS, shapes)
    net = NETS[architecture](settings)
    net.load_state_dict(weights)
    return Captioner(settings, net.eval(), Embedded(threads=1), width)


def _weights(path: Path, shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """Return the tensors of a file in float32, once its names and shapes are sure to fit."""
    if not path.is_file():
        raise UsageError(f"There is no file {path}.")
    try:
        with safe_open(path, "pt") as opened:
            there = {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}
            wrong = sorted(n for n in {*shapes, *there} if shapes.get(n) != there.get(n))
            if wrong:
                raise UsageError(
                    f"{path} does not fit its {CONFIG}: {wrong[0]} is {there.get(wrong[0])}, and "
                    f"{shapes.get(wrong[0])} was expected."
                )
            return {
                name: rows.float() if rows.is_floating_point() else rows
                for name, rows in ((name, opened.get_tensor(name)) for name in there)
            }
    except (SafetensorError, OSError) as error:
        raise UsageError(f"{path} is no safetensors file, or is damaged: {error}.") from error
