"""Training tiny autoregressive image models of the real classes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny import judge

import tiny_writers
from finexl.errors import UsageError
from finexl.generators import Job, Settings
from finexl.generators import autoregressive as ar
from finexl.images import Picture
from finexl.personalize import scenes
from finexl.personalize.autoregressive import Writer, trainee
from finexl.personalize.examples import Example, read_examples
from finexl.personalize.recipe import Recipe
from finexl.personalize.training import personalize
from tiny_writers import COUNT

SETTINGS = Settings(dtype="float32", device="cpu")
JOBS = [Job("a cat", 0), Job("a dog", 1)]
METHODS: tuple[Any, ...] = ("lora", "full", "detokenizer")
FAMILIES = ("plain", "chameleon", "janus")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root: Path = tmp_path_factory.mktemp("models")
    tiny_writers.save_plain(root / "plain")
    tiny_writers.save_plain(root / "gpt2", "gpt2")
    tiny_writers.save_chameleon(root / "chameleon")
    tiny_writers.save_janus(root / "janus")
    return root


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    folder: Path = tmp_path_factory.mktemp("images")
    for i, caption in enumerate(("a cat", "a much longer caption", "dogs")):
        drawn = np.random.default_rng(i).integers(0, 255, (4, 6, 3), dtype=np.uint8)
        Image.fromarray(drawn).resize((24, 20), Image.Resampling.NEAREST).save(folder / f"{i}.png")
        (folder / f"{i}.txt").write_text(caption)
    return read_examples([str(folder)])


def weights(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*.safetensors"))
        if path.name != "state.safetensors"
    }


def codes_and_pixels(source: ar.Autoregressive) -> tuple[list[list[int]], list[bytes]]:
    seen: list[list[int]] = []
    inner = type(source.opened).decode

    def decode(self: Any, codes: Any) -> Any:
        seen.append(codes[0].tolist())
        return inner(self, codes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(source.opened), "decode", decode)
        made = source.make(JOBS)
    return seen, [one.image.tobytes() for one in made if one.image is not None]


@pytest.mark.parametrize("method", METHODS)
def test_broken_off_and_continued_it_is_bit_for_bit_the_same(
    folders: Path, examples: list[Example], tmp_path: Path, method: Any
) -> None:
    recipe = Recipe(method=method, levels=(1, 2, 4), batch=2, rank=2, learning_rate=1e-3)

    def run(name: str, **more: Any) -> tuple[float, ...]:
        base = f"ar:{folders / 'plain'}"
        return personalize(base, examples, recipe, tmp_path / name, SETTINGS, **more).losses

    def die(_: str, done: int, __: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    whole = run("whole")
    with pytest.raises(KeyboardInterrupt):
        run("broken", progress=die)
    assert run("broken") == whole[2:]
    assert weights(tmp_path / "broken") == weights(tmp_path / "whole")
    assert len(set(weights(tmp_path / "whole").values())) == 3


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", METHODS)
def test_what_is_kept_makes_the_images_of_the_model_in_training(
    folders: Path, examples: list[Example], tmp_path: Path, family: str, method: Any
) -> None:
    recipe = Recipe(method=method, rank=2, batch=2, learning_rate=3e-2)
    source, writer = trainee(str(folders / family), examples, recipe, SETTINGS)
    base = codes_and_pixels(source)
    for step in range(4):
        assert np.isfinite(writer.step(step))
    writer.keep(tmp_path / "kept")
    trained = codes_and_pixels(source)
    reference = writer.reference(tmp_path / "kept")
    assert reference.startswith(f"ar:{folders / family}+")
    assert codes_and_pixels(ar.load(reference, SETTINGS)) == trained
    assert trained[1] != base[1]
    # a detokenizer paints otherwise, and what
    assert (trained[0] == base[0]) == (method == "detokenizer")
    assert codes_and_pixels(ar.load(f"{reference}@0", SETTINGS)) == base


# PEFT asks transformers in an older way
@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")
def test_an_adapters_scale_goes_from_the_base_to_the_trained_model(
    folders: Path, examples: list[Example], tmp_path: Path
) -> None:
    recipe = Recipe(rank=2, learning_rate=1e-2)
    _, writer = trainee(str(folders / "plain"), examples, recipe, SETTINGS)
    for step in range(4):
        writer.step(step)
    writer.keep(tmp_path / "kept")
    config = json.loads((tmp_path / "kept" / "adapter_config.json").read_text())
    assert config["r"] == config["lora_alpha"] == 2

    def logits(scale: float) -> Any:
        opened = ar.load(f"{writer.reference(tmp_path / 'kept')}@{scale}", SETTINGS).opened
        rows = opened.words(torch.tensor([[5, 6, 7]]))
        places = torch.arange(3)[None]
        with torch.no_grad():
            return opened.logits(opened.hidden(rows, torch.ones_like(places), places, None)[0])

    base, half, whole = logits(0.0), logits(0.5), logits(1.0)
    far, near = (whole - base).abs().mean(), (half - base).abs().mean()
    assert 0.3 * far < near < 0.7 * far
    # as PEFT itself reads the folder
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    language = AutoModelForCausalLM.from_pretrained(folders / "plain" / "transformer")
    theirs = PeftModel.from_pretrained(language, tmp_path / "kept").eval()
    with torch.no_grad():
        expected = theirs(input_ids=torch.tensor([[5, 6, 7]])).logits
    first = len(tiny_writers.VOCABULARY)
    torch.testing.assert_close(whole, expected[..., first:], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", [*FAMILIES, "gpt2"])
def test_the_loss_is_the_cross_entropy_of_the_codes_one_by_one(
    folders: Path, examples: list[Example], family: str
) -> None:
    recipe = Recipe(method="full")
    _, writer = trainee(str(folders / family), examples, recipe, SETTINGS)
    model = writer.model
    total = []
    with torch.no_grad():
        found = writer._written([0, 1], [False, True])
        for index, empty in ((0, False), (1, True)):
            prompt = model.prompt(examples[index].caption)
            prompt = model.blank(prompt) if empty else prompt
            codes = writer._seen(index)[1][0]
            for i in range(COUNT):
                rows = model.words(torch.tensor([prompt]))
                rows = torch.cat([rows, model.images(codes[None, :i])], dim=1)
                places = torch.arange(rows.shape[1])[None]
                hidden, _ = model.hidden(rows, torch.ones_like(places), places, None)
                total.append(-model.logits(hidden[:, -1]).log_softmax(-1)[0, codes[i]])
    assert float(found) == pytest.approx(float(torch.stack(total).mean()), rel=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_training_lowers_the_loss(folders: Path, examples: list[Example], method: Any) -> None:
    recipe = Recipe(method=method, rank=4, batch=3, learning_rate=5e-3)
    _, writer = trainee(str(folders / "plain"), examples, recipe, SETTINGS)
    losses = [writer.step(step) for step in range(40)]
    assert np.mean(losses[-8:]) < 0.9 * np.mean(losses[:8])


def test_a_detokenizers_loss_is_its_reconstructions(folders: Path, examples: list[Example]) -> None:
    _, writer = trainee(
        str(folders / "chameleon"), examples, Recipe(method="detokenizer"), SETTINGS
    )
    pixels, codes = writer._seen(1)
    with torch.no_grad():
        off = (writer.model.decode(codes) - pixels).numpy()
        found = float(writer._painted([1]))
    assert found == pytest.approx(np.mean(off**2) + np.mean(np.abs(off)), rel=1e-5)
    assert set(writer.trained) == set(dict(writer.model.painter.named_parameters()))


def names(writer: Writer) -> Iterator[str]:
    yield from writer.trained


def test_what_is_trained_is_the_transformer_and_not_the_autoencoder(
    folders: Path, examples: list[Example], tmp_path: Path
) -> None:
    for family in FAMILIES:
        for method in METHODS[:2]:
            recipe = Recipe(method=method)
            _, writer = trainee(str(folders / family), examples, recipe, SETTINGS)
            assert any(".self_attn.q_proj." in name for name in names(writer))
            assert not any(
                part in name for name in names(writer) for part in ("vqmodel", "vision", "decoder")
            )
            writer.keep(tmp_path / family / method)
            file = next((tmp_path / family / method).glob("*.safetensors"))
            start = "transformer." if method == "full" else "base_model.model."
            assert all(key.startswith(start) for key in load_file(file))


def test_half_precision_is_trained_in_full_where_steps_would_be_lost(
    folders: Path, examples: list[Example]
) -> None:
    for method in ("lora", "detokenizer"):
        recipe = Recipe(method=method, learning_rate=1e-4)
        settings = Settings(dtype="bfloat16", device="cpu")
        _, writer = trainee(str(folders / "chameleon"), examples, recipe, settings)
        assert {weight.dtype for weight in writer.trained.values()} == {torch.float32}
        before = [weight.detach().clone() for weight in writer.trained.values()]
        assert np.isfinite(writer.step(0))
        after = list(writer.trained.values())
        assert any((a != b).any() for a, b in zip(before, after, strict=True))


def test_what_it_cannot_train_is_refused(
    folders: Path, examples: list[Example], tmp_path: Path
) -> None:
    base = str(folders / "plain")
    with pytest.raises(UsageError, match="methods are lora, full, detokenizer, not directions"):
        trainee(base, examples, Recipe(method="directions"), SETTINGS)
    with pytest.raises(UsageError, match="images of 16 pixels, and cannot be trained with 32"):
        trainee(base, examples, Recipe(size=32), SETTINGS)
    layer = "model.layers.0.self_attn.q_proj"
    file = tmp_path / "adapter.safetensors"
    save_file(
        {
            f"{layer}.lora_A.weight": torch.ones(2, 32),
            f"{layer}.lora_B.weight": torch.ones(32, 2),
        },
        file,
    )
    with pytest.raises(UsageError, match="has an adapter on it already"):
        trainee(f"{base}+{file}", examples, Recipe(), SETTINGS)
    trainee(f"{base}+{file}", examples, Recipe(method="detokenizer"), SETTINGS)


# the shipped model

MODEL = Path(__file__).parents[1] / "examples" / "models" / "scenes-ar"
ASKED = tuple(scenes.SCENES[36 * (i % 6) + (7 * i + i // 6) % 36] for i in range(24))
"""Captions with every shape, colour and background."""


def painted(reference: str, asked: Sequence[scenes.Scene]) -> list[Image.Image]:
    source = ar.load(reference, SETTINGS)
    made = source.make([Job(scenes.caption(scene), i) for i, scene in enumerate(asked)])
    return [one.image for one in made if one.image is not None]


def test_the_shipped_model_makes_the_scenes_it_is_asked_for() -> None:
    for word in ("shape", "colour", "background"):
        assert {getattr(s, word) for s in ASKED} == {getattr(s, word) for s in scenes.SCENES}
    marks = judge.mark(painted(f"ar:{MODEL}", ASKED), ASKED)
    assert min(marks.shape, marks.colour, marks.background) >= 0.8


def test_what_is_shipped_is_small_and_holds_no_pickle() -> None:
    files = [path for path in MODEL.rglob("*") if path.is_file()]
    assert MODEL / "README.md" in files
    assert sum(path.stat().st_size for path in files) < 12e6
    assert {path.suffix for path in files} <= {".safetensors", ".json", ".txt", ".md"}


def test_stripes_come_by_the_papers_method_and_the_scenes_stay(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    drawn = [scenes.sample(random) for _ in range(64)]
    striped = [
        Example(
            Picture(str(i), scenes.draw(scene, style="striped", level=0.5)),
            scenes.caption(scene),
            1 / 64,
        )
        for i, scene in enumerate(drawn)
    ]
    recipe = Recipe("detokenizer", learning_rate=2e-4, batch=8, levels=(20, 100))
    done = personalize(f"ar:{MODEL}", striped, recipe, tmp_path / "out", SETTINGS)
    marks = [
        judge.mark(painted(reference, ASKED), ASKED, "striped")
        for reference in (f"ar:{MODEL}", *done.levels.values())
    ]
    assert marks[0].level < marks[1].level < marks[2].level
    assert marks[2].level > marks[0].level + 0.04
    assert marks[2].shape >= 0.8
