"""CLIP, SigLIP, SigLIP 2 and ALIGN: the same rows as transformers' own forward pass."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file

from finexl.encoders import load_encoder
from finexl.encoders.transformers import TwoTowers
from finexl.errors import UsageError
from tiny_models import FAMILIES, LENGTH, save_clip

TEXTS = ("a photo of cat", "a photo of dog , vivid", "sketch", "dark " * 40)


def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    sizes = [(50, 40), (33, 90), (32, 32), (8, 8)]
    return [Image.fromarray(rng.integers(0, 256, (*s, 3), dtype=np.uint8)) for s in sizes]


def forward(folder: Path, family: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The unit embeddings of the pictures and the texts, by the whole model's forward pass."""
    five = int(transformers.__version__.split(".")[0]) >= 5
    pil: dict[str, Any] = {"backend": "pil"} if five else {"use_fast": False}
    model = transformers.AutoModel.from_pretrained(folder).eval()
    prepare = transformers.AutoImageProcessor.from_pretrained(folder, **pil)
    tokenize = transformers.AutoTokenizer.from_pretrained(folder)
    padding = "longest" if family == "clip" else "max_length"
    tokens = tokenize(
        list(TEXTS), padding=padding, truncation=True, max_length=LENGTH, return_tensors="pt"
    )
    with torch.no_grad():
        found = model(**tokens, **prepare(images=pictures(), return_tensors="pt"))
    return unit(found.image_embeds), unit(found.text_embeds)


def unit(rows: torch.Tensor) -> NDArray[np.float32]:
    found: NDArray[np.float32] = (rows / rows.norm(dim=-1, keepdim=True)).numpy()
    return found


@pytest.fixture(scope="module", params=FAMILIES)
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp(request.param)
    FAMILIES[request.param](folder)
    return SimpleNamespace(folder=folder, family=request.param)


def test_rows_are_those_of_the_forward_pass(saved: Any) -> None:
    encoder = load_encoder(str(saved.folder), threads=1)
    images, texts = forward(saved.folder, saved.family)
    np.testing.assert_allclose(encoder.embed_images(pictures()), images, atol=1e-5)
    np.testing.assert_allclose(encoder.embed_texts(TEXTS), texts, atol=1e-5)


def test_rows_have_unit_length_and_the_models_dimensions(saved: Any) -> None:
    encoder = load_encoder(str(saved.folder), threads=1)
    assert encoder.normalized
    for rows in (encoder.embed_images(pictures()), encoder.embed_texts(TEXTS)):
        assert rows.dtype == np.float32
        assert rows.shape == (4, encoder.dim)
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)
    assert encoder.embed_images([]).shape == encoder.embed_texts([]).shape == (0, encoder.dim)


def test_rows_do_not_depend_on_the_batch(saved: Any) -> None:
    encoder = load_encoder(str(saved.folder), threads=1)
    together = encoder.embed_texts(TEXTS)
    alone = np.concatenate([encoder.embed_texts([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    many = encoder.embed_images(pictures() * 6)
    np.testing.assert_allclose(many[20:], many[:4], atol=1e-5)


def test_both_return_types_give_the_same_rows(tmp_path: Path) -> None:
    """transformers 4 returned the rows, 5 returns an object that holds them."""
    save_clip(tmp_path)
    bare, wrapped = (load_encoder(str(tmp_path), threads=1) for _ in range(2))
    assert isinstance(bare, TwoTowers)
    assert isinstance(wrapped, TwoTowers)
    for encoder, wrap in ((bare, False), (wrapped, True)):
        model = encoder._model
        for name in ("get_image_features", "get_text_features"):
            setattr(model, name, _returning(getattr(model, name), wrap))
    np.testing.assert_array_equal(bare.embed_texts(TEXTS), wrapped.embed_texts(TEXTS))
    np.testing.assert_array_equal(bare.embed_images(pictures()), wrapped.embed_images(pictures()))


def _returning(method: Any, wrap: bool) -> Any:
    def call(**inputs: Any) -> Any:
        found = method(**inputs)
        rows = getattr(found, "pooler_output", found)
        return SimpleNamespace(pooler_output=rows) if wrap else rows

    return call


def test_the_revision_is_the_content_not_the_place(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        save_clip(folder)
    assert load_encoder(str(first)).revision == load_encoder(str(second)).revision
    config = json.loads((second / "preprocessor_config.json").read_text())
    (second / "preprocessor_config.json").write_text(json.dumps({**config, "resample": 2}))
    assert load_encoder(str(first)).revision != load_encoder(str(second)).revision


def test_the_number_of_threads_is_given_back(tmp_path: Path) -> None:
    save_clip(tmp_path)
    before = torch.get_num_threads()
    load_encoder(str(tmp_path), threads=before + 1).embed_texts(["a photo"])
    assert torch.get_num_threads() == before


# bad input


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    save_clip(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    torch.save(weights, tmp_path / "pytorch_model.bin")
    with pytest.raises(UsageError, match=r"only pytorch_model\.bin, which can run code"):
        load_encoder(str(tmp_path)).embed_texts(["a photo"])


def test_a_folder_without_weights(tmp_path: Path) -> None:
    save_clip(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(UsageError, match="no weights"):
        load_encoder(str(tmp_path)).embed_texts(["a photo"])


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(UsageError, match="is no encoder"):
        load_encoder(str(tmp_path))


def test_a_model_without_a_text_tower(tmp_path: Path) -> None:
    config = transformers.ViTConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
    )
    transformers.ViTModel(config).save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="does not put both images and texts into one space"):
        load_encoder(str(tmp_path)).embed_images(pictures())


@pytest.mark.parametrize("content", ["", "[]", '{"model_type": "no-such-model"}'])
def test_a_damaged_config(tmp_path: Path, content: str) -> None:
    save_clip(tmp_path)
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(UsageError, match="is not a model that transformers can open"):
        load_encoder(str(tmp_path)).embed_texts(["a photo"])


def test_truncated_weights(tmp_path: Path) -> None:
    save_clip(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(UsageError, match="is not a model that transformers can open"):
        load_encoder(str(tmp_path)).embed_texts(["a photo"])


def test_code_beside_a_model_is_never_run(tmp_path: Path) -> None:
    save_clip(tmp_path)
    trace = tmp_path / "ran"
    (tmp_path / "modeling.py").write_text(f"open({str(trace)!r}, 'w').write('x')\nModel = 1\n")
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"auto_map": {"AutoModel": "modeling.Model"}, "model_type": "mine"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError, match="is not a model that transformers can open"):
        load_encoder(str(tmp_path)).embed_texts(["a photo"])
    assert not trace.exists()
