"""A catalog: one SQLite file, safe for many processes, whole at any moment.

Every change is one transaction that also counts up `changes`, by which whatever is derived from the
file (`finexl.catalog.mirror`) knows whether it still holds.
"""

from __future__ import annotations

import difflib
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from finexl.answer import created
from finexl.cache import key_of
from finexl.catalog.entry import EVERY, Card, Entry, Filter, Metadata, Thumbnail, card_of
from finexl.catalog.schema import migrate
from finexl.errors import FinexlError, UsageError
from finexl.explanation import Explanation
from finexl.images import printable

Change = Literal["added", "replaced", "unchanged"]

_WAIT = 60.0
"""Seconds to wait while another process writes."""
LONGEST_NAME = 500
_NEAR = 20_000
"""Names that are searched for one that is spelled alike."""
_CARD: TypeAdapter[Card] = TypeAdapter(Card)
_METADATA: TypeAdapter[Metadata] = TypeAdapter(Metadata)


class Catalog:
    """Many explained models; a context manager. One thread at a time."""

    def __init__(self, database: sqlite3.Connection, path: Path) -> None:
        self._database = database
        self.path = path

    @classmethod
    def open(cls, path: Path, *, create: bool = False) -> Catalog:
        """Open a catalog, brought to this version's schema.

        Raises:
            UsageError: no such file (unless `create`), or one that is no catalog of this version.
        """
        if not create and not path.is_file():
            raise UsageError(f"There is no catalog {path}; make one with `finexl catalog add`.")
        if not path.parent.is_dir():
            raise UsageError(f"{path} cannot be made: there is no folder {path.parent}.")
        try:
            database = sqlite3.connect(
                path, timeout=_WAIT, isolation_level=None, check_same_thread=False
            )
        except sqlite3.OperationalError as error:
            raise UsageError(f"{path} cannot be opened: {error}.") from error
        try:
            migrate(database, path)
            database.execute("pragma journal_mode = wal")
            database.execute("pragma synchronous = normal")
            database.execute("pragma foreign_keys = on")
        except sqlite3.OperationalError as error:  # locked, or nothing can be written beside it
            database.close()
            raise UsageError(
                f"{path} cannot be opened: {error}; the file and its folder have to be writable."
            ) from error
        except sqlite3.DatabaseError as error:
            database.close()
            raise UsageError(f"{path} is no catalog, or is damaged: {error}.") from error
        except UsageError:
            database.close()
            raise
        return cls(database, path)

    def __enter__(self) -> Catalog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(sqlite3.Error):
            self.close()
        if isinstance(error, sqlite3.OperationalError):
            raise FinexlError(f"{self.path} cannot be read or written: {error}.") from error
        if isinstance(error, sqlite3.DatabaseError):
            raise FinexlError(
                f"{self.path} is damaged: {error}; `finexl catalog verify` says what is left of it."
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make all changes within it or, if it fails, none."""
        if self._database.in_transaction:
            yield
            return
        try:
            self._database.execute("begin immediate")
        except sqlite3.OperationalError as error:
            raise FinexlError(f"{self.path} cannot be written: {error}.") from error
        try:
            yield
            self._database.execute("commit")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("rollback")
            raise

    def add(self, entry: Entry, thumbnails: Sequence[Thumbnail] = ()) -> Change:
        """Add an entry, in place of the one of the same name if there is one.

        Raises:
            UsageError: it has no name that can be listed, or no V_div of its encoder's size.
        """
        if not 0 < len(entry.name) <= LONGEST_NAME:
            raise UsageError(
                f"A model's name has 1 to {LONGEST_NAME} characters, not {len(entry.name):,}; give "
                "it another with --name."
            )
        explanation = entry.explanation.to_json()
        metadata = _METADATA.dump_json(entry.metadata).decode()
        entry = replace(entry, explanation=Explanation.from_json(explanation))  # digits as kept
        card = card_of(entry)
        digest = key_of(explanation, metadata, *(_key(t) for t in thumbnails))
        row = (
            *(entry.name, digest, card.base, card.family, card.licence),
            *(_CARD.dump_json(card).decode(), metadata, explanation, _encoder(entry.explanation)),
            np.ascontiguousarray(entry.explanation.divergence.vector, "<f4").tobytes(),
            entry.added or created(),
        )
        with self.together():
            before = self._row("select id, digest from models where name = ?", entry.name)
            if before is not None and before[1] == digest:
                return "unchanged"
            if before is not None:
                self._forget(before[0])
            self._check_size(entry.explanation)
            model = self._database.execute(
                "insert into models (name, digest, base, family, licence, card, metadata, "
                "explanation, encoder, vector, added) values (?,?,?,?,?,?,?,?,?,?,?)",
                row,
            ).lastrowid
            self._database.executemany(
                "insert or ignore into tags values (?, ?)", [(model, t) for t in card.tags]
            )
            self._database.executemany(
                "insert into thumbnails values (?, ?, ?, ?, ?)",
                [(model, t.pair, t.side, t.caption, t.image) for t in thumbnails],
            )
            self._database.execute(
                "insert into words (rowid, name, said, found) values (?, ?, ?, ?)",
                (model, *_words(entry)),
            )
            self._count_change()
        return "added" if before is None else "replaced"

    def remove(self, name: str) -> None:
        """Remove an entry.

        Raises:
            UsageError: there is none of this name.
        """
        with self.together():
            self._forget(self._found(name, "id")[0])
            self._count_change()

    def entry(self, name: str) -> Entry:
        """Return the entry of this name.

        Raises:
            UsageError: there is none; names spelled alike are said.
        """
        explanation, metadata, added = self._found(name, "explanation, metadata, added")
        return Entry(Explanation.from_json(explanation), _METADATA.validate_json(metadata), added)

    def find(self, name: str) -> Entry | None:
        """Return the entry of this name, if there is one."""
        found = self._row("select 1 from models where name = ?", name)
        return None if found is None else self.entry(name)

    def thumbnails(self, name: str) -> tuple[Thumbnail, ...]:
        """Return the entry's small pictures, pair by pair, the base's first."""
        (model,) = self._found(name, "id")
        rows = self._database.execute(
            "select side, pair, caption, image from thumbnails where model = ? order by pair, side",
            (model,),
        )
        return tuple(Thumbnail(*row) for row in rows)

    def entries(self, where: Filter = EVERY) -> Iterator[Entry]:
        """Yield the entries in the order of their names."""
        clause, values = _where(where, "")
        names = self._database.execute(
            f"select name from models{clause} order by name",  # noqa: S608
            values,
        )
        for (name,) in names.fetchall():
            yield self.entry(name)

    def cards(
        self, where: Filter = EVERY, *, text: str = "", limit: int = 50, offset: int = 0
    ) -> tuple[Card, ...]:
        """Return entries in the order of their names, as a list shows them.

        Args:
            where: which.
            text: words that must all occur in the name, in what is said of the model or in what
                was found.
            limit: the most entries.
            offset: how many to pass over.
        """
        clause, values = _where(where, text)
        rows = self._database.execute(
            f"select card from models{clause} order by name limit ? offset ?",  # noqa: S608
            (*values, limit, offset),
        )
        return tuple(_CARD.validate_json(card) for (card,) in rows)

    def count(self, where: Filter = EVERY, *, text: str = "") -> int:
        """Return how many entries there are; see `cards`."""
        clause, values = _where(where, text)
        query = f"select count(*) from models{clause}"  # noqa: S608
        return int(self._row(query, *values)[0])

    def ids(self, where: Filter) -> NDArray[np.int64]:
        """Return the row ids of some entries, ascending."""
        clause, values = _where(where, "")
        query = f"select id from models{clause} order by id"  # noqa: S608
        rows = self._database.execute(query, values)
        return np.array([row[0] for row in rows], dtype=np.int64)

    def names(self, ids: Iterable[int]) -> dict[int, str]:
        """Return the names of rows by id, without those that are gone."""
        find = "select id, name from models where id = ?"
        rows = (self._row(find, int(i)) for i in ids)
        return {row[0]: row[1] for row in rows if row is not None}

    def vectors(self) -> Iterator[tuple[str, int, bytes]]:
        """Yield every entry's encoder, row id and V_div (float32), grouped by encoder."""
        yield from self._database.execute(
            "select encoder, id, vector from models order by encoder, id"
        )

    @contextmanager
    def snapshot(self) -> Iterator[str]:
        """Yield what this state of the catalog is known by; reads within see it alone."""
        nested = self._database.in_transaction
        if not nested:
            self._database.execute("begin")
        try:
            rows = self._database.execute("select value from state order by key").fetchall()
            yield "-".join(row[0] for row in rows)
        finally:
            if not nested:
                self._database.execute("rollback")

    def verify(self) -> list[str]:
        """Return what is wrong with the file, a sentence each; nothing where it is whole."""
        found: list[str] = []
        for check in (self._structure, self._belonging, self._contents):
            try:
                found += check()
            except sqlite3.DatabaseError as error:  # noqa: PERF203 - each may be damaged alone
                found.append(f"SQLite: {error}.")
        return list(dict.fromkeys(found))

    def _structure(self) -> Iterator[str]:
        for (found,) in self._database.execute("pragma integrity_check"):
            if found != "ok":
                yield f"SQLite: {found}."

    def _belonging(self) -> Iterator[str]:
        strays = self._database.execute("pragma foreign_key_check").fetchall()
        if strays:
            yield f"{len(strays)} tags or thumbnails belong to no model."
        listed = self._row("select count(*), coalesce(sum(id), 0) from models")
        worded = self._row("select count(*), coalesce(sum(rowid), 0) from words")
        if listed != worded:
            yield "The words for searching do not match the models."

    def _contents(self) -> Iterator[str]:
        for (name,) in self._database.execute("select name from models order by id").fetchall():
            reason = self._doubt(name)
            if reason:
                yield f"{printable(name)}: {reason}."

    def _doubt(self, name: str) -> str:
        """Return what is wrong with an entry; empty where it is whole."""
        try:
            entry = self.entry(name)
        except (UsageError, ValidationError) as error:
            return str(error).rstrip(".")
        except sqlite3.DatabaseError as error:
            return f"it cannot be read ({error})"
        digest, card, vector, encoder = self._found(name, "digest, card, vector, encoder")
        explanation, metadata = entry.explanation.to_json(), _METADATA.dump_json(entry.metadata)
        pictures = [_key(t) for t in self.thumbnails(name)]
        if entry.name != name:
            return f"its explanation is of {printable(entry.name)}"
        if digest != key_of(explanation, metadata.decode(), *pictures):
            return "its contents are not what was added"
        if vector != np.ascontiguousarray(entry.explanation.divergence.vector, "<f4").tobytes():
            return "its vector is not its explanation's"
        if encoder != _encoder(entry.explanation) or _CARD.validate_json(card) != card_of(entry):
            return "what is listed of it is not what was added"
        return ""

    def _row(self, query: str, *values: object) -> Any:
        return self._database.execute(query, values).fetchone()

    def _found(self, name: str, columns: str) -> Any:
        query = f"select {columns} from models where name = ?"  # noqa: S608 - our own columns
        row = self._row(query, name)
        if row is not None:
            return row
        names = self._database.execute("select name from models limit ?", (_NEAR,))
        near = difflib.get_close_matches(name, [row[0] for row in names], 3)
        hint = f"; there is {', '.join(map(printable, near))}" if near else ""
        raise UsageError(f"{self.path} has no model {printable(name)}{hint}.")

    def _forget(self, model: int) -> None:
        self._database.execute("delete from words where rowid = ?", (model,))
        self._database.execute("delete from models where id = ?", (model,))

    def _check_size(self, explanation: Explanation) -> None:
        """Refuse a V_div that cannot be one of its encoder's: all models would get mixed up."""
        size, encoder = len(explanation.divergence.vector), _encoder(explanation)
        other = self._row("select length(vector) from models where encoder = ? limit 1", encoder)
        if size == 0 or (other is not None and other[0] != 4 * size):
            raise UsageError(
                f"V_div of {printable(explanation.name)} has {size:,} numbers, which is not what "
                f"{explanation.encoder.name} gives; explain it anew."
            )

    def _count_change(self) -> None:
        self._database.execute(
            "update state set value = cast(value as integer) + 1 where key = 'changes'"
        )


def _encoder(explanation: Explanation) -> str:
    return f"{explanation.encoder.name}@{explanation.encoder.revision}"


def _key(thumbnail: Thumbnail) -> str:
    """Return what a thumbnail is known by, one text."""
    image = key_of(thumbnail.image.hex())
    return json.dumps([thumbnail.pair, thumbnail.side, thumbnail.caption, image])


def _words(entry: Entry) -> tuple[str, str, str]:
    """Return what words find an entry: its name, what is said of it, and what was found."""
    said, explanation = entry.metadata, entry.explanation
    texts = [said.base, explanation.base.name, said.family, said.licence, said.reference]
    texts += [*said.tags, *said.trigger_words]
    found = [aspect.concept for aspect in (*explanation.aspects, *explanation.less)]
    return entry.name, " ".join(t for t in texts if t), " ".join([*found, *explanation.sentences])


def _where(where: Filter, text: str) -> tuple[str, tuple[str, ...]]:
    """Return the clause for a filter, and its values."""
    asked = {
        "base = ?": where.base,
        "family = ?": where.family,
        "licence = ?": where.licence,
        "id in (select model from tags where tag = ?)": where.tag,
        "id in (select rowid from words where words match ?)": _match(text),
    }
    given = {clause: value for clause, value in asked.items() if value is not None}
    return (f" where {' and '.join(given)}" if given else "", tuple(given.values()))


def _match(text: str) -> str | None:
    """Return FTS5's query for words that must all occur, or begin a word; None for no word."""
    words = re.findall(r"\w+", text)
    return " ".join(f'"{word}"*' for word in words) or None
