"""Writing sets of known levels, as `read_levels` reads them; what is broken off is continued.

A set's manifest is written when all of its images are there, truth.csv when all sets are.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from finexl.bench.data.graded import TRUTH, Aspect
from finexl.cache import key_of
from finexl.errors import FinexlError, UsageError
from finexl.files import write_atomic
from finexl.images import Picture

MANIFEST = "manifest.jsonl"
DATASET = "dataset.json"
BASE = "base"
"""The folder of what the sets differ from."""
LONGEST = 80
"""Characters of a set's folder."""


@dataclass(frozen=True)
class Entry:
    """A set in truth.csv; its folders are relative to the file."""

    name: str
    aspects: Sequence[Aspect]
    personalized: str
    base: str = ""


@dataclass(frozen=True)
class Line:
    """An image in a set's manifest."""

    file: str
    prompt: str | None = None
    seed: int | None = None
    more: Mapping[str, Any] | None = None
    """What else is known of it."""


def claim(folder: Path, asked: Mapping[str, Any]) -> None:
    """Make the folder this dataset's, or go on in it.

    Args:
        folder: made if need be.
        asked: all that the dataset depends on, JSON-like.

    Raises:
        UsageError: it holds something else.
    """
    path = folder / DATASET
    text = json.dumps(asked, ensure_ascii=False, indent=1, default=str) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        before = path.read_text(encoding="utf-8") if path.exists() else None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{folder} cannot hold a dataset: {error}.") from error
    if before is None:
        if any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty; give a new folder for the dataset.")
        write_atomic(path, text)
    elif before != text:
        raise UsageError(
            f"{folder} holds a dataset that was asked for otherwise ({path.name} says how); give "
            "another folder, or delete it."
        )


def digest_of(pictures: Iterable[Picture]) -> str:
    """Return a digest of pictures' names and files, in order, for `claim`.

    Raises:
        ImageError: one cannot be read.
    """
    return key_of(*(part for picture in pictures for part in (picture.key, picture.digest())))


def write_truth(folder: Path, entries: Iterable[Entry]) -> Path:
    """Write truth.csv: a line for each set and aspect. Returns its path."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("name", "description", "level", "base", "personalized"))
    for entry in entries:
        for aspect in entry.aspects:
            level = f"{aspect.level:.10g}"
            writer.writerow((entry.name, aspect.words, level, entry.base, entry.personalized))
    write_atomic(folder / TRUTH, file.getvalue())
    return folder / TRUTH


def write_manifest(folder: Path, lines: Iterable[Line]) -> None:
    """Write a set's manifest; what is not known of an image is left out."""
    rows = []
    for line in lines:
        said = {"file": line.file, "prompt": line.prompt, "seed": line.seed, **(line.more or {})}
        known = {key: value for key, value in said.items() if value is not None}
        rows.append(json.dumps(known, ensure_ascii=False) + "\n")
    write_atomic(folder / MANIFEST, "".join(rows))


def is_written(folder: Path) -> bool:
    """Whether a set is complete: its manifest comes last."""
    return (folder / MANIFEST).is_file()


def write_picture(path: Path, picture: Image.Image) -> None:
    """Write a picture as PNG, whole or not at all."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, file.getvalue())


def place(source: Path, target: Path) -> None:
    """Put a file where another is: linked where the file system can, else copied.

    Raises:
        FinexlError: it cannot be read or written.
    """
    real = os.path.realpath(source)
    temporary = target.with_name(f".{target.name}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            return
        with suppress(OSError):
            os.link(real, target)
            return
        shutil.copyfile(real, temporary)
        temporary.replace(target)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise FinexlError(f"{source} cannot be put into {target.parent}: {why}.") from error


def slugs(texts: Iterable[str]) -> list[str]:
    """Return a folder's name for each set: see `slug`.

    Raises:
        UsageError: two that would be one folder.
    """
    found: dict[str, str] = {}
    for text in texts:
        if found.setdefault(slug(text), text) != text:
            raise UsageError(f"{found[slug(text)]!r} and {text!r} would be one set; rename one.")
    return list(found)


def slug(text: str) -> str:
    """Return a folder's name for a set: lower-case letters, digits and hyphens.

    A long one is cut, and ends in a digest of the whole: texts may differ only in their ends.

    Raises:
        UsageError: nothing is left.
    """
    found = re.sub(r"[^\w]+|_+", "-", text.casefold()).strip("-")
    if len(found) > LONGEST:
        digest = key_of(found)[:12]
        found = f"{found[: LONGEST - len(digest) - 1].strip('-')}-{digest}"
    if not found or found == BASE:
        raise UsageError(f"{text!r} cannot name a set; rename it.")
    return found
