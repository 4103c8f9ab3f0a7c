"""The JSON API: the same objects as the command's files, by the same names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from starlette.exceptions import HTTPException
from starlette.responses import Response

from finexl._version import __version__
from finexl.catalog import Filter, parse_wishes
from finexl.web.explaining import Pairing, Vocabulary, Wanted, begin
from finexl.web.history import past_run, past_runs
from finexl.web.jobs import Job, Jobs
from finexl.web.schemas import (
    ComparisonJson,
    ExplainFolders,
    ExplanationJson,
    JobJson,
    ModelsJson,
    Problem,
    RunsJson,
    SearchJson,
    Start,
    WhatIfJson,
)
from finexl.web.settings import Settings
from finexl.web.shelf import Shelf
from finexl.web.without import encoder_of, what_is_left

Text = Annotated[str, Query(max_length=2_000)]
Limit = Annotated[int, Query(ge=1, le=500)]
Line = Annotated[str, Form(max_length=4_000)]


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text}
    for status, text in (
        (400, "It cannot be done as asked."),
        (401, "The token is missing."),
        (403, "The CSRF token is missing, or another site asks."),
        (404, "There is none."),
        (413, "More than is taken."),
        (421, "The Host is not this server's."),
        (422, "It is not of the form that is expected."),
        (503, "Something is missing here, or too many jobs wait."),
    )
}
router = APIRouter(responses=PROBLEMS)


@router.get("/start", response_model=Start)
def start(request: Request) -> Response:
    """Return what every POST has to carry."""
    return json_response({"version": __version__, "csrf": request.app.state.secrets.csrf})


@router.get("/models", response_model=ModelsJson)
def models(
    request: Request,
    words: Text = "",
    base: Text = "",
    family: Text = "",
    licence: Text = "",
    tag: Text = "",
    limit: Limit = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000_000)] = 0,
) -> Response:
    """List models by name."""
    where = _where(base, family, licence, tag)
    with request.app.state.shelf.opened() as catalog:
        cards = catalog.cards(where, text=words, limit=limit, offset=offset)
        count = catalog.count(where, text=words)
    return json_response({"count": count, "models": [asdict(card) for card in cards]})


@router.get("/model", response_model=ExplanationJson)
def model(request: Request, name: Text) -> Response:
    """Return a model's explanation, `finexl.explanation/1`."""
    shelf: Shelf = request.app.state.shelf
    with shelf.opened() as catalog:
        return json_response(shelf.entry(catalog, name).explanation.to_dict())


@router.get("/search", response_model=SearchJson)
def search(
    request: Request,
    wishes: Text,
    base: Text = "",
    family: Text = "",
    licence: Text = "",
    tag: Text = "",
    limit: Limit = 20,
) -> Response:
    """Rank models by wishes in words, `finexl.search/1`."""
    shelf: Shelf = request.app.state.shelf
    where = _where(base, family, licence, tag)
    with shelf.opened() as catalog:
        return json_response(shelf.search(catalog, parse_wishes(wishes), where, limit).to_dict())


@router.get("/like", response_model=SearchJson)
def like(request: Request, name: Text, limit: Limit = 20) -> Response:
    """Rank models by how much they do what this one does, `finexl.search/1`."""
    shelf: Shelf = request.app.state.shelf
    with shelf.opened() as catalog:
        shelf.entry(catalog, name)
        return json_response(shelf.like(catalog, name, Filter(), limit).to_dict())


@router.get("/compare", response_model=ComparisonJson)
def compare(
    request: Request, model: Annotated[list[str], Query(min_length=2, max_length=40)]
) -> Response:
    """Put models beside each other, `finexl.comparison/1`."""
    shelf: Shelf = request.app.state.shelf
    return json_response(shelf.compare(tuple(dict.fromkeys(model))).to_dict())


@router.get("/what-if", response_model=WhatIfJson)
def what_if(request: Request, name: Text, without: Text) -> Response:
    """Take an aspect away from a model, `finexl.what-if/1`."""
    shelf: Shelf = request.app.state.shelf
    with shelf.opened() as catalog:
        explanation = shelf.entry(catalog, name).explanation
        captions = {t.pair: t.caption for t in catalog.thumbnails(name)}
    found = what_is_left(explanation, without, encoder_of(explanation), captions)
    return json_response(found.to_dict())


@router.post("/explain", status_code=202, response_model=JobJson)
def explain(request: Request, asked: ExplainFolders) -> Response:
    """Queue an explanation of two folders."""
    wanted = Wanted(
        asked.name, "\n".join(asked.prompts), asked.prompts_file, asked.pairing, asked.vocabulary
    )
    state = request.app.state
    return queued(begin(state.jobs, state.settings, asked.base, asked.personalized, wanted))


@router.post("/explain/upload", status_code=202, response_model=JobJson)
def explain_upload(
    request: Request,
    base: Annotated[list[UploadFile], File()],
    personalized: Annotated[list[UploadFile], File()],
    name: Line = "",
    prompts: Annotated[str, Form(max_length=1_000_000)] = "",
    pairing: Annotated[Pairing, Form()] = "auto",
    vocabulary: Annotated[Vocabulary, Form()] = "style",
) -> Response:
    """Queue an explanation of uploaded pictures; prompts one a line."""
    wanted = Wanted(name, prompts, "", pairing, vocabulary)
    state = request.app.state
    return queued(begin(state.jobs, state.settings, base, personalized, wanted))


@router.get("/jobs/{job_id}", response_model=JobJson)
def job(request: Request, job_id: str) -> Response:
    """Return how far a job is; `result` is the address of what it made when it is done."""
    return json_response(_job(request, job_id).to_dict())


@router.post("/jobs/{job_id}/cancel", response_model=JobJson)
def cancel(request: Request, job_id: str) -> Response:
    """End a job; nothing of it is kept. One that is over stays as it is."""
    jobs: Jobs = request.app.state.jobs
    jobs.cancel(_job(request, job_id))
    return job(request, job_id)


@router.get("/runs", response_model=RunsJson)
def runs(request: Request) -> Response:
    """List what was explained, the latest first."""
    settings: Settings = request.app.state.settings
    listed = [
        {
            "run": past.id,
            "name": past.explanation.name,
            "created": past.explanation.created,
            "detected": past.explanation.divergence.detected,
            "residual": past.explanation.residual,
        }
        for past in past_runs(settings.runs, settings.roots)
    ]
    return json_response({"runs": listed})


@router.get("/runs/{run_id}", response_model=ExplanationJson)
def run(request: Request, run_id: str) -> Response:
    """Return a run's explanation, `finexl.explanation/1`."""
    settings: Settings = request.app.state.settings
    past = past_run(run_id, settings.runs, settings.roots)
    if past is None:
        raise HTTPException(404, "There is no such run")
    return json_response(past.explanation.to_dict())


def _where(base: str, family: str, licence: str, tag: str) -> Filter:
    return Filter(base or None, family or None, licence or None, tag or None)


def _job(request: Request, job_id: str) -> Job:
    found: Job | None = request.app.state.jobs.find(job_id)
    if found is None:
        raise HTTPException(404, "There is no such job since this server was started")
    return found


def queued(job: Job) -> Response:
    """Return a job that waits."""
    return json_response(job.to_dict(), 202)


def json_response(found: Mapping[str, object], status: int = 200) -> Response:
    """Return what is a JSON object already: it is not looked through once more."""
    text = json.dumps(found, ensure_ascii=False, allow_nan=False)
    # a lone surrogate, of a name that was no UTF-8, has no UTF-8 either
    return Response(text.encode("utf-8", "replace"), status, media_type="application/json")
