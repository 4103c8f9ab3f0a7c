"""Pictures that a browser sends, kept in a folder once they are known to be pictures."""

from __future__ import annotations

import shutil
import threading
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from finexl.errors import UsageError
from finexl.images import printable
from finexl.web.checking import FORMATS, check_pictures
from finexl.web.settings import Limits

LONGEST_NAME = 100
_ONE_AT_A_TIME = threading.Lock()


class Upload(Protocol):
    """One file of a form."""

    @property
    def filename(self) -> str | None:
        """What the sender calls it."""
        ...

    @property
    def size(self) -> int | None:
        """In bytes."""
        ...

    @property
    def file(self) -> BinaryIO:
        """Its content."""
        ...


def keep_uploads(sides: Mapping[str, Sequence[Upload]], folder: Path, limits: Limits) -> None:
    """Write each side's pictures into its folder, and decode them all once, elsewhere.

    Raises:
        UsageError: no picture, too many, too large ones, or something that is none.
    """
    kept: list[Path] = []
    for side, uploads in sides.items():
        given = [upload for upload in uploads if upload.filename]
        if not given:
            raise UsageError(f"No pictures were given for {side}.")
        if len(given) > limits.pictures:
            raise UsageError(
                f"{len(given):,} pictures were given for {side}; the most is {limits.pictures:,}."
            )
        (folder / side).mkdir(parents=True)
        kept += [_keep(upload, folder / side, limits) for upload in given]
    with _ONE_AT_A_TIME:
        check_pictures(kept, limits)


def _keep(upload: Upload, folder: Path, limits: Limits) -> Path:
    name = safe_name(str(upload.filename))
    if PurePosixPath(name).suffix not in FORMATS:
        raise UsageError(f"{name} is no PNG, JPEG or WebP picture by its name.")
    if upload.size is None or upload.size > limits.picture_bytes:
        most = limits.picture_bytes / 1e6
        raise UsageError(f"{name} is larger than {most:,.0f} MB.")
    path = folder / name
    if path.exists():
        raise UsageError(f"Two pictures are called {name}; give each its own name.")
    with path.open("xb") as file:
        shutil.copyfileobj(upload.file, file)
    return path


def safe_name(name: str) -> str:
    """Return a sender's file name as one that stays in its folder and can be shown.

    Letters, digits and marks of any script stay: by the name a picture is paired.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(c if c.isalnum() or c in " -_.()+" or _is_mark(c) else "_" for c in last)
    stem, dot, suffix = printable(kept).strip(" .").rpartition(".")
    return f"{stem[:LONGEST_NAME].strip(' .') or '_'}{dot}{suffix[:10].lower()}"


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")
