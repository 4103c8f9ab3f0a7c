"""What the local web page is started with: where it may read, who may ask, how much at once."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from finexl.cache import cache_folder
from finexl.errors import UsageError
from finexl.images import printable

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class Limits:
    """The most that one request, and all jobs together, may bring."""

    form_bytes: int = 1_000_000
    """A request's body, where it carries no pictures."""
    upload_bytes: int = 256_000_000
    """A request's body with pictures."""
    pictures: int = 500
    """Uploaded pictures a side."""
    picture_bytes: int = 25_000_000
    pixels: int = 25_000_000
    """Of one uploaded picture."""
    decoding_seconds: int = 120
    """Processor and wall time for decoding one upload's pictures."""
    decoding_bytes: int = 2_000_000_000
    """Address space that decoding them may take."""
    at_once: int = 1
    """Explanations that are computed at the same time."""
    waiting: int = 8
    """Explanations that wait for their turn."""


@dataclass(frozen=True)
class Settings:
    """How one server is started."""

    roots: tuple[Path, ...] = field(default_factory=lambda: (Path.cwd(),))
    """The folders under which pages may name folders."""
    catalog: Path | None = None
    host: str = "127.0.0.1"
    token: str | None = None
    """What people and programs show to be let in; None lets in everyone on this machine."""
    runs: Path = field(default_factory=lambda: cache_folder() / "runs")
    """Where this server's run folders go."""
    limits: Limits = Limits()

    def check(self) -> None:
        """Refuse what cannot work, or would let in strangers.

        Raises:
            UsageError: another address without a token, a token that can be guessed, or a root
                or catalog that is not there.
        """
        if self.host not in LOOPBACK and self.token is None:
            raise UsageError(
                f"--host {self.host} can be reached from other machines; give --token with a "
                "secret that they have to show."
            )
        if self.token is not None and len(self.token) < SHORTEST_TOKEN:
            raise UsageError(
                f"The token has {len(self.token)} characters; give at least {SHORTEST_TOKEN} that "
                "nobody can guess."
            )
        for root in self.roots:
            if not root.is_dir():
                raise UsageError(f"--root {root}: there is no such folder.")
        if self.catalog is not None and not self.catalog.is_file():
            raise UsageError(
                f"There is no catalog {self.catalog}; make one with `finexl catalog add`."
            )

    def knows_host(self, name: str) -> bool:
        """Whether a request may be addressed to this name: a page of another name may not ask.

        Served on all addresses, any address is good: only names can be made to point elsewhere.
        """
        if name == self.host.lower() or (self.host in LOOPBACK and name in LOOPBACK):
            return True
        if self.host in LOOPBACK:
            return False
        if name == socket.gethostname().lower():
            return True
        return self.host in ("0.0.0.0", "::") and (_is_address(name) or name in LOOPBACK)  # noqa: S104


def within(named: str, roots: Sequence[Path]) -> Path:
    """Return the file or folder that a person named, absolute and without symlinks.

    Whether something outside the roots is there is not told.

    Raises:
        UsageError: it leaves the roots, or nothing is there.
    """
    try:
        path = (roots[0] / named).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a null byte, a ring of symlinks
        raise UsageError(f"{printable(named)!r} is no path.") from error
    if not any(path.is_relative_to(root.resolve()) for root in roots):
        allowed = ", ".join(str(root) for root in roots)
        raise UsageError(
            f"{printable(named)} is outside the folders that this server may read ({allowed}); "
            "start it with --root to allow more."
        )
    try:
        found = path.exists()
    except OSError:  # a name that is too long
        found = False
    if not found:
        raise UsageError(f"There is no {printable(named)}.")
    return path


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
