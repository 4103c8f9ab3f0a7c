"""How different two pictures of the same content look: LPIPS on AlexNet, its published weights.

    d(x, y) = Σ_l  mean over positions of  w_l · (f̂_l(x) − f̂_l(y))²        Zhang et al. 2018, Eq. 1

f̂_l are the activations of layer l at unit length in each position, w_l ≥ 0 is learned from human
judgements. The weights are the shift-tolerant ones (Ghildyal and Liu 2022): the first convolution
has stride 1 and every reduction is a blur, so that a picture moved by a pixel is still the same.
`scripts/fetch_lpips.py` fetches them and writes them as safetensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from finexl.bench.weights import read_weights
from finexl.devices import torch_threads
from finexl.errors import UsageError

WEIGHTS = "lpips_alex.safetensors"
SIDE = 128
"""The longer side that pictures are scaled down to: distances at other sizes do not compare."""
SMALLEST = 32
CHANNELS = (64, 192, 384, 256, 256)
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)
"""ImageNet's mean and spread, for pixels in [−1, 1]."""
_TINY = 1e-10


class Blur(nn.Module):  # type: ignore[misc]
    """Every second pixel of the picture blurred by (1 2 1)² / 16, two reflected at each border."""

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, c, ⌈(h + 2) / 2⌉, ⌈(w + 2) / 2⌉)."""
        channels = features.shape[1]
        row = torch.tensor([1.0, 2.0, 1.0], dtype=features.dtype, device=features.device) / 4
        kernel = torch.outer(row, row).expand(channels, 1, 3, 3)
        padded = nn.functional.pad(features, (2, 2, 2, 2), mode="reflect")
        return nn.functional.conv2d(padded, kernel, stride=2, groups=channels)


class Network(nn.Module):  # type: ignore[misc]
    """AlexNet's five convolutions, and a weight for each of their channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.ModuleList(
            [
                nn.Conv2d(3, 64, 11, padding=2),
                nn.Conv2d(64, 192, 5, padding=2),
                nn.Conv2d(192, 384, 3, padding=1),
                nn.Conv2d(384, 256, 3, padding=1),
                nn.Conv2d(256, 256, 3, padding=1),
            ]
        )
        self.weight = nn.ParameterList([nn.Parameter(torch.zeros(n)) for n in CHANNELS])

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Return the five layers' activations of pictures (n, 3, h, w) in [−1, 1]."""
        shift, scale = (
            torch.tensor(v, dtype=pixels.dtype, device=pixels.device)[:, None, None]
            for v in (_SHIFT, _SCALE)
        )
        blur, pool = Blur(), nn.MaxPool2d(3, stride=1)
        found = [blur(self.conv[0]((pixels - shift) / scale)).relu()]
        for layer in (1, 2):
            found.append(self.conv[layer](blur(pool(found[-1]))).relu())
        for layer in (3, 4):
            found.append(self.conv[layer](found[-1]).relu())
        return found

    def distance(self, ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> Tensor:
        """Return d (n,) of two lists of activations."""
        total = torch.zeros(len(ours[0]), dtype=ours[0].dtype, device=ours[0].device)
        for x, y, weight in zip(ours, theirs, self.weight, strict=True):
            apart = (_unit(x) - _unit(y)) ** 2
            total = total + torch.einsum("nchw,c->n", apart, weight) / apart[0, 0].numel()
        return total


@dataclass(frozen=True)
class Lpips:
    """The network, opened."""

    network: Network
    revision: str
    """The sha256 of the weights' file."""
    device: str = "cpu"
    threads: int | None = None

    @classmethod
    def load(cls, folder: Path, device: str = "cpu", threads: int | None = None) -> Lpips:
        """Open the network that `scripts/fetch_lpips.py` wrote into a folder.

        Raises:
            PrerequisiteError: it is not there.
            UsageError: the file is damaged, too large, or of another network.
        """
        network = Network().eval()
        revision = read_weights(
            network, folder / WEIGHTS, "fetch_lpips.py", "LPIPS's AlexNet weights"
        )
        return cls(network.to(device), revision, device, threads)

    def __call__(self, one: Image.Image, other: Image.Image) -> float:
        """Return d of two pictures, ≥ 0, 0 for equal ones; rarely over 1.

        Both are scaled down to 128 pixels at most; the second is brought to the first's size.

        Raises:
            UsageError: a picture of fewer than 32 pixels a side once it is scaled down.
        """
        first = _scaled(one)
        second = other.convert("RGB")
        if second.size != first.size:
            second = second.resize(first.size, Image.Resampling.LANCZOS)
        with torch.inference_mode(), torch_threads(self.threads):
            both = torch.stack([_pixels(first), _pixels(second)]).to(self.device)
            layers = self.network(both)
            return float(self.network.distance([x[:1] for x in layers], [x[1:] for x in layers]))


def _scaled(picture: Image.Image) -> Image.Image:
    scaled = picture.convert("RGB")
    scaled.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    if min(scaled.size) < SMALLEST:
        raise UsageError(
            f"A picture of {picture.width} × {picture.height} pixels is too small or too narrow "
            f"for a perceptual distance; give at least {SMALLEST} a side."
        )
    return scaled


def _pixels(picture: Image.Image) -> Tensor:
    values = np.asarray(picture, dtype=np.float32) / 127.5 - 1
    return torch.from_numpy(values).permute(2, 0, 1)


def _unit(features: Tensor) -> Tensor:
    return features / ((features**2).sum(1, keepdim=True).sqrt() + _TINY)
