"""Work that leaves a file for each time it is done: what tests of executors count."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finexl.errors import PrerequisiteError, UsageError
from finexl.executor import Task


@dataclass(frozen=True)
class Asked:
    """A number to be squared, and what goes wrong."""

    number: int
    folder: Path
    """Takes a file for each attempt."""
    fault: str = ""
    times: int = 0
    """How often the fault happens."""
    seconds: float = 0.0


def square(asked: Asked) -> int:
    before = len(list(asked.folder.glob(f"{asked.number}.*")))
    mark = f"{asked.number}.{time.monotonic_ns()}.{os.getppid()}.{os.getpid()}"
    (asked.folder / mark).touch()
    time.sleep(asked.seconds)
    if before < asked.times:
        if asked.fault == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if asked.fault == "usage":
            raise UsageError("This cannot work.")
        if asked.fault == "prerequisite":
            raise PrerequisiteError("Install that.")
        raise RuntimeError(f"attempt {before + 1} failed")
    return asked.number**2


def tasks(folder: Path, numbers: int, **of: Any) -> list[Task]:
    """Return tasks 0, 1, 2, ...; `of` says by "n3" how task 3 differs."""
    common = {key: value for key, value in of.items() if not key.startswith("n")}
    return [
        Task(f"digest {n}", f"number {n}", Asked(n, folder, **{**common, **of.get(f"n{n}", {})}))
        for n in range(numbers)
    ]


def attempts(folder: Path) -> Counter[int]:
    """Return how often each number was squared, or tried to be."""
    return Counter(int(path.name.partition(".")[0]) for path in folder.iterdir())


def threads(_: object) -> dict[str, str]:
    """Return what a worker is told about its processor threads."""
    return {name: value for name, value in os.environ.items() if name.endswith("_NUM_THREADS")}


def devices(seconds: float) -> dict[str, Any]:
    """Return which GPU a worker was given, and when it was there."""
    begun = time.monotonic()
    time.sleep(seconds)
    return {
        "device": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "begun": begun,
        "ended": time.monotonic(),
        "process": os.getpid(),
    }
