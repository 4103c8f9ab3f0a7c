"""How a vision-language model is asked what somebody will like: by examples, in turns (§3.3).

The form is that of the authors' published code: every example is a turn "Score for this image?"
with the answer "+" or "-", and the picture asked about comes last. The probability is that of "+"
against "-" where the two possible answers part: the model's own template and tokens say where.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from finexl.errors import UsageError

WORDS = "Score for this image?"
LIKED, DISLIKED = "+", "-"

Example = tuple[Image.Image, bool]
"""A picture, and whether it is liked: they are never apart."""


@dataclass(frozen=True)
class Asked:
    """A question as a model reads it, up to where its answer begins."""

    inputs: Any
    """The processor's, of one question."""
    answers: tuple[int, int]
    """The tokens by which "-" and "+" begin."""


def in_turn(liked: Sequence[Image.Image], disliked: Sequence[Image.Image]) -> list[Example]:
    """Return examples as the published code shows them: one disliked, one liked, and so on."""
    pairs = zip(disliked, liked, strict=False)
    found: list[Example] = [one for no, yes in pairs for one in ((no, False), (yes, True))]
    shorter = min(len(liked), len(disliked))
    rest: list[Example] = [(one, True) for one in liked[shorter:]]
    return [*rest, *((one, False) for one in disliked[shorter:]), *found]


def ask(processor: Any, examples: Sequence[Example], picture: Image.Image) -> Asked:
    """Return the question what somebody with these examples thinks of a picture.

    Raises:
        UsageError: the model's template leaves no place for an answer.
    """
    shown = [[*examples, (picture, liked)] for liked in (False, True)]
    texts = [
        processor.apply_chat_template(
            [turn for _, liked in some for turn in _turns(liked)], tokenize=False
        )
        for some in shown
    ]
    no, yes = (processor.tokenizer(text)["input_ids"] for text in texts)
    apart = next((n for n, pair in enumerate(zip(no, yes, strict=False)) if len(set(pair)) == 2), 0)
    if not apart:
        raise UsageError("The model's chat template does not show what was answered.")
    images = [image for image, _ in shown[1]]
    inputs = processor(text=[texts[1]], images=[images], return_tensors="pt")
    # a picture is one token in the text and several for the model: places count from the end
    length = inputs["input_ids"].shape[1]
    kept = length - (len(yes) - apart)
    for name, values in inputs.items():
        if values.ndim == 2 and values.shape[1] == length:
            inputs[name] = values[:, :kept]
    return Asked(inputs, (no[apart], yes[apart]))


def leaning(model: Any, asked: Asked) -> Any:
    """Return torch's scores (2,) of "-" and "+": their softmax are the probabilities."""
    found = model(**asked.inputs.to(model.device, model.dtype)).logits
    return found[0, -1, list(asked.answers)].float()


def _turns(liked: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    shown = [{"type": "image"}, {"type": "text", "text": WORDS}]
    answer = [{"type": "text", "text": LIKED if liked else DISLIKED}]
    return {"role": "user", "content": shown}, {"role": "assistant", "content": answer}
