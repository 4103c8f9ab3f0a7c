"""The catalog: one file, many writers, whole at any moment."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from catalogued import planted, scattered
from finexl.catalog import Card, Catalog, Entry, Filter, Metadata, Thumbnail
from finexl.catalog.exchange import add_all, export_to, import_from
from finexl.catalog.metadata import metadata_of
from finexl.catalog.mirror import mirror_of
from finexl.catalog.schema import VERSION
from finexl.errors import FinexlError, UsageError
from finexl.explanation import EncoderId

FAKE = EncoderId("fake", "1")
HOSTILE = "<script>alert(1)</script>'; drop table models; --"
PICTURE = Thumbnail("base", 0, "a cat", b"RIFF\x04\x00\x00\x00WEBPx")


def entry(name: str, seed: int = 0, **said: object) -> Entry:
    V = np.random.default_rng(seed).normal(size=8)
    explanation = planted(name, V, FAKE, pairs=scattered(V, 7, 0.1, seed), aspects=[("vivid", 0.7)])
    return Entry(explanation, Metadata(**said))  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog.db"


def test_what_is_added_comes_back(path: Path) -> None:
    given = entry("a", licence="MIT", tags=("x", "y"), trigger_words=("sks",), header={"k": "v"})
    with Catalog.open(path, create=True) as catalog:
        assert catalog.add(given, [PICTURE]) == "added"
        assert catalog.add(given, [PICTURE]) == "unchanged"
        found = catalog.entry("a")
        assert found.metadata == given.metadata
        assert found.explanation.to_json() == given.explanation.to_json()
        assert catalog.thumbnails("a") == (PICTURE,)
        norm = catalog.entry("a").explanation.divergence.norm
        said = ("a", "base", None, "MIT", ("x", "y"))
        assert catalog.cards() == (Card(*said, "fake", True, norm, 0.5, (("vivid", 0.7),)),)
        assert catalog.add(given) == "replaced"
        assert catalog.thumbnails("a") == ()
        assert catalog.verify() == []


def test_the_strongest_aspects_are_listed_with_their_signs(path: Path) -> None:
    scores = [("a", 0.1), ("b", -0.9), ("c", 0.5), ("d", 0.4), ("e", -0.3), ("f", 0.2)]
    explanation = planted("m", np.ones(8), FAKE, aspects=scores)
    with Catalog.open(path, create=True) as catalog:
        catalog.add(Entry(explanation))
        (card,) = catalog.cards()
    assert card.aspects == (("b", -0.9), ("c", 0.5), ("d", 0.4), ("e", -0.3), ("f", 0.2))


def test_entries_are_found_by_what_is_said_and_what_was_found(path: Path) -> None:
    with Catalog.open(path, create=True) as catalog:
        catalog.add(entry("one", 1, base="sdxl", tags=("anime", "ink"), licence="MIT"))
        catalog.add(entry("two", 2, base="sdxl", family="SDXL", trigger_words=("zwx style",)))
        catalog.add(entry(HOSTILE, 3))

        def names(where: Filter = Filter(), text: str = "") -> list[str]:  # noqa: B008
            assert catalog.count(where, text=text) == len(catalog.cards(where, text=text))
            return [card.name for card in catalog.cards(where, text=text)]

        assert names() == [HOSTILE, "one", "two"]
        assert names(Filter(base="sdxl")) == ["one", "two"]
        assert names(Filter(base="sdxl", licence="MIT")) == ["one"]
        assert names(Filter(family="SDXL")) == ["two"]
        assert names(Filter(tag="ink")) == ["one"]
        assert names(Filter(tag="in")) == []
        assert names(text="zwx") == ["two"]
        assert names(text="ANI") == ["one"]  # the beginning of a word will do
        assert names(text="vivid") == [HOSTILE, "one", "two"]
        assert names(text='one" or "two') == []
        assert names(text="script drop") == [HOSTILE]
        assert names(text="(*^") == names()
        assert [c.name for c in catalog.cards(limit=1, offset=1)] == ["one"]


def test_a_missing_entry_is_said_with_names_spelled_alike(path: Path) -> None:
    with Catalog.open(path, create=True) as catalog:
        catalog.add(entry("vivid-50"))
        for ask in (catalog.entry, catalog.remove, catalog.thumbnails):
            with pytest.raises(UsageError, match=r"no model vivid-5; there is vivid-50\."):
                ask("vivid-5")


def test_removing_leaves_nothing_behind(path: Path) -> None:
    with Catalog.open(path, create=True) as catalog:
        catalog.add(entry("a", tags=("t",)), [PICTURE])
        catalog.remove("a")
        assert (catalog.count(), catalog.count(text="a"), catalog.verify()) == (0, 0, [])
    with sqlite3.connect(path) as database:
        for table in ("tags", "thumbnails", "models"):
            query = f"select count(*) from {table}"
            assert database.execute(query).fetchone() == (0,)
    database.close()


def test_changes_made_together_are_all_made_or_none(path: Path) -> None:
    with Catalog.open(path, create=True) as catalog:
        with pytest.raises(UsageError), catalog.together():  # noqa: PT012
            catalog.add(entry("a"))
            catalog.remove("none")
        assert catalog.count() == 0
        with catalog.together():
            catalog.add(entry("a"))
            catalog.add(entry("b"))
        assert catalog.count() == 2


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("explanation", "{}", "not a FineXL explanation"),
        ("vector", b"\0" * 32, "vector"),
        ("encoder", "other@1", "listed"),
        ("metadata", '{"licence": "MIT"}', "not what was added"),
        ("name", "b", "explanation is of a"),
    ],
)
def test_verify_finds_what_was_changed_behind_its_back(
    path: Path, column: str, value: object, words: str
) -> None:
    with Catalog.open(path, create=True) as catalog:
        catalog.add(entry("a"))
    with sqlite3.connect(path) as database:
        database.execute(f"update models set {column} = ?", (value,))
    database.close()
    with Catalog.open(path) as catalog:
        (fault,) = catalog.verify()
        assert words in fault


def test_a_catalog_damaged_inside_is_told_in_a_sentence(path: Path) -> None:
    with Catalog.open(path, create=True) as catalog:
        for i in range(60):
            catalog.add(entry(f"model {i}", i))
    whole = bytearray(path.read_bytes())
    whole[8_192:] = b"\xaa" * (len(whole) - 8_192)  # the schema is still there
    path.write_bytes(whole)
    with Catalog.open(path) as catalog:
        faults = catalog.verify()
    assert any("malformed" in fault or "SQLite" in fault for fault in faults)
    with pytest.raises(FinexlError, match=r"is damaged: .*verify"), Catalog.open(path) as catalog:
        list(catalog.entries())


def test_a_full_disk_is_told_in_a_sentence_and_nothing_is_half_added(path: Path) -> None:
    with Catalog.open(path, create=True) as catalog:
        catalog.add(entry("a"))

    def fill() -> None:
        with Catalog.open(path) as catalog:
            (pages,) = catalog._database.execute("pragma page_count").fetchone()
            catalog._database.execute(f"pragma max_page_count = {pages}")  # as on a full disk
            with catalog.together():
                for i in range(100):
                    catalog.add(entry(f"model {i}", i))

    with pytest.raises(FinexlError, match="cannot be read or written: database or disk is full"):
        fill()
    with Catalog.open(path) as catalog:
        assert catalog.count() == 1
        assert catalog.verify() == []


def test_a_vector_of_another_size_is_refused_before_it_mixes_up_all_models(path: Path) -> None:
    right, d = entry("a"), len(entry("a").explanation.divergence.vector)
    with Catalog.open(path, create=True) as catalog:
        catalog.add(right)
        for size in (0, d // 2, 2 * d):
            V = np.ones(size, np.float32)
            divergence = replace(right.explanation.divergence, vector=V, pairs=None)
            wrong = replace(right.explanation, name="b", divergence=divergence)
            with pytest.raises(UsageError, match=f"b has {size} numbers"):
                catalog.add(Entry(wrong))
        assert catalog.count() == 1
    with sqlite3.connect(path) as database:
        database.execute(
            "insert into models select 7, 'z', digest, base, family, licence, card, metadata, "
            "explanation, encoder, zeroblob(8), added from models"
        )
    database.close()
    with Catalog.open(path) as catalog, pytest.raises(FinexlError, match="different sizes"):
        mirror_of(catalog)


@pytest.mark.parametrize("name", ["", "n" * 501])
def test_a_name_that_cannot_be_listed_is_refused(path: Path, name: str) -> None:
    explanation = replace(entry("a").explanation, name=name)
    with Catalog.open(path, create=True) as catalog:
        with pytest.raises(UsageError, match="1 to 500 characters"):
            catalog.add(Entry(explanation))
        assert catalog.count() == 0


def test_an_export_never_takes_the_place_of_a_catalog(path: Path, tmp_path: Path) -> None:
    with Catalog.open(path, create=True) as catalog:
        catalog.add(entry("a"))
        link = tmp_path / "link.jsonl"
        link.symlink_to(path)
        for to in (path, link, path.with_name(path.name + ".vectors"), tmp_path / "e"):
            with pytest.raises(UsageError, match=r"neither in|itself"):
                export_to(catalog, to)
    with Catalog.open(path) as catalog:
        assert catalog.verify() == []


def test_what_is_no_catalog_is_left_alone(tmp_path: Path, path: Path) -> None:
    with pytest.raises(UsageError, match="no catalog"):
        Catalog.open(path)
    with pytest.raises(UsageError, match="no folder"):
        Catalog.open(tmp_path / "none" / "c.db", create=True)
    path.write_text("something else entirely, and long enough to be no database header")
    with pytest.raises(UsageError, match="no catalog, or is damaged"):
        Catalog.open(path, create=True)
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as database:
        database.execute("create table mine (x)")
    database.close()
    before = other.read_bytes()
    with pytest.raises(UsageError, match="something else"):
        Catalog.open(other, create=True)
    assert other.read_bytes() == before


def test_a_later_schema_is_refused(path: Path) -> None:
    Catalog.open(path, create=True).close()
    with sqlite3.connect(path) as database:
        database.execute(f"pragma user_version = {VERSION + 1}")
    database.close()
    with pytest.raises(UsageError, match=f"reads up to {VERSION}"):
        Catalog.open(path)


def _write(path: Path, first: int, count: int) -> None:
    with Catalog.open(path, create=True) as catalog:
        for i in range(first, first + count):
            catalog.add(entry(f"model {i}", i))


def test_processes_that_write_at_once_lose_nothing(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(path, 40 * i, 40)) for i in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    with Catalog.open(path) as catalog:
        assert catalog.count() == 120
        assert catalog.verify() == []


def test_a_catalog_whose_writer_is_killed_is_whole(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    for _ in range(3):
        writer = context.Process(target=_write, args=(path, 0, 100_000))
        writer.start()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if path.exists() and path.stat().st_size and _count(path) > 5:
                break
            time.sleep(0.01)
        assert writer.pid is not None
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        with Catalog.open(path) as catalog:
            assert catalog.count() > 5
            assert catalog.verify() == []


def _count(path: Path) -> int:
    try:
        with Catalog.open(path) as catalog:
            return catalog.count()
    except FinexlError:  # not yet made
        return 0


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_entries_go_from_one_catalog_into_another(path: Path, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"entries.{suffix}"
    with Catalog.open(path, create=True) as catalog:
        catalog.add(entry("a", 1, tags=("t",), header={"k": "v"}), [PICTURE])
        catalog.add(entry(HOSTILE, 2, base="sdxl"))
        assert export_to(catalog, file) == 2
        only = tmp_path / f"only.{suffix}"
        assert export_to(catalog, only, Filter(base="sdxl")) == 1
        given = {e.name: e for e in catalog.entries()}
    with Catalog.open(tmp_path / "second.db", create=True) as second:
        assert add_all(second, import_from(file))["added"] == 2
        assert {e.name: e for e in second.entries()} == given
        assert second.thumbnails("a") == (PICTURE,)
        assert add_all(second, import_from(file))["unchanged"] == 2
        assert second.verify() == []
        again = tmp_path / f"again.{suffix}"
        export_to(second, again)
        if suffix == "jsonl":
            assert again.read_bytes() == file.read_bytes()


@pytest.mark.parametrize("pair", [-1, 10**30])
def test_a_thumbnail_of_no_pair_is_refused(path: Path, tmp_path: Path, pair: int) -> None:
    file = tmp_path / "e.jsonl"
    with Catalog.open(path, create=True) as catalog:
        catalog.add(entry("a"), [PICTURE])
        export_to(catalog, file)
    file.write_text(file.read_text().replace('"pair": 0', f'"pair": {pair}'))
    with pytest.raises(UsageError, match=f"line 1 is no entry: .*{pair}"):
        list(import_from(file))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 2"),
        ("[]", "line 2"),
        ('{"schema": "other"}', "schema 'other'"),
        ('{"schema": "finexl.entry/1"}', "explanation"),
        ('{"schema": "finexl.entry/1", "explanation": null}', "line 2 is no entry: This is not"),
    ],
)
def test_a_damaged_line_is_named_and_nothing_of_its_batch_is_added(
    path: Path, tmp_path: Path, line: str, words: str
) -> None:
    file = tmp_path / "e.jsonl"
    with Catalog.open(path, create=True) as catalog:
        catalog.add(entry("a"))
        export_to(catalog, file)
    file.write_text(file.read_text() + line + "\n")
    with Catalog.open(tmp_path / "b.db", create=True) as second:
        with pytest.raises(UsageError, match=words):
            add_all(second, import_from(file))
        assert second.count() == 0


def test_a_lora_says_what_it_is_without_its_weights_being_loaded(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    file = tmp_path / "x.safetensors"
    said = {
        "modelspec.trigger_phrase": "sks style, zwx",
        "modelspec.license": "MIT",
        "modelspec.tags": '["ink", "anime", "ink"]',
        "ss_base_model_version": "sdxl_base_v1-0",
        "ss_tag_frequency": "x" * 10_000,
    }
    name = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight"
    save_file({name: np.zeros((4, 2048), np.float32)}, file, said)
    found = metadata_of(str(file))
    assert (found.family, found.licence, found.base) == ("SDXL", "MIT", "sdxl_base_v1-0")
    assert (found.trigger_words, found.tags) == (("sks style", "zwx"), ("ink", "anime"))
    assert len(found.header["ss_tag_frequency"]) == 2001
    other = metadata_of(f"lora:{tmp_path}+{file}@0.5")
    assert (other.base, other.family) == (str(tmp_path), "SDXL")


def test_the_same_name_in_another_state_replaces(path: Path) -> None:
    with Catalog.open(path, create=True) as catalog:
        first = entry("a", 1)
        catalog.add(first)
        assert catalog.add(replace(first, metadata=Metadata(licence="MIT"))) == "replaced"
        assert catalog.entry("a").metadata.licence == "MIT"
        assert catalog.count() == 1
