"""The catalog's tables, and how a file of an earlier version becomes one of this."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from finexl.errors import UsageError

APPLICATION = 0x46584C43
"""Marks an SQLite file as a catalog ("FXLC")."""

MIGRATIONS = (
    # 1
    """
    create table models (
        id integer primary key,
        name text not null unique,
        digest text not null,          -- of what was added: explanation and metadata
        base text not null,
        family text,
        licence text,
        card text not null,            -- JSON, what a list shows
        metadata text not null,        -- JSON
        explanation text not null,     -- JSON, finexl.explanation/1
        encoder text not null,         -- name and revision: vectors of two are never compared
        vector blob not null,          -- V_div, float32, little-endian
        added text not null
    );
    create index models_by_base on models (base);
    create index models_by_family on models (family);
    create index models_by_encoder on models (encoder);
    create table tags (
        model integer not null references models (id) on delete cascade,
        tag text not null,
        primary key (model, tag)
    ) without rowid;
    create index tags_by_tag on tags (tag);
    create table thumbnails (
        model integer not null references models (id) on delete cascade,
        pair integer not null,
        side text not null,
        caption text not null,
        image blob not null,
        primary key (model, pair, side)
    );
    create virtual table words using fts5 (name, said, found, tokenize = 'unicode61');
    create table state (key text primary key, value text not null) without rowid;
    insert into state values ('identity', lower(hex(randomblob(16)))), ('changes', '0');
    """,
)
VERSION = len(MIGRATIONS)


def migrate(database: sqlite3.Connection, path: Path) -> None:
    """Bring a new or an earlier file to this version, in one transaction each step.

    Raises:
        UsageError: a file of a later version, or of something else.
    """
    if _version(database, path) == VERSION:
        return
    for number, script in enumerate(MIGRATIONS, 1):
        # another process may do the same: whoever comes second finds it done
        database.execute("begin immediate")
        try:
            if _version(database, path) < number:
                for statement in _statements(script):
                    database.execute(statement)
                database.execute(f"pragma user_version = {number}")
                database.execute(f"pragma application_id = {APPLICATION}")
            database.execute("commit")
        except BaseException:
            database.execute("rollback")
            raise


def _version(database: sqlite3.Connection, path: Path) -> int:
    (version,) = database.execute("pragma user_version").fetchone()
    (mark,) = database.execute("pragma application_id").fetchone()
    (tables,) = database.execute("select count(*) from sqlite_master").fetchone()
    if mark != APPLICATION and (version or tables):
        raise UsageError(f"{path} is a database of something else, not a catalog.")
    if version > VERSION:
        raise UsageError(
            f"{path} is a catalog of schema {version}; this version reads up to {VERSION}: "
            "install a later finexl."
        )
    return int(version)


def _statements(script: str) -> list[str]:
    """Return a script's statements: run one by one, they stay within the transaction."""
    found, begun = [], ""
    for line in script.splitlines(keepends=True):
        begun += line
        if sqlite3.complete_statement(begun):
            found.append(begun)
            begun = ""
    return found
