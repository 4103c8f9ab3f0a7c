"""What a vision-language model is asked about comments (ViPer A.2), and how its answer is read.

`TASK` is the paper's own. It ends in one of two forms: `JSON`, in which every preference comes with
the words that it was found in, and `LISTS`, the two lists of keywords that the authors' weights
write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from finexl.viper.extraction.words import phrase
from finexl.viper.profile import Opinion

TASK = (
    "I will provide a set of artworks along with accompanying comments from a person. Analyze "
    "these artworks and the comments on them and identify artistic features such as present or "
    "mentioned colors, style, composition, mood, medium, texture, brushwork, lighting, shadow "
    "effects, perspective, and other noteworthy elements.\n\n"
    "Your task is to extract the artistic features the person likes and dislikes based on both "
    "the artworks' features and the person's comments. Focus solely on artistic aspects and "
    "refrain from considering subject matter.\n\n"
    "If the person expresses a preference for a specific aspect without clearly stating its "
    "category (e.g., appreciating the colors without specifying which colors), identify these "
    "specific features from the images directly to make the person's preference understandable "
    "without needing to see the artwork.\n\n"
)
_BEGIN = "Here are the images and their corresponding comments:\n"
MOST_CHARACTERS = 60
MOST_WORDS = 6
"""Of a keyword."""
MOST_KEYWORDS = 200
"""In one answer."""


@dataclass(frozen=True)
class Item:
    """A preference as a model names it."""

    attribute: str
    opinion: Opinion
    comment: int | None
    """The number of the comment, as asked; None where the form has none."""
    words: str
    """What the model says that it was found in; empty where the form has none."""


class FormError(ValueError):
    """An answer that is not in the form; the message says what is wrong with it."""


@dataclass(frozen=True)
class Form:
    """How an answer is to be written."""

    name: Literal["json", "lists"]
    ending: str
    schema: Mapping[str, Any] | None
    max_tokens: int

    @property
    def instruction(self) -> str:
        """The whole task."""
        return TASK + self.ending + _BEGIN

    def read(self, text: str) -> list[Item]:
        """Return the preferences in an answer.

        Raises:
            FormError: it is not in the form.
        """
        items = _read_json(text) if self.name == "json" else _read_lists(text)
        return items[:MOST_KEYWORDS]


_ENTRY = {
    "type": "object",
    "properties": {
        "attribute": {"type": "string"},
        "comment": {"type": "integer"},
        "words": {"type": "string"},
    },
    "required": ["attribute", "comment", "words"],
    "additionalProperties": False,
}
JSON = Form(
    "json",
    'Answer with this JSON object and nothing else: {"liked": [{"attribute": "...", '
    '"comment": 1, "words": "..."}], "disliked": [...]}, where "attribute" is one feature as '
    'a keyword of at most four words, "comment" the number of the comment that it was found '
    'in, and "words" the words of that comment, copied exactly. A feature that is liked in '
    "one comment and disliked in another is in both lists.\n\n",
    MappingProxyType(
        {
            "type": "object",
            "properties": {
                opinion: {"type": "array", "items": _ENTRY} for opinion in ("liked", "disliked")
            },
            "required": ["liked", "disliked"],
            "additionalProperties": False,
        }
    ),
    2000,
)
LISTS = Form(
    "lists",
    "Your output should consist of two concise lists of keywords: one listing the specific "
    "art features the person likes and another listing the specific features they dislike "
    "(specified in keyword format without using sentences).\n\n",
    None,
    2000,
)
NOTHING = "none"
_HEADINGS = re.compile(
    r"(?P<no>dis)?liked?s?(?:\s+(?:art(?:istic)?\s+)?(?:features|attributes))?\s*:", re.IGNORECASE
)


def written(liked: Sequence[str], disliked: Sequence[str]) -> str:
    """Return preferences as `LISTS` has them, in the words of the authors' weights."""
    sides = (("Liked", liked), ("Disliked", disliked))
    return "\n".join(f"{name} Art Features: {', '.join(side) or NOTHING}" for name, side in sides)


def _read_json(text: str) -> list[Item]:
    start, end = text.find("{"), text.rfind("}")
    try:
        found = json.loads(text[start : end + 1] if 0 <= start < end else text)
    except (ValueError, RecursionError) as error:
        raise FormError("it holds no JSON object that can be read") from error
    if not isinstance(found, dict) or set(found) != {"liked", "disliked"}:
        raise FormError('the object has to have "liked" and "disliked", and no other key')
    opinions: tuple[Opinion, ...] = ("liked", "disliked")
    return [_item(entry, opinion) for opinion in opinions for entry in _list(found, opinion)]


def _list(found: Mapping[str, Any], opinion: str) -> Sequence[Any]:
    entries = found[opinion]
    if not isinstance(entries, list):
        raise FormError(f'"{opinion}" has to be a list')
    return entries


def _item(entry: object, opinion: Opinion) -> Item:
    if not isinstance(entry, dict) or set(entry) != {"attribute", "comment", "words"}:
        raise FormError('each entry has to have "attribute", "comment" and "words", and no more')
    attribute, comment, words = entry["attribute"], entry["comment"], entry["words"]
    if not isinstance(attribute, str) or not isinstance(words, str):
        raise FormError('"attribute" and "words" have to be texts')
    if not isinstance(comment, int) or isinstance(comment, bool):
        raise FormError('"comment" has to be the number of a comment')
    return Item(" ".join(attribute.split()), opinion, comment, words)


def _read_lists(text: str) -> list[Item]:
    headings = list(_HEADINGS.finditer(text))
    if not headings:
        raise FormError("it has no list of what is liked and none of what is disliked")
    found = []
    for number, heading in enumerate(headings):
        end = headings[number + 1].start() if number + 1 < len(headings) else len(text)
        opinion: Opinion = "disliked" if heading["no"] else "liked"
        for part in re.split(r"[,;\n]", text[heading.end() : end]):
            keyword = " ".join(part.strip(" .*-•\t").split())
            if keyword and keyword.casefold() not in (NOTHING, "n/a", "nothing"):
                found.append(Item(keyword, opinion, None, ""))
    return found


def is_keyword(text: str) -> bool:
    """Whether a text can be an attribute: a few words, none of them a control character."""
    return (
        0 < len(text) <= MOST_CHARACTERS
        and text.isprintable()
        and any(character.isalnum() for character in text)
        and len(phrase(text)) <= MOST_WORDS
    )
