"""A LoRA rewarded for a taste: gradients through the last steps alone, and what it costs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import tiny_models
import tiny_pipelines
from finexl.encoders import Encoder, load_encoder
from finexl.encoders.pixels import prepared
from finexl.errors import UsageError
from finexl.generators import Job, Settings, load_generator
from finexl.generators.diffusers import Pipeline
from finexl.generators.running import quietly
from finexl.generators.steering import encode
from finexl.personalize.recipe import Recipe
from finexl.viper.baselines.rewarded import Level, Rewarded, Rewarding, Tuned, tune
from finexl.viper.taste import Taste

SIDE = tiny_pipelines.SIDE
SETTINGS = Settings(steps=3, size=SIDE, device="cpu", guidance=3.0, dtype="float32")
TASTE = Taste((("cat", 1.0),), (("dog", 1.0),))
PROMPTS = ("a cat", "a dog")
REWARDING = Rewarding(PROMPTS, TASTE, seeds=2)
RECIPE = Recipe(rank=2, levels=(1, 3), batch=2, learning_rate=1e-2)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for family in ("sd", "sdxl"):
        tiny_pipelines.FAMILIES[family](folder / family)
    tiny_models.save_clip(folder / "clip")
    return folder


@pytest.fixture(scope="module")
def clip(models: Path) -> Encoder:
    return load_encoder(str(models / "clip"), threads=1)


class Colours:
    """A picture's mean color, and the texts red, green and blue: its reward is known truth."""

    name, revision, dim, normalized = "colours", "1", 3, True

    def embed_images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        arrays = np.array([np.asarray(one, np.float32) / 255 for one in images])
        found: NDArray[np.float32] = self.embed_pixels(
            torch.tensor(arrays.transpose(0, 3, 1, 2))
        ).numpy()
        return found

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        known = ("red", "green", "blue")
        found = [np.eye(3)[known.index(t)] if t in known else np.ones(3) / 3**0.5 for t in texts]
        return np.array(found, np.float32)

    def embed_pixels(self, pixels: Any) -> Any:
        return torch.nn.functional.normalize(pixels.mean(dim=(2, 3)), dim=1)


def trainee(models: Path, clip: Encoder, family: str = "sd", **more: Any) -> Rewarded:
    source = Pipeline(str(models / family), SETTINGS)
    return Rewarded(source, clip, replace(REWARDING, **more), RECIPE)


def noise(n: int = 2) -> NDArray[np.float64]:
    return np.random.default_rng(5).standard_normal((n, 4, SIDE // 2, SIDE // 2))


def started(model: Rewarded) -> Rewarded:
    """Give the adapters' second halves something, so that the first ones have gradients as well."""
    with torch.no_grad():
        for name, one in sorted(model.trained.items()):
            if "lora_B" in name:
                one.normal_(std=0.1, generator=torch.Generator().manual_seed(len(name)))
    return model


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_images_are_sampled_as_the_pipeline_samples_them(
    models: Path, clip: Encoder, family: str
) -> None:
    model = trainee(models, clip, family)
    plain = Pipeline(str(models / family), SETTINGS)
    jobs = [Job(prompt, 0) for prompt in PROMPTS]
    wanted = np.array([np.asarray(one.image) for one in plain.make(jobs, torch.tensor(noise()))])
    for last in (0, 1, 5):
        pixels = model.sampled(PROMPTS, noise(), last)
        assert pixels.requires_grad == (last > 0)
        found = pixels.detach().numpy().transpose(0, 2, 3, 1) * 255
        assert np.abs(found.round() - wanted).max() <= 1  # adapters start at nothing
        assert torch.is_grad_enabled()


def test_gradients_reach_the_adapters_alone(models: Path, clip: Encoder) -> None:
    model = started(trainee(models, clip))
    (-model.reward(model.sampled(PROMPTS, noise(), 1)).mean()).backward()
    parts = [p for p in model.pipeline.components.values() if isinstance(p, torch.nn.Module)]
    parts.append(clip._model)  # type: ignore[attr-defined]
    named = [item for part in parts for item in part.named_parameters()]
    reached = {name for name, one in named if one.grad is not None}
    assert reached == set(model.trained)
    assert all("lora_" in name for name in reached)
    assert len(reached) == 2 * 4 * 2 * 4  # A and B of to_q, k, v, out; attn1 and attn2; four blocks
    assert all(float(one.grad.abs().max()) > 0 for one in model.trained.values())


def test_through_all_steps_it_is_the_derivative_of_the_reward(models: Path, clip: Encoder) -> None:
    model = started(trainee(models, clip))
    for part in (model.pipeline.unet, model.pipeline.vae, model.pipeline.text_encoder):
        part.to(torch.float64)
    clip_in_double = load_encoder(str(models / "clip"), threads=1)
    clip_in_double._model.to(torch.float64)  # type: ignore[attr-defined]
    model.encoder = clip_in_double
    reward = model.reward(model.sampled(PROMPTS[:1], noise(1), 99)).sum()
    reward.backward()
    one = next(p for name, p in sorted(model.trained.items()) if "lora_B" in name)
    slope = one.grad.clone()
    direction = slope / slope.norm()
    values = []
    for step in (1e-3, -1e-3):
        with torch.no_grad():
            one.add_(direction * step)
            values.append(float(model.reward(model.sampled(PROMPTS[:1], noise(1), 0)).sum()))
            one.sub_(direction * step)
    # the encoder's rows are float32, which bounds the difference
    assert (values[0] - values[1]) / 2e-3 == pytest.approx(float(slope.norm()), rel=0.02)


def test_through_the_last_step_it_is_the_truncated_gradient_written_out(
    models: Path, clip: Encoder
) -> None:
    model = started(trainee(models, clip))
    model.reward(model.sampled(PROMPTS, noise(), 1)).mean().backward()
    found = {name: one.grad.clone() for name, one in model.trained.items()}
    pipeline, scheduler = model.pipeline, model.pipeline.scheduler
    for one in model.trained.values():
        one.grad = None
    with quietly(), torch.no_grad():
        said = [encode(pipeline, text).hidden for text in ("", "", *PROMPTS)]
    heard = torch.cat(said)
    x = torch.tensor(noise(), dtype=torch.float32)
    scheduler.set_timesteps(3)
    for i, t in enumerate(scheduler.timesteps):
        x = x.detach()  # nothing but the last step is left
        u, c = pipeline.unet(torch.cat([x, x]), t, heard)[0].chunk(2)
        e = u + 3.0 * (c - u)
        a = scheduler.alphas_cumprod[t]
        earlier = int(t) - 1000 // 3
        b = scheduler.alphas_cumprod[earlier] if i < 2 else scheduler.final_alpha_cumprod
        x = b**0.5 * (x - (1 - a) ** 0.5 * e) / a**0.5 + (1 - b) ** 0.5 * e  # DDIM
    decoded = pipeline.vae.decode(x / pipeline.vae.config.scaling_factor).sample
    rows = clip.embed_pixels((decoded / 2 + 0.5).clamp(0, 1))  # type: ignore[attr-defined]
    texts = torch.tensor(clip.embed_texts(["cat", "dog"]))
    (rows @ texts[0] - rows @ texts[1]).mean().backward()
    for name, one in model.trained.items():
        torch.testing.assert_close(found[name], one.grad, atol=1e-5, rtol=1e-3)


def test_the_reward_rises_and_is_measured_with_what_it_costs(models: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, levels=(2, 12), learning_rate=2e-2)
    red = replace(REWARDING, taste=Taste((("red", 1.0),), (("blue", 1.0),)))
    base, encoder = f"diffusers:{models / 'sd'}", Colours()
    done = tune(base, encoder, red, recipe, tmp_path / "out", SETTINGS)
    plain, early, late = done.levels
    assert [level.steps for level in done.levels] == [0, 2, 12]
    assert len(done.rewards) == 12
    assert late.reward > early.reward > plain.reward
    assert late.reward > plain.reward + 0.05
    # what was measured, measured once more by hand, with the LoRA as `lora:` loads it
    assert late.model.startswith(f"lora:{models / 'sd'}+{tmp_path}")
    model = load_generator(late.model, SETTINGS)
    assert isinstance(model, Pipeline)
    rewards, faithful, apart, differ = [], [], [], []
    for prompt in PROMPTS:
        images = []
        for seed in range(2):
            drawn = np.random.default_rng([0, 1, seed]).standard_normal((1, 4, 16, 16))
            images.append(np.asarray(model.make([Job(prompt, 0)], torch.tensor(drawn))[0].image))
        means = np.array([image.mean(axis=(0, 1)) for image in images])
        rows = means / np.linalg.norm(means, axis=1, keepdims=True)
        rewards += list(rows[:, 0] - rows[:, 2])
        faithful += list(rows.sum(axis=1) / 3**0.5)
        apart.append(1 - rows[0] @ rows[1])
        differ.append(np.sqrt(np.mean((images[0].astype(float) - images[1]) ** 2)))
    wanted = [np.mean(one) for one in (rewards, faithful, apart, differ)]
    found = [late.reward, late.faithfulness, late.diversity, late.pixels]
    np.testing.assert_allclose(found, wanted, atol=1e-3, rtol=1e-3)
    sheet = np.asarray(Image.open(tmp_path / "out" / "step-000012" / "pictures.png"), float)
    first = np.asarray(Image.open(tmp_path / "out" / "plain" / "pictures.png"), float)
    assert sheet.shape == first.shape == (2 * SIDE, 2 * SIDE, 3)
    redder = (sheet - first).mean(axis=(0, 1))
    assert redder[0] - redder[2] > 5


def test_broken_off_and_continued_it_is_bit_for_bit_the_same_and_the_seed_decides(
    models: Path, clip: Encoder, tmp_path: Path
) -> None:
    few, fast = replace(REWARDING, measured=("a cat",)), replace(SETTINGS, steps=2)

    def tuned(name: str, seed: int = 0, **more: Any) -> tuple[Tuned, dict[str, bytes]]:
        out, recipe = tmp_path / name, replace(RECIPE, seed=seed, levels=(1, 2))
        done = tune(str(models / "sd"), clip, few, recipe, out, fast, **more)
        kept = (path for path in sorted(out.rglob("*")) if path.is_file())
        return done, {
            str(path.relative_to(out)): path.read_bytes()
            for path in kept
            if path.name != "levels.json"  # has the folder's name in it
        }

    def die(_: str, done: int, __: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    whole, files = tuned("whole")
    with pytest.raises(KeyboardInterrupt):
        tuned("broken", progress=die)
    again, others = tuned("broken")
    assert others == files
    assert again.rewards == whole.rewards[1:]
    assert [replace(one, model="") for one in again.levels] == (
        [replace(one, model="") for one in whole.levels]
    )
    _, other = tuned("other", seed=1)
    name = "step-000002/pytorch_lora_weights.safetensors"
    assert other[name] != files[name]
    with pytest.raises(UsageError, match=r"another training \(its rewarding differ\)"):
        tune(
            str(models / "sd"), clip, replace(few, last=2), replace(RECIPE, levels=(1, 2)),
            tmp_path / "whole", fast,
        )  # fmt: skip


def level(steps: int, reward: float, diversity: float) -> Level:
    return Level(steps, "m", reward, 0.2, diversity, 10.0)


def test_collapse_and_failure_are_said() -> None:
    plain, fine = level(0, 0.1, 0.4), level(20, 0.2, 0.25)
    assert Tuned((plain, fine)).notes == ()
    (note,) = Tuned((plain, fine, level(40, 0.3, 0.1), level(60, 0.4, 0.01))).notes
    assert note.startswith("After 40 steps the images of one prompt are 0.25 times as different")
    (note,) = Tuned((plain, level(20, 0.1, 0.4))).notes
    assert note.startswith("The reward has not risen")


def test_what_cannot_be_rewarded_is_refused_in_one_sentence(
    models: Path, clip: Encoder, tmp_path: Path
) -> None:
    def refused(says: str, base: str = "sd", encoder: Any = clip, **more: Any) -> None:
        recipe = more.pop("recipe", RECIPE)
        with pytest.raises(UsageError, match=says) as error:
            tune(
                str(tmp_path / base if base == "sd3" else models / base),
                encoder, replace(REWARDING, **more), recipe, tmp_path / "out", SETTINGS,
            )  # fmt: skip
        assert "\n" not in str(error.value)
        assert not (tmp_path / "out").exists()

    refused("The encoder embedded has no gradients", encoder=load_encoder("embedded"))
    tiny_models.FAMILIES["align"](tmp_path / "align")
    refused("has no gradients", encoder=load_encoder(str(tmp_path / "align")))
    tiny_pipelines.save_sd3(tmp_path / "sd3")
    refused("sd3 is a StableDiffusion3Pipeline, which a reward does not train", base="sd3")
    with pytest.raises(UsageError, match="lora:x is no base that a reward trains"):
        tune("lora:x", clip, REWARDING, RECIPE, tmp_path / "out", SETTINGS)
    refused("Give prompts", prompts=())
    refused("2 seeds or more", seeds=1)
    refused("1 step or more", last=0)
    refused("names nothing liked or disliked", taste=Taste())
    refused("not by the method full", recipe=replace(RECIPE, method="full"))


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_pixels_are_made_ready_as_pictures_are_and_have_gradients(
    tmp_path: Path, family: str
) -> None:
    tiny_models.FAMILIES[family](tmp_path / family)
    encoder: Any = load_encoder(str(tmp_path / family), threads=1)
    processor = encoder._image_processor
    rng = np.random.default_rng(0)
    for size in ((50, 40), (33, 90), (32, 32), (20, 24)):
        drawn = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        picture = drawn.resize(size, Image.Resampling.BICUBIC)
        pixels = torch.tensor(np.asarray(picture, np.float32).transpose(2, 0, 1)[None] / 255)
        wanted = processor(images=[picture], return_tensors="pt")["pixel_values"]
        levels = (prepared(pixels, processor) - wanted) * 255
        # Pillow rounds to whole levels, once in each direction
        assert float((levels * torch.tensor(processor.image_std)[:, None, None]).abs().max()) < 2
        pixels.requires_grad_(True)
        rows = encoder.embed_pixels(pixels)
        assert float(rows.detach().norm()) == pytest.approx(1, abs=1e-5)
        rows[0, 0].backward()
        assert pixels.grad is not None
        assert float(pixels.grad.abs().max()) > 0
        if size == (32, 32):  # nothing is resized, nothing rounded
            np.testing.assert_allclose(
                rows.detach().numpy(), encoder.embed_images([picture]), atol=1e-5
            )


def test_the_measures_are_plain_numbers_in_a_file(
    models: Path, clip: Encoder, tmp_path: Path
) -> None:
    model = trainee(models, clip)
    model.measure(tmp_path / "a")
    model.measure(tmp_path / "b", plain=True)
    started(model)
    model.measure(tmp_path / "c", plain=True)
    found = [json.loads((tmp_path / name / "measured.json").read_text()) for name in "abc"]
    # adapters start at nothing, and are left out for the plain model whatever they hold
    assert found[0] == pytest.approx(found[1], abs=1e-4)
    assert found[2] == found[1]
    assert set(found[0]) == {"reward", "faithfulness", "diversity", "pixels"}
