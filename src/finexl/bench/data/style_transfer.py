"""The Style Transfer dataset: photographs in the style of paintings, as published.

The published dataset (Kitov et al. 2024) has 50 photographs, 50 paintings, and each photograph in
the style of each painting, the painting scaled to four sizes first; one size of them is the
paper's 2,500 images in 50 styles:

    contents/content_7.jpg, styles/style_12.jpg
    content_7___style_12___500.jpg              in any folder beside these
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from finexl.bench.data.graded import Aspect
from finexl.bench.data.layout import (
    BASE,
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
from finexl.bench.data.words import Words
from finexl.errors import UsageError
from finexl.images import Picture
from finexl.imageset import ImageSet, read_images

SIZE = 500
"""Of 150, 300, 500 and 700 pixels, which the published stylisations' paintings were scaled to."""
CONTENTS, STYLES = "contents", "styles"
_STYLISED = re.compile(r"(.+?)___(.+?)___(\d{1,5})")
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Sources:
    """Photographs, and paintings by style."""

    contents: ImageSet
    styles: Mapping[str, tuple[Picture, ...]]
    """One painting, or several that are taken in turn."""


def read_sources(folder: Path) -> Sources:
    """Read contents/ and styles/; in styles/ a picture is a style, or a folder of them is.

    Raises:
        UsageError: one of the folders is missing, or has no pictures.
    """
    contents, paintings = read_images(folder / CONTENTS), read_images(folder / STYLES)
    styles: dict[str, list[Picture]] = defaultdict(list)
    for picture in paintings.pictures:
        styles[picture.key.partition("/")[0]].append(picture)
    ordered = sorted(styles.items(), key=lambda item: _numbered(item[0]))
    return Sources(contents, {name: tuple(pictures) for name, pictures in ordered})


def read_stylised(folder: Path, size: int = SIZE) -> dict[str, dict[str, Path]]:
    """Return the stylisations under a folder of one size: files by content, by style.

    Raises:
        UsageError: there are none of that size, or two of one content, style and size.
    """
    found: dict[str, dict[str, Path]] = defaultdict(dict)
    others: set[int] = set()
    for picture in read_images(folder).pictures:
        match = _STYLISED.fullmatch(picture.key.rpartition("/")[2])
        if match is None or not isinstance(picture.source, Path):
            continue
        content, style = match[1], match[2]
        if int(match[3]) != size:
            others.add(int(match[3]))
        elif content in found[style]:
            raise UsageError(f"{folder} has {picture.source.name} twice.")
        else:
            found[style][content] = picture.source
    if not any(found.values()):
        there = f"only of {', '.join(map(str, sorted(others)))}" if others else "none at all"
        raise UsageError(
            f"{folder} has no stylisations of size {size} (CONTENT___STYLE___{size}.jpg), "
            f"{there}; put them there, or make some with --networks."
        )
    return {style: found[style] for style in sorted(found, key=_numbered) if found[style]}


def write_style_transfer(
    folder: Path,
    out: Path,
    *,
    size: int = SIZE,
    words: Words | None = None,
    progress: Progress = lambda *_: None,
) -> Path:
    """Put the published stylisations into a folder a style, the photographs into base.

    A stylisation has its photograph's caption, so that the two pair. Returns truth.csv.

    Raises:
        UsageError: as `read_sources` and `read_stylised`; a stylisation of no photograph there; or
            `out` holds something else.
    """
    words = words or Words()
    sources, stylised = read_sources(folder), read_stylised(folder, size)
    known = {picture.key for picture in sources.contents.pictures}
    strange = {content for files in stylised.values() for content in files} - known
    if strange:
        raise UsageError(f"{folder / CONTENTS} has no {min(strange)}, which stylisations are of.")
    asked = {
        "dataset": "style-transfer",
        "size": size,
        "contents": digest_of(sources.contents.pictures),
        "styles": {name: digest_of(pictures) for name, pictures in sources.styles.items()},
        "stylisations": {
            style: digest_of(Picture(content, file) for content, file in sorted(files.items()))
            for style, files in stylised.items()
        },
        "words": words.digest,
    }
    claim(out, asked)
    contents = words.of_contents(sources.contents, progress)
    paintings = {style: sources.styles.get(style, ()) for style in stylised}
    described = words.of_styles(paintings, progress)
    originals = {p.key: p.source for p in contents.pictures if isinstance(p.source, Path)}
    _place(out / BASE, contents, originals)
    entries = []
    names = slugs(stylised)
    for number, (name, style) in enumerate(zip(names, stylised, strict=True)):
        progress("Styles", number, len(stylised))
        _place(out / name, contents, stylised[style])
        entries.append(Entry(name, (Aspect(described[number], 1.0),), name, BASE))
    progress("Styles", len(stylised), len(stylised))
    return write_truth(out, entries)


def _place(out: Path, contents: ImageSet, files: Mapping[str, Path]) -> None:
    """Put files (by photograph) into a set, in the order of the photographs."""
    if is_written(out):
        return
    lines = []
    for number, content in enumerate(contents.pictures):
        if content.key in files:
            source = files[content.key]
            name = f"{number:05}{source.suffix.lower()}"
            place(source, out / name)
            lines.append(Line(name, content.prompt, number, {"photograph": content.key}))
    write_manifest(out, lines)


def _numbered(text: str) -> list[tuple[int, str]]:
    """Return a key that sorts style_2 before style_10."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text)
    ]
