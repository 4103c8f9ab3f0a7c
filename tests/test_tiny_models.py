"""The shipped tiny models, and the way they are made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import judge, training
from torch import nn

from finexl.personalize import scenes
from finexl.personalize.scenes import SCENES, Scene

# diffusers' schedulers turn tensors into arrays in a way that NumPy 2 no longer likes
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

MODELS = Path(__file__).parents[1] / "examples" / "models"
BASE = MODELS / "scenes-diffusion"
LORA = MODELS / "scenes-striped-lora"
ASKED = tuple(
    SCENES[36 * (i % 6) + 6 * ((i + 1 + i // 6) % 6) + (i + 3 + 2 * (i // 6)) % 6]
    for i in range(12)
)
"""Twelve captions, every shape, colour and background among them."""
CHECKPOINTS = (50, 100, 200, 400)


@pytest.fixture(scope="module")
def pipe() -> Iterator[Any]:
    diffusers = pytest.importorskip("diffusers")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    pipe = diffusers.DiffusionPipeline.from_pretrained(BASE, use_safetensors=True)
    pipe.set_progress_bar_config(disable=True)
    yield pipe
    torch.set_num_threads(threads)


def made(pipe: Any, wanted: tuple[Scene, ...] = ASKED, first_seed: int = 100) -> list[Any]:
    seeds = range(first_seed, first_seed + len(wanted))
    images: list[Any] = pipe(
        [scenes.caption(scene) for scene in wanted],
        num_inference_steps=12,
        guidance_scale=3.0,
        generator=[torch.Generator().manual_seed(seed) for seed in seeds],
    ).images
    return images


def test_the_captions_asked_for_hold_every_word() -> None:
    for word in ("shape", "colour", "background"):
        assert {getattr(s, word) for s in ASKED} == {getattr(s, word) for s in SCENES}


@pytest.mark.parametrize(
    ("style", "level"), [(None, 0.0), ("striped", 0.7), ("faded", 0.4), ("outlined", 0.6)]
)
def test_the_judge_reads_drawings_as_they_were_meant(style: str | None, level: float) -> None:
    generator = np.random.default_rng(3)
    meant = [scenes.sample(generator) for _ in range(24)]
    drawn = [scenes.draw(scene, style=style, level=level) for scene in meant]
    marks = judge.mark(drawn, meant, style)
    assert marks.all >= 23 / 24
    assert marks.level == pytest.approx(level, abs=0.08)


def test_the_judge_sees_no_style_in_plain_drawings_and_no_scene_in_noise() -> None:
    plain = [scenes.draw(scene) for scene in ASKED]
    assert judge.mark(plain, ASKED, "striped").detected == 0
    generator = np.random.default_rng(0)
    noise = [
        Image.fromarray(generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)) for _ in ASKED
    ]
    assert judge.mark(noise, ASKED).error > 3 * judge.mark(plain, ASKED).error
    assert judge.mark(noise, ASKED).all < 0.2


def test_the_shipped_pipeline_makes_the_scenes_it_is_asked_for(pipe: Any) -> None:
    assert type(pipe).__name__ == "StableDiffusionPipeline"
    marks = judge.mark(made(pipe), ASKED)
    assert min(marks.shape, marks.colour, marks.background) >= 0.9


def test_the_same_seed_makes_the_same_picture_and_another_seed_another(pipe: Any) -> None:
    first, again, other = (made(pipe, ASKED[:2], seed) for seed in (1, 1, 50))
    assert [i.tobytes() for i in first] == [i.tobytes() for i in again]
    assert not {i.tobytes() for i in first} & {i.tobytes() for i in other}


def test_its_autoencoder_changes_no_pixel(pipe: Any) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32))
    images = torch.from_numpy(pixels).float() / 127.5 - 1
    with torch.no_grad():
        posterior = pipe.vae.encode(images).latent_dist
        again = pipe.vae.decode(posterior.sample()).sample
    assert (posterior.mode() - images).abs().max() < 0.05 / 127.5
    assert np.array_equal(((again + 1) * 127.5).round().numpy(), pixels)


def test_its_tokenizer_reads_each_word_of_a_caption_as_one_token(pipe: Any) -> None:
    for scene in SCENES:
        text = scenes.caption(scene)
        ids = pipe.tokenizer(text).input_ids
        assert len(ids) == len(text.split()) + 2
        assert pipe.tokenizer.decode(ids[1:-1]).split() == text.split()


def test_a_lora_at_scale_0_is_the_base_to_the_bit_and_stripes_grow_with_its_scale(
    pipe: Any,
) -> None:
    pytest.importorskip("peft")
    plain = [image.tobytes() for image in made(pipe)]
    pipe.load_lora_weights(LORA, weight_name="step-400.safetensors", adapter_name="striped")
    try:
        levels = []
        for scale in (0.0, 0.5, 1.0):
            pipe.set_adapters("striped", scale)
            images = made(pipe)
            if scale == 0:
                assert [image.tobytes() for image in images] == plain
            levels.append(judge.mark(images, ASKED, "striped").level)
    finally:
        pipe.unload_lora_weights()
    assert levels[0] < 0.15
    assert levels[0] < levels[1] - 0.1 < levels[2] - 0.2
    assert levels[2] > 0.6
    assert [image.tobytes() for image in made(pipe)] == plain


def test_what_is_shipped_is_small_and_holds_no_pickle() -> None:
    for folder in (BASE, LORA):
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert (folder / "README.md") in files
        assert sum(path.stat().st_size for path in files) < 12e6
        assert {path.suffix for path in files} <= {".safetensors", ".json", ".txt", ".md"}
    for step in CHECKPOINTS:
        assert (LORA / f"step-{step:03d}.safetensors").stat().st_size < 300e3


def test_the_folder_names_no_code_of_its_own() -> None:
    index = json.loads((BASE / "model_index.json").read_text(encoding="utf-8"))
    parts = {value[0] for value in index.values() if isinstance(value, list)}
    assert parts <= {"diffusers", "transformers", None}


def test_a_training_stopped_after_every_step_ends_like_an_unbroken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trained(folder: str, seconds: float) -> tuple[list[float], int]:
        monkeypatch.setattr(training, "STATES", tmp_path / folder)
        calls = 0
        done = False
        while not done:
            torch.manual_seed(0)
            module = nn.Linear(3, 1)

            def loss(step: int, random: torch.Generator) -> torch.Tensor:
                del step
                x = torch.randn(8, 3, generator=random)
                wanted = x @ torch.tensor([[1.0], [-2.0], [3.0]])
                return (module(x) - wanted).square().mean()  # noqa: B023 - called at once

            done = training.train(
                "line", {"line": module}, loss, steps=12, rate=0.1, seconds=seconds
            )
            calls += 1
        return [
            value for weight in module.parameters() for value in weight.flatten().tolist()
        ], calls

    unbroken, once = trained("unbroken", 1e9)
    broken, often = trained("broken", 0.0)
    assert (once, often) == (1, 12)
    assert broken == unbroken
