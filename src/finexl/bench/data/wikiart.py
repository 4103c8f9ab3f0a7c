"""WikiArt's paintings by artist (Appendix D: the 15 with most works), or by movement.

The published folder (81,444 paintings) has a folder for each movement, and in it files named
`artist-name_title.jpg`; a work that lies in two movements' folders counts once. Folders of
movements whose files name no artist are read as well: then each movement is a set.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from finexl.bench.data.captioning import Captioner, captioned
from finexl.bench.data.graded import Aspect
from finexl.bench.data.layout import (
    Entry,
    Line,
    claim,
    digest_of,
    is_written,
    place,
    slugs,
    write_manifest,
    write_truth,
)
from finexl.errors import UsageError
from finexl.images import Picture
from finexl.imageset import ImageSet, read_images

ARTISTS = 15
BY = ("artist", "movement")
_WORK = re.compile(r"([^\W_][^_]*)_(.+)")
_PARTICLES = ("da", "de", "del", "della", "der", "di", "du", "el", "la", "le", "van", "von")
_NOBODY = ("unknown-artist", "unknown", "anonymous")
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Painter:
    """Who or what a set's works have in common, and the works."""

    name: str
    words: str
    """As an aspect."""
    works: tuple[Picture, ...]


def read_wikiart(folder: Path, by: str | None = None, most: int = ARTISTS) -> list[Painter]:
    """Return the artists (or movements) with most works, those with more first.

    Args:
        folder: with a folder for each movement.
        by: "artist" or "movement"; None for artists where most files name one.
        most: how many.

    Raises:
        UsageError: no such folder, no pictures, or no artists in their names.
    """
    pictures = read_images(folder).pictures
    named = [match for picture in pictures if (match := _WORK.fullmatch(_stem(picture)))]
    if by == "artist" and not named:
        raise UsageError(
            f"No file in {folder} is named artist-name_title.jpg, so that the artists are not "
            "known; take its movements with --by movement."
        )
    if by is None:
        by = "artist" if 2 * len(named) > len(pictures) else "movement"
    groups = _artists(pictures) if by == "artist" else _movements(pictures)
    if not groups:
        raise UsageError(f"{folder} has no folders of movements with paintings in them.")
    ranked = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))[:most]
    return [
        Painter(_spelled(name), f"painting by {_spelled(name)}", works)
        if by == "artist"
        else Painter(_plain(name), _plain(name), works)
        for name, works in ranked
    ]


def write_wikiart(
    folder: Path,
    out: Path,
    *,
    by: str | None = None,
    most: int = ARTISTS,
    works: int | None = None,
    seed: int = 0,
    captioner: Captioner | None = None,
    progress: Progress = lambda *_: None,
) -> Path:
    """Put each artist's works into a folder with a manifest. Returns truth.csv.

    Args:
        folder: as `read_wikiart`.
        out: made if need be; works are linked, or copied where the file system cannot link.
        by: as `read_wikiart`.
        most: as `read_wikiart`.
        works: the most of one artist, drawn at random; None for all.
        seed: of that draw.
        captioner: says what the paintings show; None for no prompts.
        progress: told of every painting.

    Raises:
        UsageError: as `read_wikiart`, or `out` holds something else.
    """
    found = read_wikiart(folder, by, most)
    if works is not None:
        found = [_drawn(painter, works, [seed, i]) for i, painter in enumerate(found)]
    asked = {
        "dataset": "wikiart",
        "sets": {painter.name: digest_of(painter.works) for painter in found},
        "works": works,
        "seed": seed,
        "captions": None if captioner is None else captioner.revision,
    }
    claim(out, asked)
    entries = []
    for name, painter in zip(slugs(p.name for p in found), found, strict=True):
        if not is_written(out / name):
            images = ImageSet(painter.name, "folder", painter.works)
            if captioner is not None:
                images = captioned(images, captioner, progress=progress)
            lines = []
            for number, work in enumerate(images.pictures):
                progress(f"Paintings: {painter.name}", number, len(images.pictures))
                assert isinstance(work.source, Path)
                # their own names hold bytes that are no text
                file = f"{number:05}{work.source.suffix.lower()}"
                place(work.source, out / name / file)
                lines.append(Line(file, work.prompt, more={"work": work.key}))
            progress(f"Paintings: {painter.name}", len(lines), len(lines))
            write_manifest(out / name, lines)
        entries.append(Entry(name, (Aspect(painter.words, 1.0),), name))
    return write_truth(out, entries)


def _artists(pictures: tuple[Picture, ...]) -> Mapping[str, tuple[Picture, ...]]:
    found: dict[str, dict[str, Picture]] = defaultdict(dict)
    for picture in pictures:
        match = _WORK.fullmatch(_stem(picture))
        if match and match[1].casefold() not in _NOBODY:
            found[match[1].casefold()].setdefault(_stem(picture), picture)
    return {artist: tuple(works.values()) for artist, works in found.items()}


def _movements(pictures: tuple[Picture, ...]) -> Mapping[str, tuple[Picture, ...]]:
    found: dict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        if _movement(picture) is not None:
            found[_movement(picture) or ""].append(picture)
    return {movement: tuple(works) for movement, works in found.items()}


def _movement(picture: Picture) -> str | None:
    """Return the folder that a picture lies in, if it lies in one."""
    return PurePosixPath(picture.key).parent.name or None


def _stem(picture: Picture) -> str:
    return PurePosixPath(picture.key).name


def _drawn(painter: Painter, most: int, seed: list[int]) -> Painter:
    n = len(painter.works)
    chosen = sorted(np.random.default_rng(seed).permutation(n)[:most])
    return replace(painter, works=tuple(painter.works[i] for i in chosen))


def _spelled(artist: str) -> str:
    """Return "vincent-van-gogh" as Vincent van Gogh."""
    words = [word for word in artist.split("-") if word]
    return " ".join(w if w in _PARTICLES and i else w.capitalize() for i, w in enumerate(words))


def _plain(movement: str) -> str:
    return " ".join(movement.replace("_", " ").split()).casefold()
