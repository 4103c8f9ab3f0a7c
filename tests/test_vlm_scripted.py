"""The scripted model: replies in turn, from a list, a function or a file."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from finexl.errors import UsageError
from finexl.vlm import VLM, Question, Reply, Scripted, load_vlm

ASKED = Question(("What?",))


def test_replies_come_in_turn_and_from_the_first_again() -> None:
    vlm: VLM = Scripted(["vivid", "dark"])
    assert [vlm.ask(ASKED) for _ in range(3)] == [Reply("vivid"), Reply("dark"), Reply("vivid")]
    assert (vlm.concurrency, vlm.notice, vlm.name) == (1, None, "scripted")


def test_a_function_makes_the_reply_to_a_question() -> None:
    vlm = Scripted(lambda question: f"{len(question.parts)} parts")
    assert vlm.ask(Question(("a", "b"))).text == "2 parts"
    assert vlm.revision.startswith("function:test_vlm_scripted.")


def test_the_revision_is_the_digest_of_the_replies() -> None:
    assert Scripted(["ab", "c"]).revision == Scripted(("ab", "c"), name="other").revision
    assert len({Scripted(list(r)).revision for r in (["ab", "c"], ["a", "bc"], ["abc"])}) == 3


def test_threads_each_get_a_reply_of_their_own() -> None:
    vlm = Scripted([str(number) for number in range(200)])
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: vlm.ask(ASKED).text, range(200)))
    assert sorted(map(int, found)) == list(range(200))


@pytest.mark.parametrize("replies", [[], "vivid"])
def test_a_list_of_one_reply_or_more_is_needed(replies: list[str]) -> None:
    with pytest.raises(UsageError, match="needs a list of one reply or more"):
        Scripted(replies)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("replies.json", '["vivid", "dårk"]'),
        ("replies.jsonl", '{"reply": "vivid", "pair": 3}\n\n{"reply": "dårk"}\n'),
    ],
)
def test_replies_are_read_from_a_file(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    vlm = load_vlm(f"scripted:{tmp_path / name}")
    assert [vlm.ask(ASKED).text for _ in range(3)] == ["vivid", "dårk", "vivid"]
    assert vlm.name == f"scripted:{tmp_path / name}"
    assert vlm.revision == Scripted(["vivid", "dårk"]).revision


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("replies.json", b"vivid"),
        ("replies.json", b"[]"),
        ("replies.json", b'["a", 1]'),
        ("replies.json", b'{"reply": "a"}'),
        ("replies.json", b"[" * 100_000),
        ("replies.jsonl", b'"vivid"\n'),
        ("replies.jsonl", b'{"answer": "vivid"}\n'),
        ("replies.jsonl", b""),
    ],
)
def test_files_that_hold_no_replies(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=rf"{name} holds no replies: write a JSON list"):
        load_vlm(f"scripted:{tmp_path / name}")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: no such file"):
        load_vlm(f"scripted:{tmp_path / 'none.json'}")
    (tmp_path / "bytes.json").write_bytes(b'["\xff"]')
    with pytest.raises(UsageError, match="cannot be read: it is no UTF-8 text"):
        load_vlm(f"scripted:{tmp_path / 'bytes.json'}")
