"""Pages of explanations on their way, and of those that are done."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, get_args

from fastapi import APIRouter, File, Form, Query, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from finexl.catalog import Entry
from finexl.errors import FinexlError, UsageError
from finexl.web.explaining import Pairing, Vocabulary, Wanted, begin
from finexl.web.history import Past, past_run, past_runs
from finexl.web.jobs import FullError, Job, Jobs
from finexl.web.kept import FOLDER, read_kept, thumbnails_of
from finexl.web.models import what_if
from finexl.web.pages import is_htmx, render
from finexl.web.settings import Settings
from finexl.web.shelf import Shelf
from finexl.web.uploads import Upload
from finexl.web.views import examples_of_run, explained, query, record_lines

router = APIRouter()

PAIRINGS = {
    "auto": "whatever fits",
    "file": "file name",
    "prompt": "prompt",
    "seed": "prompt and seed",
    "none": "nothing: two unpaired sets",
}
VOCABULARIES = {"style": "style", "subject": "subject", "all": "style and subject"}
assert (tuple(VOCABULARIES), {*PAIRINGS}) == (get_args(Vocabulary), {*get_args(Pairing)})
_PICTURE = re.compile(r"\d{1,9}-(base\.webp|personalized\.webp|heat-\d{1,9}\.png)")
_STATES = {
    "waiting": "Waiting for its turn.",
    "running": "Working.",
    "done": "Done.",
    "failed": "This did not work. Nothing was kept.",
    "cancelled": "Cancelled. Nothing was kept.",
}
Line = Annotated[str, Form(max_length=4_000)]
Files = Annotated[list[UploadFile], File()]


@router.get("/explain")
def show_form(request: Request) -> Response:
    """Ask for two sets of pictures."""
    return _form(request, Wanted(), {})


@router.post("/explain")
def explain(
    request: Request,
    base_files: Files = [],  # noqa: B006 - FastAPI copies it
    personalized_files: Files = [],  # noqa: B006
    base_folder: Line = "",
    personalized_folder: Line = "",
    name: Line = "",
    pairing: Annotated[Pairing, Form()] = "auto",
    vocabulary: Annotated[Vocabulary, Form()] = "style",
    prompts: Annotated[str, Form(max_length=1_000_000)] = "",
    prompts_file: Line = "",
) -> Response:
    """Queue an explanation, and go to its page."""
    wanted = Wanted(name, prompts, prompts_file, pairing, vocabulary)
    folders = {"base_folder": base_folder, "personalized_folder": personalized_folder}
    try:
        base = _side("base", base_folder, base_files)
        personalized = _side("personalized", personalized_folder, personalized_files)
        state = request.app.state
        job = begin(state.jobs, state.settings, base, personalized, wanted)
    except FinexlError as error:
        status = 503 if isinstance(error, FullError) else 400
        return _form(request, wanted, folders, status, str(error))
    return RedirectResponse(f"/jobs/{job.id}", status_code=303)


def _side(side: str, folder: str, files: Sequence[UploadFile]) -> str | Sequence[Upload]:
    """Return what was given for a side: a browser sends one nameless file where none is chosen."""
    folder, sent = folder.strip(), [file for file in files if file.filename]
    if folder and sent:
        raise UsageError(f"Give {side} as pictures or as a folder, not both.")
    if not folder and not sent:
        raise UsageError(f"No pictures and no folder were given for {side}.")
    return folder or sent


@router.get("/jobs/{job_id}")
def show_job(request: Request, job_id: str) -> Response:
    """Show how far a job is, and go to what it made when it is done."""
    job = _job(request, job_id)
    if job.state == "done" and is_htmx(request):
        return Response(headers={"HX-Redirect": job.page})
    if job.state == "done":
        return RedirectResponse(job.page, status_code=303)
    stages = [{"name": s, "done": d, "of": n} for s, (d, n) in list(job.stages.items())]
    said = _STATES[job.state]
    if job.state == "running" and all(s["done"] == s["of"] for s in stages):
        said = "Measuring." if stages else "Beginning."
    explains = job.kind == "explanation"
    again = ("/explain", "Explain another") if explains else (job.page, "Back")
    part = "/explain" if explains else "/taste"
    return render(request, "job.html.j2", job=job, stages=stages, said=said, again=again, part=part)


@router.post("/jobs/{job_id}/cancel")
def cancel(request: Request, job_id: str) -> Response:
    """End a job."""
    request.app.state.jobs.cancel(_job(request, job_id))
    return RedirectResponse(f"/jobs/{job_id}", status_code=303)


@router.get("/runs")
def show_runs(request: Request) -> Response:
    """List what was explained."""
    settings: Settings = request.app.state.settings
    jobs: Jobs = request.app.state.jobs
    listed = [job for job in jobs.all() if job.state != "done" and job.kind == "explanation"]
    past = past_runs(settings.runs, settings.roots)
    return render(request, "runs.html.j2", jobs=listed, past=past)


@router.get("/runs/{run_id}")
def show_run(
    request: Request, run_id: str, without: Annotated[str, Query(max_length=2_000)] = ""
) -> Response:
    """Show a run's explanation."""
    past = _past(request, run_id)
    e, kept = past.explanation, read_kept(past.folder)
    return render(
        request,
        "model.html.j2",
        **explained(e),
        **what_if(e, without, kept.captions),
        examples=examples_of_run(e, kept, run_id),
        has_heat=bool(kept.heat),
        links=[{"address": f"/api/runs/{run_id}", "text": "JSON"}],
        place=f"/runs/{run_id}",
        adding=f"/runs/{run_id}/add" if _may_be_added(request, past) else None,
        place_fields=[],
        said=[],
        record=record_lines(past.record),
    )


@router.post("/runs/{run_id}/add")
def add(request: Request, run_id: str) -> Response:
    """Add a run to the catalog, and go to its page there."""
    past = _past(request, run_id)
    shelf: Shelf = request.app.state.shelf
    name, kept = past.explanation.name, read_kept(past.folder)
    with shelf.opened() as catalog:
        if shelf.has(catalog, name):
            raise UsageError(
                f"The catalog has a model {name} already; replace it with `finexl catalog add`."
            )
        catalog.add(Entry(past.explanation), thumbnails_of(past.folder, kept))
    return RedirectResponse("/model?" + query(name=name), status_code=303)


@router.get("/runs/{run_id}/pictures/{file}")
def picture(request: Request, run_id: str, file: str) -> Response:
    """Send a picture that a run's page shows."""
    path = _past(request, run_id).folder / FOLDER / file
    if _PICTURE.fullmatch(file) is None or path.is_symlink() or not path.is_file():
        raise HTTPException(404, "There is no such picture")
    return FileResponse(path, headers={"Cache-Control": "private, max-age=3600"})


def _form(
    request: Request,
    wanted: Wanted,
    folders: dict[str, str],
    status: int = 200,
    trouble: str | None = None,
) -> Response:
    settings: Settings = request.app.state.settings
    form = {"base_folder": "", "personalized_folder": "", **folders, **asdict(wanted)}
    return render(
        request,
        "explain.html.j2",
        status,
        form=form,
        trouble=trouble,
        limits=settings.limits,
        roots=settings.roots,
        pairings=PAIRINGS.items(),
        vocabularies=VOCABULARIES.items(),
    )


def _job(request: Request, job_id: str) -> Job:
    jobs: Jobs = request.app.state.jobs
    job = jobs.find(job_id)
    if job is None:
        raise HTTPException(404, "There is no such job since this server was started")
    return job


def _past(request: Request, run_id: str) -> Past:
    settings: Settings = request.app.state.settings
    past = past_run(run_id, settings.runs, settings.roots)
    if past is None:
        raise HTTPException(404, "There is no such run")
    return past


def _may_be_added(request: Request, past: Past) -> bool:
    """Whether there is a catalog, and no model of this name in it."""
    shelf: Shelf = request.app.state.shelf
    if shelf.path is None:
        return False
    with shelf.opened() as catalog:
        return not shelf.has(catalog, past.explanation.name)
