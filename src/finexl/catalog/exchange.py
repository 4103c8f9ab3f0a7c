"""Entries as JSON lines or as a Parquet table: out of one catalog, into another."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from finexl.catalog.entry import EVERY, Entry, Filter, Metadata, Thumbnail
from finexl.catalog.store import Catalog
from finexl.errors import PrerequisiteError, UsageError
from finexl.explanation import Explanation
from finexl.files import replacing

SCHEMA = "finexl.entry/1"
LONGEST_LINE = 64_000_000
"""Bytes of one entry."""
MOST_PAIRS = 2**31
AT_ONCE = 200
"""Entries of one transaction, and of one piece of a table."""
_METADATA: TypeAdapter[Metadata] = TypeAdapter(Metadata)

Exchanged = tuple[Entry, tuple[Thumbnail, ...]]


def export_to(catalog: Catalog, path: Path, where: Filter = EVERY) -> int:
    """Write entries with their thumbnails, in the order of their names; return how many.

    Args:
        catalog: where they are.
        path: ends in .parquet (needs pyarrow) or .jsonl.
        where: which.

    Raises:
        UsageError: another ending: nothing but such a file is ever replaced, no catalog above all.
    """
    if path.suffix not in (".jsonl", ".parquet"):
        raise UsageError(f"{path} ends neither in .jsonl nor in .parquet; give such a name.")
    if path.exists() and path.samefile(catalog.path):
        raise UsageError(f"{path} is the catalog itself; give another file.")
    write = _write_table if path.suffix == ".parquet" else _write_lines
    with catalog.snapshot():
        entries = catalog.entries(where)
        return write(path, (_line(entry, catalog.thumbnails(entry.name)) for entry in entries))


def import_from(path: Path) -> Iterator[Exchanged]:
    """Yield the entries that `export_to` wrote.

    Raises:
        UsageError: no such file, or a line that is none; it says which.
    """
    lines = _read_table(path) if path.suffix == ".parquet" else _read_lines(path)
    for number, line in enumerate(lines, 1):
        yield _entry(line, f"{path}, line {number:,}")


def add_all(catalog: Catalog, entries: Iterable[Exchanged]) -> dict[str, int]:
    """Add entries, some hundred in a transaction; return how many were added, replaced, …"""
    counts = {"added": 0, "replaced": 0, "unchanged": 0}
    batch: list[Exchanged] = []

    def flush() -> None:
        with catalog.together():
            for entry, thumbnails in batch:
                counts[catalog.add(entry, thumbnails)] += 1
        batch.clear()

    for exchanged in entries:
        batch.append(exchanged)
        if len(batch) >= AT_ONCE:
            flush()
    flush()
    return counts


def _line(entry: Entry, thumbnails: tuple[Thumbnail, ...]) -> str:
    pictures = [{**vars(t), "image": base64.b64encode(t.image).decode()} for t in thumbnails]
    data = {
        "schema": SCHEMA,
        "name": entry.name,
        "metadata": asdict(entry.metadata),
        "added": entry.added,
        "explanation": entry.explanation.to_dict(),
        "thumbnails": pictures,
    }
    return json.dumps(data, ensure_ascii=False, allow_nan=False)


def _entry(line: str, where: str) -> Exchanged:
    try:
        data = json.loads(line)
        if data["schema"] != SCHEMA:
            raise ValueError(f"it has schema {data['schema']!r}; this version reads {SCHEMA}")
        explanation = Explanation.from_json(json.dumps(data["explanation"]))
        metadata = _METADATA.validate_json(json.dumps(data["metadata"]))
        thumbnails = tuple(_thumbnail(item) for item in data["thumbnails"])
        return Entry(explanation, metadata, str(data["added"])), thumbnails
    except UsageError as error:
        raise UsageError(f"{where} is no entry: {error}") from error
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise UsageError(f"{where} is no entry: {reason}.") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UsageError(f"{where} is no entry: {error}.") from error


def _thumbnail(item: dict[str, Any]) -> Thumbnail:
    if item["side"] not in ("base", "personalized"):
        raise ValueError(f"a thumbnail has side {item['side']!r}")
    pair = int(item["pair"])
    if not 0 <= pair < MOST_PAIRS:
        raise ValueError(f"a thumbnail is of pair {item['pair']}")
    image = base64.b64decode(item["image"], validate=True)
    if image[:4] != b"RIFF" or image[8:12] != b"WEBP":
        raise ValueError("a thumbnail is no WebP picture")
    return Thumbnail(item["side"], pair, str(item["caption"]), image)


def _read_lines(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            while line := file.readline(LONGEST_LINE + 1):
                if len(line) > LONGEST_LINE:
                    raise UsageError(f"{path} has a line of more than {LONGEST_LINE:,} bytes.")
                if line.strip():
                    yield line.decode("utf-8", "replace")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"{path} cannot be read: {reason}.") from error


def _write_lines(path: Path, lines: Iterable[str]) -> int:
    count = 0
    with replacing(path) as file:
        for line in lines:
            file.write(line.encode() + b"\n")
            count += 1
    return count


def _write_table(path: Path, lines: Iterable[str]) -> int:
    """Write a table: what one filters by in columns of their own, the entry whole in the last."""
    pyarrow, parquet = _parquet()
    texts = ("name", "base", "family", "licence")
    kinds = {"detected": pyarrow.bool_(), "norm": pyarrow.float64(), "entry": pyarrow.string()}
    form = pyarrow.schema([(name, pyarrow.string()) for name in texts] + list(kinds.items()))
    count = 0
    with replacing(path) as file, parquet.ParquetWriter(file, form) as table:
        for some in _batches(lines):
            table.write_batch(pyarrow.RecordBatch.from_pylist([_row(e) for e in some], form))
            count += len(some)
    return count


def _row(line: str) -> dict[str, Any]:
    data = json.loads(line)
    said, divergence = data["metadata"], data["explanation"]["divergence"]
    return {
        "name": data["name"],
        **{key: said[key] for key in ("base", "family", "licence")},
        **{key: divergence[key] for key in ("detected", "norm")},
        "entry": line,
    }


def _batches(lines: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(lines)
    while batch := list(itertools.islice(remaining, AT_ONCE)):
        yield batch


def _read_table(path: Path) -> Iterator[str]:
    pyarrow, parquet = _parquet()
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=AT_ONCE, columns=["entry"]):
                yield from (str(line) for line in batch.column(0).to_pylist())
    except (OSError, pyarrow.ArrowException) as error:
        raise UsageError(f"{path} cannot be read as a table: {error}.") from error


def _parquet() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise PrerequisiteError(
            "Parquet needs pyarrow: pip install pyarrow; or use a name that ends in .jsonl."
        ) from error
    return pyarrow, parquet
