"""Comments into a profile, one or a file of them; rewritten, or taken out again.

A .jsonl or .csv file has `text` and maybe `picture`, a .txt one comment a line. A picture that is a
file, here or beside the comments, is known by its content from then on, whatever it will be called.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from finexl.errors import UsageError
from finexl.images import ImageError, Picture
from finexl.viper.extraction.corrections import as_found, corrected
from finexl.viper.profile import Comment, PictureId, Preference, Profile, read_profile

TEXT_KEYS = ("text", "comment")
PICTURE_KEYS = ("picture", "file", "file_name", "image")
MOST_BYTES = 64_000_000


def read_comments(path: Path) -> tuple[tuple[Comment, ...], tuple[str, ...]]:
    """Return a file's comments in order, and a sentence about those that say nothing.

    Raises:
        UsageError: the file cannot be read, has another extension, no comment, or a line (named)
            that is malformed.
    """
    readers = {".jsonl": _jsonl, ".csv": _csv, ".txt": _txt}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f"{path} is not a .jsonl, .csv or .txt file; give one of these.")
    found, empty = [], 0
    for line, fields in reader(path, _read(path)):
        text, picture = _first(fields, TEXT_KEYS), _first(fields, PICTURE_KEYS)
        if text is not None and not isinstance(text, str):
            raise UsageError(f"{path} is wrong at line {line}: its text is no text.")
        if picture is not None and not isinstance(picture, str):
            raise UsageError(f"{path} is wrong at line {line}: its picture is no name.")
        if not (text or "").strip():
            empty += 1
            continue
        try:
            found.append(Comment(text or "", picture or None))
        except UsageError as error:
            raise UsageError(f"{path} is wrong at line {line}: {error}") from error
    if not found:
        keys = " or ".join(f"`{key}`" for key in TEXT_KEYS)
        raise UsageError(f"{path} has no comments; give one a line, as {keys}.")
    one = "comment is" if empty == 1 else "comments are"
    return tuple(found), (f"{empty:,} empty {one} left out.",) if empty else ()


def begun(path: Path, name: str | None = None) -> Profile:
    """Return the profile in a file, or a new one where there is no file yet.

    Raises:
        UsageError: a file that is no profile of this version.
    """
    if path.exists():
        profile = read_profile(path)
        return profile if name is None else replace(profile, name=name)
    return Profile(path.stem if name is None else name)


def commented(profile: Profile, comments: Sequence[Comment], beside: Path = Path()) -> Profile:
    """Return a profile with more comments, and the content of pictures that are at hand.

    Args:
        profile: is not changed.
        comments: those that it has already are not added again.
        beside: a folder in which pictures are looked for as well.
    """
    return known_by_content(profile, comments, lambda picture: _digest(picture, beside))


def known_by_content(
    profile: Profile, comments: Sequence[Comment], digest_of: Callable[[str], str | None]
) -> Profile:
    """Return a profile with more comments, and the digests of the pictures that have one."""
    known = {one.name: one.digest for one in profile.pictures}
    added = []
    for comment in comments:
        if comment.picture is None:
            added.append(comment)
            continue
        digest = digest_of(comment.picture)
        name = comment.picture if digest is None else Path(comment.picture).name
        if digest is not None and known.setdefault(name, digest) != digest:
            name = digest  # another picture of the same name
        added.append(replace(comment, picture=name))
    pictures = tuple(PictureId(name, digest) for name, digest in known.items())
    return replace(profile.adding(added), pictures=pictures)


def revised(profile: Profile, texts: Mapping[int, str]) -> Profile:
    """Return a profile with comments rewritten, or taken out where the new text is blank.

    What rested on nothing but the words that are gone goes with them; what was said elsewhere too,
    and what the person corrected themselves, stays. Extracting again reads what is there now.

    Args:
        profile: is not changed.
        texts: the new text by the comment's number, from 0; equal ones change nothing.

    Raises:
        UsageError: no such comment, or a text that is too long.
    """
    if texts and not 0 <= min(texts) <= max(texts) < len(profile.comments):
        raise UsageError(f"The profile {profile.name} has no comment {max(texts) + 1}.")
    changed = {i for i, text in texts.items() if text != profile.comments[i].text}
    rewritten = {
        i: replace(one, text=texts[i]) if i in changed else one
        for i, one in enumerate(profile.comments)
        if i not in changed or texts[i].strip()
    }
    place = {old: new for new, old in enumerate(rewritten) if old not in changed}

    def kept(listed: Sequence[Preference]) -> tuple[Preference, ...]:
        found = []
        for one in listed:
            left = [
                replace(e, comment=place[e.comment]) for e in one.evidence if e.comment in place
            ]
            if left or not one.evidence:
                found.append(replace(one, evidence=tuple(left)))
        return tuple(found)

    before = as_found(profile)
    comments = tuple(rewritten.values())
    named = {one.picture for one in comments}
    return corrected(
        replace(
            before,
            comments=comments,
            liked=kept(before.liked),
            disliked=kept(before.disliked),
            mixed=kept(before.mixed),
            pictures=tuple(one for one in profile.pictures if one.name in named),
        )
    )


def _digest(picture: str, beside: Path) -> str | None:
    """Return what a picture's content is known by, if there is such a file."""
    for path in (Path(picture), beside / picture):
        with suppress(OSError, ValueError, ImageError):
            if path.is_file():
                return Picture(path.stem, path).digest()
    return None


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {(error.strerror or '').lower()}.") from error
    if len(content) > MOST_BYTES:
        raise UsageError(f"{path} is larger than {MOST_BYTES // 10**6} MB; split it.")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text; save it as UTF-8.") from error


def _txt(_: Path, text: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    for line, comment in enumerate(text.split("\n"), 1):
        if comment.strip():
            yield line, {"text": comment}


def _jsonl(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    for line, source in enumerate(text.split("\n"), 1):
        if not source.strip():
            continue
        try:
            fields = json.loads(source)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{path} is wrong at line {line}: it is not JSON.") from error
        if not isinstance(fields, dict):
            raise UsageError(f"{path} is wrong at line {line}: it is not a JSON object.")
        yield line, fields


def _csv(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    reader = csv.reader(io.StringIO(text), strict=True)
    header: list[str] | None = None
    try:
        for cells in reader:
            if header is None:
                header = [cell.strip() for cell in cells]
            elif cells:
                yield reader.line_num, dict(zip(header, cells, strict=False))
    except csv.Error as error:
        where = f"{path} is wrong at line {reader.line_num}"
        raise UsageError(f"{where}: it is not CSV ({error}).") from error


def _first(fields: Mapping[str, object], keys: tuple[str, ...]) -> object:
    return next((fields[key] for key in keys if fields.get(key) not in (None, "")), None)
