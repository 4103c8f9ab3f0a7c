"""The reply as a whole: the answer found in it, read, and summed up."""

from __future__ import annotations

import re
from dataclasses import dataclass

from finexl.concepts.replies import reasons as why
from finexl.concepts.replies.json_text import read_json
from finexl.concepts.replies.judge import Judge, Phrase, Refused
from finexl.concepts.replies.lines import read_lines
from finexl.concepts.replies.words import visible

MAX_READ = 30_000
"""Characters of a reply that are read, its thinking aside; answers have a few hundred."""

_THINKS = r"think|thinking|thought|reasoning|reflection"
_THOUGHT = re.compile(rf"<(?:{_THINKS})>|◁think▷", re.I)
_THOUGHT_ENDS = re.compile(rf"</(?:{_THINKS})>|◁/think▷|<\|channel\|>final<\|message\|>", re.I)
_SPECIAL = re.compile(r"<\|[^|<>\n]{1,40}\|>|</?s>|\[/?INST\]|<(?:start|end)_of_\w{1,20}>|<eos>")
_SPEAKER = re.compile(r"^[ \t]*(?:assistant|model|ai)[ \t]*(?::|$)", re.I | re.M)
_PAGE = re.compile(r"<(?:!doctype|html|head|body|\?xml)\b", re.I)
_INLINE = {"b", "i", "u", "em", "strong", "code", "span", "mark"}
_TAG = re.compile(
    rf"<(/?)({'|'.join(_INLINE)}|li|more|less|ul|ol|br|p|div|h[1-6]|pre)\b[^<>]{{0,200}}>", re.I
)
_EMPTY = "an empty list"


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
    spoken = _THOUGHT.split(_THOUGHT_ENDS.split(text)[-1], maxsplit=1)[0]
    answer = _readable(spoken[:MAX_READ], instruction)
    judge = Judge(instruction)
    if not any(map(str.isalnum, answer)):
        if len(spoken) < len(text):
            return Parsed((), (), "only thinking, no answer")
        if instruction.strip() and any(map(str.isalnum, text[:MAX_READ])):
            return Parsed((), (), why.ECHO)
        return Parsed((), (), "empty" if not answer or answer.strip("[]{} \n") else _EMPTY)
    if _PAGE.search(answer[:500]):
        judge.refuse(answer, why.ERROR)
        return Parsed((), tuple(judge.refused), "an error page")
    found = read_json(answer)
    if found is None:
        read_lines(answer, judge)
        remark = "free prose, no list"
    else:
        for item in found.items:
            if item.refused:
                judge.refuse(item.text, item.refused)
            elif not judge.full:
                judge.take(item.text, item.context)
        if found.error:
            judge.refuse(answer, why.ERROR)
        remark = "nothing usable in it" if judge.refused else "JSON without a list"
        remark = _EMPTY if found.keyed and not judge.refused else remark
    if len(spoken) > MAX_READ:
        judge.refuse("…", why.UNREAD)
    if judge.phrases:
        return Parsed(tuple(judge.phrases.values()), tuple(judge.refused))
    reasons = {refused.reason for refused in judge.refused}
    if why.REFUSAL in reasons:
        remark = "the model refused"
    elif why.ERROR in reasons:
        remark = "error text"
    elif reasons and reasons <= {why.NOTHING, why.LABEL}:
        remark = _EMPTY
    elif reasons & {why.ECHO, why.PLACEHOLDER} and reasons <= why.OF_THE_TASK:
        remark = why.ECHO
    return Parsed((), tuple(judge.refused), remark)


def _readable(spoken: str, instruction: str) -> str:
    """Return an answer without chat marks, tags and an echo of the instruction."""
    answer = _SPECIAL.sub("\n", "\n".join(map(visible, spoken.splitlines())))
    if instruction.strip():
        answer = answer.replace("\n".join(instruction.strip().splitlines()), "\n")
    return _SPEAKER.sub("", _TAG.sub(_untagged, answer)).strip()


def _untagged(tag: re.Match[str]) -> str:
    name = tag[2].lower()
    if not tag[1] and name in ("li", "more", "less"):
        return "\n- " if name == "li" else f"\n{name}:\n"
    return "" if name in _INLINE else "\n"
