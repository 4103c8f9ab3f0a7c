"""Jobs one after another, each in a process of its own: watched, and ended when asked.

A job works in a folder of its own beside where it will be, hidden until it is whole; then the
folder is renamed into its place. Whatever ends a job before leaves no folder at all.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import secrets
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from finexl.answer import created
from finexl.errors import FinexlError
from finexl.web.settings import MADE, Limits, Settings
from finexl.web.work import Task, work

State = Literal["waiting", "running", "done", "failed", "cancelled"]
Kind = Literal["explanation", "set", "extraction", "previews", "verification"]
REMEMBERED = 100
"""Jobs that are over and can still be looked at."""
GRACE_SECONDS = 3.0
"""How long a job may take to tidy up after it was told to end."""
LOOK_SECONDS = 0.1
_LONGEST_MESSAGE = 20_000
_HIDDEN = re.compile(r"\.job-(\d+)-[0-9a-f]{16}(-before)?")


class FullError(FinexlError):
    """Too many jobs wait already."""

    def __init__(self, waiting: int) -> None:
        super().__init__(f"{waiting} jobs wait already; come back when one is done.")


@dataclass(eq=False)
class Job:
    """Something on its way; changed by its manager alone."""

    id: str
    """Of the folder that it becomes, too."""
    title: str
    task: Task
    final: Path | None
    """Where its folder goes when it is whole; None: nowhere, `settle` takes what is of use."""
    kind: Kind
    page: str
    """The address of the page to go to when it is done."""
    result: str
    """The API's address of what it made."""
    about: str | None = None
    """The profile that it is about."""
    settle: Callable[[Path], None] = lambda _: None
    """Given the folder when the process is done, before anything is said to be done; what it
    raises makes the job a failed one."""
    submitted: str = field(default_factory=created)
    state: State = "waiting"
    stages: dict[str, tuple[int, int]] = field(default_factory=dict)
    """What was begun -> how much of it is done, and how much there is."""
    why: str | None = None
    """What went wrong."""
    unwanted: bool = False
    """Somebody asked to end it."""

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state not in ("waiting", "running")

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "job": self.id,
            "kind": self.kind,
            "title": self.title,
            "state": self.state,
            "submitted": self.submitted,
            "stages": [{"stage": s, "done": d, "of": n} for s, (d, n) in self.stages.items()],
            "why": self.why,
            "run": self.id if self.state == "done" and self.kind == "explanation" else None,
            "result": self.result if self.state == "done" else None,
        }


class Jobs:
    """The queue, and the threads that each look after one process at a time."""

    def __init__(self, settings: Settings) -> None:
        self.limits: Limits = settings.limits
        self._jobs: dict[str, Job] = {}
        self._queue: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._threads: list[threading.Thread] = []
        _sweep((settings.runs, settings.sets, *settings.profiles.glob("*" + MADE)))

    @contextmanager
    def place(self, where: Path) -> Iterator[tuple[str, Path]]:
        """Yield a new job's id and a hidden folder to begin with, gone again where that fails.

        Args:
            where: the folder that holds it.

        Raises:
            FullError: the queue is full.
        """
        with self._changed:
            self._check_room()
        job = secrets.token_hex(8)
        folder = where / f".job-{os.getpid()}-{job}"
        folder.mkdir(parents=True, mode=0o700)
        try:
            yield job, folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def submit(self, made: Job) -> Job:
        """Queue what has a place, and return it.

        Raises:
            FullError: the queue is full by now.
        """
        with self._changed:
            self._check_room()
            self._jobs[made.id] = made
            self._queue.append(made)
            for old in [known for known in self._jobs.values() if known.over][:-REMEMBERED]:
                del self._jobs[old.id]
            if len(self._threads) < self.limits.at_once:
                thread = threading.Thread(target=self._serve, daemon=True)
                self._threads.append(thread)
                thread.start()
            self._changed.notify_all()
        return made

    def find(self, job: str) -> Job | None:
        """Return a job of this start of the server."""
        return self._jobs.get(job)

    def all(self) -> list[Job]:
        """Return the jobs, the latest first."""
        with self._changed:
            return list(reversed(self._jobs.values()))

    def cancel(self, job: Job) -> None:
        """End a job, and wait until nothing is left of it. One that is over stays as it is."""
        with self._changed:
            job.unwanted = True
            if job in self._queue:
                self._queue.remove(job)
                self._conclude(job, {})
            self._changed.wait_for(lambda: job.over, 2 * GRACE_SECONDS)

    def close(self) -> None:
        """End all jobs, for good."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for job in self.all():
            self.cancel(job)
        for thread in self._threads:
            thread.join()

    def _check_room(self) -> None:
        if len(self._queue) >= self.limits.waiting:
            raise FullError(len(self._queue))

    def _serve(self) -> None:
        """Take jobs from the queue for as long as the server lives."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closed)
                if self._closed:
                    return
                job = self._queue.popleft()
                job.state = "running"
            try:
                last = self._run(job)
            except OSError as error:  # no process to be had
                last = {"why": f"It could not be started: {error.strerror}."}
            with self._changed:
                self._conclude(job, last)
                self._changed.notify_all()

    def _run(self, job: Job) -> Mapping[str, Any]:
        """Run a job's process to its end, noting its steps; return its last message."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        task = (job.task, theirs, job.final or job.task.folder)
        process = context.Process(target=work, args=task, daemon=True)
        process.start()
        theirs.close()
        last: Mapping[str, Any] = {}
        deadline = None
        # a process that ends closes its end of the channel
        with suppress(EOFError, OSError, ValueError), ours:
            while deadline is None or time.monotonic() < deadline:
                if ours.poll(LOOK_SECONDS):
                    last = json.loads(ours.recv_bytes(_LONGEST_MESSAGE))
                    if "stage" in last:
                        job.stages[str(last["stage"])] = (int(last["done"]), int(last["total"]))
                if job.unwanted and deadline is None:
                    process.terminate()  # first told, so that it takes away what it just writes
                    deadline = time.monotonic() + GRACE_SECONDS
        process.join(0.0 if deadline is not None else GRACE_SECONDS)
        process.kill()
        process.join()
        return last

    def _conclude(self, job: Job, last: Mapping[str, Any]) -> None:
        """Move a job's folder into place, or away."""
        if job.unwanted:
            state: State = "cancelled"
        elif last.get("state") == "done":
            state = "done"
            try:
                job.settle(job.task.folder)
                if job.final is not None:
                    _put(job.task.folder, job.final)
            except (FinexlError, OSError) as error:
                state, job.why = "failed", str(error)
        else:
            job.why = str(last.get("why", "Its process ended before it was done."))
            state = "failed"
        shutil.rmtree(job.task.folder, ignore_errors=True)
        job.state = state


def _put(folder: Path, final: Path) -> None:
    """Move a whole folder into its place, and what was there before out of it."""
    before = folder.with_name(f"{folder.name}-before")
    if final.exists():
        final.rename(before)
    folder.rename(final)
    shutil.rmtree(before, ignore_errors=True)


def _sweep(folders: Iterable[Path]) -> None:
    """Take away what servers left that were killed themselves."""
    for entry in (entry for folder in folders if folder.is_dir() for entry in folder.iterdir()):
        found = _HIDDEN.fullmatch(entry.name)
        if found and not _lives(int(found[1])):
            shutil.rmtree(entry, ignore_errors=True)


def _lives(process: int) -> bool:
    if os.name == "nt":  # there, signal 0 is no question
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
