"""The pages of what is made from a profile: steered previews, and whether steering worked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from finexl.errors import FinexlError, UsageError
from finexl.web.jobs import FullError
from finexl.web.pages import render
from finexl.web.taste.begun import (
    INSTALL,
    LONGEST_PROMPT,
    MOST_SEED,
    MOST_STEPS,
    Desk,
    Wanted,
    address,
    can_steer,
    made_of,
    prompts_of,
)
from finexl.web.taste.cabinet import Made
from finexl.web.taste.previewing import DEGREES, preview_file, read_previews
from finexl.web.taste.verifying import read_verification
from finexl.web.taste.views import told_of

router = APIRouter()

EXAMPLE = "a portrait of a person\na house by the sea\na bowl of fruit"
Line = Annotated[str, Form(max_length=4_000)]
Lines = Annotated[str, Form(max_length=500_000)]


@dataclass(frozen=True)
class Asked:
    """What the form has in it."""

    base: str = ""
    prompts: str = ""
    seed: str = "0"
    steps: str = ""

    def wanted(self, degrees: tuple[float, ...]) -> Wanted:
        """Return it as numbers.

        Raises:
            UsageError: a seed or a number of steps that is none.
        """
        seed = _number("The seed", self.seed or "0", 0, MOST_SEED)
        steps = _number("The number of steps", self.steps, 1, MOST_STEPS) if self.steps else None
        return Wanted(self.base, prompts_of(self.prompts), degrees, seed, steps)


@router.get("/taste/{id}/previews")
def show_previews(request: Request, id: str) -> Response:
    """Ask for previews, and list those that are done."""
    return _form(request, id, "previews", Asked(prompts=EXAMPLE))


@router.post("/taste/{id}/previews")
def preview(
    request: Request,
    id: str,
    base: Line = "",
    prompts: Lines = "",
    seed: Line = "0",
    steps: Line = "",
) -> Response:
    """Queue previews at the slider's stops."""
    desk: Desk = request.app.state.desk
    asked = Asked(base, prompts, seed.strip(), steps.strip())
    try:
        job = desk.preview(id, asked.wanted(DEGREES))
    except FinexlError as error:
        return _form(request, id, "previews", asked, error)
    return RedirectResponse(f"/jobs/{job.id}", status_code=303)


@router.get("/taste/{id}/previews/{made}")
def show_preview(
    request: Request, id: str, made: str, at: Annotated[int, Query(ge=0, le=100)] = 2
) -> Response:
    """Show previews beside the plain pipeline's pictures."""
    desk: Desk = request.app.state.desk
    profile = desk.cabinet.read(id)
    found = read_previews(desk.cabinet.made(id, "previews") / _name(made))
    if found is None:
        raise HTTPException(404, "There are no such previews")
    here = f"{address(id)}/previews/{made}"
    degrees = found.told["degrees"]
    rows = [
        (one["prompt"], [None if name is None else f"{here}/{number}-{column}.png"
                         for column, name in enumerate(one["files"])])
        for number, one in enumerate(found.told["prompts"])
    ]  # fmt: skip
    return render(
        request,
        "taste_preview.html.j2",
        profile=profile,
        at=address(id),
        id=id,
        tab="/previews",
        here_at=here,
        told=found.told,
        when=found.when,
        rows=rows,
        chosen=min(at, len(degrees) - 1),
        api=f"{address(id, api=True)}/previews/{made}",
    )


@router.get("/taste/{id}/previews/{made}/{prompt}-{degree}.png")
def preview_picture(request: Request, id: str, made: str, prompt: int, degree: int) -> Response:
    """Send one preview."""
    desk: Desk = request.app.state.desk
    folder = desk.cabinet.made(id, "previews") / _name(made)
    path = preview_file(folder, prompt, degree) if prompt >= 0 and degree >= 0 else None
    if path is None:
        raise HTTPException(404, "There is no such picture")
    return FileResponse(path, headers={"Cache-Control": "private, max-age=3600"})


@router.get("/taste/{id}/verifications")
def show_verifications(request: Request, id: str) -> Response:
    """Ask whether steering works, and list what was answered."""
    return _form(request, id, "verifications", Asked())


@router.post("/taste/{id}/verifications")
def verify(
    request: Request,
    id: str,
    base: Line = "",
    prompts: Lines = "",
    seed: Line = "0",
    steps: Line = "",
) -> Response:
    """Queue a verification at the slider's stops above 0."""
    desk: Desk = request.app.state.desk
    asked = Asked(base, prompts, seed.strip(), steps.strip())
    try:
        job = desk.verify(id, asked.wanted(tuple(d for d in DEGREES if d > 0)))
    except FinexlError as error:
        return _form(request, id, "verifications", asked, error)
    return RedirectResponse(f"/jobs/{job.id}", status_code=303)


@router.get("/taste/{id}/verifications/{made}")
def show_verification(request: Request, id: str, made: str) -> Response:
    """Show what steering did."""
    desk: Desk = request.app.state.desk
    profile = desk.cabinet.read(id)
    found = read_verification(desk.cabinet.made(id, "verifications") / _name(made))
    if found is None:
        raise HTTPException(404, "There is no such verification")
    return render(
        request,
        "taste_verification.html.j2",
        profile=profile,
        at=address(id),
        id=id,
        tab="/verifications",
        told=found.told,
        when=found.when,
        degrees=told_of(found.told),
        api=f"{address(id, api=True)}/verifications/{made}",
    )


def _form(
    request: Request, id: str, kind: Made, asked: Asked, error: FinexlError | None = None
) -> Response:
    desk: Desk = request.app.state.desk
    profile = desk.cabinet.read(id)
    read: Any = read_previews if kind == "previews" else read_verification
    done = [found for found in map(read, made_of(desk.cabinet, id, kind)) if found is not None]
    status = 200
    if error is not None:
        status = 503 if isinstance(error, FullError) else 400
    return render(
        request,
        f"taste_{kind}.html.j2",
        status,
        profile=profile,
        at=address(id),
        id=id,
        tab=f"/{kind}",
        form=asked,
        models=desk.settings.models,
        install=None if can_steer() else INSTALL,
        done=done,
        trouble=None if error is None else str(error),
        degrees=DEGREES,
        most=desk.settings.limits.prompts if kind == "previews" else desk.settings.limits.verified,
        longest=LONGEST_PROMPT,
        heard=bool(profile.liked or profile.disliked),
    )


def _name(made: str) -> str:
    """Return what a job's folder is called, or nothing that is there."""
    return made if made.isalnum() and made.isascii() else "-"


def _number(what: str, text: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdecimal() and low <= int(text[:20]) <= high):
        raise UsageError(f"{what} is a whole number from {low:,} to {high:,}.")
    return int(text)
