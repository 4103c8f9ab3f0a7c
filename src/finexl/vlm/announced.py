"""Saying where pictures go before the first one does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from finexl.vlm.base import VLM, Question, Reply


@dataclass
class Announced:
    """A model whose notice is said once, before the first question; never where none is asked."""

    vlm: VLM
    say: Callable[[str], None]
    _said: bool = field(default=False, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

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
        """Requests that the model had to send again."""
        return int(getattr(self.vlm, "repeats", 0))

    def ask(self, question: Question) -> Reply:
        """Answer one question. See `VLM.ask`."""
        with self._lock:
            if not self._said and self.notice is not None:
                self.say(self.notice)
            self._said = True
        return self.vlm.ask(question)
