"""CLIP, ALIGN, SigLIP, SigLIP 2 and other two-tower models, through transformers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError

from finexl.devices import best_device, quietly, torch_threads
from finexl.encoders.pixels import prepared
from finexl.encoders.torch import TorchEncoder
from finexl.errors import PrerequisiteError, UsageError
from finexl.hub import missing_extra, require_safetensors

IMAGE_BATCH = 16
TEXT_BATCH = 128
PLACES_SIDE = 512
PADDING = {"siglip": "max_length", "siglip2": "max_length", "align": "max_length"}
"""Families that were trained on texts padded to full length and go wrong on shorter ones."""
FULL_LENGTH = 64
"""Their length, where the tokenizer does not say."""
_DAMAGED = (OSError, ValueError, KeyError, RuntimeError, AttributeError, TypeError)
"""What transformers raises for files that are not what they should be, beside safetensors' own."""


class TwoTowers(TorchEncoder):
    """A model with an image tower and a text tower; opened when first used."""

    @cached_property
    def dim(self) -> int:
        """The dimensions of the shared space."""
        try:
            config = json.loads((self.files.folder / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            config = {}
        # the model need not be opened to know: where all rows are known it is not
        known = isinstance(config, dict) and config.get("model_type") in ("clip", "align")
        width = config.get("projection_dim") if known else None
        return width if isinstance(width, int) else int(self.embed_texts(["a photo"]).shape[1])

    def embed_images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Return unit rows, float32 (n, d). See `Encoder.embed_images`."""

        def prepare(some: Sequence[Image.Image]) -> Any:
            return self._image_processor(images=list(some), return_tensors="pt")

        return self._rows(images, IMAGE_BATCH, prepare, "get_image_features")

    def embed_places(self, images: Sequence[Image.Image]) -> NDArray[np.float32] | None:
        """Return unit rows of the patches, (n, h, w, d), for CLIP and SigLIP; None for others.

        Each patch's last state goes through what turns the picture's own into its row.
        """
        import torch

        model = self._model
        if self._family not in ("clip", "siglip"):
            return None
        rows = []
        with torch_threads(self.threads), torch.inference_mode():
            for image in images:
                # squeezed to a square, so that no crop takes places away
                square = image.resize((PLACES_SIDE, PLACES_SIDE), Image.Resampling.BICUBIC)
                inputs = self._image_processor(images=[square], return_tensors="pt")
                pixels = inputs["pixel_values"].to(model.device, model.dtype)
                tokens = model.vision_model(pixel_values=pixels).last_hidden_state[0]
                if self._family == "clip":  # the first token is the picture's own
                    tokens = model.vision_model.post_layernorm(tokens[1:])
                    found = model.visual_projection(tokens)
                else:
                    found = model.vision_model.head(tokens[:, None])
                side = round(len(found) ** 0.5)
                unit = torch.nn.functional.normalize(found.float(), dim=-1)
                rows.append(unit.reshape(side, side, -1).cpu().numpy())
        return np.stack(rows) if rows else None

    def embed_pixels(self, pixels: Any) -> Any | None:
        """Return unit rows (n, d) with gradients, for CLIP and SigLIP; None for others.

        See `Differentiable.embed_pixels`.
        """
        import torch

        model = self._model
        if self._family not in ("clip", "siglip"):
            return None
        model.requires_grad_(False)
        ready = prepared(pixels.to(model.device), self._image_processor)
        found = model.get_image_features(pixel_values=ready.to(model.dtype))
        found = getattr(found, "pooler_output", found).float()
        return torch.nn.functional.normalize(found, dim=-1)

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit rows, float32 (n, d). See `Encoder.embed_texts`."""
        padding = PADDING.get(self._family, "longest")
        length = self._tokenizer.model_max_length
        limit = self._positions if length > self._positions else length

        def prepare(some: Sequence[str]) -> Any:
            return self._tokenizer(
                list(some), padding=padding, truncation=True, max_length=limit, return_tensors="pt"
            )

        return self._rows(texts, TEXT_BATCH, prepare, "get_text_features")

    @property
    def logit_scale(self) -> float | None:
        """What the model multiplies cosines with; None where it was trained without."""
        logarithm = getattr(self._model, "logit_scale", None)
        return None if logarithm is None else float(logarithm.detach().float().exp())

    def _rows(
        self, items: Sequence[Any], at_once: int, prepare: Callable[[Any], Any], tower: str
    ) -> NDArray[np.float32]:
        import torch

        model, rows = self._model, []
        with torch_threads(self.threads), torch.inference_mode():
            for start in range(0, len(items), at_once):
                inputs = prepare(items[start : start + at_once]).to(model.device)
                if "pixel_values" in inputs:
                    inputs["pixel_values"] = inputs["pixel_values"].to(model.dtype)
                found = getattr(model, tower)(**inputs)
                # transformers 5 wraps what 4 returned bare
                found = getattr(found, "pooler_output", found).float()
                found = torch.nn.functional.normalize(found, dim=-1)
                rows.append(found.cpu().numpy())
        return np.concatenate(rows) if rows else np.zeros((0, self.dim), np.float32)

    @cached_property
    def _model(self) -> Any:
        transformers, torch = self._libraries
        require_safetensors(self.files, self.name)
        device = self.device or best_device()
        dtype = torch.float32 if device == "cpu" else torch.float16
        model = self._opened(transformers.AutoModel, use_safetensors=True, dtype=dtype)
        if not (hasattr(model, "get_image_features") and hasattr(model, "get_text_features")):
            kind = type(model).__name__
            raise UsageError(
                f"The encoder {self.name} is a {kind}, which does not put both images and texts "
                "into one space; give a model like CLIP, ALIGN or SigLIP."
            )
        return model.to(device).eval()

    @cached_property
    def _tokenizer(self) -> Any:
        return self._opened(self._libraries[0].AutoTokenizer)

    @cached_property
    def _image_processor(self) -> Any:
        transformers, _ = self._libraries
        # Pillow's own resampling, which the models were trained with, whatever is installed
        major = int(transformers.__version__.split(".")[0])
        chosen = {"backend": "pil"} if major >= 5 else {"use_fast": False}
        return self._opened(transformers.AutoImageProcessor, **chosen)

    @cached_property
    def _family(self) -> str:
        return str(self._model.config.model_type)

    @property
    def _positions(self) -> int:
        text = getattr(self._model.config, "text_config", self._model.config)
        positions = int(getattr(text, "max_position_embeddings", FULL_LENGTH))
        return min(positions, FULL_LENGTH) if self._family in PADDING else positions

    @cached_property
    def _libraries(self) -> tuple[Any, Any]:
        try:
            import torch
            import transformers
        except ImportError as error:
            raise missing_extra(self.name, "torch") from error
        return transformers, torch

    def _opened(self, kind: Any, **settings: Any) -> Any:
        """Open one part of the model from its folder; nothing is fetched, no code of its is run."""
        try:
            with quietly(self._libraries[0]):
                return kind.from_pretrained(
                    self.files.folder, local_files_only=True, trust_remote_code=False, **settings
                )
        except ImportError as error:  # transformers' own sentence names what is missing
            first = str(error).strip().splitlines()[0]
            raise PrerequisiteError(f"The encoder {self.name} cannot be opened: {first}") from error
        except (*_DAMAGED, SafetensorError) as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UsageError(
                f"{self.files.folder} is not a model that transformers can open as an encoder: "
                f"{first}"
            ) from error
