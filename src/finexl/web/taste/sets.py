"""Sets of pictures to comment on: where they are, and small ones of them that pages show.

FOLDER/ID/set.json    what there is
FOLDER/ID/3.webp      the fourth picture, small
FOLDER/ID/pictures/   the built-in set alone: the pictures themselves
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finexl.cache import key_of
from finexl.errors import UsageError
from finexl.web.settings import within

LISTING = "set.json"
PICTURES = "pictures"


@dataclass(frozen=True)
class SetPicture:
    """A picture of a set."""

    name: str
    """Its path in its folder; what a comment calls it."""
    digest: str
    width: int
    height: int


@dataclass(frozen=True)
class PictureSet:
    """A set that was prepared: its small pictures are there."""

    id: str
    title: str
    folder: Path | None
    """Where the pictures are; None: drawn, and beside the small ones."""
    pictures: tuple[SetPicture, ...]
    notes: tuple[str, ...]
    """What could not be opened."""


def set_id(folder: Path | None) -> str:
    """Return what a set is known by: nothing of where it is."""
    return key_of("pictures", "" if folder is None else str(folder))[:16]


class Sets:
    """The sets that were prepared on this machine and may be shown by this server."""

    def __init__(self, folder: Path, roots: Sequence[Path]) -> None:
        self.folder = folder
        self.roots = tuple(roots)
        self._one_at_a_time = threading.Lock()
        self._known: dict[str, tuple[int, PictureSet]] = {}

    def listed(self) -> list[PictureSet]:
        """Return them, the built-in one first."""
        if not self.folder.is_dir():
            return []
        names = [entry.name for entry in self.folder.iterdir() if not entry.name.startswith(".")]
        found = [one for one in map(self.find, names) if one is not None]
        return sorted(found, key=lambda one: (one.folder is not None, one.title, one.id))

    def find(self, id: str) -> PictureSet | None:
        """Return a set; None where there is none, or its folder may not be read by now."""
        listing = self.folder / id / LISTING
        if not (id.isalnum() and id.isascii()):
            return None
        with self._one_at_a_time:
            try:
                stamp = listing.stat().st_mtime_ns
                if id not in self._known or self._known[id][0] != stamp:
                    self._known[id] = stamp, _read(id, listing)
            except (OSError, ValueError, KeyError, TypeError):
                return None
            found = self._known[id][1]
        if found.folder is not None:
            try:
                within(str(found.folder), self.roots)
            except UsageError:
                return None
        return found

    def place(self, one: PictureSet) -> Path:
        """Return where a set's own pictures are."""
        return self.folder / one.id / PICTURES if one.folder is None else one.folder

    def small(self, id: str, number: int) -> Path | None:
        """Return the file of a small picture."""
        found = self.find(id)
        if found is None or not 0 <= number < len(found.pictures):
            return None
        path = self.folder / id / f"{number}.webp"
        return path if path.is_file() and not path.is_symlink() else None

    def addresses(self) -> Mapping[str, str]:
        """Return where the page has each picture, by the picture's digest."""
        return {
            picture.digest: f"/sets/{one.id}/{number}.webp"
            for one in reversed(self.listed())
            for number, picture in enumerate(one.pictures)
        }


def _read(id: str, listing: Path) -> PictureSet:
    told: dict[str, Any] = json.loads(listing.read_text(encoding="utf-8"))
    pictures = tuple(
        SetPicture(str(p["name"]), str(p["digest"]), int(p["width"]), int(p["height"]))
        for p in told["pictures"]
    )
    folder = None if told["folder"] is None else Path(str(told["folder"]))
    return PictureSet(id, str(told["title"]), folder, pictures, tuple(map(str, told["notes"])))
