"""The job that reads a profile's comments, by rules, and what becomes of what it finds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from finexl.embedding import Progress
from finexl.errors import UsageError
from finexl.files import write_atomic
from finexl.viper.extraction.corrections import as_found, corrected
from finexl.viper.profile import Profile, read_profile
from finexl.web.work import check_inside

FOUND = "found.json"


@dataclass(frozen=True)
class Extracting:
    """Whose comments are read, and which pictures may be looked at. See `Task`."""

    folder: Path
    profile: str
    """Its JSON."""
    places: tuple[Path, ...]
    """The folders that the commented pictures are in."""
    roots: tuple[Path, ...]
    """What the pictures may not leave."""

    def do(self, progress: Progress, final: Path) -> None:
        """Read them into `found.json`. See `Task.do`."""
        from functools import partial

        from finexl.encoders import load_encoder
        from finexl.images import Picture
        from finexl.imageset import read_images
        from finexl.viper.extraction import Offline, read_into
        from finexl.viper.pictures import mean_of, named_pictures

        del final  # the server takes what was found
        profile = Profile.from_json(self.profile)
        there: dict[str, Picture] = {}
        around: list[Picture] = []
        for place in (place for place in self.places if place.exists()):
            pictures = read_images(place).pictures
            check_inside(pictures, self.roots)
            around += pictures
            there = {**named_pictures(place), **there}
        progress("Reading comments", 0, len(profile.comments))
        encoder = load_encoder("embedded")
        reader = Offline(encoder, partial(mean_of, encoder, around, progress))
        found = read_into(profile, reader, there)
        progress("Reading comments", len(profile.comments), len(profile.comments))
        write_atomic(self.folder / FOUND, found.to_json())


def taken(now: Profile, asked: Profile, folder: Path) -> Profile:
    """Return the profile as it is now with what was found in its comments.

    Args:
        now: may have been corrected since; that holds.
        asked: as it was when it was read.
        folder: the job's.

    Raises:
        UsageError: its comments are others by now.
    """
    if now.comments != asked.comments:
        raise UsageError("The comments were changed while they were read; read them again.")
    found = as_found(read_profile(folder / FOUND))
    return corrected(
        replace(
            now,
            liked=found.liked,
            disliked=found.disliked,
            mixed=found.mixed,
            extractor=found.extractor,
            notes=found.notes,
        )
    )
