"""What the local web page is started with: where it may read, who may ask, how much at once."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from finexl.cache import cache_folder
from finexl.errors import UsageError
from finexl.images import printable

MADE = ".made"
"""A profile's name and this: the folder of what was made from it."""
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
SHORTEST_TOKEN = 16
STEERED = ("diffusers:", "lora:", "directions:")
"""How the references of models begin that ViPer may steer."""


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
    """Jobs that are worked on at the same time."""
    waiting: int = 8
    """Jobs that wait for their turn."""
    comment_bytes: int = 16_000_000
    """A request's body with comments."""
    prompts: int = 12
    """Of steered previews."""
    verified: int = 200
    """Prompts of one verification."""


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
    sets: Path = field(default_factory=lambda: cache_folder() / "sets")
    """Where the small pictures of picture sets go, which can be made again."""
    profiles: Path = field(default_factory=lambda: data_folder() / "profiles")
    """Where people's profiles are, and beside each what was made from it."""
    models: tuple[str, ...] = ()
    """References of the models that may be steered."""
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
        for model in self.models:
            if not model.startswith(STEERED):
                kinds = ", ".join(STEERED)
                raise UsageError(f"--model {model} cannot be steered; give one of {kinds}….")
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


def data_folder() -> Path:
    """Return where this package keeps what it could not make again: ~/.local/share/finexl."""
    root = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(root).expanduser() / "finexl"


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
