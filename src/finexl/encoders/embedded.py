"""The embedded encoder: small enough to ship, so that the tool works wherever it installs.

An image becomes the means and spreads of an ImageNet backbone's seven stages, its pooled output
and the appearance statistics; a text becomes a sentence vector; one linear map each, fitted on
known differences between images and the words for them, takes both into one space. How it was
fitted and what it is good and bad at: docs/encoders/embedded.md.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finexl.encoders.appearance import SIZE, appearance

WEIGHTS = Path(str(files("finexl.encoders") / "weights"))
COMPUTED = "1"
"""Version of the code between a picture or a text and the fitted maps: a change of it that moves
any row makes another revision of the encoder. A test holds it to the numbers."""
IMAGE_BATCH = 8
TEXT_BATCH = 128
MAX_TOKENS = 128
FEATURES = 2912
SENTENCE = 384
GRID = 16
"""Places along each side of a picture, where they are told apart."""


@dataclass
class Embedded:
    """The encoder `embedded`; its models are opened when first used."""

    threads: int | None = None
    """Processor threads; None for all that this process may use."""
    weights: Path = WEIGHTS
    name: str = "embedded"
    normalized: bool = False

    @cached_property
    def revision(self) -> str:
        """sha256 over the weight files and the version of what is computed around them."""
        digest = hashlib.sha256(COMPUTED.encode())
        for file in ("image.onnx", "text.onnx", "tokenizer.json", "maps.safetensors"):
            digest.update((self.weights / file).read_bytes())
        return digest.hexdigest()

    @property
    def dim(self) -> int:
        """The dimensions of the shared space."""
        return int(self._maps["image"].shape[1])

    def embed_images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Return float32 (n, d). See `Encoder.embed_images`."""
        centred = self.features(images) - self._maps["image_mean"]
        return (centred @ self._maps["image"]).astype(np.float32)

    def embed_places(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Return (n, GRID, GRID, d): each place's part of the stage statistics' share of a row.

        Means and standard deviations over places are means over places themselves: of the channel,
        and of its squared distance from its mean over its standard deviation. The appearance
        statistics, which are of the whole picture, are left out.
        """
        found = [self._places(image) for image in images]
        return np.stack(found) if found else np.zeros((0, GRID, GRID, self.dim), np.float32)

    def _places(self, image: Image.Image) -> NDArray[np.float32]:
        pixels = np.ascontiguousarray(_prepare(image)[0].transpose(2, 0, 1))[None]
        names = [output.name for output in self._image_model.get_outputs()][1:]
        weights, total = self._maps["image"], np.zeros((GRID, GRID, self.dim), np.float32)
        start = FEATURES - self._image_model.get_outputs()[0].shape[1]
        for stage, channels in enumerate(self._image_model.run(names, {"pixels": pixels})):
            count = channels.shape[1]
            total += _cells(channels[0]) @ weights[start : start + count]
            start += count
            if stage < len(names) - 1:  # of the pooled output only the mean is read
                mean = channels[0].mean(axis=(1, 2), keepdims=True)
                squared = (channels[0] - mean) ** 2
                spread = np.sqrt(squared.mean(axis=(1, 2), keepdims=True))
                total += _cells(squared / np.maximum(spread, 1e-6)) @ weights[start : start + count]
                start += count
        return total

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 (n, d). See `Encoder.embed_texts`."""
        centred = self.sentences(texts) - self._maps["text_mean"]
        return (centred @ self._maps["text"]).astype(np.float32)

    def features(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Return what the image map is applied to: appearance and stage statistics (n, 2912)."""
        rows = [np.zeros((0, FEATURES), dtype=np.float32)]
        with ThreadPoolExecutor(self._threads) as pool:
            for start in range(0, len(images), IMAGE_BATCH):
                prepared = list(pool.map(_prepare, images[start : start + IMAGE_BATCH]))
                pixels = np.stack([picture for picture, _ in prepared]).transpose(0, 3, 1, 2)
                stages = self._image_model.run(["rows"], {"pixels": np.ascontiguousarray(pixels)})[
                    0
                ]
                rows.append(np.hstack([np.stack([stats for _, stats in prepared]), stages]))
        return np.concatenate(rows)

    def sentences(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return what the text map is applied to: unit sentence vectors (n, 384)."""
        rows = np.zeros((len(texts), SENTENCE), dtype=np.float32)
        tokens = [token.ids for token in self._tokenizer.encode_batch(list(texts))]
        # texts of one length go together: padding would cost half as much again
        alike: dict[int, list[int]] = {}
        for index, token in enumerate(tokens):
            alike.setdefault(len(token), []).append(index)
        batches = [
            indices[start : start + TEXT_BATCH]
            for indices in alike.values()
            for start in range(0, len(indices), TEXT_BATCH)
        ]

        model = self._text_model

        def read(chosen: list[int]) -> None:
            ids = np.array([tokens[i] for i in chosen], dtype=np.int64)
            fed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
            rows[chosen] = model.run(None, fed)[0]

        # so few tokens at once keep one thread busy: threads take a batch each
        with ThreadPoolExecutor(self._threads) as pool:
            list(pool.map(read, batches))
        return rows

    @property
    def _threads(self) -> int:
        if self.threads is not None:
            return self.threads
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1

    @cached_property
    def _maps(self) -> dict[str, NDArray[np.float32]]:
        from safetensors.numpy import load_file

        return load_file(self.weights / "maps.safetensors")

    @cached_property
    def _image_model(self) -> Any:
        return self._session("image.onnx", self._threads)

    @cached_property
    def _text_model(self) -> Any:
        return self._session("text.onnx", 1)

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self.weights / "tokenizer.json"))
        tokenizer.enable_truncation(MAX_TOKENS)
        tokenizer.no_padding()
        return tokenizer

    def _session(self, file: str, threads: int) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(
            str(self.weights / file), options, providers=["CPUExecutionProvider"]
        )


def _cells(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return channels (c, side, side) as means over a grid of places, (GRID, GRID, c)."""
    side = channels.shape[1]
    if side < GRID:
        channels = channels.repeat(GRID // side, axis=1).repeat(GRID // side, axis=2)
        side = GRID
    blocks = channels.reshape(len(channels), GRID, side // GRID, GRID, side // GRID)
    cells: NDArray[np.float32] = blocks.mean(axis=(2, 4)).transpose(1, 2, 0)
    return cells


def _prepare(image: Image.Image) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the picture at the model's size, (SIZE, SIZE, 3) in [0, 1], and its statistics."""
    square = image.resize((SIZE, SIZE), Image.Resampling.BICUBIC, reducing_gap=3.0)
    picture = np.asarray(square, dtype=np.float32) / 255.0
    return picture, appearance(picture)
