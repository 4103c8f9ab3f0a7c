"""Who may ask the local server what: every rule, and that it cannot be walked around."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from starlette.types import Message

from finexl.errors import UsageError
from finexl.web.app import create_app
from finexl.web.settings import Limits, Settings, within
from website import csrf, visited

TOKEN = "correct horse battery staple"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    root = tmp_path_factory.mktemp("root")
    return Settings(roots=(root,), runs=root / "runs")


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    with visited(settings) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/api/start", "/static/style.css", "/nowhere"])
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8642", "localhost.evil.example", "", "127.0.0.2", "[x"]
)
def test_another_host_is_refused_everywhere(client: TestClient, path: str, host: str) -> None:
    assert client.get(path, headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8642", "[::1]:8642"])
def test_this_machines_names_are_answered_on_any_port(client: TestClient, host: str) -> None:
    assert client.get("/api/start", headers={"Host": host}).status_code == 200


def test_a_server_of_all_addresses_answers_to_addresses_not_to_names(tmp_path: Path) -> None:
    with visited(Settings(roots=(tmp_path,), runs=tmp_path, host="0.0.0.0", token=TOKEN)) as client:
        shown = {"Authorization": f"Bearer {TOKEN}"}
        for host, status in (("192.168.1.7:80", 200), ("[2001:db8::1]", 200), ("evil.com", 421)):
            found = client.get("/api/start", headers={"Host": host, **shown})
            assert found.status_code == status


def posts(settings: Settings) -> list[str]:
    """Return every path that takes a POST."""
    found = []
    for router in (create_app(settings).router,):
        pending: list[Any] = list(router.routes)
        while pending:
            route = pending.pop()
            if isinstance(route, APIRoute):
                found += [route.path] if "POST" in (route.methods or ()) else []
            pending += list(getattr(getattr(route, "original_router", None), "routes", []))
    return [path.replace("{job_id}", "0").replace("{run_id}", "0") for path in found]


def test_there_are_posts_to_be_guarded(settings: Settings) -> None:
    paths = posts(settings)
    assert {"/explain", "/login", "/jobs/0/cancel", "/runs/0/add"} < set(paths)
    assert {"/taste", "/taste/{id}/comments", "/taste/{id}/delete", "/sets"} < set(paths)
    assert len(paths) == 24


def every_post(client: TestClient, settings: Settings, **headers: str) -> set[int]:
    found = set()
    for path in posts(settings):
        for place in (path, f"/api{path}"):
            answer = client.post(place, headers=headers, json={})
            found.add(answer.status_code)
    return found - {404, 405}


def test_no_post_passes_without_this_starts_token(client: TestClient, settings: Settings) -> None:
    assert every_post(client, settings) == {403}
    assert every_post(client, settings, **{"X-CSRF-Token": "x"}) == {403}
    with visited(settings) as other:  # an earlier or another start's
        assert every_post(client, settings, **csrf(other)) == {403}
    mine = csrf(client)
    assert client.post("/api/jobs/0/cancel", headers=mine).status_code == 404


def test_a_forms_hidden_field_is_as_good_as_the_header(client: TestClient) -> None:
    token = csrf(client)["X-CSRF-Token"]
    assert client.post("/jobs/0/cancel", data={"csrf": token}).status_code == 404
    assert client.post("/jobs/0/cancel", data={"csrf": "x"}).status_code == 403
    files = {"csrf": ("f", token.encode())}
    assert client.post("/jobs/0/cancel", files=files).status_code == 403


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://localhost:3000", "https://localhost:1", "localhost"],
)
def test_another_sites_page_may_not_post_even_with_the_token(
    client: TestClient, origin: str
) -> None:
    headers = {**csrf(client), "Origin": origin}
    assert client.post("/api/jobs/0/cancel", headers=headers).status_code == 403
    own = {**headers, "Origin": "http://localhost:8642"}
    assert client.post("/api/jobs/0/cancel", headers=own).status_code == 404


def test_reading_from_another_origin_is_not_allowed_by_any_header(client: TestClient) -> None:
    found = client.get("/api/start", headers={"Origin": "http://evil.example"})
    assert "access-control-allow-origin" not in found.headers
    assert found.headers["cross-origin-resource-policy"] == "same-origin"


class TestToken:
    @pytest.fixture
    def guarded(self, settings: Settings) -> Iterator[TestClient]:
        with visited(replace(settings, token=TOKEN)) as client:
            yield client

    def test_without_it_pages_lead_to_the_form_and_the_api_refuses(
        self, guarded: TestClient
    ) -> None:
        page = guarded.get("/runs")
        assert (page.status_code, page.headers["location"]) == (303, "/login")
        refused = guarded.get("/api/runs")
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert guarded.get("/api/openapi.json").status_code == 401
        assert guarded.get("/static/style.css").status_code == 200
        assert guarded.get("/static/../runs").status_code in (303, 404)

    def test_the_api_takes_it_as_a_bearer(self, guarded: TestClient) -> None:
        for shown, status in ((TOKEN, 200), (TOKEN[:-1], 401), ("", 401), ("é", 401)):
            headers = {"Authorization": f"Bearer {shown}".encode()}
            assert guarded.get("/api/runs", headers=headers).status_code == status  # type: ignore[arg-type]

    def test_the_form_takes_it_and_sets_a_cookie_that_is_another_secret(
        self, guarded: TestClient
    ) -> None:
        page = guarded.get("/login").text
        field = page.split('name="csrf" value="')[1].split('"')[0]
        wrong = guarded.post("/login", data={"csrf": field, "token": "x" * 20})
        assert wrong.status_code == 403
        assert "set-cookie" not in wrong.headers
        assert guarded.post("/login", data={"token": TOKEN}).status_code == 403
        right = guarded.post("/login", data={"csrf": field, "token": TOKEN})
        assert right.status_code == 303
        cookie = right.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert TOKEN not in cookie
        assert guarded.get("/runs").status_code == 200
        assert guarded.get("/runs", headers={"Cookie": "finexl_session=x"}).status_code == 303

    def test_the_login_forms_csrf_token_opens_nothing_else(self, guarded: TestClient) -> None:
        field = guarded.get("/login").text.split('name="csrf" value="')[1].split('"')[0]
        headers = {"Authorization": f"Bearer {TOKEN}", "X-CSRF-Token": field}
        assert guarded.post("/api/jobs/0/cancel", headers=headers).status_code == 403

    def test_another_address_needs_one_that_cannot_be_guessed(self, settings: Settings) -> None:
        for host in ("0.0.0.0", "192.168.1.2", "example.com", "::"):
            with pytest.raises(UsageError, match="--token"):
                replace(settings, host=host).check()
        with pytest.raises(UsageError, match="16"):
            replace(settings, host="0.0.0.0", token="short").check()
        replace(settings, host="0.0.0.0", token=TOKEN).check()


POLICY = {
    "default-src 'none'",
    *(f"{kind}-src 'self'" for kind in ("script", "style", "img", "connect")),
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
}


@pytest.mark.parametrize(
    "path",
    ["/", "/explain", "/runs", "/login", "/nowhere", "/static/style.css", "/api/start", "/api/x",
     "/taste", "/taste/nobody", "/sets/x/0.webp"],
)  # fmt: skip
def test_every_answer_has_the_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert set(headers["content-security-policy"].split("; ")) == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("path", ["/", "/api/runs"])
def test_a_fault_of_ours_shows_no_trace_and_keeps_the_headers(
    client: TestClient, path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("finexl.web.api.past_runs", broken)
    monkeypatch.setattr("finexl.web.browse.render", broken)
    with caplog.at_level(logging.ERROR):
        found = client.get(path)
    assert found.status_code == 500
    assert "secret" not in found.text
    assert "Traceback" not in found.text
    assert "content-security-policy" in found.headers
    assert "secret detail" in caplog.text


BEGUN = b'--x\r\nContent-Disposition: form-data; name="base_files"; filename="a.png"\r\n\r\n'


def refused_at(settings: Settings, path: str, declared: int | None, chunk: int = 1000) -> Any:
    """Send a body without end in chunks; return the status, and how many bytes were read."""
    app = create_app(settings)
    read, sent = 0, []

    async def receive() -> Message:
        nonlocal read
        body = b"x" * chunk if read else BEGUN.ljust(chunk, b"x")
        read += chunk
        return {"type": "http.request", "body": body, "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"multipart/form-data; boundary=x")]
    if declared is not None:
        headers.append((b"content-length", str(declared).encode()))
    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(),
        "query_string": b"", "headers": headers, "scheme": "http", "http_version": "1.1",
        "server": ("localhost", 80), "client": ("127.0.0.1", 1), "root_path": "", "state": {},
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], read


@pytest.mark.parametrize("path", ["/explain", "/api/explain/upload", "/api/explain", "/login"])
@pytest.mark.parametrize("declared", [None, 10**12, 10])
def test_a_body_is_read_no_further_than_it_may_be_long(
    settings: Settings, path: str, declared: int | None
) -> None:
    limited = replace(settings, limits=Limits(form_bytes=20_000, upload_bytes=50_000))
    status, read = refused_at(limited, path, declared)
    assert status == 413
    assert read <= 2 * 50_000 + 2_000  # what is thrown away included


def test_forms_without_pictures_may_be_much_smaller(settings: Settings) -> None:
    limited = replace(settings, limits=Limits(form_bytes=2_000, upload_bytes=10**9))
    assert refused_at(limited, "/jobs/0/cancel", None)[1] <= 6_000


class TestRoots:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        root = tmp_path / "allowed"
        (root / "inside").mkdir(parents=True)
        (tmp_path / "secret").mkdir()
        (root / "link").symlink_to(tmp_path / "secret")
        (root / "loop").symlink_to(root / "loop")
        return root

    @pytest.mark.parametrize("named", ["inside", "./inside", "inside/../inside", ""])
    def test_what_is_inside_is_found(self, root: Path, named: str) -> None:
        assert within(named, (root,)).is_relative_to(root)

    def test_an_absolute_path_and_a_second_root_are_as_good(self, root: Path) -> None:
        assert within(str(root / "inside"), (root,)) == root / "inside"
        secret = root.parent / "secret"
        assert within(str(secret), (root, secret)) == secret

    @pytest.mark.parametrize(
        "named", ["..", "../secret", "inside/../../secret", "link", "link/x", "/", "/etc/passwd"]
    )
    def test_nothing_leads_out(self, root: Path, named: str) -> None:
        with pytest.raises(UsageError, match="outside"):
            within(named, (root,))

    def test_nothing_is_told_of_what_is_outside(self, root: Path) -> None:
        said = []
        for named in ("../secret", "../nothing"):
            with pytest.raises(UsageError) as error:
                within(named, (root,))
            said.append(str(error.value).replace(named, "X"))
        assert said[0] == said[1]

    @pytest.mark.parametrize("named", ["a\0b", "x" * 5000, "nothing", "loop", "~", "\udcff"])
    def test_what_is_no_path_here_is_said(self, root: Path, named: str) -> None:
        with pytest.raises(UsageError):
            within(named, (root,))

    def test_the_api_and_the_form_refuse_alike(self, root: Path) -> None:
        with visited(Settings(roots=(root,), runs=root / "runs")) as client:
            header = csrf(client)
            named = {"base": "inside", "personalized": "../secret"}
            found = client.post("/api/explain", json=named, headers=header)
            assert found.status_code == 400
            assert "outside" in found.json()["error"]
            form = {"base_folder": "inside", "personalized_folder": "link"}
            page = client.post("/explain", data=form, headers=header)
            assert page.status_code == 400
            assert "outside the folders" in page.text
            assert list((root / "runs").iterdir()) == []
