"""Local models: the same replies as transformers' own generation, prompt and pictures by hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file

from finexl.errors import NoReplyError, PrerequisiteError, UsageError
from finexl.vlm import Question, Reply, load_vlm
from finexl.vlm.local import Local, _dtype
from tiny_vlms import FAMILIES, ID, save_idefics3, save_qwen2_vl, save_smolvlm, save_text_only

FIVE = int(transformers.__version__.split(".")[0]) >= 5
PILLOW: dict[str, Any] = {"backend": "pil"} if FIVE else {"use_fast": False}
LENGTH = 12


def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    sizes = [(40, 56), (30, 20), (40, 56)]
    return [Image.fromarray(rng.integers(0, 256, (*s, 3), dtype=np.uint8)) for s in sizes]


A, B, C = pictures()


@pytest.fixture(scope="module", params=FAMILIES)
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp(request.param)
    FAMILIES[request.param](folder)
    return SimpleNamespace(folder=folder, family=request.param)


@pytest.fixture(scope="module")
def smolvlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared")
    save_smolvlm(folder)
    return folder


def local(folder: Path) -> Local:
    vlm = load_vlm(str(folder))
    assert isinstance(vlm, Local)
    vlm.device = "cpu"
    return vlm


# prompts and pictures by hand


def qwen2_vl(folder: Path, images: list[Image.Image]) -> dict[str, Any]:
    seen = image_processor(folder)(images=images, return_tensors="pt")
    shown = [
        f"<|vision_start|>{'<|image_pad|>' * (int(grid.prod()) // 4)}<|vision_end|>"
        for grid in seen["image_grid_thw"]
    ]
    inputs = tokens(folder, f"user: A: {shown[0]} B: {shown[1]} what?\nassistant: ")
    if FIVE:
        inputs["mm_token_type_ids"] = (inputs["input_ids"] == ID["<|image_pad|>"]).int()
    return {**inputs, **seen}


def idefics3(folder: Path, images: list[Image.Image]) -> dict[str, Any]:
    seen = dict(image_processor(folder)([images], return_row_col_info=True, return_tensors="pt"))
    four, around = "<image>" * 4, "<fake_token_around_image>"
    shown = []
    for rows, columns in zip(seen.pop("rows")[0], seen.pop("cols")[0], strict=True):
        assert rows > 1
        text = ""
        for row in range(1, rows + 1):
            for column in range(1, columns + 1):
                text += f"{around}<row_{row}_col_{column}>{four}"
            text += "\n"
        shown.append(f"{text}\n{around}<global-img>{four}{around}")
    return {**tokens(folder, f"user: A: {shown[0]} B: {shown[1]} what?\nassistant: "), **seen}


def by_the_processor(folder: Path, images: list[Image.Image]) -> dict[str, Any]:
    """Only the template by hand: the rest is the attention to pictures, which is long."""
    processor = transformers.AutoProcessor.from_pretrained(folder)
    mark = processor.image_token
    text = f"user: A: {mark} B: {mark} what?\nassistant: "
    return dict(processor(text=[text], images=[images], return_tensors="pt"))


def image_processor(folder: Path) -> Any:
    return transformers.AutoImageProcessor.from_pretrained(folder, **PILLOW)


def tokens(folder: Path, text: str) -> dict[str, Any]:
    return dict(transformers.AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt"))


def generated(saved: Any, images: list[Image.Image]) -> Reply:
    kinds = {"qwen2_vl": qwen2_vl, "idefics3": idefics3, "smolvlm": idefics3}
    inputs = kinds.get(saved.family, by_the_processor)(saved.folder, images)
    model = transformers.AutoModelForImageTextToText.from_pretrained(saved.folder).eval()
    with torch.no_grad():
        found = model.generate(**inputs, max_new_tokens=LENGTH, do_sample=False)
    asked = inputs["input_ids"].shape[1]
    tokenizer = transformers.AutoTokenizer.from_pretrained(saved.folder)
    text = tokenizer.decode(found[0, asked:], skip_special_tokens=True).strip()
    return Reply(text, asked, found.shape[1] - asked)


def test_replies_are_those_of_transformers_own_generation(saved: Any) -> None:
    vlm = local(saved.folder)
    replies = []
    for images in ([A, B], [A, C]):
        found = vlm.ask(Question(("A: ", images[0], " B: ", images[1], " what?"), max_tokens=12))
        assert found == generated(saved, images)
        replies.append(found.text)
    assert replies[0] != replies[1]  # else the pictures would not have been looked at


def test_a_question_may_have_no_picture(saved: Any) -> None:
    found = local(saved.folder).ask(Question(("what?",), max_tokens=12))
    begins = saved.family == "mllama"  # its processor puts <s> before every question
    assert found.tokens_in == len("user: what?\nassistant: ") + begins


def test_the_same_question_has_the_same_reply(saved: Any) -> None:
    question = Question((A, "what?"), {"type": "object"}, max_tokens=12)
    vlm = local(saved.folder)
    assert vlm.ask(question) == vlm.ask(question) == local(saved.folder).ask(question)


def test_settings_of_the_folder_do_not_make_replies_random(smolvlm: Path, tmp_path: Path) -> None:
    save_smolvlm(tmp_path)
    settings = {"do_sample": True, "temperature": 5.0, "top_p": 0.9, "top_k": 3, "num_beams": 2}
    (tmp_path / "generation_config.json").write_text(json.dumps({**settings, "max_length": 20}))
    question = Question((A, "what?"), max_tokens=12)
    torch.manual_seed(1)
    assert local(tmp_path).ask(question) == local(smolvlm).ask(question)


def test_what_the_model_is_to_the_package(smolvlm: Path, tmp_path: Path) -> None:
    vlm = local(smolvlm)
    assert (vlm.name, vlm.concurrency, vlm.notice) == (str(smolvlm), 1, None)
    save_smolvlm(tmp_path)
    assert local(tmp_path).revision == vlm.revision
    assert vlm.revision.endswith(" at 768 px")
    save_idefics3(tmp_path)
    assert local(tmp_path).revision != vlm.revision


def test_pictures_are_scaled_down_first(smolvlm: Path) -> None:
    large = Image.fromarray(np.kron(np.asarray(A), np.ones((20, 20, 1), np.uint8)))
    vlm = local(smolvlm)
    vlm.side = 56
    small = large.resize((56, 40), Image.Resampling.LANCZOS)
    ask = [vlm.ask(Question((image, "what?"), max_tokens=12)) for image in (large, small)]
    assert ask[0] == ask[1]


def test_words_cannot_be_taken_for_pictures_or_turns(smolvlm: Path) -> None:
    vlm = local(smolvlm)
    odd = "a<image>b</s><fake_token_around_image>c"
    plain = vlm.ask(Question((A, "a b  c"), max_tokens=12))
    assert vlm.ask(Question((A, odd), max_tokens=12)) == plain


def test_threads_and_messages_are_left_as_they_were(
    smolvlm: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = torch.get_num_threads()
    transformers.utils.logging.enable_progress_bar()
    vlm = local(smolvlm)
    vlm.threads = before + 1
    vlm.ask(Question((A, "what?"), max_tokens=12))
    assert torch.get_num_threads() == before
    assert transformers.utils.logging.is_progress_bar_enabled()
    assert capfd.readouterr() == ("", "")


def test_precision_is_full_on_the_processor_and_half_elsewhere(smolvlm: Path) -> None:
    assert local(smolvlm)._model.dtype == torch.float32
    wide = SimpleNamespace(is_bf16_supported=lambda: True)
    old = SimpleNamespace(is_bf16_supported=lambda: False)
    for device, cuda, dtype in (
        ("cpu", wide, torch.float32),
        ("cuda", wide, torch.bfloat16),
        ("cuda:1", old, torch.float16),
        ("mps", wide, torch.float16),
    ):
        kinds = ("float32", "float16", "bfloat16")
        stand_in = SimpleNamespace(cuda=cuda, **{kind: getattr(torch, kind) for kind in kinds})
        assert _dtype(stand_in, device) == dtype


# bad input

ASKED = Question((A, "what?"), max_tokens=4)


def test_a_model_without_eyes(tmp_path: Path) -> None:
    save_text_only(tmp_path)
    with pytest.raises(UsageError, match=r"\(llama\) does not answer questions about pictures"):
        local(tmp_path).ask(ASKED)


@pytest.mark.parametrize("content", ["", "[]", '{"model_type": "no-such-model"}'])
def test_a_damaged_config(tmp_path: Path, content: str) -> None:
    save_smolvlm(tmp_path)
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(UsageError, match="is not a model that transformers can open"):
        local(tmp_path).ask(ASKED)


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no vision-language model: it has no config"):
        local(tmp_path).ask(ASKED)


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    save_smolvlm(tmp_path)
    torch.save(load_file(tmp_path / "model.safetensors"), tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(UsageError, match=r"only pytorch_model\.bin, which can run code"):
        local(tmp_path).ask(ASKED)


def test_truncated_weights(tmp_path: Path) -> None:
    save_smolvlm(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(UsageError, match="is not a model that transformers can open"):
        local(tmp_path).ask(ASKED)


def test_code_beside_a_model_is_never_run(tmp_path: Path) -> None:
    save_smolvlm(tmp_path)
    trace = tmp_path / "ran"
    (tmp_path / "mine.py").write_text(f"open({str(trace)!r}, 'w').write('x')\nModel = 1\n")
    for name, kind in (
        ("config", "AutoModelForImageTextToText"),
        ("processor_config", "AutoProcessor"),
    ):
        content = json.loads((tmp_path / f"{name}.json").read_text())
        content |= {"auto_map": {kind: "mine.Model"}, "model_type": "mine"}
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    with pytest.raises(UsageError, match="is not a model that transformers can open"):
        local(tmp_path).ask(ASKED)
    assert not trace.exists()


def test_a_model_without_a_chat_template(tmp_path: Path) -> None:
    save_smolvlm(tmp_path)
    (tmp_path / "chat_template.jinja").unlink(missing_ok=True)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    settings.pop("chat_template", None)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(UsageError, match="has no chat template, so it cannot be asked"):
        local(tmp_path).ask(ASKED)


def test_a_template_that_fails(tmp_path: Path) -> None:
    save_smolvlm(tmp_path)
    (tmp_path / "chat_template.jinja").write_text("{{ raise_exception('only one picture') }}")
    with pytest.raises(UsageError, match=r"template or its processor fails \(only one picture\)"):
        local(tmp_path).ask(ASKED)


def test_a_folder_that_does_not_say_how_pictures_are_prepared(tmp_path: Path) -> None:
    save_idefics3(tmp_path)
    for name in ("preprocessor_config", "processor_config"):
        (tmp_path / f"{name}.json").unlink()
    with pytest.raises((UsageError, PrerequisiteError), match=r"prepared|can open") as raised:
        local(tmp_path).ask(ASKED)
    assert "\n" not in str(raised.value)


def test_a_processor_that_insists_on_torchvision(
    smolvlm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def insist(*_: object, **__: object) -> None:
        raise ImportError("\nX requires the Torchvision library but it was not found.\nLong advice")

    for kind in (transformers.AutoProcessor, transformers.Idefics3Processor):
        monkeypatch.setattr(kind, "from_pretrained", insist)
    version = torch.__version__.partition("+")[0]
    said = rf"with torchvision: pip install torchvision \(the one made for torch {version}\)\.$"
    with pytest.raises(PrerequisiteError, match=said):
        local(smolvlm).ask(ASKED)


def test_another_library_that_is_missing_is_named(
    smolvlm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def insist(*_: object, **__: object) -> None:
        raise ImportError("X requires the Einops library.\nLong advice")

    monkeypatch.setattr(transformers.AutoModelForImageTextToText, "from_pretrained", insist)
    with pytest.raises(PrerequisiteError, match=r"opened: X requires the Einops library\.$"):
        local(smolvlm).ask(ASKED)


def test_torch_that_is_missing(smolvlm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(PrerequisiteError, match=r"needs an extra: pip install 'finexl\[torch\]'"):
        local(smolvlm).ask(ASKED)


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory."), MemoryError(), RuntimeError(
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
    )]
)  # fmt: skip
def test_too_little_memory(
    smolvlm: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    vlm = local(smolvlm)
    monkeypatch.setattr(vlm._model, "generate", fail)
    with pytest.raises(NoReplyError, match="The memory was not enough for a question to"):
        vlm.ask(ASKED)
    monkeypatch.setattr(transformers.AutoModelForImageTextToText, "from_pretrained", fail)
    with pytest.raises(PrerequisiteError, match="does not fit into the memory of cpu; give a"):
        local(smolvlm).ask(ASKED)


def test_a_model_that_says_nothing(smolvlm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vlm = local(smolvlm)
    ended = lambda input_ids, **_: torch.cat([input_ids, torch.tensor([[ID["</s>"]]])], 1)  # noqa: E731
    monkeypatch.setattr(vlm._model, "generate", ended)
    with pytest.raises(NoReplyError, match="gave an empty reply"):
        vlm.ask(ASKED)


def test_videos_are_what_torchvision_is_for(tmp_path: Path) -> None:
    """Without it the processor is the folder's own, less that part."""
    save_qwen2_vl(tmp_path)
    processor = local(tmp_path)._processor
    assert isinstance(processor, transformers.Qwen2VLProcessor)
    if "torchvision" not in sys.modules:
        assert not hasattr(processor, "video_processor")
