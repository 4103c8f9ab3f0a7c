"""What this package keeps on a machine to save time, all of which it can make again."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from finexl.cache import cache_folder
from finexl.rowcache import RowCache, limit_bytes

PARTS = ("embeddings", "concepts", "runs")

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
            shutil.rmtree(cache_folder() / name, ignore_errors=True)


def trim() -> None:
    """Delete the concept vectors and default runs made longest ago, as far as there are too many.

    Each kind may take a quarter of what embeddings may, which bound themselves.
    """
    for name in PARTS[1:]:
        entries = sorted(_entries(name), key=_age)
        over = sum(_size(entry) for entry in entries) - limit_bytes() // 4
        for entry in entries[:-1]:  # never the one just made
            if over <= 0:
                break
            over -= _size(entry)
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)


def _entries(name: str) -> list[Path]:
    folder = cache_folder() / name
    return (
        [entry for entry in folder.iterdir() if entry.suffix != ".tmp"] if folder.is_dir() else []
    )


def _size(entry: Path) -> int:
    files = entry.rglob("*") if entry.is_dir() else [entry]
    return sum(file.stat().st_size for file in files if file.is_file())


def _age(entry: Path) -> float:
    return entry.stat().st_mtime if entry.exists() else 0.0
