"""The API's objects as its OpenAPI document describes them: what is promised of each."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from finexl.web.explaining import Pairing, Vocabulary


class Object(BaseModel):
    """A JSON object of which the named keys are promised, and others are told as well."""

    model_config = ConfigDict(extra="allow")


class Problem(Object):
    """What went wrong, in one sentence."""

    error: str


class Start(Object):
    """What a program needs to know of this start of the server."""

    version: str
    csrf: str
    """To be sent as X-CSRF-Token with every POST."""


class ExplanationJson(Object):
    """An explanation, as `finexl explain --json` writes it."""

    schema_: Literal["finexl.explanation/1"] = Field(alias="schema")
    name: str
    base: dict[str, Any]
    personalized: dict[str, Any]
    encoder: dict[str, str]
    decomposition: str
    n_pairs: int
    divergence: dict[str, Any]
    aspects: list[dict[str, Any]]
    less: list[dict[str, Any]]
    residual: float | None
    sentences: list[str]
    warnings: list[str]


class SearchJson(Object):
    """Models, best first, as `finexl catalog search --json` writes them."""

    schema_: Literal["finexl.search/1"] = Field(alias="schema")
    results: list[dict[str, Any]]
    warnings: list[str]


class ComparisonJson(Object):
    """Models beside each other, as `finexl compare --json` writes it."""

    schema_: Literal["finexl.comparison/1"] = Field(alias="schema")
    models: list[dict[str, Any]]
    aspects: list[dict[str, Any]]
    differences: list[dict[str, Any]]
    pairs: list[dict[str, Any]]
    sentences: list[str]
    warnings: list[str]


class WhatIfJson(Object):
    """What is left without an aspect, as `finexl explain --what-if --json` writes it."""

    schema_: Literal["finexl.what-if/1"] = Field(alias="schema")
    concept: str
    norm_before: float
    norm_after: float
    aspects: list[dict[str, Any]]
    pairs: list[dict[str, Any]]


class CardJson(Object):
    """A model in a list."""

    name: str
    base: str
    encoder: str
    detected: bool | None
    norm: float
    residual: float | None
    aspects: list[tuple[str, float]]


class ModelsJson(Object):
    """A part of the catalog, by name."""

    count: int
    models: list[CardJson]


class StageJson(Object):
    """A step of a job."""

    stage: str
    done: int
    of: int


class JobJson(Object):
    """Something on its way."""

    job: str
    kind: Literal["explanation", "set", "extraction", "previews", "verification"]
    title: str
    state: Literal["waiting", "running", "done", "failed", "cancelled"]
    submitted: str
    stages: list[StageJson]
    why: str | None
    run: str | None
    """An explanation's id."""
    result: str | None
    """Where what it made is told of."""


class RunJson(Object):
    """An explanation that is done."""

    run: str
    name: str
    created: str
    detected: bool | None
    residual: float | None


class RunsJson(Object):
    """The explanations that are done, the latest first."""

    runs: list[RunJson]


class ExplainFolders(BaseModel):
    """Two folders or manifests to be explained, under the roots."""

    model_config = ConfigDict(extra="forbid")

    base: str = Field(max_length=4_000)
    personalized: str = Field(max_length=4_000)
    name: str = Field("", max_length=200)
    prompts: list[str] = Field([], max_length=100_000)
    prompts_file: str = Field("", max_length=4_000)
    pairing: Pairing = "auto"
    vocabulary: Vocabulary = "style"
