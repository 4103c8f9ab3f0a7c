"""Photographs drawn in the style of paintings at graded strength, by AdaIN."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from finexl.bench.data.graded import Aspect
from finexl.bench.data.layout import (
    BASE,
    Entry,
    Line,
    claim,
    is_written,
    slugs,
    write_manifest,
    write_picture,
    write_truth,
)
from finexl.bench.data.style_transfer import Sources
from finexl.bench.data.words import Words
from finexl.cache import key_of
from finexl.errors import PrerequisiteError
from finexl.images import Picture
from finexl.imageset import ImageSet

if TYPE_CHECKING:
    from finexl.bench.data.adain import AdaIN

SIDE = 256
"""Of what is made: the middle of a photograph, square."""
Progress = Callable[[str, int, int], None]


def load_networks(folder: Path, device: str | None = None) -> AdaIN:
    """Open AdaIN's networks, which compute on the processor where nothing else is said.

    Raises:
        PrerequisiteError: torch or the networks are missing.
        UsageError: the networks are damaged.
    """
    try:
        from finexl.bench.data.adain import AdaIN
    except ImportError as error:
        raise PrerequisiteError(
            "Style transfer needs an extra: pip install 'finexl[torch]'."
        ) from error
    return AdaIN.load(folder, device or "cpu")


def make_style_transfer(
    sources: Sources,
    networks: AdaIN,
    out: Path,
    *,
    levels: int = 1,
    side: int = SIDE,
    words: Words | None = None,
    progress: Progress = lambda *_: None,
) -> Path:
    """Draw every photograph in every style at strengths l / L; broken off, it goes on.

    The base is the photographs as the networks redraw them at strength 0: what they lose by that
    is no part of a style. Returns truth.csv.

    Args:
        sources: photographs and paintings.
        networks: AdaIN's.
        out: made if need be.
        levels: L.
        side: of the pictures made, which are the middle squares of the photographs.
        words: captions and descriptions.
        progress: told of every picture.

    Raises:
        UsageError: `out` holds something else, or a picture cannot be opened.
    """
    words = words or Words()
    strengths = [level / levels for level in range(1, levels + 1)]
    asked = {
        "dataset": "style-transfer",
        "networks": networks.revision,
        "device": networks.device,
        "contents": key_of(*(picture.digest() for picture in sources.contents.pictures)),
        "styles": {
            name: key_of(*(picture.digest() for picture in pictures))
            for name, pictures in sources.styles.items()
        },
        "levels": levels,
        "side": side,
        "words": words.digest,
    }
    claim(out, asked)
    contents = words.of_contents(sources.contents, progress)
    described = words.of_styles(sources.styles, progress)
    plain = next(iter(sources.styles.values()))[0]
    _make(out, contents, [plain], {BASE: 0.0}, networks, side)
    total, entries = len(sources.styles), []
    named = zip(slugs(sources.styles), sources.styles.values(), described, strict=True)
    for number, (style, paintings, description) in enumerate(named):
        progress("Styles", number, total)
        sets = {f"{style}-{100 * strength:03.0f}": strength for strength in strengths}
        _make(out, contents, paintings, sets, networks, side)
        for name, strength in sets.items():
            entries.append(Entry(name, (Aspect(description, strength),), name, BASE))
    progress("Styles", total, total)
    return write_truth(out, entries)


def _make(
    out: Path,
    contents: ImageSet,
    paintings: Sequence[Picture],
    sets: Mapping[str, float],
    networks: AdaIN,
    side: int,
) -> None:
    """Write the sets (levels by name) of one style; each photograph is encoded once."""
    if all(is_written(out / name) for name in sets):
        return
    styles = [networks.features(square(painting.open(), side)) for painting in paintings]
    for number, content in enumerate(contents.pictures):
        paths = {name: out / name / f"{number:05}.png" for name in sets}
        missing = [name for name, path in paths.items() if not path.is_file()]
        if missing:
            drawn = networks.graded(
                square(content.open(), side),
                styles[number % len(styles)],
                [sets[name] for name in missing],
            )
            for name, picture in zip(missing, drawn, strict=True):
                write_picture(paths[name], picture)
    for name in sets:
        lines = (
            Line(f"{number:05}.png", content.prompt, number, {"photograph": content.key})
            for number, content in enumerate(contents.pictures)
        )
        write_manifest(out / name, lines)


def square(picture: Image.Image, side: int = SIDE) -> Image.Image:
    """Return the middle of a picture, side × side."""
    edge = min(picture.size)
    left, top = (picture.width - edge) // 2, (picture.height - edge) // 2
    middle = picture.crop((left, top, left + edge, top + edge))
    return middle.resize((side, side), Image.Resampling.LANCZOS)
