"""What experiments found: a line of JSON each, kept as it comes, never computed twice.

A line says what was measured (experiment, column, row, measure), in which trial and with which
seed, the value, and with what it was made (versions, machine, encoder, settings, time).
"""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from finexl._version import __version__
from finexl.bench.measures import range_of
from finexl.bench.scoring import Mean, mean_of
from finexl.files import append_line, check_writable

SCHEMA = "finexl.result/1"
Part = Callable[["Result"], Hashable]


@dataclass(frozen=True)
class Result:
    """One number of one trial."""

    experiment: str
    measure: str
    """What the value is: "rank error", "coordinate accuracy" …"""
    row: str
    """Whose it is: a method."""
    column: str
    """On what: a family of models, and how many levels."""
    trial: str
    """Which of the column's independent trials."""
    seed: int
    value: float
    settings: str
    """Digest of everything else that the value depends on: encoder, parameters, code version."""
    seconds: float = 0.0
    details: Mapping[str, Any] = field(default_factory=dict)
    together: int = 1
    """How many results were found at once with this one: without all of them it counts as none."""

    @property
    def key(self) -> tuple[str, ...]:
        """What it is known by: the same key is not computed again."""
        named = (self.experiment, self.measure, self.row, self.column, self.trial)
        return (*named, str(self.seed), self.settings)


@dataclass
class Results:
    """A file of results, added to as they come; what a kill cut short is left out."""

    path: Path | None
    """None keeps them in memory alone."""
    command: str = ""
    """What makes them, as it is typed; recorded with each."""
    found: dict[tuple[str, ...], Result] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path | None, command: str = "") -> Results:
        """Read what is there.

        Raises:
            UsageError: the file could not be added to.
        """
        results = cls(path, command)
        if path is not None:
            check_writable(path)
            results.found = {result.key: result for result in read_results([path])}
        return results

    def add(self, *results: Result) -> None:
        """Keep results that were found together. One that is no number is refused: that is not 0.

        Raises:
            ValueError: a value is not finite.
        """
        for result in results:
            if not math.isfinite(result.value):
                raise ValueError(f"{result.key} has the value {result.value}")
        for one in results:
            result = replace(one, together=len(results))
            self.found[result.key] = result
            if self.path is not None:
                line = {"schema": SCHEMA, **asdict(result), "made_with": made_with(self.command)}
                append_line(self.path, json.dumps(line, ensure_ascii=False))

    def done(self, experiment: str, settings: str, part: Part) -> set[Hashable]:
        """Return what was found whole, of what a kill may have cut short.

        Args:
            experiment: whose results.
            settings: theirs.
            part: what a result is found together with, by the result.
        """
        groups: dict[Hashable, list[Result]] = {}
        for result in self.found.values():
            if (result.experiment, result.settings) == (experiment, settings):
                groups.setdefault(part(result), []).append(result)
        return {key for key, some in groups.items() if len(some) >= some[0].together}

    def has(self, *key: str) -> bool:
        """Whether this was computed before; see `Result.key`."""
        return tuple(key) in self.found


def read_results(paths: Iterable[Path]) -> list[Result]:
    """Return the results of some files; lines of another schema, or cut short, are passed over."""
    found: dict[tuple[str, ...], Result] = {}
    for path in paths:
        with suppress(FileNotFoundError):
            for line in path.read_bytes().split(b"\n"):
                with suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
                    row = json.loads(line)
                    if row.pop("schema") == SCHEMA:
                        row.pop("made_with", None)
                        result = Result(**row)
                        if math.isfinite(result.value):
                            found[result.key] = result
    return list(found.values())


@dataclass(frozen=True)
class Cell:
    """A table's cell."""

    mean: Mean
    """Over trials, each the mean of its seeds: seeds of one trial are not independent of it."""
    over: frozenset[str]
    """Which trials."""
    seeds: int
    """How many each of them has at least."""

    @property
    def trials(self) -> int:
        """How many trials."""
        return len(self.over)


def cells(results: Sequence[Result]) -> dict[tuple[str, str], Cell]:
    """Return row and column -> what was found there."""
    trials: dict[tuple[str, str], dict[str, list[Result]]] = {}
    for result in results:
        place = trials.setdefault((result.row, result.column), {})
        place.setdefault(result.trial, []).append(result)
    return {
        place: Cell(
            mean_of(
                [sum(r.value for r in some) / len(some) for some in named.values()],
                range_of(next(iter(named.values()))[0].measure),
            ),
            frozenset(named),
            min(len({r.seed for r in some}) for some in named.values()),
        )
        for place, named in trials.items()
    }


def made_with(command: str = "") -> dict[str, str]:
    """Return what results depend on that no setting names."""
    said = {"command": command} if command else {}
    return {
        **said,
        "finexl": __version__,
        "numpy": version("numpy"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }
