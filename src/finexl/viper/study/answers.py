"""What people handed back: `finexl.answers/1`, one file a person, nothing in it taken at its word.

    {"schema": "finexl.answers/1", "study": ID, "page": PAGE, "rankings": [[3, 0], [], ...]}

A ranking has the places of the pictures as they were shown, the best first, those that the person
does not care about left out; there is one for each prompt, in the page's order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from finexl.errors import UsageError
from finexl.images import printable
from finexl.viper.study.design import Person, Study

SCHEMA = "finexl.answers/1"
MOST_BYTES = 1_000_000


@dataclass(frozen=True)
class _File:
    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    study: str
    page: str
    rankings: tuple[tuple[int, ...], ...]
    schema: Literal["finexl.answers/1"] = field(default="finexl.answers/1")


_ADAPTER: TypeAdapter[_File] = TypeAdapter(_File)


@dataclass(frozen=True)
class Answered:
    """One person's rankings, in their trials' order; an empty one: nothing was cared about."""

    person: Person
    rankings: tuple[tuple[int, ...], ...]

    @property
    def ranked(self) -> int:
        """Of how many prompts something was ranked."""
        return sum(bool(one) for one in self.rankings)


def read_answers(study: Study, paths: Sequence[Path]) -> tuple[list[Answered], list[str]]:
    """Return everybody's rankings in the study's order, and sentences about what is missing.

    Raises:
        UsageError: a file that is no answers of this study, two of one person, or nothing ranked
            by anybody.
    """
    found: dict[str, tuple[Path, Answered]] = {}
    notes = []
    for path in paths:
        answered = _read(study, path)
        name = answered.person.name
        if name in found:
            raise UsageError(
                f"{_shown(found[name][0])} and {_shown(path)} are both answers of {name}; give one."
            )
        found[name] = path, answered
        if not answered.ranked:
            notes.append(f"{_shown(path)}: {name} ranked nothing, and is left out.")
        elif answered.ranked < len(answered.rankings):
            notes.append(
                f"{_shown(path)}: {name} ranked pictures of {answered.ranked} of "
                f"{len(answered.rankings)} prompts; the others are left out."
            )
    missing = [one.name for one in study.people if one.name not in found]
    if missing and found:
        notes.append(f"No answers yet of {', '.join(missing)}.")
    kept = [found[one.name][1] for one in study.people if one.name in found]
    if not any(one.ranked for one in kept):
        raise UsageError("Nobody ranked anything; there is nothing to analyse.")
    return [one for one in kept if one.ranked], notes


def _read(study: Study, path: Path) -> Answered:
    where = _shown(path)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"{where} is larger than a file of answers can be.")
        read = _ADAPTER.validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{where} cannot be read: {(error.strerror or '').lower()}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "JSON"
        raise UsageError(
            f"{where} is no file of answers ({place}: {first['msg']}); give what the page saved."
        ) from error
    if read.study != study.id:
        raise UsageError(f"{where} answers another study ({printable(read.study)[:40]!r}).")
    person = next((one for one in study.people if one.page == read.page), None)
    if person is None:
        raise UsageError(
            f"{where} is of a page ({printable(read.page)[:40]!r}) that this study does not have: "
            "the file was changed, or the study was made anew after the page was sent."
        )
    if len(read.rankings) != len(person.trials):
        raise UsageError(
            f"{where} has {len(read.rankings)} rankings, and {person.name} was asked "
            f"{len(person.trials)}."
        )
    for number, (ranking, trial) in enumerate(zip(read.rankings, person.trials, strict=True), 1):
        size = len(trial.pictures)
        if len(set(ranking)) < len(ranking) or any(not 0 <= one < size for one in ranking):
            raise UsageError(
                f"{where}: ranking {number} names a picture twice, or one that was not shown."
            )
    return Answered(person, read.rankings)


def _shown(path: Path) -> str:
    return printable(str(path))
