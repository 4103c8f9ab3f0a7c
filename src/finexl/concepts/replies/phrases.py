"""One piece of a reply: which phrase it is, or why it is none."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from finexl.concepts.replies import reasons as why
from finexl.concepts.replies.headings import sign_of
from finexl.concepts.replies.words import (
    UNSPACED,
    among,
    any_of,
    known_phrases,
    ordinary_words,
    plain,
    proper_words,
    spaced,
)

MAX_WORDS = 5
MAX_CHARACTERS = 40
"""Of one concept, which names one aspect."""

APART = re.compile(r"[,;，、；؛،]|[.。]\s+|\s[|•]\s")
"""Between the phrases of a line."""
LABELLED = re.compile(r"\s*[:：](?!//)\s*|\s+=\s+"), re.compile(r"\s+[-–—]+\s+|\s*—\s*")
"""Between a label or name and what it is about: a colon, else a dash."""
_LINKS = re.compile(r"://|www\.|\w@\w|\.(?:com|org|net|io|ai|html?|png|jpe?g|webp|py|json)\b", re.I)
_CODE = re.compile(r"[<>{}\\|^~$=`@\[\]→]|\w\(|::|\w/\w+/|&\w+;")
_ERROR = re.compile(
    r"^\W{0,9}(?:[\w.]{0,60}(?:Error|Exception)\b|(?i:error)\b|HTTP/\d|[45]\d\d\b\W{0,3}[A-Za-z])",
    re.M,
)
_THING = "(?:set|image|group|picture|photo|pair|model|sample)s?"
_SETS = re.compile(
    rf"(?i:\b{_THING}[ -]+(?:[ab12]|one|two)\b"
    r"|\b(?:first|second|other|both|left|right|base|original|personali[sz]ed|fine-?tuned|these|two)"
    rf" (?:{_THING}|ones?)\b|\b[ab] (?:and|vs) [ab]\b)|\b(?:[Ii]n|[Oo]f|[Ff]or|[Tt]o|[Ff]rom) [AB]$"
)
_CHANGE = re.compile(r"\bfrom .{1,30} to\b|\s(?:more|less|fewer|increased|reduced|but)\b")
_CUT = re.compile(
    r"\s+(?:than|compared|relative to|versus|vs|in (?:the )?(?:second|personali[sz]ed|\w+ b))\b.*",
    re.I,
)
_AND = re.compile(r"([^\s/]{2,})(?:\s+(?:and|or|&|und|et|y|e)\s+|\s*/\s*)([^\s/]{2,})", re.I)
_LEADING = re.compile(r"(?:(?:and|or|with|the|plus|also|but|und|et)\s+(?=\S))*", re.I)
_ARROWS = {"↑": 1, "▲": 1, "↓": -1, "▼": -1}
_HIGHER = {"higher": "high", "lower": "low"}


@dataclass(frozen=True)
class Read:
    """A piece, read."""

    texts: tuple[str, ...]
    """Mostly one."""
    sign: int = 0
    """1: more of it, -1: less, 0: it does not say."""
    foreign: bool = False


def read_piece(piece: str, instruction: str) -> Read | str:
    """Return the phrases in a piece, or why there is none."""
    read = _read_once(piece, instruction)
    if isinstance(read, str):
        return read
    for text in read.texts:
        # what would be read otherwise if it were answered back is no plain phrase
        again = _read_once(text, instruction)
        if isinstance(again, str):
            return again
        if again != Read((text,)) or any(mark.search(text) for mark in (APART, *LABELLED)):
            return why.MARKUP
    return read


def prose(text: str, instruction: str) -> str | None:
    """Return why a text as a whole is none of the list: an echo, a refusal, an error."""
    words = plain(text).strip(" .,;:!…'\"#*-()")
    if len(words.split()) >= 3 and words in instruction:
        return why.ECHO
    return failure(text)


def failure(text: str) -> str | None:
    """Return whether there is a refusal or an error anywhere in a text."""
    words = plain(text)
    if any_of("refusals").search(words):
        return why.REFUSAL
    return why.ERROR if _ERROR.search(text) or any_of("errors").search(words) else None


def _read_once(piece: str, instruction: str) -> Read | str:
    text = trimmed(piece)
    if not any(map(str.isalpha, text)):
        return why.PLACEHOLDER if "…" in piece or "..." in piece else why.NO_WORDS
    if spaced(text) in known_phrases():
        return Read((_capitals(text),))
    reason = _no_answer(piece, text, instruction)
    if reason:
        return reason
    text, sign, foreign = _direction(text)
    if spaced(text) in known_phrases():
        return Read((_capitals(text),), sign, foreign)
    reason = _no_phrase(text)
    return reason or Read(tuple(_capitals(trimmed(part)) for part in _split(text)), sign, foreign)


def _no_answer(piece: str, text: str, instruction: str) -> str | None:
    """Judge a piece before its direction is taken off."""
    if _LINKS.search(piece):
        return why.LINK
    if _CODE.search(piece):
        return why.PLACEHOLDER if _placeholder(plain(text)) else why.MARKUP
    if "?" in piece or "？" in piece:
        return why.QUESTION
    if any_of("remarks").match(plain(text)):
        return why.REMARK
    return prose(text, instruction)


def _no_phrase(text: str) -> str | None:
    said = plain(text)
    words = re.findall(r"[^\W_]+(?:['-][^\W_]+)*", said)
    if not any(map(str.isalpha, said)) or said in among("nothing") or re.fullmatch("[a-z]", said):
        return why.NOTHING
    if _placeholder(said):
        return why.PLACEHOLDER
    if _SETS.search(text) or any_of("sets").search(said):
        return why.ABOUT_SETS
    if said in among("labels"):
        return why.LABEL
    verbs = among("verbs") & {*words} or among("verbs unless last") & {*(words[:-1] or words)}
    if verbs or _CHANGE.search(said) or said.endswith(tuple(among("endings in CJK sentences"))):
        return why.SENTENCE
    if among("meta") & {*words}:
        return why.TASK
    length = len(text.split()) + len(UNSPACED.findall(text)) // 2
    return why.TOO_LONG if length > MAX_WORDS or len(text) > MAX_CHARACTERS else None


def _placeholder(said: str) -> bool:
    """Whether a text is a word like "concept", with a number or a letter at most."""
    rest = any_of("placeholders").sub("", said)
    return rest != said and not re.search(r"[^\W\d_]{2}", rest)


def trimmed(piece: str) -> str:
    """Return a piece without what surrounds it: bullets, quotes, stops, emoji."""
    kept = [i for i, character in enumerate(piece) if character.isalnum() or character in _ARROWS]
    if not kept:
        return ""
    end = kept[-1] + 1
    while end < len(piece) and (piece[end] in "+%" or unicodedata.category(piece[end])[0] == "M"):
        end += 1
    return " ".join(_LEADING.sub("", piece[kept[0] : end], count=1).split())


def is_foreign(text: str) -> bool:
    """Whether a phrase has letters or function words that English has not."""
    words = re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", text.casefold())
    strange = {word for word in words if not word.isascii()} - among("English words with accents")
    return bool(strange) or (len(words) > 1 and bool(among("foreign words") & {*words}))


def _direction(text: str) -> tuple[str, int, bool]:
    """Take the words of direction and degree off a phrase: "much less vivid" is less of "vivid"."""
    text = _CUT.sub("", text)
    sign, foreign = 0, False
    for arrow in {*text} & {*_ARROWS}:
        text, sign = text.replace(arrow, " "), _ARROWS[arrow]
    if text not in among("more") | among("less") and text.startswith("更"):
        text, sign = re.sub("^更加?(?=.)", "", text), 1
    words = text.split()
    while len(words) > 1 and spaced(" ".join(words)) not in known_phrases():
        first, last = words[0].casefold(), words[-1].casefold()
        degree = any_of("degrees").match(plain(" ".join(words)))
        length = len(degree[0].split()) if degree else 0
        if sign_of(first):
            sign, foreign = sign or sign_of(first), foreign or first in among("foreign directions")
            words = words[1:]
        elif first in _HIGHER:
            words[0] = _HIGHER[first]
        elif 0 < length < len(words):
            words = words[length:]
        elif sign and first in among("after directions"):
            words = words[1:]
        elif last in ("increased", "reduced", "decreased"):
            sign, words = sign or sign_of(last), words[:-1]
        else:
            break
    if sign and len(words) == 1 and words[0].casefold() in among("after directions"):
        words = []
    return " ".join(words), sign, foreign


def _split(text: str) -> tuple[str, ...]:
    """Split "vivid and grainy", but not "black and white"."""
    match = _AND.fullmatch(text)
    if not match or re.sub(r"\s*[&/]\s*", " and ", plain(text)) in among("compounds"):
        return (text,)
    one, other = match.groups()
    return (text,) if {one.casefold(), other.casefold()} <= among("colors") else (one, other)


def _capitals(text: str) -> str:
    """Lower the capitals that an item's start or Title Case gives to ordinary words."""
    words = [
        word.lower()
        if len(word) > 3 and word.isupper() and word.casefold() in ordinary_words()
        else word
        for word in text.split()
    ]
    titled = [word for word in words if _titled(word)]
    proper = [word for word in titled if re.split(r"\W", word.casefold())[0] in proper_words()]
    # beside another capital that is no ordinary word's, a word may be part of a name
    alone = titled == words[:1] and not proper
    if alone or not any(word in proper or not _ordinary(word) for word in titled):
        words = [word.lower() if word in titled else word for word in words]
    return " ".join(words)


def _ordinary(word: str) -> bool:
    return ordinary_words() >= {*re.split(r"\W", word.casefold())}


def _titled(word: str) -> bool:
    letters = [character for character in word if character.isalpha()]
    # not B-movie, X-ray
    return (
        word[1:2] not in ("-", "'")
        and len(letters) > 1
        and letters[0].isupper()
        and not any(map(str.isupper, letters[1:]))
    )
