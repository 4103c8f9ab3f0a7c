"""The page of models that suit a person: the catalog, ranked anew while weights are moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Form, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from finexl.catalog import EVERY, Catalog, Found
from finexl.catalog.entry import card_of
from finexl.errors import FinexlError, UsageError
from finexl.viper.extraction.corrections import correct
from finexl.viper.profile import Opinion, Preference, Profile
from finexl.viper.ranking import wishes_of
from finexl.web.pages import render
from finexl.web.shelf import Shelf
from finexl.web.taste.begun import Desk, address
from finexl.web.views import Tile, tile

router = APIRouter()

SHOWN = 24
SLIDERS = 24
"""Attributes that can be weighed; the others weigh what they weigh in the profile."""
REASONS = 4
"""The weightiest of a model's reasons."""
Texts = Annotated[list[str], Query(max_length=SLIDERS)]
Weights = Annotated[list[Annotated[float, Query(ge=0, le=1)]], Query(max_length=SLIDERS)]


@dataclass(frozen=True)
class Weight:
    """A preference's slider."""

    attribute: str
    liked: bool
    value: float


@router.get("/taste/{id}/models")
def show(
    request: Request,
    id: str,
    attribute: Texts = [],  # noqa: B006 - FastAPI copies it
    weight: Weights = [],  # noqa: B006
) -> Response:
    """Show the models that suit a person best."""
    return _page(request, id, dict(zip(attribute, weight, strict=False)))


@router.post("/taste/{id}/weights")
def keep(
    request: Request,
    id: str,
    attribute: Annotated[list[str], Form(max_length=SLIDERS)] = [],  # noqa: B006
    weight: Annotated[list[float], Form(max_length=SLIDERS)] = [],  # noqa: B006
) -> Response:
    """Keep the weights that were tried; what weighs nothing is taken out."""
    desk: Desk = request.app.state.desk
    tried = dict(zip(attribute, weight, strict=False))
    try:
        desk.cabinet.change(id, lambda now: weighed(now, tried))
    except UsageError as error:
        desk.cabinet.read(id)
        return _page(request, id, {}, 400, str(error))
    return RedirectResponse(f"{address(id)}/models", status_code=303)


def weighed(profile: Profile, weights: Mapping[str, float]) -> Profile:
    """Return the profile with these weights, by attribute; others than it has are passed over.

    Raises:
        UsageError: a weight outside [0, 1].
    """
    now = profile
    sides: tuple[tuple[Opinion, tuple[Preference, ...]], ...] = (
        ("liked", profile.liked),
        ("disliked", profile.disliked),
    )
    for opinion, listed in sides:
        for one in listed:
            given = weights.get(one.attribute)
            if given is not None and given != round(one.confidence, 2):
                now = correct(now, one.attribute, opinion if given else None, given or None)
    return now


def ranked(shelf: Shelf, catalog: Catalog, profile: Profile, weights: Mapping[str, float],
           limit: int) -> Found:  # fmt: skip
    """Return the catalog's models by a person's taste, reasons weightiest first.

    Raises:
        UsageError: nothing to rank by, or words that the encoder cannot tell.
    """
    return shelf.search(catalog, wishes_of(profile, weights), EVERY, limit).by_weight()


def _page(
    request: Request,
    id: str,
    tried: Mapping[str, float],
    status: int = 200,
    trouble: str | None = None,
) -> Response:
    desk: Desk = request.app.state.desk
    shelf: Shelf = request.app.state.shelf
    profile = desk.cabinet.read(id)
    weights = _sliders(profile, tried)
    tiles: Sequence[Tile] = ()
    heading, warnings = "Nothing to show", tuple[str, ...]()
    if shelf.path is not None and weights and trouble is None:
        with shelf.opened() as catalog:
            try:
                found = ranked(shelf, catalog, profile, tried, SHOWN)
                tiles = [
                    tile(
                        card_of(catalog.entry(hit.name)),
                        replace(hit, reasons=hit.reasons[:REASONS]),
                        (),
                        catalog.thumbnails(hit.name),
                    )
                    for hit in found.results
                ]
                heading = f"The best {len(tiles)} of {found.searched:,} models"
                warnings = found.warnings
            except FinexlError as error:
                trouble = str(error)
    return render(
        request,
        "taste_models.html.j2",
        status,
        profile=profile,
        at=address(id),
        id=id,
        tab="/models",
        has_catalog=shelf.path is not None,
        weights=weights,
        others=len(profile.liked) + len(profile.disliked) - len(weights),
        changed=any(w.attribute in tried for w in weights),
        tiles=tiles,
        heading=heading,
        warnings=warnings,
        trouble=trouble,
    )


def _sliders(profile: Profile, tried: Mapping[str, float]) -> list[Weight]:
    """Return a slider for each of the weightiest preferences."""
    each = [(True, one) for one in profile.liked] + [(False, one) for one in profile.disliked]
    each.sort(key=lambda pair: -pair[1].confidence)
    heaviest = sorted(each[:SLIDERS], key=lambda pair: not pair[0])
    return [
        Weight(one.attribute, liked, tried.get(one.attribute, round(one.confidence, 2)))
        for liked, one in heaviest
    ]
