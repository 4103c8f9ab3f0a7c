"""The lists of how replies are worded, and texts made comparable with them."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from finexl.concepts.vocabulary import vocabulary

UNSPACED = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
"""Thai to Lao, kana, Han, Hangul: a word does not end at a space."""


@cache
def listed(name: str) -> dict[str, tuple[str, ...]]:
    """Return the sections of a list in the package, each with its entries in order.

    Args:
        name: a file of `concepts/data`: `[section]` lines, an entry a line, `#` comments.
    """
    lines = (files("finexl.concepts") / "data" / name).read_text(encoding="utf-8").splitlines()
    sections: dict[str, list[str]] = {}
    entries = sections.setdefault("", [])
    for line in map(str.strip, lines):
        if line.startswith("["):
            entries = sections.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            entries.append(line)
    return {section: tuple(entries) for section, entries in sections.items()}


@cache
def among(section: str) -> frozenset[str]:
    """Return the entries of a section of replies.txt."""
    return frozenset(listed("replies.txt")[section])


@cache
def any_of(section: str) -> re.Pattern[str]:
    """Return the pattern of a section's entries as whole words; as they stand where none part."""
    longest_first = sorted(among(section), key=len, reverse=True)
    whole = "|".join(re.escape(entry) for entry in longest_first if not UNSPACED.search(entry))
    parts = [re.escape(entry) for entry in longest_first if UNSPACED.search(entry)]
    return re.compile("|".join([rf"(?<!\w)(?:{whole})(?!\w)", *parts]))


@cache
def known_phrases() -> frozenset[str]:
    """Return the vocabularies' concepts, casefolded, hyphens read as spaces."""
    return frozenset(spaced(concept.text) for concept in vocabulary("all"))


@cache
def ordinary_words() -> frozenset[str]:
    """Return words that have no capital of their own."""
    return frozenset(filter(str.islower, _of_vocabularies())) | among("ordinary words")


@cache
def proper_words() -> frozenset[str]:
    """Return words that keep their capital, casefolded: artists' names, places, styles, brands."""
    capital = {word for word in _of_vocabularies() if word[0].isupper()} | among("proper words")
    names = " ".join(listed("names.txt")[""])
    return frozenset(map(str.casefold, capital)) | {*re.findall(r"\w+", names.casefold())}


def _of_vocabularies() -> set[str]:
    texts = " ".join(concept.text for concept in vocabulary("all"))
    return {*re.split(r"[\s-]", texts), *texts.split()} - {""}


def spaced(text: str) -> str:
    """Return a text as `known_phrases` has it."""
    return " ".join(text.casefold().replace("-", " ").split())


def plain(text: str) -> str:
    """Return a text to compare: casefolded, straight apostrophes, single spaces."""
    return " ".join(text.replace("’", "'").replace("‘", "'").casefold().split())


def visible(text: str) -> str:
    """Return a line without control, format and unassigned characters."""
    return "".join(
        character if character.isprintable() else " " if character.isspace() else ""
        for character in text
    )


def shortened(text: str) -> str:
    """Return 80 printable characters of a text at most."""
    text = " ".join(visible(text[:400]).split())
    return text if len(text) <= 80 else text[:79] + "…"
