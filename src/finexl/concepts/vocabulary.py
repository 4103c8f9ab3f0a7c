"""The built-in word lists, the user's own concepts, and how each is said in a sentence."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal, cast

from finexl.errors import UsageError

Form = Literal["adjective", "noun", "mass", "with", "free"]
"""How a concept is said: "more vivid", "more like a pencil sketch", "more film grain",
"more often with a mustache"; "free" (given by the user or a model) is quoted."""

MAX_LENGTH = 200
"""Characters in one concept, once its white space is collapsed."""
MAX_POOL = 2000
"""Candidates in one pool."""

# Where the first letter misleads about the first sound. Every noun of the lists is covered.
_SOUNDS_LIKE_A = ("ukiyo",)
_SOUNDS_LIKE_AN = ("8-bit", "hdr")
_SHORT_COMPARATIVES = {
    "bright": "brighter",
    "cute": "cuter",
    "dark": "darker",
    "old": "older",
    "plain": "plainer",
    "rough": "rougher",
    "sharp": "sharper",
    "short": "shorter",
    "simple": "simpler",
    "slim": "slimmer",
    "smooth": "smoother",
    "tall": "taller",
    "young": "younger",
}


@dataclass(frozen=True)
class Concept:
    """A word or short phrase that may describe how two sets of images differ."""

    text: str
    category: str
    """A category of the lists, or "given" for what they do not hold."""
    form: Form
    antonym: str | None
    """The text of the concept that means the opposite, where the lists hold one."""


@cache
def vocabulary(which: str) -> tuple[Concept, ...]:
    """Return a built-in list, in its own fixed order.

    Args:
        which: "style" (style and appearance), "subject" (what is depicted), "all" (both) or "none".

    Raises:
        UsageError: any other name.
    """
    if which == "none":
        return ()
    if which == "all":
        return vocabulary("style") + vocabulary("subject")
    if which not in ("style", "subject"):
        raise UsageError(f"There is no vocabulary {which!r}; choose style, subject, all or none.")
    return tuple(
        Concept(row["concept"], row["category"], cast(Form, row["form"]), row["antonym"] or None)
        for row in csv.DictReader(_lines(f"{which}.csv"))
    )


@cache
def distractors() -> tuple[str, ...]:
    """Return phrases that no picture's style or subject should align with: the null for aspects."""
    return tuple(_lines("distractors.txt"))


@cache
def neutral_prompts() -> tuple[str, ...]:
    """Return plain prompts of ordinary scenes, for Eq. 6 where the user gave none."""
    return tuple(_lines("prompts.txt"))


def concept_from(text: str) -> Concept:
    """Return the concept a user or a model named, its white space collapsed.

    One that the lists hold, up to case, takes their category, form and antonym but keeps the
    given spelling; any other is "free".

    Raises:
        UsageError: nothing to read in it, control characters, or over `MAX_LENGTH` characters.
    """
    text = _collapsed(text)
    kinds = {unicodedata.category(character) for character in text}
    if kinds & {"Cc", "Cs"}:
        raise UsageError(f"The concept {text[:40]!r} has control characters; remove them.")
    if not any(kind[0] in "LNPS" for kind in kinds):
        raise UsageError("A concept is empty; give a word or a short phrase.")
    if len(text) > MAX_LENGTH:
        raise UsageError(
            f"The concept {text[:40] + '…'!r} has {len(text)} characters;"
            f" shorten it to at most {MAX_LENGTH}."
        )
    known = _known().get(text.casefold())
    return replace(known, text=text) if known else Concept(text, "given", "free", None)


def read_concepts(path: str | Path) -> tuple[Concept, ...]:
    """Read a concept file: UTF-8, one concept a line, in order; commas and `#` belong to it.

    Blank lines are skipped; of concepts equal up to case the first is kept.

    Raises:
        UsageError: an unreadable or non-UTF-8 file, one without any concept, or a line that
            `concept_from` refuses (the message names the line).
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"The concept file {path} is not UTF-8 text; save it as UTF-8.") from error
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"The concept file {path} cannot be read: {reason}.") from error
    concepts = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            concepts.append(concept_from(line))
        except UsageError as error:
            raise UsageError(f"Line {number} of {path}: {error}") from error
    if not concepts:
        raise UsageError(f"The concept file {path} has no concepts; write one a line.")
    return _unique(concepts)


def build_pool(
    which: str,
    added: Sequence[Concept] = (),
    only: Sequence[Concept] | None = None,
    excluded: Sequence[str] = (),
) -> tuple[Concept, ...]:
    """Return the candidates: what the user gave (`added`, then `only`), then the vocabulary.

    Of concepts equal up to case the first is kept, so the user's spelling wins.

    Args:
        which: the vocabulary, as for `vocabulary`.
        added: concepts beside the vocabulary.
        only: concepts instead of the vocabulary; None keeps it.
        excluded: texts to leave out of the vocabulary, up to case; never out of what was given.

    Raises:
        UsageError: an unknown vocabulary, or no candidate left.
    """
    barred = {_collapsed(text).casefold() for text in excluded}
    listed = [concept for concept in vocabulary(which) if concept.text.casefold() not in barred]
    pool = _unique([*added, *(listed if only is None else only)])
    if not pool:
        raise UsageError("No concepts are left to explain with; exclude fewer or add some.")
    if len(pool) > MAX_POOL:
        raise UsageError(
            f"There are {len(pool):,} candidate concepts and {MAX_POOL:,} are the most, as each is "
            "read under every prompt; give fewer."
        )
    return pool


def comparative(concept: Concept, degree: str, more: bool) -> str:
    """Say that there is more, or less, of a concept: "Much more like an oil painting".

    Args:
        concept: any concept.
        degree: how much, "Slightly" for instance; may be empty.
        more: False for less.
    """
    phrase = f"{'more' if more else 'less'} {_said(concept)}"
    if more and concept.form == "adjective":
        phrase = _SHORT_COMPARATIVES.get(concept.text.casefold(), phrase)
    sentence = f"{degree} {phrase}".strip()
    return sentence[0].upper() + sentence[1:]


def _said(concept: Concept) -> str:
    text = concept.text
    if concept.form == "noun":
        return f"like {_article(text)} {text}"
    if concept.form == "with":
        return f"often with {text}"
    return f"“{text}”" if concept.form == "free" else text


def _article(noun: str) -> str:
    start = noun.casefold()
    if start.startswith(_SOUNDS_LIKE_A):
        return "a"
    return "an" if start.startswith((*"aeiou", *_SOUNDS_LIKE_AN)) else "a"


def _lines(name: str) -> list[str]:
    return (files(__package__) / "data" / name).read_text(encoding="utf-8").splitlines()


@cache
def _known() -> dict[str, Concept]:
    return {concept.text.casefold(): concept for concept in vocabulary("all")}


def _collapsed(text: str) -> str:
    return " ".join(text.split())


def _unique(concepts: Iterable[Concept]) -> tuple[Concept, ...]:
    first: dict[str, Concept] = {}
    for concept in concepts:
        first.setdefault(concept.text.casefold(), concept)
    return tuple(first.values())
