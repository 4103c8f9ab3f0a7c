"""What drawn pictures are put together from, and which attributes each part makes visible.

`data/ingredients.csv` names them all. A picture has one ingredient of each slot. An attribute that
no ingredient shows cannot be drawn honestly (a drawn shape is no portrait, and tells no story), and
pictures are not drawn for it.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from finexl.errors import UsageError
from finexl.viper.attributes import attributes

SLOTS = (
    "ground", "shape", "layout", "colours", "outline", "shadow", "medium", "tone", "light",
    "surface",
)  # fmt: skip
"""What a picture has one ingredient of each of, in the order in which they are laid on."""


@dataclass(frozen=True)
class Ingredient:
    """One part of a drawn picture."""

    name: str
    slot: str
    how: str
    """An operator's "name@level", colours "#rrggbb …", or nothing: drawn by `drawn.py`."""
    shows: tuple[str, ...]
    """The attributes that it makes visible."""
    hides: tuple[str, ...]
    """Slots of which nothing can be told any more under it."""


Recipe = Mapping[str, Ingredient]
"""An ingredient a slot."""


@cache
def ingredients() -> Mapping[str, Ingredient]:
    """Return all ingredients by name, slot by slot; read-only."""
    text = (files(__package__) / "data" / "ingredients.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return MappingProxyType(
        {
            row["ingredient"]: Ingredient(
                row["ingredient"],
                row["slot"],
                row["how"],
                tuple(part.strip() for part in row["shows"].split(";") if part.strip()),
                tuple(row["hides"].split()),
            )
            for row in rows
        }
    )


@cache
def of_slot(slot: str) -> tuple[Ingredient, ...]:
    """Return a slot's ingredients, the plainest first."""
    return tuple(one for one in ingredients().values() if one.slot == slot)


@cache
def drawable() -> Mapping[str, tuple[Ingredient, ...]]:
    """Return what shows each attribute that can be drawn, in the attributes' order; read-only."""
    every = ingredients().values()
    showing = {one.text: tuple(i for i in every if one.text in i.shows) for one in attributes()}
    return MappingProxyType({text: found for text, found in showing.items() if found})


def hidden(recipe: Recipe) -> set[str]:
    """Return the slots that other ingredients of a recipe, finished or not, hide."""
    return {slot for one in recipe.values() for slot in one.hides}


def visible(recipe: Recipe) -> tuple[str, ...]:
    """Return every attribute that a picture visibly has, in the attributes' order."""
    out_of_sight = hidden(recipe)
    shown = {text for slot, one in recipe.items() if slot not in out_of_sight for text in one.shows}
    return tuple(text for text in drawable() if text in shown)


def written(recipe: Recipe) -> str:
    """Return a recipe as text, one name a slot: what a drawn picture's prompt is."""
    return ", ".join(recipe[slot].name for slot in SLOTS)


def read_recipe(text: str) -> Recipe:
    """Read what `written` wrote.

    Raises:
        UsageError: not one ingredient of each slot, in the slots' order.
    """
    known: Sequence[Ingredient | None] = [ingredients().get(name) for name in text.split(", ")]
    found = {one.slot: one for one in known if one is not None}
    if len(known) != len(SLOTS) or tuple(found) != SLOTS:
        raise UsageError(
            f"{text[:80]!r} is no drawn picture's recipe; it names an ingredient for each of "
            f"{', '.join(SLOTS)}."
        )
    return found
