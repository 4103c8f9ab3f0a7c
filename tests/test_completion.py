"""The shell completes what the command has: asked in a real bash, with the script it prints."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = f"#!{sys.executable}\nfrom finexl.cli import main\nmain()\n"
BASH = r"""
script=$(finexl --show-completion) || exit 1
eval "$script"
words=("$@")
COMP_WORDS=("${words[@]}")
COMP_CWORD=$((${#words[@]} - 1))
complete -p finexl >/dev/null || exit 2
_finexl_completion finexl
printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the command as it is installed, and no home but this."""
    (tmp_path / "finexl").write_text(COMMAND)
    (tmp_path / "finexl").chmod(0o755)
    return tmp_path


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["finexl", "ex"], ["explain", "explain-many"]),
        (["finexl", "card", "pu"], ["push", "put"]),
        (["finexl", "explain", "--pair"], ["--pairing"]),
        (["finexl", "explain", "--pairing", "s"], ["seed"]),
        (["finexl", "xyz"], [""]),
    ],
    ids=" ".join,
)
def test_bash_completes(folder: Path, typed: list[str], offered: list[str]) -> None:
    path = f"{folder}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", BASH, "bash", *typed],
        capture_output=True, text=True, timeout=60, cwd=folder,
        env={**os.environ, "PATH": path, "HOME": str(folder)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.rstrip("\n").split("\n")) == offered


def test_the_users_files_change_only_when_installing(folder: Path) -> None:
    settings = {**os.environ, "HOME": str(folder), "_FINEXL_COMPLETE": "source_bash"}
    before = sorted(folder.iterdir())
    done = subprocess.run(
        [folder / "finexl"], capture_output=True, text=True, timeout=60, env=settings
    )
    assert "complete -o default -F _finexl_completion finexl" in done.stdout
    assert sorted(folder.iterdir()) == before
