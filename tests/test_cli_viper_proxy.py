"""`finexl viper rate`, `train-proxy`, `train-extractor`: from files, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from finexl.cli.viper_proxy import rate
from finexl.cli.viper_training import routes_of, train_extractor, train_proxy
from finexl.encoders import Encoder
from finexl.errors import UsageError
from finexl.viper.agents import Drawn, make_agents
from finexl.viper.extraction.adapted import load_adapted
from finexl.viper.profile import Preference, Profile, write_profile
from finexl.viper.proxy import reference
from finexl.viper.proxy.reference import Reference
from tiny_vlms import save_idefics2

EXAMPLES = Path(__file__).parents[1] / "examples"
TINY = ("--sets", "4", "--context", "2", "--test", "0.5", "--steps", "2", "--rank", "2")


@dataclass(frozen=True)
class Done:
    out: str
    err: str


def run(command: Callable[..., None], *arguments: Any) -> Done:
    """Run a command as it is registered under `finexl viper`; its errors are raised."""
    app = typer.Typer()
    app.command()(command)
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.stderr
    return Done(done.stdout, done.stderr)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with profiles in it, and a reference that does not have to be drawn first."""
    monkeypatch.chdir(tmp_path)

    def plain(encoder: Encoder, *_: Any) -> Reference:
        return Reference(np.concatenate([np.eye(encoder.dim), -np.eye(encoder.dim)]))

    monkeypatch.setattr(reference, "built_in", plain)
    grey, vivid = Preference("black and white", None, 0.9, ()), Preference("vivid", None, 0.5, ())
    write_profile(Profile("anna", liked=(grey,), disliked=(vivid,)), Path("p.json"))
    write_profile(Profile("bob"), Path("empty.json"))


def split(where: str, out: str, half: int) -> Path:
    """Copy every other example picture into a folder."""
    Path(out).mkdir()
    for path in sorted((EXAMPLES / where).iterdir())[half::2]:
        (Path(out) / path.name).write_bytes(path.read_bytes())
    return Path(out)


def rated(*arguments: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(rate, *arguments, "--json", "-").out)
    return found


def test_examples_decide_about_pictures_that_were_not_among_them() -> None:
    liked, disliked = split("vivid-100", "liked", 0), split("base", "disliked", 0)
    vivid, plain = split("vivid-100", "vivid", 1), split("base", "plain", 1)
    found = rated("-", vivid, plain, "--liked", liked, "--disliked", disliked)
    assert found["schema"] == "finexl.ratings/1"
    assert (found["profile"], found["liked"], found["disliked"]) == (None, 6, 6)
    chances = {one["picture"]: one["probability"] for one in found["pictures"]}
    names = [path.name for path in sorted(plain.iterdir())]
    above = [chances[f"vivid/{name}"] > chances[f"plain/{name}"] for name in names]
    assert all(above)
    table = run(rate, "-", vivid, "--liked", liked, "--disliked", disliked).out
    assert f"{found['pictures'][0]['probability']:.2f}" in table


def test_a_profile_alone_decides_by_words() -> None:
    picture = EXAMPLES / "base" / "coffee.jpg"
    with Image.open(picture) as image:
        image.convert("L").save("grey.png")
    found = rated("p.json", "grey.png", picture)
    grey, coloured = found["pictures"]
    assert found["profile"] == "anna"
    assert grey["known"]
    assert grey["probability"] > 0.5 > coloured["probability"]
    assert grey["ci"][0] < grey["probability"] < grey["ci"][1]


@pytest.mark.parametrize("profile", ["-", "empty.json"])
def test_knowing_nothing_is_said(profile: str) -> None:
    picture = EXAMPLES / "base" / "cat.jpg"
    (found,) = rated(profile, picture)["pictures"]
    assert (found["probability"], found["known"], found["says"]) == (0.5, False, "not known")
    assert "not known" in run(rate, profile, picture).out


def test_pictures_that_cannot_be_opened_are_named_and_the_others_rated() -> None:
    Path("bad.png").write_bytes(b"no picture")
    done = run(rate, "p.json", "bad.png", EXAMPLES / "base" / "cat.jpg", "--json", "-")
    found = json.loads(done.out)
    assert len(found["pictures"]) == 1
    assert "bad.png" in found["left_out"][0]
    assert "bad.png" in done.err
    with pytest.raises(UsageError, match=r"None of 1 pictures"):
        run(rate, "p.json", "bad.png")


def test_what_cannot_be_asked_is_refused() -> None:
    picture = EXAMPLES / "base" / "cat.jpg"
    Path("empty").mkdir()
    with pytest.raises(UsageError, match=r"no profile"):
        run(rate, "none.json", picture)
    with pytest.raises(UsageError, match=r"no images"):
        run(rate, "p.json", picture, "--liked", "empty")
    with pytest.raises(UsageError, match=r"--proxy was trained on"):
        run(rate, "p.json", picture, "--base", "x/y")


def test_a_proxy_is_trained_and_then_rates(tmp_path: Path) -> None:
    save_idefics2(tmp_path / "base")
    for person in ("p0", "p1"):
        for route in ("steered", "prompted"):
            for number, side in enumerate(("liked", "disliked")):
                folder = tmp_path / route / person / side
                folder.mkdir(parents=True)
                for i in range(2):
                    colour = (40 * i, 100 * number, len(route) * 20 + int(person[1]))
                    Image.new("RGB", (16, 16), colour).save(folder / f"{i}.png")
    routes = [f"--agents={name}={tmp_path / name}" for name in ("steered", "prompted")]
    done = run(
        train_proxy, "base", "--out", "out", *routes, *TINY, "--device", "cpu", "--json", "-"
    )
    found = json.loads(done.out)
    assert (found["people"], found["tested"]) == (2, 1)
    assert found["loss"] > 0
    written = json.loads(Path("out/training.json").read_text())
    assert written["people"] == {"learned_from": 1, "tested_on": 1}
    sides = [f"--{side}={tmp_path / 'steered' / 'p0' / side}" for side in ("liked", "disliked")]
    picture = tmp_path / "prompted" / "p0" / "liked" / "0.png"
    (rating,) = rated("-", picture, *sides, "--proxy", found["adapter"], "--device", "cpu")[
        "pictures"
    ]
    assert 0 < rating["probability"] < 1
    assert rating["ci"] is None
    with pytest.raises(UsageError, match=r"by examples"):
        run(rate, "p.json", picture, "--proxy", found["adapter"], "--device", "cpu")


def test_routes_are_read_and_malformed_ones_refused() -> None:
    assert routes_of(["a=x/y", "b=c=d"]) == {"a": Path("x/y"), "b": Path("c=d")}
    for wrong in (["a"], ["=x"], ["a="], ["a=x", "a=y"]):
        with pytest.raises(UsageError, match=r"--agents"):
            routes_of(wrong)


def test_an_extractor_is_trained_and_then_reads(tmp_path: Path) -> None:
    save_idefics2(tmp_path / "base")
    make_agents(Path("people"), 3, 0, pictures=2, generator=Drawn(16))
    done = run(
        train_extractor, "base", "people", "--out", "out", "--test", "0.3", "--steps", "2",
        "--rank", "2", "--device", "cpu", "--json", "-",
    )  # fmt: skip
    found = json.loads(done.out)
    assert (found["people"], found["tested"]["people"]) == (3, 1)
    assert found["loss"] > 0
    assert found["tested"]["loss"] > 0
    assert 0 <= found["tested"]["rules_score"]["f1"] <= 1
    assert load_adapted(found["adapter"], device="cpu").name.startswith("base")
    table = run(
        train_extractor, "base", "people", "--out", "out", "--test", "0.3", "--steps", "2",
        "--rank", "2", "--device", "cpu",
    ).out  # fmt: skip
    assert f"{found['tested']['base_loss']:.3f}" in table
    with pytest.raises(UsageError, match=r"no agents"):
        run(train_extractor, "base", "nobody", "--out", "other")
