"""A comparison on a terminal and in Markdown: the same tables, sentences and notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from finexl.comparing.alike import Alike
from finexl.comparing.compared import Compared
from finexl.comparing.number import Number
from finexl.comparing.series import Series
from finexl.comparing.stacks import Stack
from finexl.report import numbers
from finexl.report.markdown import escape
from finexl.report.wording import plain

if TYPE_CHECKING:  # loaded when something is printed
    from rich.console import Console

HEADING = "## How these models compare (FineXL)"
MOST_PAIRS = 15
_LEGEND = "* significant: q is at most 0.05, over all concepts and models that were looked at."
_NOISY = "A cosine without an interval is of the changes as they are, noise and all."
_POINTS = (
    "Aspects: the mean effect of those that are significant at the end, each the way it ends. "
    "Beside: the length of all other movement. Left: what the concepts leave unexplained. Prompts: "
    "how much of the base's prompt faithfulness is kept."
)
_ASCII = str.maketrans({"–": "-", "−": "-", "“": '"', "”": '"'})


@dataclass(frozen=True)
class Table:
    """Cells of one or two lines under a heading; names in them are on one line already."""

    heading: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def title(compared: Compared) -> str:
    """Say how many models are compared, by what and on what."""
    ground = compared.ground
    prompts = f"on {numbers.count(ground.n)} prompts" if ground.n else "by V_div alone"
    return (
        f"{len(compared.models)} models compared by {compared.by}, {prompts} "
        f"({ground.encoder.name}, {ground.measure.decomposition})"
    )


def tables_of(compared: Compared) -> Iterator[Table]:
    """Yield the tables, the most particular first."""
    if compared.series is not None:
        yield _points(compared.series)
    if compared.stack is not None:
        yield _parts(compared.stack)
    if compared.rows:
        rows = (
            (
                plain(row.concept.text),
                *map(_cell, row.effects if compared.by == "effect" else row.scores),
            )
            for row in compared.rows
        )
        what = "Effect" if compared.by == "effect" else "Score"
        yield Table(
            f"{what} of each concept, with 95 % intervals",
            ("Concept", *map(plain, compared.models)),
            tuple(rows),
            _LEGEND if compared.ground.testable else "",
        )
    shown = compared.pairs[:MOST_PAIRS]
    left = len(compared.pairs) - len(shown)
    noisy = any(pair.cosine is not None and pair.ci is None for pair in shown)
    notes = [f"And {left:,} pairs more."] * bool(left) + [_NOISY] * noisy
    yield Table(
        "How alike they are as wholes",
        ("Models", "Cosine", "Differ by at most", "q", ""),
        tuple(map(_alike, shown)),
        " ".join(notes),
    )


def render_markdown(compared: Compared) -> str:
    """Return the section, ending in a newline; every name in it is shown literally."""
    blocks = [HEADING, escape(title(compared)) + "."]
    blocks += [
        "\n".join(f"- {escape(sentence)}" for sentence in compared.sentences),
        *(_markdown(table) for table in tables_of(compared)),
        *(f"> **Note:** {escape(warning)}" for warning in compared.warnings),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def render_terminal(compared: Compared, console: Console) -> None:
    """Print the comparison; no markup, emoji code or control character in a name acts."""
    from rich.table import Table as Grid
    from rich.text import Text

    def text(written: str, style: str = "") -> Text:
        shown = "\n".join(map(plain, written.split("\n")))
        if console.options.ascii_only:
            shown = shown.translate(_ASCII)
        return Text(shown.encode(console.encoding, "replace").decode(console.encoding), style)

    console.print(text(title(compared), "bold"))
    for table in tables_of(compared):
        grid = Grid(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        for i, name in enumerate(table.header):
            grid.add_column(text(name), justify="right" if i else "left", overflow="fold")
        for row in table.rows:
            grid.add_row(*map(text, row))
        console.print()
        console.print(text(table.heading, "bold"))
        console.print(grid)
        if table.note:
            console.print(text(table.note, "dim"))
    console.print()
    for sentence in compared.sentences:
        console.print(text(plain(sentence)), highlight=False)
    if compared.warnings:
        console.print()
    for warning in compared.warnings:
        console.print(text(plain(f"Note: {warning}"), "yellow"), highlight=False)


def _points(series: Series) -> Table:
    rows = (
        (
            f"{p.at:g}",
            plain(p.model),
            {True: "yes", False: "no", None: numbers.UNDEFINED}[p.detected],
            *map(_cell, (p.aspects, p.beside)),
            *map(_part, (p.unexplained, p.faithfulness)),
        )
        for p in series.points
    )
    header = (series.kind.capitalize(), "Model", "Detected", "Aspects", "Beside", "Left", "Prompts")
    return Table(f"Over its {series.kind}s", header, tuple(rows), _POINTS)


def _parts(stack: Stack) -> Table:
    parts = (*stack.parts, stack.rest)
    rows: list[tuple[str, ...]] = [
        (plain(concept.text), *(_cell(part.effects[k]) for part in parts))
        for k, concept in enumerate(stack.concepts)
    ]
    rows.append(("part of the whole's length", *(_part(part.share) for part in parts)))
    return Table(
        f"What each part of {plain(stack.name)} contributes",
        ("Concept", *(plain(part.name) for part in parts)),
        tuple(rows),
        _LEGEND,
    )


def _alike(pair: Alike) -> tuple[str, ...]:
    cosine = None if pair.cosine is None else Number(pair.cosine, pair.ci)
    most, q = numbers.percent(pair.at_most), numbers.p_value(pair.q_value)
    return (" – ".join(map(plain, pair.models)), _cell(cosine), most, q, pair.verdict)


def _cell(number: Number | None) -> str:
    if number is None:
        return numbers.UNDEFINED
    value = numbers.score(number.value) + (" *" if number.significant else "")
    return value if number.ci is None else f"{value}\n{numbers.interval(number.ci)}"


def _part(number: Number | None) -> str:
    if number is None:
        return numbers.UNDEFINED
    value = numbers.percent(number.value) + (" *" if number.significant else "")
    if number.ci is None:
        return value
    low, high = (numbers.percent(end).removesuffix(" %") for end in number.ci)
    return f"{value}\n{low} to {high} %"


def _markdown(table: Table) -> str:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join('<br>'.join(map(escape, cell.split(chr(10)))) for cell in cells)} |"

    rule = f"| {' | '.join(['---', *['---:'] * (len(table.header) - 1)])} |"
    rows = [line(table.header), rule, *map(line, table.rows)]
    note = f"\n\n{escape(table.note)}" if table.note else ""
    return f"### {escape(table.heading)}\n\n" + "\n".join(rows) + note
