"""What a vision-language model's reply names as concepts, and what of it is refused and why.

answer      the reply as a whole: thinking, chat marks, errors; `parse_reply`
json_text   JSON in it, whole, broken or cut off
lines       without JSON: headings, bullets, tables, a bare list
headings    which direction a heading or key speaks of
judge       lines and items taken apart, concepts kept
phrases     one piece: is it a phrase, and which
words       the lists behind it all, in `concepts/data`

Whatever is neither an item of JSON nor of a list is no concept, and each item must read like a
phrase: prose, refusals, error text, the instruction and what stands in its place never come
through. Every step is linear in the reply's length, without recursion, and nothing raises.
"""

from __future__ import annotations

from finexl.concepts.replies.answer import MAX_READ, Parsed, parse_reply
from finexl.concepts.replies.headings import Direction
from finexl.concepts.replies.judge import MAX_PHRASES, MAX_REFUSED, NOT_ENGLISH, Phrase, Refused
from finexl.concepts.replies.phrases import MAX_CHARACTERS, MAX_WORDS
from finexl.concepts.replies.words import known_phrases, listed

__all__ = [
    "MAX_CHARACTERS",
    "MAX_PHRASES",
    "MAX_READ",
    "MAX_REFUSED",
    "MAX_WORDS",
    "NOT_ENGLISH",
    "Direction",
    "Parsed",
    "Phrase",
    "Refused",
    "known_phrases",
    "listed",
    "parse_reply",
]
