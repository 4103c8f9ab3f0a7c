"""What a vision-language model is asked (§4.2, Figure 5, Appendix G), and the form of its answer.

Both directions are asked for, so that a model that only ever sees "more" is caught by the swap of
the two sets. Which prompt made the pictures is not said: a prompt is somebody's text, and none of
it has to reach the model for the question to be clear.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from PIL import Image

from finexl.vlm import Part, Question

_FORM = (
    'Answer with this JSON object and nothing else: {"more": ["...", "..."], "less": ["...", '
    '"..."]}, where "more" lists what set B has more of than set A, and "less" what it has less of.'
)

_SAME_WORDS = ", both made from the same words"
_UNPAIRED = (
    "The pictures of a pair were put together at random and show different things: compare the "
    "sets as wholes, never what single pictures show."
)

INSTRUCTIONS: Mapping[str, str] = MappingProxyType(
    {
        "original": (
            "These pictures are pairs: picture A of each comes from one image generator (set A), "
            "picture B from another (set B), both made from the same words. Summarize how the "
            "style of set B differs from that of set A, across all pairs. Use single-word "
            "adjectives or short phrases of at most three words, each about one visual aspect "
            "only. Leave out what the pictures depict, and what holds for a single pair only. "
            + _FORM
        ),
        "condensed": (
            "Pairs of pictures, A and B, from two image generators. In which visual aspects does "
            "B differ from A? Adjectives or phrases of at most three words, one aspect each. "
            + _FORM
        ),
        "elaborated": (
            "You are shown pairs of pictures, both made from the same words. Of each pair, "
            "picture A was made by one image generator (all A pictures are set A), picture B by "
            "another (set B). Your task is to find out, in words, what the second generator does "
            "differently. Go through aspects such as medium and technique, colours and palette, "
            "contrast and light, lines and edges, texture and surface, level of detail, sharpness "
            "and blur, composition and depth, mood, era and art movement. Name an aspect only "
            "where you can see it change from A to B in most of the pairs. Write each as one "
            "adjective or as a phrase of two or three words that names this one aspect and no "
            "other; do not join two aspects in one phrase, do not explain, do not mention what is "
            "depicted, and do not judge quality. " + _FORM
        ),
        "subject": (
            "These pictures are pairs: picture A of each comes from one image generator (set A), "
            "picture B from another (set B), both made from the same words. Summarize how what is "
            "depicted in set B (features of faces, hair, clothing, bodies, objects, their parts "
            "and surroundings) differs from set A, across all pairs. Use single-word adjectives "
            "or short phrases of at most three words, each about one feature only. Leave out "
            "artistic style, and what holds for a single pair only. " + _FORM
        ),
    }
)

_PHRASES = {"type": "array", "items": {"type": "string"}, "maxItems": 20}
SCHEMA: Mapping[str, Any] = MappingProxyType(
    {
        "type": "object",
        "properties": {"more": _PHRASES, "less": _PHRASES},
        "required": ["more", "less"],
        "additionalProperties": False,
    }
)


def instruction(template: str, paired: bool) -> str:
    """Return one of `INSTRUCTIONS`; unpaired, without the claim that pairs belong together."""
    words = INSTRUCTIONS[template]
    if paired:
        return words
    return f"{_UNPAIRED} {words.replace(_SAME_WORDS, '')}"


def question(
    template: str, pairs: Sequence[tuple[Image.Image, Image.Image]], paired: bool = True
) -> Question:
    """Return the question about these pairs of pictures (A, B), by one of `INSTRUCTIONS`.

    Args:
        template: which instruction.
        pairs: the pictures.
        paired: the pictures of a pair were made from the same; else put together at random.
    """
    parts: list[Part] = []
    for number, (a, b) in enumerate(pairs, start=1):
        parts += [f"Pair {number}, picture A:", a, f"Pair {number}, picture B:", b]
    return Question((*parts, instruction(template, paired)), SCHEMA)
