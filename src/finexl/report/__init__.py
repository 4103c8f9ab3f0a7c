"""An explanation shown to people: on a terminal, in a model card, as a page.

    render_terminal(explanation, console)           a rich table
    render_markdown(explanation) -> str             a section of a model card
    render_html(explanation, pictures, record, heat) -> str   one self-contained page
    changes(before, after) -> lines                what a correction did
    render_what_if(found) -> str                   what taking an aspect away would do

All three show the same numbers in the same words (`numbers`, `wording`), "–" for an undefined one,
and every name, concept, prompt and warning literally, whatever is in it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from finexl.report.corrections import changes as changes
    from finexl.report.corrections import render_what_if as render_what_if
    from finexl.report.html import PairPictures as PairPictures
    from finexl.report.html import render_html as render_html
    from finexl.report.markdown import render_markdown as render_markdown
    from finexl.report.terminal import render_terminal as render_terminal

__all__ = [
    "PairPictures",
    "changes",
    "render_html",
    "render_markdown",
    "render_terminal",
    "render_what_if",
]

_HOMES = {
    "PairPictures": "html",
    "changes": "corrections",
    "render_html": "html",
    "render_markdown": "markdown",
    "render_terminal": "terminal",
    "render_what_if": "corrections",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:  # sentences need `numbers` alone, and no templates
        raise AttributeError(f"module 'finexl.report' has no attribute {name!r}")
    return getattr(import_module(f"finexl.report.{_HOMES[name]}"), name)
