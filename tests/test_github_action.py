"""The example of a GitHub Action: valid, and its own lines do what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from finexl.cli import application

FILE = Path(__file__).parents[1] / "examples" / "github-action" / "explain.yml"
ACTION: dict[str, Any] = yaml.load(FILE.read_text(encoding="utf-8"), yaml.BaseLoader)
STEPS: list[dict[str, Any]] = ACTION["jobs"]["explain"]["steps"]
SCRIPTS = {step["name"]: step["run"] for step in STEPS if "run" in step}

STAND_IN = f"""#!{sys.executable}
import json, pathlib, sys
with open("commands.jsonl", "a") as log:
    print(json.dumps([pathlib.Path(sys.argv[0]).name, *sys.argv[1:]]), file=log)
if sys.argv[1:3] == ["card", "show"]:
    print("## What this model changes (FineXL)")
"""


def parsed(arguments: Sequence[str]) -> dict[str, Any]:
    """Have the real command read its arguments, without running it."""
    found: Any = typer.main.get_command(application())
    while hasattr(found, "commands"):
        found, arguments = found.commands[arguments[0]], arguments[1:]
    values: dict[str, Any] = found.make_context("finexl", list(arguments)).params
    return values


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a working folder with checkpoints and stand-ins for what the runner has."""
    for name in ("finexl", "gh", "pip"):
        stand_in = tmp_path / "bin" / name
        stand_in.parent.mkdir(exist_ok=True)
        stand_in.write_text(STAND_IN)
        stand_in.chmod(0o755)
    for step in ("500", "1000", "90"):
        weights = tmp_path / f"my runs/checkpoint-{step}/pytorch_lora_weights.safetensors"
        weights.parent.mkdir(parents=True)
        weights.touch()
    return tmp_path


def run_all(folder: Path, **settings: str) -> tuple[int, str]:
    """Run the steps' scripts as a runner does, one after the other, until one fails."""
    paths = {name: str(folder / name) for name in ("GITHUB_ENV", "GITHUB_STEP_SUMMARY")}
    known = {**ACTION["env"], **settings, **paths, "NUMBER": "7"}
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    for script in SCRIPTS.values():
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=folder, env={**known, "PATH": path}, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            return done.returncode, done.stdout
        if Path(paths["GITHUB_ENV"]).exists():
            lines = Path(paths["GITHUB_ENV"]).read_text().splitlines()
            known |= dict(line.split("=", 1) for line in lines)
    return 0, ""


def commands(folder: Path) -> dict[str, list[str]]:
    lines = (folder / "commands.jsonl").read_text().splitlines()
    found = [list(yaml.safe_load(line)) for line in lines]
    return {" ".join(line[:2]): line for line in found}


def test_every_command_that_the_steps_run_is_one_that_there_is(folder: Path) -> None:
    assert run_all(folder, CHECKPOINTS="my runs") == (0, "")
    ran = commands(folder)
    assert list(ran) == ["pip install", "finexl explain", "finexl card", "gh pr"]
    explained = parsed(ran["finexl explain"][1:])
    base = ACTION["env"]["BASE"]
    last = "my runs/checkpoint-1000/pytorch_lora_weights.safetensors"
    assert explained["base"] == f"diffusers:{base}"
    assert explained["personalized"] == f"lora:{base}+{last}@1"
    assert (explained["name"], explained["json"]) == ("checkpoint-1000", "explanation.json")
    shown = parsed(ran["finexl card"][1:])
    assert str(shown["explanation"]) == explained["json"]
    section = (folder / "section.md").read_text()
    assert section.startswith("## What this model changes")
    assert (folder / "GITHUB_STEP_SUMMARY").read_text() == section
    assert ran["gh pr"][-2:] == ["--body-file", "section.md"]


def test_the_real_command_refuses_what_it_does_not_know() -> None:
    with pytest.raises(Exception, match="No such option"):
        parsed(["explain", "base", "tuned", "--no-such-option"])
    with pytest.raises(Exception, match="explanation"):
        parsed(["card", "show"])


def test_no_checkpoint_ends_the_job_before_anything_is_explained(folder: Path) -> None:
    (folder / "empty").mkdir()
    code, said = run_all(folder, CHECKPOINTS="empty")
    assert code == 1
    assert said.startswith("::error::There is no checkpoint-")
    assert list(commands(folder)) == ["pip install"]


def test_what_others_write_reaches_no_script_but_through_the_environment() -> None:
    """An expression in a script is pasted into it: a branch's name could be a command."""
    assert set(ACTION["on"]) == {"workflow_dispatch", "pull_request"}  # not pull_request_target
    assert not [name for name, script in SCRIPTS.items() if "${{" in script]
    assert ACTION["permissions"] == {"contents": "read", "pull-requests": "write"}


def test_the_extra_that_it_installs_is_one_of_ours() -> None:
    assert SCRIPTS["Install FineXL"] == 'pip install "finexl[diffusion]"'
    project = (FILE.parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert "\ndiffusion = [" in project
