"""Image and text into one space, where differences mean something.

embedded    the default: ships with the package, needs no download
"""

from __future__ import annotations

from finexl.encoders.base import Encoder
from finexl.errors import UsageError

ENCODERS = ("embedded",)

__all__ = ["ENCODERS", "Encoder", "load_encoder"]


def load_encoder(name: str = "embedded", *, threads: int | None = None) -> Encoder:
    """Return an encoder by name.

    Args:
        name: one of `ENCODERS`.
        threads: processor threads to use at most; None for all that the process may use.

    Raises:
        UsageError: an unknown name.
    """
    if name != "embedded":
        raise UsageError(f"There is no encoder {name!r}; choose one of {', '.join(ENCODERS)}.")
    from finexl.encoders.embedded import Embedded

    return Embedded(threads=threads)
