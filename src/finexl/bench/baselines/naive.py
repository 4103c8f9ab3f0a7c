"""The naive method of §5: a model is shown pairs and asked for aspects with scores."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from finexl.bench.baselines.asking import ask, model_of, pairs_shown, some_pairs
from finexl.bench.baselines.wording import NOTHING, distinct
from finexl.bench.baselines.zeroshot import cosines, unit_texts
from finexl.bench.methods import Case, Told
from finexl.concepts.vocabulary import MAX_LENGTH
from finexl.vlm import VLM, Question

PAIRS = 8
"""Pairs shown in the one question."""
ASPECTS = 10
LARGEST = 4.0
"""Offline: a change of so many standard deviations of the pictures' own cosines is a 10. Operators
at full strength change the word they change most by 1 to 4.5, so that the scale is used and seldom
used up."""
_INSTRUCTION = (
    "Picture A of each pair comes from one image generator, picture B from another that was "
    "personalized. Summarize the difference of B from A, across all pairs, into at most "
    f"{ASPECTS} aspects, each a single-word adjective or a short phrase, with the direction of "
    'the change from A to B ("more" or "less") and a score from 1 (barely) to 10 (extremely) for '
    'how strong it is. Answer with this JSON object and nothing else: {"aspects": [{"aspect": '
    '"...", "direction": "more", "score": 5}, ...]}'
)
_ASPECT = {
    "type": "object",
    "properties": {
        "aspect": {"type": "string"},
        "direction": {"type": "string", "enum": ["more", "less"]},
        "score": {"type": "number"},
    },
    "required": ["aspect", "direction", "score"],
    "additionalProperties": False,
}
SCHEMA: Mapping[str, Any] = MappingProxyType(
    {
        "type": "object",
        "properties": {"aspects": {"type": "array", "items": _ASPECT, "maxItems": ASPECTS}},
        "required": ["aspects"],
        "additionalProperties": False,
    }
)
_FENCED = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n\s*```\s*\Z", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class Naive:
    """Whoever looks says what changed and how much, from 1 to 10, in one go.

    Without a model the word list stands in for one, and only what CLIP is used for without any
    training: each word is its own text's embedding (not Eq. 6's difference), its change the mean
    change of its cosine with the pictures. That is divided by the standard deviation of cosines
    among pictures of one model (pooled over words and both models, so Cohen's d with one unit for
    all words), laid over 1 to 10 and rounded, as a model's scores are whole numbers.
    """

    vlm: str | None = None
    """The name of the model that the cases bring; None: the word list stands in."""

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"Naive ({self.vlm or 'vocabulary'})"

    def tell(self, case: Case) -> Told:
        """Explain one personalized model. See `Method.tell`.

        Raises:
            NoReplyError: the model refuses, or answers in another form twice.
        """
        vlm = model_of(case, self.vlm)
        scores = _by_words(case) if vlm is None else _by_looking(case, vlm)
        said = (f"{'more' if s > 0 else 'less'} {a}: {abs(s):g}/10" for a, s in scores.items())
        return Told("; ".join(said) or NOTHING, scores)


def _by_looking(case: Case, vlm: VLM) -> dict[str, float]:
    parts = (*pairs_shown(case, some_pairs(case, PAIRS)), _INSTRUCTION)
    return ask(vlm, Question(parts, SCHEMA, max_tokens=1024), read_aspects)


def read_aspects(text: str) -> dict[str, float]:
    """Return each aspect of a reply with its score, negative where there is less of it.

    The reply is the JSON object that was asked for, in a code fence at most; one entry that is
    anything else spoils it all. Of an aspect that comes twice the first entry counts.

    Raises:
        ValueError: what is wrong.
    """
    fenced = _FENCED.match(text)
    try:
        found = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        raise ValueError("it is no JSON object") from None
    entries = found.get("aspects") if isinstance(found, dict) else None
    if not isinstance(entries, list):
        raise ValueError('there is no list "aspects" in it')
    scores: dict[str, tuple[str, float]] = {}
    for number, entry in enumerate(entries, start=1):
        aspect, score = _entry(entry, number)
        scores.setdefault(aspect.casefold(), (aspect, score))
    return dict(list(scores.values())[:ASPECTS])


def _entry(entry: Any, number: int) -> tuple[str, float]:
    if not isinstance(entry, dict) or {*entry} != {"aspect", "direction", "score"}:
        raise ValueError(f'entry {number} has not just "aspect", "direction" and "score"')
    aspect, direction, score = entry["aspect"], entry["direction"], entry["score"]
    aspect = " ".join(aspect.split()) if isinstance(aspect, str) else ""
    if not aspect or len(aspect) > MAX_LENGTH or not aspect.isprintable():
        raise ValueError(f"the aspect of entry {number} is no short phrase")
    if direction not in ("more", "less"):
        raise ValueError(f'the direction of entry {number} is not "more" or "less"')
    if isinstance(score, bool) or not isinstance(score, (int, float)) or not 1 <= score <= 10:
        raise ValueError(f"the score of entry {number} is no number from 1 to 10")
    return aspect, float(score) if direction == "more" else -float(score)


def _by_words(case: Case) -> dict[str, float]:
    words = distinct(case.words)
    texts = unit_texts(case.measure.encoder, words)
    before, after = cosines(case.before, texts), cosines(case.after, texts)
    if not words or not case.n:
        return {}
    change = (after - before).mean(axis=0)
    spread = float(np.sqrt((before.var(axis=0) + after.var(axis=0)).mean() / 2))
    order = np.argsort(-np.abs(change), kind="stable")[:ASPECTS]
    return {words[i]: _score(float(change[i]), spread) for i in order if change[i]}


def _score(change: float, spread: float) -> float:
    """Return a change on the scale that a model is asked for, with the change's own sign."""
    part = min(abs(change) / (LARGEST * spread), 1.0) if spread else 1.0
    return math.copysign(round(1 + 9 * part), change)
