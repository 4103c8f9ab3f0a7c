"""Comments from files, and what is known of the pictures that they are about."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from finexl.errors import UsageError
from finexl.viper.comments import begun, commented, read_comments
from finexl.viper.profile import Comment, Profile, write_profile


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_all_three_kinds_of_files_say_the_same(tmp_path: Path) -> None:
    rows = [{"text": "love, “it”", "picture": "a.png"}, {"comment": "meh"}]
    lines = "".join(json.dumps(row) + "\n\n" for row in rows)
    found, notes = read_comments(written(tmp_path, "c.jsonl", lines))
    assert found == (Comment("love, “it”", "a.png"), Comment("meh"))
    assert notes == ()
    csv = 'text,file\r\n"love, “it”",a.png\r\nmeh,\r\n'
    assert read_comments(written(tmp_path, "c.csv", csv))[0] == found
    txt = "\ufefflove, “it”\n\nmeh\n"
    assert read_comments(written(tmp_path, "c.txt", txt))[0] == (Comment("love, “it”"), found[1])


def test_empty_comments_are_left_out_and_said(tmp_path: Path) -> None:
    found, notes = read_comments(
        written(tmp_path, "c.jsonl", '{"text": " "}\n{"text": "x"}\n{"picture": "a.png"}\n')
    )
    assert found == (Comment("x"),)
    assert notes == ("2 empty comments are left out.",)


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("c.jsonl", '{"text": "x"}\n{', "line 2: it is not JSON"),
        ("c.jsonl", "[1]", "not a JSON object"),
        ("c.jsonl", '{"text": 3}', "its text is no text"),
        ("c.jsonl", '{"text": "x", "picture": 3}', "its picture is no name"),
        ("c.jsonl", json.dumps({"text": "x" * 20_001}), r"line 1: .*20,001 characters"),
        ("c.csv", 'text\n"x', "not CSV"),
        ("c.csv", "words\nx\n", "no comments"),
        ("c.txt", "", "no comments"),
        ("c.docx", "x", r"not a \.jsonl, \.csv or \.txt"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence(
    name: str, text: str, why: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=why):
        read_comments(written(tmp_path, name, text))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not UTF-8"):
        read_comments(tmp_path / "c.txt")
    with pytest.raises(UsageError, match="no such file"):
        read_comments(tmp_path / "none.txt")


def test_pictures_at_hand_are_known_by_content_and_others_by_name(tmp_path: Path) -> None:
    for folder, shade in (("one", 10), ("two", 200)):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (8, 8), (shade,) * 3).save(tmp_path / folder / "a.png")
    first = commented(
        Profile("p"), [Comment("x", str(tmp_path / "one/a.png")), Comment("y", "far.png")]
    )
    assert [c.picture for c in first.comments] == ["a.png", "far.png"]
    assert [one.name for one in first.pictures] == ["a.png"]
    second = commented(first, [Comment("z", "a.png")], tmp_path / "two")
    digest = second.comments[2].picture
    assert digest is not None
    assert digest != first.pictures[0].digest
    assert len(digest) == 64
    again = commented(second, [Comment("x", "a.png")], tmp_path / "one")
    assert again.comments == second.comments


def test_a_profile_is_begun_once_and_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "eve.json"
    assert begun(path) == Profile("eve")
    assert begun(path, "Eve").name == "Eve"
    write_profile(begun(path).adding([Comment("x")]), path)
    assert begun(path, "E.").name == "E."
    assert begun(path).comments == (Comment("x"),)
