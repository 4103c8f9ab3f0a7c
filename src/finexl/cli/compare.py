"""`finexl compare M1 M2 ...`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from finexl.cli.output import DebugOption, JsonOption, check_json, deliver_json


class By(str, Enum):
    """The choices of --by."""

    effect = "effect"
    score = "score"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(compare)


def compare(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...",
            help="An explanation's JSON, a run's folder, or with --catalog a model's name.",
        ),
    ],
    catalog: Annotated[
        Path | None,
        typer.Option(envvar="FINEXL_CATALOG", metavar="FILE", help="The catalog with the names."),
    ] = None,
    by: Annotated[
        By,
        typer.Option(
            help="What a concept alone would show, or its part beside the others, refitted on the "
            "same concepts for all."
        ),
    ] = By.effect,
    concepts: Annotated[
        str | None,
        typer.Option(
            metavar="A,B|FILE", help="Concepts to compare by in any case; a file has one a line."
        ),
    ] = None,
    top: Annotated[
        int, typer.Option(min=0, metavar="N", help="The most concepts beside those; 0: none.")
    ] = 8,
    without: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART=MODEL",
            help="MODEL is the one model named, a stack of LoRAs, without this part; may be given "
            "again.",
        ),
    ] = None,
    steps: Annotated[
        str | None,
        typer.Option(
            metavar="100,200|names",
            help="The models are checkpoints after these steps, or after those that their names "
            "end in.",
        ),
    ] = None,
    strengths: Annotated[
        str | None,
        typer.Option(
            metavar="0.5,1|names", help="The models are one LoRA at these strengths, likewise."
        ),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, metavar="PART", help="How much prompt faithfulness may be lost."
        ),
    ] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="Of the tests.")] = 0,
    json: JsonOption = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Write a section for a model card.")
    ] = None,
    debug: DebugOption = False,
) -> None:
    """Compare explained models: aspects, certain differences, duplicates, checkpoints, stacks."""
    from finexl.comparing.asked import Asked, compare_models
    from finexl.comparing.tables import render_markdown, render_terminal
    from finexl.files import check_writable, write_atomic

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    check_writable(*(path for path in (markdown,) if path is not None))
    found = compare_models(
        models,
        Asked(
            by.value,
            concepts or "",
            top,
            tuple(without or ()),
            steps,
            strengths,
            tolerance,
            seed,
            catalog,
        ),
    )
    if markdown is not None:
        write_atomic(markdown, render_markdown(found))
    if not deliver_json(found.to_dict(), json):
        from rich.console import Console

        render_terminal(found, Console())
