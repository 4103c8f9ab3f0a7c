"""`finexl explain-many LIST --out FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from conftest import EXAMPLES
from finexl import Explanation
from test_cli_explain import Command, command

__all__ = ["command"]  # a fixture

NAMES = ("vivid-25", "vivid-50", "vivid-100", "personalized")


def write_list(*names: str) -> Path:
    lines = [f"{name},{EXAMPLES / 'base'},{EXAMPLES / name}" for name in names]
    Path("list.csv").write_text("\n".join(["name,base,personalized", *lines]) + "\n")
    return Path("list.csv")


def test_examples_are_explained_and_what_failed_is_said(command: Command) -> None:
    done = command("explain-many", write_list(*NAMES, "none"), "--out", "out", "--json", "a.json")
    assert done.code == 1
    assert "4 explained, 0 unchanged, 1 failed" in done.out
    assert "more colorful" in done.out
    assert "none: There is no folder" in done.err
    assert "failed.jsonl" in done.err
    found = json.loads(Path("a.json").read_text())
    assert found["schema"] == "finexl.explain-many/1"
    assert [model["name"] for model in found["models"]] == [*NAMES, "none"]
    assert [model["state"] for model in found["models"]] == ["explained"] * 4 + ["failed"]
    norms = [model["norm"] for model in found["models"][:3]]
    assert norms == sorted(norms)
    for model in found["models"][:4]:
        explanation = Explanation.from_json((Path("out") / model["file"]).read_bytes())
        assert (explanation.name, explanation.divergence.norm) == (model["name"], model["norm"])

    again = command("explain-many", write_list(*NAMES), "--out", "out", "--json", "-")
    assert (again.code, again.err) == (0, "")
    told = json.loads(again.out)
    assert (told["explained"], told["unchanged"], told["failed"]) == (0, 4, 0)
    assert [m["norm"] for m in told["models"]] == [m["norm"] for m in found["models"][:4]]
    Path("a.json").unlink()
    quiet = command(
        "explain-many", write_list(*NAMES), "--out", "out", "--quiet", "--json", "a.json"
    )
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    assert json.loads(Path("a.json").read_text())["unchanged"] == 4


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("none.csv", "--out", "out"), 2, "none.csv cannot be read: no such file"),
        (("list.csv", "--out", "list.csv"), 2, "The folder list.csv cannot be written"),
        (("list.csv", "--out", "out", "--steps", 3), 2, "--steps is for models that make images"),
        (("list.csv", "--out", "out", "--gpus", 0.5), 2, "--gpus is for a Ray cluster"),
        (("list.csv", "--out", "out", "--ray-address", "auto"), 2, "--ray-address is for a Ray"),
        (("list.csv", "--out", "out", "--on", "ray"), 3, "pip install 'finexl[ray]'"),
        (("list.csv", "--out", "out", "--encoder", "nothing"), 2, "'nothing' is no name"),
        (("list.csv", "--out", "out", "--concepts", "no.txt"), 2, "no.txt cannot be read"),
    ],
)
def test_what_cannot_work_is_one_sentence(
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[object, ...],
    code: int,
    said: str,
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    write_list("vivid-25")
    done = command("explain-many", *arguments)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert len(done.err.splitlines()) == 1
