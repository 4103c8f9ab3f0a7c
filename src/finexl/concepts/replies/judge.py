"""The lines and items of a reply taken apart, their concepts kept and the rest refused."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeAlias

from finexl.concepts.replies import reasons as why
from finexl.concepts.replies.headings import (
    DEFAULT,
    Context,
    Direction,
    heading,
    value_sign,
)
from finexl.concepts.replies.phrases import (
    APART,
    LABELLED,
    MAX_CHARACTERS,
    is_foreign,
    prose,
    read_piece,
    trimmed,
)
from finexl.concepts.replies.words import among, plain, shortened, visible

MAX_PHRASES = 40
"""Concepts in one reply."""
MAX_REFUSED = 100
"""Refused pieces that are kept from one reply."""
MAX_PIECES = 1000
"""Pieces that are judged: whatever has more is no answer."""
MAX_LINE = 2000
"""Characters of a line; a longer one is no list of 40 concepts."""
NOT_ENGLISH = "not English"

_ASIDE = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|（[^（）]*）")


@dataclass(frozen=True)
class Phrase:
    """A concept that a reply names."""

    text: str
    """Normalized: NFC, single spaces, no bullet, quotes or full stop; an ordinary word's initial
    capital is lower case."""
    direction: Direction
    """Of it in the personalized images, as the reply says."""
    flags: tuple[str, ...] = ()
    """`NOT_ENGLISH` or none."""


@dataclass(frozen=True)
class Refused:
    """A piece of a reply that is no concept."""

    text: str
    """Printable, at most 80 characters of it."""
    reason: str


Judged: TypeAlias = list[tuple[str, list[Phrase] | str]]
"""Pieces, each with its phrases or why it has none."""


class Judge:
    """Takes what is a concept and refuses the rest, with the reason."""

    def __init__(self, instruction: str) -> None:
        self.instruction = plain(instruction)
        self.phrases: dict[tuple[str, Direction], Phrase] = {}
        self.refused: list[Refused] = []
        self.seen = 0

    @property
    def full(self) -> bool:
        """Whether nothing further need be read."""
        return len(self.refused) >= MAX_REFUSED or self.seen >= MAX_PIECES

    def refuse(self, text: str, reason: str) -> None:
        """Note what is no concept."""
        text = shortened(text)
        if text and len(self.refused) < MAX_REFUSED:
            self.refused.append(Refused(text, reason))

    def take(self, body: str, context: Context) -> bool:
        """Take a line or item up to the first piece that is prose; say if it is a concept."""
        judged, named = self._judged(body, context)
        return self._keep(judged) and named

    def take_together(self, lines: Collection[tuple[str, Context]]) -> None:
        """Take the lines of a paragraph where none of it is prose but the instruction's echo."""
        judged = [result for line in lines for result in self._judged(*line)[0]]
        prose = [result for result in judged if _is_prose(result[1])]
        self._keep(prose[:5] if any(reason != why.ECHO for _, reason in prose) else judged)

    def _judged(self, body: str, context: Context) -> tuple[Judged, bool]:
        """Judge "Vivid: colors pop" or "Lighting: soft"; say whether its own name was judged."""
        reason = why.UNREAD if self.full else self.prose(body)
        if reason:
            return [(body, reason)], False
        text, named = _cleaned(body), True
        if not APART.search(labelled(text)[0]):
            text, context, named = _unlabelled(text, context, context)
        return self._pieces(text, context), named

    def prose(self, body: str) -> str | None:
        """Return why a whole line is none of the list."""
        return why.TOO_LONG if len(body) > MAX_LINE else prose(body, self.instruction)

    def _pieces(self, text: str, context: Context) -> Judged:
        judged: Judged = []
        for piece in _apart(text):
            piece, inner, named = _unlabelled(piece, context, DEFAULT)
            context = context if named else inner  # "More: vivid. Less: flat."
            judged.append((piece, self._phrases(piece, inner)))
            if _is_prose(judged[-1][1]):
                break
        return judged

    def _phrases(self, piece: str, context: Context) -> list[Phrase] | str:
        self.seen += 1
        if self.seen > MAX_PIECES:
            return why.UNREAD
        if len(piece) > 8 * MAX_CHARACTERS:
            return why.TOO_LONG
        read = read_piece(piece, self.instruction)
        if isinstance(read, str):
            return read
        more = context.of_second * (read.sign or context.more) > 0
        foreign = context.foreign or read.foreign
        direction: Direction = "more" if more else "less"
        flags = (NOT_ENGLISH,)
        return [
            Phrase(text, direction, flags if foreign or is_foreign(text) else ())
            for text in read.texts
        ]

    def _keep(self, judged: Judged) -> bool:
        kept = False
        for piece, result in judged:
            if isinstance(result, str):
                self.refuse(piece, result)
                continue
            for phrase in result:
                key = (phrase.text, phrase.direction)
                if key not in self.phrases and len(self.phrases) >= MAX_PHRASES:
                    self.refuse(piece, why.TOO_MANY)
                else:
                    self.phrases.setdefault(key, phrase)
                    kept = True
        return kept


def labelled(text: str) -> tuple[str, str | None]:
    """Return a label or name, and what follows its colon, else its dash; None where none does."""
    mark = next(filter(None, (mark.search(text) for mark in LABELLED)), None)
    return (text[: mark.start()], text[mark.end() :]) if mark else (text, None)


def _unlabelled(text: str, context: Context, outer: Context) -> tuple[str, Context, bool]:
    """Return what may be a concept in "Lighting: soft" or "Vivid: colors pop"; if it is the name.

    Args:
        text: a line or a piece of one.
        context: of it, as far as its label says nothing.
        outer: what a label that is a heading adds to.
    """
    name, rest = labelled(text)
    if rest is None:
        return text, context, True
    inner, sign = heading(name, outer), value_sign(rest)
    label = plain(trimmed(name)) in among("categories") | among("labels")
    if inner or (label and not sign):
        return rest, inner or context, False
    return name, context.turned(sign), True


def _is_prose(result: list[Phrase] | str) -> bool:
    return isinstance(result, str) and result in why.PROSE


def _cleaned(body: str) -> str:
    """Return a line in NFC, printable, with straight apostrophes and without inner quotes."""
    text = visible(unicodedata.normalize("NFC", html.unescape(body))).replace("’", "'")
    return re.sub(r'["“”„«»`*]|(?<=\w)_(?=\w)', " ", text)


def _apart(text: str) -> list[str]:
    """Split a line at commas and the like, asides in brackets left out."""
    outside = _ASIDE.sub(" ", text)
    if not any(map(str.isalpha, outside)):
        outside = text.strip(" ()[]（）")
    outside = re.split(r"[(（\[]", outside, maxsplit=1)[0]  # an aside that does not close
    return [piece for piece in APART.split(outside) if piece.strip()]
