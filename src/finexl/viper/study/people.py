"""Who takes part in an automated study: tastes in people's words and in the model's."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from finexl.cache import key_of
from finexl.errors import UsageError
from finexl.viper.agents.agent import FILE, read_agents
from finexl.viper.agents.agent import SCHEMA as AGENT
from finexl.viper.profile import SCHEMA as PROFILE
from finexl.viper.profile import read_profile
from finexl.viper.taste import Attributes, Taste, taste_of

SCHEMA = "finexl.subject/1"
MOST_BYTES = 64_000_000
"""Of a file of people."""


@dataclass(frozen=True)
class Subject:
    """Somebody whose taste is known."""

    name: str
    taste: Taste
    """As scorers are told it."""
    told: Taste
    """As a model is told it: small ones know a word in its caption's place alone."""
    rewrites: Mapping[str, str] = field(default_factory=dict)
    """Prompts as somebody put them to this taste: a language model's answers, say."""
    liked: tuple[Path, ...] = ()
    """Pictures that they are known to like, made by nothing that is studied."""
    disliked: tuple[Path, ...] = ()

    @property
    def key(self) -> str:
        """What their images depend on: people of one key share them."""
        return key_of(repr(self.told), json.dumps(self.rewrites, sort_keys=True))[:12]


@dataclass(frozen=True)
class _Lists:
    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    liked: tuple[str, ...] = ()
    disliked: tuple[str, ...] = ()

    def taste(self) -> Taste:
        return Taste(_alike(self.liked), _alike(self.disliked))


@dataclass(frozen=True)
class _Line(_Lists):
    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    schema: str = SCHEMA
    name: str = ""
    told: _Lists | None = None
    rewrites: dict[str, str] = field(default_factory=dict)
    examples: _Lists | None = None


_ADAPTER: TypeAdapter[_Line] = TypeAdapter(_Line)


def read_subjects(path: Path) -> list[Subject]:
    """Return the people of a folder of agents, of a .jsonl of agents or subjects, or of a profile.

    Raises:
        UsageError: there are none, two share a name, or a line (named) is malformed.
    """
    if path.is_dir() or path.name == FILE:
        return [Subject(one.name, one.taste, one.taste) for one in read_agents(path)]
    if path.suffix == ".json":
        profile = read_profile(path)
        taste = taste_of(profile)
        return [Subject(profile.name, taste, taste)]
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"{path} is larger than a file of people can be.")
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {(error.strerror or '').lower()}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text.") from error
    found = [
        _subject(line, path.parent, f"{path}, line {number}")
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    if not found:
        raise UsageError(f"{path} has nobody in it.")
    names = [one.name for one in found]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"{path} has two people of the name {twice!r}.")
    return found


def written(subject: Subject) -> str:
    """Return one line of JSON: what `read_subjects` reads, weights left out."""
    lists = {
        side: [words for words, _ in getattr(subject.taste, side)] for side in ("liked", "disliked")
    }
    told = {
        side: [words for words, _ in getattr(subject.told, side)] for side in ("liked", "disliked")
    }
    line: dict[str, Any] = {"schema": SCHEMA, "name": subject.name, **lists, "told": told}
    if subject.rewrites:
        line["rewrites"] = dict(subject.rewrites)
    if subject.liked or subject.disliked:
        line["examples"] = {
            side: [path.as_posix() for path in getattr(subject, side)]
            for side in ("liked", "disliked")
        }
    return json.dumps(line, ensure_ascii=False)


def _subject(line: str, folder: Path, where: str) -> Subject:
    try:
        schema = json.loads(line)["schema"]
        if schema == SCHEMA:
            read = _ADAPTER.validate_json(line)
            taste = read.taste()
            told = taste if read.told is None else read.told.taste()
            sides = read.examples or _Lists()
            pictures = (_inside(folder, side, where) for side in (sides.liked, sides.disliked))
            return Subject(read.name, taste, told, read.rewrites, *pictures)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{where}: `{place}` is wrong: {first['msg']}.") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UsageError(f"{where}: no JSON of a person with a `schema`.") from error
    raise UsageError(
        f"{where}: its schema is {schema!r}; a file of people has {SCHEMA} in its lines, agents "
        f"are {AGENT} in {FILE}, and a profile ({PROFILE}) is a .json file."
    )


def _inside(folder: Path, names: tuple[str, ...], where: str) -> tuple[Path, ...]:
    """Return files of the folder, once they are sure to lie in it."""
    root = os.path.realpath(folder)
    for name in names:
        if not Path(os.path.realpath(folder / name)).is_relative_to(root):
            raise UsageError(f"{where}: {name!r} does not lie in {folder}.")
    return tuple(folder / name for name in names)


def _alike(words: tuple[str, ...]) -> Attributes:
    return tuple((text, 1.0) for text in words)
