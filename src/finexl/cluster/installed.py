"""Ray, where it is installed, and a cluster that answers."""

from __future__ import annotations

import os
import socket
from importlib import import_module
from typing import Any

from finexl.errors import PrerequisiteError, UsageError

INSTALL = "pip install 'finexl[ray]'"
SOON = 10.0
"""Seconds in which a cluster's head has to answer."""


def imported(module: str = "ray") -> Any:
    """Return Ray or a module of it.

    Raises:
        PrerequisiteError: it is not installed.
    """
    # asked before the import, or Ray reports to its makers how it is used
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        return import_module(module)
    except ImportError as error:
        raise PrerequisiteError(f"This needs Ray: {INSTALL}") from error


def connect(address: str) -> None:
    """Connect to a cluster, or with "local" start one that ends with this process.

    Raises:
        UsageError: nobody answers.
    """
    ray = imported()
    own = {"include_dashboard": False} if address == "local" else {}
    host, _, port = address.rpartition(":")
    try:
        if port.isdecimal():  # Ray itself would go on asking for a quarter of an hour
            socket.create_connection((host, int(port)), timeout=SOON).close()
        ray.init(address=address, log_to_driver=False, logging_level="warning", **own)
    except (OSError, ValueError, RuntimeError) as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise UsageError(f"No Ray cluster answers at {address}: {why}.") from error
