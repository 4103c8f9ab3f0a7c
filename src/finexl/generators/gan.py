"""Images from GANs: one pass from noise and a prompt to a picture.

gan:FOLDER                  config.json and model.safetensors (generators/gans/folder.py)
gan:OWNER/NAME[@REVISION]   the same on the hub
gan:FILE.onnx               one file; its settings in FILE.json beside it
gan:MODEL+DIRECTION.safetensors[@SCALE]...
                            with latent edits: SCALE times the file's directions, added to z or w.
                            Paths may hold + and @: what exists as it is written wins
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finexl import hub
from finexl.devices import best_device
from finexl.errors import UsageError
from finexl.generators import adapters
from finexl.generators.base import Job, Made, Settings, short
from finexl.generators.checkpoints import digest_of_file
from finexl.generators.gans import edits, folder
from finexl.generators.gans.config import Config
from finexl.generators.gans.edits import Edit
from finexl.generators.gans.networks import Network, OnOnnx, OnTorch
from finexl.generators.running import check_precision, made_within, versions

ROLE = hub.Role(
    "GAN",
    "a local one is a folder with config.json and model.safetensors, or an .onnx file",
    "give a folder of images that it made",
)
_CPU_BATCH, _GPU_BATCH = 8, 32


@dataclass
class Gan:
    """A generator network, and what is added to its latents; opened when first asked.

    Every image's noise is drawn by NumPy on the processor, in float32, from the job's seed alone:
    the same for base and personalized, in any batch, on any device.
    """

    reference: str
    revision: str
    settings: Settings
    network: Network
    edits: tuple[Edit, ...] = ()
    kind: str = field(default="gan", init=False)
    seeded: bool = field(default=True, init=False)

    @property
    def config(self) -> Config:
        """The model's settings."""
        return self.network.config

    @property
    def name(self) -> str:
        """The hub id, or the folder's or file's name; and what is added."""
        added = (
            edit.path.stem + ("" if edit.scale == 1 else f"@{edit.scale:g}") for edit in self.edits
        )
        return " + ".join([short(self.reference), *added])

    @property
    def batch(self) -> int:
        """How many images are made at once."""
        return self.settings.batch or (_CPU_BATCH if self._device == "cpu" else _GPU_BATCH)

    @property
    def prompted(self) -> bool:
        """Whether it is conditional at all."""
        return self.config.conditioning != "none"

    @property
    def notice(self) -> str | None:
        """That prompts are not heeded, where they are not."""
        if self.prompted:
            return None
        return f"{self.name} is unconditional: prompts are recorded, and do not change its images."

    @property
    def digest(self) -> str:
        """Of weights, settings, edits with their scales, size, precision and kind of device."""
        parts = [
            self.revision,
            [[edit.digest, edit.scale] for edit in self.edits],
            self.settings.size,
            getattr(self.network, "dtype", None),
            self._device.partition(":")[0],
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def record(self) -> Mapping[str, Any]:
        """Return what the manifest says."""
        onnx = isinstance(self.network, OnOnnx)
        used = {"onnxruntime": version("onnxruntime")} if onnx else dict(versions())
        return {
            "reference": self.reference,
            "revision": self.revision,
            "architecture": "onnx" if onnx else self.config.architecture,
            "conditioning": self.config.conditioning,
            "z": self.network.z,
            "size": self.settings.size or (self.network.sizes or (None,))[-1],
            "dtype": getattr(self.network, "dtype", None),
            "device": self._device,
            "edits": [edit.record() for edit in self.edits],
            "versions": used,
        }

    def make(self, jobs: Sequence[Job]) -> list[Made]:
        """Make one batch, in order. See `Generator.make`."""
        if not jobs:
            return []
        noise = np.stack([drawn(job.seed, self.network.noise) for job in jobs])
        to_z, to_w = (edits.added(self.edits, place) for place in ("z", "w"))
        if to_z is not None:
            noise[:, : self.network.z] += to_z
        prompts = [job.prompt for job in jobs]
        found = made_within(
            lambda: self.network.pictures(noise, prompts, to_w, self.settings.size),
            self.name,
            self._device,
            len(jobs),
        )
        return [_made(pixels) for pixels in found]

    @cached_property
    def _device(self) -> str:
        return self.network.device if isinstance(self.network, OnTorch) else "cpu"


def load(text: str, settings: Settings) -> Gan:
    """Return the model that a reference names; the module's docstring has the grammar.

    Args:
        text: `gan:...`.
        settings: how images are made; of them a GAN knows size, precision, device and batch.

    Raises:
        UsageError: no such model, a setting that a GAN has not, or an edit that does not fit.
        PrerequisiteError: an extra or the model is missing.
    """
    kind, _, rest = text.partition(":")
    if kind != "gan" or not rest:
        raise UsageError(f"{text!r} is no gan:MODEL or gan:MODEL+DIRECTION.safetensors@SCALE.")
    model, directions = adapters.parts(rest, "gan")
    network, revision = _network(model, settings)
    _refuse(settings, network, model)
    read = tuple(edits.read(name, scale, network.z, network.w) for name, scale in directions)
    return Gan(model, revision, settings, network, read)


def drawn(seed: int, width: int) -> NDArray[np.float32]:
    """Return the noise of one image: standard normal numbers, of the seed alone."""
    return np.random.default_rng(seed % 2**64).standard_normal(width, dtype=np.float32)


def _network(model: str, settings: Settings) -> tuple[Network, str]:
    """Return what runs a model, and the model's revision."""
    path = Path(model).expanduser()
    if path.suffix == ".onnx" and not path.is_dir():
        if not path.is_file():
            raise UsageError(f"There is no file {path}.")
        config = Config.read(path.with_suffix(".json"))
        revision = f"sha256:{digest_of_file(path)} with {digest_of_file(config.path)}"
        return OnOnnx(path, config), revision
    if path.is_file():
        raise UsageError(
            f"{path} is no GAN that is opened here; give the folder with {folder.CONFIG} and "
            f"{folder.MODEL}, or an .onnx file."
        )
    if find_spec("torch") is None:
        raise hub.missing_extra(model, ROLE.extra, ROLE)
    dtype = settings.dtype or "float32"
    check_precision(dtype)
    files = hub.locate(model, ROLE, folder.PATTERNS)
    device = settings.device or best_device()
    return OnTorch(folder.checked(files.folder), device, dtype), files.revision


def _refuse(settings: Settings, network: Network, model: str) -> None:
    """Refuse settings that would change nothing."""
    given = {
        "steps": settings.steps,
        "guidance": settings.guidance,
        "negative prompt": settings.negative,
        "scheduler": settings.scheduler,
        "offloading": settings.offload or None,
        **settings.more,
    }
    if network.sizes is None:
        given["size"] = settings.size
        given["precision"] = settings.dtype
    for name, value in given.items():
        if value is not None:
            raise UsageError(f"{model} is a GAN here, which takes no {name}; leave it out.")
    if settings.size is not None and network.sizes and settings.size not in network.sizes:
        raise UsageError(
            f"{model} makes images of {', '.join(map(str, network.sizes))} pixels, not of "
            f"{settings.size}."
        )


def _made(pixels: NDArray[np.float32]) -> Made:
    if not np.isfinite(pixels).all():
        return Made(None, "not a number")
    whole = ((pixels.clip(-1, 1) + 1) * 127.5).round().astype(np.uint8)
    return Made(Image.fromarray(whole.transpose(1, 2, 0)))
