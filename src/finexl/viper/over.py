"""A generator that does something more than its base: what all such have in common."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from finexl.generators import Generator, Job, Made


class Over:
    """A generator over a base: as its base in all that it does not say itself. See `Generator`."""

    kind = ""
    base: Generator

    def about(self) -> Mapping[str, Any]:
        """Return what its images depend on beside the base. JSON-like."""
        raise NotImplementedError

    def make(self, jobs: Sequence[Job]) -> list[Made]:
        """Make one batch, in order. See `Generator.make`."""
        raise NotImplementedError

    @property
    def digest(self) -> str:
        """Of the base, and of what is done beside."""
        parts = [self.kind, self.base.digest, dict(self.about())]
        written = json.dumps(parts, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(written.encode()).hexdigest()

    @property
    def batch(self) -> int:
        """How many images are made at once."""
        return self.base.batch

    @property
    def seeded(self) -> bool:
        """Whether the seed decides the image."""
        return self.base.seeded

    @property
    def prompted(self) -> bool:
        """Whether the prompt decides anything."""
        return self.base.prompted

    @property
    def notice(self) -> str | None:
        """What to show before the first image."""
        return self.base.notice

    def record(self) -> dict[str, Any]:
        """Return what the manifest says: the base's settings, and what is done beside."""
        return {**self.base.record(), self.kind: dict(self.about())}
