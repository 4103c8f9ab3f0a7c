"""A set of pictures: all that one model made, from a folder, a manifest or a list."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finexl.errors import UsageError
from finexl.images import Picture, image_formats, printable
from finexl.manifest import FILE_KEYS, Row, read_rows

MANIFESTS = ("manifest.jsonl", "manifest.csv", "metadata.jsonl")
_SAYS_LITTLE = ("base", "lora", "out", "images", "personalized")


@dataclass(frozen=True)
class ImageSet:
    """Pictures in a fixed order, with the name that reports call them by."""

    name: str
    kind: str
    """"folder", "manifest", or, given in Python, "images" or "embeddings"."""
    pictures: tuple[Picture, ...]
    warnings: tuple[str, ...] = ()


def read_images(where: str | Path) -> ImageSet:
    """Find the pictures of a folder (with its sub-folders) or of a manifest; opens none of them.

    Sorted by code points of the path in the folder. Hidden files and folders are skipped and
    symlinked folders not entered. A folder with a manifest.jsonl, manifest.csv or metadata.jsonl
    is read through that; a manifest's paths are relative to it and stay in its folder.

    Raises:
        UsageError: no such folder, no pictures in it, no manifest, or a manifest that is
            malformed, leaves its folder, or names a file twice or one that is missing.
    """
    # os.path.exists, as Path.exists raises on names that are too long
    if where == "" or not os.path.exists(where):  # noqa: PTH110
        raise UsageError(
            f"There is no folder or file {str(where)!r}; give a folder of images or a manifest."
        )
    path = Path(where)
    if path.is_dir():
        manifest = next((path / name for name in MANIFESTS if (path / name).is_file()), None)
        if manifest is None:
            return ImageSet(_name_of(path), "folder", _pictures_in(path))
    elif path.suffix.lower() in (".jsonl", ".csv"):
        manifest = path
    else:
        raise UsageError(f"{path} is neither a folder of images nor a manifest (.jsonl or .csv).")
    return ImageSet(_name_of(manifest.parent), "manifest", _pictures_of(manifest))


def images_from(items: Sequence[Image.Image | str | Path], name: str) -> ImageSet:
    """Make a set of PIL images and paths, in the order given.

    A picture's key is its file's name without suffix, or its index where it has none or where two
    keys would be equal.

    Raises:
        UsageError: nothing given, or something that is neither an image nor a path.
    """
    if not items:
        raise UsageError(f"No images were given for {name}; give at least one.")
    sources: list[Path | Image.Image] = []
    for index, item in enumerate(items):
        if not isinstance(item, (Image.Image, str, Path)):
            kind = type(item).__name__
            raise UsageError(f"Item {index} of {name} is a {kind}; give PIL images or paths.")
        sources.append(Path(item) if isinstance(item, str) else item)
    indices = [str(index) for index in range(len(sources))]
    keys = [
        key_of(source.name) if isinstance(source, Path) else index
        for index, source in zip(indices, sources, strict=True)
    ]
    if len(set(keys)) < len(keys):
        keys = indices
    pictures = (Picture(key, source) for key, source in zip(keys, sources, strict=True))
    return ImageSet(name, "images", tuple(pictures))


def embeddings_from(rows: NDArray[np.generic], name: str) -> ImageSet:
    """Make a set of images of which only the embeddings (n, d) are known; keys are the indices.

    Raises:
        UsageError: not a table of finite numbers with at least one row and column.
    """
    if rows.ndim != 2 or 0 in rows.shape or not np.issubdtype(rows.dtype, np.number):
        raise UsageError(f"The embeddings of {name} have shape {rows.shape}; give numbers (n, d).")
    if not np.isfinite(rows).all():
        raise UsageError(f"The embeddings of {name} have NaN or infinite numbers; remove them.")
    pictures = (Picture(str(index), row) for index, row in enumerate(rows.astype(np.float32)))
    return ImageSet(name, "embeddings", tuple(pictures))


def key_of(path: str) -> str:
    """Return a relative posix path without its suffix, spelled the same on every system."""
    stem = path.removesuffix(PurePath(path).suffix)
    return unicodedata.normalize("NFC", printable(stem))


def listed(names: Sequence[str]) -> str:
    """Return the first five of some names and how many more there are."""
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    return ", ".join(map(printable, names[:5])) + more


def _name_of(folder: Path) -> str:
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 - resolve() would follow symlinks
    name = folder.name
    if name.casefold() in _SAYS_LITTLE and folder.parent.name:
        name = f"{folder.parent.name}/{name}"
    return printable(name) or "images"


def _pictures_in(folder: Path) -> tuple[Picture, ...]:
    def refuse(error: OSError) -> None:
        raise UsageError(f"{error.filename} cannot be read: {(error.strerror or '').lower()}.")

    paths: list[str] = []
    for where, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths += [
            (Path(where) / name).relative_to(folder).as_posix()
            for name in files
            if not name.startswith(".") and PurePath(name).suffix.lower() in image_formats()
        ]
    if not paths:
        suffixes = ", ".join(image_formats())
        raise UsageError(f"{folder} has no images; put some there ({suffixes}).")
    return tuple(Picture(key_of(path), folder / path) for path in sorted(paths))


def _pictures_of(manifest: Path) -> tuple[Picture, ...]:
    rows: dict[str, Row] = {}
    for row in read_rows(manifest):
        path = _confined(manifest, row)
        if path in rows:
            raise UsageError(f"{manifest} names {printable(path)} twice, at line {row.line} again.")
        rows[path] = row
    folder = manifest.parent
    missing = [path for path in rows if not os.path.exists(folder / path)]  # noqa: PTH110
    if missing:
        raise UsageError(
            f"{manifest} names files that do not exist, {len(missing):,} of {len(rows):,}: "
            f"{listed(missing)}."
        )
    return tuple(
        Picture(key_of(path), folder / path, rows[path].prompt, rows[path].seed)
        for path in sorted(rows)
    )


def _confined(manifest: Path, row: Row) -> str:
    """Return the row's path in posix form, once it is sure to lie in the manifest's folder."""
    where = f"{manifest} at line {row.line}"
    path = Path(row.file or "")
    if not path.parts:
        raise UsageError(f"{where} names no file; give one as {' or '.join(FILE_KEYS)}.")
    root = os.path.realpath(manifest.parent)
    inside = Path(os.path.realpath(manifest.parent / path)).is_relative_to(root)
    if path.anchor or ".." in path.parts or not inside:
        raise UsageError(
            f"{where} names {printable(str(path))}, which is not in the manifest's folder."
        )
    return path.as_posix()
