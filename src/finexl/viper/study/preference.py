"""Models of CLIP's kind that were trained on people's choices: PickScore, and others in its form.

Such a model says of a text and a picture exp(logit scale) · cos(text, picture).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finexl.embedding import space_of
from finexl.encoders import image_rows, load_encoder, text_rows
from finexl.encoders.transformers import TwoTowers
from finexl.errors import UsageError
from finexl.viper.study.scorers import Array, Rates, told_apart
from finexl.viper.taste import Taste


@dataclass(frozen=True)
class Preference:
    """A model that rates how well a picture answers a text, told a taste's words or a prompt."""

    model: TwoTowers
    examples: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """See `Scorer.name`."""
        return f"preference ({self.model.name})"

    @property
    def space(self) -> str:
        """See `Scorer.space`."""
        return space_of(self.model)

    @property
    def dim(self) -> int:
        """See `Scorer.dim`."""
        return self.model.dim

    def look(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """See `Scorer.look`."""
        return image_rows(self.model, images)

    def likes(self, taste: Taste, liked: Array, disliked: Array) -> Rates:
        """See `Scorer.likes`: the score for VP+ less the score for VP−."""
        del liked, disliked
        direction = self.scale * told_apart(taste, self._words)
        return lambda rows: np.asarray(rows @ direction)

    def follows(self, prompt: str) -> Rates:
        """See `Scorer.follows`."""
        direction = self.scale * self._words(prompt)
        return lambda rows: np.asarray(rows @ direction)

    @cached_property
    def scale(self) -> float:
        """What cosines are multiplied with.

        Raises:
            UsageError: the model has none, so that it is of another kind.
        """
        scale = self.model.logit_scale
        if scale is None:
            raise UsageError(
                f"{self.model.name} has no logit scale; give a model of CLIP's kind, "
                "yuvalkirstain/PickScore_v1 say."
            )
        return scale

    def _words(self, text: str) -> Array:
        if text not in self._known:
            self._known[text] = text_rows(self.model, [text])[0].astype(np.float64)
        return self._known[text]

    @cached_property
    def _known(self) -> dict[str, Array]:
        return {}


def load_preference(reference: str, *, threads: int | None = None) -> Preference:
    """Return the model of a hub id or a folder; it is opened when first asked.

    Raises:
        UsageError: it is no two-tower model of transformers.
        PrerequisiteError: it is not on this machine, or an extra is missing.
    """
    encoder = load_encoder(reference, threads=threads)
    if not isinstance(encoder, TwoTowers):
        raise UsageError(
            f"{reference} is no model that transformers opens; give one of PickScore's form, a hub "
            "id or a folder with config.json."
        )
    return Preference(encoder)
