"""Textual inversion: a word alone is trained, read as it will be, and continued bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file

import tiny_pipelines
from finexl.errors import UsageError
from finexl.generators import Job, Settings, load_generator
from finexl.generators.diffusers import Pipeline
from finexl.generators.steering import encode
from finexl.personalize.examples import Example, read_examples
from finexl.personalize.inversion import Inversion
from finexl.personalize.recipe import Recipe
from finexl.personalize.training import open_trainee
from finexl.viper.baselines import inversion

SIDE = tiny_pipelines.SIDE
TRAINING = Settings(dtype="float32", device="cpu")
MAKING = Settings(dtype="float32", device="cpu", steps=2, size=SIDE, guidance=3.0)
RECIPE = Recipe(method="inversion", word="my-style", vectors=2, levels=(1, 3), learning_rate=0.05)
JOBS = [Job("a cat", 3)]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return each family's folder, made once."""
    made: dict[str, Path] = {}

    def folder(family: str) -> Path:
        if family not in made:
            made[family] = tmp_path_factory.mktemp("pipelines") / family
            tiny_pipelines.FAMILIES[family](made[family])
        return made[family]

    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for i in range(3):
        drawn = np.random.default_rng(i).integers(0, 256, (4, 4, 3), np.uint8)
        image = Image.fromarray(drawn).resize((SIDE, SIDE), Image.Resampling.NEAREST)
        image.save(folder / f"{i}.png")
    return folder


def examples(pictures: Path, caption: str = "") -> list[Example]:
    return read_examples([str(pictures)], caption)


def opened(base: Path, some: list[Example], recipe: Recipe = RECIPE) -> tuple[Any, Inversion]:
    source, trainee = open_trainee(str(base), some, recipe, TRAINING)
    assert isinstance(trainee, Inversion)
    return source, trainee


def pixels(model: Any) -> NDArray[np.float64]:
    return np.array([np.asarray(one.image) for one in model.make(JOBS)], float)


def weights_of(pipeline: Any) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{key}": value.clone()
        for name, part in pipeline.components.items()
        if isinstance(part, torch.nn.Module)
        for key, value in part.state_dict().items()
    }


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_nothing_but_the_word_is_trained(
    saved: Callable[[str], Path], pictures: Path, family: str
) -> None:
    source, trainee = opened(saved(family), examples(pictures))
    before = weights_of(source.opened)
    started = {name: one.detach().clone() for name, one in trainee.trained.items()}
    assert {name: tuple(one.shape) for name, one in started.items()} == (
        {"clip_l": (2, 24)} if family == "sd" else {"clip_l": (2, 24), "clip_g": (2, 24)}
    )
    for step in range(2):
        trainee.step(step)
    after = weights_of(source.opened)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    # Adam's first step is the learning rate in every number: none is left behind
    for name, one in trainee.trained.items():
        assert float((one.detach() - started[name]).abs().min()) > 0
    others = (
        parameter
        for part in source.opened.components.values()
        if isinstance(part, torch.nn.Module)
        for parameter in part.parameters()
    )
    assert not any(other.requires_grad or other.grad is not None for other in others)


def test_the_word_starts_as_the_mean_of_the_words_it_starts_from(
    saved: Callable[[str], Path], pictures: Path
) -> None:
    plain = Pipeline(str(saved("sd")), TRAINING).opened
    table = plain.text_encoder.get_input_embeddings().weight
    tokens = plain.tokenizer("soft ink", add_special_tokens=False).input_ids
    assert len(set(tokens)) > 3
    _, trainee = opened(saved("sd"), examples(pictures), replace(RECIPE, start="soft ink"))
    wanted = table[tokens].mean(dim=0)
    torch.testing.assert_close(trainee.trained["clip_l"][1].detach(), wanted.detach())


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_it_is_read_in_training_as_it_is_read_from_its_file(
    saved: Callable[[str], Path], pictures: Path, tmp_path: Path, family: str
) -> None:
    source, trainee = opened(saved(family), examples(pictures))
    for step in range(3):
        trainee.step(step)
    trainee.keep(tmp_path / "kept")
    model = load_generator(trainee.reference(tmp_path / "kept"), MAKING)
    assert isinstance(model, Pipeline)
    assert model.adapters[0].word == "my-style"
    assert model.adapters[0].layers == 2
    text = "a cat, my-style"
    with torch.no_grad():
        here, there = (encode(one, text) for one in (source.opened, model.opened))
        plain = encode(Pipeline(str(saved(family)), TRAINING).opened, "a cat")
    assert torch.equal(here.hidden, there.hidden)
    if family == "sdxl":
        assert torch.equal(here.pooled, there.pooled)
    # the word changes what is said, and two vectors are two tokens
    assert float((there.hidden - plain.hidden).abs().max()) > 0.01
    tokens = model.opened.tokenizer(
        model.opened.maybe_convert_prompt(text, model.opened.tokenizer)
    ).input_ids
    new = set(model.opened.tokenizer.convert_tokens_to_ids(["my-style", "my-style_1"]))
    assert len(new) == 2
    assert new <= set(tokens)
    if family == "sd":
        kept = load_file(next((tmp_path / "kept").iterdir()))
        assert set(kept) == {"my-style"}


def test_the_word_learns_what_other_words_do_not_say(
    saved: Callable[[str], Path], pictures: Path
) -> None:
    some = examples(pictures)[:1]
    recipe = replace(RECIPE, learning_rate=0.1, batch=2)
    _, trainee = opened(saved("sd"), some, recipe)

    def loss() -> float:
        """The loss with draws that no step of the training has."""
        with torch.no_grad():
            rng = np.random.default_rng([99, 99])
            chosen = [0] * 64
            return float(trainee.seen.loss(chosen, trainee.words(chosen, rng), rng))

    before = loss()
    for step in range(40):
        trainee.step(step)
    learned = trainee.trained["clip_l"].detach().clone()
    after = loss()
    # control: vectors as long, that point anywhere
    drawn = torch.randn(learned.shape, generator=torch.Generator().manual_seed(0))
    length = learned.norm(dim=1, keepdim=True)
    with torch.no_grad():
        trainee.trained["clip_l"].copy_(drawn / drawn.norm(dim=1, keepdim=True) * length)
    anywhere = loss()
    assert after < 0.97 * before
    assert after < 0.97 * anywhere


def test_broken_off_and_continued_it_is_bit_for_bit_the_same_and_the_seed_decides(
    saved: Callable[[str], Path], pictures: Path, tmp_path: Path
) -> None:
    sides = {"liked": examples(pictures), "disliked": examples(pictures, "a cat")}

    def learned(name: str, seed: int = 0, **more: Any) -> dict[str, bytes]:
        out, recipe = tmp_path / name, replace(RECIPE, seed=seed)
        inversion.learn(str(saved("sd")), sides, recipe, out, TRAINING, **more)
        files = sorted(out.glob("*/step-*/*.safetensors"))
        return {str(path.relative_to(out)): path.read_bytes() for path in files}

    def die(_: str, done: int, __: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    whole = learned("whole")
    assert list(whole) == [
        f"{side}/step-{step:06d}/viper-{side}.safetensors"
        for side in ("disliked", "liked")
        for step in (1, 3)
    ]
    with pytest.raises(KeyboardInterrupt):
        learned("broken", progress=die)
    with pytest.raises(UsageError, match="is not finished"):
        inversion.load(f"diffusers:{saved('sd')}", tmp_path / "broken", MAKING)
    assert learned("broken") == whole
    assert len(set(whole.values())) == 4
    other = learned("other", seed=1)
    assert all(other[name] != whole[name] for name in whole)


def test_the_words_are_said_behind_prompts_and_as_negative_prompt(
    saved: Callable[[str], Path], pictures: Path, tmp_path: Path
) -> None:
    base = f"diffusers:{saved('sd')}"
    recipe = replace(RECIPE, levels=(2,))
    both = {"liked": examples(pictures), "disliked": examples(pictures)[:1]}
    done = inversion.learn(base, both, recipe, tmp_path / "both", TRAINING)
    model = inversion.load(base, tmp_path / "both", replace(MAKING, negative="ugly"))
    files = [one.levels[2].rpartition("+")[2] for one in done.values()]
    by_hand = load_generator(
        f"lora:{saved('sd')}+{'+'.join(files)}",
        replace(MAKING, negative="ugly, viper-disliked"),
    )
    wanted = by_hand.make([Job("a cat, viper-liked", 3)])[0].image
    np.testing.assert_array_equal(pixels(model)[0], np.asarray(wanted, float))
    assert np.abs(pixels(model) - pixels(load_generator(base, MAKING))).mean() > 0.05
    assert model.record()["negative"] == "ugly, viper-disliked"
    assert model.name == "sd + viper-liked + viper-disliked"
    only = inversion.learn(base, {"liked": both["liked"]}, recipe, tmp_path / "one", TRAINING)
    assert list(only) == ["liked"]
    alone = inversion.load(base, tmp_path / "one", MAKING)
    assert alone.record()["inversion"] == {"liked": "viper-liked", "disliked": None}
    assert alone.record()["negative"] is None
    assert alone.digest != model.digest


def test_what_cannot_be_taught_is_refused_in_one_sentence(
    saved: Callable[[str], Path], pictures: Path, tmp_path: Path
) -> None:
    some = examples(pictures)
    with pytest.raises(UsageError, match="StableDiffusion3Pipeline, which is taught no words"):
        opened(saved("sd3"), some)
    with pytest.raises(UsageError, match="knows the word 'a' already"):
        opened(saved("sd"), some, replace(RECIPE, word="a"))
    for recipe in (
        replace(RECIPE, word="My Style"),
        replace(RECIPE, word="lora-like"),
        replace(RECIPE, vectors=0),
        replace(RECIPE, start=" "),
    ):
        with pytest.raises(UsageError, match=r"no new word|takes 1 to 32 vectors"):
            recipe.check()
    with pytest.raises(UsageError, match=r"The caption of 0\.png leaves no room for the word"):
        opened(saved("sd"), examples(pictures, "x" * 90))
    with pytest.raises(UsageError, match="Give pictures that this person likes"):
        inversion.learn(str(saved("sd")), {}, RECIPE, tmp_path / "none", TRAINING)
    with pytest.raises(UsageError, match="holds no learned words"):
        inversion.load(f"diffusers:{saved('sd')}", tmp_path, MAKING)
    base = f"diffusers:{saved('sd')}"
    recipe = replace(RECIPE, levels=(1,))
    inversion.learn(base, {"liked": some}, recipe, tmp_path / "words", TRAINING)
    model = inversion.load(base, tmp_path / "words", MAKING)
    with pytest.raises(UsageError, match=r"leaves no room for the learned word: sd"):
        model.make([Job("x" * 90, 0)])
    with pytest.raises(UsageError, match="was made for"):
        inversion.load(f"diffusers:{saved('sdxl')}", tmp_path / "words", MAKING)
    with pytest.raises(UsageError, match="which alone is taught words"):
        inversion.load("gan:somewhere", tmp_path / "words", MAKING)
