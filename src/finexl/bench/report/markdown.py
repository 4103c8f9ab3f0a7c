"""A summary as a section of a Markdown document, between two marks that keep its place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from finexl.bench.report.page import Batch, Block, Grid, Row, Section, Shown, Summary
from finexl.bench.report.published import NOTE, Published
from finexl.bench.report.wording import READING, figures, shown_command
from finexl.errors import UsageError
from finexl.report.markdown import escape

BEGIN = "<!-- bench: begin -->"
END = "<!-- bench: end -->"


def render_markdown(summary: Summary) -> str:
    """Return the section, ending in a newline: same summary, same text. Names stand literally."""
    blocks = [*(escape(note) for note in summary.notes)]
    if summary.sections:
        blocks.append(escape(" ".join(READING)))
    for section in summary.sections:
        blocks += _section(section)
    return "\n\n".join(blocks) + "\n"


def placed(section: str, path: Path) -> str:
    """Return a document's text with the section between its marks; a new one where there is none.

    Raises:
        UsageError: an existing document that is no text, or has not each mark once, in order.
    """
    try:
        # no newlines are translated: what stands around the section stays as it is
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return f"# Results of the experiments\n\n{BEGIN}\n\n{section}\n{END}\n"
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no UTF-8 text; give a Markdown document.") from error
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UsageError(f"{path} cannot be read: {why}.") from error
    counts = text.count(BEGIN), text.count(END)
    if counts != (1, 1) or text.index(BEGIN) > text.index(END):
        raise UsageError(
            f"{path} needs the lines {BEGIN} and {END} once each, in this order, around what is to "
            f"be replaced; it has {counts[0]} and {counts[1]}."
        )
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{section}\n{END}{rest.partition(END)[2]}"


def _section(section: Section) -> Iterable[str]:
    yield f"## {escape(section.name)}"
    if section.asks:
        yield escape(section.asks)
    for batch in section.batches:
        yield from _batch(batch)
    if section.published:
        yield f"### {NOTE}"
        for published in section.published:
            yield from _published(published)


def _batch(batch: Batch) -> Iterable[str]:
    commands = [text for text in map(shown_command, batch.commands) if text]
    if commands:
        fence = "`" * (1 + max(2, *(_ticks(text) for text in commands)))
        yield "\n".join((f"{fence}sh", *commands, fence))
    yield escape(" ".join(filter(None, (batch.note, batch.made))))
    for block in batch.blocks:
        yield from _block(block)


def _ticks(text: str) -> int:
    """Return the length of the longest run of backticks."""
    return max((n for n in range(len(text) + 1) if "`" * n in text), default=0)


def _block(block: Block) -> Iterable[str]:
    yield f"### {escape(block.title)}"
    if block.against:
        chance = f"chance: {block.chance}" if block.chance else "chance"
        header = ("", block.ours, "best baseline", "its score", "error", chance, "trials, seeds")
        rows = [
            (
                escape(one.column),
                _text(one.ours, less=False),
                escape(one.baseline or "–"),
                _text(one.theirs, less=False),
                one.ours.less or "–",
                one.chance or "–",
                one.counts,
            )
            for one in block.against
        ]
        yield _table(header, rows)
    if block.verdict:
        opening, _, rest = escape(block.verdict).partition(". ")
        opening, rest = (f"{opening}.", f" {rest}") if rest else (opening, "")
        yield f"**{opening}**{rest}"
    for grid in block.grids:
        yield from _grid(grid)


def _grid(grid: Grid) -> Iterable[str]:
    if grid.title:
        yield f"#### {escape(grid.title)}"
    yield _table(("", *grid.columns), [_cells(row) for row in grid.rows])


def _cells(row: Row) -> tuple[str, ...]:
    label = escape(row.label)
    if row.kind in ("chance", "counts"):
        label = f"*{label}*"
    return (label, *(_text(cell) for cell in row.cells))


def _text(shown: Shown, *, less: bool = True) -> str:
    value = f"**{shown.value}**" if shown.best else shown.value
    if shown.interval:
        value += f" ({shown.interval})"
    return f"{value}, error {shown.less}" if less and shown.less else value


def _published(published: Published) -> Iterable[str]:
    yield escape(f"{published.source}. {published.caption}.")
    yield _table(
        ("", *published.columns), [[escape(text) for text in row] for row in figures(published)]
    )
    if published.note:
        yield escape(published.note)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table. The header is escaped here; rows are Markdown."""
    lines = [
        [escape(text) for text in header],
        ["---", *("---:" for _ in header[1:])],
        *rows,
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
