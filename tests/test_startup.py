"""Importing the package and asking for help load nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

import finexl

HEAVY = {
    "PIL", "httpx", "jinja2", "numpy", "onnxruntime", "safetensors", "scipy", "tokenizers", "torch",
    "transformers",
}  # fmt: skip
"""pydantic is not among them: typer loads it to read a command's options."""
SECONDS = 10.0
"""A fifth of a second where the disk is quick; a loaded machine gets fifty times as much."""

AFTER_RUNNING = """
import json, runpy, sys
sys.argv = ["finexl", *json.loads(sys.argv[1])]
try:
    runpy.run_module("finexl", run_name="__main__", alter_sys=True)
except SystemExit as end:
    code = end.code
print(json.dumps([code or 0, sorted(sys.modules)]))
"""


def python(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["explain", "--help"], ["--version"]], ids=str)
def test_asking_for_help_loads_nothing_heavy(arguments: list[str]) -> None:
    shown, _, last = python("-c", AFTER_RUNNING, json.dumps(arguments)).rstrip().rpartition("\n")
    code, modules = json.loads(last)
    assert code == 0
    assert shown
    assert not HEAVY & {name.split(".")[0] for name in modules}


def test_importing_the_package_loads_three_modules_of_it_and_nothing_heavy() -> None:
    loaded = json.loads(python("-c", "import finexl, json, sys; print(json.dumps([*sys.modules]))"))
    ours = {name for name in loaded if name.split(".")[0] == "finexl"}
    assert ours == {"finexl", "finexl._version", "finexl.errors"}
    assert not (HEAVY | {"pydantic", "rich", "typer"}) & {name.split(".")[0] for name in loaded}


def test_the_command_answers_soon() -> None:
    start = time.monotonic()
    shown = python("-m", "finexl", "--help")
    assert time.monotonic() - start < SECONDS
    assert "explain" in shown


def test_version_is_said() -> None:
    assert python("-m", "finexl", "--version") == f"finexl {finexl.__version__}\n"


def test_everything_that_is_exported_is_there_and_nothing_else() -> None:
    assert sorted(finexl.__all__) == dir(finexl)
    for name in finexl.__all__:
        assert getattr(finexl, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        finexl.nothing  # noqa: B018
