"""Write docs/cli.md from the commands themselves: python scripts/document_cli.py"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_type_hints

import typer
from typer.models import ArgumentInfo, OptionInfo

from finexl.cli import application

TARGET = Path(__file__).parents[1] / "docs" / "cli.md"
INTRODUCTION = """# The command

Written by `python scripts/document_cli.py`; a test fails when it is out of date.

Results go to stdout, progress to stderr and only on a terminal. Exit codes: 0 done, 2 usage or bad
input, 3 something has to be installed first, 1 anything else. `FINEXL_CACHE` moves the cache.
"""


def document() -> str:
    """Return the page: every command with its arguments and options."""
    return "\n".join([INTRODUCTION, *_sections(application(), "finexl")])


def _sections(app: typer.Typer, name: str) -> Iterator[str]:
    """Yield each command's part, those of groups of commands after the group itself."""
    for command in app.registered_commands:
        if command.callback is not None:
            called = command.name or command.callback.__name__.replace("_", "-")
            yield _section(command.callback, f"{name} {called}")
    for group in app.registered_groups:
        inner = group.typer_instance
        if inner is None:
            continue
        own = inner.registered_callback
        if own is not None and own.callback is not None:
            yield _section(own.callback, f"{name} {group.name}")
        yield from _sections(inner, f"{name} {group.name}")


def _section(command: Callable[..., Any], name: str) -> str:
    hints = get_type_hints(command, include_extras=True)
    rows = [
        _row(name, parameter.default, *get_args(hints[name])[:2])
        for name, parameter in inspect.signature(command).parameters.items()
        if get_args(hints[name])
    ]
    title = f"## `{name}`"
    table = ["| option | what |", "|---|---|", *rows]
    return "\n".join([title, "", inspect.getdoc(command) or "", "", *table, ""])


def _row(name: str, default: Any, kind: Any, info: ArgumentInfo | OptionInfo) -> str:
    written = (info.param_decls or [f"--{name.replace('_', '-')}"])[0]
    if isinstance(info, ArgumentInfo):
        written = str(info.metavar)
    elif kind is not bool:
        written += f" {_values(kind, info)}"
    shown = default.value if isinstance(default, Enum) else default
    silent = shown is None or shown is False or default is inspect.Parameter.empty
    said = "" if silent else f" Default: `{shown}`."
    return f"| `{_cell(written)}` | {_cell(f'{info.help}{said}')} |"


def _values(kind: Any, info: OptionInfo) -> str:
    kind = next((part for part in get_args(kind) if part is not type(None)), kind)
    if inspect.isclass(kind) and issubclass(kind, Enum):
        return "|".join(member.value for member in kind)
    if info.metavar:
        return info.metavar
    return "N" if kind is int else "TEXT"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    TARGET.write_text(document(), encoding="utf-8")
