"""How much may be asked of a model, and spent on it."""

from __future__ import annotations

import math
import re
import threading
from dataclasses import dataclass, field

from finexl.errors import NoReplyError, UsageError
from finexl.vlm.base import Question, Reply
from finexl.vlm.wrapped import Wrapped

PICTURE_TOKENS = 1000
"""What a picture is taken to cost where the model does not count: about what 768 pixels do."""
_CHARACTERS_A_TOKEN = 3


class LimitReachedError(NoReplyError):
    """The next question could pass a limit, so it was not asked."""


@dataclass(frozen=True)
class Limits:
    """The most that may be used, over all attempts of a run; None for no limit."""

    requests: int | None = None
    tokens: int | None = None
    """Tokens of questions and replies together."""
    usd: float | None = None
    price_in: float | None = None
    """US dollars for a million tokens of questions."""
    price_out: float | None = None

    def __post_init__(self) -> None:
        if self.usd is not None and (self.price_in is None or self.price_out is None):
            raise UsageError(
                "A limit in US dollars needs the prices of a million tokens of questions and of "
                "replies: write usd=1.5,price=2.5/10."
            )

    @classmethod
    def parse(cls, text: str) -> Limits:
        """Return the limits that a text like "requests=40,tokens=200000,usd=1.5,price=2.5/10" sets.

        Raises:
            UsageError: an unknown name, one given twice, a number that is none or not above 0, or
                usd without price.
        """
        given: dict[str, float] = {}
        for item in filter(None, (item.strip() for item in text.split(","))):
            name, _, value = (part.strip() for part in item.partition("="))
            if name == "price":
                first, _, second = value.partition("/")
                read = {"price_in": _number(item, first), "price_out": _number(item, second)}
            elif name in ("requests", "tokens", "usd"):
                read = {name: _number(item, value, whole=name != "usd")}
            else:
                raise UsageError(
                    f"{item!r} is no limit; there are requests=, tokens=, usd= and price=IN/OUT."
                )
            if given.keys() & read:
                raise UsageError(f"The limit {name}= is given twice.")
            given |= read
        if not given:
            raise UsageError("--vlm-limit sets no limit; write requests=40, say.")
        requests, tokens = given.pop("requests", None), given.pop("tokens", None)
        return cls(
            None if requests is None else int(requests),
            None if tokens is None else int(tokens),
            **given,
        )

    def cost(self, tokens_in: float, tokens_out: float) -> float | None:
        """Return US dollars; None where no prices are known."""
        if self.price_in is None or self.price_out is None:
            return None
        return (tokens_in * self.price_in + tokens_out * self.price_out) / 1e6


@dataclass(frozen=True)
class Spent:
    """What was used so far."""

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def plus(self, requests: int, tokens_in: int, tokens_out: int) -> Spent:
        """Return the sum."""
        return Spent(
            self.requests + requests, self.tokens_in + tokens_in, self.tokens_out + tokens_out
        )


@dataclass
class Limited(Wrapped):
    """A model that stops before a limit is passed; everything else is the model's own.

    A question is taken to need what the most expensive one so far did, or before the first reply
    what its length and pictures suggest; so is a question that is still being answered. Requests
    that a model repeated count too, where it says so (`repeats`).
    """

    limits: Limits
    before: Spent = field(default_factory=Spent)
    """What earlier attempts of the same run used."""
    _done: Spent = field(default_factory=Spent, init=False, repr=False)
    _most: tuple[int, int] = field(default=(0, 0), init=False, repr=False)
    _waiting: dict[int, tuple[int, int]] = field(default_factory=dict, init=False, repr=False)
    _asked: int = field(default=0, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        self._repeated_before = self.repeats

    @property
    def spent(self) -> Spent:
        """What this and earlier attempts used, in questions that came to an end."""
        repeated = self.repeats - self._repeated_before
        return self.before.plus(
            self._done.requests + repeated, self._done.tokens_in, self._done.tokens_out
        )

    @property
    def cost(self) -> float | None:
        """US dollars so far; None where no prices are known."""
        return self.limits.cost(self.spent.tokens_in, self.spent.tokens_out)

    def ask(self, question: Question) -> Reply:
        """Answer one question. See `VLM.ask`.

        Raises:
            LimitReachedError: it could pass a limit; it was not asked.
        """
        with self._lock:
            self._check(question)
            number = self._asked
            self._asked += 1
            self._waiting[number] = self._expected(question)
        used = (0, 0)
        try:
            reply = self.vlm.ask(question)
            guess = _guess(question, reply)
            used = (
                guess[0] if reply.tokens_in is None else reply.tokens_in,
                guess[1] if reply.tokens_out is None else reply.tokens_out,
            )
            return reply
        finally:
            with self._lock:
                del self._waiting[number]
                self._done = self._done.plus(1, *used)
                self._most = (max(self._most[0], used[0]), max(self._most[1], used[1]))

    def _check(self, question: Question) -> None:
        limits, spent = self.limits, self.spent
        coming = [*self._waiting.values(), self._expected(question)]
        requests = spent.requests + len(coming)
        tokens_in = spent.tokens_in + sum(tokens for tokens, _ in coming)
        tokens_out = spent.tokens_out + sum(tokens for _, tokens in coming)
        if limits.requests is not None and requests > limits.requests:
            noun = "request" if limits.requests == 1 else "requests"
            raise LimitReachedError(
                f"The limit of {limits.requests:,} {noun} to {self.name} is reached."
            )
        if limits.tokens is not None and tokens_in + tokens_out > limits.tokens:
            raise LimitReachedError(
                f"Another question to {self.name} could pass the limit of {limits.tokens:,} tokens "
                f"({spent.tokens_in + spent.tokens_out:,} used)."
            )
        cost = limits.cost(tokens_in, tokens_out)
        if limits.usd is not None and cost is not None and cost > limits.usd:
            raise LimitReachedError(
                f"Another question to {self.name} could pass the limit of {limits.usd:,.2f} US "
                f"dollars ({self.cost:,.2f} used)."
            )

    def _expected(self, question: Question) -> tuple[int, int]:
        """Return tokens in and out that a question may need."""
        return self._most if self._most[0] else _guess(question)


def _guess(question: Question, reply: Reply | None = None) -> tuple[int, int]:
    words = [part for part in question.parts if isinstance(part, str)]
    pictures = len(question.parts) - len(words)
    tokens_in = PICTURE_TOKENS * pictures + _tokens("".join(words))
    return tokens_in, question.max_tokens if reply is None else _tokens(reply.text)


def _tokens(text: str) -> int:
    return math.ceil(len(text) / _CHARACTERS_A_TOKEN)


def _number(item: str, text: str, *, whole: bool = False) -> float:
    """Return a number above 0; a price may be 0."""
    plain = text.strip().replace("_", "")
    form = r"[0-9]{1,12}" if whole else r"[0-9]{1,12}(\.[0-9]{1,12})?|\.[0-9]{1,12}"
    if not re.fullmatch(form, plain) or (float(plain) == 0 and not item.startswith("price")):
        wanted = "a whole number above 0" if whole else "a number like 1.5"
        wanted = "two numbers like 2.5/10" if item.startswith("price") else wanted
        raise UsageError(f"The limit {item!r} has no number that can be one; write {wanted}.")
    return float(plain)
