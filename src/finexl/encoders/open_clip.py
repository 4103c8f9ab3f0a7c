"""OpenCLIP and EVA-CLIP, through the open_clip library (the `openclip` extra)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finexl.devices import best_device, torch_threads
from finexl.encoders.torch import TorchEncoder
from finexl.errors import UsageError
from finexl.hub import missing_extra, pickles_in

IMAGE_BATCH = 16
TEXT_BATCH = 128
CONFIG = "open_clip_config.json"
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")
TOKENIZER_SETTINGS = ("clean", "strip_sep_token")
"""What a configuration may tell a tokenizer; others, `trust_remote_code` among them, it may not."""


class OpenClip(TorchEncoder):
    """A folder with open_clip_config.json and safetensors weights; opened when first used."""

    @cached_property
    def dim(self) -> int:
        """The dimensions of the shared space."""
        return int(self.embed_texts(["a photo"]).shape[1])

    def embed_images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Return unit rows, float32 (n, d). See `Encoder.embed_images`."""
        import torch

        model, prepare, _ = self._parts
        rows = []
        with torch_threads(self.threads), torch.inference_mode():
            for start in range(0, len(images), IMAGE_BATCH):
                some = [prepare(image) for image in images[start : start + IMAGE_BATCH]]
                weight = next(model.parameters())
                pixels = torch.stack(some).to(weight.device, weight.dtype)
                rows.append(model.encode_image(pixels, normalize=True).float().cpu().numpy())
        return np.concatenate(rows) if rows else np.zeros((0, self.dim), np.float32)

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit rows, float32 (n, d). See `Encoder.embed_texts`."""
        import torch

        model, _, tokenize = self._parts
        rows = []
        with torch_threads(self.threads), torch.inference_mode():
            for start in range(0, len(texts), TEXT_BATCH):
                tokens = tokenize(list(texts[start : start + TEXT_BATCH]))
                tokens = tokens.to(next(model.parameters()).device)
                rows.append(model.encode_text(tokens, normalize=True).float().cpu().numpy())
        return np.concatenate(rows) if rows else np.zeros((0, self.dim), np.float32)

    @cached_property
    def _parts(self) -> tuple[Any, Any, Any]:
        """The model, its image preprocessing and its tokenizer."""
        try:
            import open_clip
        except ImportError as error:
            raise missing_extra(self.name, "openclip") from error
        _refuse_what_runs(self.files.folder, self.name)
        device = self.device or best_device()
        where = f"local-dir:{self.files.folder}"
        try:
            model, prepare = open_clip.create_model_from_pretrained(
                where, device=device, precision="fp32" if device == "cpu" else "fp16"
            )
            return (
                model.eval(),
                prepare,
                open_clip.get_tokenizer(where, **_tokenizer(self.files.folder)),
            )
        except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UsageError(
                f"{self.files.folder} is not a model that open_clip can open: {first}"
            ) from error


def _refuse_what_runs(folder: Path, name: str) -> None:
    """Refuse a folder through which open_clip would open a pickle, run code or fetch weights.

    Raises:
        UsageError: it would.
    """
    pickled = pickles_in(folder)
    if pickled or not any((folder / weights).is_file() for weights in WEIGHTS):
        held = f"has {pickled[0]}, which can run code when opened" if pickled else "has no weights"
        raise UsageError(
            f"The encoder {name} {held}; give a folder or a revision with {WEIGHTS[0]} and no "
            "pickle."
        )
    asked = [
        key
        for tower in ("text_cfg", "vision_cfg")
        for key, value in _section(folder, tower).items()
        if (key.endswith("pretrained") and value) or key == "hf_model_name"
    ]
    asked += [key for key in _told(folder) if key not in TOKENIZER_SETTINGS]
    if asked:
        raise UsageError(
            f"The encoder {name} asks for {asked[0]!r} in {CONFIG}, which would fetch or run "
            "something beside its own weights; it is not opened."
        )


def _tokenizer(folder: Path) -> dict[str, object]:
    """Return what open_clip's tokenizer has to be told beside the configuration."""
    return (
        {"trust_remote_code": False} if "hf_tokenizer_name" in _section(folder, "text_cfg") else {}
    )


def _told(folder: Path) -> dict[str, object]:
    found = _section(folder, "text_cfg").get("tokenizer_kwargs") or {}
    return found if isinstance(found, dict) else {"tokenizer_kwargs": found}


def _section(folder: Path, name: str) -> dict[str, object]:
    try:
        found = json.loads((folder / CONFIG).read_text(encoding="utf-8"))["model_cfg"][name]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder / CONFIG} does not describe a model of open_clip.") from error
    return found if isinstance(found, dict) else {}
