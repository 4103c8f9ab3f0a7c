"""Results as files have them: each with what it was made with, and with what else was found."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finexl.bench.results import SCHEMA, Result
from finexl.errors import UsageError

_TEXTS = ("experiment", "measure", "row", "column", "trial", "settings")
LARGEST = 1e100


@dataclass
class Findings:
    """What some files of results hold, in the order in which it stands there."""

    results: dict[tuple[str, ...], Result] = field(default_factory=dict)
    made_with: dict[tuple[str, ...], Mapping[str, str]] = field(default_factory=dict)
    """By a result's key: versions, machine, and the command where it was recorded."""
    files: dict[tuple[str, ...], str] = field(default_factory=dict)
    """By a result's key: the name of the file it was read from."""
    passed_over: int = 0
    """Lines of another schema, damaged, or cut short."""
    contradicted: int = 0
    """Results that occur again with another value; the last one counts."""

    def add(self, result: Result, made_with: Mapping[str, str], file: str) -> None:
        """Keep a result; one of the same key gives way to it."""
        before = self.results.get(result.key)
        self.contradicted += before is not None and before.value != result.value
        self.results[result.key] = result
        self.made_with[result.key] = made_with
        self.files[result.key] = file


def read_findings(paths: Iterable[Path]) -> Findings:
    """Read files of results; lines that are none are counted and passed over.

    Raises:
        UsageError: a file that is not there or cannot be read.
    """
    found = Findings()
    for path in paths:
        _read_into(found, path)
    return found


def _read_into(found: Findings, path: Path) -> None:
    try:
        with path.open("rb") as lines:
            for line in filter(bytes.strip, lines):
                read = _read(line)
                if read is None:
                    found.passed_over += 1
                else:
                    found.add(*read, path.name.encode("utf-8", "replace").decode())
    except FileNotFoundError as error:
        raise UsageError(
            f"There is no file {path}; `finexl bench run NAME --results {path}` writes it."
        ) from error
    except IsADirectoryError as error:
        raise UsageError(f"{path} is a folder; give its files, as {path}/*.jsonl.") from error
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UsageError(f"{path} cannot be read: {why}.") from error


def _read(line: bytes) -> tuple[Result, Mapping[str, str]] | None:
    """Return a line's result; None where it is none. Nothing in a file is taken at its word."""
    with suppress(ValueError, TypeError, RecursionError, OverflowError):
        row = json.loads(line)
        if not isinstance(row, dict) or row.pop("schema", None) != SCHEMA:
            return None
        made_with = row.pop("made_with", {})
        result = Result(**row)
        if not all(isinstance(getattr(result, name), str) for name in _TEXTS):
            return None
        if not (type(result.seed) is int and isinstance(result.details, dict)):
            return None
        value, seconds = number(result.value), number(result.seconds)
        if value is None or seconds is None or not isinstance(made_with, dict):
            return None
        made = {str(name): text for name, text in made_with.items() if isinstance(text, str)}
        # what no file could be written with again is refused here: lone surrogates
        "".join((*result.key, *made, *made.values())).encode()
        return result, made
    return None


def number(value: Any) -> float | None:
    """Return a JSON number that is finite and of a size that can be squared; else None."""
    # written so that NaN fails it too, and an integer too long for a float does not raise
    return float(value) if type(value) in (int, float) and abs(value) <= LARGEST else None


def numbers(values: Any) -> list[float] | None:
    """Return a JSON list of such numbers; else None."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        return None
    found = [number(value) for value in values]
    return None if None in found else [value for value in found if value is not None]


def table_of_numbers(values: Any) -> list[list[float]] | None:
    """Return a JSON list of lists of numbers, all of one length of at least 1; else None."""
    if not isinstance(values, Sequence) or isinstance(values, str) or not values:
        return None
    rows = [numbers(row) for row in values]
    kept = [row for row in rows if row]
    return kept if len(kept) == len(rows) and len({len(row) for row in kept}) == 1 else None
