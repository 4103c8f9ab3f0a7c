"""Writing a file whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from finexl.errors import FinexlError, UsageError

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def check_writable(*paths: Path) -> None:
    """Say now, before the work, what would keep these files from being written after it.

    Raises:
        UsageError: a path that is a folder, or whose folder is missing or cannot be written.
    """
    for path in paths:
        if path.is_dir():
            raise UsageError(f"{path} is a folder; give the name of a file to write.")
        folder = Path(os.path.realpath(path)).parent
        if not folder.is_dir():
            raise UsageError(f"{path} cannot be written: there is no folder {folder}.")
        if not os.access(folder, os.W_OK):
            raise UsageError(f"{path} cannot be written: {folder} allows no writing.")


def append_line(path: Path, line: str) -> None:
    """Add a line to a file, safely on the disk; one that a kill cut short before it is ended first.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("ab+") as file:
        file.seek(max(0, file.tell() - 1))
        cut = file.read(1) not in (b"", b"\n")
        file.write(("\n" * cut + line + "\n").encode("utf-8", "replace"))
        file.flush()
        os.fsync(file.fileno())


def write_atomic(path: Path, data: str | bytes) -> None:
    """Write `data` (text as UTF-8) to `path`, which never holds a half of it; see `replacing`."""
    with replacing(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield a file whose contents take the place of what `path` holds, whole or not at all.

    They go to a temporary name in the same folder first, which is renamed when they are safely on
    the disk, so that an interrupted or failed write leaves what was there before. A symlink keeps
    pointing where it did; a device or pipe (`/dev/stdout`) is written to directly.

    Raises:
        UsageError: `path` is a folder, or its folder is missing or cannot be written.
        FinexlError: the disk is full.
    """
    temporary: Path | None = None
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a folder; give the name of a file to write.")
        if path.exists() and not path.is_file():
            with path.open("wb") as device:
                yield device
            return
        target = Path(os.path.realpath(path))
        if not target.parent.is_dir():
            raise UsageError(f"{path} cannot be written: there is no folder {target.parent}.")
        temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        kind = FinexlError if error.errno in _DISK_FULL else UsageError
        raise kind(
            f"{path} cannot be written: {(error.strerror or str(error)).lower()}."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
