"""Images from models that write them token by token: Chameleon and Anole, Janus, VQ + transformer.

ar:MODEL                              a folder or a hub id "owner/name[@revision]"
ar:MODEL+FILE[@SCALE][+FILE2...]      with a VQ decoder (which Chameleon may not bring), a PEFT
                                      adapter, or a transformer's weights laid over it. Paths may
                                      hold + and @: what exists as it is written wins

Which kind a MODEL is, the `model_type` in its config.json says.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from finexl import hub
from finexl.devices import best_device
from finexl.errors import UsageError
from finexl.generators import adapters
from finexl.generators.base import Job, Made, Settings
from finexl.generators.running import (
    alike,
    check_precision,
    made_within,
    opening,
    precision,
    quietly,
    versions,
)
from finexl.generators.tokens import overlays
from finexl.generators.tokens.model import ROLE, TokenModel, read_settings, refuse_unbelievable
from finexl.generators.tokens.overlays import Overlay
from finexl.generators.tokens.sampling import Sampling, write

FAMILIES = ("chameleon", "janus", "finexl-vq")
PATTERNS = (
    *hub.PATTERNS,
    "*decoder*.safetensors",
    "*vq*.safetensors",
    "*/*.json",
    "*/*.txt",
    "*/*.safetensors",
)
MOST_TOKENS = 1 << 16
"""Of an image; Chameleon's has 1,024."""
_GPU_BATCH = 4


@dataclass
class Autoregressive:
    """A model that writes images as tokens, and what is laid over it; opened when first asked.

    The draws of an image are made on the processor by a generator of its own: the same for base
    and personalized, whatever the device and the batch.
    """

    reference: str
    settings: Settings = field(default_factory=Settings)
    overlays: tuple[Overlay, ...] = ()
    kind: str = field(default="ar", init=False)
    seeded: bool = field(default=True, init=False)
    prompted: bool = field(default=True, init=False)
    notice: None = field(default=None, init=False)
    source: hub.Files = field(init=False)
    family: str = field(init=False)
    _used: dict[str, int] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        """Find the files, and refuse what cannot be before anything large is opened.

        Raises:
            UsageError: no such model, no kind that is known, or a setting that cannot be.
            PrerequisiteError: an extra or the model is missing.
        """
        needed = ("torch", "transformers", "diffusers", "peft")
        if any(find_spec(package) is None for package in needed):
            raise hub.missing_extra(self.reference, ROLE.extra, ROLE)
        asked = self.settings
        check_precision(asked.dtype)
        for name, value in (("steps", asked.steps), ("scheduler", asked.scheduler)):
            if value is not None:
                raise UsageError(f"{self.name} is an autoregressive model, which takes no {name}.")
        self.source = hub.locate(self.reference, ROLE, PATTERNS)
        settings = read_settings(self.source.folder)
        found = settings.get("model_type")
        if found not in FAMILIES:
            raise UsageError(
                f"The {ROLE.noun} {self.name} is of the kind {str(found)[:60]!r}; "
                f"{', '.join(FAMILIES)} are known here."
            )
        self.family = str(found)
        refuse_unbelievable(settings, self.source.folder / "config.json")
        self._changed(Sampling())

    @property
    def name(self) -> str:
        """The hub id, or the folder's name; and what is laid over it."""
        path = Path(self.reference).expanduser()
        names = [path.resolve().name if path.exists() else self.reference]
        for overlay in self.overlays:
            scale = "" if overlay.scale == 1 else f"@{overlay.scale:g}"
            names.append(overlay.path.stem + scale)
        return " + ".join(names)

    @property
    def batch(self) -> int:
        """How many images are made at once."""
        return self.settings.batch or (1 if self.device == "cpu" else _GPU_BATCH)

    @property
    def digest(self) -> str:
        """Of weights, what is laid over them, sampling, precision and kind of device."""
        asked = self.settings
        parts = [
            self.source.revision,
            [[overlay.digest, overlay.scale, overlay.settings] for overlay in self.overlays],
            [asked.guidance, asked.size, asked.negative],
            dict(asked.more),
            self.dtype,
            self.device.partition(":")[0],
        ]
        written = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
        return hashlib.sha256(written.encode()).hexdigest()

    def record(self) -> dict[str, Any]:
        """Return what the manifest says. Opens the model: settings left out are the model's own."""
        return {
            "reference": self.reference,
            "revision": self.source.revision,
            "family": self.family,
            "tokens": self.opened.count,
            "size": self.opened.size,
            "sampling": asdict(self.sampling),
            "negative": self.settings.negative,
            "dtype": self.dtype,
            "device": self.device,
            "overlays": [
                {**overlay.record(), "changed": self._used.get(str(overlay.path), 0)}
                for overlay in self.overlays
            ],
            "versions": versions(),
        }

    def make(self, jobs: Sequence[Job]) -> list[Made]:
        """Make one batch, in order. See `Generator.make`."""
        import torch

        if not jobs:
            return []
        model, sampling, negative = self.opened, self.sampling, self.settings.negative

        def run() -> tuple[list[Any], Any]:
            with quietly(), alike(self.device, jobs[0].seed, self.dtype), torch.inference_mode():
                prompts = [model.prompt(job.prompt) for job in jobs]
                blanks = [
                    model.blank(prompt) if negative is None else model.prompt(negative)
                    for prompt in prompts
                ]
                seeds = [job.seed for job in jobs]
                codes, sound = write(model, prompts, blanks, seeds, sampling)
                # the decoder works on one image at a time: its convolutions may choose another
                # way for another batch
                pixels = [model.decode(row[None].to(model.device))[0] for row in codes]
                return [image.float().cpu().numpy() for image in pixels], sound

        images, sound = made_within(run, self.name, self.device, len(jobs))
        return [_made(image, good) for image, good in zip(images, sound, strict=True)]

    @cached_property
    def sampling(self) -> Sampling:
        """How tokens are drawn: as asked, else as the model's own settings say."""
        found = self._changed(self.opened.own)
        if self.settings.negative is not None and found.guidance <= 1:
            raise UsageError(
                f"{self.name} heeds a negative prompt only with a guidance above 1; give that as "
                "well."
            )
        return found

    def _changed(self, own: Sampling) -> Sampling:
        asked = {"guidance": self.settings.guidance, **self.settings.more}
        given = {name: value for name, value in asked.items() if value is not None}
        return own.changed(given, self.name)

    @cached_property
    def opened(self) -> TokenModel:
        """The model with what is laid over it."""
        with opening(self.name, self.device):
            model = _opener(self.family)(
                self.source.folder,
                read_settings(self.source.folder),
                _torch_dtype(self.dtype),
                self.device,
            )
            self._used = overlays.lay(model, self.overlays, self.name)
        if any(weight.is_meta for weight in model.painter.parameters()):
            raise UsageError(
                f"{self.name} brings no VQ decoder, without which its tokens are no image; write "
                f"ar:{self.reference}+DECODER.safetensors with that of its VQGAN."
            )
        if model.count > MOST_TOKENS:
            raise UsageError(
                f"{self.name} has images of {model.count:,} tokens, which are too many."
            )
        if self.settings.size not in (None, model.size):
            raise UsageError(
                f"{self.name} makes images of {model.size} pixels, not of {self.settings.size}."
            )
        model.painter.eval()
        return model

    @cached_property
    def device(self) -> str:
        """Where it computes."""
        return self.settings.device or best_device()

    @cached_property
    def dtype(self) -> str:
        """Single precision on a processor, half with the wider range elsewhere if there is one."""
        return self.settings.dtype or precision(self.device)


def load(text: str, settings: Settings) -> Autoregressive:
    """Return the model that a reference names; the module's docstring has the grammar.

    Args:
        text: `ar:...`.
        settings: how images are made; of `more`, temperature, top_k and top_p.

    Raises:
        UsageError: no such model, or parts that do not belong together.
        PrerequisiteError: an extra or the model is missing.
    """
    base, files = parse(text.removeprefix("ar:"))
    return Autoregressive(
        base, settings, tuple(overlays.read(name, scale) for name, scale in files)
    )


def parse(text: str) -> tuple[str, list[tuple[str, float]]]:
    """Return the model, and what is laid over it with its scales.

    Raises:
        UsageError: no model, an empty file, or a scale that is no number.
    """
    if not text:
        raise UsageError("ar: names no model; it is written ar:MODEL or ar:MODEL+FILE@SCALE.")
    return adapters.parts(text, "ar")


def _opener(family: str) -> Callable[[Path, Any, Any, str], TokenModel]:
    if family == "chameleon":
        from finexl.generators.tokens.chameleon import Chameleon

        return Chameleon
    if family == "janus":
        from finexl.generators.tokens.janus import Janus

        return Janus
    from finexl.generators.tokens.plain import Plain

    return Plain


def _torch_dtype(name: str) -> Any:
    import torch

    return getattr(torch, name)


def _made(pixels: np.ndarray[Any, Any], sound: bool) -> Made:
    """Return pixels (3, h, w), about [-1, 1], as an image; or that they are none."""
    if not sound or not np.isfinite(pixels).all():
        return Made(None, "not a number")
    scaled = (np.clip(pixels, -1, 1) + 1) * 127.5
    return Made(Image.fromarray(scaled.round().astype(np.uint8).transpose(1, 2, 0)))
