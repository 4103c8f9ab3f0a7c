"""Where work in parts is done: processes of this machine, or a Ray cluster."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from finexl.errors import UsageError

if TYPE_CHECKING:  # imported when the command runs: --help needs none of it
    from finexl.executor import Executor
    from finexl.many import Embedder


class On(str, Enum):
    """The choices of --on."""

    local = "local"
    ray = "ray"


OnOption = Annotated[
    On, typer.Option(help="Where: processes of this machine, or a Ray cluster (`finexl[ray]`).")
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        min=1, max=10_000, metavar="N", help="How many work at once; by default as many as fit."
    ),
]
RayAddressOption = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="The cluster's head, or auto; by default RAY_ADDRESS, else this machine alone.",
    ),
]
GpusOption = Annotated[
    float,
    typer.Option(
        min=0.0, metavar="SHARE", help="With Ray: each worker's share of a GPU, 0.25 for instance."
    ),
]


@dataclass(frozen=True)
class Place:
    """Who does what."""

    on: Executor
    makers: Executor | None = None
    """Who makes images, if others do."""
    embedder: Embedder | None = None
    """Who embeds them, if others do."""


def place_of(
    on: On, workers: int | None, address: str | None, gpus: float, *, fitting: int
) -> Place:
    """Return where to work.

    Args:
        on: as asked.
        workers: as asked.
        address: of a Ray cluster.
        gpus: share of a GPU.
        fitting: how many work at once on this machine where it is not said.

    Raises:
        UsageError: options of Ray without it, or a cluster that is not there.
        PrerequisiteError: Ray is not installed.
    """
    if on is On.ray:
        from finexl.cluster import Cluster

        cluster = Cluster.connect(address, workers, gpus)
        return Place(cluster, cluster.makers, cluster.embed)
    from finexl.executor import LocalPool

    for option, given in (("--ray-address", address is not None), ("--gpus", gpus > 0)):
        if given:
            raise UsageError(f"{option} is for a Ray cluster; give --on ray as well.")
    return Place(LocalPool(workers or max(1, fitting)))
