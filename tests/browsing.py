"""A real browser and a real server, for tests of the web page."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from finexl.web.app import create_app
from finexl.web.settings import Settings

CHROMIUM = os.environ.get("FINEXL_CHROMIUM", "/usr/bin/chromium")
NEEDED = pytest.mark.skipif(
    not Path(CHROMIUM).exists(), reason=f"there is no Chromium at {CHROMIUM} (FINEXL_CHROMIUM)"
)
PHONE = 360
"""Pixels."""


@contextmanager
def served(settings: Settings) -> Iterator[str]:
    """Yield the address of a server."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(settings), log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listening.close()


@contextmanager
def launched(sync_api: Any) -> Iterator[Any]:
    """Yield a browser."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(browser: Any, address: str, **how: Any) -> Iterator[Any]:
    """Yield a page that may neither complain in its console nor ask anybody else."""
    context = browser.new_context(base_url=address, **how)
    context.set_default_timeout(60_000)
    page = context.new_page()
    said: list[tuple[str, str]] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append((message.type, message.text)))
    page.on("pageerror", lambda error: said.append(("error", str(error))))
    page.on("request", lambda request: asked.append(request.url))
    yield page
    context.close()
    assert [one for one in said if one[0] in ("error", "warning")] == []
    assert asked
    assert [url for url in asked if not url.startswith(f"{address}/")] == []


def serious(browser: Any, address: str, paths: Sequence[str], scheme: str) -> list[Any]:
    """Return what axe finds wrong with pages, as far as it is serious."""
    package = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")
    script = (Path(package.__path__[0]) / "axe.min.js").read_text(encoding="utf-8")
    # axe adds styles of its own while it looks, which the pages' policy would not allow
    how = {"bypass_csp": True, "color_scheme": scheme, "viewport": {"width": 800, "height": 900}}
    context = browser.new_context(base_url=address, **how)
    page = context.new_page()
    found = []
    for path in paths:
        page.goto(path)
        page.evaluate(script)
        told = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        assert told["passes"]
        found += [
            (path, violation["id"], violation["nodes"][0]["html"])
            for violation in told["violations"]
            if violation["impact"] in ("serious", "critical")
        ]
    context.close()
    return found


def widest(browser: Any, address: str, paths: Sequence[str]) -> dict[str, int]:
    """Return how wide each page is on a phone, in pixels."""
    context = browser.new_context(
        base_url=address, viewport={"width": PHONE, "height": 740}, has_touch=True
    )
    page = context.new_page()
    found = {}
    for path in paths:
        page.goto(path)
        found[path] = page.evaluate("document.documentElement.scrollWidth")
    context.close()
    return found


def unreached(page: Any) -> set[str]:
    """Return what on a page the Tab key does not come to, from its beginning."""
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    wanted = set(page.evaluate(_REACHABLE))
    reached = set()
    for _ in range(len(wanted) + 20):
        reached.add(page.evaluate("document.activeElement.outerHTML.slice(0, 160)"))
        page.keyboard.press("Tab")
    return wanted - reached


_REACHABLE = """
[...document.querySelectorAll('a[href], button, select, summary, textarea'),
 ...document.querySelectorAll('input:not([type=hidden])')]
  .filter(element => element.checkVisibility())
  .map(element => element.outerHTML.slice(0, 160))
"""
