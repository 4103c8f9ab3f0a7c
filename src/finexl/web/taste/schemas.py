"""The objects of a person's taste as the API's OpenAPI document describes them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from finexl.viper.profile import MOST_CHARACTERS, MOST_COMMENTS
from finexl.web.schemas import Object
from finexl.web.taste.begun import LONGEST_PROMPT, MOST_SEED, MOST_STEPS
from finexl.web.taste.cabinet import LONGEST_NAME
from finexl.web.taste.previewing import DEGREES

Degree = Annotated[float, Field(ge=0, le=1)]
Prompt = Annotated[str, Field(min_length=1, max_length=LONGEST_PROMPT)]


class ProfileJson(Object):
    """A person's comments and preferences, as `finexl viper extract --json` writes them."""

    schema_: Literal["finexl.profile/1"] = Field(alias="schema")
    name: str
    comments: list[dict[str, Any]]
    liked: list[dict[str, Any]]
    disliked: list[dict[str, Any]]
    mixed: list[dict[str, Any]]
    extractor: str | None
    notes: list[str]
    consent: str


class KeptJson(Object):
    """A profile in the list; `trouble` says why one cannot be read."""

    id: str
    name: str
    comments: int
    liked: int
    disliked: int
    mixed: int
    trouble: str | None


class ProfilesJson(Object):
    """The profiles on this machine."""

    profiles: list[KeptJson]


class BegunJson(Object):
    """A profile that was begun."""

    id: str
    name: str


class SetJson(Object):
    """A set of pictures to comment on."""

    set: str
    title: str
    pictures: list[dict[str, Any]]
    notes: list[str]


class SetsJson(Object):
    """The sets that were prepared."""

    sets: list[SetJson]


class PreviewsJson(Object):
    """Steered previews; each prompt's files are addresses of this server, one a degree."""

    schema_: Literal["finexl.previews/1"] = Field(alias="schema")
    base: str
    seed: int
    degrees: list[float]
    prompts: list[dict[str, Any]]


class VerificationJson(Object):
    """What steering did, as `finexl viper verify --json` writes it."""

    schema_: Literal["finexl.verification/1"] = Field(alias="schema")
    name: str
    base: str
    degrees: list[dict[str, Any]]
    sentences: list[str]


class MadeJson(Object):
    """What was made from a profile, the latest first, by id."""

    previews: list[str]
    verifications: list[str]


class DeletedJson(Object):
    """That a profile is gone."""

    deleted: str


class Body(BaseModel):
    """A JSON object with no other keys than those named."""

    model_config = ConfigDict(extra="forbid")


class CommentBody(Body):
    """What a person says about a picture, or about none."""

    text: str = Field(min_length=1, max_length=MOST_CHARACTERS)
    picture: str | None = Field(None, max_length=4_000)


class BeginBody(Body):
    """A profile to begin."""

    name: str = Field(min_length=1, max_length=LONGEST_NAME)
    comments: list[CommentBody] = Field([], max_length=MOST_COMMENTS)


class CommentsBody(Body):
    """Comments to add; those that are there already are not added again."""

    comments: list[CommentBody] = Field(max_length=MOST_COMMENTS)


class CorrectBody(Body):
    """Where a person puts an attribute; `found` takes a correction back."""

    attribute: str = Field(min_length=1, max_length=4_000)
    to: Literal["liked", "disliked", "none", "found"]
    weight: float | None = Field(None, gt=0, le=1)


class SetBody(Body):
    """A folder of pictures under the roots; null for the built-in set."""

    folder: str | None = Field(None, max_length=4_000)


class PreviewBody(Body):
    """What previews to make."""

    base: str = Field(max_length=4_000)
    prompts: list[Prompt] = Field(min_length=1, max_length=100)
    degrees: list[Degree] = Field(list(DEGREES), min_length=1, max_length=8)
    seed: int = Field(0, ge=0, le=MOST_SEED)
    steps: int | None = Field(None, ge=1, le=MOST_STEPS)


class VerifyBody(Body):
    """What to verify; without prompts by the built-in ones."""

    base: str = Field(max_length=4_000)
    prompts: list[Prompt] = Field([], max_length=1_000)
    degrees: list[Degree] = Field(list(DEGREES[1:]), min_length=1, max_length=8)
    seed: int = Field(0, ge=0, le=MOST_SEED)
    steps: int | None = Field(None, ge=1, le=MOST_STEPS)
