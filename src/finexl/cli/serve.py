"""`finexl serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finexl.cli.output import DebugOption


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(serve)


def serve(
    catalog: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The catalog to show and search.")
    ] = None,
    root: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="A folder under which the page may name folders to explain; may be given again. "
            "By default the working directory.",
        ),
    ] = None,
    profiles: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The folder of people's profiles, by default ~/.local/share/finexl/profiles.",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL",
            help="A model that profiles may steer (diffusers:MODEL, lora:BASE+FILE@S); may be "
            "given again.",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="The address to listen on; others than loopback need --token.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port; 0 takes one that is free.")
    ] = 8642,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="FINEXL_TOKEN",
            help="A secret of 16 characters or more that people and programs have to show.",
        ),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    debug: DebugOption = False,
) -> None:
    """Show the catalog, explain, compare, and find what suits you on a local web page."""
    from dataclasses import replace

    from finexl.web.serving import serve as run
    from finexl.web.settings import Settings

    del debug  # looked for by `main`, which is where errors end
    roots = tuple(root) if root else (Path.cwd(),)
    settings = Settings(
        roots=roots, catalog=catalog, host=host, token=token, models=tuple(model or ())
    )
    if profiles is not None:
        settings = replace(settings, profiles=profiles)
    run(settings, port, typer.echo, open_page=open_)
