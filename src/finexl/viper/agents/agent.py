"""A simulated person: likings, the pictures they were shown, what they said of each; as JSON.

One agent a line, `finexl.agent/1`; the same agent, the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from finexl.errors import UsageError
from finexl.viper.profile import Comment, Opinion
from finexl.viper.taste import Taste

SCHEMA = "finexl.agent/1"
FILE = "agents.jsonl"
MOST_BYTES = 2_000_000
"""Of one agent's line."""

View = Literal["neutral", "extremely negative", "negative", "positive", "conflicted"]
"""What a comment thinks of its picture: the five of the paper's task (A.2)."""
Manner = Literal["named", "described", "judged", "unspecific"]
"""How a comment speaks of an attribute: in its own words, in others, by its effect ("my eyes don't
know where to go"), or by its category alone ("these colors")."""
_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Reaction:
    """One attribute that a comment speaks of: the truth that extractors are measured by."""

    __pydantic_config__ = _STRICT

    attribute: str
    opinion: Opinion
    manner: Manner


@dataclass(frozen=True)
class Remark:
    """A comment on one picture."""

    __pydantic_config__ = _STRICT

    text: str
    picture: str
    """The picture's file."""
    opinion: View
    about: tuple[Reaction, ...] | None
    """None where a model wrote it: what it meant is not known."""


@dataclass(frozen=True)
class Shown:
    """A picture that an agent was shown."""

    __pydantic_config__ = _STRICT

    file: str
    """Its file, within the agents' folder."""
    prompt: str
    """What it was made of: a recipe (`ingredients.written`), or a model's prompt."""
    seed: int
    visible: tuple[str, ...]
    """The attributes that it has, in the attributes' order."""


@dataclass(frozen=True)
class Agent:
    """A simulated person."""

    __pydantic_config__ = _STRICT

    name: str
    liked: tuple[str, ...]
    """Attributes, VP+."""
    disliked: tuple[str, ...]
    """Attributes, VP−."""
    pictures: tuple[Shown, ...]
    comments: tuple[Remark, ...]
    written_by: str
    """"grammar", or the name of the model that wrote the comments."""
    schema: Literal["finexl.agent/1"] = field(default="finexl.agent/1")

    def __post_init__(self) -> None:
        both = set(self.liked) & set(self.disliked)
        if both:
            raise UsageError(f"{self.name} both likes and dislikes {min(both)!r}.")
        shown = {one.file for one in self.pictures}
        for file in shown:
            path = PurePosixPath(file)
            if path.is_absolute() or ".." in path.parts or "\\" in file:
                raise UsageError(f"{self.name} has a picture outside of its folder: {file!r}.")
        for remark in self.comments:
            if remark.picture not in shown:
                raise UsageError(f"{self.name} speaks of {remark.picture}, which it never saw.")

    @property
    def taste(self) -> Taste:
        """What steering takes: every attribute weighs the same."""
        sides = (self.liked, self.disliked)
        return Taste(*(tuple((text, 1.0) for text in side) for side in sides))

    def said(self) -> tuple[Comment, ...]:
        """Return the comments as an extractor takes them."""
        return tuple(Comment(one.text, one.picture) for one in self.comments)

    def to_json(self) -> str:
        """Return one line of JSON, `schema` first, without its end."""
        data: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        ordered = {"schema": data.pop("schema"), **data}
        return json.dumps(ordered, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, line: str) -> Agent:
        """Read what `to_json` wrote.

        Raises:
            UsageError: not JSON, another schema, or a missing, unknown or malformed key.
        """
        try:
            schema = json.loads(line)["schema"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise UsageError("this is not an agent: no JSON with a `schema`.") from error
        if schema != SCHEMA:
            raise UsageError(f"it has schema {schema!r}, and this version reads {SCHEMA}.")
        try:
            return _ADAPTER.validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise UsageError(f"its `{where}` is wrong: {first['msg']}.") from error


def read_agents(where: Path) -> list[Agent]:
    """Return the agents of a folder that `make_agents` filled, or of a .jsonl file.

    Raises:
        UsageError: there are none, or a line (named) is no agent of this version.
    """
    path = where / FILE if where.is_dir() else where
    found = [agent_in(line, path, number) for number, line in _lines(path)]
    if not found:
        raise UsageError(f"{path} has no agents; `finexl viper agents` makes them.")
    names = {agent.name for agent in found}
    if len(names) < len(found):
        raise UsageError(f"{path} has agents of the same name.")
    return found


def agent_in(line: str, path: Path, number: int) -> Agent:
    """Return the agent in a file's line; errors name both."""
    try:
        return Agent.from_json(line)
    except UsageError as error:
        raise UsageError(f"{path} is wrong at line {number}: {error}") from error


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(MOST_BYTES + 1), b""), 1):
                if len(line) > MOST_BYTES:
                    raise UsageError(f"{path} is wrong at line {number}: no agent is so long.")
                if line.strip():
                    yield number, line.decode("utf-8")
    except FileNotFoundError as error:
        raise UsageError(
            f"There are no agents in {path}; `finexl viper agents` makes them."
        ) from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {(error.strerror or '').lower()}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text.") from error


_ADAPTER: TypeAdapter[Agent] = TypeAdapter(Agent)
