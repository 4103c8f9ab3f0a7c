"""The profiles on this machine: read, begun, changed and deleted, by many threads.

NAME.json       a profile, `finexl.profile/1`, readable to its owner alone
NAME.made/      what was made from it: previews/, verifications/; gone when it is
"""

from __future__ import annotations

import shutil
import threading
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from finexl.errors import FinexlError, UsageError
from finexl.images import printable
from finexl.viper.profile import Comment, Profile, read_profile, write_profile
from finexl.web.settings import MADE
from finexl.web.shelf import MissingError

LONGEST_NAME = 200
_LONGEST_FILE = 60
Made = Literal["previews", "verifications"]


@dataclass(frozen=True)
class Kept:
    """One file of the cabinet."""

    id: str
    """Its name without .json."""
    name: str
    comments: int = 0
    liked: int = 0
    disliked: int = 0
    mixed: int = 0
    trouble: str | None = None
    """Why it cannot be read; it stays as it is."""


class Cabinet:
    """A folder of profiles."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._one_at_a_time = threading.RLock()
        self._known: dict[str, tuple[tuple[int, int], Kept]] = {}

    def listed(self) -> list[Kept]:
        """Return all profiles by name, those that cannot be read as well."""
        if not self.folder.is_dir():
            return []
        found = [self._kept(path) for path in self.folder.glob("*.json") if _is_profile(path)]
        return sorted(found, key=lambda kept: (kept.name.casefold(), kept.id))

    def read(self, id: str) -> Profile:
        """Return a profile.

        Raises:
            MissingError: there is none of this id.
            UsageError: it cannot be read, or is of another version.
        """
        path = self._path(id)
        try:
            return read_profile(path)
        except UsageError as error:
            raise UsageError(str(error).replace(str(path), path.name)) from error

    def begin(self, name: str, comments: Sequence[Comment] = ()) -> str:
        """Begin a profile and return its id.

        Raises:
            UsageError: no name, or a comment that cannot be one.
        """
        name = " ".join(printable(name).split())
        if not name or len(name) > LONGEST_NAME:
            raise UsageError(f"A profile needs a name of at most {LONGEST_NAME} characters.")
        profile = Profile(name).adding(comments)
        with self._one_at_a_time:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            stem, number = _file_name(name), 1
            while (self.folder / f"{stem}{_numbered(number)}.json").exists():
                number += 1
            id = f"{stem}{_numbered(number)}"
            write_profile(profile, self.folder / f"{id}.json")
        return id

    def change(self, id: str, how: Callable[[Profile], Profile]) -> Profile:
        """Change a profile and return it as it is then; two changes at once both count.

        Raises:
            FinexlError: as `read`, as `how`, or it cannot be written.
        """
        with self._one_at_a_time:
            before = self.read(id)
            after = how(before)
            if after != before:
                write_profile(after, self._path(id))
        return after

    def delete(self, id: str) -> None:
        """Delete a profile, and all that was made from it.

        Raises:
            FinexlError: as `read`, or it cannot be deleted.
        """
        with self._one_at_a_time:
            self.read(id)
            shutil.rmtree(self.folder / f"{id}{MADE}", ignore_errors=True)
            try:
                self._path(id).unlink()
            except OSError as error:
                why = (error.strerror or "").lower()
                raise FinexlError(f"{id}.json cannot be deleted: {why}.") from error

    def made(self, id: str, kind: Made) -> Path:
        """Return the folder of what was made from a profile, which may not be there yet.

        Raises:
            MissingError: there is no such profile.
        """
        self._path(id)
        return self.folder / f"{id}{MADE}" / kind

    def _path(self, id: str) -> Path:
        path = self.folder / f"{id}.json"
        separators = {"/", "\\", "\0"} & set(id)
        try:
            if not separators and len(id) <= LONGEST_NAME and _is_profile(path):
                return path
        except (OSError, ValueError):  # a name that is none here
            pass
        raise MissingError(f"There is no profile {printable(id[:LONGEST_NAME])}.")

    def _kept(self, path: Path) -> Kept:
        try:
            told = path.stat()
            stamp = (told.st_mtime_ns, told.st_size)
            if self._known.get(path.stem, ((0, 0), None))[0] != stamp:
                self._known[path.stem] = stamp, _summary(path.stem, self.read(path.stem))
            return self._known[path.stem][1]
        except (OSError, FinexlError) as error:
            return Kept(path.stem, path.name, trouble=str(error))


def _summary(id: str, profile: Profile) -> Kept:
    return Kept(
        id,
        profile.name,
        len(profile.comments),
        len(profile.liked),
        len(profile.disliked),
        len(profile.mixed),
    )


def _is_profile(path: Path) -> bool:
    hidden = path.name.startswith(".") or path.is_symlink()
    return not hidden and path.is_file()


def _file_name(name: str) -> str:
    """Return what a person's file is called: letters, digits and marks of any script stay."""
    plain = unicodedata.normalize("NFC", name)
    kept = "".join(
        c if c.isalnum() or unicodedata.category(c).startswith("M") else "-" for c in plain
    )
    return "-".join(part for part in kept.split("-") if part)[:_LONGEST_FILE] or "profile"


def _numbered(number: int) -> str:
    return "" if number == 1 else f"-{number}"
