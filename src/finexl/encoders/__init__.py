"""Image and text into one space, where differences mean something.

embedded      the default: ships with the package, needs no download
transformers  CLIP, ALIGN, SigLIP, SigLIP 2
open_clip     OpenCLIP, EVA-CLIP
onnx          any pair of ONNX files
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from finexl.encoders.base import Encoder, image_rows, places_of, text_rows
from finexl.errors import UsageError

ENCODERS: Mapping[str, str] = MappingProxyType(
    {
        "embedded": "",
        "clip": "openai/clip-vit-base-patch32",
        "clip-b16": "openai/clip-vit-base-patch16",
        "clip-l14": "openai/clip-vit-large-patch14",
        "align": "kakaobrain/align-base",
        "siglip": "google/siglip-base-patch16-224",
        "siglip2": "google/siglip2-base-patch16-224",
        "openclip": "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        "eva-clip": "timm/eva02_base_patch16_clip_224.merged2b_s8b_b131k",
    }
)
"""Short names and the hub ids they stand for; any other folder or hub id works as well."""

OPENCLIP = ("openclip", "eva-clip")
"""Those that open_clip opens."""

__all__ = [
    "ENCODERS",
    "OPENCLIP",
    "Encoder",
    "image_rows",
    "load_encoder",
    "places_of",
    "text_rows",
]


def load_encoder(name: str = "embedded", *, threads: int | None = None) -> Encoder:
    """Return an encoder by name. Its files are found now, and opened when first used.

    Args:
        name: one of `ENCODERS`, a local folder, or a hub id "owner/name" or
            "owner/name@revision". What a folder holds says how it is opened.
        threads: processor threads to use at most; None for all that the process may use.

    Raises:
        UsageError: an unknown name, or a folder that holds no model that can be opened.
        PrerequisiteError: the model is not on this machine and cannot be fetched.
    """
    if name == "embedded":
        from finexl.encoders.embedded import Embedded

        return Embedded(threads=threads)
    from finexl import hub
    from finexl.encoders import onnx, open_clip, transformers

    files = hub.locate(ENCODERS.get(name, name))
    if onnx.has_pair(files.folder):
        return onnx.OnnxPair(name, files, threads=threads)
    if (files.folder / open_clip.CONFIG).is_file() and name in OPENCLIP:
        return open_clip.OpenClip(name, files, threads=threads)
    if (files.folder / "config.json").is_file():
        return transformers.TwoTowers(name, files, threads=threads)
    if (files.folder / open_clip.CONFIG).is_file():
        return open_clip.OpenClip(name, files, threads=threads)
    raise UsageError(
        f"{files.folder} is no encoder: it has neither config.json (transformers) nor "
        f"{open_clip.CONFIG} (open_clip) nor image.onnx and text.onnx."
    )
