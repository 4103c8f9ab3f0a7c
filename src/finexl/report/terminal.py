"""The explanation as a table on a terminal (rich)."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from finexl.explanation import Aspect, Explanation
from finexl.report import numbers, wording

WIDEST_BAR = 24
NARROWEST_BAR = 6
_BESIDE_THE_BAR = 64  # columns that the numbers, and a concept of a dozen letters, need
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_MARKS = {True: "●", False: "○", None: "·"}
_ASCII = str.maketrans({"–": "-", "−": "-", "●": "*", "○": "o", "·": ".", "█": "#"})
_STYLES = {"More of": "cyan", "Less of": "magenta"}


def render_terminal(explanation: Explanation, console: Console) -> None:
    """Print the explanation: headline, verdict, aspects, what is left over, sentences, warnings.

    Everything is printed literally: no markup, emoji code or control character in a name acts.
    A console that cannot write Unicode gets ASCII bars and marks.
    """

    def say(text: str, style: str = "") -> None:
        console.print(Text(_writable(text, console), style=style), highlight=False)

    say(wording.title(explanation), "bold")
    say(wording.compared(explanation), "dim")
    say(wording.verdict(explanation), "bold" if explanation.divergence.detected else "bold dim")
    if wording.groups(explanation):
        console.print()
        console.print(_table(explanation, console), highlight=False)
        say(_legend(explanation), "dim")
    console.print()
    say(wording.unexplained(explanation))
    if explanation.sentences:
        console.print()
        say(" ".join(explanation.sentences))
    if explanation.discovery is not None:
        console.print()
        for sentence in wording.proposed(explanation):
            say(sentence)
    if explanation.warnings:
        console.print()
        for warning in explanation.warnings:
            say(f"Note: {warning}", "yellow")


def _table(explanation: Explanation, console: Console) -> Table:
    width = min(WIDEST_BAR, console.width - _BESIDE_THE_BAR)
    bars = width >= NARROWEST_BAR
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("Aspect", overflow="fold")
    table.add_column("Score", justify="right", no_wrap=True)
    if bars:
        table.add_column("", no_wrap=True, min_width=width)
    for name in ("95 % interval", "Share", "q"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)

    largest = max(abs(a.score) for a in (*explanation.aspects, *explanation.less))
    for heading, aspects in wording.groups(explanation):
        table.add_row(Text(heading, style="bold"))
        for aspect in aspects:
            style = _STYLES[heading] if aspect.significant else "dim"
            bar = [(_bar(aspect.score, largest, width, console), style)] if bars else []
            cells = [(aspect.concept, ""), (numbers.score(aspect.score), ""), *bar]
            cells += [(text, "") for text in _measured(aspect)]
            cells += [(_MARKS[aspect.significant], style)]
            table.add_row(*(Text(_writable(text, console), style=s) for text, s in cells))
    return table


def _measured(aspect: Aspect) -> tuple[str, str, str]:
    interval = numbers.interval(aspect.ci)
    return interval, numbers.percent(aspect.share), numbers.p_value(aspect.q_value)


def _legend(explanation: Explanation) -> str:
    met = {aspect.significant for aspect in (*explanation.aspects, *explanation.less)}
    return "   ".join(
        f"{_MARKS[s]} {words}" for s, words in wording.SIGNIFICANCE.items() if s in met
    )


def _bar(score: float, largest: float, width: int, console: Console) -> str:
    """A bar of |score|, `largest` filling `width` columns; anything above zero leaves a mark."""
    if not score or not largest:
        return ""
    if console.options.ascii_only:
        return "█" * max(1, round(width * abs(score) / largest))
    full, eighths = divmod(max(1, round(8 * width * abs(score) / largest)), 8)
    return "█" * full + _EIGHTHS[eighths].strip()


def _writable(text: str, console: Console) -> str:
    """`text` in the console's encoding: what it cannot write becomes "?" and not an exception."""
    shown = wording.plain(text)
    if console.options.ascii_only:
        shown = shown.translate(_ASCII)
    return shown.encode(console.encoding, "replace").decode(console.encoding)
