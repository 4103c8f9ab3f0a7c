"""The app: pages and API on one catalog, one queue of jobs and one set of secrets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

from finexl._version import __version__
from finexl.errors import FinexlError, PrerequisiteError, UsageError
from finexl.images import printable
from finexl.web import api, browse, models, pages, running
from finexl.web.jobs import FullError, Jobs
from finexl.web.security import Guard, RefusedError, Secrets, check_csrf
from finexl.web.settings import Settings
from finexl.web.shelf import MissingError, Shelf
from finexl.web.taste import api as taste_api
from finexl.web.taste import comments, making, profiles, suiting
from finexl.web.taste.begun import Desk
from finexl.web.taste.cabinet import Cabinet
from finexl.web.taste.sets import Sets
from finexl.web.views import environment


def create_app(settings: Settings) -> FastAPI:
    """Return the app. Its jobs end with it.

    Raises:
        UsageError: the settings cannot work, or would let in strangers.
    """
    settings.check()
    drawn, jobs = Secrets(), Jobs(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        jobs.close()

    app = FastAPI(
        title="FineXL",
        version=__version__,
        summary="Says in words, with numbers and uncertainty, what personalizing an image "
        "generator changed.",
        openapi_url="/api/openapi.json",
        docs_url=None,  # they fetch their scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        dependencies=[Depends(check_csrf)],
        middleware=[Middleware(Guard, settings=settings, drawn=drawn)],
    )
    app.add_exception_handler(FinexlError, _failed)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_exception_handler(HTTPException, _not_there)
    app.state.settings = settings
    app.state.secrets = drawn
    app.state.jobs = jobs
    app.state.shelf = Shelf(settings.catalog)
    cabinet, sets = Cabinet(settings.profiles), Sets(settings.sets, settings.roots)
    app.state.desk = Desk(jobs, settings, cabinet, sets)
    app.state.templates = environment()
    for part in (pages, browse, models, running, profiles, comments, suiting, making):
        app.include_router(part.router, include_in_schema=False)
    for part in (api, taste_api):
        app.include_router(part.router, prefix="/api")
    app.mount("/static", StaticFiles(directory=Path(str(files("finexl.web") / "static"))))
    return app


def _failed(request: Request, error: Exception) -> Response:
    """Answer what was raised on purpose: its message is for people."""
    status = 500
    if isinstance(error, RefusedError):
        status = error.status
    elif isinstance(error, MissingError):
        status = 404
    elif isinstance(error, UsageError):
        status = 400
    elif isinstance(error, (PrerequisiteError, FullError)):
        status = 503
    return _answer(request, status, str(error))


def _not_understood(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return _answer(request, 422, f"{where}: {first['msg']}.")


def _not_there(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _answer(request, error.status_code, f"{error.detail}.", error.headers)


def _answer(
    request: Request, status: int, text: str, headers: Mapping[str, str] | None = None
) -> Response:
    if request.url.path.startswith("/api"):
        return JSONResponse({"error": printable(text)}, status, headers)
    return pages.error_page(request, status, text, headers)
