"""The executor on Ray: explanations as tasks, images as actors with a share of a GPU each.

    cluster = Cluster.connect(address, workers=None, gpus=0.25)
    explain_many(questions, folder, cluster, makers=cluster.makers, embedder=cluster.embed)

Work that is lost with a node or a process is redone; what raised an error is tried again, or set
aside, by the same loop as on one machine. Every node needs this version of the package, the same
folder under the same path (for a list's files, and for what is written), and a `FINEXL_CACHE` of
its own: SQLite must not lie on a network's file system.

crews      Ray's tasks and actors
encoding   pictures through Ray Data
installed  Ray itself, and a cluster that answers
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finexl.cluster.crews import Actors, Tasks
from finexl.cluster.encoding import embed
from finexl.cluster.installed import connect, imported
from finexl.errors import UsageError
from finexl.executor import TRIES, Outcome, Task, Work, work_through

__all__ = ["Cluster", "Makers"]


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster, as an executor of tasks on its processors."""

    workers: int
    """Tasks at once."""
    makers: Makers
    """Those that make images: an executor on actors."""
    tries: int = TRIES

    @classmethod
    def connect(cls, address: str | None, workers: int | None, gpus: float = 0.0) -> Cluster:
        """Connect to a cluster, or start one on this machine.

        Args:
            address: HOST:PORT of its head, or "auto"; None for RAY_ADDRESS, else a cluster of this
                machine alone that ends with this process.
            workers: at once; None for a task a processor, and a maker a share of a GPU.
            gpus: the share of a GPU that makers and encoders get: four share one with 0.25.

        Raises:
            UsageError: no cluster there, or one without so much of a GPU.
            PrerequisiteError: Ray is not installed.
        """
        ray = imported()
        if gpus > 1 and gpus != int(gpus):
            raise UsageError(
                f"--gpus {gpus:g}: give a share of one GPU, or a whole number of them."
            )
        if not ray.is_initialized():
            connect(address or os.environ.get("RAY_ADDRESS") or "local")
        there = ray.cluster_resources()
        if gpus > there.get("GPU", 0.0):
            raise UsageError(
                f"--gpus {gpus:g} for every worker, and the cluster has {there.get('GPU', 0.0):g}; "
                "start Ray on a machine with a GPU."
            )
        tasks = workers or max(1, int(there.get("CPU", 1.0)))
        shares = workers or int(there["GPU"] / gpus) if gpus else tasks
        return cls(tasks, Makers(shares, gpus))

    def outcomes(self, tasks: Iterable[Task], work: Work) -> Iterator[Outcome]:
        """Work on each task as a Ray task on one processor. See `Executor`."""
        return work_through(tasks, Tasks(work, self.workers), self.tries)

    def embed(
        self, pictures: Sequence[tuple[str, Path]], encoder: str
    ) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Stream pictures through a pool of encoders; see `finexl.cluster.encoding`."""
        return embed(pictures, encoder, self.makers.workers, self.makers.gpus)


@dataclass(frozen=True)
class Makers:
    """A Ray cluster, as an executor on actors with a share of a GPU each."""

    workers: int
    gpus: float = 0.0
    tries: int = TRIES

    def outcomes(self, tasks: Iterable[Task], work: Work) -> Iterator[Outcome]:
        """Work on each task in one of the actors. See `Executor`."""
        some = list(tasks)
        actors = Actors(work, min(self.workers, len(some)), self.gpus)
        return work_through(some, actors, self.tries)
