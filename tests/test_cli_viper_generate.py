"""`finexl viper generate`: images to a profile's taste, continued where they broke off."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

import tiny_pipelines
from finexl.cli.viper_generate import generate
from finexl.errors import FinexlError, UsageError
from finexl.generators import Job, Settings
from finexl.generators.diffusers import Pipeline
from finexl.imageset import read_images
from finexl.viper.baselines.fabric import Fabric
from finexl.viper.baselines.prompting import PromptPersonalized
from finexl.viper.profile import Preference, Profile, write_profile
from finexl.viper.steering import DEGREE
from finexl.viper.taste import Taste

TASTE = Taste((("soft", 0.9),), (("loud", 0.5),))
SMALL = ("--steps", "2", "--size", str(tiny_pipelines.SIDE), "--device", "cpu", "--guidance", "3")


@dataclass(frozen=True)
class Done:
    out: str
    err: str


def run(*arguments: Any) -> Done:
    """Run the command as it is registered under `finexl viper`; its errors are raised."""
    app = typer.Typer()
    app.command()(generate)
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.stderr
    return Done(done.stdout, done.stderr)


@pytest.fixture(scope="module")
def sd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "sd"
    tiny_pipelines.save_sd(folder)
    return folder


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a profile and prompts in it, and nowhere else to write."""
    monkeypatch.chdir(tmp_path)
    liked, disliked = Preference("soft", None, 0.9, ()), Preference("loud", None, 0.5, ())
    write_profile(Profile("anna", liked=(liked,), disliked=(disliked,)), Path("p.json"))
    write_profile(Profile("bob"), Path("empty.json"))
    Path("prompts.csv").write_text("prompt,seed\na cat,\na dog,7\n")


def images(folder: str) -> dict[tuple[str | None, int | None], np.ndarray[Any, Any]]:
    return {
        (one.prompt, one.seed): np.asarray(one.open(), float)
        for one in read_images(folder).pictures
    }


def test_images_and_manifest_are_written_and_an_interrupted_run_goes_on(
    sd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = (f"diffusers:{sd}", "--profile", "p.json", "--prompts", "prompts.csv", "--degree", 0.6,
             "--image-seeds", "0-2", *SMALL)  # fmt: skip
    done = run(*asked, "--out", "a", "--json", "-")
    found = json.loads(done.out)
    assert found == {
        "model": "sd + anna@0.6", "method": "viper", "folder": "a", "degree": 0.6, "images": 4,
        "left_out": {},
    }  # fmt: skip
    made = images("a")
    assert set(made) == {("a cat", 0), ("a cat", 1), ("a cat", 2), ("a dog", 7)}
    record = json.loads(Path("a/model.json").read_text())
    assert record["kind"] == "viper"
    assert record["viper"]["liked"] == [["soft", 0.9]]

    # broken off at the third image, and continued: the same, bit for bit
    calls = []
    make = Pipeline.make

    def breaks(self: Pipeline, jobs: Any) -> Any:
        calls.append(jobs)
        if len(calls) == 3:
            raise RuntimeError
        return make(self, jobs)

    monkeypatch.setattr(Pipeline, "make", breaks)
    with pytest.raises(RuntimeError):
        run(*asked, "--out", "b")
    assert len(list(Path("b").glob("*.png"))) == 2
    run(*asked, "--out", "b")
    again = images("b")
    assert again.keys() == made.keys()
    assert all((again[key] == made[key]).all() for key in made)
    assert len(calls) == 5
    run(*asked, "--out", "b")
    assert len(calls) == 5  # nothing is left to make


def test_what_is_asked_for_decides_the_images(sd: Path) -> None:
    Path("prompts.txt").write_text("a cat\n")
    asked = (sd, "--prompts", "prompts.txt", *SMALL)
    ways: dict[str, tuple[Any, ...]] = {
        "plain": ("--profile", "p.json", "--degree", 0),
        "empty": ("--profile", "empty.json", "--degree", 1),
        "default": ("--profile", "p.json"),
        "0.6": ("--profile", "p.json", "--degree", 0.6),
        "more": ("--profile", "p.json", "--degree", 1),
        "words": ("--profile", "p.json", "--degree", 1, "--no-guidance"),
    }
    done = {name: run(*asked, *way, "--out", name) for name, way in ways.items()}
    made = {name: next(iter(images(name).values())) for name in ways}
    assert (made["plain"] == made["empty"]).all()
    assert (made["default"] == made["0.6"]).all()
    assert inspect.signature(generate).parameters["degree"].default == DEGREE
    distances = [np.abs(made[name] - made["plain"]).mean() for name in ("words", "0.6", "more")]
    assert 0 < distances[1] < distances[2]
    assert 0 < distances[0] < distances[2]
    assert "bob names nothing liked or disliked" in done["empty"].err
    assert done["more"].err == ""
    assert "anna@1" in done["more"].out


def test_a_folder_of_another_degree_or_person_is_left_alone(sd: Path) -> None:
    asked = (sd, "--prompts", "prompts.csv", "--out", "a", *SMALL)
    run(*asked, "--profile", "p.json")
    before = sorted(Path("a").iterdir())
    for other in (("--profile", "p.json", "--degree", 0.3), ("--profile", "empty.json")):
        with pytest.raises(UsageError, match=r"a holds images of sd \+ anna@0.6 made otherwise"):
            run(*asked, *other)
    assert sorted(Path("a").iterdir()) == before


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (("--degree", "1.2"), "The degree is 1.2; give one from 0 to 1"),
        (("--profile", "nowhere.json"), "There is no profile nowhere.json"),
        (("--prompts", "nowhere.txt"), "nowhere.txt"),
        (("--image-seeds", "x"), "'x' names no seeds"),
        (("--refiner", "."), "diffusers pipeline"),
        (("--liked", "."), "The method viper takes no --liked"),
        (("--method", "words", "--refiner", "."), "The method words takes no --refiner"),
        (("--method", "fabric"), "The method fabric takes no --profile"),
    ],
)
def test_what_cannot_work_is_one_sentence_and_leaves_nothing(
    sd: Path, changed: tuple[str, ...], says: str
) -> None:
    asked = [f"diffusers:{sd}", "--profile", "p.json", "--prompts", "prompts.csv", "--out", "a"]
    with pytest.raises(FinexlError, match=says) as error:
        run(*asked, *SMALL, *changed)
    assert "\n" not in str(error.value)
    assert not Path("a").exists()


@pytest.mark.parametrize(
    ("method", "takes"),
    [
        ("viper", "--profile"),
        ("words", "--profile"),
        ("fabric", "--liked or --disliked"),
        ("inversion", "--words"),
    ],
)
def test_each_method_says_what_it_takes(sd: Path, method: str, takes: str) -> None:
    with pytest.raises(UsageError, match=f"The method {method} takes {takes}; give that"):
        run(sd, "--prompts", "prompts.csv", "--out", "a", "--method", method, *SMALL)
    assert not Path("a").exists()


def test_what_steering_is_compared_with_is_made_by_its_name(sd: Path) -> None:
    Path("prompts.txt").write_text("a cat\n")
    Path("pictures").mkdir()
    drawn = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(drawn).save("pictures/1.png")
    asked = (sd, "--prompts", "prompts.txt", *SMALL)
    plain = run(*asked, "--out", "plain", "--profile", "empty.json", "--json", "-")
    assert json.loads(plain.out)["degree"] == 0.6
    ways = {
        "words": ("--profile", "p.json"),
        "fabric": ("--liked", "pictures"),
    }
    for method, way in ways.items():
        done = run(*asked, "--out", method, "--method", method, *way, "--json", "-")
        found = json.loads(done.out)
        assert (found["method"], found["degree"], found["images"]) == (method, None, 1)
    made = {name: next(iter(images(name).values())) for name in ("plain", *ways)}
    base = Pipeline(str(sd), Settings(steps=2, size=32, device="cpu", guidance=3.0))
    by_hand = {
        "words": PromptPersonalized(replaced(base, "loud"), TASTE),
        "fabric": Fabric(base, [Path("pictures/1.png")]),
    }
    for name, model in by_hand.items():
        wanted = np.asarray(model.make([Job("a cat", 0)])[0].image, float)
        np.testing.assert_array_equal(made[name], wanted)
        assert np.abs(made[name] - made["plain"]).mean() > 0.05


def replaced(base: Pipeline, negative: str) -> Pipeline:
    return Pipeline(base.reference, replace(base.settings, negative=negative))
