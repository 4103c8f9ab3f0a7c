"""M as a vision-language model: a tiny Idefics2 under a tiny LoRA, asked as the authors ask."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from PIL import Image

from finexl.errors import UsageError
from finexl.viper.proxy.judge import Judge, load_judge
from finexl.viper.proxy.question import WORDS, ask, in_turn
from tiny_vlms import FAMILIES, ID, save_idefics2

OFFICIAL = (
    "{% for message in messages %}{{message['role'].capitalize()}}"
    "{% if message['content'][0]['type'] == 'image' %}{{':'}}{% else %}{{': '}}{% endif %}"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n"
    "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
"""IDEFICS2-8b's own template."""


def pictures(n: int, seed: int = 0) -> list[Image.Image]:
    rng = np.random.default_rng(seed)
    return [Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)) for _ in range(n)]


YES, NO, QUERY = pictures(2), pictures(2, 1), pictures(3, 2)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("idefics2")
    save_idefics2(folder)
    return folder


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapter")
    model = transformers.AutoModelForImageTextToText.from_pretrained(base)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of peft's ways with transformers
        adapted = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj", "v_proj"]))
    torch.manual_seed(1)
    with torch.no_grad():
        for name, weights in adapted.named_parameters():
            if "lora_" in name:
                weights.normal_(std=0.3)
    adapted.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def judge(adapter: Path) -> Judge:
    return load_judge(str(adapter), device="cpu")


def by_hand(base: Path, adapter: Path, shown: list[tuple[Image.Image, str]]) -> float:
    """The probability of "+", the text written out and the adapter laid on by peft."""
    *examples, (query, _) = shown
    turns = [f"user: <image>{WORDS}\nassistant: {answer}\n" for _, answer in examples]
    text = "".join([*turns, f"user: <image>{WORDS}\nassistant: "])
    processor = transformers.AutoProcessor.from_pretrained(base)
    images = [image for image, _ in examples]
    inputs = processor(text=[text], images=[[*images, query]], return_tensors="pt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        model = PeftModel.from_pretrained(
            transformers.AutoModelForImageTextToText.from_pretrained(base), str(adapter)
        ).eval()
    with torch.inference_mode():
        logits = model(**inputs).logits[0, -1]
    no, yes = float(logits[ID["-"]]), float(logits[ID["+"]])
    return float(1 / (1 + np.exp(no - yes)))


def test_the_probability_is_that_of_the_model_asked_by_hand(
    base: Path, adapter: Path, judge: Judge
) -> None:
    found = judge.rate(YES, NO, QUERY)
    for picture, rating in zip(QUERY, found, strict=True):
        shown = [(NO[0], "-"), (YES[0], "+"), (NO[1], "-"), (YES[1], "+"), (picture, "")]
        expected = by_hand(base, adapter, shown)
        assert rating.probability == pytest.approx(expected, abs=1e-5)
        assert (rating.low, rating.high, rating.known) == (None, None, True)
    assert len({round(rating.probability, 6) for rating in found}) == len(QUERY)


def test_an_answer_stays_with_its_picture(base: Path, adapter: Path, judge: Judge) -> None:
    """Other answers to the same pictures make another rating."""
    (right,) = judge.rate(YES, NO, QUERY[:1])
    (swapped,) = judge.rate(NO, YES, QUERY[:1])
    expected = by_hand(
        base, adapter, [(YES[0], "-"), (NO[0], "+"), (YES[1], "-"), (NO[1], "+"), (QUERY[0], "")]
    )
    assert swapped.probability == pytest.approx(expected, abs=1e-5)
    assert abs(right.probability - swapped.probability) > 1e-4


def test_examples_of_unequal_number_are_all_shown() -> None:
    found = in_turn([*YES, QUERY[0]], NO[:1])
    assert [liked for _, liked in found] == [True, True, False, True]
    images = [image for image, _ in found]
    assert images == [YES[1], QUERY[0], NO[0], YES[0]]
    assert in_turn([], NO) == [(NO[0], False), (NO[1], False)]


def test_the_text_is_the_published_one_under_the_models_own_template(base: Path) -> None:
    processor = transformers.AutoProcessor.from_pretrained(base)
    processor.chat_template = OFFICIAL
    asked = ask(processor, in_turn(YES[:1], NO[:1]), QUERY[0])
    published = (
        "User:<image>Score for this image?<end_of_utterance>\nAssistant: -<end_of_utterance>\n"
        "User:<image>Score for this image?<end_of_utterance>\nAssistant: +<end_of_utterance>\n"
        "User:<image>Score for this image?<end_of_utterance>\nAssistant: "
    )
    inputs = processor(text=[published], images=[[NO[0], YES[0], QUERY[0]]], return_tensors="pt")
    assert torch.equal(asked.inputs["input_ids"], inputs["input_ids"])
    assert torch.equal(asked.inputs["attention_mask"], inputs["attention_mask"])
    assert torch.equal(asked.inputs["pixel_values"], inputs["pixel_values"])
    assert asked.answers == (ID["-"], ID["+"])


@pytest.mark.parametrize("family", ["qwen2_vl", "smolvlm"])
def test_models_of_other_families_can_be_asked_too(family: str, tmp_path: Path) -> None:
    FAMILIES[family](tmp_path)
    from finexl import hub

    judge = Judge(str(tmp_path), hub.locate(str(tmp_path), hub.VLM), device="cpu")
    found = judge.rate(YES, NO, QUERY)
    assert len({one.probability for one in found}) == len(QUERY)


def test_a_template_that_hides_answers_is_refused(base: Path) -> None:
    processor = transformers.AutoProcessor.from_pretrained(base)
    processor.chat_template = "{% for message in messages %}<image>{% endfor %}"
    with pytest.raises(UsageError, match=r"what was answered"):
        ask(processor, [], QUERY[0])


def test_without_examples_there_is_nothing_to_judge_by(judge: Judge) -> None:
    with pytest.raises(UsageError, match=r"by examples"):
        judge.rate([], [], QUERY)


def test_pickled_weights_are_not_opened(adapter: Path, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_bytes((adapter / "adapter_config.json").read_bytes())
    torch.save({}, tmp_path / "adapter_model.bin")
    with pytest.raises(UsageError, match=r"run code"):
        load_judge(str(tmp_path))
