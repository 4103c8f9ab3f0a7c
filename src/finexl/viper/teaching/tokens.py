"""A lesson as a model reads it: which of the tokens are the answer's, and the loss of them alone.

The question's tokens are those that the model is asked with later, and the answer begins where its
own would. Its last token is the one by which the model ends a turn: it has to learn to stop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from finexl.errors import UsageError
from finexl.viper.extraction.adapted import Adapted
from finexl.viper.teaching.lessons import Lesson


@dataclass(frozen=True)
class Told:
    """A question with its answer behind it."""

    inputs: Any
    """The processor's, a batch of one."""
    first: int
    """The answer's first token, of those in `inputs`."""
    end: int
    """Behind its last."""

    @property
    def count(self) -> int:
        """How many tokens the answer has."""
        return self.end - self.first


def told(vlm: Adapted, lesson: Lesson) -> Told:
    """Return a lesson as a model reads it.

    Raises:
        UsageError: the model's template does not put the answer where the model would.
        PrerequisiteError: an extra is missing, or the model cannot be opened.
    """
    asked = vlm.prepared(lesson.question)["input_ids"][0].tolist()
    model, processor = vlm.opened()
    ends = _ends(model, processor)
    for answer in (lesson.answer, f"{lesson.answer}{processor.tokenizer.eos_token}"):
        inputs = vlm.prepared(lesson.question, answer)
        whole = inputs["input_ids"][0].tolist()
        if whole[: len(asked)] != asked or len(whole) == len(asked):
            raise UsageError(
                f"{vlm.name} cannot be taught: its chat template does not put an answer where the "
                "model would begin it."
            )
        for place in range(len(asked), len(whole)):
            if whole[place] in ends:
                return Told(inputs, len(asked), place + 1)
    raise UsageError(f"{vlm.name} cannot be taught: it has no token by which an answer ends.")


def answer_loss(model: Any, one: Told) -> Any:
    """Return the mean cross-entropy of the answer's tokens, a scalar of torch's."""
    import torch

    inputs = one.inputs.to(model.device, model.dtype)
    logits = model(**inputs).logits[0, one.first - 1 : one.end - 1].float()
    answer = inputs["input_ids"][0, one.first : one.end]
    return torch.nn.functional.cross_entropy(logits, answer)


def _ends(model: Any, processor: Any) -> frozenset[int]:
    """Return the tokens at which the model stops to write."""
    given = getattr(model.generation_config, "eos_token_id", None)
    stops = given if isinstance(given, list) else [given]
    return frozenset(one for one in (*stops, processor.tokenizer.eos_token_id) if one is not None)
