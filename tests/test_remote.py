"""The HTTP client, against a real server: what is tried again, what is not, and what is said."""

from __future__ import annotations

import gzip
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import Any

import numpy as np
import pytest

from finexl.errors import NoReplyError, PrerequisiteError, UsageError
from finexl.remote import (
    ATTEMPTS,
    PASSING,
    SHOWN,
    FailedError,
    RejectedError,
    Remote,
    is_loopback,
    split_address,
)
from http_server import Answer, Server, serving

KEY = "sk-very/secret+0123456789"
FINE = Answer({"fine": True})


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def client(server: Server, waits: list[float] | None = None, **settings: Any) -> Remote:
    """A client that notes its waits down instead of waiting."""
    sleep = [].append if waits is None else waits.append
    return Remote(server.address, **{"key": KEY, "sleep": sleep, **settings})


def test_an_object_goes_there_and_one_comes_back(server: Server) -> None:
    server.answers = [FINE]
    assert client(server).post("v1/ask?x=1", {"a": "ü"}) == {"fine": True}
    (request,) = server.requests
    assert (request.path, request.content) == ("/v1/ask?x=1", {"a": "ü"})
    assert request.headers["authorization"] == f"Bearer {KEY}"


def test_the_key_goes_bare_into_a_header_of_another_name_and_nowhere_without_one(
    server: Server,
) -> None:
    client(server, key_header="api-key").post("", {})
    client(server, key=None).post("", {})
    assert [r.headers.get("api-key") for r in server.requests] == [KEY, None]
    assert not any("authorization" in r.headers for r in server.requests)


# what is tried again


def test_a_rate_limit_is_waited_for_as_long_as_it_says(server: Server) -> None:
    waits: list[float] = []
    server.answers = [Answer(status=429, headers={"Retry-After": "7"}), FINE]
    remote = client(server, waits)
    assert remote.post("", {}) == {"fine": True}
    assert len(waits) == 1
    assert 7.0 <= waits[0] <= 7.5
    assert remote.retries == 1


@pytest.mark.parametrize(
    ("headers", "low"),
    [
        ({"Retry-After": formatdate(1_000_020, usegmt=True)}, 20.0),
        ({"Retry-After": formatdate(999_000, usegmt=True)}, 0.0),
        ({"retry-after-ms": "1500", "Retry-After": "2"}, 1.5),
    ],
)
def test_a_time_to_come_back_is_understood(
    server: Server, headers: dict[str, str], low: float
) -> None:
    waits: list[float] = []
    server.answers = [Answer(status=503, headers=headers), FINE]
    client(server, waits, clock=lambda: 1_000_000.0).post("", {})
    assert low <= waits[0] <= low + 0.5


@pytest.mark.parametrize("value", ["soon", "-5", "1e3", "nan", "٣"])
def test_a_time_to_come_back_that_is_none_is_ignored(server: Server, value: str) -> None:
    waits: list[float] = []

    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(f"HTTP/1.1 503 No\r\nRetry-After: {value}\r\n\r\n".encode())

    server.answers = [Answer(act=act), FINE]
    client(server, waits).post("", {})
    assert 0.5 <= waits[0] <= 1.0


def test_a_wait_that_is_too_long_is_not_begun(server: Server) -> None:
    waits: list[float] = []
    server.answers = [
        Answer({"error": {"message": "daily limit"}}, 429, {"Retry-After": "3600"}),
        FINE,
    ]
    with pytest.raises(NoReplyError, match=r"asks to wait 3,600 s, and 60 s .*: daily limit"):
        client(server, waits).post("", {})
    assert waits == []
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", sorted(PASSING))
def test_statuses_that_pass_are_met_again(server: Server, status: int) -> None:
    server.answers = [Answer(status=status), Answer(status=status), FINE]
    assert client(server).post("", {}) == {"fine": True}
    assert len(server.requests) == 3


def test_waits_double_spread_by_half_and_end(server: Server) -> None:
    waits: list[float] = []
    server.answers = [Answer({"error": "too busy"}, 500)]
    with pytest.raises(FailedError, match=r"failed \(500\): too busy$") as raised:
        client(server, waits).post("", {})
    assert (raised.value.status, raised.value.exit_code) == (500, 1)
    assert len(server.requests) == ATTEMPTS == len(waits) + 1
    for number, wait in enumerate(waits):
        assert 0.5 * 2**number <= wait <= 2**number
    again: list[float] = []
    with pytest.raises(FailedError):
        client(server, again).post("", {})
    assert again == waits  # the generator is seeded


def test_no_wait_is_longer_than_twenty_seconds(server: Server) -> None:
    waits: list[float] = []
    server.answers = [Answer(status=500)]
    with pytest.raises(FailedError):
        client(server, waits, attempts=12).post("", {})
    assert 10.0 <= max(waits) <= 20.0


def test_malformed_json_is_asked_for_again_twice(server: Server) -> None:
    server.answers = [Answer(b'{"half": '), Answer(b"[1]"), FINE]
    assert client(server).post("", {}) == {"fine": True}
    server.answers = [Answer(b"<html>hello</html>")]
    server.requests.clear()
    with pytest.raises(NoReplyError, match="an answer that is no JSON object"):
        client(server).post("", {})
    assert len(server.requests) == 3


def test_json_nested_too_deeply_is_malformed(server: Server) -> None:
    server.answers = [Answer(b'{"a":' + b"[" * 200_000)]
    with pytest.raises(NoReplyError, match="no JSON object"):
        client(server).post("", {})


def half_closed(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"fine": ')


def chunks_cut_short(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{"fine": ')


def hung_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def no_http(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"220 smtp ready\r\n")


@pytest.mark.parametrize("act", [half_closed, chunks_cut_short, hung_up, no_http])
def test_an_answer_that_breaks_off_is_asked_for_again(
    server: Server, act: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    server.answers = [Answer(act=act), Answer(act=act), FINE]
    assert client(server).post("", {}) == {"fine": True}
    server.answers = [Answer(act=act)]
    with pytest.raises(NoReplyError, match="ended the connection before its answer was whole"):
        client(server).post("", {})


# what is not


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 418, 422, 501])
def test_statuses_that_say_no_are_met_once(server: Server, status: int) -> None:
    server.answers = [Answer({"error": {"message": "bad", "code": "x", "param": "seed"}}, status)]
    with pytest.raises(RejectedError, match=rf"^{server.host} said no \({status}\): bad$") as no:
        client(server).post("", {})
    assert (no.value.status, no.value.said, no.value.exit_code) == (status, "bad x seed", 2)
    assert len(server.requests) == 1


def test_a_quota_that_is_used_up_is_met_once(server: Server) -> None:
    quota = {"message": "You exceeded your quota", "type": "insufficient_quota", "code": None}
    server.answers = [Answer({"error": quota}, 429, {"Retry-After": "1"})]
    with pytest.raises(RejectedError, match=r"said no \(429\): You exceeded your quota"):
        client(server).post("", {})
    assert len(server.requests) == 1


def test_no_redirect_is_followed(server: Server) -> None:
    server.answers = [Answer(status=307, headers={"Location": "http://elsewhere.test/v1"}), FINE]
    with pytest.raises(
        UsageError, match=r"on to http://elsewhere\.test/v1 \(307\), .*not followed"
    ):
        client(server).post("", {})
    assert len(server.requests) == 1


def drip(handler: BaseHTTPRequestHandler, start: bytes) -> None:
    handler.wfile.write(start)
    for _ in range(500):
        handler.wfile.write(b" ")
        time.sleep(0.02)


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",  # until the connection ends
        b"HTTP/1.1 200 OK\r\nX-Long:",
        b"HTTP/1.1 200 O",
    ],
    ids=["body", "endless", "header", "status"],
)
def test_a_slow_drip_does_not_outlive_the_deadline(server: Server, start: bytes) -> None:
    server.answers = [Answer(act=lambda handler: drip(handler, start))]
    begun = time.monotonic()
    with pytest.raises(NoReplyError, match=r"did not answer within 0\.4 s"):
        client(server, deadline=0.4).post("", {})
    assert 0.3 < time.monotonic() - begun < 4.0
    assert len(server.requests) == 1


def test_silence_does_not_outlive_the_deadline(server: Server) -> None:
    silent = threading.Event()
    server.answers = [Answer(act=lambda _: (silent.wait(5), None)[1])]
    try:
        with pytest.raises(NoReplyError, match=r"did not answer within 0\.3 s"):
            client(server, deadline=0.3).post("", {})
    finally:
        silent.set()


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:  # ends when the client hangs up
        handler.wfile.write(b" " * 65536)


BOMB = Answer(gzip.compress(b" " * 30_000_000), headers={"Content-Encoding": "gzip"})


@pytest.mark.parametrize("answer", [Answer(act=endless), BOMB, Answer(b"1" * 5_000_000)])
def test_an_answer_that_is_too_long_is_not_read_to_its_end(server: Server, answer: Answer) -> None:
    server.answers = [answer]
    with pytest.raises(NoReplyError, match=r"sent more than 4\.2 MB"):
        client(server).post("", {})
    assert len(server.requests) == 1


def test_the_bound_is_on_what_is_read(server: Server) -> None:
    text = b'{"fine": true}'
    server.answers = [
        Answer(text),
        Answer(gzip.compress(text), headers={"content-encoding": "gzip"}),
    ]
    for _ in server.answers:
        assert client(server, max_bytes=len(text)).post("", {}) == {"fine": True}
    with pytest.raises(NoReplyError, match="sent more than"):
        client(server, max_bytes=len(text) - 1).post("", {})


@pytest.mark.parametrize(
    ("packing", "said"), [("br", "packs its answer as br"), ("gzip", "no JSON object")]
)
def test_an_answer_packed_strangely(server: Server, packing: str, said: str) -> None:
    server.answers = [Answer(b"not packed at all", headers={"Content-Encoding": packing})]
    with pytest.raises(NoReplyError, match=said):
        client(server).post("", {})


# hosts that are not there


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_a_server_that_does_not_run(server: Server) -> None:
    waits: list[float] = []
    server.address = f"http://127.0.0.1:{closed_port()}"
    said = rf"^{server.host} cannot be reached: connection refused; is the server running\?$"
    remote = client(server, waits)
    with pytest.raises(PrerequisiteError, match=said) as raised:
        remote.post("", {})
    assert (raised.value.exit_code, len(waits), remote.retries) == (3, 2, 0)


def test_a_host_that_has_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setenv("NO_PROXY", "*")
    remote = Remote("https://nothing.test/v1", sleep=lambda _: None)
    said = r"^nothing\.test cannot be reached: name or service not known\.$"
    with pytest.raises(PrerequisiteError, match=said):
        remote.post("", {})


def test_a_server_that_speaks_no_tls(server: Server) -> None:
    server.address = server.address.replace("http:", "https:")
    with pytest.raises(PrerequisiteError, match="cannot be reached securely"):
        client(server).post("", {})


def test_what_stays_here_goes_through_no_proxy_and_the_rest_through_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers = [FINE]
    for name in ("NO_PROXY", "no_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
    assert client(server).post("here", {}) == {"fine": True}
    monkeypatch.setenv("HTTP_PROXY", server.address)
    Remote("http://nothing.test/v1").post("there", {})
    assert [r.path for r in server.requests] == ["/here", "http://nothing.test/v1/there"]


def test_a_proxy_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "gopher://proxy.test")
    with pytest.raises(PrerequisiteError, match="the proxy or the certificates"):
        Remote("http://nothing.test/v1").post("", {})


# nothing is given away


def test_the_key_is_in_no_message_repr_or_log(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    remote = client(server)
    for status, body in (
        (400, {"error": {"message": f"no: {KEY}", "code": KEY}}),
        (500, {"detail": [{"loc": ["header"], "msg": KEY}]}),
        (404, f"<p>{KEY}</p>".encode()),
        (429, {"error": KEY}),
    ):
        server.answers = [Answer(body, status)]
        with pytest.raises((RejectedError, FailedError), match=r"\[key\]") as raised:
            remote.post("", {})
        assert isinstance(raised.value, RejectedError | FailedError)
        assert KEY not in str(raised.value) + repr(raised.value) + raised.value.said
    assert KEY not in repr(remote) + caplog.text
    assert any(record.name.startswith("http") for record in caplog.records)
    server.answers = [Answer(status=302, headers={"Location": f"/{KEY}"})]
    with pytest.raises(UsageError, match=r"/\[key\]"):
        remote.post("", {})


def test_half_of_the_key_is_not_shown_where_a_message_is_cut(server: Server) -> None:
    for before in range(SHOWN - len(KEY) - 6, SHOWN + 1):
        shown = client(server).shown("." * before + KEY)
        assert len(shown) <= SHOWN
        assert "sk-" not in shown


def test_what_a_server_says_is_short_and_printable(server: Server) -> None:
    server.answers = [Answer({"error": {"message": "\x1b[31m\n\x07" + "long " * 5000}}, 400)]
    with pytest.raises(RejectedError) as raised:
        client(server).post("", {})
    said = str(raised.value)
    assert said.isprintable()
    assert r"\x1b[31m \x07long" in said
    assert len(said) < SHOWN + 60


def test_a_page_is_shown_as_its_words(server: Server) -> None:
    page = b"<html><style>p {}</style><h1>Bad\nGateway</h1>\xff<p title='x'>nginx</p></html>"
    server.answers = [Answer(page, 502)]
    with pytest.raises(FailedError, match=r"failed \(502\): Bad Gateway � nginx$"):
        client(server).post("", {})


@pytest.mark.parametrize("key", ["sk-a b", "sk-a\nb", "sk-ü", ""])
def test_a_key_that_fits_into_no_header_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(UsageError, match=r"^The key for h\.test has a character") as raised:
        Remote("http://h.test", key)
    assert "sk-" not in str(raised.value)


@pytest.mark.parametrize(
    "address",
    [
        "http://me:secret@h.test/v1", "https://secret@h.test", "http://h.test/v1?key=secret",
        "http://h.test/#secret", "ftp://me:secret@h.test", "h.test/v1", "http://", "http://[::1",
        "http://h.test:99999", "http://h.test/a b", "",
    ],
)  # fmt: skip
def test_addresses_that_are_refused(address: str) -> None:
    with pytest.raises(UsageError) as raised:
        Remote(address)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("address", ["http://h.test/v1", "https://[::1]:8000", "http://é.test/v1"])
def test_addresses_that_are_taken(address: str) -> None:
    assert split_address(address).geturl() == address


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True),
        ("0.0.0.0", True), ("my.localhost", True), ("localhost.test", False), ("10.0.0.1", False),
        ("api.openai.com", False), ("127.0.0.1.test", False),
    ],
)  # fmt: skip
def test_which_hosts_are_this_machine(host: str, here: bool) -> None:
    assert is_loopback(host) is here


def test_threads_share_a_client(server: Server) -> None:
    server.answers = [Answer(status=500)] * 3 + [FINE]
    remote = client(server, rng=np.random.default_rng(1))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: remote.post(str(n), {}), range(8)))
    assert found == [{"fine": True}] * 8
    assert (len(server.requests), remote.retries) == (11, 3)
