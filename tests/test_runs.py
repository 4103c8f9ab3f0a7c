from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import finexl.embedding
from fake_encoder import FakeEncoder
from finexl.embedding import embed
from finexl.errors import FinexlError, UsageError
from finexl.explanation import Explanation
from finexl.imageset import ImageSet, images_from
from finexl.runs import Run, default_folder
from test_report_states import normal


def silent(*_: object) -> None:
    """No progress."""


def pictures(n: int) -> ImageSet:
    return images_from([Image.new("RGB", (4, 4), (i, 2 * i, 7)) for i in range(n)], "drawn")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# the folder


def test_a_run_folder_is_made_and_may_be_used_again(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    run = Run.create(folder)
    assert folder.is_dir()
    run.save_record({"options": {}})
    assert Run.create(folder).folder == folder


def test_a_folder_with_other_files_is_never_written_to(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(UsageError, match=r"has files but no run\.json"):
        Run.create(tmp_path)
    assert names(tmp_path) == ["thesis.txt"]


def test_a_run_of_other_images_is_not_written_over(tmp_path: Path) -> None:
    asked = {"base": str(tmp_path / "a"), "personalized": str(tmp_path / "b")}
    Run.create(tmp_path / "run", asked).save_record({"options": asked})
    assert Run.create(tmp_path / "run", asked).folder == tmp_path / "run"
    for side in asked:
        with pytest.raises(UsageError, match=r"holds the run of other images .*\.$"):
            Run.create(tmp_path / "run", {**asked, side: str(tmp_path / "c")})


def test_a_file_in_the_folders_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(UsageError, match=r"cannot be made: .*\.$"):
            Run.create(place)


def test_what_a_kill_in_the_first_write_leaves_does_not_close_the_folder(tmp_path: Path) -> None:
    (tmp_path / ".0123456789abcdef.tmp").write_text('{"opti')
    Run.create(tmp_path)


def test_the_same_inputs_get_the_same_folder_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINEXL_CACHE", str(tmp_path))
    folder = default_folder("/a", "/b")
    assert folder == default_folder("/a", "/b")
    assert folder.parent == tmp_path / "runs"
    assert len({folder, default_folder("/b", "/a"), default_folder("/a/b"), default_folder()}) == 4


def test_a_run_without_a_folder_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = Run()
    run.rows["x"] = np.zeros(3, np.float32)
    run.save_record({"options": {}})
    run.save_rows("1")
    run.save_explanation(normal())
    run.load_rows("1", 3)
    assert list(run.rows) == ["x"]
    assert names(tmp_path) == []


# what it keeps


def test_all_that_is_saved_is_read_back(tmp_path: Path) -> None:
    run = Run.create(tmp_path)
    run.rows = {"é": np.arange(3, dtype=np.float32), "b": np.ones(3, np.float32)}
    run.save_rows("1")
    run.save_record({"options": {"base": "é", "top": None}, "state": "done", "at": Path("/x")})
    run.save_explanation(normal())
    assert names(tmp_path) == ["embeddings.safetensors", "explanation.json", "run.json"]

    opened, options = Run.resume(tmp_path)
    assert options == {"base": "é", "top": None}
    opened.load_rows("1", 3)
    assert list(opened.rows) == ["é", "b"]
    np.testing.assert_array_equal(opened.rows["é"], [0, 1, 2])
    text = (tmp_path / "explanation.json").read_text(encoding="utf-8")
    assert Explanation.from_json(text).to_json() == normal().to_json()
    assert json.loads((tmp_path / "run.json").read_text())["at"] == "/x"


def test_rows_of_another_encoder_are_not_used(tmp_path: Path) -> None:
    run = Run.create(tmp_path)
    run.rows = {"a": np.zeros(3, np.float32)}
    run.save_rows("1")
    other = Run(tmp_path)
    other.load_rows("2", 3)
    assert other.rows == {}
    other.rows = {"b": np.ones(5, np.float32)}
    other.save_rows("2")
    again = Run(tmp_path)
    again.load_rows("2", 5)
    assert list(again.rows) == ["b"]


def test_rows_of_another_width_or_that_are_not_finite_are_not_used(tmp_path: Path) -> None:
    for row in (np.zeros(5, np.float32), np.full(3, np.nan, np.float32)):
        Run(tmp_path, {"a": row}).save_rows("1")
        again = Run(tmp_path)
        again.load_rows("1", 3)
        assert again.rows == {}


def test_only_a_folder_that_nobody_asked_for_may_be_unwritable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "fsync", fail)
    rows = {"a": np.zeros(3, np.float32)}
    unasked = Run(tmp_path, rows, spare=True)
    unasked.save_record({})
    unasked.save_rows("1")
    unasked.save_explanation(normal())
    assert names(tmp_path) == []
    asked = Run(tmp_path, rows)
    with pytest.raises(UsageError, match=r"run\.json cannot be written"):
        asked.save_record({})
    with pytest.raises(UsageError, match="cannot be written"):
        asked.save_rows("1")


DAMAGED = {"absent": None, "empty": b"", "junk": b"\xff" * 64, "half": b"half"}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_damaged_embeddings_are_as_good_as_absent(tmp_path: Path, content: bytes | None) -> None:
    run = Run.create(tmp_path)
    run.rows = {"a": np.zeros(3, np.float32)}
    run.save_rows("1")
    path = tmp_path / "embeddings.safetensors"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-4] if content == b"half" else content)
    again = Run(tmp_path)
    again.load_rows("1", 3)
    assert again.rows == {}


def test_resuming_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no run"):
        Run.resume(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="holds no run"):
        Run.resume(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '{"options": []}', '{"options": null}', "\udcff"]
)
def test_a_damaged_record_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match=r"run\.json is damaged; start the run anew\.$"):
        Run.resume(tmp_path)


# encoding through it


def test_what_a_run_has_is_not_encoded_again(tmp_path: Path) -> None:
    images, first = pictures(20), FakeEncoder()
    run = Run.create(tmp_path)
    whole = embed(images, range(12), first, run, silent)
    assert first.pictures == 12
    second = FakeEncoder()
    later = Run(tmp_path)
    later.load_rows(second.revision, second.dim)
    both = embed(images, range(20), second, later, silent)
    assert second.pictures == 8
    for index, row in whole.rows.items():
        np.testing.assert_array_equal(both.rows[index], row)
    assert both.digests[:12] == whole.digests


def test_equal_pictures_are_encoded_once() -> None:
    same = [Image.new("RGB", (4, 4), (9, 9, 9)) for _ in range(40)]
    encoder = FakeEncoder()
    done = embed(images_from(same, "x"), range(40), encoder, Run(), silent)
    assert encoder.pictures == 1
    assert len(done.rows) == len(done.digests) == 40


def test_pictures_of_equal_names_and_other_content_are_encoded_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    run, encoder = Run(), FakeEncoder()
    seen = []
    for colour in ((1, 2, 3), (200, 2, 3)):
        Image.new("RGB", (4, 4), colour).save(path)
        seen.append(embed(images_from([path], "x"), [0], encoder, run, silent).rows[0])
    assert encoder.pictures == 2
    assert not np.array_equal(seen[0], seen[1])


def test_a_run_that_dies_while_encoding_keeps_what_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dies(FakeEncoder):
        def embed_images(self, images):  # type: ignore[no-untyped-def]
            if self.pictures >= 8:
                raise KeyboardInterrupt
            return super().embed_images(images)

    monkeypatch.setattr(finexl.embedding, "BATCH", 4)
    monkeypatch.setattr(finexl.embedding, "SAVE_EVERY_SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        embed(pictures(20), range(20), Dies(), Run.create(tmp_path), silent)
    later, encoder = Run(tmp_path), FakeEncoder()
    later.load_rows(encoder.revision, encoder.dim)
    assert len(later.rows) == 8
    done = embed(pictures(20), range(20), encoder, later, silent)
    assert encoder.pictures == 12
    fresh = embed(pictures(20), range(20), FakeEncoder(), Run(), silent)
    for index, row in fresh.rows.items():
        np.testing.assert_array_equal(done.rows[index], row)


def test_memory_stays_flat_large_pictures_go_through_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = []

    class Counts(FakeEncoder):
        def embed_images(self, images):  # type: ignore[no-untyped-def]
            sizes.append(len(images))
            return super().embed_images(images)

    embed(pictures(20), range(20), Counts(), Run(), silent)
    monkeypatch.setattr(finexl.embedding, "BATCH_PIXELS", 16)
    embed(pictures(3), range(3), Counts("2"), Run(), silent)
    assert sizes == [16, 4, 1, 1, 1]


def test_progress_counts_every_picture_to_the_end() -> None:
    told: list[tuple[str, int, int]] = []
    embed(pictures(3), [0, 2], FakeEncoder(), Run(), lambda *what: told.append(what))
    assert told == [("Encoding drawn", 1, 2), ("Encoding drawn", 2, 2)]


@pytest.mark.parametrize(("bad", "most"), [(1, True), (2, False)])
def test_a_tenth_may_be_unreadable_and_no_more(tmp_path: Path, bad: int, most: bool) -> None:
    for i in range(10):
        Image.new("RGB", (4, 4), (i, 0, 0)).save(tmp_path / f"{i}.png")
    for i in range(bad):
        (tmp_path / f"{i}.png").write_bytes(b"no picture")
    images = images_from(sorted(tmp_path.iterdir()), "x")
    if most:
        done = embed(images, range(10), FakeEncoder(), Run(), silent)
        assert sorted(done.rows) == list(range(1, 10))
        assert len(done.failures) == 1
        assert "0.png" in done.failures[0]
    else:
        with pytest.raises(UsageError, match="2 of the 10 images of x cannot be opened"):
            embed(images, range(10), FakeEncoder(), Run(), silent)


# replies


def test_replies_are_kept_as_they_come_and_found_again(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    run.add("a", {"reply": "vivid\n\u2028“é”", "pairs": [0, 1]})
    run.add("b", {"error": "no answer"})
    run.add("c", {"reply": "lone \ud800 surrogate"})
    again = Run(tmp_path / "run")
    assert again.find("a") == {"reply": "vivid\n\u2028“é”", "pairs": [0, 1]}
    assert again.find("b") is None
    assert again.find("c") == {"reply": "lone ? surrogate"}
    lines = (tmp_path / "run" / "proposals.jsonl").read_text(encoding="utf-8").split("\n")
    assert [json.loads(line)["key"] for line in lines[:-1]] == ["a", "b", "c"]


def test_a_line_cut_short_by_a_kill_costs_that_reply_only(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    run.add("a", {"reply": "one"})
    with (tmp_path / "run" / "proposals.jsonl").open("ab") as file:
        file.write(b'{"key": "b", "reply": "tw')
    later = Run(tmp_path / "run")
    later.add("c", {"reply": "three"})
    assert [record["reply"] for record in Run(tmp_path / "run").asked()] == ["one", "three"]


@pytest.mark.parametrize(
    "line", [b"[1]", b"{}", b'{"key": 1, "reply": 2}', b"\xff\xfe", b"[" * 9999]
)
def test_damaged_lines_are_no_replies(tmp_path: Path, line: bytes) -> None:
    run = Run.create(tmp_path / "run")
    (tmp_path / "run" / "proposals.jsonl").write_bytes(line + b"\n")
    assert run.find("b") is None
    assert all("reply" not in record or record["reply"] == 2 for record in run.asked())


def test_without_a_folder_replies_live_as_long_as_the_run() -> None:
    run = Run()
    run.add("a", {"reply": "one"})
    assert run.find("a") == {"reply": "one"}


def test_only_a_folder_that_nobody_asked_for_may_refuse_replies(tmp_path: Path) -> None:
    (tmp_path / "proposals.jsonl").mkdir()
    with pytest.raises(FinexlError, match=r"proposals\.jsonl cannot be written"):
        Run(tmp_path).add("a", {"reply": "one"})
    spare = Run(tmp_path, spare=True)
    spare.add("a", {"reply": "one"})
    assert spare.find("a") == {"reply": "one"}
