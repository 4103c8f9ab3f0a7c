"""What this package keeps on a machine to save time, all of which it can make again."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from finexl.cache import cache_folder
from finexl.rowcache import RowCache, limit_bytes

PARTS = ("embeddings", "concepts", "runs", "sets")

__all__ = ["PARTS", "Part", "cache_folder", "clear", "trim", "usage"]


@dataclass(frozen=True)
class Part:
    """One kind of what is kept."""

    name: str
    entries: int
    size: int
    """In bytes."""


def usage() -> list[Part]:
    """Return how much of each kind there is."""
    rows, size = RowCache.default().usage()
    found = [Part("embeddings", rows, size)]
    for name in PARTS[1:]:
        entries = _entries(name)
        found.append(Part(name, len(entries), sum(_size(entry) for entry in entries)))
    return found


def clear(*parts: str) -> None:
    """Forget parts, by name."""
    for name in parts:
        if name == "embeddings":
            RowCache.default().clear()
        else:
            for entry in _entries(name):
                _delete(entry)


def trim() -> None:
    """Delete the concept vectors, default runs and sets made longest ago, as far as too large.

    Each kind may take a quarter of what embeddings may, which bound themselves.
    """
    for name in PARTS[1:]:
        entries = sorted(_entries(name), key=_age)
        over = sum(_size(entry) for entry in entries) - limit_bytes() // 4
        for entry in entries[:-1]:  # never the one just made
            if over <= 0:
                break
            over -= _size(entry)
            _delete(entry)


def _entries(name: str) -> list[Path]:
    folder = cache_folder() / name
    return [entry for entry in folder.iterdir() if _ours(entry)] if folder.is_dir() else []


def _ours(entry: Path) -> bool:
    """Whether this package made it: whatever else lies there is left alone."""
    if entry.suffix == ".safetensors":
        return re.fullmatch("[0-9a-f]{32}", entry.stem) is not None
    listed = (entry / "run.json").is_file() or (entry / "set.json").is_file()
    return re.fullmatch("[0-9a-f]{16}", entry.name) is not None and listed


def _delete(entry: Path) -> None:
    if entry.is_dir():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        with suppress(OSError):
            entry.unlink()


def _size(entry: Path) -> int:
    return sum(map(_bytes, entry.rglob("*") if entry.is_dir() else [entry]))


def _bytes(file: Path) -> int:
    try:
        return file.stat().st_size if file.is_file() else 0
    except OSError:  # another process was quicker
        return 0


def _age(entry: Path) -> float:
    try:
        return entry.stat().st_mtime
    except OSError:
        return 0.0
