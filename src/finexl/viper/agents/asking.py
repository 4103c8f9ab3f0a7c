"""Comments written by a model that looks at the picture, with the paper's task (A.2)."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

from numpy.random import Generator

from finexl.errors import NoReplyError
from finexl.images import Picture
from finexl.viper.agents.agent import View
from finexl.viper.agents.tastes import Likings
from finexl.viper.profile import MOST_CHARACTERS
from finexl.vlm import VLM, LimitReachedError, Question

TASK = """\
Task: Write a short and simple Comment on the provided artwork.
Comment Requirements:
1. Express an opinion ({opinion}) about the artwork.
2. Make the comment short, efficient, and reflective of the specified visual attributes liked or \
disliked.
3. The comment shouldn't specify the given artwork's features directly.
4. The comment shouldn't hallucinate about the artwork's features or the given preference.
5. The comment should be in first person POV.{slips}
Provided Information:
Liked visual attributes: {liked}
Disliked visual attributes: {disliked}
Instruction:
From the perspective of the provided personality and considering the liked and disliked visual \
attributes, write a brief comment on the given artwork. Your comment should succinctly express an \
opinion that reflects these preferences while giving insight into the individual's taste in art. \
Only use simple words and avoid poetic or complex structures. Reply with the comment alone."""
"""A.2, word for word but for its last sentence; the opinion is one of its five, not all of them."""
SLIPS = {
    "typos": "\n6. The comment may have typos.",
    "sarcasm": "\n6. The comment may be sarcastic.",
    "both": "\n6. The comment may be sarcastic and have typos.",
}
"""What the paper "randomly allows": a quarter of the comments each."""
MOST_TOKENS = 200
_QUOTED = re.compile(r"^[\"'“”‘’*]+|[\"'“”‘’*]+$")
_LABEL = re.compile(r"^\W*comment\W*:\W*", re.IGNORECASE)


def question_of(picture: Picture, likings: Likings, opinion: View, rng: Generator) -> Question:
    """Return what a model is asked: the picture, then the task.

    Raises:
        ImageError: the picture cannot be opened.
    """
    allowed = ["", *SLIPS.values()][int(rng.integers(1 + len(SLIPS)))]
    task = TASK.format(
        opinion=opinion,
        slips=allowed,
        liked=", ".join(likings.liked),
        disliked=", ".join(likings.disliked),
    )
    return Question((picture.open(), task), max_tokens=MOST_TOKENS)


def ask_all(
    vlm: VLM, asked: list[tuple[Picture, View]], likings: Likings, rng: Generator
) -> list[str | None]:
    """Return a comment on each picture; None where none came, also not at a second attempt.

    Raises:
        LimitReachedError: no more may be asked.
        ImageError: a picture cannot be opened.
        UsageError, PrerequisiteError: as the model.
    """
    questions = [question_of(picture, likings, opinion, rng) for picture, opinion in asked]
    with ThreadPoolExecutor(max(1, vlm.concurrency)) as pool:
        return list(pool.map(lambda one: _comment(vlm, one), questions))


def _comment(vlm: VLM, question: Question) -> str | None:
    for _ in range(2):
        try:
            found = cleaned(vlm.ask(question).text)
        except LimitReachedError:
            raise
        except NoReplyError:
            continue
        if found:
            return found
    return None


def cleaned(reply: str) -> str:
    """Return a comment without what models put around it; "" where nothing is left."""
    text = re.sub(r"\s+", " ", reply.encode("utf-8", "replace").decode()).strip()
    text = _LABEL.sub("", text)
    return _QUOTED.sub("", text).strip()[:MOST_CHARACTERS]
