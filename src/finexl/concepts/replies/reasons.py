"""Why something in a reply is no concept."""

from __future__ import annotations

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
TOO_MANY = "over 40 concepts in one reply"
UNREAD = "far longer than an answer: the rest is not read"

PROSE = {TOO_LONG, SENTENCE, QUESTION, REFUSAL, ERROR, ECHO, TASK, ABOUT_SETS, UNREAD}
"""Where one piece of a line or paragraph is such, the others are its clauses, not concepts."""
OF_THE_TASK = {ECHO, PLACEHOLDER, REMARK, LABEL, TASK, AROUND}
