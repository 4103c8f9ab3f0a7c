"""An explanation shown to people: on a terminal, in a model card, as a page.

    render_terminal(explanation, console)           a rich table
    render_markdown(explanation) -> str             a section of a model card
    render_html(explanation, pictures, record, heat) -> str   one self-contained page
    render_fragment(explanation, pictures, heat) -> str   the same inside a notebook
    merged(card, explanation) -> str               a model card with the section and metadata in it
    changes(before, after) -> lines                what a correction did
    render_what_if(found) -> str                   what taking an aspect away would do

All show the same numbers in the same words (`numbers`, `wording`), "–" for an undefined one, and
every name, concept, prompt and warning literally, whatever is in it.

The package is called as well: `finexl.report(explanation)` is `notebook.report`. A module and a
function of one name cannot both be `finexl.report`, so this module is both.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finexl.report.card import merged as merged
    from finexl.report.corrections import changes as changes
    from finexl.report.corrections import render_what_if as render_what_if
    from finexl.report.html import PairPictures as PairPictures
    from finexl.report.html import render_fragment as render_fragment
    from finexl.report.html import render_html as render_html
    from finexl.report.markdown import render_markdown as render_markdown
    from finexl.report.notebook import Report as Report
    from finexl.report.notebook import report as report
    from finexl.report.terminal import render_terminal as render_terminal

__all__ = [
    "PairPictures",
    "Report",
    "changes",
    "merged",
    "render_fragment",
    "render_html",
    "render_markdown",
    "render_terminal",
    "render_what_if",
    "report",
]

_HOMES = {
    "PairPictures": "html",
    "Report": "notebook",
    "changes": "corrections",
    "merged": "card",
    "render_fragment": "html",
    "render_html": "html",
    "render_markdown": "markdown",
    "render_terminal": "terminal",
    "render_what_if": "corrections",
}


class _Called(ModuleType):
    """A module that is a function as well."""

    def __call__(self, *given: Any, **named: Any) -> Report:
        from finexl.report.notebook import report

        return report(*given, **named)


sys.modules[__name__].__class__ = _Called


def __getattr__(name: str) -> object:
    if name == "report":
        return sys.modules[__name__]
    if name not in _HOMES:  # sentences need `numbers` alone, and no templates
        raise AttributeError(f"module 'finexl.report' has no attribute {name!r}")
    return getattr(import_module(f"finexl.report.{_HOMES[name]}"), name)
