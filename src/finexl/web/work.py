"""A job in a process of its own, which says how far it is and can be ended at any time.

Everything it writes goes into a folder that nobody else knows before it is whole.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

from finexl.embedding import Progress
from finexl.errors import FinexlError, UsageError
from finexl.images import Picture
from finexl.runs import Run


class Task(Protocol):
    """What one job does; sent to its process."""

    @property
    def folder(self) -> Path:
        """Takes all that it writes."""
        ...

    def do(self, progress: Progress, final: Path) -> None:
        """Do it.

        Args:
            progress: told of every step: what, how many are done, of how many.
            final: where the folder goes when it is whole.

        Raises:
            FinexlError: it cannot be done; the message is for people.
        """
        ...


def work(task: Task, channel: Connection, final: Path) -> None:
    """Do a task; send a JSON object for every step, and at the end what went wrong or nothing.

    Args:
        task: what is asked.
        channel: takes the steps.
        final: where the folder goes when it is whole.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what is open is tidied up
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's ^C goes to the server, who says
    with suppress(OSError):
        os.nice(5)  # pages come first

    def send(message: Mapping[str, object]) -> None:
        channel.send_bytes(json.dumps(message).encode())

    def progress(what: str, done: int, total: int) -> None:
        send({"stage": what, "done": done, "total": total})

    try:
        task.do(progress, final)
        send({"state": "done"})
    except FinexlError as error:
        send({"state": "failed", "why": str(error)})
    except Exception as error:
        send({"state": "failed", "why": f"An internal error ({type(error).__name__})."})
        raise


def check_inside(pictures: Sequence[Picture], roots: Sequence[Path]) -> None:
    """Refuse pictures whose files lie elsewhere than under these folders, symlinks resolved.

    Raises:
        UsageError: one does.
    """
    for picture in pictures:
        source = picture.source
        if not isinstance(source, Path) or not any(
            source.resolve().is_relative_to(root.resolve()) for root in roots
        ):
            raise UsageError(
                f"{source} points to a file outside the folders that this server may read."
            )


def move_options(run: Run, folder: Path, final: Path) -> None:
    """Let a run's options that name files in a folder name them where it is about to go."""
    record = run.record()
    if record is None:
        return
    options = record["options"]
    moved = {
        key: value.replace(str(folder), str(final), 1)
        for key, value in options.items()
        if isinstance(value, str) and value.startswith(str(folder))
    }
    run.save_record({**record, "options": {**options, **moved}})
