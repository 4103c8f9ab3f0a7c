"""Training of SD, SDXL, SD3 and FLUX: each family's loss written out, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import tiny_pipelines
from finexl.errors import UsageError
from finexl.generators import Job, Settings, load_generator
from finexl.generators.running import quietly
from finexl.images import Picture
from finexl.personalize.denoising import Denoising
from finexl.personalize.diffusion import Denoiser, trainee
from finexl.personalize.examples import Example
from finexl.personalize.recipe import Recipe
from finexl.personalize.training import Trained, personalize

SIDE = tiny_pipelines.SIDE
SETTINGS = Settings(dtype="float32", device="cpu")
MAKING = Settings(dtype="float32", device="cpu", steps=2, size=SIDE)
FAMILIES = tuple(tiny_pipelines.FAMILIES)
NEW = tuple(family for family in FAMILIES if family != "sd")


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


def examples(n: int = 3) -> list[Example]:
    """Return pictures of noise, with two captions."""
    drawn = np.random.default_rng(0).integers(0, 255, (n, SIDE, SIDE, 3), dtype=np.uint8)
    return [
        Example(Picture(str(i), Image.fromarray(one)), f"a cat {i % 2}", 1 / n)
        for i, one in enumerate(drawn)
    ]


def trained(base: Path, out: Path, recipe: Recipe, n: int = 3, **more: Any) -> Trained:
    return personalize(str(base), examples(n), recipe, out, SETTINGS, **more)


def pixels(reference: str) -> NDArray[np.float64]:
    made = load_generator(reference, MAKING).make([Job("a cat 0", 3)])[0].image
    assert made is not None
    return np.asarray(made, dtype=np.float64)


# one step, written out


def own_words(pipeline: Any, family: str, captions: list[str]) -> dict[str, Any]:
    """Return what the pipeline's own call would give the denoiser for captions, from its parts."""
    if family == "sd":
        return {"encoder_hidden_states": pipeline.encode_prompt(captions, "cpu", 1, False)[0]}
    if family == "sdxl":
        found = pipeline.encode_prompt(captions, device="cpu", do_classifier_free_guidance=False)
        sizes = torch.tensor([[SIDE, SIDE, 0, 0, SIDE, SIDE]] * len(captions))
        added = {"text_embeds": found[2], "time_ids": sizes}
        return {"encoder_hidden_states": found[0], "added_cond_kwargs": added}
    if family == "sd3":
        found = pipeline.encode_prompt(
            captions, captions, captions, device="cpu", do_classifier_free_guidance=False
        )
        return {"encoder_hidden_states": found[0], "pooled_projections": found[2]}
    hidden, pooled, places = pipeline.encode_prompt(captions, captions, device="cpu")
    guidance = torch.full((len(captions),), 3.5)
    names = ("encoder_hidden_states", "pooled_projections", "txt_ids", "guidance")
    return dict(zip(names, (hidden, pooled, places, guidance), strict=True))


def packed(latents: Any) -> Any:
    """Return latents as FLUX takes them: channels and the four of a square, square by square."""
    n, channels, height, width = latents.shape
    rows = [
        torch.stack(
            [
                torch.stack(
                    [
                        latents[i, c, 2 * y + dy, 2 * x + dx]
                        for c in range(channels)
                        for dy in (0, 1)
                        for dx in (0, 1)
                    ]
                )
                for y in range(height // 2)
                for x in range(width // 2)
            ]
        )
        for i in range(n)
    ]
    return torch.stack(rows)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_of_a_step_is_the_loss_written_out(
    saved: Callable[[str], Path], family: str
) -> None:
    recipe = Recipe(method="full", batch=2, size=SIDE, seed=7)
    _, training = trainee(str(saved(family)), examples(), recipe, SETTINGS)
    found = training.step(5)

    pipeline: Any = diffusers.DiffusionPipeline.from_pretrained(saved(family))
    pipeline.set_progress_bar_config(disable=True)
    rng = np.random.default_rng([7, 5])
    chosen = rng.choice(3, 2, p=[1 / 3] * 3)
    images = [np.asarray(examples()[i].picture.open(), float) / 127.5 - 1 for i in chosen]
    row = torch.tensor(np.stack(images)).permute(0, 3, 1, 2).float()
    config = pipeline.vae.config
    with quietly(), torch.no_grad():
        encoded = pipeline.vae.encode(row).latent_dist.mean
        x = (encoded - (config.shift_factor or 0)) * config.scaling_factor
        noise = torch.tensor(rng.standard_normal(x.shape)).float()
        words = own_words(pipeline, family, [examples()[i].caption for i in chosen])
        if family in ("sd", "sdxl"):
            times = torch.tensor(rng.integers(0, 1000, 2))
            own = pipeline.scheduler.config
            betas = np.linspace(own.beta_start, own.beta_end, 1000)
            if own.beta_schedule == "scaled_linear":
                betas = np.linspace(own.beta_start**0.5, own.beta_end**0.5, 1000) ** 2
            kept = torch.tensor(np.cumprod(1 - betas)).float()[times].view(2, 1, 1, 1)
            noisy = kept.sqrt() * x + (1 - kept).sqrt() * noise
            said, target = pipeline.unet(noisy, times, **words)[0], noise
        else:
            sigma = torch.tensor(rng.uniform(size=(2, 1, 1, 1))).float()
            noisy, target = (1 - sigma) * x + sigma * noise, noise - x
            if family == "sd3":
                said = pipeline.transformer(noisy, timestep=1000 * sigma.flatten(), **words)[0]
            else:
                half = noisy.shape[-1] // 2
                places = torch.tensor([[0.0, y, x] for y in range(half) for x in range(half)])
                said = pipeline.transformer(
                    packed(noisy), timestep=sigma.flatten(), img_ids=places, **words
                )[0]
                target = packed(target)
    assert found == pytest.approx(float(((said - target) ** 2).mean()), rel=2e-5)


@pytest.mark.parametrize("family", NEW)
def test_what_a_denoiser_says_is_in_the_latents_shape(
    saved: Callable[[str], Path], family: str
) -> None:
    pipeline = load_generator(f"diffusers:{saved(family)}", MAKING).opened  # type: ignore[attr-defined]
    seen = Denoising(pipeline, "it", examples(), SIDE)
    x = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = seen.predicted(x, torch.tensor([10.0, 20.0]), seen.words([0, 1]))
    assert found.shape == x.shape
    if family == "flux":
        torch.testing.assert_close(seen.form.answered(packed(x), x), x, rtol=0, atol=0)


def test_times_are_shifted_as_the_scheduler_says(saved: Callable[[str], Path]) -> None:
    pipeline = load_generator(f"diffusers:{saved('sd3')}", MAKING).opened  # type: ignore[attr-defined]
    seen = Denoising(pipeline, "it", examples(), SIDE)
    x = torch.zeros(9, 4, 2, 2)
    drawn = np.random.default_rng(0).uniform(size=9)
    for more, shifted in (
        ({"shift": 1.0}, drawn),
        ({"shift": 3.0}, 1 / (1 + (1 / drawn - 1) / 3)),
        ({"shift": 3.0, "use_dynamic_shifting": True}, drawn),
    ):
        pipeline.scheduler = diffusers.FlowMatchEulerDiscreteScheduler(**more)
        _, times, _ = seen.noised(x, x, np.random.default_rng(0))
        assert times.tolist() == pytest.approx(1000 * shifted, rel=1e-6)
        _, times, _ = seen.noised(x, x, np.random.default_rng(0), together=True)
        assert len(times) == 9
        assert len(set(times.tolist())) == 1


# whole trainings


@pytest.mark.parametrize("family", NEW)
def test_a_lora_learns_and_every_level_moves_further_from_its_base(
    saved: Callable[[str], Path], tmp_path: Path, family: str
) -> None:
    base = saved(family)
    recipe = Recipe(levels=(1, 16), learning_rate=2e-2, batch=2, rank=4, size=SIDE)
    done = trained(base, tmp_path / "out", recipe, n=1)
    assert np.mean(done.losses[-5:]) < np.mean(done.losses[:5])
    plain = pixels(f"diffusers:{base}")
    moved = []
    for reference in done.levels.values():
        assert reference.startswith(f"lora:{base}+")
        moved.append(float(np.abs(pixels(reference) - plain).mean()))
    assert 0 < moved[0] < moved[1]
    np.testing.assert_array_equal(pixels(f"{done.levels[16]}@0"), plain)


@pytest.mark.parametrize("family", NEW)
def test_all_weights_learn_and_are_kept_as_a_pipeline(
    saved: Callable[[str], Path], tmp_path: Path, family: str
) -> None:
    base = saved(family)
    recipe = Recipe(method="full", levels=(12,), learning_rate=5e-3, batch=2, size=SIDE)
    done = trained(base, tmp_path / "out", recipe, n=1)
    assert np.mean(done.losses[-5:]) < np.mean(done.losses[:5])
    assert not np.array_equal(pixels(done.levels[12]), pixels(f"diffusers:{base}"))


@pytest.mark.parametrize(
    ("family", "method"), [("sdxl", "full"), ("sd3", "lora"), ("flux", "lora")]
)
def test_broken_off_and_continued_it_is_bit_for_bit_the_same(
    saved: Callable[[str], Path], tmp_path: Path, family: str, method: Any
) -> None:
    recipe = Recipe(method=method, levels=(1, 3), batch=2, rank=2, size=SIDE)
    base = saved(family)
    whole = trained(base, tmp_path / "whole", recipe)

    def die(_: str, done: int, __: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(base, tmp_path / "broken", recipe, progress=die)
    assert trained(base, tmp_path / "broken", recipe).losses == whole.losses[1:]
    files = [
        {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.glob("step-*/**/*.safetensors"))
        }
        for folder in (tmp_path / "whole", tmp_path / "broken")
    ]
    assert files[0] == files[1]
    assert len(files[0]) >= 2


@pytest.mark.parametrize("family", NEW)
def test_what_is_kept_is_what_was_trained(
    saved: Callable[[str], Path], tmp_path: Path, family: str
) -> None:
    """The denoiser with the file laid over it says what the one in training says."""
    recipe = Recipe(learning_rate=1e-1, rank=3, size=SIDE)
    _, training = trainee(str(saved(family)), examples(), recipe, SETTINGS)
    for step in range(2):
        training.step(step)
    training.keep(tmp_path)
    opened = load_generator(training.reference(tmp_path), MAKING).opened  # type: ignore[attr-defined]
    other = Denoising(opened, "it", examples(), SIDE)
    plain = load_generator(f"diffusers:{saved(family)}", MAKING).opened  # type: ignore[attr-defined]
    base = Denoising(plain, "it", examples(), SIDE)
    x = training.seen.latents([0])
    said = []
    with torch.no_grad():
        for one in (training.seen, other, base):
            one.denoiser.eval()
            said.append(one.predicted(x, torch.tensor([500.0]), one.words([0])))
    torch.testing.assert_close(said[0], said[1], rtol=1e-5, atol=1e-5)
    assert float((said[0] - said[2]).abs().mean()) > 1e-3


def test_the_texts_own_attention_is_trained_where_there_is_one(
    saved: Callable[[str], Path],
) -> None:
    for family, there in (("sdxl", False), ("sd3", True), ("flux", True)):
        _, training = trainee(str(saved(family)), examples(), Recipe(size=SIDE), SETTINGS)
        assert any("add_k_proj.lora_A" in name for name in training.trained) == there
        assert all(".lora_" in name for name in training.trained)


def test_adapters_over_half_precision_are_trained_in_single(saved: Callable[[str], Path]) -> None:
    settings = Settings(dtype="bfloat16", device="cpu")
    for family in FAMILIES:
        _, training = trainee(str(saved(family)), examples(), Recipe(size=SIDE), settings)
        assert np.isfinite(training.step(0))
        assert {weights.dtype for weights in training.trained.values()} == {torch.float32}
        of_base = {weights.dtype for weights in training.denoiser.parameters()} - {torch.float32}
        assert of_base == {torch.bfloat16}


def test_guidance_is_an_input_only_of_models_that_take_it(saved: Callable[[str], Path]) -> None:
    pipeline = load_generator(f"diffusers:{saved('flux')}", MAKING).opened  # type: ignore[attr-defined]
    seen = Denoising(pipeline, "it", examples(), SIDE)
    x, times = torch.zeros(2, 4, 16, 16), torch.tensor([1.0, 2.0])
    assert seen.given(x, times)["guidance"].tolist() == [3.5, 3.5]
    pipeline.transformer.register_to_config(guidance_embeds=False)
    assert "guidance" not in seen.given(x, times)


@pytest.mark.parametrize("family", ["sd3", "flux"])
def test_a_size_that_does_not_fit_the_tokens_is_refused(
    saved: Callable[[str], Path], family: str
) -> None:
    recipe = Recipe(size=SIDE + 2)
    with pytest.raises(UsageError, match="of a multiple of 4 pixels, and not of 34"):
        trainee(str(saved(family)), examples(), recipe, SETTINGS)


def test_a_pipeline_of_another_kind_is_named() -> None:
    pipeline = diffusers.DDPMPipeline.__new__(diffusers.DDPMPipeline)
    with pytest.raises(UsageError, match="it is a DDPMPipeline, whose denoiser is not known"):
        Denoiser(pipeline, "it", examples(), Recipe())
