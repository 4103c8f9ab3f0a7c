"""One HTTP client for models behind a network: deadlines, size limits, retries, no key in sight."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cached_property
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import SplitResult, urlsplit

import numpy as np

from finexl.errors import NoReplyError, PrerequisiteError, UsageError
from finexl.images import printable

if TYPE_CHECKING:
    import httpx

DEADLINE = 180.0
"""Seconds from sending a request to having read its whole answer."""
CONNECT = 10.0
ATTEMPTS = 5
PATIENCE = 60.0
"""The longest wait, in seconds, that a server may ask for before another attempt."""
MAX_BYTES = 4 << 20
PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Statuses that another attempt may not meet again."""
USED_UP = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
"""Codes of a 429 that no waiting helps against."""
_MALFORMED_ATTEMPTS = 3
_CONNECT_ATTEMPTS = 3
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 20.0
SHOWN, READ = 240, 4000
"""How many characters of what a server said go into a message, and are looked at."""
_TAG = re.compile(r"<(?:style|script).*?</(?:style|script)>|<[^>]{0,400}>", re.DOTALL | re.I)
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


_Answer = TypeVar("_Answer")


class RejectedError(UsageError):
    """A server said no, and would again: `status`, and what it said."""

    def __init__(self, message: str, status: int, said: str) -> None:
        super().__init__(message)
        self.status, self.said = status, said


class FailedError(NoReplyError):
    """A server failed at every attempt: its last `status`, and what it said."""

    def __init__(self, message: str, status: int, said: str) -> None:
        super().__init__(message)
        self.status, self.said = status, said


class _AgainError(Exception):
    """An attempt that may be repeated, as the error it is if it is the last."""

    def __init__(
        self, last: Exception, attempts: int | None = None, wait: float | None = None
    ) -> None:
        super().__init__(str(last))
        self.last, self.wait = last, wait
        self.attempts = attempts  # those that may end in this way; None: as many as any may


@dataclass
class Remote:
    """A server by its address. Used from several threads; every request has its own connection."""

    address: str
    """Where paths start: "https://host/v1"."""
    key: str | None = field(default=None, repr=False)
    key_header: str = "Authorization"
    """Where the key goes: as a bearer token, or bare in a header of another name."""
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0), repr=False)
    """Spreads the waits, so that several threads do not come back together."""
    deadline: float = DEADLINE
    connect: float = CONNECT
    attempts: int = ATTEMPTS
    patience: float = PATIENCE
    max_bytes: int = MAX_BYTES
    """The longest answer, unpacked."""
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    clock: Callable[[], float] = field(default=time.time, repr=False)
    """Seconds since 1970, for servers that name a time to come back."""
    retries: int = field(default=0, init=False)
    """Requests sent beyond the first of each call."""
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        self.address = split_address(self.address).geturl().rstrip("/")
        if self.key is not None and not re.fullmatch(r"[!-~]+", self.key):
            # said here, since the HTTP library would show the key with its complaint
            raise UsageError(f"The key for {self.host} has a character that no key has.")

    @cached_property
    def host(self) -> str:
        """The host, with its port where it is not the usual one."""
        return printable(split_address(self.address).netloc)

    @cached_property
    def is_here(self) -> bool:
        """Whether the address is this machine's own."""
        return is_loopback(split_address(self.address).hostname or "")

    @property
    def is_plain(self) -> bool:
        """Whether what is sent can be read on the way."""
        return self.address.startswith("http://") and not self.is_here

    def post(self, path: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """Send an object as JSON and return the object that comes back.

        Raises:
            RejectedError: a status that says no: 4xx but for those that pass, or a used-up quota.
            FailedError: a status that may pass, at every attempt.
            NoReplyError: no whole answer within the deadline, one too long, one that is no JSON
                object, or a server that asks for a longer wait than `patience`.
            UsageError: a redirect.
            PrerequisiteError: the host cannot be reached.
        """
        return self._repeated(lambda: self._object(*self._once("POST", path, content)))

    def get(self, path: str) -> dict[str, Any]:
        """Return the object at a path; see `post` for what is raised."""
        return self._repeated(lambda: self._object(*self._once("GET", path, None)))

    def fetch(self, path: str) -> bytes:
        """Return a file at a path; see `post` for what is raised."""
        return self._repeated(lambda: self._file(*self._once("GET", path, None)))

    def _repeated(self, attempt: Callable[[], _Answer]) -> _Answer:
        failures: list[str] = []
        while True:
            try:
                return attempt()
            except _AgainError as again:  # noqa: PERF203
                failures.append(str(again))
                alike = failures.count(str(again))
                if len(failures) >= self.attempts or alike >= (again.attempts or self.attempts):
                    raise again.last from again.__cause__
                self.sleep(self._wait(len(failures), again))
                with self._lock:
                    self.retries += not isinstance(again.last, PrerequisiteError)

    def _wait(self, failures: int, again: _AgainError) -> float:
        spread = float(self.rng.uniform(0.5, 1.0))
        if again.wait is not None:
            return again.wait + spread * _FIRST_WAIT
        return spread * min(_FIRST_WAIT * 2.0**failures, _LONGEST_WAIT)

    def _once(
        self, method: str, path: str, content: Mapping[str, Any] | None
    ) -> tuple[int, dict[str, str], bytes]:
        import httpx

        client, cut = self._client, _Cut(self.deadline)
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        try:
            with (
                cut,
                client.stream(
                    method,
                    f"{self.address}/{path}",
                    json=content,
                    headers=headers | self._key_headers,
                    extensions={"trace": cut.trace},
                ) as response,
            ):
                status, known = response.status_code, dict(response.headers)
                body = b"".join(self._bounded(response.iter_raw(), known))
        except httpx.InvalidURL as error:
            raise UsageError(f"{self.host} is no host that can be asked.") from error
        except httpx.TransportError as error:
            unreached = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
            if isinstance(error, unreached) and not cut.happened:
                raise self._unreached(error) from error
            if cut.happened or isinstance(error, httpx.TimeoutException):
                raise self._late() from error
            ended = NoReplyError(f"{self.host} ended the connection before its answer was whole.")
            raise _AgainError(ended) from error
        if cut.happened:  # a body without a stated length ends there without an error
            raise self._late()
        return status, known, body

    def _bounded(self, chunks: Iterable[bytes], headers: Mapping[str, str]) -> Iterator[bytes]:
        """Yield the unpacked body; never more of it in memory than is allowed."""
        packing = headers.get("content-encoding", "identity").strip().lower()
        if packing not in ("identity", "gzip", "deflate", ""):
            raise NoReplyError(f"{self.host} packs its answer as {self.shown(packing)}, unasked.")
        unpack = None if packing in ("identity", "") else zlib.decompressobj(_GZIP_OR_ZLIB)
        left = self.max_bytes
        for packed in chunks:
            try:
                chunk = packed if unpack is None else unpack.decompress(packed, left + 1)
            except zlib.error as error:
                raise _AgainError(self._no_json(), _MALFORMED_ATTEMPTS) from error
            left -= len(chunk)
            if left < 0:
                raise NoReplyError(
                    f"{self.host} sent more than {self.max_bytes / 1e6:,.1f} MB, which no answer "
                    "to this question needs."
                )
            yield chunk

    def _object(self, status: int, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        if 200 <= status < 300:
            found = _parsed(body)
            if not isinstance(found, dict):
                raise _AgainError(self._no_json(), _MALFORMED_ATTEMPTS)
            return found
        raise self._failure(status, headers, body)

    def _file(self, status: int, headers: Mapping[str, str], body: bytes) -> bytes:
        if 200 <= status < 300:
            return body
        raise self._failure(status, headers, body)

    def _failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Exception:
        """Return what an answer that is none means, as the error to raise."""
        if 300 <= status < 400:
            where = self.shown(headers.get("location", "")) or "elsewhere"
            return UsageError(
                f"{self.host} sends requests on to {where} ({status}), which is not followed; give "
                "the address where the model really is."
            )
        said, names = what_was_said(_parsed(body), body)
        shown, whole = self.shown(said), self.shown(f"{said} {names}", READ)
        because = f": {shown}" if shown else "."
        if status in PASSING and not USED_UP & set(names.split()):
            failed = FailedError(f"{self.host} failed ({status}){because}", status, whole)
            return _AgainError(failed, wait=self._asked_to_wait(headers, because))
        return RejectedError(f"{self.host} said no ({status}){because}", status, whole)

    def _asked_to_wait(self, headers: Mapping[str, str], because: str) -> float | None:
        """Return the seconds that a server wants to be left alone, where it says so."""
        wait = _seconds(headers, self.clock())
        if wait is not None and wait > self.patience:
            raise NoReplyError(
                f"{self.host} asks to wait {wait:,.0f} s, and {self.patience:,.0f} s is the most "
                f"that is waited; try again later{because}"
            )
        return wait

    def _unreached(self, error: Exception) -> Exception:
        causes = [cause for cause in _chain(error) if isinstance(cause, OSError)]
        if any(isinstance(cause, ssl.SSLError) for cause in causes):
            return PrerequisiteError(
                f"{self.host} cannot be reached securely: its certificate or its TLS is not "
                "accepted."
            )
        why = next((cause.strerror for cause in causes if cause.strerror), "no connection in time")
        running = "; is the server running?" if self.is_here else "."
        missing = PrerequisiteError(
            f"{self.host} cannot be reached: {self.shown(why[0].lower() + why[1:])}{running}"
        )
        return _AgainError(missing, _CONNECT_ATTEMPTS)

    def _late(self) -> NoReplyError:
        return NoReplyError(f"{self.host} did not answer within {self.deadline:,g} s.")

    def _no_json(self) -> NoReplyError:
        return NoReplyError(f"{self.host} sent an answer that is no JSON object.")

    def shown(self, text: str, most: int = SHOWN) -> str:
        """Return what a server said, fit for a message: no key, no control characters, short."""
        # the key first: cut in two it would not be found
        hidden = text.replace(self.key, "[key]") if self.key else text
        line = printable(" ".join(hidden.split()))
        return line if len(line) <= most else f"{line[: most - 1]}…"

    @property
    def _key_headers(self) -> dict[str, str]:
        if self.key is None:
            return {}
        bearer = self.key_header == "Authorization"
        return {self.key_header: f"Bearer {self.key}" if bearer else self.key}

    @property
    def _client(self) -> httpx.Client:
        with self._lock:
            return self._opened

    @cached_property
    def _opened(self) -> httpx.Client:
        import httpx

        try:
            return httpx.Client(
                follow_redirects=False,
                timeout=httpx.Timeout(self.deadline, connect=min(self.connect, self.deadline)),
                # an answer takes seconds: a connection kept saves nothing and may be half dead
                limits=httpx.Limits(max_keepalive_connections=0),
                headers={"Connection": "close", "User-Agent": "finexl"},
                verify=httpx.create_ssl_context(),
                # what goes to this machine does not go through a proxy elsewhere
                trust_env=not self.is_here,
            )
        except (ImportError, OSError, ValueError) as error:  # from the environment's settings
            raise PrerequisiteError(
                f"{self.host} cannot be reached: the proxy or the certificates that the "
                f"environment names cannot be used ({type(error).__name__})."
            ) from error


class _Cut:
    """Ends a request's connection at the deadline, wherever it is stuck.

    A timeout of the socket's would start anew with every byte that drips in.
    """

    def __init__(self, seconds: float) -> None:
        self.happened = False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Take note of the socket; see httpx on the extension "trace"."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")
            if self.happened:
                self._end()

    def _end(self) -> None:
        self.happened = True
        if self._socket is not None:
            try:  # a TLS socket's own method would take the state away under the reader
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            except OSError:  # closed already
                return

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


def split_address(address: str) -> SplitResult:
    """Return an address's parts.

    Raises:
        UsageError: no http(s) address, or one with a user name, password, query or fragment.
    """
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or re.search(r"[\s\x00-\x1f]", address):
        raise UsageError(
            f"{printable(address.rpartition('@')[2])!r} is no address; one is written "
            "http://HOST:PORT/v1."
        )
    if "@" in parts.netloc:
        raise UsageError(
            f"The address of {printable(host)} has a user name or password in it; keys come from "
            "the environment only."
        )
    if parts.query or parts.fragment:
        raise UsageError(
            f"The address of {printable(host)} goes on with '?' or '#'; keys come from the "
            "environment only."
        )
    return parts


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine: localhost, 127.x.x.x, ::1, 0.0.0.0."""
    try:
        number = ip_address(host)
    except ValueError:
        return host.lower().rstrip(".").rpartition(".")[2] == "localhost"
    return number.is_loopback or number.is_unspecified


def what_was_said(found: Any, body: bytes = b"") -> tuple[str, str]:
    """Return an error's message, and its code, type and parameter, in any form that servers use."""
    if not isinstance(found, dict):
        return _TAG.sub(" ", body[: 1 << 16].decode("utf-8", "replace")), ""
    error = found.get("error") or found
    if not isinstance(error, dict):
        return str(error), ""
    said = error.get("message") or error.get("detail") or ""
    said = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    names = (error.get(name) for name in ("code", "type", "param"))
    return said, " ".join(str(name) for name in names if name)


def _seconds(headers: Mapping[str, str], now: float) -> float | None:
    """Return what Retry-After means, in seconds from now."""
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value):
            return float(value) * unit
    try:
        return max(0.0, parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - now)
    except (ValueError, TypeError, OverflowError):  # none, or nothing that is a time
        return None


def _parsed(body: bytes) -> Any:
    """Return what JSON says; None where it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
