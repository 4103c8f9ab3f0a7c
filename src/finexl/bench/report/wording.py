"""The phrases that both reports of results share, and how numbers and names are written."""

from __future__ import annotations

import re

from finexl.bench.report.published import Published
from finexl.report.numbers import UNDEFINED, count
from finexl.report.wording import plain

READING = (
    "Numbers are means over trials, each the mean of its seeds, with the 95 % interval over trials "
    "in brackets.",
    "“Error −40 %” is an error 40 % smaller than the best baseline’s, + a larger one; of what is "
    "better higher, the error is what is missing to 1.",
    "The best of a column is bold.",
    "Rows that begin with FineXL are ours, all others are baselines.",
)


def shown_command(text: str) -> str:
    """Return a command on one line; empty where it could be read as a document's own marks."""
    found = plain(text).strip()
    return "" if "<!--" in found or "-->" in found else found


def figures(published: Published) -> list[tuple[str, ...]]:
    """Return the rows of one of the paper's tables, as it writes them."""
    return [
        (name, *(_figure(value, published.decimals) for value in values))
        for name, values in published.rows
    ]


def _figure(value: float | None, decimals: int | None) -> str:
    if value is None:
        return UNDEFINED
    return f"{value:g}" if decimals is None else f"{value:.{decimals}f}"


def signed(value: float, decimals: int) -> str:
    """Return a number with a true minus sign, and none before zeros."""
    text = f"{value:.{decimals}f}"
    return text.replace("-", "−") if text.strip("-0.") else text.removeprefix("-")


def counted(n: int, noun: str) -> str:
    """Return how many there are of something."""
    return f"{count(n)} {noun}{'' if n == 1 else 's'}"


def natural(text: str) -> list[tuple[float, str]]:
    """Order "3 levels" before "10 levels"; a sort key."""
    parts = re.split(r"([0-9]+(?:\.[0-9]+)?)", text)
    return [(float(part), "") if n % 2 else (-1.0, part) for n, part in enumerate(parts)]
