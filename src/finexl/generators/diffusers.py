"""Images from diffusers: Stable Diffusion 1 and 2, SDXL, SD3, FLUX, any pipeline with a prompt.

diffusers:FOLDER                  as `save_pretrained` writes it
diffusers:OWNER/NAME[@REVISION]   on the hub
diffusers:FILE.safetensors        one file; its settings beside it, or from the hub
lora:BASE+FILE[@SCALE][+FILE2[@SCALE2]...]
                                  a BASE of these, with LoRAs or embeddings laid over it. Paths may
                                  hold + and @: what exists as it is written wins
directions:BASE+FILE[#NAME][@SCALE][+FILE2...]
                                  the same, with learned directions among the files
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.util import find_spec
from typing import Any

import numpy as np
from PIL import Image

from finexl import hub
from finexl.devices import best_device
from finexl.errors import UsageError
from finexl.generators import adapters as overlays
from finexl.generators import checkpoints, families
from finexl.generators.adapters import Adapter
from finexl.generators.base import Job, Made, Settings, short
from finexl.generators.checkpoints import ROLE, Source
from finexl.generators.running import (
    alike,
    check_precision,
    made_within,
    opening,
    precision,
    quietly,
    versions,
)

_LOADING = ("config", "variant")
"""Keys of `Settings.more` that say what is loaded; others go to the pipeline's call."""
_OURS = ("prompt", "image", "generator", "latents", "output_type", "return_dict")
_GPU_BATCH = 4


@dataclass
class Pipeline:
    """A diffusers pipeline, and what is laid over it; opened when first asked.

    Every image starts from noise drawn on the processor, in float32, by a generator of its own:
    the same for base and personalized, whatever the device, the precision and the batch.
    """

    reference: str
    settings: Settings = field(default_factory=Settings)
    adapters: tuple[Adapter, ...] = ()
    seeded: bool = field(default=True, init=False)
    prompted: bool = field(default=True, init=False)
    notice: None = field(default=None, init=False)
    source: Source = field(init=False)
    _changed: dict[str, int] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        """Find the files, and refuse what cannot fit together before anything large is opened.

        Raises:
            UsageError: no such model, a setting that cannot be, or an adapter for another base.
            PrerequisiteError: an extra or the model is missing.
        """
        _require_extras(self.reference, self.settings.offload)
        asked = self.settings
        check_precision(asked.dtype)
        self.source = checkpoints.find(self.reference, asked.more)
        for adapter in self.adapters:
            overlays.refuse_misfit(adapter, self._family, self.reference)

    @property
    def kind(self) -> str:
        """ "directions" with one laid over it, "lora" with anything else, else "diffusers"."""
        if any(adapter.direction is not None for adapter in self.adapters):
            return "directions"
        return "lora" if self.adapters else "diffusers"

    @property
    def name(self) -> str:
        """The hub id, or the folder's or file's name; and what is laid over it."""
        names = [short(self.reference)]
        for adapter in self.adapters:
            which = "" if adapter.direction is None else f"#{adapter.direction}"
            scale = "" if adapter.scale == 1 else f"@{adapter.scale:g}"
            names.append(short(adapter.name) + which + scale)
        return " + ".join(names)

    @property
    def batch(self) -> int:
        """How many images are made at once."""
        return self.settings.batch or (1 if self._device == "cpu" else _GPU_BATCH)

    @property
    def digest(self) -> str:
        """Of weights, adapters, scales, settings, precision and kind of device."""
        asked = self.settings
        parts = [
            self.source.revision,
            self.source.variant,
            [adapter.identity for adapter in self.adapters],
            [asked.steps, asked.guidance, asked.size, asked.negative, asked.scheduler],
            {key: value for key, value in asked.more.items() if key not in _LOADING},
            self._dtype,
            self._device.partition(":")[0],
        ]
        written = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
        return hashlib.sha256(written.encode()).hexdigest()

    def record(self) -> dict[str, Any]:
        """Return what the manifest says. Opens the model: settings left out are the model's own."""
        pipeline, asked = self.opened, self.settings
        own = inspect.signature(pipeline.__call__).parameters

        def used(given: Any, name: str) -> Any:
            return given if given is not None or name not in own else own[name].default

        return {
            "reference": self.reference,
            "revision": self.source.revision,
            "variant": self.source.variant,
            "pipeline": self.source.kind,
            "family": str(self._family),
            "scheduler": _about_scheduler(pipeline),
            "steps": used(asked.steps, "num_inference_steps"),
            "guidance": used(asked.guidance, "guidance_scale"),
            "size": asked.size or _own_size(pipeline),
            "negative": asked.negative,
            "dtype": self._dtype,
            "device": self._device,
            "offload": asked.offload and self._device != "cpu",
            "safety_checker": getattr(pipeline, "safety_checker", None) is not None,
            "adapters": [
                {**adapter.record(), "changed": self._changed.get(str(adapter.path), 0)}
                for adapter in self.adapters
            ],
            "more": dict(asked.more),
            "versions": versions(),
        }

    def noise(self, seed: int) -> Any:
        """Return the noise that an image starts from: a tensor (1, channels, height, width).

        For U-Nets and Stable Diffusion 3; FLUX draws its own as tokens.
        """
        import torch

        pipeline = self.opened
        parts = vars(pipeline).get("unet"), vars(pipeline).get("transformer")
        channels = next(part for part in parts if part is not None).config.in_channels
        side = (self.settings.size or _own_size(pipeline) or 0) // pipeline.vae_scale_factor
        generator = torch.Generator("cpu").manual_seed(seed)
        return torch.randn((1, channels, side, side), generator=generator)

    def make(self, jobs: Sequence[Job], noise: Any | None = None) -> list[Made]:
        """Make one batch, in order. See `Generator.make`.

        Args:
            jobs: what is asked for.
            noise: a row for each job, (n, channels, height, width), in place of its seed's own.
        """
        import torch

        if not jobs:
            return []
        pipeline = self.opened
        arguments = self.arguments(pipeline, len(jobs))
        if noise is not None:
            arguments["latents"] = noise.to(getattr(torch, self._dtype))

        def run() -> Any:
            with quietly(), alike(self._device, jobs[0].seed, self._dtype):
                return pipeline(
                    prompt=[job.prompt for job in jobs],
                    generator=[torch.Generator("cpu").manual_seed(job.seed) for job in jobs],
                    output_type="np",
                    **arguments,
                )

        found = made_within(run, self.name, self._device, len(jobs))
        images = getattr(found, "images", None)
        if images is None or len(images) != len(jobs):
            raise UsageError(f"{self.name} is a {self.source.kind}, which makes no images.")
        flagged = _flags(found) or [False] * len(jobs)
        return [
            _made(np.asarray(image), bool(flag))
            for image, flag in zip(images, flagged, strict=True)
        ]

    def against(self, negative: str | None) -> Pipeline:
        """Return the same model with another negative prompt; what is opened is shared."""
        other = replace(self, settings=replace(self.settings, negative=negative))
        vars(other)["opened"] = self.opened  # the cached property's place
        other._changed = self._changed
        return other

    def arguments(self, pipeline: Any, count: int) -> dict[str, Any]:
        """Return what the pipeline is called with, beside prompts and noise."""
        asked = self.settings
        wanted = {
            "num_inference_steps": asked.steps,
            "guidance_scale": asked.guidance,
            "height": asked.size,
            "width": asked.size,
            "negative_prompt": None if asked.negative is None else [asked.negative] * count,
            **{key: value for key, value in asked.more.items() if key not in _LOADING},
        }
        given = {key: value for key, value in wanted.items() if value is not None}
        known = inspect.signature(pipeline.__call__).parameters
        for key in given:
            if key not in known or key in _OURS:
                raise UsageError(f"{self.name} is a {self.source.kind}, which takes no {key}.")
        if (
            "negative_prompt" in given
            and "true_cfg_scale" in known
            and "true_cfg_scale" not in given
        ):
            raise UsageError(
                f"{self.name} is a {self.source.kind}, which heeds a negative prompt only with a "
                "true_cfg_scale above 1; give that as well."
            )
        return given

    @cached_property
    def opened(self) -> Any:
        """The diffusers pipeline with its adapters; what is changed in it stays changed."""
        with opening(self.name, self._device):
            pipeline = self._loaded()
            self._changed = overlays.attach(pipeline, self.adapters, self.name)
            self._prepare(pipeline)
            overlays.steer(pipeline, self.adapters, self.name)
            return pipeline

    def _loaded(self) -> Any:
        import diffusers
        import torch

        kind = getattr(diffusers, self.source.kind)
        # the older name works in all versions that there are, with a warning in the newer ones
        common = {"torch_dtype": getattr(torch, self._dtype), "local_files_only": True}
        if self.source.file is None:
            return kind.from_pretrained(
                self.source.folder,
                use_safetensors=True,
                trust_remote_code=False,
                variant=self.source.variant,
                **common,
            )
        if not hasattr(kind, "from_single_file"):
            raise UsageError(
                f"{self.source.file} is for a {self.source.kind}, which diffusers cannot open from "
                "a single file; give its folder."
            )
        return kind.from_single_file(
            str(self.source.file), config=str(self.source.folder), **common
        )

    def _prepare(self, pipeline: Any) -> None:
        """Make an opened pipeline ready: its scheduler, its place, nothing that is not its own."""
        known = inspect.signature(pipeline.__call__).parameters
        needed = [
            key for key, value in known.items()
            if value.default is value.empty and value.kind is value.POSITIONAL_OR_KEYWORD
        ]  # fmt: skip
        if "prompt" not in known or set(needed) - {"prompt"} or "Img2Img" in self.source.kind:
            raise UsageError(
                f"{self.name} is a {self.source.kind}, which does not make images of prompts alone."
            )
        pipeline.set_progress_bar_config(disable=True)
        if getattr(pipeline, "watermark", None) is not None:
            pipeline.watermark = None  # depends on which packages are installed
        if self.settings.scheduler is not None:
            pipeline.scheduler = self._scheduler(pipeline.scheduler)
        if self.settings.offload and self._device != "cpu":
            pipeline.enable_model_cpu_offload(device=self._device)
        else:
            pipeline.to(self._device)

    def _scheduler(self, own: Any) -> Any:
        import diffusers

        fitting = {kind.__name__: kind for kind in (type(own), *own.compatibles)}
        if type(own).__name__.startswith("FlowMatch"):
            names = [name for name in dir(diffusers) if name.startswith("FlowMatch")]
            fitting |= {name: getattr(diffusers, name) for name in names}
        wanted = fitting.get(str(self.settings.scheduler))
        if wanted is None:
            raise UsageError(
                f"{self.settings.scheduler} is no scheduler for {self.name}; give one of "
                f"{', '.join(sorted(fitting))}."
            )
        return wanted.from_config(own.config)

    @cached_property
    def _family(self) -> families.Family:
        return families.of_pipeline(self.source.folder, self.source.kind)

    @cached_property
    def _device(self) -> str:
        return self.settings.device or best_device()

    @cached_property
    def _dtype(self) -> str:
        """Single precision on a processor; half elsewhere, with the wider range if need be."""
        wide = self._family.kind != families.UNET
        return self.settings.dtype or precision(self._device, wide)


def load(text: str, settings: Settings) -> Pipeline:
    """Return the model that a reference names; the module's docstring has the grammar.

    Args:
        text: `diffusers:...`, `lora:...` or `directions:...`.
        settings: how images are made.

    Raises:
        UsageError: no such model, or parts that do not belong together.
        PrerequisiteError: an extra or the model is missing.
    """
    kind, _, rest = text.partition(":")
    if kind == "diffusers":
        return Pipeline(rest, settings)
    if kind not in ("lora", "directions"):
        raise UsageError(f"{text!r} is neither diffusers:MODEL nor lora:BASE+FILE@SCALE.")
    base, files = overlays.parse(rest, kind)
    _require_extras(text, settings.offload)
    adapters = tuple(overlays.read(name, scale) for name, scale in files)
    found = Pipeline(base.removeprefix("diffusers:"), settings, adapters)
    if found.kind != kind:
        raise UsageError(
            f"{text} {'holds' if kind == 'lora' else 'holds no'} learned directions; write "
            f"{found.kind}:{rest}."
        )
    if kind == "directions" and settings.offload:
        # offloading puts the denoiser's own `forward` back after a batch: the next would be plain
        raise UsageError(
            f"{text} cannot be offloaded: its directions would be lost after the first images; "
            "leave out --offload."
        )
    return found


def _made(pixels: np.ndarray[Any, Any], flagged: bool) -> Made:
    if flagged:
        return Made(None, "withheld by the safety checker")
    if not np.isfinite(pixels).all():
        return Made(None, "not a number")
    return Made(Image.fromarray((pixels * 255).round().astype(np.uint8).squeeze()).convert("RGB"))


def _flags(found: Any) -> Sequence[bool] | None:
    for name in ("nsfw_content_detected", "nsfw_detected"):
        flags: Sequence[bool] | None = getattr(found, name, None)
        if flags is not None:
            return flags
    return None


def _require_extras(name: str, offload: bool) -> None:
    needed = ["torch", "transformers", "diffusers", "peft", *(["accelerate"] if offload else [])]
    if any(find_spec(package) is None for package in needed):
        raise hub.missing_extra(name, ROLE.extra, ROLE)


def _own_size(pipeline: Any) -> int | None:
    """Return the size that the model was trained at, in pixels, where it says so."""
    size = getattr(pipeline, "default_sample_size", None)
    if size is None and getattr(pipeline, "unet", None) is not None:
        size = pipeline.unet.config.get("sample_size")
    factor = getattr(pipeline, "vae_scale_factor", None)
    return size * factor if isinstance(size, int) and isinstance(factor, int) else None


def _about_scheduler(pipeline: Any) -> dict[str, str] | None:
    """Return its class and its settings' sha256, without what differs between versions of files."""
    own = getattr(pipeline, "scheduler", None)
    if own is None:
        return None
    config = {key: value for key, value in dict(own.config).items() if not key.startswith("_")}
    written = json.dumps(config, sort_keys=True, default=str)
    return {"class": type(own).__name__, "digest": hashlib.sha256(written.encode()).hexdigest()}
