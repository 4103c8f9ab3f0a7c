"""`finexl card`: into a file, and onto a hub that the tests start themselves."""

from __future__ import annotations

import difflib
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from huggingface_hub import constants

from fake_hub import REPO, TOKEN, Hub, hub_serving
from finexl import cli
from finexl.explanation import Explanation
from finexl.report import card, publishing, render_markdown
from test_report_states import hostile, normal

OLD = "---\nlicense: mit  # theirs\ntags: [lora, no]\n---\n\n# Sketch\n\nTheir own words.\n"


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Return the command, in a folder of its own with an explanation, e.json."""

    def run(*arguments: object, stdin: str = "") -> Ended:
        monkeypatch.setattr(sys, "argv", ["finexl", "card", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert isinstance(end.value.code or 0, int)
        return Ended(int(end.value.code or 0), *capsys.readouterr())

    monkeypatch.chdir(tmp_path)
    Path("e.json").write_text(normal().to_json(), encoding="utf-8")
    return run


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hub_serving() as started:
        resolve = started.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", started.address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", resolve)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        started.files["README.md"] = OLD.encode()
        yield started


def written(explanation: Explanation, name: str = "e.json") -> str:
    text = explanation.to_json().encode("utf-8", "replace")
    Path(name).write_bytes(text)
    return name


def test_show_prints_the_section_alone(command: Command) -> None:
    assert command("show", "--explanation", "e.json") == Ended(0, render_markdown(normal()), "")


def test_put_makes_a_card_and_then_leaves_it(command: Command) -> None:
    assert command("put", "README.md", "--explanation", "e.json").out == "README.md is written.\n"
    made = Path("README.md").read_bytes()
    assert made.decode() == card.merged("", normal())
    before = Path("README.md").stat().st_ino
    again = command("put", "README.md", "--explanation", "e.json")
    assert again == Ended(0, "README.md says so already.\n", "")
    assert (Path("README.md").read_bytes(), Path("README.md").stat().st_ino) == (made, before)


def test_put_keeps_a_cards_own_words(command: Command) -> None:
    Path("README.md").write_bytes(OLD.replace("\n", "\r\n").encode())
    command("put", "README.md", "--explanation", "e.json")
    text = Path("README.md").read_bytes().decode()
    assert text == card.merged(OLD, normal()).replace("\n", "\r\n")
    gone = [line for line in difflib.ndiff(OLD.split("\n"), text.split("\r\n")) if line[0] == "-"]
    assert gone == ["- tags: [lora, no]"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("e.json", b"{}", "e.json: This is not a FineXL explanation"),
        ("none.json", None, "none.json cannot be read: no such file"),
        ("README.md", b"\xff\xfe", "README.md is no UTF-8 text"),
        ("README.md", b"---\na: [\n---\n", "metadata is not valid YAML"),
        ("README.md", card.BEGIN.encode(), "has 1 and 0"),
    ],
)
def test_what_cannot_work_is_said_and_nothing_written(
    command: Command, name: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        Path(name).write_bytes(content)
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    given = "none.json" if name == "none.json" else "e.json"
    done = command("put", "README.md", "--explanation", given)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before


def test_push_shows_what_would_change_asks_and_pushes(command: Command, hub: Hub) -> None:
    done = command("push", REPO, "--explanation", "e.json", stdin="y\n")
    assert done.code == 0, done.err
    after = card.merged(OLD, normal())
    assert hub.card == after
    assert [commit["summary"] for commit in hub.commits] == [publishing.MESSAGE]
    diff, _, pushed = done.out.partition(f"Push this to {REPO}? [y/N]: ")
    assert pushed == f"Pushed: {hub.address}/{REPO}/commit/{hub.revision}\n"
    lines = diff.splitlines()[3:]
    assert [line[1:] for line in lines if line[0] in " +"] == after.splitlines()
    assert [line[1:] for line in lines if line[0] in " -"] == OLD.splitlines()


@pytest.mark.parametrize(("answer", "code"), [("n\n", 1), ("\n", 1), ("", 2)])
def test_nothing_is_pushed_unless_somebody_agrees(
    command: Command, hub: Hub, answer: str, code: int
) -> None:
    done = command("push", REPO, "--explanation", "e.json", stdin=answer)
    assert done.code == code
    assert "othing was pushed" in done.out + done.err
    assert "+tags: [lora, no, finexl]\n" in done.out
    assert not hub.commits
    assert not any(asked.startswith("POST") for asked in hub.asked)


def test_a_second_push_finds_nothing_to_do(command: Command, hub: Hub) -> None:
    command("push", REPO, "--explanation", "e.json", "--yes")
    done = command("push", REPO, "--explanation", "e.json", "--yes")
    assert done == Ended(0, f"The card of {REPO} says so already; nothing was pushed.\n", "")
    assert len(hub.commits) == 1


def test_a_model_without_a_card_gets_one(command: Command, hub: Hub) -> None:
    hub.files = {"model.safetensors": b"x"}
    assert command("push", REPO, "--explanation", "e.json", "--yes").code == 0
    assert hub.card == card.merged("", normal())
    assert hub.files["model.safetensors"] == b"x"


def test_what_others_changed_in_between_is_not_overwritten(command: Command, hub: Hub) -> None:
    hub.between = {"README.md": b"# Another\n"}
    done = command("push", REPO, "--explanation", "e.json", "--yes")
    assert done.code == 2
    assert "was changed on the hub since its card was read" in done.err
    assert hub.card == "# Another\n"


def test_names_that_are_not_text_are_pushed_as_text(command: Command, hub: Hub) -> None:
    done = command("push", REPO, "--explanation", written(hostile()), "--yes")
    assert done.code == 0, done.err
    assert "\x1b" not in done.out
    assert "\u202e" not in done.out
    assert [p["summary"] for p in hub.commits] == [publishing.MESSAGE]


@pytest.mark.parametrize(
    ("repo", "state", "code", "said"),
    [
        ("someone/none", {}, 2, "The hub has no model someone/none, or hides it"),
        ("a/b/c", {}, 2, "'a/b/c' is no hub id; one is written owner/name."),
        (REPO, {"writable": False}, 3, f"The hub allows no writing to {REPO}"),
    ],
)
def test_why_the_hub_refuses_is_one_sentence(
    command: Command, hub: Hub, repo: str, state: dict[str, bool], code: int, said: str
) -> None:
    vars(hub).update(state)
    done = command("push", repo, "--explanation", "e.json", "--yes")
    assert (done.code, done.err.count("\n")) == (code, 1)
    assert said in done.err
    assert hub.card == OLD


def test_metadata_that_the_hub_refuses_are_not_pushed(command: Command, hub: Hub) -> None:
    hub.files["README.md"] = b"---\nmodel-index:\n- name: 1.5\n  results: []\n---\n"
    done = command("push", REPO, "--explanation", "e.json", "--yes")
    assert done.code == 2
    assert '"model-index[0].name" must be a string' in done.err
    assert not hub.commits


def test_no_token_is_said_before_anything_is_asked(
    command: Command, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    done = command("push", REPO, "--explanation", "e.json", "--yes")
    assert done.code == 3
    assert "hf auth login" in done.err
    assert hub.asked == []


@pytest.mark.usefixtures("hub")
def test_a_hub_that_is_not_there_is_no_model_without_a_card(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    done = command("push", REPO, "--explanation", "e.json", "--yes")
    assert (done.code, done.out) == (3, "")
    assert "The hub cannot be reached" in done.err


def test_without_the_hubs_client_the_line_that_installs_it_is_said(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    done = command("push", REPO, "--explanation", "e.json", "--yes")
    assert done.code == 3
    assert done.err.endswith(": pip install huggingface_hub\n")


@pytest.mark.parametrize("debug", [(), ("--debug",)])
@pytest.mark.parametrize("token", [TOKEN, TOKEN[::-1]], ids=["right", "wrong"])
def test_a_real_run_never_prints_the_token(
    hub: Hub, tmp_path: Path, debug: tuple[str, ...], token: str
) -> None:
    (tmp_path / "e.json").write_text(normal().to_json(), encoding="utf-8")
    settings = {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": token}
    done = subprocess.run(
        [sys.executable, "-m", "finexl", "card", "push", REPO, "--explanation", "e.json", *debug],
        input="y\n",
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, **settings},
        timeout=120,
    )
    assert len(hub.commits) == (token == TOKEN)
    assert (done.returncode == 0) == (token == TOKEN)
    assert "Pushed: http" in done.stdout if token == TOKEN else "HF_TOKEN" in done.stderr
    assert token not in done.stdout + done.stderr
