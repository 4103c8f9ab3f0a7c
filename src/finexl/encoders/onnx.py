"""Any pair of ONNX files, one for images and one for texts, without torch.

The folder holds the two networks (image.onnx, vision_model.onnx or visual.onnx; text.onnx,
text_model.onnx or textual.onnx; beside the other files or in onnx/), tokenizer.json and
preprocessor_config.json in the hub's usual form.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finexl.encoders.preprocessing import Preprocessing
from finexl.errors import UsageError
from finexl.hub import Files

IMAGE_NAMES = ("image", "vision_model", "visual")
TEXT_NAMES = ("text", "text_model", "textual")
IMAGE_BATCH = 16
TEXT_BATCH = 128
MAX_TOKENS = 512


def has_pair(folder: Path) -> bool:
    """Return whether the folder holds two such networks."""
    return all(_network(folder, names) is not None for names in (IMAGE_NAMES, TEXT_NAMES))


@dataclass
class OnnxPair:
    """An encoder of two ONNX files; opened when first used."""

    name: str
    files: Files
    threads: int | None = None
    """Processor threads; None for onnxruntime's own choice."""
    normalized: bool = True

    @property
    def revision(self) -> str:
        """The hub's commit, or the digest of a local folder's files."""
        return self.files.revision

    @cached_property
    def dim(self) -> int:
        """The dimensions of the shared space."""
        of_texts = int(self.embed_texts(["a photo"]).shape[1])
        of_images = int(self.embed_images([Image.new("RGB", (64, 64))]).shape[1])
        if of_texts != of_images:
            raise UsageError(
                f"The encoder {self.name} gives {of_images} numbers for an image and {of_texts} "
                "for a text; the two files have to share one space."
            )
        return of_texts

    def embed_images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Return unit rows, float32 (n, d). See `Encoder.embed_images`."""
        model = self._image_model
        (pixels,) = model.get_inputs()
        rows = []
        for start in range(0, len(images), IMAGE_BATCH):
            batch = np.stack([self._preprocessing(i) for i in images[start : start + IMAGE_BATCH]])
            rows.append(self._run(model, {pixels.name: batch}, "image_embeds"))
        return np.concatenate(rows) if rows else np.zeros((0, self.dim), np.float32)

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit rows, float32 (n, d). See `Encoder.embed_texts`."""
        rows = []
        for start in range(0, len(texts), TEXT_BATCH):
            tokens = self._tokenizer.encode_batch(list(texts[start : start + TEXT_BATCH]))
            given = {
                "input_ids": [token.ids for token in tokens],
                "attention_mask": [token.attention_mask for token in tokens],
                "token_type_ids": [token.type_ids for token in tokens],
            }
            feed = {}
            for wanted in self._text_model.get_inputs():
                if wanted.name not in given:
                    raise UsageError(
                        f"The text network of {self.name} asks for {wanted.name!r}; "
                        f"{', '.join(given)} can be given."
                    )
                whole = np.int32 if "int32" in wanted.type else np.int64
                feed[wanted.name] = np.array(given[wanted.name], dtype=whole)
            rows.append(self._run(self._text_model, feed, "text_embeds"))
        return np.concatenate(rows) if rows else np.zeros((0, self.dim), np.float32)

    def _run(self, model: Any, feed: dict[str, Any], wanted: str) -> NDArray[np.float32]:
        outputs = model.get_outputs()
        flat = [output for output in outputs if len(output.shape or ()) == 2]
        named = [output for output in flat if output.name in (wanted, "pooler_output")]
        if not flat:
            raise UsageError(f"A network of {self.name} has no output of one row for each input.")
        # the projected embedding comes before a pooled one in every export seen
        chosen = next((o for o in named if o.name == wanted), (named or flat)[0])
        rows = np.asarray(model.run([chosen.name], feed)[0], dtype=np.float32)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True).astype(np.float32)
        return (rows / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)

    @cached_property
    def _preprocessing(self) -> Preprocessing:
        return Preprocessing.read(self.files.folder / "preprocessor_config.json")

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        path = self.files.folder / "tokenizer.json"
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exceptions
            raise UsageError(f"{path} is missing or is no tokenizer: {error}.") from error
        length = self._text_length()
        if tokenizer.truncation is None:
            tokenizer.enable_truncation(length or MAX_TOKENS)
        if tokenizer.padding is None:
            tokenizer.enable_padding(length=length, pad_id=self._pad_id(), pad_token="")
        return tokenizer

    def _text_length(self) -> int | None:
        """Return the length that the text network takes, if it takes only one."""
        size = self._text_model.get_inputs()[0].shape[-1]
        return size if isinstance(size, int) else None

    def _pad_id(self) -> int:
        try:
            settings = json.loads((self.files.folder / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return 0
        text = settings.get("text_config", settings)
        return int(text.get("pad_token_id") or 0)

    @cached_property
    def _image_model(self) -> Any:
        return self._session(IMAGE_NAMES)

    @cached_property
    def _text_model(self) -> Any:
        return self._session(TEXT_NAMES)

    def _session(self, names: tuple[str, ...]) -> Any:
        import onnxruntime

        path = _network(self.files.folder, names)
        if path is None:
            raise UsageError(f"{self.files.folder} has no {names[0]}.onnx.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads or 0
        options.log_severity_level = 3
        try:
            return onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime has an exception class for each failure
            first = str(error).strip().splitlines()[0]
            raise UsageError(f"{path} is no network that onnxruntime can open: {first}") from error


def _network(folder: Path, names: tuple[str, ...]) -> Path | None:
    places = (place / f"{name}.onnx" for place in (folder, folder / "onnx") for name in names)
    return next((place for place in places if place.is_file()), None)
