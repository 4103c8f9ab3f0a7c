"""Who may ask, from where, and how much a request may bring: before anything else sees it."""

from __future__ import annotations

import hmac
import logging
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request, cookie_parser
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from finexl.errors import FinexlError
from finexl.web.settings import Settings

_LOG = logging.getLogger(__name__)
COOKIE = "finexl_session"
CSRF_HEADER = "x-csrf-token"
OPEN = ("/login", "/static/")
"""What is served to those who have not shown the token."""
UPLOADS = ("/explain", "/api/explain/upload")
COMMENTS = re.compile(r"/taste/[^/]+/comments|/api/profiles(/[^/]+/comments)?")
"""Where comments are sent, which may be many."""
READING = ("GET", "HEAD", "OPTIONS")
"""The methods that change nothing."""
DRAIN_SECONDS = 10.0
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # with no-referrer a form's Origin would be "null", and could not be told from a stranger's
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class RefusedError(FinexlError):
    """A request that is turned away; the message says why."""

    def __init__(self, message: str, status: int = 403) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Secrets:
    """What one start of the server draws anew."""

    csrf: str = field(default_factory=secrets.token_urlsafe)
    """In every form, and nowhere that another site's page could read it."""
    login_csrf: str = field(default_factory=secrets.token_urlsafe)
    """In the login form, which strangers may see."""
    session: str = field(default_factory=secrets.token_urlsafe)
    """The cookie of those who showed the token."""


def same(given: str, secret: str) -> bool:
    """Compare in a time that tells nothing of where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode())


async def check_csrf(request: Request) -> AsyncIterator[None]:
    """Let a request that changes something through only with this start's token.

    Raises:
        RefusedError: it has none, or another's.
    """
    try:
        if request.method not in READING and not await _has_token(request):
            raise RefusedError("This form is from an earlier start of the server; load it again.")
        yield
    finally:
        await request.close()


async def _has_token(request: Request) -> bool:
    drawn: Secrets = request.app.state.secrets
    given = request.headers.get(CSRF_HEADER)
    if given is None:
        field = (await request.form()).get("csrf")
        given = field if isinstance(field, str) else ""
    return same(given, drawn.login_csrf if request.url.path == "/login" else drawn.csrf)


class Guard:
    """ASGI middleware: the Host allow-list, the Origin check, the token, and bounded bodies."""

    def __init__(self, app: ASGIApp, settings: Settings, drawn: Secrets) -> None:
        self.app = app
        self.settings = settings
        self.drawn = drawn

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        body = _Body(receive, self._most(scope["path"]))
        reply = _Reply(send)
        try:
            refusal = self._refusal(scope)
            declared = Headers(scope=scope).get("content-length", "0")
            if refusal is not None:
                await refusal(scope, receive, reply)
            elif not declared.isdecimal() or int(declared) > body.most:
                body.over = True
            else:
                await self.app(scope, body, reply.unless(lambda: body.over))
        except _TooLargeError:  # told below
            pass
        except Exception:  # a fault of ours, whose details are for the server's own log
            if not body.over:
                _LOG.exception("%s %s failed", scope["method"], scope["path"])
                if not reply.started:
                    text = "Something went wrong here; the server's log says what."
                    await _said(scope, text, 500)(scope, receive, reply)
        if body.over and not reply.started:
            await body.drain()
            text = f"The request is larger than the {body.most:,} bytes that are taken."
            await _said(scope, text, 413)(scope, receive, reply)

    def _most(self, path: str) -> int:
        limits = self.settings.limits
        if COMMENTS.fullmatch(path):
            return limits.comment_bytes
        return limits.upload_bytes if path in UPLOADS else limits.form_bytes

    def _refusal(self, scope: Scope) -> Response | None:
        """Return the answer to a request that is turned away; None where it may pass."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self.settings.knows_host(_name_of(hosts[0])):
            return _said(scope, "This server does not answer to that name.", 421)
        if scope["method"] not in READING and not _from_here(headers.getlist("origin"), hosts[0]):
            return _said(scope, "Another site's page may not ask this.", 403)
        path = scope["path"]
        if self.settings.token is None or path.startswith(OPEN) or self._is_let_in(headers):
            return None
        if path.startswith("/api"):
            refused = _said(scope, "Show the token: Authorization: Bearer TOKEN.", 401)
            refused.headers["WWW-Authenticate"] = "Bearer"
            return refused
        return RedirectResponse("/login", status_code=303)

    def _is_let_in(self, headers: Headers) -> bool:
        kind, _, shown = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and same(shown.strip(), str(self.settings.token)):
            return True
        cookies = cookie_parser(headers.get("cookie", ""))
        return same(cookies.get(COOKIE, ""), self.drawn.session)


class _TooLargeError(Exception):
    pass


class _Body:
    """A request's body, read no further than it may be long."""

    def __init__(self, receive: Receive, most: int) -> None:
        self.receive = receive
        self.most = most
        self.seen = 0
        self.over = False
        self.ended = False

    async def __call__(self) -> Message:
        message = await self.receive()
        self.seen += len(message.get("body", b""))
        self.ended = message["type"] == "http.disconnect" or not message.get("more_body", False)
        if self.seen > self.most:
            self.over = True
            raise _TooLargeError
        return message

    async def drain(self) -> None:
        """Read on for a while and keep nothing: a browser reads no answer before it has sent."""
        until = time.monotonic() + DRAIN_SECONDS
        while not self.ended and time.monotonic() < until and self.seen <= 2 * self.most:
            message = await self.receive()
            self.seen += len(message.get("body", b""))
            self.ended = message["type"] == "http.disconnect" or not message.get("more_body", False)


class _Reply:
    """A response on its way out, with the headers that every response has."""

    def __init__(self, send: Send) -> None:
        self.send = send
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            headers.update(HEADERS)
            headers.setdefault("Cache-Control", "no-store")
        await self.send(message)

    def unless(self, over: Callable[[], bool]) -> Send:
        """Return what sends nothing on once that holds."""

        async def sending(message: Message) -> None:
            if self.started or not over():
                await self(message)

        return sending


def _said(scope: Scope, text: str, status: int) -> Response:
    if scope["path"].startswith("/api"):
        return JSONResponse({"error": text}, status)
    return PlainTextResponse(text, status)


def _name_of(host: str) -> str:
    """Return a Host header's name without its port, "" where it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _from_here(origins: list[str], host: str) -> bool:
    """Whether a page of this server asks, or a program: browsers name the origin of every POST."""
    return not origins or origins in ([f"http://{host}"], [f"https://{host}"])
