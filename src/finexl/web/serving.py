"""The app on a port of this machine, until it is told to end."""

from __future__ import annotations

import socket
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from threading import Timer

from finexl.errors import PrerequisiteError, UsageError
from finexl.web.settings import Settings

_AFTER = 0.5
"""Seconds after which the browser is sent to the page."""


def serve(
    settings: Settings,
    port: int,
    say: Callable[[str], None] = lambda _: None,
    *,
    open_page: bool = False,
) -> None:
    """Serve until interrupted.

    Args:
        settings: what is served, and to whom.
        port: 0 for any that is free.
        say: told the page's address.
        open_page: also open it in the browser.

    Raises:
        PrerequisiteError: the [web] extra is not installed.
        UsageError: the settings cannot work, or the address is taken.
    """
    try:
        import python_multipart  # noqa: F401 - forms need it, and say so late and otherwise
        import uvicorn

        from finexl.web.app import create_app
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.split(".")[0] == "finexl":
            raise
        raise PrerequisiteError(
            f'The web page needs {error.name}, which is not installed: pip install "finexl[web]"'
        ) from error
    app = create_app(settings)
    listening = _listen(settings.host, port)
    address = f"http://{_written(settings.host)}:{listening.getsockname()[1]}/"
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=5,
    )
    say(f"FineXL is at {address} (Ctrl+C ends it).")
    if open_page:
        Timer(_AFTER, webbrowser.open, [address]).start()
    with suppress(KeyboardInterrupt):  # raised again once everything has ended
        uvicorn.Server(config).run([listening])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise UsageError(
            f"{host}:{port} cannot be listened on: {(error.strerror or str(error)).lower()}; give "
            "another --port."
        ) from error


def _written(host: str) -> str:
    """Return the host as an address has it."""
    if host in ("0.0.0.0", "::"):  # noqa: S104
        return "localhost"
    return f"[{host}]" if ":" in host else host
