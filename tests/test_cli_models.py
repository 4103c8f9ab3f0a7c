"""`finexl explain diffusers:… lora:…`, end to end with a tiny pipeline of the real classes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import tiny_pipelines
from finexl import Explanation
from finexl.generators import Settings
from finexl.generators.diffusers import Pipeline
from finexl.personalize.examples import read_examples
from finexl.personalize.recipe import Recipe
from finexl.personalize.training import personalize
from test_cli_explain import Command, command
from test_personalize import images

__all__ = ["command"]  # a fixture

SMALL = ("--steps", 2, "--size", 32, "--dtype", "float32", "--device", "cpu")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base, and a LoRA that was trained on noise with a high hand."""
    folder: Path = tmp_path_factory.mktemp("models")
    tiny_pipelines.save_sd(folder / "sd")
    images(folder / "images")
    personalize(
        str(folder / "sd"),
        read_examples([str(folder / "images")], "a cat"),
        Recipe(levels=(25,), learning_rate=3e-2),
        folder / "out",
        Settings(dtype="float32", device="cpu"),
    )
    shutil.copy(
        folder / "out/step-000025/pytorch_lora_weights.safetensors", folder / "x.safetensors"
    )
    return folder


def test_a_lora_is_explained_continued_and_explained_again_without_the_model(
    command: Command, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("p.txt").write_text("".join(f"a picture of {i}\n" for i in range(8)))
    base, lora = models / "sd", models / "x.safetensors"
    arguments = ("explain", f"diffusers:{base}", f"lora:{base}+{lora}", "--prompts", "p.txt",
                 "--run", "run", *SMALL, "--json", "a.json")  # fmt: skip
    done = command(*arguments, "--html", "a.html")
    assert done.code == 0, done.err
    found = Explanation.from_json(Path("a.json").read_bytes())
    assert (found.n_pairs, found.pairing, found.prompts.n) == (8, "seed", 8)
    assert (found.base.kind, found.personalized.kind) == ("diffusers", "lora")
    assert found.divergence.norm > 0
    folders = sorted(path.name.partition("-")[0] for path in Path("run/images").iterdir())
    assert folders == ["base", "personalized"]
    record = json.loads(next(Path("run/images").glob("personalized-*/model.json")).read_text())
    assert record["steps"] == 2
    assert "data:image/jpeg" in Path("a.html").read_text(encoding="utf-8")

    def fail(*_: object) -> None:
        raise AssertionError("images are made again")

    monkeypatch.setattr(Pipeline, "make", fail)
    again = command("explain", "--resume", "run", "--json", "b.json")
    assert again.code == 0, again.err
    assert Path("a.json").read_bytes() == Path("b.json").read_bytes()


def test_at_scale_0_there_is_no_difference(command: Command, models: Path) -> None:
    Path("p.txt").write_text("".join(f"a picture of {i}\n" for i in range(6)))
    done = command("explain", f"diffusers:{models / 'sd'}",
                   f"lora:{models / 'sd'}+{models / 'x.safetensors'}@0", "--prompts", "p.txt",
                   *SMALL, "--json", "-", "--run", "run")  # fmt: skip
    assert done.code == 0, done.err
    found = Explanation.from_json(done.out)
    assert (found.divergence.norm, found.divergence.detected) == (0.0, False)


@pytest.mark.parametrize(
    ("personalized", "code", "says"),
    [
        ("lora:{sd}+nowhere.safetensors", 2, "nowhere.safetensors"),
        ("diffusers:owner/not-here", 3, "owner/not-here"),
        ("diffusers:{sd}@0.5", 2, "0.5"),
        ("gan:x", 2, "The GAN 'x' is no name"),
    ],
)
def test_what_cannot_be_a_model_is_one_sentence(
    command: Command, models: Path, personalized: str, code: int, says: str
) -> None:
    done = command("explain", f"diffusers:{models / 'sd'}",
                   personalized.format(sd=models / "sd"), *SMALL)  # fmt: skip
    assert done.code == code
    assert says in done.err
    assert done.err.count("\n") == 1
    assert done.out == ""


def test_a_what_if_is_tried_out_by_the_model(command: Command, models: Path) -> None:
    Path("p.txt").write_text("".join(f"a picture of {i}\n" for i in range(8)))
    base, lora = models / "sd", models / "x.safetensors"
    done = command("explain", f"diffusers:{base}", f"lora:{base}+{lora}@0.8", "--prompts", "p.txt",
                   "--run", "run", *SMALL, "--json", "a.json")  # fmt: skip
    assert done.code == 0, done.err
    found = Explanation.from_json(Path("a.json").read_bytes())
    aspect = (*found.aspects, *found.less)[0]
    wish = f"{'less' if aspect.score > 0 else 'more'} {aspect.concept}"
    said = command("explain", "--resume", "run", "--what-if", wish, "--json", "b.json")
    assert said.code == 0, said.err
    tried = json.loads(Path("b.json").read_text())["tried"]
    assert [t["how"] for t in tried][-1] == "at half the scale"
    assert len(tried) == 2
    half = tried[1]
    assert half["predicted"] == pytest.approx(half["before"] / 2, rel=1e-4)
    assert half["observed"] != half["before"]
    assert half["pairs"] <= 5
    assert "Tried on these pairs" in said.out
