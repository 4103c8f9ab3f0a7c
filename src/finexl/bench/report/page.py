"""What a report of results shows, as texts: Markdown and HTML print the same.

Summary   a page
Section   an experiment, with the paper's figures for the same question
Batch     what was made in one way: the command above, its blocks below
Block     one measure: ours against the best baseline, then every method
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from finexl.bench.report.published import Published
from finexl.bench.results import Result


@dataclass(frozen=True)
class Shown:
    """A cell as text."""

    value: str
    interval: str = ""
    """95 %, over trials; empty for fewer than two."""
    less: str = ""
    """By which part its error is smaller than the best baseline's; ours alone."""
    best: bool = False


@dataclass(frozen=True)
class Row:
    """A row of a table."""

    label: str
    kind: str
    """ "ours", "baseline", "chance", or "counts" (how many trials and seeds)."""
    cells: tuple[Shown, ...]


@dataclass(frozen=True)
class Grid:
    """Every method on a family's columns."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Against:
    """Ours and the best baseline, on one column."""

    column: str
    ours: Shown
    baseline: str
    theirs: Shown
    chance: str
    counts: str


@dataclass(frozen=True)
class Block:
    """One measure."""

    title: str
    ours: str
    """The row that stands for ours below; empty where there is none, or no baseline."""
    chance: str
    """What the chances of `against` are, in their order; empty where there are none."""
    against: tuple[Against, ...]
    verdict: str
    """Where ours is not better than every baseline; empty where there is none."""
    grids: tuple[Grid, ...]


@dataclass(frozen=True)
class Batch:
    """Results that were made in one way."""

    commands: tuple[str, ...]
    note: str
    """What the command leaves out; empty where it was recorded."""
    made: str
    blocks: tuple[Block, ...]
    results: tuple[Result, ...]


@dataclass(frozen=True)
class Section:
    """An experiment."""

    name: str
    asks: str
    batches: tuple[Batch, ...]
    published: tuple[Published, ...]


@dataclass(frozen=True)
class Summary:
    """A page."""

    sections: tuple[Section, ...]
    notes: tuple[str, ...]


def tables_of(summary: Summary) -> dict[str, Any]:
    """Return a page as JSON-like values, without the results that it was made from."""
    sections = tuple(
        replace(section, batches=tuple(replace(batch, results=()) for batch in section.batches))
        for section in summary.sections
    )
    found = asdict(replace(summary, sections=sections))
    for section in found["sections"]:
        for batch in section["batches"]:
            del batch["results"]
    return found
