"""A real HTTP server on this machine that answers what a test wrote down, in turn."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What comes back: an object as JSON, or bytes as they are."""

    content: Any = field(default_factory=dict)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    act: Callable[[BaseHTTPRequestHandler], None] | None = None
    """Does the answering instead."""


@dataclass(frozen=True)
class Request:
    path: str
    headers: Mapping[str, str]
    content: Any


@dataclass
class Server:
    address: str = ""
    answers: Sequence[Answer] = (Answer(),)
    """In turn; the last one for all that follow."""
    requests: list[Request] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def host(self) -> str:
        return self.address.removeprefix("http://")

    def next_answer(self, request: Request) -> Answer:
        with self.lock:
            answer = self.answers[min(len(self.requests), len(self.answers) - 1)]
            self.requests.append(request)
            return answer


@contextmanager
def serving() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer(None)

        def do_POST(self) -> None:
            self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def answer(self, asked: Any) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = state.next_answer(Request(self.path, headers, asked))
            self.close_connection = True
            if answer.act is not None:
                answer.act(self)
                return
            raw = isinstance(answer.content, bytes)
            content = answer.content if raw else json.dumps(answer.content).encode()
            self.send_response(answer.status)
            lengths = {"content-length": str(len(content))}
            for name, value in {**lengths, **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = False  # so that closing waits for them, and no socket is left open

        def handle_error(self, *_: object) -> None:
            """Clients that hang up are what some tests are about."""

    with Quiet(("127.0.0.1", 0), Handler) as server:
        state.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
