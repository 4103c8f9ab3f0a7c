"""Embeddings that were computed before, for every run: one SQLite file, safe for many processes."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finexl.cache import cache_folder

LIMIT = 2_000_000_000
"""Bytes of rows that are kept; `FINEXL_CACHE_LIMIT` sets another number."""
_WAIT = 10.0
_AT_ONCE = 500
_TABLE = """
create table if not exists embeddings (
    encoder text not null, digest text not null, embedding blob not null, used real not null,
    primary key (encoder, digest)
) without rowid
"""
Rows = Mapping[str, NDArray[np.float32]]


def limit_bytes() -> int:
    """Return how large the cache of embeddings may grow."""
    given = os.environ.get("FINEXL_CACHE_LIMIT", "")
    return int(given) if given.isdecimal() else LIMIT


@dataclass(frozen=True)
class RowCache:
    """Rows by encoder and content digest; one that cannot be read or written costs time only."""

    path: Path

    @classmethod
    def default(cls) -> RowCache:
        """Return the user's own."""
        return cls(cache_folder() / "embeddings.sqlite")

    def get(self, encoder: str, digests: Iterable[str], dim: int) -> dict[str, NDArray[np.float32]]:
        """Return the rows (dim,) that are known, by digest, and mark them as used now.

        Args:
            encoder: all that a row depends on beside its picture.
            digests: of the pictures.
            dim: rows of another length are as good as absent.
        """
        wanted = list(dict.fromkeys(digests))
        found: dict[str, NDArray[np.float32]] = {}
        with suppress(OSError, sqlite3.Error), self._opened() as database:
            for start in range(0, len(wanted), _AT_ONCE):
                some = wanted[start : start + _AT_ONCE]
                marks = ",".join("?" * len(some))
                where = f"where encoder = ? and digest in ({marks})"
                query = f"select digest, embedding from embeddings {where}"  # noqa: S608
                for digest, blob in database.execute(query, (encoder, *some)):
                    row = np.frombuffer(blob, dtype="<f4") if len(blob) == 4 * dim else None
                    if row is not None and np.isfinite(row).all():
                        found[digest] = row.astype(np.float32)
                used = f"update embeddings set used = ? {where}"  # noqa: S608
                database.execute(used, (time.time(), encoder, *some))
        return found

    def put(self, encoder: str, rows: Rows) -> None:
        """Keep rows; those used longest ago make room where the cache grows too large."""
        now = time.time()
        kept = [(encoder, d, np.asarray(r, dtype="<f4").tobytes(), now) for d, r in rows.items()]
        with suppress(OSError, sqlite3.Error), self._opened(create=True) as database:
            database.executemany("insert or replace into embeddings values (?, ?, ?, ?)", kept)
            self._shrink(database)

    def usage(self) -> tuple[int, int]:
        """Return how many rows there are, and the file's bytes."""
        count = 0
        with suppress(OSError, sqlite3.Error), self._opened() as database:
            (count,) = database.execute("select count(*) from embeddings").fetchone()
        size = 0
        for file in self.path.parent.glob(f"{self.path.name}*"):  # SQLite's journal is beside it
            with suppress(OSError):
                size += file.stat().st_size
        return count, size

    def clear(self) -> None:
        """Forget all rows."""
        with suppress(OSError, sqlite3.Error), self._opened() as database:
            database.execute("delete from embeddings")
        with suppress(OSError, sqlite3.Error), closing(sqlite3.connect(self.path)) as database:
            database.execute("vacuum")

    def _shrink(self, database: sqlite3.Connection) -> None:
        over = _stored(database) - limit_bytes()
        if over <= 0:
            return
        # a tenth more than needed, so that this is not done again at once
        over += limit_bytes() // 10
        gone: list[tuple[str, str]] = []
        oldest = "select encoder, digest, length(embedding) from embeddings order by used"
        for encoder, digest, size in database.execute(oldest):
            if over <= 0:
                break
            over -= size
            gone.append((encoder, digest))
        database.executemany("delete from embeddings where encoder = ? and digest = ?", gone)

    @contextmanager
    def _opened(self, *, create: bool = False) -> Iterator[sqlite3.Connection]:
        if create:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        elif not self.path.exists():
            raise FileNotFoundError(self.path)
        try:
            database = sqlite3.connect(self.path, timeout=_WAIT)
            with closing(database), database:
                database.execute("pragma journal_mode = wal")
                database.execute(_TABLE)
                yield database
        except sqlite3.DatabaseError as error:
            if "not a database" in str(error) or "malformed" in str(error):
                self.path.unlink(missing_ok=True)  # damaged: as good as absent, and begun anew
            raise


def _stored(database: sqlite3.Connection) -> int:
    pages, free, size = (
        database.execute(f"pragma {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)
