"""The JSON API of a person's taste: the same objects as the command's files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from finexl.viper.comments import known_by_content
from finexl.viper.profile import Comment
from finexl.web.api import PROBLEMS, json_response, queued
from finexl.web.schemas import JobJson, SearchJson
from finexl.web.shelf import Shelf
from finexl.web.taste.begun import Desk, Wanted, address, made_of
from finexl.web.taste.previewing import read_previews
from finexl.web.taste.profiles import put
from finexl.web.taste.schemas import (
    BeginBody,
    BegunJson,
    CommentBody,
    CommentsBody,
    CorrectBody,
    DeletedJson,
    MadeJson,
    PreviewBody,
    PreviewsJson,
    ProfileJson,
    ProfilesJson,
    SetBody,
    SetJson,
    SetsJson,
    VerificationJson,
    VerifyBody,
)
from finexl.web.taste.sets import PictureSet
from finexl.web.taste.suiting import SLIDERS, ranked
from finexl.web.taste.verifying import read_verification

router = APIRouter(responses=PROBLEMS)

Texts = Annotated[list[str], Query(max_length=SLIDERS)]
Weights = Annotated[list[Annotated[float, Query(ge=0, le=1)]], Query(max_length=SLIDERS)]


@router.get("/profiles", response_model=ProfilesJson)
def profiles(request: Request) -> Response:
    """List the profiles on this machine, those that cannot be read as well."""
    return json_response({"profiles": [asdict(kept) for kept in _desk(request).cabinet.listed()]})


@router.post("/profiles", status_code=201, response_model=BegunJson)
def begin(request: Request, asked: BeginBody) -> Response:
    """Begin a profile."""
    comments = [_comment(one) for one in asked.comments]
    id = _desk(request).cabinet.begin(asked.name, comments)
    return json_response({"id": id, "name": _desk(request).cabinet.read(id).name}, 201)


@router.get("/profiles/{id}", response_model=ProfileJson)
def profile(request: Request, id: str) -> Response:
    """Return a profile, `finexl.profile/1`."""
    return json_response(_desk(request).cabinet.read(id).to_dict())


@router.post("/profiles/{id}/comments", response_model=ProfileJson)
def comment(request: Request, id: str, asked: CommentsBody) -> Response:
    """Add comments; a picture of a prepared set is known by its content from then on."""
    desk = _desk(request)
    digests = {p.name: p.digest for one in reversed(desk.sets.listed()) for p in one.pictures}
    comments = [_comment(one) for one in asked.comments]
    after = desk.cabinet.change(id, lambda now: known_by_content(now, comments, digests.get))
    return json_response(after.to_dict())


@router.post("/profiles/{id}/correct", response_model=ProfileJson)
def correct(request: Request, id: str, asked: CorrectBody) -> Response:
    """Put an attribute where the person says; that outlives the next extraction."""
    after = _desk(request).cabinet.change(
        id, lambda now: put(now, asked.attribute, asked.to, asked.weight)
    )
    return json_response(after.to_dict())


@router.post("/profiles/{id}/extract", status_code=202, response_model=JobJson)
def extract(request: Request, id: str) -> Response:
    """Queue the reading of the comments, by rules."""
    return queued(_desk(request).extract(id))


@router.post("/profiles/{id}/delete", response_model=DeletedJson)
def delete(request: Request, id: str) -> Response:
    """Delete a profile, and all that was made from it."""
    _desk(request).delete(id)
    return json_response({"deleted": id})


@router.get("/profiles/{id}/rank", response_model=SearchJson)
def rank(
    request: Request,
    id: str,
    attribute: Texts = [],  # noqa: B006 - FastAPI copies it
    weight: Weights = [],  # noqa: B006
    limit: Annotated[int, Query(ge=1, le=500)] = 20,
) -> Response:
    """Rank the catalog's models by a profile, `finexl.search/1`; weights in place of its own."""
    shelf: Shelf = request.app.state.shelf
    person = _desk(request).cabinet.read(id)
    tried = dict(zip(attribute, weight, strict=False))
    with shelf.opened() as catalog:
        return json_response(ranked(shelf, catalog, person, tried, limit).to_dict())


@router.get("/profiles/{id}/made", response_model=MadeJson)
def made(request: Request, id: str) -> Response:
    """List what was made from a profile."""
    cabinet = _desk(request).cabinet
    return json_response(
        {
            "previews": [p.name for p in made_of(cabinet, id, "previews")],
            "verifications": [p.name for p in made_of(cabinet, id, "verifications")],
        }
    )


@router.post("/profiles/{id}/previews", status_code=202, response_model=JobJson)
def preview(request: Request, id: str, asked: PreviewBody) -> Response:
    """Queue steered previews."""
    return queued(_desk(request).preview(id, _wanted(asked)))


@router.get("/profiles/{id}/previews/{made_id}", response_model=PreviewsJson)
def previews(request: Request, id: str, made_id: str) -> Response:
    """Return what previews there are."""
    folders = made_of(_desk(request).cabinet, id, "previews")
    found = next((read_previews(one) for one in folders if one.name == made_id), None)
    if found is None:
        raise HTTPException(404, "There are no such previews")
    here = f"{address(id)}/previews/{made_id}"
    prompts = [
        {**one, "files": [None if name is None else f"{here}/{number}-{column}.png"
                          for column, name in enumerate(one["files"])]}
        for number, one in enumerate(found.told["prompts"])
    ]  # fmt: skip
    return json_response({**found.told, "prompts": prompts})


@router.post("/profiles/{id}/verifications", status_code=202, response_model=JobJson)
def verify(request: Request, id: str, asked: VerifyBody) -> Response:
    """Queue a verification of what steering does."""
    return queued(_desk(request).verify(id, _wanted(asked)))


@router.get("/profiles/{id}/verifications/{made_id}", response_model=VerificationJson)
def verification(request: Request, id: str, made_id: str) -> Response:
    """Return what steering did, `finexl.verification/1`."""
    folders = made_of(_desk(request).cabinet, id, "verifications")
    found = next((read_verification(one) for one in folders if one.name == made_id), None)
    if found is None:
        raise HTTPException(404, "There is no such verification")
    return json_response(found.told)


@router.get("/sets", response_model=SetsJson)
def sets(request: Request) -> Response:
    """List the sets of pictures to comment on."""
    return json_response({"sets": [_set(one) for one in _desk(request).sets.listed()]})


@router.post("/sets", status_code=202, response_model=JobJson)
def prepare(request: Request, asked: SetBody) -> Response:
    """Queue the preparation of a set: the built-in one, or a folder under the roots."""
    return queued(_desk(request).prepare(asked.folder))


@router.get("/sets/{set_id}", response_model=SetJson)
def one_set(request: Request, set_id: str) -> Response:
    """Return a set."""
    found = _desk(request).sets.find(set_id)
    if found is None:
        raise HTTPException(404, "There is no such set")
    return json_response(_set(found))


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def _comment(one: CommentBody) -> Comment:
    return Comment(one.text, one.picture or None)


def _wanted(asked: PreviewBody | VerifyBody) -> Wanted:
    prompts = tuple(dict.fromkeys(text.strip() for text in asked.prompts if text.strip()))
    degrees = tuple(sorted(set(asked.degrees)))
    return Wanted(asked.base, prompts, degrees, asked.seed, asked.steps)


def _set(one: PictureSet) -> Mapping[str, Any]:
    pictures = [
        {**asdict(picture), "small": f"/sets/{one.id}/{number}.webp"}
        for number, picture in enumerate(one.pictures)
    ]
    return {"set": one.id, "title": one.title, "pictures": pictures, "notes": list(one.notes)}
