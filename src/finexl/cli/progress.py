"""Progress on stderr, and only where that is a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from finexl.embedding import Progress


@contextmanager
def progress_bars(wanted: bool) -> Iterator[Progress]:
    """Yield what reports progress: on stderr, and only where that is a terminal."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    if not wanted or not console.is_terminal:
        yield lambda *_: None
        return
    with Bars(console=console, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(escape(what), total=total)
            bars.update(tasks[what], completed=done)

        yield show


def say(text: str) -> None:
    """Print one line beside the results."""
    typer.echo(text, err=True)
