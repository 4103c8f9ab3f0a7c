"""`finexl bench report`: from results to a section of a document, and to a page with plots."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finexl.cli.output import DebugOption, JsonOption, check_json, deliver_json


def report(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE.jsonl ...", help="What `finexl bench run --results` wrote."),
    ],
    markdown: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Write the tables into this document, between the lines "
            "<!-- bench: begin --> and <!-- bench: end -->; a new one is made with them.",
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Write a page with tables and plots.")
    ] = None,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Make the tables of finished experiments; print them where no file is named."""
    from finexl.bench.experiments.registry import EXPERIMENTS
    from finexl.bench.report.findings import read_findings
    from finexl.bench.report.markdown import placed, render_markdown
    from finexl.bench.report.page import tables_of
    from finexl.bench.report.summary import summary_of
    from finexl.files import check_writable, write_atomic

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    check_writable(*(path for path in (markdown, html) if path is not None))
    found = read_findings(files)
    summary = summary_of(found, {one.name: one.asks for one in EXPERIMENTS.values()})
    section = render_markdown(summary)
    if markdown is not None:
        write_atomic(markdown, placed(section, markdown))
    if html is not None:
        from finexl.bench.report.html import render_html

        write_atomic(html, render_html(summary))
    deliver_json({"schema": "finexl.bench-report/1", **tables_of(summary)}, json)
    if markdown is None and html is None and json is None:
        typer.echo(section, nl=False)
