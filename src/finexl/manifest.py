"""Files that say what pictures were made from: .jsonl, .csv, or .txt with a prompt a line."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from finexl.errors import UsageError

FILE_KEYS = ("file", "file_name", "image")
MAX_PROMPT_CHARACTERS = 2_000
_MAX_BYTES = 64_000_000
_MAX_SEED = 2**64


@dataclass(frozen=True)
class Row:
    """One line: what it says of a picture; None is "not said" (an empty prompt is a prompt)."""

    line: int
    """Counted from 1; the last one, where a quoted field spans several."""
    file: str | None
    prompt: str | None
    seed: int | None


class _BadLineError(Exception):
    """What is wrong, and at which line."""

    def __init__(self, line: int, what: str) -> None:
        self.line, self.what = line, what


def read_rows(path: Path) -> list[Row]:
    """Read a .jsonl, .csv or .txt file, in its own order; UTF-8, BOM and CRLF allowed.

    A blank line of a .txt is an empty prompt, trailing ones are ignored; an empty cell of a .csv
    is "not said".

    Raises:
        UsageError: the file cannot be read, has no rows, another extension, or a line (named) that
            is malformed, not UTF-8, or has a prompt of over 2,000 characters or an odd seed.
    """
    readers = {".jsonl": _read_jsonl, ".csv": _read_csv, ".txt": _read_txt}
    read = readers.get(path.suffix.lower())
    if read is None:
        raise UsageError(f"{path} is not a .txt, .csv or .jsonl file; give one of these.")
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {(error.strerror or '').lower()}.") from error
    if len(content) > _MAX_BYTES:
        raise UsageError(f"{path} is larger than 64 MB; split it.")
    try:
        rows = [_row(line, fields) for line, fields in read(_decode(content))]
    except _BadLineError as error:
        raise UsageError(f"{path} is wrong at line {error.line}: {error.what}.") from error
    if not rows:
        raise UsageError(f"{path} has no rows; give one for each picture.")
    return rows


def _decode(content: bytes) -> str:
    content = content.removeprefix(codecs.BOM_UTF8)
    content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _BadLineError(line, "it is not UTF-8 text") from error


def _read_txt(text: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    for line, prompt in enumerate(text.rstrip().split("\n") if text.strip() else (), 1):
        yield line, {"prompt": prompt}


def _read_jsonl(text: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    # not splitlines(): that also splits at U+2028, which JSON strings may hold
    for line, source in enumerate(text.split("\n"), 1):
        if not source.strip():
            continue
        try:
            fields = json.loads(source)
        except (ValueError, RecursionError) as error:
            raise _BadLineError(line, "it is not JSON") from error
        if not isinstance(fields, dict):
            raise _BadLineError(line, "it is not a JSON object")
        yield line, fields


def _read_csv(text: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    reader = csv.reader(io.StringIO(text), strict=True)
    header: list[str] | None = None
    try:
        for cells in reader:
            if not cells:
                continue
            if header is None:
                header = [name.strip() for name in cells]
            elif len(cells) != len(header):
                what = f"it has {len(cells)} cells where the header has {len(header)}"
                raise _BadLineError(reader.line_num, what)
            else:
                yield reader.line_num, dict(zip(header, (c or None for c in cells), strict=True))
    except csv.Error as error:
        raise _BadLineError(reader.line_num, f"it is not CSV ({error})") from error


def _row(line: int, fields: Mapping[str, object]) -> Row:
    files = [fields[key] for key in FILE_KEYS if fields.get(key) not in (None, "")]
    prompt = _text(line, "prompt", fields.get("prompt"))
    if prompt is not None and len(prompt) > MAX_PROMPT_CHARACTERS:
        what = f"its prompt has {len(prompt):,} characters, the most is {MAX_PROMPT_CHARACTERS:,}"
        raise _BadLineError(line, what)
    file = _text(line, "file", files[0] if files else None)
    return Row(line, file, prompt, _seed(line, fields.get("seed")))


def _text(line: int, key: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise _BadLineError(line, f"its {key} is no text")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise _BadLineError(line, f"its {key} has characters that are no text")
    return value.strip()


def _seed(line: int, value: object) -> int | None:
    if value is None or value == "":
        return None
    try:
        if isinstance(value, str):
            # spreadsheets and pandas write whole numbers as 3.0 where a cell of the column is empty
            value = float(value) if "." in value else int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
    except ValueError:
        pass
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _MAX_SEED:
        raise _BadLineError(line, f"its seed is no whole number: {str(value)[:40]!r}")
    return value if value >= 0 else None  # -1 is how many tools write "random"
