"""The job of one explanation: two sets into a run folder, with the pictures that its page shows."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finexl.embedding import Progress
from finexl.web.work import check_inside, move_options

UPLOADS = "uploads"
"""The folder in a run that has the pictures which came with the form."""


@dataclass(frozen=True)
class Explaining:
    """What one explanation is asked, and where it is worked out. See `Task`."""

    folder: Path
    """The run's folder until it is whole; uploads lie in it already."""
    asked: Mapping[str, Any]
    """`base`, `personalized`, and what differs from `finexl.asking.USUAL`; uploads are named by
    their place in the folder."""
    roots: tuple[Path, ...]
    """What the two sets' pictures may not leave."""

    def do(self, progress: Progress, final: Path) -> None:
        """Explain. See `Task.do`."""
        from finexl.asking import USUAL, explain_asked
        from finexl.imageset import read_images
        from finexl.runs import Run
        from finexl.storage import trim
        from finexl.web.kept import keep_pictures

        asked = {**USUAL, **self.asked}
        for side in ("base", "personalized"):
            check_inside(read_images(asked[side]).pictures, (*self.roots, self.folder))
        run = Run(self.folder)
        explained, _ = explain_asked(run, asked, progress)
        move_options(run, self.folder, final)  # its uploads move with it
        keep_pictures(explained, self.folder, progress)
        with suppress(OSError):
            trim()
