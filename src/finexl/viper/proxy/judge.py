"""M as the authors have it: IDEFICS2 with weights trained to tell what somebody will like (§3.3).

Theirs are a LoRA on IDEFICS2-8b (EPFL-VILAB/Metric-ViPer); `training` makes others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from finexl.devices import quietly, torch_threads
from finexl.errors import UsageError
from finexl.hub import Role
from finexl.viper.extraction.adapted import Adapted, load_adapted
from finexl.viper.proxy.question import ask, in_turn, leaning
from finexl.viper.proxy.rating import Rating
from finexl.vlm.pictures import scaled

AUTHORS = "EPFL-VILAB/Metric-ViPer"
ROLE = Role(
    "proxy",
    f"the authors' is {AUTHORS}",
    "leave --proxy out, which rates by examples and words without training",
    extra="diffusion",
)


@dataclass
class Judge(Adapted):
    """A vision-language model that is shown a person's examples; opened when first asked."""

    def rate(
        self,
        liked: Sequence[Image.Image],
        disliked: Sequence[Image.Image],
        pictures: Sequence[Image.Image],
    ) -> tuple[Rating, ...]:
        """Return a rating for each picture; such a model does not say how sure it is.

        Args:
            liked: examples, about eight; as many as there are disliked ones serve best.
            disliked: the same.
            pictures: those asked about.

        Raises:
            NoReplyError: not enough memory for so many examples.
            UsageError: no examples, or the files are no such model.
            PrerequisiteError: an extra is missing, or not enough memory for the model.
        """
        if not liked and not disliked:
            raise UsageError(f"{self.name} judges by examples; give liked and disliked pictures.")
        sides = ([scaled(image, self.side) for image in side] for side in (liked, disliked))
        examples = in_turn(*sides)
        model, processor = self.opened()
        import torch

        found = []
        with self._lock, quietly(self._libraries[0]), torch_threads(self.threads):
            for picture in pictures:
                try:
                    asked = ask(processor, examples, scaled(picture, self.side))
                    with torch.inference_mode():
                        chances = leaning(model, asked).softmax(0)
                except (RuntimeError, MemoryError) as error:
                    raise self._failed(error) from error
                found.append(Rating(float(chances[1])))
        return tuple(found)


def load_judge(reference: str, base: str | None = None, device: str | None = None) -> Judge:
    """Return the model of an adapter, a hub id or a folder; its weights are opened when asked.

    Args:
        reference: the adapter: safetensors, as peft writes them.
        base: the model that it was trained on; None for the one that it names.
        device: where to compute.

    Raises:
        UsageError: no adapter, a pickled one, one of another kind than LoRA, or no base.
        PrerequisiteError: it or its base is not here and cannot be fetched.
    """
    found = load_adapted(reference, base, device).vlm
    assert isinstance(found, Adapted)
    return Judge(found.name, found.files, device=device, adapter=found.adapter)
