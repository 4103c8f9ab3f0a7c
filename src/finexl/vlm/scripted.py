"""A model whose replies are written down beforehand: for tests, examples and demonstrations."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from finexl.cache import key_of
from finexl.errors import UsageError
from finexl.vlm.base import Question, Reply


@dataclass
class Scripted:
    """Gives its replies in turn, from the first again when they are used up; looks at no picture.

    Args:
        replies: texts, at least one; or a function that makes the reply to a question.
    """

    replies: Sequence[str] | Callable[[Question], str]
    name: str = "scripted"
    concurrency: int = field(default=1, init=False)
    notice: None = field(default=None, init=False)
    _given: int = field(default=0, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        if not callable(self.replies):
            if isinstance(self.replies, str) or not self.replies:
                raise UsageError(f"{self.name} needs a list of one reply or more.")
            self.replies = tuple(self.replies)

    @property
    def revision(self) -> str:
        """The digest of the replies; a function's own name."""
        if callable(self.replies):
            kind = self.replies if hasattr(self.replies, "__qualname__") else type(self.replies)
            return f"function:{kind.__module__}.{kind.__qualname__}"
        return f"sha256:{key_of(*self.replies)}"

    def ask(self, question: Question) -> Reply:
        """Return the next reply. See `VLM.ask`."""
        with self._lock:
            if callable(self.replies):
                return Reply(self.replies(question))
            text = self.replies[self._given % len(self.replies)]
            self._given += 1
            return Reply(text)


def from_file(path: Path, name: str) -> Scripted:
    """Return the model that a file has the replies of.

    Args:
        path: a JSON list of texts, or lines of {"reply": text} in a .jsonl file.
        name: what the model is called.

    Raises:
        UsageError: the file cannot be read or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = (getattr(error, "strerror", None) or "").lower() or "it is no UTF-8 text"
        raise UsageError(f"The replies in {path} cannot be read: {why}.") from error
    try:
        if path.suffix == ".jsonl":
            found = [json.loads(line)["reply"] for line in text.splitlines() if line.strip()]
        else:
            found = json.loads(text)
    except (ValueError, KeyError, TypeError, RecursionError):
        found = None
    if not isinstance(found, list) or not found or not all(isinstance(x, str) for x in found):
        raise UsageError(
            f"{path} holds no replies: write a JSON list of texts, or in a .jsonl file lines like "
            '{"reply": "vivid"}.'
        )
    return Scripted(found, name)
