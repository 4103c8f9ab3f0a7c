"""The job that prepares a set: drawn if need be, every picture opened once and shown small."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from finexl.embedding import Progress
from finexl.errors import UsageError
from finexl.files import write_atomic
from finexl.images import ImageError
from finexl.web.taste.sets import LISTING, PICTURES
from finexl.web.work import check_inside

SIDE = 384
"""Pixels of a small picture."""
BUILT_IN = "The built-in pictures"


@dataclass(frozen=True)
class Preparing:
    """Which set, and where its small pictures go. See `Task`."""

    folder: Path
    source: Path | None
    """A folder or manifest; None: the built-in set is drawn."""
    roots: tuple[Path, ...]
    most: int
    """Pictures."""
    size: int = 512
    """Of the drawn ones, in pixels: what `finexl viper set` draws, so that both know them."""

    def do(self, progress: Progress, final: Path) -> None:
        """Prepare it. See `Task.do`."""
        from finexl.imageset import read_images
        from finexl.viper.pictures import draw_set

        del final  # nothing in it says where it is
        source = self.source
        if source is None:
            source = self.folder / PICTURES
            draw_set(source, size=self.size, progress=progress)
        found = read_images(source)
        if len(found.pictures) > self.most:
            raise UsageError(
                f"{source.name} has {len(found.pictures):,} pictures; the most is {self.most:,}."
            )
        check_inside(found.pictures, (*self.roots, self.folder))
        listed: list[dict[str, object]] = []
        notes: list[str] = []
        for done, picture in enumerate(found.pictures, start=1):
            try:
                image, digest = picture.open(), picture.digest()
            except ImageError as error:
                notes.append(str(error).replace(str(source), found.name))
            else:
                small = image.copy()
                small.thumbnail((SIDE, SIDE))
                small.save(self.folder / f"{len(listed)}.webp", "WEBP", quality=82)
                about = {"name": picture.name, "digest": digest}
                listed.append({**about, "width": image.width, "height": image.height})
            progress("Making small pictures", done, len(found.pictures))
        if not listed:
            raise UsageError(f"No picture of {source.name} can be opened.")
        told = {
            "title": BUILT_IN if self.source is None else found.name,
            "folder": None if self.source is None else str(self.source),
            "pictures": listed,
            "notes": notes,
        }
        write_atomic(self.folder / LISTING, json.dumps(told, ensure_ascii=False))
