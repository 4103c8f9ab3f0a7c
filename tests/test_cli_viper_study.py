"""`finexl viper study`: made, answered, analysed; and scorers in people's place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

import tiny_pipelines
from finexl.cli.viper_study import app
from finexl.errors import UsageError
from finexl.viper.agents import make_agents
from finexl.viper.profile import Preference, Profile, write_profile
from finexl.viper.study.design import NOBODY, read_study
from finexl.viper.study.painters import DrawnPainter
from finexl.viper.study.people import SCHEMA
from finexl.viper.taste import Taste

SIDE = str(tiny_pipelines.SIDE)
SMALL = ("--steps", "1", "--size", SIDE, "--device", "cpu", "--guidance", "3", "--batch", "8")


def run(*arguments: Any) -> str:
    """Run the command as it is registered under `finexl viper`; its errors are raised."""
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sd(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("models") / "sd"
    tiny_pipelines.save_sd(folder)
    return f"diffusers:{folder}"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, liked, disliked in (("anna", "soft", "loud"), ("ben", "red", "blue")):
        sides = (Preference(liked, None, 0.9, ()),), (Preference(disliked, None, 0.5, ()),)
        write_profile(Profile(name, liked=sides[0], disliked=sides[1]), Path(f"{name}.json"))
    Path("prompts.txt").write_text("a cat\na dog\na house\n")


def test_a_study_is_made_by_a_model_answered_and_analysed(sd: str) -> None:
    made = run(
        *("make", "study", "--model", sd, "--profile", "anna.json", "--profile", "ben.json"),
        *("--prompts", "prompts.txt", "--count", "2", "--degree", "1", *SMALL),
    )
    assert "01-anna.html" in made
    study = read_study(Path("study"))
    assert [person.name for person in study.people] == ["anna", "ben"]
    assert [len(person.trials) for person in study.people] == [4, 4]
    assert study.people[0].liked == (("soft", 0.9),)
    # the third prompt's pictures are what the proxy knows people by
    assert {study.pictures[place].prompt for place in study.people[0].examples} == {"a house"}
    assert {study.pictures[place].whose for place in study.plain} == {NOBODY}
    for number, person in enumerate(study.people):
        rankings = [[study.own(person, trial)] for trial in person.trials]
        answers = {"study": study.id, "page": person.page, "rankings": rankings}
        whole = {"schema": "finexl.answers/1", **answers}
        Path(f"{number}.json").write_text(json.dumps(whole))
    told = run("analyse", "study", "0.json", "1.json", "--json", "a.json", "--html", "a.html",
               "--scorer", "similarity")  # fmt: skip
    found = json.loads(Path("a.json").read_text())
    assert found["schema"] == "finexl.study-analysis/1"
    assert [one["by"] for one in found["tests"]] == [
        "people", "similarity (embedded)", "people", "similarity (embedded)",
    ]  # fmt: skip
    assert [share["value"] for share in found["tests"][0]["top"]] == [1, 1, 1, 1]
    assert found["matrices"]["people"]["scores"] == [[1, 0], [0, 1]]
    assert "people put the own picture first 100.0% of the time" in " ".join(told.split())
    assert "86.1%" in Path("a.html").read_text()
    alone = json.loads(run("analyse", "study", "--scorer", "similarity", "--json", "-"))
    assert {one["by"] for one in alone["tests"]} == {"similarity (embedded)"}
    with pytest.raises(UsageError, match="both answers of anna"):
        run("analyse", "study", "0.json", "0.json")


def test_a_study_that_cannot_be_made_says_why(sd: str) -> None:
    both = ("--profile", "anna.json", "--profile", "ben.json")
    for arguments, said in (
        ((), "Give either --model"),
        (("--model", sd, "--pictures", "a=b"), "Give either --model"),
        (("--model", sd, *both), "give --prompts and a --profile"),
        (("--model", sd, "--prompts", "prompts.txt"), "give --prompts and a --profile"),
        (("--model", sd, *both[:2], *both[:2], "--prompts", "prompts.txt"), "are of anna"),
        (("--model", sd, *both, "--test", "all"), "none, others or both, not 'all'"),
        (("--pictures", "anna"), "is not NAME=DIR"),
        (("--pictures", "carl=x", "--profile", "anna.json"), "profile of anna has no --pictures"),
        (("--pictures", "carl=x"), "There is no folder"),
    ):
        with pytest.raises(UsageError, match=said):
            run("make", "study", *arguments)
    assert not Path("study/study.json").exists()


def test_people_are_simulated_and_what_was_made_is_not_made_again(sd: str) -> None:
    lines = [
        {"schema": SCHEMA, "name": str(n), "liked": [f"w{n}"], "disliked": [f"v{n}"],
         "rewrites": {prompt: f"{prompt} {n}" for prompt in ("a cat", "a dog", "a house")}}
        for n in range(2)
    ]  # fmt: skip
    Path("people.jsonl").write_text("\n".join(map(json.dumps, lines)))
    asked = (
        *("simulate", sd, "people.jsonl", "--prompts", "prompts.txt", "--out", "run"),
        *("--people", "4", "--seeds", "1", "--scorer", "similarity"),
        *("--method", "viper", "--method", "prompted", "--method", "rewritten", *SMALL),
    )
    told = json.loads(run(*asked, "--json", "-"))
    studies = {(one["study"], one["method"]) for one in told["results"]}
    assert {("prompt", "viper"), ("personalized or not", "rewritten")} <= studies
    assert not any("others" in study for study, _ in studies)  # too few others for a line-up
    results = [json.loads(line) for line in Path("run/results.jsonl").read_text().splitlines()]
    assert [one["value"] for one in results] == [one["value"] for one in told["results"]]
    assert {(one["people"], one["tastes"], one["degree"]) for one in results} == {(4, 2, 0.6)}
    images = {path: path.stat().st_mtime_ns for path in Path("run").rglob("*.png")}
    before = Path("run/results.jsonl").read_bytes()
    run(*asked)
    assert {path: path.stat().st_mtime_ns for path in Path("run").rglob("*.png")} == images
    assert Path("run/results.jsonl").read_bytes() == before


def test_tastes_are_taken_apart_and_comments_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def paint(painter: DrawnPainter, taste: Taste, count: int, seed: int) -> list[Image.Image]:
        del painter, seed
        return [Image.new("RGB", (16, 16), (10 * len(taste.liked) % 256, 90, 90))] * count

    monkeypatch.setattr(DrawnPainter, "paint", paint)  # the commands are tried here alone
    make_agents(Path("agents"), 2, 0, pictures=1)
    told = json.loads(
        run(
            "attributes",
            "agents",
            "--out",
            "kept",
            "--size",
            "32",
            "--scorer",
            "similarity",
            "--json",
            "-",
        )
    )
    assert [one["kept"] for one in told["results"]] == [
        "no color, no style", "style", "color", "both",
    ]  # fmt: skip
    assert [one["paper"] for one in told["results"]] == [0.716, 0.788, 0.831, 0.914]
    assert all(one["units"] == 2 and 0 <= one["value"] <= 1 for one in told["results"])
    told = json.loads(
        run("comments", "agents", "--out", "kept", "--size", "16", "--count", "1", "--extractor",
            "truth", "--scorer", "similarity", "--json", "-")
    )  # fmt: skip
    assert [one["kept"] for one in told["results"]] == ["1 comment", "all attributes"]
    with pytest.raises(UsageError, match="give --prompts FILE"):
        run("attributes", "agents", "--out", "kept", "--model", "diffusers:x")


def test_diversity_is_a_row_for_each_degree_and_guidance(sd: str) -> None:
    told = json.loads(
        run("diversity", sd, "anna.json", "--prompts", "prompts.txt", "--degree", "0", "--degree",
            "1", "--guidance", "2", "--count", "2", *SMALL[:6], "--json", "-")
    )  # fmt: skip
    assert [(one["degree"], one["guidance"]) for one in told["results"]] == [(0, 2), (1, 2)]
    assert all(one["diversity"] > 0 for one in told["results"])
