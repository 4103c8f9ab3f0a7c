"""How commands print tables: for people, or as JSON for other tools."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

JsonOption = Annotated[
    str | None,
    typer.Option(metavar="PATH|-", help="Write the result as JSON; - prints it alone."),
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show where an error was found.")]
"""Looked for by `main`, which is where errors end."""


def check_json(to: str | None) -> None:
    """Say now, before the work, what would keep the JSON from being written after it.

    Raises:
        UsageError: a path that cannot be written.
    """
    from finexl.files import check_writable

    if to not in (None, "-"):
        check_writable(Path(str(to)))


def deliver_json(found: Mapping[str, object], to: str | None) -> bool:
    """Write JSON to a file, or print it alone ("-"): then nothing else is to be printed."""
    from finexl.files import write_atomic

    text = json.dumps(found, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    if to == "-":
        typer.echo(text, nl=False)
        return True
    if to is not None:
        write_atomic(Path(to), text)
    return False


def deliver(
    found: Mapping[str, object],
    to: str | None,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    title: str = "",
) -> None:
    """Print a table; or, asked for JSON, write that to a file or print it alone ("-")."""
    if deliver_json(found, to):
        return
    from rich.console import Console
    from rich.table import Table

    from finexl.images import printable

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, name in enumerate(header):
        numeric = column > 0 and all(row[column][:1].isdigit() for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(printable(cell) for cell in row))
    console = Console(markup=False, highlight=False)
    if title:
        console.print(printable(title))
    console.print(table)
