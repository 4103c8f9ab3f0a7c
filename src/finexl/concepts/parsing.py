"""What a vision-language model's reply names as concepts, and what of it is refused and why.

A reply is read as JSON where it holds any (whole or cut off), else as a list. Whatever is neither
an item of the one nor of the other is no concept, and each item must read like a phrase: prose,
refusals, error text, the instruction and what stands in its place never come through.

Every step is linear in the reply's length, without recursion, and nothing raises.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Literal, TypeAlias

from finexl.concepts.vocabulary import vocabulary

Direction: TypeAlias = Literal["more", "less"]

MAX_WORDS = 5
MAX_CHARACTERS = 40
"""Of one concept, which names one aspect."""
MAX_PHRASES = 40
"""Concepts in one reply."""
MAX_REFUSED = 100
"""Refused pieces that are kept from one reply."""
MAX_PIECES = 1000
"""Pieces that are judged: whatever has more is no answer."""
MAX_READ = 30_000
"""Characters of a reply that are read, its thinking aside; answers have a few hundred."""
SHORTENED = 80
NOT_ENGLISH = "not English"

TOO_LONG = "too long for one aspect"
SENTENCE = "a sentence, not a phrase"
QUESTION = "a question"
REFUSAL = "a refusal"
ERROR = "error text"
ECHO = "repeats the instruction"
PLACEHOLDER = "a placeholder"
NOTHING = "names nothing"
ABOUT_SETS = "about the sets, not what they show"
TASK = "about the task, not the pictures"
REMARK = "a remark around the list"
LABEL = "a label, not a concept"
LINK = "a link"
MARKUP = "mark-up or code"
NO_WORDS = "no words"
AROUND = "stands outside the list"
UNKNOWN_KEY = "under an unknown key"
TOO_MANY = f"over {MAX_PHRASES} concepts in one reply"
UNREAD = "far longer than an answer: the rest is not read"

_PROSE = {TOO_LONG, SENTENCE, QUESTION, REFUSAL, ERROR, ECHO, TASK, ABOUT_SETS}
"""Where one piece of a line or paragraph is such, the others are its clauses, not concepts."""
_OF_THE_TASK = {ECHO, PLACEHOLDER, REMARK, LABEL, TASK, AROUND}
EMPTY_LIST = "an empty list"
NO_LIST = "JSON without a list"
_LINE = 2000
"""Characters of a line; a longer one is no list of 40 concepts."""


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


@dataclass(frozen=True)
class Parsed:
    """A reply, read."""

    phrases: tuple[Phrase, ...]
    refused: tuple[Refused, ...]
    remark: str | None = None
    """About the reply as a whole, where it names nothing."""


def parse_reply(text: str, instruction: str = "") -> Parsed:
    """Read the concepts out of a reply to `{"more": [...], "less": [...]}`, however it is worded.

    Args:
        text: the reply, word for word.
        instruction: what was asked, so that its words are not taken for the answer.
    """
    answer, thought = _answer(text, instruction)
    judge = _Judge(_plain(instruction))
    start = answer[:500]
    if not any(character.isalnum() for character in answer):
        if thought:
            return Parsed((), (), "only thinking, no answer")
        echoed = bool(instruction.strip()) and any(map(str.isalnum, text))
        if answer and not answer.strip("[]{} \n"):
            return Parsed((), (), EMPTY_LIST)
        return Parsed((), (), ECHO if echoed else "empty")
    if _PAGE.search(start):
        return Parsed((), (Refused(_shortened(answer), ERROR),), "an error page")
    found = _read_json(answer)
    if found is not None:
        for item in found.items:
            judge.take(item)
        remark = "nothing usable in it" if judge.refused else EMPTY_LIST if found.keyed else NO_LIST
        if found.error:
            judge.refuse(answer, ERROR)
            remark = "error text"
    elif _is_error(answer):
        judge.refuse(answer, ERROR)
        remark = "error text"
    else:
        remark = "free prose, no list"
        _read_lines(answer, judge)
    if len(answer) == MAX_READ:
        judge.refuse("…", UNREAD)
    reasons = [refused.reason for refused in judge.refused]
    if judge.phrases:
        return Parsed(judge.said(answer), tuple(judge.refused))
    if REFUSAL in reasons:
        remark = "the model refused"
    elif reasons and set(reasons) <= {NOTHING, LABEL}:
        remark = EMPTY_LIST
    elif {ECHO, PLACEHOLDER} & {*reasons} and {*reasons} <= _OF_THE_TASK:
        remark = ECHO
    return Parsed((), tuple(judge.refused), remark)


# --- the lists ------------------------------------------------------------------------------------


@cache
def listed(name: str) -> dict[str, tuple[str, ...]]:
    """Return the sections of a list in the package, each with its entries in order.

    Args:
        name: a file of `concepts/data`: `[section]` lines, an entry a line, `#` comments.
    """
    lines = (files(__package__) / "data" / name).read_text(encoding="utf-8").splitlines()
    sections: dict[str, list[str]] = {}
    entries = sections.setdefault("", [])
    for line in map(str.strip, lines):
        if line.startswith("[") and line.endswith("]"):
            entries = sections.setdefault(line[1:-1], [])
        elif line and not line.startswith("#"):
            entries.append(line)
    return {section: tuple(entries) for section, entries in sections.items()}


@cache
def _set(section: str) -> frozenset[str]:
    return frozenset(listed("replies.txt")[section])


@cache
def _any_of(section: str) -> re.Pattern[str]:
    """Return the pattern of a section's entries as whole words; as they stand where none part."""
    return re.compile(
        "|".join(
            re.escape(entry) if _UNSPACED.search(entry) else rf"(?<!\w){re.escape(entry)}(?!\w)"
            for entry in sorted(listed("replies.txt")[section], key=len, reverse=True)
        )
    )


@cache
def known_phrases() -> frozenset[str]:
    """Return the vocabularies' concepts, casefolded, hyphens read as spaces."""
    return frozenset(_spaced(concept.text) for concept in vocabulary("all"))


@cache
def _ordinary() -> frozenset[str]:
    """Return words that have no capital of their own."""
    words = {word for concept in vocabulary("all") for word in re.split(r"[\s-]", concept.text)}
    return frozenset(word for word in words if word.islower()) | _set("ordinary words")


@cache
def _names() -> frozenset[str]:
    """Return the words of the artists' names that keep their capital."""
    return frozenset(
        word for entry in listed("names.txt")[""] for word in re.findall(r"\w+", entry.casefold())
    )


def _spaced(text: str) -> str:
    return " ".join(text.casefold().replace("-", " ").split())


# --- the reply as a whole -------------------------------------------------------------------------

_UNSPACED = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
"""Thai to Lao, kana, Han, Hangul: a word does not end at a space."""
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_NEWLINES = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_THINKING = re.compile(r"<(/?)(?:think|thinking|thought|reasoning|reflection)>|([◁]/?)think▷", re.I)
_SPECIAL = re.compile(
    r"<\|[^|<>\n]{1,40}\|>|</?s>|\[/?INST\]|<(?:start|end)_of_(?:turn|utterance)>|<eos>"
)
_FINAL = "<|channel|>final<|message|>"
_SPEAKER = re.compile(r"(?:assistant|model|ai)\s*(?::|\n)\s*", re.I)
_PAGE = re.compile(r"<!doctype|<html|<head\b|<body\b|<\?xml", re.I)
_ITEM_TAG = re.compile(r"<li\b[^<>]{0,200}>", re.I)
_SECTION_TAG = re.compile(r"<(more|less)>", re.I)
_BLOCK_TAG = re.compile(r"</?(?:li|ul|ol|br|p|div|h[1-6]|pre|more|less)\b[^<>]{0,200}>", re.I)
_INLINE_TAG = re.compile(r"</?(?:b|i|u|em|strong|code|span|mark)(?:\s[^<>]{0,200})?>", re.I)
_ERROR_CLASS = re.compile(
    r"^\W{0,9}(?:[A-Za-z_.]{0,60}(?:Error|Exception)\b|ERROR\b|HTTP/\d"
    r"|(?:error|[45]\d\d)\b[ :,-]{0,3}\w)",
    re.M,
)


def _answer(text: str, instruction: str) -> tuple[str, bool]:
    """Return the reply without thinking, chat marks and an echo, and whether it held thinking."""
    text = text.rsplit(_FINAL, 1)[-1]
    text = _NEWLINES.sub("\n", _INVISIBLE.sub("", text))
    spoken = _without_thinking(text)
    answer = _SPECIAL.sub("\n", spoken)
    echo = instruction.strip()
    if echo:
        answer = answer.replace(_NEWLINES.sub("\n", echo), "\n")
    answer = _SECTION_TAG.sub(r"\n\1:\n", _ITEM_TAG.sub("\n- ", answer))
    answer = _INLINE_TAG.sub("", _BLOCK_TAG.sub("\n", answer))
    answer = _SPEAKER.sub("", answer.strip())
    return answer[:MAX_READ], len(spoken) < len(text)


def _without_thinking(text: str) -> str:
    kept: list[str] = []
    position = depth = 0
    for tag in _THINKING.finditer(text):
        if tag[1] or tag[2] == "◁/":
            # a closing mark alone: the chat template opened it
            if depth <= 1:
                kept = kept if depth else []
                position = tag.end()
            depth = max(depth - 1, 0)
        else:
            if depth == 0:
                kept.append(text[position : tag.start()])
            depth += 1
    if depth == 0:
        kept.append(text[position:])
    return "".join(kept)


def _is_error(answer: str) -> bool:
    """Whether a reply without JSON opens with error text."""
    lines = [line for line in answer[:1000].split("\n") if line.strip()]
    bulleted = next((i for i, line in enumerate(lines) if _bullet(line)), len(lines))
    text = "\n".join(lines[:bulleted])[:500]
    return bool(_ERROR_CLASS.search(text) or _any_of("errors").search(_plain(text)))


def _plain(text: str) -> str:
    """Return a text to compare: casefolded, straight apostrophes, single spaces."""
    return " ".join(text.replace("’", "'").replace("‘", "'").casefold().split())


def _shortened(text: str) -> str:
    text = "".join(character if character.isprintable() else " " for character in text[:400])
    text = " ".join(text.split())
    return text if len(text) <= SHORTENED else text[: SHORTENED - 1] + "…"


# --- headings: which direction --------------------------------------------------------------------


@dataclass(frozen=True)
class _Context:
    """What headings and keys say about the items under them."""

    of_second: int = 1
    """+1: what the second, personalized set has more or less of; -1: what the first has."""
    more: int = 1
    said: bool = False
    """A heading says so, rather than the default."""
    foreign: bool = False


@dataclass(frozen=True)
class _Item:
    text: str
    context: _Context
    refused: str | None = None


_DEFAULT = _Context()
_COMPARED = re.compile(r"\b(?:than|compared|versus|vs|relative|but not|not in)\b[^,]*")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def _heading(text: str, outer: _Context = _DEFAULT) -> _Context | None:
    """Return what a heading or key such as "Set B has less of" says; None: it is neither."""
    if len(text) > 100:
        return None
    said = _plain(_CAMEL.sub(" ", text).replace("_", " ").replace("-", " "))
    words = re.findall(r"[^\W_]+", _COMPARED.sub("", said))
    if not words or len(words) > 10:
        return None
    more = next((sign for word in words if (sign := _sign(word))), 0)
    second = 0
    for previous, word in zip(["", *words], words, strict=False):
        if word in _set("first set") or (word == "a" and (previous in _NAMED or len(words) == 1)):
            second = second or -1
        elif word in _set("second set") or word == "b":
            second = second or 1
        elif word not in _set("heading words") and not _sign(word) and word != "a":
            return None
    # "left" and "style" alone say nothing; neither does a heading of fillers
    if not more and not (second and ({"a", "b"} & {*words} or _NAMED & {*words})):
        return None
    return _Context(
        (second or 1) * outer.of_second if second else outer.of_second,
        more or outer.more,
        True,
        outer.foreign or any(word in _set("foreign directions") for word in words),
    )


_NAMED = frozenset({"set", "image", "images", "group", "model", "in", "picture", "photo", "sample"})


def _sign(word: str) -> int:
    return (word in _set("more")) - (word in _set("less"))


# --- JSON, whole or broken ------------------------------------------------------------------------

_OPENING = re.compile(r"""[\[{](?=\s*["'“{\[\]}]|\s*[A-Za-z_]\w*\s*:\s*[\["'])""")
_TOKEN = re.compile(
    r"""
    (?P<open>[\[{]) | (?P<close>[\]}]) | (?P<comma>[,;]) | (?P<colon>:)
    | "(?P<double>[^"\\\n]*(?:\\.[^"\\\n]*)*)(?P<double_end>"?)
    | “(?P<smart>[^”"\n]*)(?P<smart_end>[”"]?)
    | '(?P<single>[^'\\\n]*(?:(?:\\.|'(?![ \t]*[,:;\]}\n]))[^'\\\n]*)*)(?P<single_end>'?)
    | (?P<bare>[^\s\[\]{},:;"“][^\[\]{},:;"“\n]*)
    """,
    re.X,
)
_JSON_FIRST = re.compile(r"\s*(?:```\s*\w*\s*)?(?:\{|\[\s*[\"'“{])")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
_ESCAPED = {"n": "\n", "t": " ", "r": " ", "b": "", "f": " "}


@dataclass
class _Json:
    """What the JSON in a reply holds."""

    items: list[_Item] = field(default_factory=list)
    keyed: bool = False
    """Some of its keys are those asked for."""
    error: bool = False


@dataclass
class _Frame:
    """An open list or object."""

    is_object: bool
    context: _Context
    mute: bool = False
    key: str | None = None
    own: list[int] = field(default_factory=list)
    """Where its own concepts are, which its "direction" key is about."""
    sign: int = 0
    named: bool = False
    """It is one concept, with a key for its name."""


def _read_json(text: str) -> _Json | None:
    """Return what the JSON of a reply holds; None where there is no such thing."""
    if '{\\"' in text and '{"' not in text:
        text = text.replace('\\"', '"').replace("\\n", "\n")
    reader = _JsonReader(text)
    position = 0
    while opening := _OPENING.search(text, position):
        position = reader.read(position, opening.start())
    holds = reader.items or reader.keyed or reader.error or _JSON_FIRST.match(text)
    return reader.found if holds else None


class _JsonReader:
    """Reads tolerantly: quotes of any kind, missing and trailing commas, a missing end."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.items: dict[int, _Item] = {}
        self.count = 0
        self.keyed = False
        self.error = False

    @property
    def found(self) -> _Json:
        return _Json(list(self.items.values()), self.keyed, self.error)

    def read(self, previous: int, start: int) -> int:
        """Read one value, and return where it ends."""
        stack: list[_Frame] = []
        held: tuple[str, bool] | None = None  # a value, or a key whose colon is still to come
        before = ""
        for token in _TOKEN.finditer(self.text, start):
            kind = token.lastgroup or ""
            if kind == "open":
                self._close(stack, held)
                held = None
                outer = stack[-1] if stack else None
                stack.append(self._open(token[0] == "{", outer, previous, start))
            elif kind == "close":
                self._close(stack, held)
                held = None
                self._end(stack.pop())
                if not stack:
                    return token.end()
            elif kind == "comma":
                self._close(stack, held)
                held = None
                stack[-1].key = None
            elif kind == "colon":
                if held is not None and stack[-1].is_object and stack[-1].key is None:
                    stack[-1].key = held[0]
                    self._note(held[0])
                else:
                    self._close(stack, held)
                held = None
            elif kind == "bare":
                whole = token.end() < len(self.text)
                if held is None and before in ("open", "comma", "colon") and whole:
                    held = (token[0].strip(), False)
            else:
                self._close(stack, held)
                name = kind.removesuffix("_end")
                held = (_unescaped(token[name] or ""), True) if token[f"{name}_end"] else None
            before = kind
        if stack and not (stack[-1].is_object and stack[-1].key is None):  # a key without its value
            self._close(stack, held)
        for frame in stack:
            if frame.named:  # cut off before it was whole
                for index in frame.own:
                    self.items.pop(index, None)
        return len(self.text)

    def _open(self, is_object: bool, outer: _Frame | None, previous: int, start: int) -> _Frame:
        if outer is None:
            lead = self.text[max(previous, start - 200) : start].rstrip().rsplit("\n", 1)[-1]
            heading = _heading(lead.strip(" \t:=,\"'`*#->“”"))
            return _Frame(is_object, heading or _DEFAULT)
        context, mute = outer.context, outer.mute
        if outer.key is not None:
            key = _key_text(outer.key)
            context = _heading(outer.key, context) or context
            mute = mute or key in _set("silent keys") or key in _set("error keys")
            outer.key = None
        return _Frame(is_object, context, mute)

    def _note(self, key: str) -> None:
        if _heading(key):
            self.keyed = True
        elif _key_text(key) in _set("error keys"):
            self.error = True

    def _close(self, stack: list[_Frame], held: tuple[str, bool] | None) -> None:
        """Take a value that is complete."""
        if held is None or not stack or stack[-1].mute:
            return
        frame, (value, quoted) = stack[-1], held
        key, frame.key = frame.key, None
        if not frame.is_object:
            self._add(frame, value, frame.context)
        elif key is None:
            if quoted:  # {"vivid", "grainy"}
                self._add(frame, value, frame.context)
        else:
            self._pair(frame, key, value, quoted)

    def _pair(self, frame: _Frame, key: str, value: str, quoted: bool) -> None:
        name = _key_text(key)
        heading = _heading(key, frame.context)
        sign = _value_sign(value)
        if heading:
            self._add(frame, value, heading)
        elif name in _set("direction keys"):
            frame.sign = sign
        elif name in _set("silent keys") or name in _set("error keys"):
            self.error = self.error or value in ("error", "ERROR")
        elif not name or name in _set("item keys") | _set("labels"):
            frame.named = True
            self._add(frame, value, frame.context)
        elif sign:
            context = frame.context
            self._add(frame, key, _Context(context.of_second, sign, True, context.foreign))
        elif name in _set("categories"):
            self._add(frame, value, frame.context)
        elif not frame.context.said:
            self._add(frame, value if quoted else key, frame.context, UNKNOWN_KEY)
        elif quoted or value.casefold() not in ("false", "null", "none", "0"):
            self._add(frame, key, frame.context)

    def _add(
        self, frame: _Frame, value: str, context: _Context, refused: str | None = None
    ) -> None:
        frame.own.append(self.count)
        self.items[self.count] = _Item(value, context, refused)
        self.count += 1

    def _end(self, frame: _Frame) -> None:
        if frame.sign:
            for index in frame.own:
                item = self.items[index]
                context = _Context(item.context.of_second, frame.sign, True, item.context.foreign)
                self.items[index] = _Item(item.text, context, item.refused)


def _key_text(key: str) -> str:
    name = _plain(_CAMEL.sub(" ", key[:100]).replace("_", " ").replace("-", " "))
    return name.rstrip(" 0123456789.#")  # "concept 1"


def _value_sign(value: str) -> int:
    """Return the direction that a value such as "higher" or "Less in set B" names, or 0."""
    if len(value) > 60:
        return 0
    word = _plain(value).strip(" .!+")
    if word in ("up", "higher", "high", "↑", "positive", "yes", "present") or value.strip() == "+":
        return 1
    if word in ("down", "lower", "low", "↓", "negative", "-"):
        return -1
    heading = _heading(value)
    return heading.more * heading.of_second if heading else 0


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    text = text[: 8 * _LINE]

    def character(escape: re.Match[str]) -> str:
        code = escape[1]
        return chr(int(code[1:], 16)) if len(code) == 5 else _ESCAPED.get(code, code)

    # two halves of one character come as two escapes
    halves = _ESCAPE.sub(character, text)
    return halves.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")


# --- lists and lines ------------------------------------------------------------------------------

_BULLET = re.compile(
    r"\s*(?:(?:[-•–—·‣◦▪●○■□►▶➤✓✔+>]|\*(?!\*)(?=\s)|(?:\(\s?)?\d{1,3}\s?[.):\]、．]+(?!\d)"
    r"|\(?[A-Za-z][.)]|\(?[ivxIVX]{1,4}[.)]|[①-⑳])\s*(?:\[[ xX]\]\s)?)(?=[^\s])"
)
_RULE = re.compile(r"\s*(?:(?:```|~~~)\s*\w*|[-=*_~\s|:+]*)\s*$")
_EMPHASIS = re.compile(r"[*`]+|(?<!\w)_+|_+(?!\w)")
_COLON = re.compile(r"\s*[:：](?!//)\s*|\s+=\s+")
_DASH = re.compile(r"\s+[-–—]+\s+|\s*[—]\s*")
_IN_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|（[^（）]*）")
_SEPARATOR = re.compile(r"[,;，、；؛،]|[.。]\s+|\s\|\s|\s•\s")
_COLUMNS = re.compile(r"\s*\|")


def _read_lines(text: str, judge: _Judge) -> None:
    """Judge the items of a list; without one, a reply that is nothing but phrases."""
    lines = [line for line in text.split("\n") if line.strip()]
    bulleted = any(_bullet(line) for line in lines)
    refused = _any_of("refusals").search(_plain(text[:2000])) is not None
    state = _State(judge, bulleted, refused)
    for line in text.split("\n"):
        if judge.full:
            break
        state.line(line)
    state.finish()


def _bullet(line: str) -> re.Match[str] | None:
    return None if line.lstrip().startswith(("**", "---", "***", "__")) else _BULLET.match(line)


class _State:
    """The lines read so far: the heading they stand under, and the paragraph that is open."""

    def __init__(self, judge: _Judge, bulleted: bool, refused: bool) -> None:
        self.judge, self.bulleted, self.refused = judge, bulleted, refused
        self.context = _DEFAULT
        self.fresh = False  # a heading without a list yet
        self.paragraph: list[tuple[str, _Context]] = []
        self.loose: list[tuple[str, _Context]] = []
        self.parents: list[tuple[int, bool]] = []  # indents of bullets; whether they are concepts
        self.columns: list[_Context | None] = []

    def line(self, line: str) -> None:
        if not line.strip():
            self.end_paragraph()
            return
        if len(line) > _LINE:
            self.loose_line(line)
            return
        if _RULE.match(line):
            return
        if line.lstrip().startswith(("{", "}")):
            self.judge.refuse(line, MARKUP)
            return
        if _COLUMNS.match(line):
            self.row(line)
            return
        self.columns = []
        bullet = _bullet(line)
        body = line[bullet.end() :] if bullet else line
        title = body.lstrip().startswith("#")
        body = _EMPHASIS.sub("", body).strip().lstrip("#").strip(" \t>")
        if not body:
            return
        indent = len(line) - len(line.lstrip())
        if self.heading(body):
            return
        if bullet:
            self.end_paragraph()
            self.fresh = False
            self.item(body, indent)
        elif body.rstrip().endswith((":", "：")) or title:
            self.end_paragraph()
            self.judge.look(body)
            self.parents = []
        elif self.fresh:
            self.paragraph.append((body, self.context))
        else:
            self.loose_line(body)

    def heading(self, body: str) -> bool:
        """Take a line that is a heading, or starts with one: "Less of: muted, flat"."""
        for separator in (_COLON, _DASH, None):
            parts = separator.split(body, maxsplit=1) if separator else [body]
            if separator and len(parts) == 1:
                continue
            name = parts[0].strip("\"'“”«»")
            rest = parts[1].strip() if separator else ""
            inner = _heading(name) or _heading(_IN_BRACKETS.sub(" ", name))
            if not inner or (separator is None and len(body.split()) < 2 and not self.alone(body)):
                continue
            self.end_paragraph()
            if rest:
                value = _value_sign(rest)
                if value:  # "More - less"
                    return False
                pieces = _pieces(_unbracketed(rest))
                self.judge.take_all(pieces, inner, strict=True)
            self.context, self.fresh = inner, not rest
            self.parents = []
            return True
        return False

    @staticmethod
    def alone(body: str) -> bool:
        return _plain(body).strip(" .:") in ("more", "less", "b", "a")

    def item(self, body: str, indent: int) -> None:
        while self.parents and self.parents[-1][0] >= indent:
            self.parents.pop()
        if any(concept for _, concept in self.parents):
            return  # what stands under a concept explains it
        if self.refused and not self.context.said:
            # "I cannot see images, but tell me about: - colors - lighting"
            self.judge.refuse(body, REFUSAL if self.judge.refusal(body) else AROUND)
            self.parents.append((indent, False))
            return
        taken = self.judge.take_labelled(body, self.context)
        self.parents.append((indent, taken))

    def row(self, line: str) -> None:
        """Take a table's row: the columns whose headings name a direction."""
        cells = [_EMPHASIS.sub("", cell).strip() for cell in line.strip().strip("|").split("|")]
        if not _has_letters(line):
            return
        if not self.columns:
            self.columns = [_heading(cell) for cell in cells]
            if not any(self.columns):
                self.judge.refuse(line, AROUND)
            return
        for cell, context in zip(cells, self.columns, strict=False):
            if context and cell:
                self.judge.take_all(_pieces(cell), context, strict=True)

    def loose_line(self, body: str) -> None:
        if self.bulleted or self.refused:
            self.judge.refuse(body, self.judge.prose(body) or AROUND)
        else:
            self.loose.append((body, _DEFAULT if not self.context.said else self.context))

    def end_paragraph(self) -> None:
        if self.paragraph:
            self.judge.take_paragraph(self.paragraph)
            self.paragraph, self.fresh = [], False

    def finish(self) -> None:
        self.end_paragraph()
        self.judge.take_paragraph(self.loose)


def _has_letters(text: str) -> bool:
    return any(map(str.isalpha, text))


def _unbracketed(text: str) -> str:
    text = text.strip()
    return text[1:-1] if text[:1] + text[-1:] in ("[]", "()", "{}") else text


def _pieces(text: str) -> list[str]:
    """Split a line at commas and the like, asides in brackets left out."""
    text = html.unescape(text[:_LINE])
    outside = _IN_BRACKETS.sub(" ", text)
    if not _has_letters(outside):
        outside = text.strip(" ()[]（）.")
    outside = re.split(r"[(（\[]", outside, maxsplit=1)[0]  # an aside that does not close
    return [piece for piece in _SEPARATOR.split(outside) if piece.strip()]


# --- one piece: is it a concept -------------------------------------------------------------------

_TRIMMED = " \t\n.,;:!…*_`'\"“”„‟‘’‚«»‹›「」『』《》〈〉【】()[]{}（）。、·•#|~-–—=>"
_QUOTES = " \"'”’»"
_LINKS = re.compile(
    r"https?:|www\.|\w@\w|\.(?:com|org|net|io|ai|html?|png|jpe?g|webp|py|json)\b", re.I
)
_CODE = re.compile(r"[<>{}\\|^~$=`@\[\]→]|\w\(|::|\w/\w+/|&\w+;")
_PLACED = re.compile(r"\W*(?:#?\d{1,3}|[a-z])?\W*$")
_SET = re.compile(
    r"\b(?:sets?|images?|groups?|pictures?|photos?|pairs?|models?|samples?)[ -]+"
    r"(?:[ab12]|one|two)\b"
    r"|\b(?:first|second|other|both|left|right|base|original|personali[sz]ed|fine-?tuned|these|two)"
    r" (?:sets?|images?|groups?|pictures?|photos?|ones?|models?|pairs?|samples?)\b"
    r"|\b[ab] (?:and|vs) [ab]\b"
)
_CHANGE = re.compile(r"\bfrom .{1,30} to\b|\s(?:more|less|fewer|increased|reduced|but)\b")
_IN_A_SET = re.compile(r"\b(?:[Ii]n|[Oo]f|[Ff]or|[Tt]o|[Ff]rom) [AB]$")
_CUT = re.compile(
    r"\s+(?:than|compared (?:to|with)|relative to|versus|vs\.?"
    r"|in (?:the )?(?:second|personali[sz]ed)"
    r" (?:set|images?|group)|in (?:set|images?|group) b)\b.*$",
    re.I,
)
_AND = re.compile(r"^([^\s/]+)(?:\s+(?:and|or|&|und|et|y|e)\s+|\s*/\s*)([^\s/]+)$", re.I)
_LEADING = re.compile(r"^(?:and|or|with|the|plus|also|but|und|et)\s+(?=\S)", re.I)
_HIGHER = {"higher": "high", "lower": "low"}


class _Judge:
    """Takes what is a concept and refuses the rest, with the reason."""

    def __init__(self, instruction: str) -> None:
        self.instruction = instruction
        self.phrases: dict[tuple[str, Direction], Phrase] = {}
        self.refused: list[Refused] = []
        self.seen = 0

    @property
    def full(self) -> bool:
        """Whether nothing further need be read."""
        return len(self.refused) >= MAX_REFUSED or self.seen >= MAX_PIECES

    def refuse(self, text: str, reason: str) -> None:
        if len(self.refused) < MAX_REFUSED and _shortened(text):
            self.refused.append(Refused(_shortened(text), reason))

    def said(self, answer: str) -> tuple[Phrase, ...]:
        """Return the phrases, all flagged where the reply as a whole is not English."""
        words = re.findall(r"[^\W\d_]+", answer[:2000].casefold())
        foreign = sum(word in _set("foreign words") for word in words)
        english = sum(word in ("the", "of", "is", "are", "with", "more", "less") for word in words)
        if foreign < 2 or english >= foreign:
            return tuple(self.phrases.values())
        return tuple(
            Phrase(phrase.text, phrase.direction, (NOT_ENGLISH,))
            for phrase in self.phrases.values()
        )

    # what is read

    def take(self, item: _Item) -> None:
        """Take an item of JSON."""
        if item.refused:
            self.refuse(item.text, item.refused)
        elif not self.full:
            self.take_labelled(item.text, item.context)

    def take_labelled(self, body: str, context: _Context) -> bool:
        """Take an item such as "Vivid: colors pop" or "Lighting: soft"; say if it is a concept."""
        if len(body) > _LINE:
            self.refuse(body, TOO_LONG)
            return False
        reason = self.prose(body)
        if not _has_letters(body):
            reason = PLACEHOLDER if "…" in body or "..." in body else NO_WORDS
        if reason:
            self.refuse(body, reason)
            return False
        for separator in (_COLON, _DASH):
            parts = separator.split(body, maxsplit=1)
            if len(parts) == 1:
                continue
            name, rest = parts
            sign = _value_sign(rest)
            label = _plain(name).strip(_TRIMMED)
            if sign and not _heading(name):
                context = _Context(context.of_second, sign, True, context.foreign)
                return self.take_all([name], context)
            if label in _set("remarks"):
                self.refuse(body, REMARK)
                return False
            if label in _set("categories") | _set("labels"):
                if not rest.strip():
                    return False
                return self.take_all(_pieces(_unbracketed(rest)), context) and False
            inner = _heading(name, context)
            if inner:
                return self.take_all(_pieces(_unbracketed(rest)), inner)
            return self.take_all(_pieces(name), context)
        return self.take_all(_pieces(_unbracketed(body)), context)

    def take_all(self, pieces: Iterable[str], context: _Context, strict: bool = False) -> bool:
        """Take the pieces of one line up to the first that is prose; none of them if `strict`."""
        judged: list[tuple[str, list[Phrase] | str]] = []
        for piece in pieces:
            if self.full:
                break
            name, *rest = _COLON.split(piece, maxsplit=1)
            if rest:  # "More: vivid. Less: flat."
                context = _heading(name) or context
                piece = rest[0] if _heading(name) else name
            judged.append((piece, self.judged(piece, context)))
            if _is_prose(judged[-1][1]):
                break
        if strict and judged and _is_prose(judged[-1][1]):
            judged = judged[-1:]
        return self._keep(judged)

    def take_paragraph(self, lines: Collection[tuple[str, _Context]]) -> None:
        """Take the pieces of a paragraph where no line of it is prose."""
        judged: list[tuple[str, list[Phrase] | str]] = []
        prose = []
        for body, context in lines:
            if self.full:
                break
            reason = self.prose(body)
            if reason or len(body) > _LINE:
                prose.append((body, reason or TOO_LONG))
                continue
            name, *rest = (_COLON if _COLON.search(body) else _DASH).split(body, maxsplit=1)
            if rest:
                label = _plain(name).strip(_TRIMMED)
                if label in _set("remarks"):
                    judged.append((body, REMARK))
                    continue
                body = rest[0] if label in _set("categories") | _set("labels") else name
            for piece in _pieces(_unbracketed(_DASH.split(body, maxsplit=1)[0])):
                result = self.judged(piece, context)
                judged.append((piece, result))
                if isinstance(result, str) and _is_prose(result):
                    prose.append((body, result))
                    break
        if self.full:
            self.refuse("…", UNREAD)
            return
        for body, reason in prose[:5]:
            self.refuse(body, reason)
        if any(reason != ECHO for _, reason in prose):
            return
        self._keep(judged)

    def _keep(self, judged: Iterable[tuple[str, list[Phrase] | str]]) -> bool:
        kept = False
        for piece, result in judged:
            if isinstance(result, str):
                self.refuse(piece, result)
                continue
            for phrase in result:
                key = (phrase.text, phrase.direction)
                if key not in self.phrases and len(self.phrases) >= MAX_PHRASES:
                    self.refuse(piece, TOO_MANY)
                    continue
                self.phrases.setdefault(key, phrase)
                kept = True
        return kept

    def look(self, body: str) -> None:
        """Note a line that is no item where it says something about the reply."""
        reason = self.prose(body)
        if reason:
            self.refuse(body, reason)

    # what is judged

    def refusal(self, text: str) -> bool:
        return _any_of("refusals").search(_plain(text)) is not None

    def prose(self, body: str) -> str | None:
        """Return why a whole line is none of the list, judged by what runs through it."""
        plain = _plain(body[:_LINE])
        if self.instruction and len(plain) >= 20 and plain.strip(_TRIMMED) in self.instruction:
            return ECHO
        if _any_of("refusals").search(plain):
            return REFUSAL
        if _ERROR_CLASS.search(body[:_LINE]) or _any_of("errors").search(plain):
            return ERROR
        return None

    def judged(self, piece: str, context: _Context) -> list[Phrase] | str:
        """Return the phrases in a piece, mostly one, or why there is none."""
        self.seen += 1
        if len(piece) > 8 * MAX_CHARACTERS:
            return TOO_LONG
        text = _normalized(piece)
        if not text:
            return PLACEHOLDER if "…" in piece or "..." in piece else NO_WORDS
        reason = self._refused_whole(piece, text)
        if reason:
            return reason
        text, sign, foreign = _direction(text)
        if foreign:
            context = _Context(context.of_second, context.more, context.said, True)
        reason = self._refused(text)
        if reason:
            return reason
        more = context.of_second * (sign or context.more)
        texts = [_capitals(_normalized(part)) for part in _split(text)]
        for part in texts:
            # what would be read otherwise if it were answered back is no plain phrase
            reason = self._refused_whole(part, part) or self._refused(part)
            if reason or not _plainly(part):
                return reason or MARKUP
        return [
            Phrase(part, "more" if more > 0 else "less", _flags(part, context)) for part in texts
        ]

    def _refused_whole(self, piece: str, text: str) -> str | None:
        """Judge a piece before its direction is taken off."""
        plain = _plain(text)
        if plain in known_phrases():
            return None
        if _LINKS.search(piece):
            return LINK
        if _CODE.search(piece):
            return PLACEHOLDER if _placeholder(plain.strip("<>[]{} ")) else MARKUP
        if "?" in text or "？" in text or piece.rstrip(_QUOTES).endswith(("?", "？")):
            return QUESTION
        if len(plain.split()) >= 3 and plain in self.instruction:
            return ECHO
        if _any_of("remarks").match(plain):
            return REMARK
        return self.prose(text)

    def _refused(self, text: str) -> str | None:
        plain = _plain(text)
        words = re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", plain)
        if not words or not _has_letters(text):
            return NO_WORDS
        if _spaced(text) in known_phrases():
            return None
        if plain in _set("nothing"):
            return NOTHING
        if _placeholder(plain):
            return PLACEHOLDER
        if len(words) == 1 and len(words[0]) == 1 and words[0].isascii():
            return NOTHING
        if _SET.search(plain) or _IN_A_SET.search(text) or _any_of("sets").search(plain):
            return ABOUT_SETS
        if plain in _set("labels"):
            return LABEL
        if any(word in _set("verbs") for word in words) or _CHANGE.search(plain):
            return SENTENCE
        if any(word in _set("verbs unless last") for word in words[:-1] or words):
            return SENTENCE
        if any(plain.endswith(end) for end in _set("endings in CJK sentences")):
            return SENTENCE
        if any(word in _set("meta") for word in words):
            return TASK
        length = len(text.split()) + len(_UNSPACED.findall(text)) // 2
        if length > MAX_WORDS or len(text) > MAX_CHARACTERS:
            return TOO_LONG
        return None


def _is_prose(result: list[Phrase] | str) -> bool:
    return isinstance(result, str) and result in _PROSE


def _placeholder(plain: str) -> bool:
    match = _any_of("placeholders").match(plain)
    return match is not None and _PLACED.match(plain, match.end()) is not None


def _normalized(piece: str) -> str:
    """Return a piece without what surrounds it, in NFC and printable."""
    text = unicodedata.normalize("NFC", html.unescape(piece))
    text = "".join(
        " " if character.isspace() else character
        for character in text
        if character.isspace() or unicodedata.category(character)[0] != "C"
    )
    text = re.sub(r"(?<=\w)_(?=\w)", " ", " ".join(text.replace("’", "'").split()))
    text = " ".join(re.sub('["“”„«»`*]', " ", text).split())
    start, end = 0, len(text)
    while start < end and not (text[start].isalnum() or text[start] in "<↑↓▲▼"):
        start += 1
    while end > start and (
        text[end - 1] in _TRIMMED or unicodedata.category(text[end - 1]) == "So"
    ):
        end -= 1
    text = text[start:end].strip()
    while match := _LEADING.match(text):
        text = text[match.end() :]
    return text


def _direction(text: str) -> tuple[str, int, bool]:
    """Take the words of direction and degree off a phrase: "much less vivid" is less of "vivid"."""
    text = _CUT.sub("", text)
    sign, foreign = 0, False
    for arrow, value in (("↑", 1), ("▲", 1), ("↓", -1), ("▼", -1)):
        if arrow in text:
            text, sign = text.replace(arrow, " ").strip(), value
    if text[:1] in "更" and len(text) > 1 and text not in _set("more"):
        text, sign = text.removeprefix("更").removeprefix("加"), 1
    words = text.split()
    while len(words) > 1 and _spaced(" ".join(words)) not in known_phrases():
        first = words[0].casefold().strip(",")
        several = next((n for n in (3, 2) if " ".join(words[:n]).casefold() in _set("degrees")), 0)
        if several and len(words) > several:
            words = words[several:]
        elif _sign(first):
            sign = sign or _sign(first)
            foreign = foreign or first in _set("foreign directions")
            words = words[1:]
        elif first in _HIGHER:
            words[0] = _HIGHER[first]
        elif first in _set("degrees") or (sign and first in _set("after directions")):
            words = words[1:]
        else:
            break
    if len(words) > 1 and words[-1].casefold() in ("increased", "reduced", "decreased"):
        sign = sign or (1 if words[-1].casefold() == "increased" else -1)
        words = words[:-1]
    if sign and len(words) == 1 and words[0].casefold() in _set("after directions"):
        words = []
    return " ".join(words), sign, foreign


def _plainly(text: str) -> bool:
    """Whether nothing is left to take off or apart."""
    separated = _COLON.search(text) or _DASH.search(text) or _pieces(text) != [text]
    return (
        not separated
        and _normalized(text) == _capitals(text) == _direction(text)[0] == text
        and _split(text) == [text]
    )


def _split(text: str) -> list[str]:
    """Split "vivid and grainy", but not "black and white"."""
    match = _AND.match(text)
    if not match or min(len(match[1]), len(match[2])) < 2:
        return [text]
    plain = re.sub(r"\s*[&/]\s*", " and ", _plain(text))
    both_colors = all(part.casefold() in _set("colors") for part in match.groups())
    if plain in _set("compounds") or plain in known_phrases() or both_colors:
        return [text]
    return [match[1], match[2]]


def _capitals(text: str) -> str:
    """Lower the capitals that an item's start or Title Case gives to ordinary words."""
    words = [
        word.lower()
        if len(word) > 3 and word.isupper() and word.casefold() in _ordinary()
        else word
        for word in text.split()
    ]
    titled = [index for index, word in enumerate(words) if _titled(word)]
    proper = [
        index
        for index in titled
        if words[index] in _set("proper words")
        or re.split(r"\W", words[index].casefold())[0] in _names()
        or _proper_in_vocabulary(words[index])
    ]
    strange = [
        index
        for index in titled
        if index not in proper
        and not all(part in _ordinary() for part in re.split(r"[\W]", words[index].casefold()))
    ]
    for index in titled:
        # beside another capital that is no ordinary word's, it may be part of a name
        if index in proper:
            continue
        if (index == 0 and len(titled) == 1) or (not strange and not proper):
            words[index] = words[index].lower()
    return " ".join(words)


def _titled(word: str) -> bool:
    letters = [character for character in word if character.isalpha()]
    if word[1:2] in ("-", "'"):  # B-movie, X-ray
        return False
    return len(letters) > 1 and letters[0].isupper() and not any(map(str.isupper, letters[1:]))


@cache
def _vocabulary_capitals() -> frozenset[str]:
    words = {word for concept in vocabulary("all") for word in concept.text.split()}
    return frozenset(word for word in words if word[0].isupper())


def _proper_in_vocabulary(word: str) -> bool:
    return word in _vocabulary_capitals()


def _flags(text: str, context: _Context) -> tuple[str, ...]:
    words = re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", text.casefold())
    strange = any(
        not character.isascii() and character.isalpha()
        for word in words
        if word not in _set("English words with accents")
        for character in word
    )
    function = len(words) > 1 and any(word in _set("foreign words") for word in words)
    return (NOT_ENGLISH,) if strange or function or context.foreign else ()
