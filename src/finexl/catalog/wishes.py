"""What somebody wishes of a model, in words: "vivid, not abstract, a bit grainy".

    wishes    = wish { ("," | ";" | " and " | " but ") wish }
    wish      = { sign | amount } concept [ "*" number ]
    sign      = "more" | "+" | "less" | "not" | "no" | "without" | "-"
    amount    = "a bit" | "slightly" | "somewhat" | … | "very" | "much" | "extremely" | …
    concept   = words

An amount says how much of it is enough, not how much it matters: of "a bit grainy" a little will
do. The number says how much a wish matters beside the others, 1 where there is none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from finexl.errors import FinexlError, UsageError
from finexl.vlm import VLM, Question

AMOUNTS = {
    0.3: ("a bit", "a little", "a touch of", "a hint of", "slightly", "somewhat", "mildly"),
    1.5: ("very", "much", "really", "strongly", "highly", "a lot of", "a lot", "lots of"),
    2.5: ("extremely", "very very", "as much as possible"),
}
"""The effect that is enough, by the words for it; 1 is what a typical concept's words move."""
PLAIN = 1.0
MORE = ("more", "+", "with", "rather", "quite")
LESS = ("less", "not too", "not so", "not", "no", "without", "non", "never", "-", "−")
MOST_WISHES = 50
LONGEST = 2_000
"""Characters of all wishes."""
LONGEST_CONCEPT = 200
MOST_WEIGHT = 100.0

_BETWEEN = re.compile(r"[,;\n]|\s(?:and|but|yet|plus)\s(?!white\b)", re.IGNORECASE)
_WEIGHT = re.compile(r"\s*[*×]\s*(\d+(?:\.\d+)?)\s*$")


@dataclass(frozen=True)
class Wish:
    """Something that there should be more of, or less."""

    concept: str
    direction: Literal[1, -1] = 1
    enough: float = PLAIN
    """The effect that suffices, > 0."""
    weight: float = 1.0
    """How much it matters beside the others, > 0."""

    @property
    def text(self) -> str:
        """The wish in the grammar's words."""
        amount = next((words[0] for effect, words in AMOUNTS.items() if effect == self.enough), "")
        sign = "" if self.direction > 0 else "less"
        weight = "" if self.weight == 1 else f"* {self.weight:g}"
        return " ".join(part for part in (sign, amount, self.concept, weight) if part)


def parse_wishes(text: str) -> tuple[Wish, ...]:
    """Read wishes; of two with one concept, the later counts.

    Raises:
        UsageError: no wish, one without a concept, or too many.
    """
    if len(text) > LONGEST:
        raise UsageError(f"The wishes are {len(text):,} characters long; give at most {LONGEST:,}.")
    parts = [part.strip() for part in _BETWEEN.split(text)]
    wishes = [_wish(part) for part in parts if part]
    if not wishes:
        raise UsageError("There is no wish; write for instance: vivid, not abstract, a bit grainy.")
    if len(wishes) > MOST_WISHES:
        raise UsageError(f"There are {len(wishes)} wishes; give at most {MOST_WISHES}.")
    return tuple({wish.concept.casefold(): wish for wish in wishes}.values())


def ask_wishes(text: str, model: VLM) -> tuple[Wish, ...]:
    """Have a language model read wishes that are written freely.

    Raises:
        FinexlError: it did not answer in the form that was asked for.
        UsageError: what it answered holds no wish.
    """
    prompt = _INSTRUCTION.format(text=json.dumps(text[:LONGEST], ensure_ascii=False))
    reply = model.ask(Question((prompt,), schema=_SCHEMA)).text
    try:
        listed = json.loads(reply[reply.index("{") : reply.rindex("}") + 1])["wishes"]
        return parse_wishes(", ".join(_written(item) for item in listed))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FinexlError(
            f"{model.name} did not answer with wishes; write them in the grammar instead: vivid, "
            "not abstract, a bit grainy."
        ) from error


def _wish(part: str) -> Wish:
    weight = 1.0
    found = _WEIGHT.search(part)
    if found is not None:
        weight, part = float(found[1]), part[: found.start()]
    direction: Literal[1, -1] = 1
    enough = PLAIN
    while True:
        left, amount = _amount(part)
        if amount is not None:
            enough, part = amount, left
        elif (left := _without(part, LESS)) != part:
            direction, part = (1 if direction < 0 else -1), left
        elif (left := _without(part, MORE)) != part:
            part = left
        else:
            break
    concept = " ".join(part.split())
    if not concept:
        raise UsageError("A wish has no concept; write for instance: less grainy.")
    if len(concept) > LONGEST_CONCEPT:
        raise UsageError(f"A wish is longer than {LONGEST_CONCEPT} characters: {concept[:40]}….")
    if not 0 < weight <= MOST_WEIGHT:
        raise UsageError(f"{concept} * {weight:g}: give a weight above 0, up to {MOST_WEIGHT:g}.")
    return Wish(concept, direction, enough, weight)


def _amount(part: str) -> tuple[str, float | None]:
    """Return the wish without its amount, and the effect that is enough; None: none was said."""
    each = [(words, effect) for effect, listed in AMOUNTS.items() for words in listed]
    for words, effect in sorted(each, key=lambda pair: -len(pair[0])):
        left = _without(part, (words,))
        if left != part:
            return left, effect
    return part, None


def _without(part: str, openings: Sequence[str]) -> str:
    """Return the wish without the first of these openings, if more than it is left."""
    for opening in openings:
        if not part.casefold().startswith(opening):
            continue
        left = part[len(opening) :]
        whole = opening[-1].isalnum() and left[:1].strip() != ""  # "notable" is no "not able"
        if left.strip() and not whole:
            return left.strip()
    return part


def _written(item: object) -> str:
    """Return one wish of a model's reply in the grammar's words."""
    if not isinstance(item, dict):
        raise TypeError(item)
    concept = str(item["concept"]).replace(",", " ").replace(";", " ")
    sign = "less" if item["want"] == "less" else "more"
    amount = {"a little": "a bit", "a lot": "very"}.get(str(item.get("amount", "")), "")
    return f"{sign} {amount} {concept}"


_INSTRUCTION = """Somebody is looking for an image model and says what it should do. Read what \
they want more of and less of in its images, as short visual concepts of one to three words. Add \
nothing that they do not say.
What they say, as a JSON string: {text}
Answer with JSON alone: {{"wishes": [{{"concept": "...", "want": "more" or "less", "amount": \
"a little", "normal" or "a lot"}}]}}"""
_SCHEMA = {
    "type": "object",
    "properties": {
        "wishes": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "concept": {"type": "string"},
                    "want": {"enum": ["more", "less"]},
                    "amount": {"enum": ["a little", "normal", "a lot"]},
                },
                "required": ["concept", "want", "amount"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["wishes"],
    "additionalProperties": False,
}
