"""What the lists name: attributes, their categories' nouns, colors; and styles by their ending."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from finexl.viper.attributes import Attribute, attributes, by_text, categories
from finexl.viper.extraction.clauses import DETERMINERS, SUBJECTS, VERBS
from finexl.viper.extraction.cues import cue_words
from finexl.viper.extraction.words import Phrases, kind, phrase

SHADES = kind("shade")
FUNCTION_WORDS = SUBJECTS | DETERMINERS | VERBS | kind("function")
COLORS = "colour palette"
SAID = {
    "style": "style", COLORS: "colors", "composition": "composition", "mood": "mood",
    "medium": "medium", "texture": "texture", "lighting": "lighting", "technique": "technique",
    "genre": "genre", "brushwork": "brushwork", "pattern": "patterns", "detail": "details",
    "era": "era", "shape": "shapes", "shadow": "shadows", "perspective": "perspective",
    "symbolism": "meaning", "line": "lines", "depth": "depth", "movement": "movement",
}  # fmt: skip
"""What a category is called behind the words that describe it."""
_ALSO_THINGS = kind("color or thing")
"""Colors only beside another color, a shade or a color's noun."""
_STYLE = re.compile(r"[a-z]{3,}(punk|core|wave|esque)|[a-z]{4,}ism")
_NO_STYLE = kind("no style")
_CARRIED = frozenset(("style", "genre", "era", "medium", "technique", "lighting", COLORS))
"""Categories whose names say the same before any noun; "dreamy colors" are colors."""


class Named(NamedTuple):
    """An attribute among words."""

    start: int
    end: int
    attribute: str
    category: str
    listed: bool


def listed_words() -> frozenset[str]:
    """Return every word that stands for something here: for telling typos from other words."""
    of_lists = index().words() | nouns().words() | _color_names().words()
    return frozenset(of_lists | cue_words() | FUNCTION_WORDS | SHADES)


@cache
def index() -> Phrases[Attribute]:
    """Return all attributes by their names, their aliases, and words that mean them alone."""
    own = [(one.text, one) for one in attributes()]
    aliases = [(alias, one) for one in attributes() for alias in one.aliases]
    text = (files("finexl.viper") / "data" / "alone.csv").read_text(encoding="utf-8")
    alone = [(row["word"], row["attribute"]) for row in csv.DictReader(text.splitlines())]
    return Phrases([*own, *aliases, *((word, by_text()[name.casefold()]) for word, name in alone)])


@cache
def nouns() -> Phrases[str]:
    """Return all categories by the nouns that name them."""
    return Phrases((noun, one.name) for one in categories().values() for noun in one.nouns)


def is_noun(words: Sequence[str], at: int) -> bool:
    """Whether a category's noun begins there."""
    return nouns().at(words, at) is not None


def whole(words: Sequence[str]) -> Attribute | None:
    """Return the attribute that these words are a name of."""
    here = index().at(words, 0) if words else None
    return here[1] if here is not None and here[0] == len(words) else None


def named_apart(words: Sequence[str]) -> Attribute | None:
    """Return the attribute that words name whatever noun they describe: "cyberpunk vibes"."""
    one = whole(words)
    return one if one is not None and one.category in _CARRIED else None


@cache
def cores(category: str) -> Mapping[tuple[str, ...], Attribute]:
    """Return the category's attributes by their names without its nouns: "flowing"."""
    of_category = {phrase(noun) for noun in categories()[category].nouns}
    ends = sorted(of_category | {("figure",)}, key=lambda noun: (-len(noun), noun))
    same = [one for one in attributes() if one.category == category]
    # names count before aliases
    called = [(one.text, one) for one in same]
    called += [(alias, one) for one in same for alias in one.aliases]
    found: dict[tuple[str, ...], Attribute] = {}
    for name, one in called:
        words = phrase(name)
        end = next((e for e in ends if len(words) > len(e) and words[-len(e) :] == e), ())
        found.setdefault(words[: len(words) - len(end)], one)
    return found


def colors(words: Sequence[str], *, beside_color: bool = False) -> Iterator[Named]:
    """Yield runs of colors with their shades: "dark gold", "teal blue".

    Args:
        words: as compared.
        beside_color: they stand before a color's noun, so that "peach" is no fruit.
    """
    names = _color_names()
    i = 0
    while i < len(words):
        here = names.at(words, i)
        if here is None:
            i += 1
            continue
        start, end = i, here[0]
        while end < len(words) and (more := names.at(words, end)) is not None:
            end = more[0]
        while start > 0 and words[start - 1] in SHADES:
            start -= 1
        run = words[start:end]
        sure = beside_color or len(run) > 1 or _is_color_near(words, start, end)
        if sure or not _ALSO_THINGS.intersection(run):
            one = whole(run)
            known = one is not None and one.category == COLORS
            text = one.text if one is not None and known else " ".join(run)
            yield Named(start, end, text, COLORS, known)
        i = end


def styles(words: Sequence[str]) -> Iterator[Named]:
    """Yield styles that are not listed, by how they end."""
    for i, word in enumerate(words):
        if word not in _NO_STYLE and _STYLE.fullmatch(word) and whole((word,)) is None:
            yield Named(i, i + 1, word, "style", False)


def _is_color_near(words: Sequence[str], start: int, end: int) -> bool:
    """Whether another color stands in a list with this one."""
    names, joins = _color_names(), ("and", ",", "or")
    if end + 1 < len(words) and words[end] in joins and names.at(words, end + 1) is not None:
        return True
    return start >= 2 and words[start - 1] in joins and words[start - 2] in names.words()


@cache
def _color_names() -> Phrases[str]:
    text = (files("finexl.viper") / "data" / "colors.txt").read_text(encoding="utf-8")
    return Phrases((line, line) for line in text.splitlines())
