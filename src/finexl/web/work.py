"""One explanation in a process of its own, which says how far it is and can be ended at any time.

Everything it writes goes into a folder that nobody else knows before it is whole.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from finexl.errors import FinexlError, UsageError

UPLOADS = "uploads"
"""The folder in a run that has the pictures which came with the form."""


@dataclass(frozen=True)
class Task:
    """What one explanation is asked, and where it is worked out."""

    folder: Path
    """The run's folder until it is whole; uploads lie in it already."""
    asked: Mapping[str, Any]
    """`base`, `personalized`, and what differs from `finexl.asking.USUAL`; uploads are named by
    their place in the folder."""
    roots: tuple[Path, ...]
    """What the two sets' pictures may not leave."""


def work(task: Task, channel: Connection, final: Path) -> None:
    """Explain; send a JSON object for every step, and at the end what went wrong or nothing.

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

    try:
        _explained(task, send, final)
        send({"state": "done"})
    except FinexlError as error:
        send({"state": "failed", "why": str(error)})
    except Exception as error:
        send({"state": "failed", "why": f"An internal error ({type(error).__name__})."})
        raise


def _explained(task: Task, send: Any, final: Path) -> None:
    from finexl.asking import USUAL, explain_asked
    from finexl.imageset import read_images
    from finexl.runs import Run
    from finexl.storage import trim
    from finexl.web.kept import keep_pictures

    def progress(what: str, done: int, total: int) -> None:
        send({"stage": what, "done": done, "total": total})

    asked = {**USUAL, **task.asked}
    for side in ("base", "personalized"):
        for picture in read_images(asked[side]).pictures:
            _check_inside(picture.source, (*task.roots, task.folder))
    run = Run(task.folder)
    explained, record = explain_asked(run, asked, progress)
    # the folder is about to move, and its uploads with it
    options = record["options"]
    moved = {
        key: value.replace(str(task.folder), str(final), 1)
        for key, value in options.items()
        if isinstance(value, str) and value.startswith(str(task.folder))
    }
    run.save_record({**record, "options": {**options, **moved}})
    keep_pictures(explained, task.folder, progress)
    with suppress(OSError):
        trim()


def _check_inside(source: object, roots: tuple[Path, ...]) -> None:
    inside = isinstance(source, Path) and any(
        source.resolve().is_relative_to(root.resolve()) for root in roots
    )
    if not inside:
        raise UsageError(
            f"{source} points to a file outside the folders that this server may read."
        )
