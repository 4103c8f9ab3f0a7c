"""What is asked of many models: the list as it is written, and one question a model."""

from __future__ import annotations

import csv
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from finexl.asking import MAKING, USUAL, absolute, options_of, sides_of
from finexl.cache import key_of
from finexl.errors import UsageError
from finexl.images import printable
from finexl.sources import is_model

COLUMNS = ("name", "base", "personalized", "prompts")
MAX_BYTES = 256_000_000
_SAYS_LITTLE = ("base", "lora", "out", "images", "personalized", "model")


@dataclass(frozen=True)
class Row:
    """One model of a list, as it is written there."""

    name: str
    base: str
    personalized: str
    prompts: str | None = None


@dataclass(frozen=True)
class Question:
    """What `finexl explain` would be asked of one model."""

    name: str
    asked: Mapping[str, Any]
    """Every option by name, with absolute paths, as run.json keeps it (`finexl.asking`)."""

    @property
    def file(self) -> str:
        """What its files are called: its name, made fit for any file system."""
        return file_name(self.name)

    @property
    def makes(self) -> bool:
        """Whether a model has to make images."""
        return is_model(self.asked["base"]) or is_model(self.asked["personalized"])


def questions_of(rows: Sequence[Row], asked: Mapping[str, Any]) -> list[Question]:
    """Return what is asked of each model.

    Args:
        rows: the models.
        asked: options by name, beside those of `finexl.asking.USUAL`; those of making images
            count for models that make some, and `prompts` where a row has none.

    Raises:
        UsageError: an option that cannot be used, or one of making images where no model makes any.
    """
    asked = {**USUAL, **asked}
    options_of({**asked, "prompts": None}).check()
    still = {key: USUAL[key] for key in MAKING}
    some_make = any(is_model(side) for row in rows for side in (row.base, row.personalized))
    questions = []
    for row in rows:
        own = {"name": row.name, "base": row.base, "personalized": row.personalized}
        own |= {"prompts": row.prompts or asked["prompts"]}
        try:
            question = Question(row.name, absolute({**asked, **own}))
            if some_make and not question.makes:
                question = replace(question, asked={**question.asked, **still})
            sides_of(question.asked)  # refuses what does not fit together
        except UsageError as error:
            raise UsageError(f"{row.name}: {error}") from error
        questions.append(question)
    return questions


def read_list(path: Path) -> list[Row]:
    """Read a list of models: .csv or .jsonl with base, personalized and, if wanted, name, prompts.

    A .txt has BASE PERSONALIZED [PROMPTS] a line, written as in a shell. Paths are taken from the
    current folder, as on the command line. A model without a name is called as its file or folder.

    Raises:
        UsageError: the file cannot be read, has no rows, a line (named) is wrong, or two models
            have one name.
    """
    readers = {".csv": _from_csv, ".jsonl": _from_jsonl, ".txt": _from_txt}
    if path.suffix.lower() not in readers:
        raise UsageError(f"{path} is no list of models; give a .csv, .jsonl or .txt file.")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{path} is larger than {MAX_BYTES / 1e6:.0f} MB; split it.")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(f"{path} cannot be read: {why.lower()}.") from error
    rows: dict[str, Row] = {}
    for line, fields in readers[path.suffix.lower()](text):
        try:
            row = _row(fields)
            file = file_name(row.name).casefold()
            if file in rows:
                raise ValueError(f"a model above is called {row.name!r} as well; give other names")
        except ValueError as error:
            raise UsageError(f"{path} is wrong at line {line}: {error}.") from error
        rows[file] = row
    if not rows:
        raise UsageError(f"{path} names no model; write one a line.")
    return list(rows.values())


_Line: TypeAlias = "tuple[int, Mapping[str, Any] | str]"
"""A line's number, and its cells by column, or what is wrong with it."""


def _from_csv(text: str) -> Iterator[_Line]:
    reader = csv.DictReader(text.splitlines(keepends=True), restkey="", strict=True)
    try:
        for row in reader:
            yield reader.line_num, {str(key).strip(): value for key, value in row.items()}
    except csv.Error as error:
        yield reader.line_num, f"it is no CSV ({error})"


def _from_jsonl(text: str) -> Iterator[_Line]:
    for line, source in enumerate(text.split("\n"), 1):
        if source.strip():
            try:
                found = json.loads(source)
            except (ValueError, RecursionError):
                found = None
            yield line, found if isinstance(found, dict) else "it is no JSON object"


def _from_txt(text: str) -> Iterator[_Line]:
    for line, source in enumerate(text.split("\n"), 1):
        try:
            parts = shlex.split(source, comments=True)
        except ValueError as error:
            yield line, f"it is not written as in a shell ({error})"
            continue
        if parts:
            yield line, dict(zip((*COLUMNS[1:], ""), parts, strict=False))


def _row(fields: Mapping[str, Any] | str) -> Row:
    if isinstance(fields, str):
        raise ValueError(fields)
    surplus = [key for key in fields if key not in COLUMNS]
    if surplus:
        raise ValueError(f"it has more than {', '.join(COLUMNS)}: {surplus[0]!r}")
    given = {key: str(value).strip() for key, value in fields.items() if value not in (None, "")}
    for key in ("base", "personalized"):
        if not given.get(key):
            raise ValueError(f"it has no {key}")
    name = printable(given.get("name") or _name_of(given["personalized"]))
    return Row(name, given["base"], given["personalized"], given.get("prompts"))


def _name_of(reference: str) -> str:
    """Return what a model is called that was given no name: its folder, or its adapters' files."""
    if not is_model(reference):
        path = Path(reference).absolute()
        return "/".join(path.parts[-2:]) if path.name.casefold() in _SAYS_LITTLE else path.name
    parts = reference.partition(":")[2].split("+")
    return " + ".join(Path(part).name.replace(".safetensors", "") for part in parts[1:] or parts)


def file_name(name: str) -> str:
    """Return a name that any file system takes; names that are not such get a digest, too."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:80]
    return safe if safe and safe == name else f"{safe}-{key_of(name)[:8]}".lstrip("-")
