"""Stand-ins for the work of a job: imported in its process, so kept small."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

from finexl.web.explained import Explaining


def patient(task: Explaining, channel: Connection, _: Path) -> None:
    """Say that it has begun, write half a file, and wait to be told to end; then tidy up."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    half = Path(task.asked["elsewhere"]) / "half.tmp"
    half.write_text("half")
    try:
        _begin(channel)
        time.sleep(60)
    finally:
        half.unlink()


def stubborn(task: Explaining, channel: Connection, _: Path) -> None:
    """Heed no signal that can be heeded not."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (task.folder / "half").write_text("half")
    _begin(channel)
    time.sleep(60)


def crashing(task: Explaining, channel: Connection, _: Path) -> None:
    """End without a word."""
    (task.folder / "half").write_text("half")
    _begin(channel)
    os.kill(os.getpid(), signal.SIGKILL)


def quick(task: Explaining, channel: Connection, _: Path) -> None:
    """Be done."""
    (task.folder / "whole").write_text("whole")
    channel.send_bytes(b'{"state": "done"}')


def lying(_: Explaining, channel: Connection, __: Path) -> None:
    """Send what is no message."""
    channel.send_bytes(b"\x80\x04no pickle is read here")
    time.sleep(60)


def _begin(channel: Connection) -> None:
    message = {"stage": "begun", "done": os.getpid(), "total": os.getpid()}
    channel.send_bytes(json.dumps(message).encode())
