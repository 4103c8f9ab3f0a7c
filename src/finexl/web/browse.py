"""The catalog's pages: the grid that re-ranks, and a model's own page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from finexl.catalog import Catalog, Filter, Found, parse_wishes
from finexl.catalog.entry import card_of
from finexl.errors import FinexlError
from finexl.web.pages import is_htmx, render
from finexl.web.shelf import Shelf
from finexl.web.views import (
    POSITIONS,
    Tile,
    query,
    sliders,
    tile,
    wishes_of,
)

router = APIRouter()

SHOWN = 24
"""Models on a page of the grid."""
Text = Annotated[str, Query(max_length=2_000)]
Texts = Annotated[list[str], Query(max_length=50)]


@dataclass(frozen=True)
class Asked:
    """What the catalog is asked for, as its address says."""

    q: str
    words: str
    like: str
    wanted: Mapping[str, int]
    """The sliders' positions by concept."""
    filters: Mapping[str, str]
    chosen: tuple[str, ...]
    offset: int

    def address(self, **other: object) -> str:
        """Return the address of the same with something else in it."""
        moved = {c: v for c, v in self.wanted.items() if v}
        same = {
            "q": self.q,
            "words": self.words,
            "like": self.like,
            "aspect": list(moved),
            "want": list(moved.values()),
            **self.filters,
            "model": list(self.chosen),
            "offset": self.offset or None,
        }
        return "/?" + query(**{**same, **other})


@dataclass(frozen=True)
class Chip:
    """Something that narrows the grid down, and the address without it."""

    text: str
    without: str


@dataclass(frozen=True)
class Listed:
    """What the grid shows."""

    tiles: tuple[Tile, ...]
    heading: str
    matched: str = ""
    """What a hit's number is."""
    warnings: tuple[str, ...] = ()
    total: int = 0


@router.get("/")
def grid(
    request: Request,
    q: Text = "",
    words: Text = "",
    like: Text = "",
    aspect: Texts = [],  # noqa: B006 - FastAPI copies it
    want: Annotated[list[int], Query(max_length=50)] = [],  # noqa: B006
    base: Text = "",
    family: Text = "",
    licence: Text = "",
    tag: Text = "",
    model: Texts = [],  # noqa: B006
    offset: Annotated[int, Query(ge=0, le=1_000_000_000)] = 0,
) -> Response:
    """Show the catalog, ranked by what is wished for."""
    shelf: Shelf = request.app.state.shelf
    if shelf.path is None:
        return render(request, "catalog.html.j2", has_catalog=False)
    ends = min(POSITIONS), max(POSITIONS)
    wanted = {c: min(max(v, ends[0]), ends[1]) for c, v in zip(aspect, want, strict=False) if c}
    filters = {"base": base, "family": family, "licence": licence, "tag": tag}
    given = {name: value for name, value in filters.items() if value}
    asked = Asked(
        q.strip(), words.strip(), like, wanted, given, tuple(dict.fromkeys(model)), offset
    )
    with shelf.opened() as catalog:
        common = shelf.common(catalog)
        trouble = None
        try:
            listed = _listed(shelf, catalog, asked)
        except FinexlError as error:
            listed, trouble = Listed((), "Nothing to show"), str(error)
    page = render(request, "catalog.html.j2", **_grid(asked, listed, common, trouble))
    if is_htmx(request):
        page.headers["HX-Replace-Url"] = asked.address()  # a form names all that is empty, too
    return page


def _listed(shelf: Shelf, catalog: Catalog, asked: Asked) -> Listed:
    where = Filter(**asked.filters)
    wishes = {w.concept.casefold(): w for w in parse_wishes(asked.q)} if asked.q else {}
    wishes |= {wish.concept.casefold(): wish for wish in wishes_of(asked.wanted)}
    if wishes:
        found = shelf.search(catalog, tuple(wishes.values()), where, SHOWN)
        unused = ("The words are not looked for while models are ranked by wishes.",)
        listed = _ranked(catalog, found, asked, "match, between −1 and 1")
        return replace(listed, warnings=(*listed.warnings, *(unused if asked.words else ())))
    if asked.like:
        found = shelf.like(catalog, asked.like, where, SHOWN)
        return _ranked(catalog, found, asked, "cosine of the two changes")
    cards = catalog.cards(where, text=asked.words, limit=SHOWN, offset=asked.offset)
    total = catalog.count(where, text=asked.words)
    tiles = tuple(tile(c, None, asked.chosen, catalog.thumbnails(c.name)) for c in cards)
    return Listed(tiles, f"{total:,} model{'' if total == 1 else 's'}", total=total)


def _ranked(catalog: Catalog, found: Found, asked: Asked, matched: str) -> Listed:
    tiles = tuple(
        tile(card_of(catalog.entry(h.name)), h, asked.chosen, catalog.thumbnails(h.name))
        for h in found.results
    )
    heading = f"The best {len(tiles)} of {found.searched:,} models"
    return Listed(tiles, heading, matched, found.warnings, len(tiles))


def _grid(
    asked: Asked, listed: Listed, common: Sequence[str], trouble: str | None
) -> dict[str, Any]:
    """Return all that the grid's template is given."""
    shown = {t.card.name for t in listed.tiles}
    narrowed = {**asked.filters, "words": asked.words, "like": asked.like}
    kinds = {"licence": "licence", "tag": "tag", "base": "on", "like": "like", "words": "with"}
    chips = [
        Chip(f"{kinds.get(name, name)} {value}", asked.address(**{name: None, "offset": None}))
        for name, value in narrowed.items()
        if value
    ]
    earlier = max(0, asked.offset - SHOWN) if asked.offset else None
    later = asked.offset + SHOWN if asked.offset + SHOWN < listed.total else None
    return {
        "has_catalog": True,
        "q": asked.q,
        "sliders": sliders(common, asked.wanted),
        "filters": [(name, value) for name, value in narrowed.items() if value and name != "words"],
        "words_asked": asked.words,
        "chips": chips,
        "heading": listed.heading,
        "matched": listed.matched,
        "warnings": listed.warnings,
        "tiles": listed.tiles,
        "trouble": trouble,
        "elsewhere": [name for name in asked.chosen if name not in shown],
        "earlier": None if earlier is None else asked.address(offset=earlier or None),
        "later": None if later is None else asked.address(offset=later),
    }
