"""Saying where pictures go before the first one does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from finexl.vlm.base import Question, Reply
from finexl.vlm.wrapped import Wrapped


@dataclass
class Announced(Wrapped):
    """A model whose notice is said once, before the first question; never where none is asked."""

    say: Callable[[str], None]
    _said: bool = field(default=False, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def ask(self, question: Question) -> Reply:
        """Answer one question. See `VLM.ask`."""
        with self._lock:
            if not self._said and self.notice is not None:
                self.say(self.notice)
            self._said = True
        return self.vlm.ask(question)
