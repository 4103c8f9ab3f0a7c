"""From words to numbers: how much of an aspect an explanation in words tells of (Appendix C).

Every grade is from 1, none or not mentioned, to 10, extremely.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from finexl.bench.baselines.asking import ask
from finexl.concepts.cleaning import key_of, opposed
from finexl.concepts.replies import known_phrases
from finexl.concepts.replies.headings import heading, sign_of
from finexl.core.orthogonality import unit_rows
from finexl.vlm import VLM, Question

LEAST, MOST = 1.0, 10.0
NEAR = 0.9
"""The least cosine of phrases that mean the same: as where proposals are merged."""
UNMARKED = 6.0
"""An aspect that is named first and without a degree; a later one gets LATER less for each before
it, down to LATEST."""
LATER, LATEST = 0.25, 5.0

Vectors = Callable[[Sequence[str]], NDArray[np.float64]]


class Grader(Protocol):
    """Whoever reads an explanation and says how much of an aspect it tells of."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    def grade(self, text: str, aspect: str) -> float:
        """Return how much more of the aspect the text tells of, from 1 (none, less) to 10.

        Raises:
            NoReplyError: a model gave no number.
        """
        ...


# --- a model --------------------------------------------------------------------------------------

_ASKED = (
    "An image generator was personalized. This explanation says how its pictures differ from "
    "those of the model it was made from:\n<explanation>\n{text}\n</explanation>\n"
    "From this text alone, how strongly was it personalized towards “{aspect}”? Give a score from "
    "1 to 10: 1 if the text does not mention it or says that there is less of it, 10 if there is "
    "extremely much more. Answer with the number alone."
)
_NUMBER = re.compile(r"\s*(\d{1,2}(?:\.\d{1,3})?)(?:\s*/\s*10)?\.?\s*")


@dataclass(frozen=True)
class ModelGrader:
    """Asks a language model, as the paper asks GPT-4o; a reply that is no number, once again."""

    vlm: VLM

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.vlm.name

    def grade(self, text: str, aspect: str) -> float:
        """Return the model's score. See `Grader.grade`."""
        question = Question((_ASKED.format(text=text, aspect=aspect),), max_tokens=16)
        return ask(self.vlm, question, read_score)


def read_score(text: str) -> float:
    """Return the one number that a reply is.

    Raises:
        ValueError: it is something else, or a number outside 1 to 10.
    """
    number = _NUMBER.fullmatch(text)
    if number is None or not LEAST <= float(number[1]) <= MOST:
        raise ValueError("it is no number from 1 to 10")
    return float(number[1])


# --- rules ----------------------------------------------------------------------------------------

DEGREES: Mapping[float, str] = {
    2.0: "barely|hardly|faintly|minimal|minimally",
    3.0: "slight|slightly|subtle|subtly|marginally|mild|mildly|a little|a bit|a touch",
    4.0: "somewhat|fairly|rather",
    5.0: "moderate|moderately|quite",
    7.0: "much|noticeable|noticeably|clearly|visibly|significant|significantly|substantially"
    "|considerably|markedly|a lot",
    8.0: "very|strong|strongly|highly|heavy|heavily|greatly|far",
    10.0: "extreme|extremely|dramatic|dramatically|drastically|intensely|overwhelmingly|entirely"
    "|completely|totally",
}
"""What a degree word is worth. Of several in one piece the weakest below 6 counts ("very
slightly"), else the strongest."""
_DEGREES = [(grade, re.compile(rf"\b(?:{words})\b")) for grade, words in DEGREES.items()]
_SCORED = re.compile(r"(\d+(?:\.\d+)?)\s*(?:/|out of)\s*10\b")
_ASIDES = re.compile(r"\((?![^()]*(?:/|out of)\s*10\b)[^()]*\)")
_BULLETS = re.compile(r"(?m)^\s*(?:\d{1,2}[.)]|[*•–-])\s+")
_SENTENCES = re.compile(r"(?<=[.!?])\s+")
_PIECES = re.compile(
    r"[;,](?!\s*\d)|\s[–—-]\s|\b(?:and|but|while|whereas|yet|though)\b"
    r"|\s(?=without\b|lacking\b|with (?:more|less|fewer|no|little|reduced|increased)\b)"
)
_TOKEN = re.compile(r"[^\W_]+")
_SIGNS = {"high": 1, "higher": 1, "low": -1, "lower": -1, "never": -1, "little": -1}
_FILLERS = frozenset(
    {"a", "an", "the", "of", "in", "on", "at", "to", "it", "its", "with", "and", "or", "set", "b"}
    | {"is", "are", "was", "were", "be", "has", "have", "there", "that", "this", "these", "overall"}
    | {"appear", "appears", "look", "looks", "image", "images", "picture", "pictures", "model"}
    | {"personalized", "style", "effect", "tone", "tones"}
)
_ENDINGS = (
    "ness", "ful", "iest", "est", "ing", "ion", "ish", "ier", "ed", "er", "en", "ly", "y", "e",
)  # fmt: skip


@dataclass(frozen=True)
class LexicalGrader:
    """Grades by rules, without any model; only by what a reader of the text can see.

    The text is taken apart at sentence ends, commas, semicolons, dashes, "and", "but" and the
    like; a heading ("More:", "Less:") holds up to the end of its sentence or list.

    - A piece mentions the aspect where it has all words of it, or of one of its accepted names,
      but for fillers ("style", "look"); singular or plural, British or American spelling, and
      endings such as -er, -ness, -ish, -y, -ed do not matter. Where `vectors` are given, a piece
      that means the same (cosine of Eq. 6 vectors of 0.9 or more, no antonym) mentions it too.
    - A piece speaks of more unless its first word of direction ("less", "fewer", "no", "without",
      "reduced", "lower" …) says less; without one it takes the direction of the piece before it
      in the same line, else the heading's. "Brighter" is more "bright" in any case.
    - Less of the aspect is a 1, as is an aspect that is not mentioned. What is said of its
      opposite counts for nothing.
    - A printed score ("8/10", "8 out of 10") is the grade. No other number is read.
    - Else a degree word grades it: barely 2, slightly 3, somewhat 4, moderately 5, much 7,
      very 8, extremely 10 (`DEGREES` has them all).
    - Else its place among the things there is more of: 6 for the first, a quarter less for each
      before it, at least 5.
    - Of several mentions the highest grade counts.
    """

    synonyms: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Accepted names of an aspect beside itself."""
    vectors: Vectors | None = None
    """Concept vectors (m, d) of phrases; None: by words alone."""

    @property
    def name(self) -> str:
        """What tables call it."""
        return "lexical" if self.vectors is None else "lexical, by vectors"

    def grade(self, text: str, aspect: str) -> float:
        """Return the grade by the rules. See `Grader.grade`."""
        names = [aspect, *self.synonyms.get(aspect, ())]
        grades, others = [LEAST], []
        for piece in _pieces(text, names):
            if piece.more and piece.mentions:
                grades.append(piece.grade)
            elif piece.more and piece.phrase and not opposed(piece.phrase, aspect):
                others.append(piece)
        if self.vectors is not None and others:
            rows = unit_rows(self.vectors([aspect, *(piece.phrase for piece in others)]))
            near = rows[1:] @ rows[0] >= NEAR
            grades += [p.grade for p, is_near in zip(others, near, strict=True) if is_near]
        return max(grades)


@dataclass(frozen=True)
class _Piece:
    """A part of a text that says one thing."""

    mentions: bool
    more: bool
    grade: float
    """What it is worth if it is about the aspect."""
    phrase: str
    """Its words without direction, degree and fillers."""


def _pieces(text: str, names: Sequence[str]) -> Iterator[_Piece]:
    place = 0
    for sentence in _SENTENCES.split(_BULLETS.sub("", _ASIDES.sub(" ", _joined(text, names)))):
        headed = 0
        for line in sentence.splitlines():
            carried = 0
            for said in _PIECES.split(line):
                head, colon, rest = said.partition(":")
                context = heading(head) if colon else None
                if context is not None:
                    headed, carried, said = context.more * context.of_second, 0, rest
                tokens = _TOKEN.findall(said.casefold())
                own, is_comparative = _mentioned(tokens, names)
                left = [token for token in tokens if token not in own]
                signs = [s for s in (sign_of(t) or _SIGNS.get(t, 0) for t in left) if s]
                # "a little" is a degree
                if re.search(r"\ba little\b", said.casefold()):
                    signs = [s for s in signs if s > 0]
                carried = signs[0] if signs else carried
                more = (1 if is_comparative and not signs else carried or headed or 1) > 0
                phrase = _phrase(left) if not own else " ".join(sorted(own))
                grade = _graded(said, " ".join(left), place)
                yield _Piece(bool(own), more, grade, phrase)
                place += more and bool(phrase)


def _joined(text: str, names: Sequence[str]) -> str:
    """Keep "black and white", and whatever an aspect is called, in one piece."""
    kept = [*names, *(phrase for phrase in known_phrases() if " and " in phrase)]
    for name in sorted((name for name in kept if _PIECES.search(name)), key=len, reverse=True):
        words = _TOKEN.findall(name)
        pattern = r"[\s,;–—-]+".join(map(re.escape, words))
        text = re.sub(rf"\b{pattern}\b", "_".join(words), text, flags=re.IGNORECASE)
    return text


def _mentioned(tokens: Sequence[str], names: Sequence[str]) -> tuple[set[str], bool]:
    """Return the tokens that name the aspect, none where it is not named; if one is "-er"."""
    for name in names:
        words = _TOKEN.findall(name.casefold())
        needed = [word for word in words if word not in _FILLERS] or words
        found = [next((t for t in tokens if _forms(t) & _forms(w)), None) for w in needed]
        own = {token for token in found if token is not None}
        if needed and None not in found:
            return own, any(t.endswith("er") and t not in words for t in own)
    return set(), False


@cache
def _forms(word: str) -> frozenset[str]:
    """Return a word in the singular and American spelling, and without each ending it may have."""
    singular = key_of(word)
    forms = {singular}
    for ending in _ENDINGS:
        root = singular.removesuffix(ending)
        if root != singular and len(root) >= 3:
            forms |= {root, root[:-1]} if root[-1] == root[-2] and len(root) > 3 else {root}
            forms |= {f"{root[:-1]}y"} if root.endswith("i") else set()
    return frozenset(forms)


def _phrase(tokens: Sequence[str]) -> str:
    plain = [t for t in tokens if not sign_of(t) and t not in _SIGNS and t not in _FILLERS]
    text = " ".join(plain)
    for _, pattern in _DEGREES:
        text = pattern.sub(" ", text)
    return " ".join(word for word in text.split() if not word.isdigit())


def _graded(said: str, left: str, place: int) -> float:
    """Return what a piece is worth: its printed score, its degree or its place."""
    scored = _SCORED.search(said)
    if scored:
        return min(max(float(scored[1]), LEAST), MOST)
    degrees = [grade for grade, pattern in _DEGREES if pattern.search(left)]
    if degrees:
        return min(degrees) if min(degrees) < UNMARKED else max(degrees)
    return max(UNMARKED - LATER * place, LATEST)
