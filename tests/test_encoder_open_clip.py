"""OpenCLIP: the same rows as open_clip's own model gives, from a folder as the hub has it."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from finexl.encoders import load_encoder
from finexl.encoders.open_clip import OpenClip
from finexl.errors import UsageError
from torchvision_stand_in import stand_in

TEXTS = ("a photo of a cat", "a sketch", "dark " * 40)
CONFIG: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": 12,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8},
        "text_cfg": {
            "context_length": 16,
            "vocab_size": 49408,
            "width": 64,
            "heads": 2,
            "layers": 2,
        },
    },
    "preprocess_cfg": {
        "mean": [0.48, 0.45, 0.40],
        "std": [0.26, 0.27, 0.28],
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    },
}


def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(0, 256, (height, 48, 3), dtype=np.uint8))
        for height in (32, 40, 64)
    ]


@pytest.fixture(scope="module")
def open_clip() -> Iterator[Any]:
    """The library, with torchvision stood in for where there is none."""
    absent = importlib.util.find_spec("torchvision") is None
    with pytest.MonkeyPatch.context() as patch:
        for name, module in stand_in().items() if absent else ():
            patch.setitem(sys.modules, name, module)
        yield pytest.importorskip("open_clip", reason="installed by scripts/test")
        for name in [n for n in sys.modules if n.split(".")[0] in ("open_clip", "timm")]:
            del sys.modules[name]


@pytest.fixture(scope="module")
def folder(open_clip: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("openclip")
    (made / "open_clip_config.json").write_text(json.dumps(CONFIG))
    torch.manual_seed(0)
    weights = open_clip.model.CLIP(**CONFIG["model_cfg"]).state_dict()
    save_file({k: v.contiguous() for k, v in weights.items()}, made / "open_clip_model.safetensors")
    return made


def test_rows_are_those_of_the_library(open_clip: Any, folder: Path) -> None:
    encoder = load_encoder(str(folder), threads=1)
    assert isinstance(encoder, OpenClip)
    model, prepare = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    tokenize = open_clip.get_tokenizer(f"local-dir:{folder}")
    with torch.no_grad():
        images = model.encode_image(torch.stack([prepare(p) for p in pictures()]))
        texts = model.encode_text(tokenize(list(TEXTS)))
    for rows, want in (
        (encoder.embed_images(pictures()), images),
        (encoder.embed_texts(TEXTS), texts),
    ):
        unit = (want / want.norm(dim=-1, keepdim=True)).numpy()
        np.testing.assert_allclose(rows, unit, atol=1e-5)
        assert rows.shape == (3, encoder.dim)
    assert encoder.embed_images([]).shape == encoder.embed_texts([]).shape == (0, 12)


@pytest.mark.usefixtures("open_clip")
def test_a_pickle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_text(json.dumps(CONFIG))
    torch.save({}, tmp_path / "open_clip_pytorch_model.bin")
    with pytest.raises(UsageError, match=r"has open_clip_pytorch_model\.bin, which can run code"):
        load_encoder(str(tmp_path)).embed_texts(TEXTS)


@pytest.mark.usefixtures("open_clip")
def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_text(json.dumps(CONFIG))
    save_file({"x": torch.zeros(2)}, tmp_path / "open_clip_model.safetensors")
    with pytest.raises(UsageError, match="is not a model that open_clip can open"):
        load_encoder(str(tmp_path)).embed_texts(TEXTS)


ASKS = {
    "code": (
        "text_cfg",
        {"hf_tokenizer_name": "x", "tokenizer_kwargs": {"trust_remote_code": True}},
    ),
    "weights for the image tower": ("vision_cfg", {"timm_model_pretrained": True}),
    "a text model of the hub": ("text_cfg", {"hf_model_name": "roberta-base"}),
}


@pytest.mark.usefixtures("open_clip")
@pytest.mark.parametrize(("tower", "more"), ASKS.values(), ids=ASKS)
def test_a_configuration_that_asks_for_more_than_its_weights_is_refused(
    folder: Path, tmp_path: Path, tower: str, more: dict[str, Any]
) -> None:
    model = CONFIG["model_cfg"]
    config = {**CONFIG, "model_cfg": {**model, tower: {**model[tower], **more}}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    weights = folder / "open_clip_model.safetensors"
    (tmp_path / weights.name).write_bytes(weights.read_bytes())
    with pytest.raises(UsageError, match="would fetch or run something beside its own weights"):
        load_encoder(str(tmp_path)).embed_texts(TEXTS)


@pytest.mark.usefixtures("open_clip")
def test_a_pickle_beside_safetensors_is_refused_as_well(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    torch.save({}, tmp_path / "open_clip_pytorch_model.bin")
    with pytest.raises(UsageError, match="can run code when opened"):
        load_encoder(str(tmp_path)).embed_texts(TEXTS)
