"""What is finished, kept in a folder: each task is done once, however often it is asked for.

    with Ledger.open(folder) as ledger:
        run(tasks, work, on=LocalPool(workers=4), ledger=ledger) -> Iterator[Outcome]

A task is known by the digest of what it asks: what is finished is read, not done again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finexl.errors import UsageError
from finexl.executor import Executor, Outcome, Task, Work
from finexl.files import append_line

DONE, FAILED, LOCK = "done.jsonl", "failed.jsonl", ".lock"


@dataclass
class Ledger:
    """What is finished in a folder, and what the last run set aside; one process at a time.

    done.jsonl      a line each: id, name, value
    failed.jsonl    a line each: name, error, attempts
    """

    folder: Path
    _known: dict[str, Outcome] = field(default_factory=dict)
    """By name."""

    @classmethod
    @contextmanager
    def open(cls, folder: Path) -> Iterator[Ledger]:
        """Read what is there; nobody else may add to it meanwhile.

        Raises:
            UsageError: the folder cannot be written, or another process is at it.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = (folder / LOCK).open("wb")
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise UsageError(f"The folder {folder} cannot be written: {reason}.") from error
        with lock:
            if not _locked(lock.fileno()):
                raise UsageError(
                    f"Another process is writing to {folder}; wait for it, or choose another."
                )
            ledger = cls(folder)
            ledger._read()
            (folder / FAILED).unlink(missing_ok=True)
            yield ledger

    def find(self, task: Task) -> Outcome | None:
        """Return the outcome of a task that is finished."""
        known = self._known.get(task.name)
        return Outcome(task, known.value) if known and known.task.id == task.id else None

    def forget(self, name: str) -> None:
        """Let what is called so be done again."""
        self._known.pop(name, None)

    def add(self, outcome: Outcome) -> None:
        """Keep what is finished."""
        task = outcome.task
        self._known[task.name] = outcome
        self._append(DONE, {"id": task.id, "name": task.name, "value": outcome.value})

    def set_aside(self, name: str, outcome: Outcome) -> None:
        """Keep what failed, under the name that its user gave it."""
        self._append(FAILED, {"name": name, "error": outcome.error, "attempts": outcome.attempts})

    def _append(self, file: str, line: dict[str, Any]) -> None:
        append_line(self.folder / file, json.dumps(line, ensure_ascii=False, allow_nan=False))

    def _read(self) -> None:
        with suppress(FileNotFoundError):
            for line in (self.folder / DONE).read_bytes().split(b"\n"):
                with suppress(ValueError, KeyError, TypeError, RecursionError):  # cut short
                    row = json.loads(line)
                    task = Task(str(row["id"]), str(row["name"]))
                    self._known[task.name] = Outcome(task, row["value"])


def run(
    tasks: Iterable[Task], work: Work, *, on: Executor, ledger: Ledger | None = None
) -> Iterator[Outcome]:
    """Yield every task's outcome: first of those that are finished, then of the others as they end.

    A value is in the ledger before it is yielded; there it has to be JSON.

    Args:
        tasks: those of one digest are done once.
        work: given what a task asks.
        on: where.
        ledger: what is finished.
    """
    fresh: dict[str, Task] = {}
    for task in tasks:
        known = None if ledger is None else ledger.find(task)
        if known is None:
            fresh[task.id] = task
        else:
            yield known
    for outcome in on.outcomes(fresh.values(), work):
        if ledger is not None and outcome.error is None:
            ledger.add(outcome)
        yield outcome


def _locked(file: int) -> bool:
    """Take a lock that ends with this process, however it ends; where there is none, go without."""
    try:
        from fcntl import LOCK_EX, LOCK_NB, flock
    except ImportError:  # Windows
        return True
    try:
        flock(file, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
