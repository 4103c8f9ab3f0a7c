"""Any pair of ONNX files: the rows of the model that was exported, pictures as it wants them."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from finexl.encoders import load_encoder
from finexl.encoders.onnx import OnnxPair
from finexl.encoders.preprocessing import Preprocessing
from finexl.errors import UsageError
from tiny_models import CLIP_PREPROCESSING, FAMILIES, LENGTH, save_clip

TEXTS = ("a photo of cat", "sketch", "dark " * 40)
SIZES = [(50, 40), (33, 90), (32, 32), (8, 8), (40, 33)]


def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(1)
    return [Image.fromarray(rng.integers(0, 256, (*s, 3), dtype=np.uint8)) for s in SIZES]


class ImageTower(torch.nn.Module):  # type: ignore[misc]
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        found = self.model.get_image_features(pixel_values=pixel_values)
        rows: torch.Tensor = getattr(found, "pooler_output", found)
        return rows


class TextTower(ImageTower):
    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        mask = torch.ones_like(input_ids)
        found = self.model.get_text_features(input_ids=input_ids, attention_mask=mask)
        rows: torch.Tensor = getattr(found, "pooler_output", found)
        return rows


def export(tower: torch.nn.Module, example: torch.Tensor, name: str, axes: Any, to: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracing exporter is deprecated
        torch.onnx.export(
            tower,
            (example,),
            str(to),
            input_names=[name],
            output_names=["embeds"],
            dynamic_axes={name: axes, "embeds": {0: "n"}},
            opset_version=17,
            dynamo=False,
        )


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A tiny CLIP as transformers has it, and the same as two ONNX files."""
    whole, pair = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("pair")
    save_clip(whole)
    model = transformers.AutoModel.from_pretrained(whole, attn_implementation="eager").eval()
    (pair / "onnx").mkdir()
    pixels = torch.rand(2, 3, 32, 32)
    export(ImageTower(model), pixels, "pixel_values", {0: "n"}, pair / "onnx/vision_model.onnx")
    ids = torch.ones(2, LENGTH, dtype=torch.long)
    export(TextTower(model), ids, "input_ids", {0: "n"}, pair / "onnx/text_model.onnx")
    for name in ("tokenizer.json", "preprocessor_config.json", "config.json"):
        (pair / name).write_bytes((whole / name).read_bytes())
    return whole, pair


def test_images_are_embedded_as_by_the_exported_model(saved: tuple[Path, Path]) -> None:
    whole, pair = (load_encoder(str(folder), threads=1) for folder in saved)
    assert isinstance(pair, OnnxPair)
    np.testing.assert_allclose(
        pair.embed_images(pictures()), whole.embed_images(pictures()), atol=1e-5
    )


def test_texts_are_embedded_as_by_the_exported_model(saved: tuple[Path, Path]) -> None:
    pair = load_encoder(str(saved[1]), threads=1)
    model = transformers.AutoModel.from_pretrained(saved[0]).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(saved[0])
    ids = tokenizer(
        list(TEXTS), padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt"
    )["input_ids"]
    with torch.no_grad():
        rows = TextTower(model)(ids)
    want = (rows / rows.norm(dim=-1, keepdim=True)).numpy()
    np.testing.assert_allclose(pair.embed_texts(TEXTS), want, atol=1e-5)


def test_shape_type_and_length(saved: tuple[Path, Path]) -> None:
    pair = load_encoder(str(saved[1]), threads=1)
    for rows in (pair.embed_images(pictures() * 5), pair.embed_texts(TEXTS * 50)):
        assert rows.dtype == np.float32
        assert rows.shape[1] == pair.dim == 12
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)
    assert pair.embed_images([]).shape == pair.embed_texts([]).shape == (0, 12)


# preprocessing

CHANGES = {
    "as CLIP": {},
    "bilinear": {"resample": 2},
    "a square, no crop": {"size": {"height": 20, "width": 28}, "do_center_crop": False},
    "a crop larger than the picture": {"do_resize": False},
    "whole numbers for sizes": {"size": 32, "crop_size": 24},
    "only scaled": {"do_normalize": False},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_preprocessing_is_that_of_transformers(change: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps({**CLIP_PREPROCESSING, **change}))
    five = int(transformers.__version__.split(".")[0]) >= 5
    pil: dict[str, Any] = {"backend": "pil"} if five else {"use_fast": False}
    theirs = transformers.AutoImageProcessor.from_pretrained(tmp_path, **pil)
    ours = Preprocessing.read(path)
    for picture in pictures():
        want = theirs(images=picture, return_tensors="np")["pixel_values"][0]
        np.testing.assert_allclose(ours(picture), want, atol=1e-5)


@pytest.mark.parametrize("content", ["", "[]", '{"size": {}}', '{"do_normalize": true}'])
def test_damaged_preprocessing_is_named(content: str, tmp_path: Path) -> None:
    path = tmp_path / "preprocessor_config.json"
    path.write_text(content)
    with pytest.raises(UsageError, match="does not say how images are prepared"):
        Preprocessing.read(path)


# bad input


def copied(folder: Path, to: Path) -> Path:
    for file in folder.rglob("*"):
        if file.is_file():
            target = to / file.relative_to(folder)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(file.read_bytes())
    return to


@pytest.mark.parametrize(
    ("file", "embeds"),
    [
        ("onnx/text_model.onnx", "texts"),
        ("onnx/vision_model.onnx", "images"),
        ("tokenizer.json", "texts"),
    ],
)
def test_a_damaged_file_is_named(
    saved: tuple[Path, Path], tmp_path: Path, file: str, embeds: str
) -> None:
    folder = copied(saved[1], tmp_path)
    (folder / file).write_bytes(b"nothing")
    encoder = load_encoder(str(folder))
    with pytest.raises(UsageError, match=Path(file).name):
        encoder.embed_texts(TEXTS) if embeds == "texts" else encoder.embed_images(pictures())


def test_two_sides_of_different_dimensions_are_refused(
    saved: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, other = copied(saved[1], tmp_path), tmp_path / "other"
    other.mkdir()
    FAMILIES["siglip"](other)
    model = transformers.AutoModel.from_pretrained(other, attn_implementation="eager").eval()
    pixels = torch.rand(2, 3, 32, 32)
    to = folder / "onnx/vision_model.onnx"
    export(ImageTower(model), pixels, "pixel_values", {0: "n"}, to)
    with pytest.raises(UsageError, match="gives 16 numbers for an image and 12 for a text"):
        _ = load_encoder(str(folder)).dim
