"""Code run in a process of its own as pictures are decoded in: imported there, so kept small."""

from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path

from finexl.web.checking import confine
from finexl.web.settings import Limits


def exit_code(code: str, limits: Limits) -> int | None:
    """Return how a confined process ends that runs this."""
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(code, limits))
    process.start()
    process.join()
    return process.exitcode


def _run(code: str, limits: Limits) -> None:
    sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115
    confine(limits)
    exec(code)
