"""An explanation shown to people: on a terminal, in a model card, as a page.

    render_terminal(explanation, console)           a rich table
    render_markdown(explanation) -> str             a section of a model card
    render_html(explanation, pictures, record, heat) -> str   one self-contained page

All three show the same numbers in the same words (`numbers`, `wording`), "–" for an undefined one,
and every name, concept, prompt and warning literally, whatever is in it.
"""

from __future__ import annotations

from finexl.report.html import PairPictures, render_html
from finexl.report.markdown import render_markdown
from finexl.report.terminal import render_terminal

__all__ = ["PairPictures", "render_html", "render_markdown", "render_terminal"]
