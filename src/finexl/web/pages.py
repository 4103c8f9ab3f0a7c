"""What all pages share: filled templates, the page of an error, and the token's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from finexl.web.security import COOKIE, Secrets, same
from finexl.web.settings import Settings

router = APIRouter()

_PARTS = {"model": "/", "compare": "/", "jobs": "/explain", "runs": "/runs", "taste": "/taste"}
"""To which of the pages that are always linked others belong, by the beginning of their address."""
_HEADINGS = {
    400: "This cannot be done",
    403: "Not allowed",
    404: "There is no such page",
    422: "This was not understood",
    503: "Not now",
}


def render(request: Request, name: str, status: int = 200, **given: object) -> HTMLResponse:
    """Return a page."""
    drawn: Secrets = request.app.state.secrets
    template = request.app.state.templates.get_template(name)
    here = request.url.path
    part = _PARTS.get(here.split("/")[1], "")
    page = template.render(**{"here": here, "part": part, "csrf": drawn.csrf, **given})
    return HTMLResponse(page, status)


def error_page(
    request: Request, status: int, text: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a page that says what went wrong, and nothing of where in the code."""
    heading = _HEADINGS.get(status, "Something went wrong")
    page = render(request, "error.html.j2", status, heading=heading, text=text)
    page.headers.update(headers or {})
    return page


def is_htmx(request: Request) -> bool:
    """Whether a part of a page asks, not a person who goes to another."""
    return request.headers.get("hx-request") == "true"


@router.get("/login")
def show_login(request: Request) -> Response:
    """Ask for the token."""
    return _login(request)


@router.post("/login")
def login(request: Request, token: Annotated[str, Form(max_length=1000)] = "") -> Response:
    """Let in whoever shows the token."""
    settings: Settings = request.app.state.settings
    if settings.token is None or not same(token, settings.token):
        return _login(request, 403, wrong=True)
    answer = RedirectResponse("/", status_code=303)
    answer.set_cookie(
        COOKIE,
        request.app.state.secrets.session,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


def _login(request: Request, status: int = 200, *, wrong: bool = False) -> Response:
    drawn: Secrets = request.app.state.secrets
    return render(request, "login.html.j2", status, csrf=drawn.login_csrf, wrong=wrong)
