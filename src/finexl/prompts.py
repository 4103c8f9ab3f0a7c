"""Prompts that come in a file of their own, and giving them to the pictures they made."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from finexl.errors import UsageError
from finexl.images import Picture
from finexl.imageset import ImageSet, listed
from finexl.manifest import read_rows


@dataclass(frozen=True)
class PromptRow:
    """A prompt, and which picture it made where that is said."""

    prompt: str
    file: str | None = None
    seed: int | None = None


def read_prompts(path: Path) -> list[PromptRow]:
    """Read prompts: a .txt with one a line, a .csv or .jsonl with `prompt` (and `file`, `seed`).

    A blank line before the last prompt of a .txt, or an empty cell of a .csv, is an empty prompt.

    Raises:
        UsageError: the file cannot be read or a line of it (named) is wrong.
    """
    rows = read_rows(path)
    if all(row.prompt is None for row in rows):
        raise UsageError(f"{path} has no prompts; give them as `prompt`.")
    prompts = []
    for row in rows:
        if row.prompt is None and path.suffix.lower() != ".csv":
            raise UsageError(f"{path} is wrong at line {row.line}: it has no prompt.")
        prompts.append(PromptRow(row.prompt or "", row.file, row.seed))
    return prompts


def with_prompts(images: ImageSet, rows: Sequence[PromptRow]) -> ImageSet:
    """Return the set with prompts (and seeds, where given) attached to its pictures.

    Rows with `file` go to the pictures of that path, key, file name or stem, whichever is found
    first; pictures that no row names keep what they had. Rows without go by order.

    Raises:
        UsageError: another number of prompts than of pictures; only some rows with `file`; no
            picture named by any; or one named twice with different prompts.
    """
    named = [row.file for row in rows if row.file is not None]
    if named and len(named) < len(rows):
        raise UsageError(
            f"A file is named by {len(named)} of the {len(rows)} prompts only; "
            "name one for all or for none."
        )
    if named:
        return _attached_by_file(images, rows)
    n = len(images.pictures)
    if len(rows) != n:
        raise UsageError(
            f"The number of prompts, {len(rows)}, is not that of the images of {images.name}, {n}; "
            "give one for each, in the order of the sorted files."
        )
    pictures = map(_attached, images.pictures, rows)
    return replace(
        images, pictures=tuple(pictures), warnings=(*images.warnings, *_about_order(images))
    )


def _about_order(images: ImageSet) -> tuple[str, ...]:
    """Return a warning where files in the order of their characters are not in that of numbers."""
    keys = [picture.key for picture in images.pictures]
    if images.kind != "folder" or keys == sorted(keys, key=_numbered):
        return ()
    return (
        f"The prompts are given to the images of {images.name} in the order of their characters, "
        f"{', '.join(keys[:4])}, …, not of their numbers; to be sure, name each prompt's file in a "
        ".csv.",
    )


def _numbered(key: str) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", key)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _attached_by_file(images: ImageSet, rows: Sequence[PromptRow]) -> ImageSet:
    levels: list[dict[str, list[int]]] = [defaultdict(list) for _ in range(4)]
    for index, picture in enumerate(images.pictures):
        for level, spelling in zip(levels, _spellings(picture), strict=True):
            level[spelling].append(index)
    pictures = list(images.pictures)
    given: dict[int, PromptRow] = {}
    strays = []
    for row in rows:
        file = str(PurePosixPath(unicodedata.normalize("NFC", row.file or "")))
        hits = next((level[file] for level in levels if file in level), [])
        if not hits:
            strays.append(file)
        for index in hits:
            if (given.setdefault(index, row).prompt, given[index].seed) != (row.prompt, row.seed):
                raise UsageError(f"Two different prompts are given for {pictures[index].name}.")
            pictures[index] = _attached(images.pictures[index], row)
    if not given:
        raise UsageError(f"No prompt names an image of {images.name}: {listed(strays)}.")
    warnings = list(images.warnings)
    if strays:
        warnings.append(
            f"No image of {images.name} for {len(strays)} of the {len(rows)} prompts: "
            f"{listed(strays)}."
        )
    bare = [picture.name for index, picture in enumerate(pictures) if index not in given]
    if bare:
        warnings.append(
            f"No prompt for {len(bare)} of the {len(pictures)} images of {images.name}: "
            f"{listed(bare)}."
        )
    return replace(images, pictures=tuple(pictures), warnings=tuple(warnings))


def _attached(picture: Picture, row: PromptRow) -> Picture:
    seed = picture.seed if row.seed is None else row.seed
    return replace(picture, prompt=row.prompt, seed=seed)


def _spellings(picture: Picture) -> tuple[str, str, str, str]:
    """What a row may call a picture, the most exact first."""
    path, key = PurePosixPath(picture.name), PurePosixPath(picture.key)
    return picture.name, picture.key, path.name, key.name
