"""A model's own page, models beside each other, and what would be left without an aspect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from finexl.catalog import Entry
from finexl.comparing.said import about_alike
from finexl.errors import FinexlError
from finexl.explanation import Explanation
from finexl.web.pages import render
from finexl.web.shelf import Shelf
from finexl.web.views import beside, examples_of, explained, left_over, query
from finexl.web.without import encoder_of, what_is_left

router = APIRouter()

FEWEST = 2
"""Models in a comparison."""
Text = Annotated[str, Query(max_length=2_000)]
Texts = Annotated[list[str], Query(max_length=50)]


@router.get("/model")
def model_page(request: Request, name: Text, without: Text = "") -> Response:
    """Show a model of the catalog."""
    shelf: Shelf = request.app.state.shelf
    with shelf.opened() as catalog:
        entry, pictures = shelf.entry(catalog, name), catalog.thumbnails(name)
    e = entry.explanation
    captions = {picture.pair: picture.caption for picture in pictures}

    def address(pair: int, side: str) -> str:
        return "/thumbnail?" + query(name=name, pair=pair, side=side)

    return render(
        request,
        "model.html.j2",
        **explained(e),
        **what_if(e, without, captions),
        examples=examples_of(e, captions, address),
        has_heat=False,
        links=[
            {"address": "/?" + query(like=name), "text": "Models like this one"},
            {"address": "/api/model?" + query(name=name), "text": "JSON"},
        ],
        place="/model",
        adding=None,
        place_fields=[("name", name)],
        said=_said(entry),
        record=None,
    )


@router.get("/compare")
def compare_page(request: Request, model: Texts = []) -> Response:  # noqa: B006
    """Show models beside each other."""
    names, trouble, found = tuple(dict.fromkeys(model)), None, None
    if len(names) < FEWEST:
        trouble = "Choose two models or more in the catalog, then compare them."
    else:
        try:
            found = request.app.state.shelf.compare(names)
        except FinexlError as error:
            trouble = str(error)
    return render(
        request,
        "compare.html.j2",
        names=names,
        detected={True: "yes", False: "not detected", None: "too few pairs"},
        trouble=trouble,
        found=found,
        alike=[] if found is None else [(about_alike(pair), pair) for pair in found.pairs],
        table=None if found is None else beside(found),
        back="/?" + query(model=list(names)),
        as_json="/api/compare?" + query(model=list(names)),
    )


@router.get("/thumbnail")
def thumbnail(request: Request, name: Text, pair: int, side: Text) -> Response:
    """Send a small picture of a model's pair."""
    shelf: Shelf = request.app.state.shelf
    with shelf.opened() as catalog:
        shelf.entry(catalog, name)
        found = [t for t in catalog.thumbnails(name) if (t.pair, t.side) == (pair, side)]
    if not found:
        return Response(status_code=404)
    cached = {"Cache-Control": "private, max-age=3600"}
    return Response(found[0].image, media_type="image/webp", headers=cached)


def what_if(e: Explanation, without: str, captions: Mapping[int, str]) -> dict[str, Any]:
    """Return what the what-if part of a page shows; nothing unless an aspect is named."""
    found: dict[str, Any] = {"without": without, "left": None, "left_over": None, "trouble": None}
    if not without:
        return found
    try:
        left = what_is_left(e, without, encoder_of(e), captions)
    except FinexlError as error:
        return {**found, "trouble": str(error)}
    return {**found, "left": left, "left_over": left_over(left)}


def _said(entry: Entry) -> list[tuple[str, str]]:
    """Return what the publisher says of a model, without what is not said."""
    m = entry.metadata
    said = [
        ("Reference", m.reference),
        ("Base", m.base),
        ("Family", m.family),
        ("Licence", m.licence),
        ("Trigger words", ", ".join(m.trigger_words)),
        ("Tags", ", ".join(m.tags)),
        *m.header.items(),
        ("Added", entry.added),
    ]
    return [(name, value) for name, value in said if value]
