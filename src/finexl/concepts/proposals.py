"""Concepts by looking: a vision-language model is shown pairs and asked what changes (§4.2).

Every question is a pure function of the seed, the pictures and the template, and every reply is
kept under the question's digest: a run that was killed asks nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from PIL import Image

from finexl.cache import key_of
from finexl.concepts.cleaning import Vote
from finexl.concepts.instructions import INSTRUCTIONS, instruction, question
from finexl.concepts.replies import Direction, Parsed, parse_reply
from finexl.errors import FinexlError, NoReplyError, UsageError
from finexl.vlm import VLM

MOST_FAILURES = 3
"""Questions without a reply, in a row, after which no more is asked."""


class Shown(Protocol):
    """A pair of pictures that can be shown."""

    def open(self) -> tuple[Image.Image, Image.Image]:
        """Return the base's picture and the personalized one."""
        ...

    def digest(self) -> str:
        """Return what the pictures' contents are told apart by."""
        ...


class Replies(Protocol):
    """Where replies are kept."""

    def find(self, key: str) -> Mapping[str, Any] | None:
        """Return the record of an answered question."""
        ...

    def add(self, key: str, record: Mapping[str, Any]) -> None:
        """Keep a record; one without a `reply` does not answer its question."""
        ...


@dataclass(frozen=True)
class Ask:
    """One question to be asked."""

    number: int
    """Which of the run's questions, from 0 on."""
    pairs: tuple[int, ...]
    swapped: bool
    """The personalized pictures are shown as A, so that what it says has to be turned round."""


@dataclass
class Heard:
    """What a model said about the pairs so far."""

    votes: list[Vote] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    """What stood in a reply and was no concept, and why."""
    remarks: list[str] = field(default_factory=list)
    """About replies that name no concept at all."""
    failures: list[str] = field(default_factory=list)
    """Why questions were not answered."""
    asked: int = 0
    """Questions in all."""
    replies: int = 0
    """Those of them that were answered, now or in an earlier attempt at this run."""
    pairs: set[int] = field(default_factory=set)
    """The pairs that a model has seen."""


def plan(
    among: Sequence[int],
    rounds: int,
    at_once: int,
    rng: np.random.Generator,
    first: int = 0,
    asked: set[tuple[frozenset[int], bool]] | None = None,
) -> list[Ask]:
    """Choose which pairs each question shows, and in which order A and B stand.

    Pairs are dealt out like cards: none comes again before all have come. Half of the questions,
    drawn at random, show the sets the other way round. No question is asked twice: of few pairs
    there are fewer questions than `rounds`, perhaps none.

    Args:
        among: indices of the pairs that may be shown.
        rounds: questions.
        at_once: pairs in a question; fewer where there are fewer.
        rng: of every choice.
        first: the number of the first question.
        asked: the pairs and orders of all questions so far; added to.
    """
    asked = set() if asked is None else asked
    at_once = min(at_once, len(among))
    deck: list[int] = []
    hands = []
    for _ in range(rounds):
        hand: list[int] = []
        while len(hand) < at_once:
            if not deck:
                deck = [among[i] for i in rng.permutation(len(among))]
            # a fresh deck may begin with what the hand holds already
            card = next((c for c in deck if c not in hand), None)
            if card is None:
                deck = []
                continue
            deck.remove(card)
            hand.append(card)
        hands.append(tuple(hand))
    swapped = rng.permutation(np.arange(rounds) % 2 == 1)
    asks: list[Ask] = []
    for cards, drawn in zip(hands, swapped, strict=True):
        turned = bool(drawn)
        if (frozenset(cards), turned) in asked:
            turned = not turned
        if (frozenset(cards), turned) not in asked:
            asked.add((frozenset(cards), turned))
            asks.append(Ask(first + len(asks), cards, turned))
    return asks


def ask_all(
    vlm: VLM,
    shown: Sequence[Shown],
    asks: Sequence[Ask],
    template: str,
    kept: Replies,
    heard: Heard,
    progress: Callable[[int], None] = lambda _: None,
    *,
    paired: bool = True,
) -> None:
    """Ask every question that has no reply yet; add what is said to `heard`, in order.

    A question that is not answered is passed over, unless too many in a row are.

    Raises:
        UsageError: no such template; or the model cannot be asked at all.
        PrerequisiteError: a key, a model or a host is missing.
    """
    if template not in INSTRUCTIONS:
        raise UsageError(
            f"There is no instruction {template!r}; choose one of {', '.join(INSTRUCTIONS)}."
        )
    keys = {ask.number: _key(vlm, shown, ask, instruction(template, paired)) for ask in asks}
    texts: dict[int, str] = {}
    waiting = []
    for ask in asks:
        record = kept.find(keys[ask.number])
        if record is None:
            waiting.append(ask)
        else:
            texts[ask.number] = str(record["reply"])
    progress(len(texts))
    for ask, text, failure in _answers(vlm, shown, waiting, template, keys, kept, paired=paired):
        if failure is not None:
            heard.failures.append(failure)
        else:
            texts[ask.number] = text
        progress(len(texts))
    heard.asked += len(asks)
    for ask in asks:
        if ask.number in texts:
            heard.replies += 1
            heard.pairs.update(ask.pairs)
            _hear(heard, ask, parse_reply(texts[ask.number], instruction(template, paired)))


def _answers(
    vlm: VLM,
    shown: Sequence[Shown],
    asks: Iterable[Ask],
    template: str,
    keys: Mapping[int, str],
    kept: Replies,
    *,
    paired: bool,
) -> Iterable[tuple[Ask, str, str | None]]:
    """Yield each question's reply as it comes, kept first; or why there is none."""

    def answer(ask: Ask) -> dict[str, Any]:
        pictures = [_opened(shown[i], ask.swapped) for i in ask.pairs]
        reply = vlm.ask(question(template, pictures, paired))
        return {"reply": reply.text, "tokens_in": reply.tokens_in, "tokens_out": reply.tokens_out}

    left = list(asks)
    in_a_row = 0
    fatal: FinexlError | None = None
    with ThreadPoolExecutor(max(1, vlm.concurrency)) as pool:
        running: dict[Future[dict[str, Any]], Ask] = {}
        try:
            while left or running:
                while left and len(running) < max(1, vlm.concurrency):
                    ask = left.pop(0)
                    running[pool.submit(answer, ask)] = ask
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in sorted(done, key=lambda f: running[f].number):
                    ask = running.pop(future)
                    about = _about(vlm, ask, template)
                    try:
                        found = future.result()
                    except NoReplyError as error:
                        kept.add(keys[ask.number], {**about, "error": str(error)})
                        in_a_row += 1
                        yield ask, "", str(error)
                        continue
                    except FinexlError as error:  # replies that are under way are kept first
                        kept.add(keys[ask.number], {**about, "error": str(error)})
                        fatal = fatal or error
                        left.clear()
                        continue
                    kept.add(keys[ask.number], {**about, **found})
                    in_a_row = 0
                    yield ask, found["reply"], None
                if in_a_row >= MOST_FAILURES:
                    left.clear()
            if fatal is not None:
                raise fatal
        finally:
            for future, ask in running.items():  # what was asked is paid for: keep its reply
                if not future.cancel():
                    with suppress(FinexlError):
                        kept.add(
                            keys[ask.number], {**_about(vlm, ask, template), **future.result()}
                        )


def _about(vlm: VLM, ask: Ask, template: str) -> dict[str, Any]:
    return {
        "question": ask.number,
        "vlm": vlm.name,
        "template": template,
        "pairs": list(ask.pairs),
        "swapped": ask.swapped,
    }


def _hear(heard: Heard, ask: Ask, parsed: Parsed) -> None:
    for phrase in parsed.phrases:
        more = (phrase.direction == "more") != ask.swapped
        direction: Direction = "more" if more else "less"
        heard.votes.append(Vote(phrase.text, direction, ask.number, ask.pairs, phrase.flags))
    heard.refused += [(refused.text, refused.reason) for refused in parsed.refused]
    if parsed.remark is not None and not parsed.phrases:
        heard.remarks.append(parsed.remark)


def _opened(pair: Shown, swapped: bool) -> tuple[Image.Image, Image.Image]:
    base, personalized = pair.open()
    return (personalized, base) if swapped else (base, personalized)


def _key(vlm: VLM, shown: Sequence[Shown], ask: Ask, words: str) -> str:
    """Return what a reply depends on: the model, the words, the pictures in their order."""
    pictures = [shown[i].digest() for i in ask.pairs]
    return key_of(vlm.name, vlm.revision, words, str(ask.swapped), *pictures)
