"""Training on tiny pipelines of the real classes: kept at levels, continued bit for bit."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tiny_gans
import tiny_pipelines
import tiny_writers
from finexl import cli
from finexl.errors import FinexlError, UsageError
from finexl.generators import Job, Settings, load_generator
from finexl.personalize.diffusion import Denoiser
from finexl.personalize.examples import Example, read_examples
from finexl.personalize.recipe import PRESETS, Recipe
from finexl.personalize.training import Trained, personalize

SETTINGS = Settings(dtype="float32", device="cpu")
MAKING = Settings(dtype="float32", device="cpu", steps=2, size=32)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("models") / "sd"
    tiny_pipelines.save_sd(folder)
    return folder


def images(folder: Path, n: int = 3) -> Path:
    folder.mkdir(parents=True)
    for i in range(n):
        pixels = np.random.default_rng(i).integers(0, 255, (40, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


def trained(base: Path, out: Path, recipe: Recipe, **more: Any) -> Trained:
    examples = read_examples([str(out.parent / "images")], "a cat")
    return personalize(str(base), examples, recipe, out, SETTINGS, **more)


def weights(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*.safetensors"))
        if path.name != "state.safetensors"
    }


@pytest.mark.parametrize("method", ["lora", "full"])
def test_broken_off_and_continued_it_is_bit_for_bit_the_same(
    base: Path, tmp_path: Path, method: Any
) -> None:
    images(tmp_path / "images")
    recipe = Recipe(method=method, levels=(1, 2, 4), batch=2, rank=2)
    whole = trained(base, tmp_path / "whole", recipe)
    assert len(whole.losses) == 4

    def die(_: str, done: int, __: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(base, tmp_path / "broken", recipe, progress=die)
    assert not (tmp_path / "broken" / "levels.json").exists()
    again = trained(base, tmp_path / "broken", recipe)
    assert again.losses == whole.losses[2:]
    assert weights(tmp_path / "broken") == weights(tmp_path / "whole")
    assert len(set(weights(tmp_path / "whole").values())) >= 3
    done = trained(base, tmp_path / "broken", recipe)
    assert done.losses == ()


def test_every_level_is_a_model_that_moves_further_from_its_base(
    base: Path, tmp_path: Path
) -> None:
    images(tmp_path / "images")
    recipe = Recipe(levels=(1, 5, 25), learning_rate=1e-2)
    done = trained(base, tmp_path / "out", recipe)
    job = [Job("a cat", 0)]
    plain = load_generator(f"diffusers:{base}", MAKING).make(job)[0].image
    moved = []
    for reference in done.levels.values():
        assert reference.startswith(f"lora:{base}+")
        made = load_generator(reference, MAKING).make(job)[0].image
        assert made is not None
        assert plain is not None
        moved.append(float(np.abs(np.asarray(made, float) - np.asarray(plain, float)).mean()))
    assert 0 < moved[0] < moved[2]
    found = json.loads((tmp_path / "out" / "levels.json").read_text())
    assert found["schema"] == "finexl.levels/1"
    assert [level["steps"] for level in found["levels"]] == [1, 5, 25]
    assert found["recipe"]["learning_rate"] == 1e-2


def test_references_hold_from_anywhere(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images(tmp_path / "images")
    monkeypatch.chdir(base.parent)
    examples = read_examples([str(tmp_path / "images")], "a cat")
    out = Path("../trained-here")
    done = personalize(base.name, examples, Recipe(levels=(1,)), out, SETTINGS)
    monkeypatch.chdir(tmp_path)
    made = load_generator(done.levels[1], MAKING).make([Job("a cat", 0)])
    assert made[0].image is not None


def test_training_lowers_the_loss_on_one_image(base: Path, tmp_path: Path) -> None:
    images(tmp_path / "images", 1)
    recipe = Recipe(method="full", levels=(30,), learning_rate=3e-3, batch=2)
    losses = trained(base, tmp_path / "out", recipe).losses
    assert np.mean(losses[-8:]) < 0.95 * np.mean(losses[:8])


@pytest.mark.parametrize("kind", ["v_prediction", "flow", "epsilon"])
def test_what_the_model_should_say_takes_the_noise_away(base: Path, kind: str) -> None:
    import torch
    from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

    pipeline = load_generator(f"diffusers:{base}", MAKING).opened  # type: ignore[attr-defined]
    if kind == "flow":
        pipeline.scheduler = DPMSolverMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        )
    else:
        pipeline.scheduler = DDIMScheduler(prediction_type=kind)
    run = Denoiser(pipeline, "base", [], Recipe(size=32))
    rng = np.random.default_rng(0)
    latents, noise = (torch.tensor(rng.normal(size=(2, 4, 4, 4))).float() for _ in range(2))
    noisy, times, target = run.seen.noised(latents, noise, rng)
    if kind == "flow":
        assert ((times > 0) & (times < 1000)).all()
        part = (times / 1000).view(-1, 1, 1, 1)
        torch.testing.assert_close(noisy - part * target, latents)
        return
    found = pipeline.scheduler
    found.set_timesteps(1000)
    for i in range(2):
        step = found.step(target[i], times[i], noisy[i])
        torch.testing.assert_close(
            step.pred_original_sample, latents[i].clamp(-1, 1), atol=2e-3, rtol=0
        )


def test_another_training_is_not_written_over(base: Path, tmp_path: Path) -> None:
    images(tmp_path / "images")
    trained(base, tmp_path / "out", Recipe(levels=(1,)))
    with pytest.raises(UsageError, match=r"another training \(its recipe differ\)"):
        trained(base, tmp_path / "out", Recipe(levels=(1,), seed=1))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("x")
    with pytest.raises(UsageError, match="has files in it already"):
        trained(base, tmp_path / "full", Recipe(levels=(1,)))


def test_a_loss_that_is_no_number_ends_it(base: Path, tmp_path: Path) -> None:
    images(tmp_path / "images")
    with pytest.raises(FinexlError, match="no number any more"):
        trained(base, tmp_path / "out", Recipe(method="full", levels=(9,), learning_rate=1e30))


def test_weights_that_are_no_numbers_are_not_kept(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images(tmp_path / "images")

    def diverge(denoiser: Denoiser, _: int) -> float:
        next(iter(denoiser.trained.values())).data.fill_(float("nan"))
        return 0.5  # a step's loss is that of the weights before it

    monkeypatch.setattr(Denoiser, "step", diverge)
    with pytest.raises(FinexlError, match="weights are no numbers any more"):
        trained(base, tmp_path / "out", Recipe(levels=(1,)))
    assert not list((tmp_path / "out").glob("step-*"))
    with pytest.raises(UsageError, match="above 0"):
        Recipe(learning_rate=float("inf")).check()


def test_a_folder_with_a_damaged_record_is_refused(base: Path, tmp_path: Path) -> None:
    images(tmp_path / "images")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "training.json").write_text("[1]")
    with pytest.raises(UsageError, match="damaged"):
        trained(base, tmp_path / "out", Recipe(levels=(1,)))


# examples


def test_captions_and_parts_of_a_mixture(tmp_path: Path) -> None:
    images(tmp_path / "a", 2)
    images(tmp_path / "b@c", 4)
    (tmp_path / "a" / "1.txt").write_text("a  red\ncat\n")
    rows = [{"file": f"{i}.png", "prompt": f"dog {i}"} for i in range(4)]
    (tmp_path / "b@c" / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = read_examples([f"{tmp_path / 'a'}@0.6", str(tmp_path / "b@c")], "a thing")
    assert [e.caption for e in found] == ["a thing", "a red cat", *(f"dog {i}" for i in range(4))]
    weights = [e.weight for e in found]
    assert weights == pytest.approx([0.6 / 1.6 / 2] * 2 + [1 / 1.6 / 4] * 4)
    assert isinstance(found[0], Example)


@pytest.mark.parametrize("part", ["0", "-1", "x", "nan", "inf", ""])
def test_what_is_no_part_is_refused(tmp_path: Path, part: str) -> None:
    images(tmp_path / "a", 1)
    with pytest.raises(UsageError, match="is no part of a mixture"):
        read_examples([f"{tmp_path / 'a'}@{part}"], "x")


def test_an_image_without_a_caption_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"0\.png has no caption"):
        read_examples([str(images(tmp_path / "a"))])


@pytest.mark.parametrize(
    "recipe", [Recipe(levels=()), Recipe(levels=(2, 2)), Recipe(levels=(0, 1)), Recipe(rank=0)]
)
def test_what_is_no_recipe_is_refused(recipe: Recipe) -> None:
    with pytest.raises(UsageError):
        recipe.check()


def test_the_papers_presets_differ_in_what_is_trained_alone() -> None:
    methods = {"paper-diffusion": "full", "paper-gan": "full", "paper-ar": "detokenizer"}
    for name, method in methods.items():
        paper = PRESETS[name]
        assert (paper.method, paper.learning_rate) == (method, 1e-4)
        assert paper.levels == (20, 40, 60, 80, 100, 120, 140, 160, 180, 200)


def save_sd(folder: Path) -> str:
    tiny_pipelines.save_sd(folder)
    return f"diffusers:{folder}"


def save_controlgan(folder: Path) -> str:
    return f"gan:{tiny_gans.save(folder, tiny_gans.CONTROLGAN)}"


def save_anole(folder: Path) -> str:
    tiny_writers.save_chameleon(folder)
    return f"ar:{folder}"


@pytest.mark.parametrize(
    ("preset", "save"),
    [("paper-diffusion", save_sd), ("paper-gan", save_controlgan), ("paper-ar", save_anole)],
)
def test_the_papers_presets_run_as_they_are_on_the_papers_classes(
    preset: str,
    save: Callable[[Path], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    images(tmp_path / "images")
    arguments = ["finexl", "personalize", save(tmp_path / "model"), str(tmp_path / "images"),
                 "--preset", preset, "--out", str(tmp_path / "out"), "--caption", "a red cat",
                 "--json", "-", "--device", "cpu"]  # fmt: skip
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capsys.readouterr()
    assert not ended.value.code, err
    levels = json.loads(out)["levels"]
    assert [level["steps"] for level in levels] == list(range(20, 201, 20))
    made = [
        load_generator(level["reference"], Settings(dtype="float32", device="cpu")).name
        for level in levels[::9]
    ]
    assert len(set(weights(tmp_path / "out").values())) >= 10
    assert len(made) == 2


def test_the_command(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images(tmp_path / "images")
    arguments = ["finexl", "personalize", str(base), str(tmp_path / "images"), "--out",
                 str(tmp_path / "out"), "--caption", "a cat", "--levels", "1,2", "--json",
                 "-", "--device", "cpu"]  # fmt: skip
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    found = json.loads(capsys.readouterr().out)
    assert [level["steps"] for level in found["levels"]] == [1, 2]
    assert (tmp_path / "out" / "step-000002" / "pytorch_lora_weights.safetensors").is_file()
