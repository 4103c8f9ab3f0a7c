"""finexl viper: set, make-set, comment, extract, profile show, export and delete."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import typer
from PIL import Image

from finexl import cli
from finexl.cli import viper
from finexl.viper.drawing.recipes import recipes
from finexl.viper.profile import read_profile


@pytest.fixture(autouse=True)
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    few = recipes()[8:11]
    monkeypatch.setattr("finexl.viper.drawing.recipes.recipes", lambda: few)


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str, str]:
    """Run the sub-application as `finexl viper` does, with its errors and exit codes."""
    app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)
    app.callback()(lambda: None)
    viper.register(app)
    monkeypatch.setattr(cli, "application", lambda: app)
    monkeypatch.setattr(sys, "argv", ["finexl", "viper", *arguments])
    try:
        cli.main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    else:
        code = 0
    out, err = capsys.readouterr()
    return code, out, err


def test_from_comments_to_preferences_to_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    profile, pictures = str(tmp_path / "ada.json"), str(tmp_path / "set")
    code, out, _ = run(monkeypatch, capsys, "set", pictures, "--size", "64", "--json", "-")
    drawn = json.loads(out)
    assert (code, len(drawn["pictures"]), len(drawn["coverage"])) == (0, 3, 20)
    code, out, err = run(
        monkeypatch, capsys, "comment", profile, "--text", "I love the long shadows, but the"
        " colors are too bright.", "--picture", str(tmp_path / "set" / drawn["pictures"][1]),
    )  # fmt: skip
    assert (code, "ada" in out) == (0, True)
    assert "go nowhere" in err
    (tmp_path / "more.jsonl").write_text(
        '{"text": "<b>Beautiful</b> colors", "picture": "charcoal-wood"}\n{"text": " "}\n'
    )
    code, out, err = run(monkeypatch, capsys, "comment", profile, str(tmp_path / "more.jsonl"))
    assert (code, err) == (0, "1 empty comment is left out.\n")
    code, out, err = run(
        monkeypatch, capsys, "extract", profile, "--pictures", pictures, "--json", "-"
    )
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert found["schema"] == "finexl.profile/1"
    assert [one["attribute"] for one in found["liked"]] == ["long shadows", "black and white"]
    assert [one["attribute"] for one in found["disliked"]] == ["bright colors"]
    assert found == json.loads((tmp_path / "ada.json").read_text())
    code, out, _ = run(monkeypatch, capsys, "profile", "show", profile)
    assert code == 0
    assert "long shadows" in out
    assert "2 comments" in out
    bare = tmp_path / "bare.json"
    assert run(
        monkeypatch, capsys, "profile", "export", profile, str(bare), "--without-comments"
    ) == (0, "", "")
    assert read_profile(bare).comments == ()
    assert [one.attribute for one in read_profile(bare).liked] == [
        "long shadows",
        "black and white",
    ]
    assert run(monkeypatch, capsys, "profile", "delete", profile, "--yes")[0] == 0
    assert not (tmp_path / "ada.json").exists()


def test_a_scripted_model_reads_comments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {"attribute": "colores vivos", "comment": 1, "words": "los colores vivos"}
    replies = tmp_path / "replies.json"
    replies.write_text(json.dumps([json.dumps({"liked": [said], "disliked": []})]))
    profile = str(tmp_path / "p.json")
    run(monkeypatch, capsys, "comment", profile, "--text", "Me encantan los colores vivos")
    arguments = ("extract", profile, "--vlm", f"scripted:{replies}")
    code, out, _ = run(monkeypatch, capsys, *arguments, "--json", "-")
    assert code == 0
    assert [one["attribute"] for one in json.loads(out)["liked"]] == ["colores vivos"]
    assert json.loads(out)["extractor"].startswith(f"scripted:{replies}")
    replies.write_text('["no JSON"]')
    before = (tmp_path / "p.json").read_text()
    code, _, err = run(monkeypatch, capsys, *arguments)
    assert code == 1
    assert "found no preferences" in err
    assert (tmp_path / "p.json").read_text() == before


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("comment", "p.json"), "Give a file of comments, or one comment with --text"),
        (("comment", "p.json", "c.txt", "--text", "x"), "Give a file of comments"),
        (("comment", "p.json", "c.txt", "--picture", "a"), "--picture is what --text is about"),
        (("comment", "p.json", "c.txt"), "cannot be read"),
        (("comment", "p.json", "--text", "  "), "A comment is empty"),
        (("comment", "later.json", "--text", "x"), "this version reads finexl.profile/1"),
        (("extract", "p.json"), "There is no profile"),
        (("extract", "later.json"), "this version reads finexl.profile/1"),
        (("extract", "bare.json"), "has no comments"),
        (("extract", "said.json", "--pictures", "none"), "There is no folder"),
        (("extract", "said.json", "--vlm", "scripted:no"), "cannot be read"),
        (("extract", "said.json", "--adapter", "no"), "is no name"),
        (("profile", "show", "later.json"), "this version reads finexl.profile/1"),
        (("profile", "delete", "later.json", "--yes"), "left as it is"),
        (("profile", "export", "said.json", "no/where.json"), "cannot be written"),
        (("make-set", "nothing", "set"), "names no kind of model"),
    ],
)
def test_what_cannot_work_is_one_sentence_and_nothing_is_lost(
    arguments: tuple[str, ...],
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("later.json").write_text('{"schema": "finexl.profile/2", "name": "x"}')
    run(monkeypatch, capsys, "comment", "said.json", "--text", "I love soft light")
    run(monkeypatch, capsys, "profile", "export", "said.json", "bare.json", "--without-comments")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    code, out, err = run(monkeypatch, capsys, *arguments)
    assert code == 2
    assert err.startswith("finexl: ")
    assert err.count("\n") == 1
    assert why in err
    assert out == ""
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_pictures_that_do_not_decode_do_not_keep_comments_from_being_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.new("RGB", (8, 8)).save(folder / "good.png")
    (folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    profile = str(tmp_path / "p.json")
    for text in ("I love the colors", "I hate soft light"):
        run(monkeypatch, capsys, "comment", profile, "--text", text, "--picture", "bad.png")
    code, out, err = run(monkeypatch, capsys, "extract", profile, "--pictures", str(folder))
    assert code == 0
    assert "soft lighting" in out
    assert "bad.png cannot be opened" in err
    assert len(read_profile(tmp_path / "p.json").comments) == 2
