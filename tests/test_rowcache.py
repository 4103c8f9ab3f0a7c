"""Embeddings are computed once, whatever happens to the file that keeps them."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fake_encoder import FakeEncoder
from finexl import explain
from finexl.embedding import space_of
from finexl.rowcache import RowCache

DIM = 6


def rows(n: int, start: int = 0) -> dict[str, NDArray[np.float32]]:
    return {f"d{i}": np.full(DIM, i, dtype=np.float32) for i in range(start, start + n)}


@pytest.fixture
def store(tmp_path: Path) -> RowCache:
    return RowCache(tmp_path / "made" / "embeddings.sqlite")


def test_what_is_kept_is_found_again(store: RowCache) -> None:
    kept = rows(1200)
    store.put("e", kept)
    found = store.get("e", kept, DIM)
    assert found.keys() == kept.keys()
    assert all(found[d].dtype == np.float32 for d in found)
    assert all(np.array_equal(found[d], kept[d]) for d in kept)
    assert store.get("e", ["d3", "d3", "unknown"], DIM).keys() == {"d3"}
    assert store.get("another encoder", kept, DIM) == {}
    assert store.get("e", kept, DIM + 1) == {}


def test_nothing_is_made_by_looking(store: RowCache) -> None:
    assert store.get("e", ["d1"], DIM) == {}
    assert store.usage() == (0, 0)
    store.clear()
    assert not store.path.parent.exists()


def test_usage_and_clearing(store: RowCache) -> None:
    store.put("e", rows(10))
    count, size = store.usage()
    assert count == 10
    assert size > 10 * DIM * 4
    store.clear()
    assert store.usage()[0] == 0
    assert store.get("e", rows(10), DIM) == {}


def test_the_rows_used_longest_ago_make_room(
    store: RowCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINEXL_CACHE_LIMIT", "200000")
    large = {f"d{i}": np.full(500, i, dtype=np.float32) for i in range(60)}
    for digest, row in large.items():
        store.put("e", {digest: row})
        store.get("e", ["d0"], 500)  # used all the time
        time.sleep(0.001)
    for _ in range(3):
        for i in range(60, 120):
            store.put("e", {f"d{i}": np.full(500, i, dtype=np.float32)})
            store.get("e", ["d0"], 500)
    left = store.get("e", [f"d{i}" for i in range(120)], 500)
    assert "d0" in left
    assert "d119" in left
    assert "d1" not in left
    assert len(left) * 2000 < 200000


@pytest.mark.parametrize("content", [b"", b"nothing", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_file_is_as_good_as_absent(store: RowCache, content: bytes) -> None:
    store.path.parent.mkdir()
    store.path.write_bytes(content)
    assert store.get("e", ["d1"], DIM) == {}
    store.put("e", rows(3))
    store.put("e", rows(3))
    assert len(store.get("e", rows(3), DIM)) == 3


def test_rows_that_are_not_finite_are_not_believed(store: RowCache) -> None:
    store.put("e", {"d1": np.full(DIM, np.nan, dtype=np.float32)})
    assert store.get("e", ["d1"], DIM) == {}


def test_a_place_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = RowCache(tmp_path / "file" / "embeddings.sqlite")
    store.put("e", rows(3))
    assert store.get("e", rows(3), DIM) == {}


WRITER = """
import sys
from pathlib import Path
import numpy as np
from finexl.rowcache import RowCache
store, start = RowCache(Path(sys.argv[1])), int(sys.argv[2])
for i in range(start, start + 40):
    store.put("e", {f"d{i}": np.full(6, i, dtype=np.float32)})
"""


def test_processes_that_write_at_once_lose_nothing(store: RowCache) -> None:
    starts = [0, 20, 40, 60]  # half of what each writes another writes too
    running = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(store.path), str(start)])
        for start in starts
    ]
    assert [process.wait(60) for process in running] == [0] * 4
    found = store.get("e", [f"d{i}" for i in range(100)], DIM)
    assert len(found) == 100
    assert all(found[f"d{i}"][0] == i for i in range(100))


def test_a_second_explanation_of_the_same_pictures_encodes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINEXL_CACHE", str(tmp_path))
    rng = np.random.default_rng(0)
    base, tuned = (
        [Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)) for _ in range(7)]
        for _ in range(2)
    )
    first, second = FakeEncoder(), FakeEncoder()
    found = [
        explain(base, tuned, encoder=encoder, only_concepts=["vivid", "dark"], seed=0)
        for encoder in (first, second)
    ]
    assert (first.pictures, second.pictures) == (14, 0)
    assert found[0].divergence == found[1].divergence
    other = FakeEncoder()
    other.revision = "another"
    explain(base, tuned, encoder=other, only_concepts=["vivid", "dark"])
    assert other.pictures == 14
    assert space_of(first) == space_of(second) != space_of(other)
