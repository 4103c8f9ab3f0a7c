"""Ray's tasks and actors, as crews that `finexl.executor` gives tasks to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from finexl._version import __version__
from finexl.cluster.installed import imported
from finexl.errors import FinexlError
from finexl.executor import TRIES, Failure, Task, Work, attempt

LOST = TRIES - 1
"""How often Ray redoes a task that was lost with a node or process."""
MOST_STILLBORN = 8
"""Actors in a row that may be lost before they have started."""


@dataclass(frozen=True)
class _Lost(Failure):
    """An attempt that ended with the node or the process that was at it."""


class Tasks:
    """A crew of Ray tasks: Ray finds them a place, and redoes what is lost with one."""

    def __init__(self, work: Work, most: int) -> None:
        self.work, self.most = work, most
        self.remote = imported().remote(num_cpus=1, max_retries=LOST)(attempt_here)
        self.going: dict[Any, Task] = {}

    def has_room(self) -> bool:
        """See `Crew`."""
        return len(self.going) < self.most

    def give(self, task: Task) -> None:
        """See `Crew`."""
        self.going[self.remote.remote(__version__, self.work, task.asked)] = task

    def answers(self) -> list[tuple[Task, Any]]:
        """See `Crew`."""
        ended, _ = imported().wait(list(self.going))
        return [(self.going.pop(answer), _got(answer, LOST + 1)) for answer in ended]

    def close(self) -> None:
        """See `Crew`."""
        for answer in self.going:
            imported().cancel(answer)


class Actors:
    """A crew of Ray actors; one that is lost is replaced, and its task given to another.

    Ray could restart it, but would count what it tells the dead one as attempts. And it is given
    nothing before it has started: for want of a place that may not be before others end.
    """

    def __init__(self, work: Work, most: int, gpus: float) -> None:
        self.work = work
        self.new = imported().remote(num_cpus=1, num_gpus=gpus)(Worker).remote
        self.starting: dict[Any, Any] = {}
        self.idle: list[Any] = []
        self.going: dict[Any, tuple[Task, Any]] = {}
        self.stillborn = 0
        for _ in range(most):
            self._hire()

    def _hire(self) -> None:
        one = self.new()
        self.starting[one.attempt.remote(__version__, bool, None)] = one

    def has_room(self) -> bool:
        """See `Crew`."""
        return bool(self.idle)

    def give(self, task: Task) -> None:
        """See `Crew`."""
        one = self.idle.pop()
        self.going[one.attempt.remote(__version__, self.work, task.asked)] = task, one

    def answers(self) -> list[tuple[Task, Any]]:
        """See `Crew`."""
        found: list[tuple[Task, Any]] = []
        for answer in imported().wait([*self.going, *self.starting])[0]:
            got = _got(answer, 1)
            if answer in self.going:
                task, one = self.going.pop(answer)
                found.append((task, got))
            else:
                one = self.starting.pop(answer)
                self.stillborn = self.stillborn + 1 if isinstance(got, _Lost) else 0
            if not isinstance(got, _Lost):
                self.idle.append(one)
            elif self.stillborn > MOST_STILLBORN:
                raise FinexlError(f"No worker starts on the cluster: {got.error}")
            else:
                self._hire()
        return found

    def close(self) -> None:
        """See `Crew`."""
        for one in (*self.idle, *self.starting.values(), *(one for _, one in self.going.values())):
            imported().kill(one)


def _got(answer: Any, attempts: int) -> Any:
    """Return what came of an attempt, or that it was lost."""
    ray = imported()
    try:
        return ray.get(answer)
    except ray.exceptions.RayError as error:
        name = type(error).__name__
        why = f"Its worker was lost {attempts} times" if attempts > 1 else "Its worker was lost"
        return _Lost(f"{why} ({name}).", final=attempts > 1, attempts=attempts)


class Worker:
    """What an actor does."""

    def attempt(self, version: str, work: Work, asked: Any) -> Any:
        """See `attempt_here`."""
        return attempt_here(version, work, asked)


def attempt_here(version: str, work: Work, asked: Any) -> Any:
    """Do what is asked, if this node has what the one that asks has."""
    if version != __version__:
        return Failure(
            f"A node of the cluster has finexl {__version__}, and {version} is asked for; install "
            "the same everywhere.",
            final=True,
        )
    return attempt(work, asked)
