"""JSON in a reply, read tolerantly: any quotes, missing and trailing commas, a missing end."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from finexl.concepts.replies import reasons as why
from finexl.concepts.replies.headings import (
    DEFAULT,
    Context,
    heading,
    spelled_out,
    value_sign,
)
from finexl.concepts.replies.words import among

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
_FIRST = re.compile(r"\s*(?:```\s*\w*\s*)?(?:\{|\[\s*[\"'“{])")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")


@dataclass
class Item:
    """A string that may be a concept."""

    text: str
    context: Context
    refused: str | None = None


@dataclass
class _Frame:
    """An open list or object."""

    is_object: bool
    context: Context
    mute: bool = False
    key: str | None = None
    own: list[Item] = field(default_factory=list)
    """Its own concepts, which its "direction" key is about."""
    sign: int = 0
    named: bool = False
    """It is one concept, with a key for its name."""


def read_json(text: str) -> Found | None:
    """Return what the JSON of a reply holds; None where there is no such thing."""
    if '{\\"' in text and '{"' not in text:  # JSON in a string
        text = text.replace('\\"', '"').replace("\\n", "\n")
    reader = Found(text)
    position = 0
    while opening := _OPENING.search(text, position):
        position = reader.read(position, opening.start())
    known = reader.items or reader.keyed or reader.error or _FIRST.match(text)
    return reader if known else None


class Found:
    """What the JSON in a reply holds."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.items: list[Item] = []
        self.keyed = False  # some of its keys are those asked for
        self.error = False
        self.stack: list[_Frame] = []

    def read(self, previous: int, start: int) -> int:
        """Read one value, and return where it ends."""
        lead = self.text[max(previous, start - 200) : start].rstrip().rsplit("\n", 1)[-1]
        context = heading(lead.strip(" \t:=,\"'`*#->“”")) or DEFAULT
        stack = self.stack = []
        held: tuple[str, bool] | None = None  # a value or key, whether quoted
        for token in _TOKEN.finditer(self.text, start):
            kind = token.lastgroup or ""
            if kind == "bare":
                # cut off, it may be part of a word; after a string it is none of the JSON
                if held is None and token.end() < len(self.text):
                    held = (token[0].strip(), False)
                continue
            if kind == "colon" and held and stack[-1].is_object and stack[-1].key is None:
                stack[-1].key = held[0]
                self._note(held[0])
            else:
                self._close(held)
            held = None
            if kind == "open":
                stack.append(self._opened(token[0] == "{", context))
            elif kind == "close":
                self._end(stack.pop())
                if not stack:
                    return token.end()
            elif kind == "comma":
                stack[-1].key = None
            elif kind != "colon":
                name = kind.removesuffix("_end")
                held = (_unescaped(token[name]) if token[f"{name}_end"] else "", True)
        if not (stack[-1].is_object and stack[-1].key is None):  # a key without its value
            self._close(held)
        for frame in stack:
            for item in frame.own if frame.named else ():  # cut off before it was whole
                item.text = ""
        return len(self.text)

    def _opened(self, is_object: bool, context: Context) -> _Frame:
        if not self.stack:
            return _Frame(is_object, context)
        outer = self.stack[-1]
        key, outer.key = outer.key or "", None
        mute = outer.mute or _key(key) in among("silent keys") | among("error keys")
        return _Frame(is_object, heading(key, outer.context) or outer.context, mute)

    def _note(self, key: str) -> None:
        self.keyed = self.keyed or heading(key) is not None
        self.error = self.error or _key(key) in among("error keys")

    def _close(self, held: tuple[str, bool] | None) -> None:
        """Take a value that is complete."""
        if held is None or self.stack[-1].mute:
            return
        frame, (value, quoted) = self.stack[-1], held
        key, frame.key = frame.key, None
        if key is not None:
            self._pair(frame, key, value, quoted)
        elif quoted or not frame.is_object:  # also {"vivid", "grainy"}
            self._add(frame, value, frame.context)

    def _pair(self, frame: _Frame, key: str, value: str, quoted: bool) -> None:
        name, context, sign = _key(key), heading(key, frame.context), value_sign(value)
        if context:
            self._add(frame, value, context)
        elif name in among("direction keys"):
            frame.sign = sign
        elif name in among("silent keys") | among("error keys"):
            self.error = self.error or value.casefold() == "error"
        elif not name or name in among("item keys") | among("labels"):
            frame.named = True
            self._add(frame, value, frame.context)
        elif sign:  # {"vivid": "more"}
            self._add(frame, key, frame.context.turned(sign))
        elif name in among("categories"):
            self._add(frame, value, frame.context)
        elif not frame.context.said:
            self._add(frame, f"{key}: {value}", frame.context, why.UNKNOWN_KEY)
        elif quoted or value.casefold() not in ("false", "null", "none", "0"):
            self._add(frame, key, frame.context)  # {"more": {"vivid": "the colors pop"}}

    def _add(self, frame: _Frame, text: str, context: Context, refused: str | None = None) -> None:
        frame.own.append(Item(text, context, refused))
        self.items.append(frame.own[-1])

    def _end(self, frame: _Frame) -> None:
        for item in frame.own:
            item.context = item.context.turned(frame.sign)


def _key(key: str) -> str:
    return spelled_out(key[:100]).rstrip(" 0123456789.#")  # "concept 1"


def _unescaped(text: str) -> str:
    def character(escape: re.Match[str]) -> str:
        code = escape[1]
        return chr(int(code[1:], 16)) if len(code) == 5 else " " if code in "ntrbf" else code

    # two halves of one character come as two escapes
    halves = _ESCAPE.sub(character, text)
    return halves.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")
