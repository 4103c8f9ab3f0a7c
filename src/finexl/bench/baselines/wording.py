"""Phrases without numbers: each once, and how a method says which of them it found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NOTHING = "No difference found."


def say(more: Sequence[str], less: Sequence[str]) -> str:
    """Return "More: vivid; film grain. Less: muted.", each list strongest first."""
    parts = [f"{head}: {'; '.join(found)}." for head, found in (("More", more), ("Less", less))]
    said = [part for part, found in zip(parts, (more, less), strict=True) if found]
    return " ".join(said) or NOTHING


def distinct(phrases: Iterable[str]) -> list[str]:
    """Return the first of phrases that are equal up to case, in order."""
    first: dict[str, str] = {}
    for phrase in phrases:
        first.setdefault(phrase.casefold(), phrase)
    return list(first.values())
