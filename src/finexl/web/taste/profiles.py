"""The pages of profiles: all of them, one with what it likes, and what its owner puts right."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from finexl.errors import FinexlError, UsageError
from finexl.viper.extraction.corrections import correct, take_back
from finexl.viper.profile import CONSENT, Opinion, Profile
from finexl.web.pages import render
from finexl.web.taste.begun import Desk, address
from finexl.web.taste.views import lists_of, removed_of

router = APIRouter()

Line = Annotated[str, Form(max_length=4_000)]
Place = Literal["liked", "disliked", "none", "found"]
"""Where an attribute may be put: `found` takes a correction back."""


@router.get("/taste")
def show_all(request: Request) -> Response:
    """List the profiles, and ask for a name to begin one."""
    return _all(request)


@router.post("/taste")
def begin(request: Request, name: Line = "") -> Response:
    """Begin a profile, and go to its pictures."""
    desk: Desk = request.app.state.desk
    try:
        id = desk.cabinet.begin(name)
    except FinexlError as error:
        return _all(request, 400, name=name, trouble=str(error))
    return RedirectResponse(f"{address(id)}/comments", status_code=303)


@router.get("/taste/{id}")
def show(request: Request, id: str) -> Response:
    """Show what a person likes and dislikes, and in which words they said so."""
    return show_profile(request, id)


@router.post("/taste/{id}/correct")
def put_right(
    request: Request,
    id: str,
    attribute: Line = "",
    to: Annotated[Place, Form()] = "liked",
    weight: Annotated[float | None, Form()] = None,
) -> Response:
    """Put an attribute where the person says."""
    desk: Desk = request.app.state.desk
    try:
        desk.cabinet.change(id, lambda now: put(now, attribute, to, weight))
    except UsageError as error:
        desk.cabinet.read(id)
        return show_profile(request, id, 400, str(error))
    return RedirectResponse(address(id), status_code=303)


@router.post("/taste/{id}/extract")
def read_comments(request: Request, id: str) -> Response:
    """Queue the reading of the comments."""
    desk: Desk = request.app.state.desk
    return RedirectResponse(f"/jobs/{desk.extract(id).id}", status_code=303)


@router.get("/taste/{id}/export")
def export(
    request: Request, id: str, without_comments: Annotated[bool, Query()] = False
) -> Response:
    """Send the profile as a file."""
    desk: Desk = request.app.state.desk
    profile = desk.cabinet.read(id)
    text = (profile.without_comments() if without_comments else profile).to_json()
    # a name in the header would have to be ASCII; the link has it
    how = {"Content-Disposition": "attachment"}
    return Response(text.encode(), media_type="application/json", headers=how)


@router.post("/taste/{id}/delete")
def delete(request: Request, id: str, sure: Line = "") -> Response:
    """Delete a profile and what was made from it, if somebody ticked that they mean it."""
    desk: Desk = request.app.state.desk
    if sure != "yes":
        return show_profile(request, id, 400, "Tick that you mean it; nothing was deleted.")
    desk.delete(id)
    return RedirectResponse("/taste", status_code=303)


@router.post("/sets")
def prepare(request: Request, folder: Line = "", profile: Line = "") -> Response:
    """Queue the preparation of the built-in pictures, or of a folder's."""
    desk: Desk = request.app.state.desk
    page = "/taste"
    if profile:
        desk.cabinet.read(profile)
        page = f"{address(profile)}/comments"
    job = desk.prepare(folder.strip() or None, page)
    return RedirectResponse(f"/jobs/{job.id}", status_code=303)


@router.get("/sets/{set_id}/{number}.webp")
def small_picture(request: Request, set_id: str, number: int) -> Response:
    """Send a small picture of a set."""
    desk: Desk = request.app.state.desk
    path = desk.sets.small(set_id, number)
    if path is None:
        raise HTTPException(404, "There is no such picture")
    return FileResponse(path, headers={"Cache-Control": "private, max-age=3600"})


def put(profile: Profile, attribute: str, to: Place, weight: float | None) -> Profile:
    """Return the profile with an attribute where somebody puts it.

    Raises:
        UsageError: it cannot be there.
    """
    if to == "found":
        return take_back(profile, attribute)
    opinion: Opinion | None = None if to == "none" else to
    return correct(profile, attribute, opinion, weight)


def show_profile(
    request: Request, id: str, status: int = 200, trouble: str | None = None
) -> Response:
    """Return a profile's page."""
    desk: Desk = request.app.state.desk
    profile = desk.cabinet.read(id)
    return render(
        request,
        "taste_profile.html.j2",
        status,
        profile=profile,
        at=address(id),
        id=id,
        lists=lists_of(profile, desk.sets.addresses()),
        removed=removed_of(profile),
        trouble=trouble,
        file=f"{id}.json",
        tab="",
    )


def _all(
    request: Request, status: int = 200, *, name: str = "", trouble: str | None = None
) -> Response:
    desk: Desk = request.app.state.desk
    listed = [(kept, address(kept.id)) for kept in desk.cabinet.listed()]
    return render(
        request,
        "taste.html.j2",
        status,
        profiles=[(kept, at) for kept, at in listed if kept.trouble is None],
        unread=[kept for kept, _ in listed if kept.trouble is not None],
        consent=CONSENT,
        folder=desk.cabinet.folder,
        typed=name,
        trouble=trouble,
    )
