"""The page of a set's pictures with a field for a comment under each."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from finexl.cache import key_of
from finexl.errors import FinexlError, UsageError
from finexl.report import wording
from finexl.viper.comments import known_by_content, revised
from finexl.viper.profile import CONSENT, MOST_CHARACTERS, Comment, Profile
from finexl.web.pages import render
from finexl.web.taste.begun import Desk, address
from finexl.web.taste.sets import PictureSet
from finexl.web.taste.views import Field, about_others, about_pictures
from finexl.web.views import query

router = APIRouter()

PICTURES = 60
"""On one page."""
OTHERS = 30
"""Comments about other pictures, or about none, on one page."""
MOST_FIELDS = 300
Word = Annotated[str, Query(max_length=200)]
Number = Annotated[int, Query(ge=0, le=1_000_000)]
Fields = Annotated[list[str], Form(max_length=MOST_FIELDS)]


class ChangedError(UsageError):
    """The comments are not those that the page showed."""


@router.get("/taste/{id}/comments")
def show(
    request: Request, id: str, set: Word = "", start: Number = 0, others: Number = 0
) -> Response:
    """Show the pictures, and what was said of them."""
    desk: Desk = request.app.state.desk
    return _page(request, id, desk.cabinet.read(id), set, start, others)


@router.post("/taste/{id}/comments")
def save(
    request: Request,
    id: str,
    number: Fields = [],  # noqa: B006 - FastAPI copies it
    picture: Fields = [],  # noqa: B006
    text: Fields = [],  # noqa: B006
    set: Annotated[str, Form(max_length=200)] = "",
    start: Annotated[int, Form(ge=0, le=1_000_000)] = 0,
    others: Annotated[int, Form(ge=0, le=1_000_000)] = 0,
    version: Annotated[str, Form(max_length=200)] = "",
    then: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """Save what was typed, and read it if asked to."""
    desk: Desk = request.app.state.desk
    typed = list(zip_longest(number, picture, [t.replace("\r\n", "\n") for t in text],
                             fillvalue=""))  # fmt: skip
    saved = False
    try:
        shown = desk.sets.find(set)

        def how(now: Profile) -> Profile:
            if version != version_of(now):
                raise ChangedError(
                    "The comments were changed meanwhile, on another page perhaps. Yours are below "
                    "as you typed them: look through them and save again."
                )
            return with_typed(now, typed, shown)

        desk.cabinet.change(id, how)
        saved = True
        if then == "read":
            return RedirectResponse(f"/jobs/{desk.extract(id).id}", status_code=303)
    except FinexlError as error:
        said = f"The comments are saved. {error}" if saved else str(error)
        status = 409 if isinstance(error, ChangedError) else 400
        profile = desk.cabinet.read(id)
        kept = () if saved else typed
        return _page(request, id, profile, set, start, others, status, said, kept)
    return RedirectResponse(address(id), status_code=303)


def with_typed(
    profile: Profile, typed: Sequence[tuple[str, str, str]], shown: PictureSet | None
) -> Profile:
    """Return the profile with what was typed into the fields.

    Args:
        profile: is not changed.
        typed: of each field the comment's number or "", the picture's or "", and the text.
        shown: the set whose pictures these are.

    Raises:
        UsageError: a text that is no comment, or fields that this page does not have.
    """
    texts: dict[int, str] = {}
    added: list[Comment] = []
    digests: dict[str, str] = {}
    try:
        for number, picture, text in typed:
            if number and not _same(text, profile.comments[_place(number)].text):
                texts[_place(number)] = text
            elif number:
                continue
            elif text.strip() and picture:
                about = () if shown is None else shown.pictures
                one = about[_place(picture)]
                digests[one.name] = one.digest
                added.append(Comment(text, one.name))
            elif text.strip():
                added.append(Comment(text))
    except (ValueError, IndexError) as error:
        raise UsageError("This page's pictures are not there; load it again.") from error
    return known_by_content(revised(profile, texts), added, digests.get)


def _same(sent: str, kept: str) -> bool:
    """Whether a field came back as it was: browsers change line breaks and odd characters."""
    return wording.plain(sent).split() == wording.plain(kept).split()


def _place(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(text)
    return int(text[:10])


def version_of(profile: Profile) -> str:
    """Return what tells a profile's comments from others."""
    return key_of(*(one.text for one in profile.comments))[:16]


def _page(
    request: Request,
    id: str,
    profile: Profile,
    set: str,
    start: int,
    others: int,
    status: int = 200,
    trouble: str | None = None,
    typed: Sequence[tuple[str, str, str]] = (),
) -> Response:
    desk: Desk = request.app.state.desk
    sets = desk.sets.listed()
    # the built-in set where it is drawn, else any; a set that is named and gone is none
    shown = desk.sets.find(set) if set else next(iter(sets), None)
    fields: list[Field] = []
    taken: Container[int] = ()
    if shown is not None:
        fields, taken = about_pictures(profile, shown, start, start + PICTURES)
    left = [i for i in range(len(profile.comments)) if i not in taken]
    listed = about_others(left[others : others + OTHERS], profile.comments)
    blank = Field("anything", "", "", "", "Anything else, about no picture in particular")
    fields, listed, blank, lost = _filled(fields, listed, blank, typed)
    here = f"{address(id)}/comments?"

    def pages(count: int, at: int, size: int, name: str) -> tuple[str | None, str | None]:
        same: dict[str, Any] = {"set": set, "start": start, "others": others}
        earlier = here + query(**{**same, name: max(0, at - size)}) if at > 0 else None
        later = here + query(**{**same, name: at + size}) if at + size < count else None
        return earlier, later

    return render(
        request,
        "taste_comments.html.j2",
        status,
        profile=profile,
        at=address(id),
        id=id,
        tab="/comments",
        sets=[(one, here + query(set=one.id)) for one in sets],
        shown=shown,
        has_built_in=any(one.folder is None for one in sets),
        fields=fields,
        others=listed,
        blank=blank,
        lost=lost,
        trouble=trouble,
        version=version_of(profile),
        start=start,
        from_others=others,
        consent=CONSENT,
        longest=MOST_CHARACTERS,
        roots=desk.settings.roots,
        paged=pages(0 if shown is None else len(shown.pictures), start, PICTURES, "start"),
        paged_others=pages(len(left), others, OTHERS, "others"),
    )


def _filled(
    fields: Sequence[Field], others: Sequence[Field], blank: Field,
    typed: Sequence[tuple[str, str, str]],
) -> tuple[list[Field], list[Field], Field, list[str]]:  # fmt: skip
    """Return the fields with what was typed in them already, and what fits into none."""
    by_picture = {picture: text for _, picture, text in typed if picture}
    by_number = {number: text for number, picture, text in typed if number and not picture}
    anything = [text for number, picture, text in typed if not (number or picture)]
    filled = [replace(one, text=by_picture.pop(one.picture, one.text)) for one in fields]
    listed = [replace(one, text=by_number.pop(one.number, one.text)) for one in others]
    blank = replace(blank, text=anything[0] if anything else blank.text)
    lost = [*by_picture.values(), *by_number.values(), *anything[1:]]
    return filled, listed, blank, [text for text in lost if text.strip()]
