"""The command `finexl`: options in, reports out; no logic of its own."""

from __future__ import annotations

import logging
import sys

import typer

from finexl._version import __version__
from finexl.errors import FinexlError

app = typer.Typer(
    name="finexl",
    help="Says in words, with numbers and uncertainty, what personalizing an image generator "
    "changed.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"finexl {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    del version


def application() -> typer.Typer:
    """Return the command with all that it can do."""
    from finexl.cli import (
        bench,
        cache,
        card,
        catalog,
        compare,
        encoders,
        explain,
        many,
        personalize,
        serve,
        viper,
    )

    if not app.registered_commands:
        commands = (explain, many, compare, catalog, serve, viper, card, personalize)
        for command in (*commands, encoders, cache, bench):
            command.register(app)
    return app


def main() -> None:
    """Run the command and end the process with its exit code.

    0 done, 2 usage or bad input, 3 something has to be installed first, 1 anything else. A user's
    mistake is one sentence; `--debug` shows where it was found.
    """
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    debug = "--debug" in sys.argv
    try:
        application()()
    except FinexlError as error:
        if debug:
            raise
        typer.echo(f"finexl: {_printable(error)}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        if debug:
            raise
        typer.echo(f"finexl: {_printable(error)}; nothing more could be written or read.", err=True)
        sys.exit(1)
    except Exception as error:  # a fault of ours, and still no traceback unasked
        if debug:
            raise
        kind = type(error).__name__
        typer.echo(
            f"finexl: internal error ({kind}: {_printable(error)}); run with --debug to see it.",
            err=True,
        )
        sys.exit(1)


def _printable(error: Exception) -> str:
    """Return the message without what would control a terminal: names of files are in it."""
    from finexl.images import printable

    return printable(str(error))
