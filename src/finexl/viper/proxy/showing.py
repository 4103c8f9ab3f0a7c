"""Pictures of files and folders, looked at one by one: those that can be opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from PIL import Image

from finexl.errors import UsageError
from finexl.images import ImageError, Picture
from finexl.imageset import read_images

T = TypeVar("T")


@dataclass(frozen=True)
class Looked(Generic[T]):
    """What came of looking at pictures."""

    names: tuple[str, ...]
    seen: tuple[T, ...]
    faults: tuple[str, ...]
    """Why others could not be opened, a sentence each."""


def look_at(paths: Sequence[Path], look: Callable[[Image.Image], T]) -> Looked[T]:
    """Look at pictures, and those of folders; each is open only while it is looked at.

    Raises:
        UsageError: a folder without pictures, or not one can be opened.
    """
    pictures = [
        picture
        for path in paths
        for picture in (read_images(path).pictures if path.is_dir() else [Picture(path.stem, path)])
    ]
    names, seen, faults = [], [], []
    for picture in pictures:
        try:
            seen.append(look(picture.open()))
            names.append(str(picture.source))
        except ImageError as error:  # noqa: PERF203 - each picture fails on its own
            faults.append(str(error))
    if paths and not seen:
        raise UsageError(f"None of {len(faults):,} pictures can be opened; the first: {faults[0]}")
    return Looked(tuple(names), tuple(seen), tuple(faults))
