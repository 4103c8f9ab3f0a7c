"""The visual attributes that preferences are made of: 20 categories of them (ViPer §3.1, A.3).

`data/attributes.csv` lists them with what else they are called; `data/categories.csv` has each
category's weight in sampling and the nouns that name it as a whole. People may name others, which
are kept as they say them; these are what a picture is looked at for, and what agents like.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from finexl.concepts.vectors import ConceptVectors
from finexl.concepts.vocabulary import neutral_prompts
from finexl.encoders import Encoder
from finexl.measure import Measure

Group = Literal["style", "colour", "other"]
"""What is left out together to see what it is worth (ViPer C.5, Table 5)."""

PROMPTS = neutral_prompts()[::4]
"""The prompts of Eq. 6: eight of the neutral ones, since each costs an attribute a text."""
DECOMPOSITION = "subspace"
"""Whose template writes t ∪ C, and in whose whitened space pictures and attributes are compared."""


@dataclass(frozen=True)
class Attribute:
    """A visual attribute, written as a text encoder knows it best."""

    text: str
    category: str
    subcategory: str
    group: Group
    aliases: tuple[str, ...]
    """What else people call it; no two attributes share one."""


@dataclass(frozen=True)
class Category:
    """A kind of attribute."""

    name: str
    weight: float
    """How often simulated people care about it: of all categories together 1."""
    nouns: tuple[str, ...]
    """What people call the whole of it: "colors", "palette"."""


@cache
def attributes() -> tuple[Attribute, ...]:
    """Return all attributes, category by category."""
    return tuple(
        Attribute(
            row["attribute"],
            row["category"],
            row["subcategory"],
            cast(Group, row["group"]),
            _listed(row["aliases"]),
        )
        for row in _rows("attributes.csv")
    )


@cache
def categories() -> Mapping[str, Category]:
    """Return the 20 categories by name, the weightiest first; read-only."""
    rows = _rows("categories.csv")
    return MappingProxyType(
        {
            row["category"]: Category(row["category"], float(row["weight"]), _listed(row["nouns"]))
            for row in rows
        }
    )


@cache
def by_text() -> Mapping[str, Attribute]:
    """Return the attributes by their text, casefolded; read-only."""
    return MappingProxyType({one.text.casefold(): one for one in attributes()})


def probabilities() -> NDArray[np.float64]:
    """Return each attribute's probability (m,) in a draw: its category's weight, shared evenly."""
    listed = attributes()
    sizes = {name: sum(one.category == name for one in listed) for name in categories()}
    return np.array([categories()[one.category].weight / sizes[one.category] for one in listed])


def measure_of(encoder: Encoder) -> Measure:
    """Return how attributes are mapped and compared under an encoder."""
    return Measure(encoder, DECOMPOSITION, PROMPTS, 0)


def vectors_of(encoder: Encoder, texts: Sequence[str] | None = None) -> ConceptVectors:
    """Return f(C) (Eq. 6) of all attributes, or of these texts, in their order; cached.

    The first time costs eight texts an attribute.
    """
    wanted = [one.text for one in attributes()] if texts is None else texts
    return measure_of(encoder).vectors(wanted)


def _rows(name: str) -> list[dict[str, str]]:
    text = (files(__package__) / "data" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _listed(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split(";") if part.strip())
