"""What a catalog holds of a model, and what it shows of it in a list."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import ConfigDict

from finexl.explanation import Explanation

SHOWN = 5
"""Aspects on a card."""


@dataclass(frozen=True)
class Metadata:
    """What a model's publisher says of it; nothing here is measured."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    reference: str | None = None
    """How the command takes the model: lora:BASE+FILE@SCALE, diffusers:ID."""
    base: str | None = None
    """The model that it was made from; the explanation's base where nobody says."""
    family: str | None = None
    """The architecture: sd1, sdxl, flux, …"""
    trigger_words: tuple[str, ...] = ()
    licence: str | None = None
    tags: tuple[str, ...] = ()
    header: Mapping[str, str] = field(default_factory=dict)
    """What stands beside the weights in a safetensors file's header."""


@dataclass(frozen=True)
class Entry:
    """A model in the catalog: its explanation, and what is said of it."""

    explanation: Explanation
    metadata: Metadata = Metadata()
    added: str = ""
    """When, ISO 8601; set by the catalog."""

    @property
    def name(self) -> str:
        """The explanation's name: one entry each."""
        return self.explanation.name


@dataclass(frozen=True)
class Thumbnail:
    """A small picture of one side of an example pair."""

    side: Literal["base", "personalized"]
    pair: int
    """The pair's index in the explanation."""
    caption: str
    image: bytes
    """WebP, at most 256 pixels wide and high."""


@dataclass(frozen=True)
class Card:
    """A model in a list."""

    name: str
    base: str
    family: str | None
    licence: str | None
    tags: tuple[str, ...]
    encoder: str
    detected: bool | None
    norm: float
    residual: float | None
    aspects: tuple[tuple[str, float], ...]
    """(concept, signed score), strongest first, at most 5."""


@dataclass(frozen=True)
class Filter:
    """Which entries; None: whichever."""

    base: str | None = None
    family: str | None = None
    licence: str | None = None
    tag: str | None = None


EVERY = Filter()


def card_of(entry: Entry) -> Card:
    """Return what a list shows of an entry."""
    explanation, said = entry.explanation, entry.metadata
    found = itertools.chain(explanation.aspects, explanation.less)
    strongest = sorted(found, key=lambda aspect: -abs(aspect.score))[:SHOWN]
    return Card(
        name=entry.name,
        base=said.base or explanation.base.name,
        family=said.family,
        licence=said.licence,
        tags=said.tags,
        encoder=explanation.encoder.name,
        detected=explanation.divergence.detected,
        norm=explanation.divergence.norm,
        residual=explanation.residual,
        aspects=tuple((aspect.concept, aspect.score) for aspect in strongest),
    )
