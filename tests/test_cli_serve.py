"""`finexl serve`: a server that starts where it is told, to those it is told, and ends."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from finexl.errors import PrerequisiteError, UsageError
from finexl.web.serving import serve
from finexl.web.settings import Settings

TOKEN = "correct horse battery staple"
COMMAND = (
    "import typer; from finexl.cli import serve; app = typer.Typer(); serve.register(app); app()"
)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_end(tmp_path: Path, end: signal.Signals) -> None:
    (tmp_path / "damaged.json").write_text("{")
    options = ["--root", str(tmp_path), "--port", "0", "--token", TOKEN]
    options += ["--profiles", str(tmp_path), "--model", "diffusers:x", "--model", "lora:x+y@1"]
    command = [sys.executable, "-c", COMMAND, *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())
        assert found
        assert httpx.get(f"{found[0]}api/start").status_code == 401
        shown = {"Authorization": f"Bearer {TOKEN}"}
        assert httpx.get(f"{found[0]}api/start", headers=shown).status_code == 200
        listed = httpx.get(f"{found[0]}api/profiles", headers=shown).json()["profiles"]
        assert [kept["id"] for kept in listed] == ["damaged"]
        process.send_signal(end)
        _, said = process.communicate(timeout=30)
    assert process.returncode == (0 if end == signal.SIGINT else -end)
    assert said == ""


def test_without_the_extra_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for missing in ("uvicorn", "fastapi", "python_multipart"):
        with monkeypatch.context() as patched:
            for name in [name for name in sys.modules if name.startswith("finexl.web.")]:
                patched.delitem(sys.modules, name)
            patched.setitem(sys.modules, missing, None)
            with pytest.raises(PrerequisiteError) as error:
                serve(Settings(roots=(tmp_path,)), 0)
            assert error.value.exit_code == 3
            assert 'pip install "finexl[web]"' in str(error.value)


def test_settings_that_cannot_work_are_said(tmp_path: Path) -> None:
    def refused(**how: object) -> str:
        with pytest.raises(UsageError) as error:
            serve(Settings(**{"roots": (tmp_path,), **how}), 0)  # type: ignore[arg-type]
        return str(error.value)

    assert "--token" in refused(host="0.0.0.0")
    assert "no such folder" in refused(roots=(tmp_path / "nothing",))
    assert "catalog add" in refused(catalog=tmp_path / "nothing.db")


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"{port} cannot be listened on"):
            serve(Settings(roots=(tmp_path,), runs=tmp_path), port)
