"""A comment as words: markup taken off, spellings made one, what was typed kept for quoting."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Generic, TypeVar

T = TypeVar("T")

READ = 5_000
"""Characters of a comment that are read; the rest is kept all the same."""
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_HIDDEN = (
    (re.compile(r"<script\b", re.I), re.compile(r"</script\s*>", re.I)),
    (re.compile(r"<style\b", re.I), re.compile(r"</style\s*>", re.I)),
    (re.compile(r"<!--"), re.compile(r"-->")),
)
"""Where markup begins whose content nobody sees, and where it ends."""
_TOKEN = re.compile(
    r"[^\W_]+(?:['’][^\W_]+)?"  # a word, with its contraction
    r"|<3|:-?[)(]|&|[\u2600-\U0001faff]"  # signs that say something
    r"|[.!?…;:\n]+|[,()\[\]\"“”/]|[—–]|--"  # what ends a sentence, or parts it
)
_SPELLINGS = {
    "colour": "color", "coloured": "colored", "colourful": "colorful", "colouring": "coloring",
    "colourless": "colorless", "multicoloured": "multicolored", "grey": "gray", "greyscale":
    "grayscale", "centre": "center", "centred": "centered", "favourite": "favorite", "cosy": "cozy",
    "sombre": "somber", "watercolour": "watercolor", "symmetric": "symmetrical",
    "dof": "depth of field",
    "artefact": "artifact", "harmonise": "harmonize", "jewellery": "jewelry", "im": "i'm",
    "kinda": "kind of", "sorta": "sort of", "wanna": "want to", "luv": "love", "u": "you",
    "gonna": "going to", "&": "and", "cuz": "because", "tho": "though", "cannot": "cant",
}  # fmt: skip
_CONTRACTIONS = {
    f"{verb}nt"
    for verb in (
        "is", "are", "was", "were", "do", "does", "did", "has", "have", "had", "would", "could",
        "should", "ca", "wo", "ai", "must", "need",
    )
}  # fmt: skip


@dataclass(frozen=True)
class Token:
    """A word or a sign of a comment."""

    word: str
    """As it is compared: lower case, one spelling, singular."""
    start: int
    """Where it stands in the readable text."""
    end: int

    @property
    def is_word(self) -> bool:
        """Whether it is a word, and no sign."""
        return self.word[0].isalnum()


def readable(text: str) -> str:
    """Return a comment as people see it: no markup, no control characters, single spaces."""
    plain = html.unescape(_TAG.sub(" ", _shown(text))) if "<" in text or "&" in text else text
    plain = "".join(
        character if unicodedata.category(character)[0] != "C" or character == "\n" else " "
        for character in plain
    )
    return "\n".join(" ".join(line.split()) for line in plain.splitlines()).strip()


def _shown(text: str) -> str:
    """Return a text without hidden parts of its markup; in time that grows with its length."""
    for opening, closing in _HIDDEN:
        kept, start = [], 0
        while (begin := opening.search(text, start)) and (end := closing.search(text, begin.end())):
            kept.append(text[start : begin.start()])
            start = end.end()
        text = " ".join((*kept, text[start:]))
    return text


def quotation(words: str, comment: str) -> str | None:
    """Return words as they stand in a comment, up to case and white space; None where they do not.

    Every extractor's evidence is one.
    """
    text, wanted = (" ".join(piece.split()) for piece in (readable(comment), words))
    at = text.casefold().find(wanted.casefold()) if wanted else -1
    return text[at : at + len(wanted)] if at >= 0 else None


def tokens(text: str) -> list[Token]:
    """Return the words and signs of a readable text, in order."""
    return [
        Token(word, match.start(), match.end())
        for match in _TOKEN.finditer(text)
        for word in normal(match.group()).split(" ")
    ]


@lru_cache(maxsize=50_000)
def normal(word: str) -> str:
    """Return how a word is compared; a spelling that stands for two words becomes both."""
    plain = unicodedata.normalize("NFKD", word.replace("’", "'")).casefold()
    plain = "".join(character for character in plain if not unicodedata.combining(character))
    if not plain or not plain[0].isalnum():
        return plain or word
    plain = _SPELLINGS.get(plain, plain)
    if " " in plain:
        return plain
    if plain.replace("'", "") in _CONTRACTIONS:
        return plain.replace("'", "")
    if "'" in plain:
        plain, _, rest = plain.partition("'")
        # it's, I'm, they've: the verb counts, a person's 's does not
        if rest in ("m", "re", "ve", "d", "ll") or (rest == "s" and plain in _SUBJECTS):
            return f"{plain} {_VERBS[rest]}"
    plain = _SPELLINGS.get(plain, plain)
    return _SPELLINGS.get(singular(plain), singular(plain))


_SUBJECTS = {"it", "that", "this", "there", "what", "here", "he", "she", "everything", "who", "let"}
_VERBS = {"m": "am", "re": "are", "ve": "have", "d": "would", "ll": "will", "s": "is"}


def singular(word: str) -> str:
    """Return a word without its plural; rough, but the same for lists and comments."""
    if len(word) < 4 or word.endswith(("ss", "us", "is")) or not word.endswith("s"):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    return word[:-1]


@cache
def kind(name: str) -> frozenset[str]:
    """Return the words of one line of `data/words.txt`, by what the line calls them."""
    text = (files("finexl.viper") / "data" / "words.txt").read_text(encoding="utf-8")
    lines = dict(line.split(": ", 1) for line in text.splitlines())
    return frozenset(lines[name].split())


def phrase(text: str) -> tuple[str, ...]:
    """Return the words of a phrase of our lists, as comments' words are compared."""
    return tuple(token.word for token in tokens(text) if token.word not in (",", "\n"))


class Phrases(Generic[T]):
    """Phrases of a list, each with what it stands for, found in running words."""

    def __init__(self, entries: Iterable[tuple[str, T]]) -> None:
        """Of phrases that read the same the first counts."""
        self._by_first: dict[str, list[tuple[tuple[str, ...], T]]] = {}
        seen = set()
        for text, value in entries:
            words = phrase(text)
            if words and words not in seen:
                seen.add(words)
                self._by_first.setdefault(words[0], []).append((words, value))
        for same in self._by_first.values():
            same.sort(key=lambda entry: -len(entry[0]))

    def at(self, words: Sequence[str], start: int) -> tuple[int, T] | None:
        """Return where the longest phrase that begins at `start` ends, and its value."""
        for wanted, value in self._by_first.get(words[start], ()):
            end = start + len(wanted)
            if tuple(words[start:end]) == wanted:
                return end, value
        return None

    def find(self, words: Sequence[str]) -> list[tuple[int, int, T]]:
        """Return (start, end, value) of all phrases from left to right, none within another."""
        found, start = [], 0
        while start < len(words):
            here = self.at(words, start)
            if here is None:
                start += 1
            else:
                found.append((start, here[0], here[1]))
                start = here[0]
        return found

    def words(self) -> set[str]:
        """Return every word of every phrase."""
        return {word for same in self._by_first.values() for words, _ in same for word in words}
