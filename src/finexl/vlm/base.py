"""What a vision-language model is to the rest of the package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from PIL import Image

Part: TypeAlias = "str | Image.Image"
"""A piece of a question: words or a picture."""


@dataclass(frozen=True)
class Question:
    """Words and pictures, in the order in which they are shown, and the form of the answer."""

    parts: tuple[Part, ...]
    schema: Mapping[str, Any] | None = None
    """A JSON schema for the reply; a model that cannot keep to one answers in plain text."""
    max_tokens: int = 512
    """The longest reply."""


@dataclass(frozen=True)
class Reply:
    """What a model said, word for word."""

    text: str
    tokens_in: int | None = None
    """Tokens of the question, where the model counts them."""
    tokens_out: int | None = None


class VLM(Protocol):
    """A model that answers questions about pictures."""

    @property
    def name(self) -> str:
        """The name it was asked for by, without any secret."""
        ...

    @property
    def revision(self) -> str:
        """What replies depend on beside the question: a model's name at a host, a digest."""
        ...

    @property
    def concurrency(self) -> int:
        """How many questions it takes at once."""
        ...

    @property
    def notice(self) -> str | None:
        """One sentence to show before the first question: where the pictures go; None: nowhere."""
        ...

    def ask(self, question: Question) -> Reply:
        """Answer one question; called from several threads where `concurrency` allows.

        Raises:
            NoReplyError: this question was not answered; another may be.
            UsageError: no question will be: the model's name, the key or the form is wrong.
            PrerequisiteError: no question will be: a key, a model or a host is missing.
        """
        ...
