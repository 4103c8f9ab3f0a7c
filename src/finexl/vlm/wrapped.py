"""A model around a model: what it does not change is the other's own."""

from __future__ import annotations

from dataclasses import dataclass

from finexl.vlm.base import VLM


@dataclass
class Wrapped:
    """Everything of a `VLM` but `ask`."""

    vlm: VLM

    @property
    def name(self) -> str:
        """See `VLM.name`."""
        return self.vlm.name

    @property
    def revision(self) -> str:
        """See `VLM.revision`."""
        return self.vlm.revision

    @property
    def concurrency(self) -> int:
        """See `VLM.concurrency`."""
        return self.vlm.concurrency

    @property
    def notice(self) -> str | None:
        """See `VLM.notice`."""
        return self.vlm.notice

    @property
    def repeats(self) -> int:
        """Requests that the model had to send again, where it says so."""
        return int(getattr(self.vlm, "repeats", 0))
