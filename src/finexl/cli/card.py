"""`finexl card`: an explanation in a model card, here or on the Hugging Face hub."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated

import typer

from finexl.cli.output import DebugOption
from finexl.errors import UsageError

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

ExplanationOption = Annotated[
    Path, typer.Option(metavar="FILE", help="What `finexl explain --json` wrote.")
]


def register(root: typer.Typer) -> None:
    """Add the commands to the application."""
    root.add_typer(app, name="card")


@app.callback()
def card() -> None:
    """Put an explanation into a model card: its section, and metadata for the hub."""


@app.command()
def show(explanation: ExplanationOption, debug: DebugOption = False) -> None:
    """Print the section as Markdown, for a job's summary or a comment."""
    from finexl.report import render_markdown
    from finexl.report.card import read_explanation

    del debug  # looked for by `main`, which is where errors end
    typer.echo(render_markdown(read_explanation(explanation)), nl=False)


@app.command()
def put(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The card, README.md; made where there is none.")
    ],
    explanation: ExplanationOption,
    debug: DebugOption = False,
) -> None:
    """Put the section and the metadata into a card, or in the place of those there."""
    from finexl.files import check_writable, write_atomic
    from finexl.images import printable
    from finexl.report.card import merged, read_card, read_explanation

    del debug  # looked for by `main`, which is where errors end
    check_writable(file)
    before = read_card(file)
    after = merged(before, read_explanation(explanation))
    if after != before:
        write_atomic(file, after)
    typer.echo(f"{printable(str(file))} {'says so already' if after == before else 'is written'}.")


@app.command()
def push(
    repo: Annotated[str, typer.Argument(metavar="REPO", help="The model on the hub, owner/name.")],
    explanation: ExplanationOption,
    yes: Annotated[bool, typer.Option("--yes", help="Push without asking.")] = False,
    debug: DebugOption = False,
) -> None:
    """Put it into a card on the hub: show what would change, ask, and push."""
    from finexl.images import printable
    from finexl.report import publishing
    from finexl.report.card import merged, read_explanation

    del debug  # looked for by `main`, which is where errors end
    found = read_explanation(explanation)
    before = publishing.fetch(repo)
    after = merged(before.text, found)
    if after == before.text:
        typer.echo(f"The card of {repo} says so already; nothing was pushed.")
        return
    lines = before.text.splitlines(), after.splitlines()
    for line in difflib.unified_diff(*lines, repo, f"{repo} with the explanation", lineterm=""):
        typer.echo(printable(line))
    if not yes and not _agreed(repo):
        typer.echo("Nothing was pushed.")
        raise typer.Exit(1)
    typer.echo(f"Pushed: {printable(publishing.push(before, after))}")


def _agreed(repo: str) -> bool:
    try:
        return typer.confirm(f"Push this to {repo}?")
    except typer.Abort as error:  # the end of the input, or Ctrl-C
        raise UsageError("Nobody agreed, so that nothing was pushed; --yes agrees.") from error
