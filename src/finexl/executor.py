"""Work in parts: a lost worker's part is done again, what keeps failing is set aside.

    LocalPool(workers=4).outcomes(tasks, work) -> Iterator[Outcome]

Here are processes of this machine, in `finexl.cluster` Ray's tasks and actors. Both are crews in
the same loop, `work_through`, which alone decides what is tried again. `multiprocessing.Pool` waits
for ever for a task whose worker was killed, and `concurrent.futures` gives up all of them; hence
workers of our own. What was finished earlier is `finexl.ledger`'s to know.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context
from typing import Any, Protocol, TypeAlias

from finexl.errors import FinexlError, PrerequisiteError, UsageError

TRIES = 3
"""How often a task may fail before it is set aside."""
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_PATIENCE = 10.0
"""Seconds that a worker which is told to end may take."""

Work: TypeAlias = Callable[[Any], Any]
"""A module's function, so that other processes find it; what it takes and returns is pickled."""


@dataclass(frozen=True)
class Task:
    """One part of the work."""

    id: str
    """Digest of all that is asked."""
    name: str
    """What it is called. A later answer of the same name takes the place of an earlier one."""
    asked: Any = None
    """What the work is given."""


@dataclass(frozen=True)
class Outcome:
    """What became of a task: a value, or why there is none."""

    task: Task
    value: Any = None
    error: str | None = None
    attempts: int = 0
    """How often it was tried; 0: it was finished before."""


@dataclass(frozen=True)
class Failure:
    """An attempt that failed."""

    error: str
    final: bool = False
    """Whether another attempt would end the same."""
    attempts: int = 1
    """How many attempts this was."""

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """What a user can put right, or what is not installed, stays wrong however often tried."""
        ours = isinstance(error, FinexlError)
        text = str(error) if ours else f"{type(error).__name__}: {error}"
        return cls(text, isinstance(error, (UsageError, PrerequisiteError)))


class Executor(Protocol):
    """Where tasks are worked on."""

    @property
    def workers(self) -> int:
        """How many are worked on at once."""
        ...

    def outcomes(self, tasks: Iterable[Task], work: Work) -> Iterator[Outcome]:
        """Yield every task's outcome, in the order in which they come."""
        ...


def attempt(work: Work, asked: Any) -> Any:
    """Return what the work returns, or a `Failure`: what a worker does with a task."""
    try:
        return work(asked)
    except Exception as error:  # whatever it is, the others go on
        return Failure.of(error)


class Crew(Protocol):
    """Some workers, and what each of them is at."""

    def has_room(self) -> bool:
        """Whether another task can be given."""
        ...

    def give(self, task: Task) -> None:
        """Let a worker begin."""
        ...

    def answers(self) -> list[tuple[Task, Any]]:
        """Wait for one at least; return values and failures. A worker that died is replaced."""
        ...

    def close(self) -> None:
        """Let all end, now."""
        ...


def work_through(tasks: Iterable[Task], crew: Crew, tries: int) -> Iterator[Outcome]:
    """Yield every task's outcome; one that failed is tried again after the others."""
    waiting, failed, going = deque(tasks), Counter[str](), 0
    ended: list[Outcome] = []
    try:
        while waiting or going:
            while waiting and crew.has_room():
                crew.give(waiting.popleft())
                going += 1
            yield from ended  # only now: nobody is idle while they are looked at
            ended.clear()
            for task, answer in crew.answers():
                going -= 1
                if not isinstance(answer, Failure):
                    ended.append(Outcome(task, answer, attempts=failed[task.id] + 1))
                    continue
                failed[task.id] += answer.attempts
                if answer.final or failed[task.id] >= tries:
                    ended.append(Outcome(task, error=answer.error, attempts=failed[task.id]))
                else:
                    waiting.append(task)
        yield from ended
    finally:
        crew.close()


@dataclass(frozen=True)
class LocalPool:
    """Processes of this machine."""

    workers: int = 1
    threads: int | None = None
    """Processor threads of each; None shares this machine's out."""
    tries: int = TRIES

    def outcomes(self, tasks: Iterable[Task], work: Work) -> Iterator[Outcome]:
        """See `Executor`."""
        threads = self.threads or max(1, processors() // self.workers)
        return work_through(tasks, _Processes(work, self.workers, threads), self.tries)


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_here() -> int | None:
    """Return how many threads this worker was given; None outside of any."""
    given = os.environ.get(_THREADS[0], "")
    return int(given) if given.isdecimal() and given != "0" else None


class _Processes:
    """A crew of processes, started as they are needed."""

    def __init__(self, work: Work, most: int, threads: int) -> None:
        self.work, self.most, self.threads = work, most, threads
        self.idle: list[_Worker] = []
        self.busy: dict[Any, _Worker] = {}

    def has_room(self) -> bool:
        return len(self.busy) < self.most

    def give(self, task: Task) -> None:
        worker = self.idle.pop() if self.idle else _Worker(self.threads)
        worker.give(task, self.work)
        self.busy[worker.pipe] = worker

    def answers(self) -> list[tuple[Task, Any]]:
        found = []
        for pipe in connection.wait(list(self.busy)):
            worker = self.busy.pop(pipe)
            answer = worker.answer()
            found.append((worker.task, answer))
            if worker.process.is_alive():
                self.idle.append(worker)
            else:
                worker.end()
        return found

    def close(self) -> None:
        for worker in (*self.idle, *self.busy.values()):
            worker.tell_to_end(at_work=worker.pipe in self.busy)
        for worker in (*self.idle, *self.busy.values()):
            worker.end()


class _Worker:
    """A process that does one task after the other, at the other end of a pipe."""

    task: Task

    def __init__(self, threads: int) -> None:
        # spawned, not forked: a fork copies locks of threads that it does not copy
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _environment(dict.fromkeys(_THREADS, str(threads))):
            self.process.start()
        theirs.close()  # or its death would not end the pipe

    def give(self, task: Task, work: Work) -> None:
        self.task = task
        with suppress(OSError):  # it died while it waited: its answer says so
            self.pipe.send((work, task.asked))

    def answer(self) -> Any:
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            self.process.join(_PATIENCE)
            return Failure(f"Its worker process died ({_how(self.process.exitcode)}).")

    def tell_to_end(self, *, at_work: bool) -> None:
        self.pipe.close()
        if at_work:
            self.process.terminate()

    def end(self) -> None:
        self.pipe.close()
        self.process.join(_PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _serve(pipe: connection.Connection) -> None:
    """Answer until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who asks
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that half-written files are removed
    with suppress(EOFError, OSError):
        while True:
            work, asked = pipe.recv()
            pipe.send(attempt(work, asked))


def _how(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set variables for processes that start now: libraries read them when they are loaded."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
