"""How baselines question a model: who is asked, what is shown, one chance to repair an answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from finexl.bench.baselines.wording import distinct
from finexl.bench.methods import Case
from finexl.concepts.vocabulary import MAX_LENGTH
from finexl.errors import NoReplyError, UsageError
from finexl.vlm import VLM, Part, Question

MAX_READ = 30_000
"""Characters of a reply that are read."""
MAX_LISTED = 20
"""Phrases of one list that are read."""
_BULLET = re.compile(r"\s*(?:[*•–-]|\d{1,2}[.)])\s+(\S.*)")
_QUOTES = "\"'“”‘’`*. \t"

Answer = TypeVar("Answer")


def model_of(case: Case, name: str | None) -> VLM | None:
    """Return the model that a method is named after; None where the candidates stand in for one.

    Raises:
        UsageError: the case brings another model or none, so that the name would be untrue.
    """
    if name is None:
        return None
    if case.vlm is None or case.vlm.name != name:
        there = "none" if case.vlm is None else case.vlm.name
        raise UsageError(f"This row is of the model {name} and the case brings {there}.")
    return case.vlm


def ask(vlm: VLM, question: Question, read: Callable[[str], Answer]) -> Answer:
    """Return an answer as `read` understands it; what it refuses is asked once more.

    Args:
        vlm: who is asked.
        question: what.
        read: raises ValueError, with what is wrong, for a reply in another form than asked for.

    Raises:
        NoReplyError: no answer, or a second one that cannot be read either.
    """
    said = vlm.ask(question).text[:MAX_READ]
    try:
        return read(said)
    except ValueError as error:
        again = (
            f"You answered:\n{said}\nThat is not in the form asked for: {error}. "
            "Answer again, in exactly that form."
        )
    said = vlm.ask(replace(question, parts=(*question.parts, again))).text[:MAX_READ]
    try:
        return read(said)
    except ValueError as error:
        raise NoReplyError(
            f"The model {vlm.name} gave no answer in the form asked for, twice: {error}."
        ) from error


def some_pairs(case: Case, count: int) -> list[int]:
    """Return the indices of at most so many pairs, drawn by the case's seed, in order."""
    rng = np.random.default_rng([case.seed, case.n])
    return sorted(int(i) for i in rng.permutation(case.n)[:count])


def pairs_shown(case: Case, pairs: Sequence[int]) -> list[Part]:
    """Return the pictures of these pairs, each said to be the base's (A) or the other's (B)."""
    parts: list[Part] = []
    for number, i in enumerate(pairs, start=1):
        before, after = case.base.pictures[i], case.personalized.pictures[i]
        parts += [f"Pair {number}, picture A:", before.open()]
        parts += [f"Pair {number}, picture B:", after.open()]
    return parts


def read_list(text: str) -> list[str]:
    """Return the phrases of a list with bullets or numbers, without quotes, each once.

    Raises:
        ValueError: there is no such list.
    """
    lines = (_BULLET.fullmatch(line) for line in text.splitlines())
    phrases = (" ".join(line[1].strip(_QUOTES).split()) for line in lines if line)
    usable = [p for p in phrases if 0 < len(p) <= MAX_LENGTH and p.isprintable()]
    if not usable:
        raise ValueError("there is no list with a bullet before each phrase")
    return distinct(usable)[:MAX_LISTED]
