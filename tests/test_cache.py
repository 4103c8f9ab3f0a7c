from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from fake_encoder import FakeEncoder
from finexl.cache import ArrayCache, cache_folder, key_of
from finexl.concepts.vectors import map_concepts

KEY = key_of("a", "key")
ROWS = np.arange(6, dtype=np.float32).reshape(2, 3)


# where it is


def test_folder_is_the_one_asked_for_else_the_systems(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("FINEXL_CACHE", str(tmp_path / "chosen"))
    assert cache_folder() == tmp_path / "chosen"
    monkeypatch.setenv("FINEXL_CACHE", "~/mine")
    assert cache_folder() == tmp_path / "home" / "mine"
    monkeypatch.setenv("FINEXL_CACHE", "")
    assert cache_folder() == tmp_path / "xdg" / "finexl"
    monkeypatch.delenv("FINEXL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache_folder() == tmp_path / "home" / ".cache" / "finexl"


def test_keys_know_the_boundaries_and_the_order_of_their_parts() -> None:
    different = [("ab", "c"), ("a", "bc"), ("abc",), ("c", "ab"), ("abc", ""), ('a", "b',), ()]
    assert len({key_of(*parts) for parts in different}) == len(different)
    assert key_of("é", "b") == key_of("é", "b")
    assert len(KEY) == 64
    assert set(KEY) <= set("0123456789abcdef")


# what it keeps


def test_what_was_put_is_got_with_its_labels(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path / "deep" / "cache")
    cache.put(KEY, {"rows": ROWS, "turned": ROWS.T}, {"words": "é, “x”"})
    found = cache.get(KEY)
    assert found is not None
    arrays, labels = found
    np.testing.assert_array_equal(arrays["rows"], ROWS)
    np.testing.assert_array_equal(arrays["turned"], ROWS.T)
    assert arrays["rows"].dtype == np.float32
    assert labels == {"words": "é, “x”"}
    assert cache.get(key_of("another")) is None


def test_the_last_put_counts(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path)
    cache.put(KEY, {"rows": ROWS}, {"n": "1"})
    cache.put(KEY, {"other": ROWS + 1}, {"n": "2"})
    found = cache.get(KEY)
    assert found is not None
    assert list(found[0]) == ["other"]
    assert found[1] == {"n": "2"}
    assert len(list(tmp_path.iterdir())) == 1


# what goes wrong with it


def damage(path: Path, how: str) -> None:
    whole = path.read_bytes()
    changed = {
        "empty": b"",
        "half": whole[: len(whole) // 2],
        "last byte": whole[:-1],
        "junk": b"\xff" * 100,
        "a header too long": (2**62).to_bytes(8, "little") + whole[8:],
        "text": b"<html>not found</html>",
    }
    path.write_bytes(changed[how])


DAMAGES = ("empty", "half", "last byte", "junk", "a header too long", "text")


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_file_is_as_good_as_absent_and_is_replaced(tmp_path: Path, how: str) -> None:
    cache = ArrayCache(tmp_path)
    cache.put(KEY, {"rows": ROWS}, {})
    (path,) = tmp_path.iterdir()
    damage(path, how)
    assert cache.get(KEY) is None
    cache.put(KEY, {"rows": ROWS}, {})
    assert cache.get(KEY) is not None


def test_a_folder_in_a_files_place_is_as_good_as_absent(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path)
    cache.put(KEY, {"rows": ROWS}, {})
    (path,) = tmp_path.iterdir()
    path.unlink()
    path.mkdir()
    assert cache.get(KEY) is None
    cache.put(KEY, {"rows": ROWS}, {})
    assert cache.get(KEY) is None


def test_a_folder_that_cannot_be_made_is_silent(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here first")
    cache = ArrayCache(tmp_path / "file" / "cache")
    cache.put(KEY, {"rows": ROWS}, {})
    assert cache.get(KEY) is None
    assert (tmp_path / "file").read_text() == "here first"


@pytest.mark.parametrize("code", [errno.EROFS, errno.ENOSPC, errno.EACCES])
def test_a_write_that_fails_is_silent_and_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    cache = ArrayCache(tmp_path)
    cache.put(KEY, {"rows": ROWS}, {"n": "1"})
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        cache.put(KEY, {"rows": ROWS + 1}, {"n": "2"})
    found = cache.get(KEY)
    assert found is not None
    assert found[1] == {"n": "1"}
    assert len(list(tmp_path.iterdir())) == 1


def test_several_writers_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path)
    sizes = range(1, 9)
    start = threading.Barrier(len(sizes) + 1)
    torn: list[str] = []

    def write(n: int) -> None:
        start.wait()
        for _ in range(10):
            cache.put(KEY, {"rows": np.full((n, 200), n, np.float32)}, {"n": str(n)})

    writers = [threading.Thread(target=write, args=(n,)) for n in sizes]
    for writer in writers:
        writer.start()
    start.wait()
    seen = 0
    while any(writer.is_alive() for writer in writers) or not seen:
        found = cache.get(KEY)
        if found is None:
            torn += ["absent"] * bool(seen)
            continue
        seen += 1
        n = int(found[1]["n"])
        if found[0]["rows"].shape != (n, 200) or not (found[0]["rows"] == n).all():
            torn.append(f"{n}: {found[0]['rows'].shape}")
    for writer in writers:
        writer.join()
    assert not torn
    assert len(list(tmp_path.iterdir())) == 1


# concept vectors in it

PROMPTS = ("a dog", "a house", "a field")
TEMPLATE = "{prompt}, {concept}"


def test_a_concept_is_mapped_once(tmp_path: Path) -> None:
    cache, encoder = ArrayCache(tmp_path), FakeEncoder()
    first = map_concepts(encoder, ["x", "y", "x"], PROMPTS, TEMPLATE, cache=cache)
    assert encoder.texts == len(PROMPTS) * (1 + 2)
    again = map_concepts(encoder, ["y", "x"], PROMPTS, TEMPLATE, cache=cache)
    assert encoder.texts == len(PROMPTS) * (1 + 2)
    np.testing.assert_array_equal(again.vectors, first.vectors[[1, 0]])
    map_concepts(encoder, ["x", "z"], PROMPTS, TEMPLATE, cache=cache)
    assert encoder.texts == len(PROMPTS) * (1 + 2) + len(PROMPTS) * (1 + 1)


def test_concepts_are_kept_apart_by_encoder_prompts_and_template(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path)
    for revision in ("1", "2"):
        for prompts in (PROMPTS, PROMPTS[::-1]):
            for template in (TEMPLATE, "{prompt}, {concept} style"):
                encoder = FakeEncoder(revision)
                map_concepts(encoder, ["x"], prompts, template, cache=cache)
                assert encoder.texts == 2 * len(PROMPTS)
    assert len(list(tmp_path.iterdir())) == 8


@pytest.mark.parametrize("how", DAMAGES)
def test_damaged_concept_vectors_are_made_again(tmp_path: Path, how: str) -> None:
    cache = ArrayCache(tmp_path)
    whole = map_concepts(FakeEncoder(), ["x", "y"], PROMPTS, TEMPLATE, cache=cache)
    (path,) = tmp_path.iterdir()
    damage(path, how)
    encoder = FakeEncoder()
    again = map_concepts(encoder, ["x", "y"], PROMPTS, TEMPLATE, cache=cache)
    np.testing.assert_array_equal(again.vectors, whole.vectors)
    assert encoder.texts == 3 * len(PROMPTS)


def test_a_cache_that_cannot_be_written_changes_no_number(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    kept = map_concepts(
        FakeEncoder(), ["x", "y"], PROMPTS, TEMPLATE, cache=ArrayCache(tmp_path / "c")
    )
    lost = map_concepts(
        FakeEncoder(), ["x", "y"], PROMPTS, TEMPLATE, cache=ArrayCache(tmp_path / "file")
    )
    np.testing.assert_array_equal(kept.vectors, lost.vectors)


def test_the_users_own_cache_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINEXL_CACHE", str(tmp_path))
    map_concepts(FakeEncoder(), ["x"], PROMPTS, TEMPLATE)
    assert [path.parent.name for path in tmp_path.rglob("*.safetensors")] == ["concepts"]
