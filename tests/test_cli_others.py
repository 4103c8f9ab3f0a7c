"""finexl encoders, finexl encoders check, finexl cache."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import finexl.bench.properties
from finexl import cli, storage
from finexl.cache import ArrayCache
from finexl.encoders import ENCODERS
from finexl.operators import OPERATORS
from finexl.rowcache import RowCache


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["finexl", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.fixture
def stocked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FINEXL_CACHE", str(tmp_path))
    RowCache.default().put("e", {f"d{i}": np.zeros(100, np.float32) for i in range(7)})
    for i in range(3):
        ArrayCache(tmp_path / "concepts").put(f"{i}" * 32, {"x": np.zeros(10, np.float32)}, {})
    for name in ("a" * 16, "b" * 16):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "run.json").write_bytes(b"x" * 1000)
    (tmp_path / "sets" / ("c" * 16)).mkdir(parents=True)
    (tmp_path / "sets" / ("c" * 16) / "set.json").write_bytes(b"x" * 300)
    return tmp_path


def test_the_cache_is_shown(
    stocked: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(monkeypatch, capsys, "cache", "--json", "-")
    found = json.loads(out)
    assert (code, err, found["folder"]) == (0, "", str(stocked))
    assert {part["name"]: part["entries"] for part in found["parts"]} == {
        "embeddings": 7,
        "concepts": 3,
        "runs": 2,
        "sets": 1,
    }
    assert [part["size"] for part in found["parts"][2:]] == [2000, 300]
    code, out, _ = run(monkeypatch, capsys, "cache")
    assert code == 0
    assert "embeddings" in out


@pytest.mark.parametrize(
    ("part", "left"),
    [
        ("embeddings", [0, 3, 2, 1]),
        ("concepts", [7, 0, 2, 1]),
        ("runs", [7, 3, 0, 1]),
        ("sets", [7, 3, 2, 0]),
        ("all", [0, 0, 0, 0]),
    ],
)
@pytest.mark.usefixtures("stocked")
def test_a_part_of_the_cache_is_cleared(
    part: str,
    left: list[int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = run(monkeypatch, capsys, "cache", "--clear", part, "--json", "-")
    assert code == 0
    assert [part["entries"] for part in json.loads(out)["parts"]] == left


def test_the_oldest_concepts_and_runs_make_room(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    for age, name in enumerate(("b" * 16, "a" * 16)):
        os.utime(stocked / "runs" / name, (1000 + age, 1000 + age))
    monkeypatch.setenv("FINEXL_CACHE_LIMIT", str(4 * 1500))
    storage.trim()
    assert [p.name for p in (stocked / "runs").iterdir()] == ["a" * 16]
    monkeypatch.setenv("FINEXL_CACHE_LIMIT", "0")
    storage.trim()  # the newest of each kind stays, however small the limit
    assert [p.name for p in (stocked / "runs").iterdir()] == ["a" * 16]
    assert len(list((stocked / "concepts").iterdir())) == 1


def test_encoders_are_listed_with_what_they_need(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    code, out, err = run(monkeypatch, capsys, "encoders", "--json", "-")
    found = {entry["name"]: entry for entry in json.loads(out)["encoders"]}
    assert (code, err, list(found)) == (0, "", list(ENCODERS))
    assert found["embedded"]["ready"] is True
    assert found["clip"] == {
        "name": "clip",
        "reference": "openai/clip-vit-base-patch32",
        "ready": False,
        "missing": "pip install 'finexl[torch]'",
    }
    assert found["eva-clip"]["missing"] == "pip install 'finexl[openclip]'"


def test_an_encoder_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = dict(list(OPERATORS.items())[:6])
    monkeypatch.setattr(finexl.bench.properties, "OPERATORS", few)
    monkeypatch.setattr(finexl.bench.properties, "PAIRS", 5)
    rng = np.random.default_rng(0)
    for i in range(2):
        pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    arguments = ("encoders", "check", "embedded", "--images", str(tmp_path))
    code, out, err = run(monkeypatch, capsys, *arguments, "--json", "-")
    found = json.loads(out)
    assert (code, err) == (0, "")
    for name in ("linearity", "orthogonality", "alignment"):
        low, high = found[name]["ci"]
        assert low <= found[name]["value"] <= high
    assert found["verdict"]
    code, out, _ = run(monkeypatch, capsys, *arguments)
    assert code == 0
    assert found["verdict"] in out


@pytest.mark.parametrize(
    "name", ["no-such-name", "../x", "/nowhere/at/all", "a/b/c", "https://x/y"]
)
def test_what_is_no_encoder_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(monkeypatch, capsys, "encoders", "check", name)
    assert (code, out) == (2, "")
    assert err.startswith(f"finexl: The encoder {name!r} is no name that is known here")
    assert err.count("\n") == 1


def test_what_is_not_ours_is_left_alone(
    stocked: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = [stocked / "runs" / "exp1" / "model.safetensors", stocked / "concepts" / "notes.txt"]
    for file in mine:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"x" * 5000)
    monkeypatch.setenv("FINEXL_CACHE_LIMIT", "0")
    storage.trim()
    assert run(monkeypatch, capsys, "cache", "--clear", "all", "--json", "-")[0] == 0
    assert all(file.is_file() for file in mine)
