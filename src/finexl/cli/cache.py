"""`finexl cache`."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from finexl.cli.output import DebugOption, JsonOption, deliver


class Part(str, Enum):
    """The choices of --clear."""

    embeddings = "embeddings"
    concepts = "concepts"
    runs = "runs"
    sets = "sets"
    all = "all"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(cache)


def cache(
    clear: Annotated[
        Part | None, typer.Option(help="Forget this part; all of it can be made again.")
    ] = None,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Show what is kept on this machine to save time, and clear it."""
    from finexl import storage

    del debug  # looked for by `main`, which is where errors end
    if clear is not None:
        storage.clear(*(storage.PARTS if clear is Part.all else (clear.value,)))
    parts = storage.usage()
    found = {"folder": str(storage.cache_folder()), "parts": [vars(part) for part in parts]}
    rows = [(part.name, f"{part.entries:,}", _megabytes(part.size)) for part in parts]
    deliver(found, json, ("Kept", "Entries", "MB"), rows, title=str(found["folder"]))


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f}"
