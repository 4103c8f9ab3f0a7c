"""What a person said about pictures and what they like: frozen dataclasses <-> JSON, local only.

A profile is one file that its owner chooses (`finexl.profile/1`). Nothing here sends it anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from finexl.errors import UsageError
from finexl.explanation import rounded
from finexl.files import write_atomic

SCHEMA = "finexl.profile/1"
MOST_COMMENTS = 10_000
MOST_CHARACTERS = 20_000
"""Of one comment."""
MOST_BYTES = 256_000_000
CONSENT = (
    "The comments are kept in this file, for their author's own use, and go nowhere unless a "
    "remote model is asked to read them. Their author may see, change, export and delete all of it."
)

Opinion = Literal["liked", "disliked"]
Listed = Literal["liked", "disliked", "mixed"]
"""The lists that an attribute may be in."""
_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Comment:
    """What a person said, word for word, about one picture or about none in particular."""

    __pydantic_config__ = _STRICT

    text: str
    picture: str | None = None
    """The picture's file name or its digest."""

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise UsageError("A comment is empty; write what you think, or leave it out.")
        if len(self.text) > MOST_CHARACTERS:
            raise UsageError(
                f"The comment {self.text[:40]!r}… has {len(self.text):,} characters; the most is "
                f"{MOST_CHARACTERS:,}: split it."
            )
        if any("\ud800" <= letter <= "\udfff" for letter in self.text + (self.picture or "")):
            raise UsageError("A comment has characters that are no text.")


@dataclass(frozen=True)
class Evidence:
    """Where a preference comes from."""

    __pydantic_config__ = _STRICT

    comment: int
    """Its index in the profile."""
    words: str
    """What it says, as it is written there."""
    opinion: Opinion
    picture: str | None = None
    """The picture that the comment is about."""
    seen: bool = False
    """The comment names no attribute ("I love these colors"): it was read off the picture."""


@dataclass(frozen=True)
class Preference:
    """A visual attribute that somebody likes, dislikes, or feels both ways about."""

    __pydantic_config__ = _STRICT

    attribute: str
    category: str | None
    """One of `finexl.viper.attributes.categories`; None where it is not known."""
    confidence: float
    """How sure the extractor is, in (0, 1]; comparable within one extractor alone."""
    evidence: tuple[Evidence, ...]

    def __post_init__(self) -> None:
        if not self.attribute.strip():
            raise UsageError("A preference names no attribute.")
        if not 0 < self.confidence <= 1:
            raise UsageError(
                f"The confidence of {self.attribute!r} is {self.confidence}; it lies above 0 and "
                "is at most 1."
            )


@dataclass(frozen=True)
class Correction:
    """What a person says of one attribute themselves: it holds whatever an extractor finds."""

    __pydantic_config__ = _STRICT

    attribute: str
    opinion: Opinion | None
    """The list that it belongs to; None: to none."""
    weight: float | None = None
    """In (0, 1]; None: as sure as it was found, or 1 where nothing found it."""
    found_as: Listed | None = None
    """Where an extractor had put it; None: it was not found."""
    found: Preference | None = None
    """What it had found."""

    def __post_init__(self) -> None:
        if not self.attribute.strip():
            raise UsageError("A correction names no attribute.")
        if self.weight is not None and not 0 < self.weight <= 1:
            raise UsageError(
                f"The weight of {self.attribute!r} is {self.weight}; it lies above 0 and is at "
                "most 1."
            )
        if (self.found_as is None) != (self.found is None):
            raise UsageError(f"The correction of {self.attribute!r} says half of what was found.")


@dataclass(frozen=True)
class PictureId:
    """A picture that comments are about, by content."""

    __pydantic_config__ = _STRICT

    name: str
    digest: str


@dataclass(frozen=True)
class Profile:
    """One person's comments and the preferences found in them (VP+ and VP−)."""

    __pydantic_config__ = _STRICT

    name: str
    comments: tuple[Comment, ...] = ()
    liked: tuple[Preference, ...] = ()
    """VP+, the surest first."""
    disliked: tuple[Preference, ...] = ()
    """VP−, the surest first."""
    mixed: tuple[Preference, ...] = ()
    """What is liked here and disliked there: in neither list, and not lost."""
    extractor: str | None = None
    """What found them; None before any did."""
    pictures: tuple[PictureId, ...] = ()
    notes: tuple[str, ...] = ()
    """What could not be read, one sentence each."""
    consent: str = CONSENT
    corrections: tuple[Correction, ...] = ()
    """What the person put right themselves; the three lists have it in them already
    (`finexl.viper.extraction.corrections`). In the file only where there is any."""
    schema: Literal["finexl.profile/1"] = field(default="finexl.profile/1")

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise UsageError("A profile needs a name.")
        if len(self.comments) > MOST_COMMENTS:
            raise UsageError(
                f"The profile {self.name} would have {len(self.comments):,} comments; the most is "
                f"{MOST_COMMENTS:,}."
            )
        seen: set[str] = set()
        for preference in (*self.liked, *self.disliked, *self.mixed):
            key = preference.attribute.casefold()
            if key in seen:
                raise UsageError(f"The profile {self.name} lists {preference.attribute!r} twice.")
            seen.add(key)
        if len({one.attribute.casefold() for one in self.corrections}) < len(self.corrections):
            raise UsageError(f"The profile {self.name} corrects an attribute twice.")
        before = [one.found for one in self.corrections if one.found is not None]
        for preference in (*self.liked, *self.disliked, *self.mixed, *before):
            if any(not 0 <= one.comment < len(self.comments) for one in preference.evidence):
                raise UsageError(
                    f"The evidence for {preference.attribute!r} names a comment that the profile "
                    f"{self.name} does not have."
                )

    def adding(self, comments: Iterable[Comment]) -> Profile:
        """Return the profile with more comments; one that it has already is not added again."""
        return replace(self, comments=tuple(dict.fromkeys((*self.comments, *comments))))

    def without_comments(self) -> Profile:
        """Return the preferences alone: no comment, no quoted words, no picture, no note."""
        liked, disliked, mixed = (
            tuple(replace(one, evidence=()) for one in listed)
            for listed in (self.liked, self.disliked, self.mixed)
        )
        return replace(
            self,
            comments=(),
            liked=liked,
            disliked=disliked,
            mixed=mixed,
            pictures=(),
            notes=(),
            corrections=(),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object, `schema` first."""
        data = _ADAPTER.dump_python(self, mode="json")
        if not self.corrections:  # earlier versions know of none
            del data["corrections"]
        found: dict[str, Any] = rounded({"schema": data.pop("schema"), **data})
        return found

    def to_json(self) -> str:
        """Return the JSON text: same profile, same bytes."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Profile:
        """Read what `to_json` wrote.

        Raises:
            UsageError: not JSON, another schema, or a missing, unknown or malformed key.
        """
        try:
            schema = json.loads(text)["schema"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise UsageError("This is not a profile: no JSON with a `schema`.") from error
        if schema != SCHEMA:
            raise UsageError(
                f"This profile has schema {schema!r} and this version reads {SCHEMA}; it was left "
                "as it is."
            )
        try:
            return _ADAPTER.validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise UsageError(f"The profile's `{where}` is wrong: {first['msg']}.") from error


def read_profile(path: Path) -> Profile:
    """Read a profile's file.

    Raises:
        UsageError: there is none, it cannot be read, or it is no profile of this version.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"{path} is larger than {MOST_BYTES // 10**6} MB: no profile is.")
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(
            f"There is no profile {path}; `finexl viper comment {path} …` begins one."
        ) from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {(error.strerror or '').lower()}.") from error
    try:
        return Profile.from_json(content)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def write_profile(profile: Profile, path: Path) -> None:
    """Write a profile, whole or not at all, readable to its owner alone.

    Raises:
        UsageError: the path cannot be written.
        FinexlError: the disk is full.
    """
    write_atomic(path, profile.to_json())
    if path.is_file():
        path.chmod(0o600)


def delete_profile(path: Path) -> Profile:
    """Delete a profile's file and return what it held; a file that is none is left alone.

    Raises:
        UsageError: no profile of this version there, or it cannot be deleted.
    """
    profile = read_profile(path)
    try:
        path.unlink()
    except OSError as error:
        raise UsageError(f"{path} cannot be deleted: {(error.strerror or '').lower()}.") from error
    return profile


_ADAPTER: TypeAdapter[Profile] = TypeAdapter(Profile)
