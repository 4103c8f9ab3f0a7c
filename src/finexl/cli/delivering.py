"""What `finexl explain` hands over: a table, and files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from finexl.cli.output import deliver_json
from finexl.cli.progress import progress_bars

if TYPE_CHECKING:  # imported when the command runs: --help needs none of it
    from finexl.pipeline import Explained
    from finexl.runs import Run


def deliver(
    explained: Explained,
    record: dict[str, Any],
    json: str | None,
    html: Path | None,
    markdown: Path | None,
    quiet: bool,
) -> None:
    """Write the reports that were asked for, and print the table or the JSON."""
    from finexl.files import write_atomic
    from finexl.images import printable

    explanation = explained.explanation
    if json is not None and json != "-":
        write_atomic(Path(json), explanation.to_json())
    if markdown is not None:
        from finexl.report.card import merged, read_card

        write_atomic(markdown, merged(read_card(markdown), explanation))
    if html is not None:
        from finexl.report import render_html

        pictures = explained.pictures if explained.pairs else None
        heat = explained.heat if explained.pairs else None
        write_atomic(html, render_html(explanation, pictures, record, heat))
    if json == "-":
        typer.echo(explanation.to_json(), nl=False)
        return
    if not quiet:
        from rich.console import Console

        from finexl.report import render_terminal

        render_terminal(explanation, Console())
        if html is not None:
            typer.echo(f"\nReport: {printable(str(html))}")


def deliver_what_if(
    explained: Explained,
    asked: dict[str, Any],
    run: Run,
    wish: str,
    json: str | None,
    quiet: bool,
) -> None:
    """Print what is left without an aspect; JSON alone where that is asked for."""
    from finexl.asking import sides_of
    from finexl.report import render_what_if
    from finexl.trying import try_out
    from finexl.undo import what_if

    found = what_if(explained, wish)
    if run.folder is not None:
        settings = sides_of(asked).settings
        with progress_bars(not quiet) as progress:
            tried = try_out(
                explained, found, asked["personalized"], settings, run.folder / "images", progress
            )
        found = replace(found, tried=tried)
    if not deliver_json(found.to_dict(), json) and not quiet:
        typer.echo(render_what_if(found))
