"""A summary as one HTML file: no script, no request, everything supplied escaped."""

from __future__ import annotations

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from finexl.bench.report import curves, plots
from finexl.bench.report.page import Summary
from finexl.bench.report.published import NOTE
from finexl.bench.report.wording import READING, figures, shown_command
from finexl.report.wording import plain


def render_html(summary: Summary) -> str:
    """Return the page: same summary, same text."""
    page = _environment().get_template("results.html.j2")
    return page.render(
        summary=summary,
        reading=READING,
        note=NOTE,
        figures=figures,
        plots=plots,
        curves=curves,
    )


def _environment() -> Environment:
    environment = Environment(
        # the style is the explanations'
        loader=ChoiceLoader([PackageLoader("finexl.bench.report"), PackageLoader("finexl.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters.update(px=lambda value: f"{value:.2f}", command=shown_command)
    return environment


def _shown(value: object) -> object:
    """Every text that a template prints passes here, before it is escaped."""
    return plain(value) if isinstance(value, str) and type(value) is not Markup else value
