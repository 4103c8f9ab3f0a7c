"""Explanations made before: the run folders of this server and of the command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finexl.cache import key_of
from finexl.explanation import Explanation
from finexl.runs import Run

MOST = 200


@dataclass(frozen=True)
class Past:
    """One run that is done."""

    id: str
    folder: Path
    record: dict[str, Any]
    explanation: Explanation

    @property
    def when(self) -> str:
        """The day and time, as people read it."""
        return day_and_time(self.explanation.created)


def day_and_time(created: str) -> str:
    """Return a time in a file, to the second, as people read it: to the minute."""
    return created[:16].replace("T", " ")


def past_runs(runs: Path, roots: Sequence[Path]) -> list[Past]:
    """Return the runs in the runs' folder and directly under the roots, the latest first."""
    folders = sorted(_folders(runs, roots), key=_age, reverse=True)
    found = (_read(folder, runs) for folder in folders[:MOST])
    return [past for past in found if past is not None]


def past_run(id: str, runs: Path, roots: Sequence[Path]) -> Past | None:
    """Return one run by its id; None where there is none, or it is not done."""
    folders = (folder for folder in _folders(runs, roots) if _id(folder, runs) == id)
    folder = next(folders, None)
    return None if folder is None else _read(folder, runs)


def _folders(runs: Path, roots: Sequence[Path]) -> Iterator[Path]:
    for place in dict.fromkeys((runs.resolve(), *(root.resolve() for root in roots))):
        if place.is_dir():
            for folder in place.iterdir():
                hidden = folder.name.startswith(".") or folder.is_symlink()
                if not hidden and (folder / "run.json").is_file():
                    yield folder


def _read(folder: Path, runs: Path) -> Past | None:
    run = Run(folder)
    record, explanation = run.record(), run.explanation()
    if record is None or explanation is None:
        return None
    return Past(_id(folder, runs), folder, record, explanation)


def _id(folder: Path, runs: Path) -> str:
    """Return what a run is known by: nothing of where it is."""
    return folder.name if folder.parent == runs.resolve() else key_of(str(folder))[:16]


def _age(folder: Path) -> float:
    try:
        return (folder / "run.json").stat().st_mtime
    except OSError:  # gone meanwhile
        return 0.0
