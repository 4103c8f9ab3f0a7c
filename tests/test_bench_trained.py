"""Models personalized to known levels, and what they make: the example's tiny GAN, a few steps."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from conftest import EXAMPLES
from finexl.bench.data import trained
from finexl.bench.data.graded import Aspect, Graded, read_levels
from finexl.bench.data.trained import make_trained, method_for
from finexl.cli.bench_data import data_app
from finexl.errors import UsageError
from finexl.generators import Settings
from finexl.pairing import pair
from finexl.personalize.examples import Example
from finexl.personalize.recipe import Recipe
from finexl.personalize.scenes import SCENES, caption
from finexl.personalize.training import Trained, personalize

GAN = f"gan:{EXAMPLES / 'models' / 'scenes-gan'}"
RECIPE = Recipe(method="full", levels=(1, 2), batch=2, learning_rate=2e-3)
SETTINGS = Settings(device="cpu", batch=6)
DRAWN = 8


@pytest.fixture(autouse=True)
def few_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trained, "EXAMPLES", DRAWN)


def made(folder: Path, *groups: str, base: str = GAN, recipe: Recipe = RECIPE, **more: Any) -> Path:
    split = [group.split("+") for group in groups]
    return make_trained(base, split, recipe, folder, SETTINGS, **{"images": 6, "levels": 2, **more})


def pixels(one: Graded, index: int) -> np.ndarray:
    return np.asarray(one.personalized.pictures[index].open()).astype(float)


def test_levels_are_steps_of_one_style_and_parts_of_a_mixture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: dict[str, dict[str, float]] = {}

    def told(
        base: str, examples: Sequence[Example], recipe: Recipe, out: Path, *more: Any
    ) -> Trained:
        found: dict[str, float] = defaultdict(float)
        for example in examples:
            assert isinstance(example.picture.source, Path)
            found[example.picture.source.parent.name] += example.weight
        parts[out.name] = {style: round(part, 12) for style, part in found.items()}
        return personalize(base, examples, recipe, out, *more)

    monkeypatch.setattr(trained, "personalize", told)
    truth = made(tmp_path / "out", "striped", "noisy+faded", "striped")

    with truth.open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["personalized"], row["description"], row["level"]) for row in rows] == [
        ("striped-000001", "striped", "1"),
        ("striped-000002", "striped", "2"),
        *(
            (name, words, level)
            for name, levels in (
                ("noisy-1-faded-1-plain-2-000002", "11"),
                ("noisy-1-faded-2-plain-1-000002", "12"),
                ("noisy-2-faded-1-plain-1-000002", "21"),
                ("noisy-2-faded-2-000002", "22"),
            )
            for words, level in zip(("grainy", "faded"), levels, strict=True)
        ),
    ]
    assert {row["base"] for row in rows} == {"base"}
    assert parts == {  # l of aspects times levels parts each, what is left plain
        "striped": {"striped": 1},
        "noisy-1-faded-1-plain-2": {"noisy": 0.25, "faded": 0.25, "plain": 0.5},
        "noisy-1-faded-2-plain-1": {"noisy": 0.25, "faded": 0.5, "plain": 0.25},
        "noisy-2-faded-1-plain-1": {"noisy": 0.5, "faded": 0.25, "plain": 0.25},
        "noisy-2-faded-2": {"noisy": 0.5, "faded": 0.5},
    }

    found = read_levels(truth)
    assert found[3].aspects == (Aspect("grainy", 1.0), Aspect("faded", 2.0))
    known = {caption(scene) for scene in SCENES}
    for one in found:
        assert one.base is not None
        paired = pair(one.base, one.personalized)
        assert (paired.kind, len(paired.pairs), paired.warnings) == ("seed", 6, ())
        asked = Counter(picture.prompt for picture in one.personalized.pictures)
        assert set(asked) <= known
        assert set(asked.values()) == {1}
    first, second, *_ = found
    assert first.base is not None
    base = np.asarray(first.base.pictures[0].open()).astype(float)
    assert (pixels(first, 0) != base).any()
    assert (pixels(second, 0) != pixels(first, 0)).any()

    files = [path for path in sorted((tmp_path / "out").rglob("*")) if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    large = [path for path in files if path.suffix in (".png", ".safetensors")]
    times = {path: path.stat().st_mtime_ns for path in large}
    assert made(tmp_path / "out", "striped", "noisy+faded") == truth
    after = [path for path in sorted((tmp_path / "out").rglob("*")) if path.is_file()]
    assert {path: path.read_bytes() for path in after} == before
    assert {path: path.stat().st_mtime_ns for path in large} == times  # nothing is made again
    with pytest.raises(UsageError, match="was asked for otherwise"):
        made(tmp_path / "out", "striped")


@pytest.mark.parametrize(
    ("group", "more", "says"),
    [
        ("stripy", {}, "no style 'stripy'; choose from striped, outlined, noisy, faded"),
        ("", {}, "no style ''"),
        ("faded+faded", {}, r"faded\+faded has a style twice"),
        ("faded", {"images": 9999}, f"There are {len(SCENES)} scenes, and 9999 were asked for"),
        ("faded", {"recipe": Recipe(batch=2)}, r"trained as a whole \(method full\), not by lora"),
        ("faded", {"recipe": Recipe(method="full")}, "trained on several images a step"),
        ("faded", {"recipe": Recipe(method="full", batch=0)}, "have to be above 0"),
        ("faded", {"base": "gan:nowhere/at-all/x"}, "nowhere"),
        ("faded", {"base": "scenes"}, "names no kind of model"),
    ],
)
def test_what_cannot_be_made_is_refused_before_the_folder_is_touched(
    tmp_path: Path, group: str, more: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        made(tmp_path / "out", group, **more)
    assert not (tmp_path / "out").exists()


def test_no_style_at_all_is_refused(tmp_path: Path) -> None:
    none: list[list[list[str]]] = [[], [[]]]
    for groups in none:
        with pytest.raises(UsageError, match="at least one style"):
            make_trained(GAN, groups, RECIPE, tmp_path / "out", SETTINGS)
    assert not (tmp_path / "out").exists()


def test_each_family_is_trained_its_own_way_if_nothing_else_is_asked(tmp_path: Path) -> None:
    assert [method_for(base) for base in ("gan:x", "ar:x", "diffusers:x")] == [
        "full",
        "detokenizer",
        "lora",
    ]
    app = typer.Typer()
    app.add_typer(data_app, name="data")
    arguments = ["--style", "faded", "--levels", "1", "--images", "6", "--batch", "2"]
    out = ["--device", "cpu", "--out", str(tmp_path / "out"), "--json", "-"]
    done = CliRunner().invoke(app, ["data", "trained", GAN, *arguments, *out])
    assert done.exit_code == 0, done.exception
    (one,) = json.loads(done.stdout)["sets"]
    assert one == {"name": "faded-000001", "levels": {"faded": 1.0}, "images": 6}
    asked = json.loads((tmp_path / "out" / "models" / "faded" / "training.json").read_text())
    assert asked["recipe"]["method"] == "full"
    refused = CliRunner().invoke(app, ["data", "trained", GAN, "--method", "lora", *out])
    assert isinstance(refused.exception, UsageError)
    assert "not by lora" in str(refused.exception)
