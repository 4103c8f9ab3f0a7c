"""`finexl viper invert`, `search` and `reward`: from a folder and a profile to a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

import tiny_models
import tiny_pipelines
from finexl.cli import viper_generate, viper_tune
from finexl.errors import FinexlError
from finexl.generators import Job, Settings, load_generator
from finexl.viper.profile import Preference, Profile, write_profile
from finexl.viper.proxy import proxy
from finexl.viper.proxy.reference import Reference

SMALL = ("--steps", "2", "--size", str(tiny_pipelines.SIDE), "--device", "cpu", "--guidance", "3")
MAKING = Settings(steps=2, size=tiny_pipelines.SIDE, device="cpu", guidance=3.0)


def run(*arguments: Any) -> Any:
    """Run a command as it is registered under `finexl viper`; its errors are raised."""
    app = typer.Typer()
    for command in (
        *(viper_tune.invert, viper_tune.search, viper_tune.reward),
        viper_generate.generate,
    ):
        app.command()(command)
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def sd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "sd"
    tiny_pipelines.save_sd(folder)
    tiny_models.save_clip(folder.parent / "clip")
    return folder


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a profile, prompts and pictures in it, and nowhere else to write."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FINEXL_CACHE", str(tmp_path / "cache"))
    liked, disliked = Preference("cat", None, 0.9, ()), Preference("dog", None, 0.5, ())
    write_profile(Profile("anna", liked=(liked,), disliked=(disliked,)), Path("p.json"))
    Path("prompts.txt").write_text("a cat\na dog\n")
    for name, seed in (("liked", 0), ("disliked", 1)):
        Path(name).mkdir()
        drawn = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8)
        Image.fromarray(drawn).save(f"{name}/1.png")


def test_words_are_learned_and_said(sd: Path) -> None:
    done = run(
        "invert", sd, "--liked", "liked", "--disliked", "disliked", "--out", "words",
        "--levels", "1,2", "--vectors", 2, "--learning-rate", 0.05, "--device", "cpu",
        "--json", "-",
    )  # fmt: skip
    found = json.loads(done.stdout)["words"]
    assert [(one["word"], one["steps"]) for one in found] == [
        ("viper-liked", 1), ("viper-liked", 2), ("viper-disliked", 1), ("viper-disliked", 2),
    ]  # fmt: skip
    asked = ("--prompts", "prompts.txt", *SMALL)
    run("generate", sd, *asked, "--method", "inversion", "--words", "words", "--out", "made")
    files = [one["reference"].rpartition("+")[2] for one in found if one["steps"] == 2]
    reference = f"lora:{sd}+{'+'.join(files)}"
    settings = Settings(**{**vars(MAKING), "negative": "viper-disliked"})
    wanted = load_generator(reference, settings).make([Job("a cat, viper-liked", 0)])[0].image
    lines = [json.loads(line) for line in Path("made/manifest.jsonl").read_text().splitlines()]
    (file,) = (line["file"] for line in lines if line["prompt"] == "a cat")
    np.testing.assert_array_equal(np.asarray(Image.open(f"made/{file}")), np.asarray(wanted))


def test_noise_is_searched_by_a_judge_or_with_a_person(sd: Path) -> None:
    clip = sd.parent / "clip"
    asked = ("search", sd, "--prompt", "a cat", "--points", 3, *SMALL)
    judged = (*asked, "--judge", "similarity", "--profile", "p.json", "--encoder", clip)
    done = run(*judged, "--out", "a", "--rounds", 2, "--json", "-")
    found = json.loads(done.stdout)
    assert (found["best"], found["rounds"], found["waiting"]) == ("a/best.png", 2, None)
    assert found["spread"] == pytest.approx(1, abs=0.2)
    assert Path("a/round-002/ranks.txt").is_file()
    waits = run(*asked, "--out", "b")
    assert "write their numbers, best first, into b/round-001/ranks.txt" in waits.stderr
    assert len(list(Path("b/round-001").glob("*.png"))) == 3
    Path("b/round-001/ranks.txt").write_text("2 3 1")
    assert "b/round-002" in run(*asked, "--out", "b").stderr


def test_a_lora_is_rewarded_and_measured(sd: Path) -> None:
    done = run(
        "reward", f"diffusers:{sd}", "--profile", "p.json", "--prompts", "prompts.txt",
        "--out", "out", "--encoder", sd.parent / "clip", "--levels", "1,2", "--batch", 1,
        "--seeds", 2, "--rank", 2, *SMALL, "--json", "-",
    )  # fmt: skip
    found = json.loads(done.stdout)["levels"]
    assert [level["steps"] for level in found] == [0, 1, 2]
    assert {"reward", "faithfulness", "diversity", "pixels", "model"} < set(found[0])
    made = load_generator(found[2]["model"], MAKING).make([Job("a cat", 0)])
    assert made[0].image is not None


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (("invert", "SD", "--out", "a"), "Give pictures that this person likes"),
        (("invert", "SD", "--out", "a", "--liked", "nowhere"), "nowhere"),
        (("search", "SD", "--out", "a", "--prompt", "x", "--judge", "similarity"), "by a profile"),
        (("search", "SD", "--out", "a", "--prompt", "x", "--judge", "proxy"), "give one"),
        (("search", "SD", "--out", "a", "--prompt", "x", "--smoothing", "0"), "above 0"),
        (("reward", "SD", "--profile", "p.json", "--prompts", "prompts.txt", "--out", "a",
          "--encoder", "embedded"), "no gradients"),
        (("reward", "SD", "--profile", "p.json", "--prompts", "prompts.txt", "--out", "a",
          "--levels", "x", "--encoder", "embedded"), "write steps like"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_one_sentence(sd: Path, asked: tuple[str, ...], says: str) -> None:
    with pytest.raises(FinexlError, match=says) as error:
        run(*(sd if one == "SD" else one for one in asked))
    assert "\n" not in str(error.value)


def test_a_proxy_ranks_by_examples(sd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """M, told by one liked and one disliked picture, prefers the one it was told to."""
    rows = np.concatenate([np.eye(12), -np.eye(12)])
    monkeypatch.setattr(proxy, "built_in", lambda _: Reference(rows))
    oracle = viper_tune.oracle_of(
        viper_tune.Judge.proxy, None, (Path("liked"), Path("disliked")), str(sd.parent / "clip")
    )
    pictures = [Image.open(f"{name}/1.png") for name in ("disliked", "liked")]
    assert oracle.rank(pictures) == [1, 0]
    other = viper_tune.oracle_of(
        viper_tune.Judge.proxy, None, (Path("disliked"), Path("liked")), str(sd.parent / "clip")
    )
    assert other.rank(pictures) == [0, 1]
    assert oracle.record() != other.record()
