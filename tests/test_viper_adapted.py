"""Adapter weights on a vision-language model: a tiny Idefics2 and a tiny LoRA, loaded and asked."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from peft import LoraConfig, get_peft_model
from PIL import Image

from finexl.errors import UsageError
from finexl.images import Picture
from finexl.viper.extraction.adapted import Adapted, load_adapted
from finexl.viper.extraction.forms import LISTS
from finexl.viper.profile import Comment
from finexl.vlm import Question, load_vlm
from tiny_vlms import save_idefics2

COMMENTS = [Comment("I love the lines", "a.png")]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("idefics2")
    save_idefics2(folder)
    return folder


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapter")
    model = transformers.AutoModelForImageTextToText.from_pretrained(base)
    config = LoraConfig(r=4, lora_alpha=64, target_modules=["q_proj", "v_proj", "down_proj"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of peft's ways with transformers
        adapted = get_peft_model(model, config)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, weights in adapted.named_parameters():
            if "lora_" in name:
                weights.normal_(std=0.5)
    adapted.save_pretrained(folder)
    return folder


def question(text: str = "Comment 1: lines") -> Question:
    return Question(("Task:", Image.new("RGB", (40, 30), "red"), text), None, 8)


def opened(adapter: Path, base: Path | None = None) -> Adapted:
    extractor = load_adapted(str(adapter), None if base is None else str(base), "cpu")
    assert isinstance(extractor.vlm, Adapted)
    return extractor.vlm


def test_an_adapter_changes_what_its_base_says(base: Path, adapter: Path) -> None:
    plain = load_vlm(str(base)).ask(question()).text
    adapted = opened(adapter).ask(question()).text
    assert plain != adapted
    assert opened(adapter, base).ask(question()).text == adapted


def test_it_computes_what_peft_computes(base: Path, adapter: Path) -> None:
    from peft import PeftModel

    model = opened(adapter)
    model.ask(question())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        by_hand = PeftModel.from_pretrained(
            transformers.AutoModelForImageTextToText.from_pretrained(base), str(adapter)
        ).eval()
    inputs = model.prepared(question())
    with torch.inference_mode():
        logits = model._model(**inputs).logits
        assert torch.equal(logits, by_hand(**inputs).logits)
        with by_hand.disable_adapter():
            assert not torch.allclose(logits, by_hand(**inputs).logits)


def test_pictures_are_prepared_as_in_the_authors_training(adapter: Path) -> None:
    prepared = opened(adapter)._processor.image_processor
    assert not prepared.do_image_splitting
    assert max(dict(prepared.size).values()) <= 448


def test_its_answers_are_read_as_two_lists(
    adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    extractor = load_adapted(str(adapter), device="cpu")
    assert extractor.form is LISTS
    asked: list[Question] = []

    def lists(_: Any, question: Question) -> Any:
        from finexl.vlm import Reply

        asked.append(question)
        return Reply("Liked Art Features: lines\nDisliked Art Features: ")

    monkeypatch.setattr(Adapted, "ask", lists)
    found = extractor.extract(COMMENTS, {"a.png": Picture("a", tmp_path / "a.png")})
    assert [one.attribute for one in found.liked] == ["lines"]
    assert str(asked[0].parts[0]).count("two concise lists of keywords") == 1
    assert "adapter sha256:" in extractor.name


def copied(adapter: Path, folder: Path, **changes: Any) -> Path:
    config = json.loads((adapter / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**config, **changes}))
    (folder / "adapter_model.safetensors").write_bytes(
        (adapter / "adapter_model.safetensors").read_bytes()
    )
    return folder


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"peft_type": "PREFIX_TUNING"}, "no LoRA"),
        ({"r": 10**12}, "rank"),
        ({"rank_pattern": {"q_proj": 10**12}}, "rank"),
        ({"base_model_name_or_path": None}, "names no base model"),
        ({"base_model_name_or_path": "/etc"}, r"no config\.json"),
        ({"base_model_name_or_path": "../x/y"}, "no folder"),
    ],
)
def test_an_adapter_that_cannot_be_used_is_refused_before_it_is_opened(
    changes: dict[str, Any], why: str, adapter: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=why):
        load_adapted(str(copied(adapter, tmp_path, **changes)))


def test_pickled_weights_and_missing_settings_are_refused(adapter: Path, tmp_path: Path) -> None:
    copied(adapter, tmp_path)
    (tmp_path / "adapter_model.safetensors").rename(tmp_path / "adapter_model.bin")
    with pytest.raises(UsageError, match="can run code when opened"):
        load_adapted(str(tmp_path))
    (tmp_path / "adapter_model.bin").rename(tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").unlink()
    with pytest.raises(UsageError, match=r"no adapter_config\.json"):
        load_adapted(str(tmp_path))


def test_an_adapter_of_another_model_is_one_sentence(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    other = copied(adapter, tmp_path, r=2)
    with pytest.raises(UsageError, match="is no adapter of"):
        opened(other, base).ask(question())
