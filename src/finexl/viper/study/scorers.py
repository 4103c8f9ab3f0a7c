"""What stands in for a person, or for a prompt, in an automated study (C.1).

proxy        M: what a person likes, from pictures of theirs and others, and VP± where asked for
similarity   how near a picture lies to the words of VP+, less to those of VP− (CLIP score)
preference   a model trained on people's choices, PickScore say, told the same words
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finexl.core.orthogonality import unit_rows
from finexl.embedding import space_of
from finexl.encoders import Encoder, image_rows, load_encoder, text_rows
from finexl.errors import UsageError
from finexl.viper.encoding import text_of
from finexl.viper.proxy.posterior import moderated
from finexl.viper.proxy.proxy import Proxy
from finexl.viper.proxy.reference import Reference, built_in
from finexl.viper.proxy.sight import Wanted, wanted_of
from finexl.viper.taste import Attributes, Taste

Array = NDArray[np.float64]
Rates = Callable[[Array], Array]
"""Rows of pictures (n, d) -> a number each, (n,), the higher the better."""


class Scorer(Protocol):
    """Rates pictures for a person, and for a prompt."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    @property
    def space(self) -> str:
        """All that its rows depend on beside the picture."""
        ...

    @property
    def dim(self) -> int:
        """d, the length of its rows."""
        ...

    @property
    def examples(self) -> bool:
        """Whether it looks at pictures of a person, not at words alone."""
        ...

    def look(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Return what it sees of pictures, (n, d)."""
        ...

    def likes(self, taste: Taste, liked: Array, disliked: Array) -> Rates:
        """Return a person's eyes.

        Args:
            taste: what they like and dislike, in words.
            liked: rows (n, d) of pictures of theirs; not every scorer looks at them.
            disliked: rows of others.
        """
        ...

    def follows(self, prompt: str) -> Rates | None:
        """Return how well pictures show a prompt; None from a scorer that knows none."""
        ...


@dataclass(frozen=True)
class _ByEncoder:
    encoder: Encoder
    examples: ClassVar[bool] = False

    @property
    def space(self) -> str:
        """See `Scorer.space`."""
        return space_of(self.encoder)

    @property
    def dim(self) -> int:
        """See `Scorer.dim`."""
        return self.encoder.dim

    def look(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """See `Scorer.look`."""
        return image_rows(self.encoder, images)


@dataclass(frozen=True)
class ByProxy(_ByEncoder):
    """M without training (`finexl.viper.proxy`): pictures of a person's taste, and its words."""

    examples: ClassVar[bool] = True
    words: bool = False
    """Whether it is told VP± as well; the paper's M sees pictures alone."""

    @property
    def name(self) -> str:
        """See `Scorer.name`."""
        return "M told VP±" if self.words else "M"

    def likes(self, taste: Taste, liked: Array, disliked: Array) -> Rates:
        """See `Scorer.likes`."""
        proxy = Proxy.fit(
            liked, disliked, self._wanted(taste), self.encoder, reference=self._reference
        )

        def rates(rows: Array) -> Array:
            # what `rate` says, without the intervals, which take most of its time
            means, variances = proxy.taste(proxy.sight.features(rows))
            chances: Array = 0.5 + proxy.weights @ (moderated(means, variances) - 0.5)
            return chances

        return rates

    def follows(self, prompt: str) -> Rates | None:
        """Return None: M is about a person."""
        del prompt
        return None

    def _wanted(self, taste: Taste) -> Wanted | None:
        if not self.words:
            return None
        if taste not in self._known:
            self._known[taste] = wanted_of(taste, self.encoder)
        return self._known[taste]

    @cached_property
    def _known(self) -> dict[Taste, Wanted | None]:
        return {}

    @cached_property
    def _reference(self) -> Reference:
        return built_in(self.encoder)


@dataclass(frozen=True)
class Similarity(_ByEncoder):
    """Cosines of pictures and words in an encoder's space: the CLIP score."""

    @property
    def name(self) -> str:
        """See `Scorer.name`."""
        return f"similarity ({self.encoder.name})"

    def likes(self, taste: Taste, liked: Array, disliked: Array) -> Rates:
        """See `Scorer.likes`: its words alone."""
        del liked, disliked
        direction = told_apart(taste, self._words)
        return lambda rows: unit_rows(rows) @ direction

    def follows(self, prompt: str) -> Rates:
        """See `Scorer.follows`."""
        direction = self._words(prompt)
        return lambda rows: unit_rows(rows) @ direction

    def _words(self, text: str) -> Array:
        if text not in self._known:
            rows = text_rows(self.encoder, [text]).astype(np.float64)
            self._known[text] = unit_rows(rows)[0]
        return self._known[text]

    @cached_property
    def _known(self) -> dict[str, Array]:
        return {}


def told_apart(taste: Taste, read: Callable[[str], Array]) -> Array:
    """Return what VP+ says less what VP− says, (d,), each read as one text; 0 for an empty side.

    Raises:
        UsageError: a taste without words.
    """
    if not taste.heard:
        raise UsageError("A taste without words cannot be compared with pictures.")
    sides = [text_of(_heard(side)) for side in (taste.liked, taste.disliked)]
    liked, disliked = (read(text) if text else np.float64(0) for text in sides)
    return np.asarray(liked - disliked)


def _heard(attributes: Attributes) -> list[str]:
    return [words for words, weight in sorted(attributes, key=lambda one: -one[1]) if weight]


def load_scorer(text: str, *, threads: int | None = None) -> Scorer:
    """Return a scorer by name.

    Args:
        text: `proxy`, `proxy+words` or `similarity`, with `:ENCODER` behind it for another than
            the embedded encoder; `preference:MODEL` for a model of CLIP's kind with a logit scale
            (yuvalkirstain/PickScore_v1, or a folder).
        threads: processor threads at most.

    Raises:
        UsageError: no such scorer or model.
        PrerequisiteError: the model is not on this machine, or an extra is missing.
    """
    kind, _, which = text.partition(":")
    if kind == "preference" and which:
        from finexl.viper.study.preference import load_preference

        return load_preference(which, threads=threads)
    if kind in ("proxy", "proxy+words"):
        return ByProxy(load_encoder(which or "embedded", threads=threads), kind != "proxy")
    if kind == "similarity":
        return Similarity(load_encoder(which or "embedded", threads=threads))
    raise UsageError(
        f"{text!r} is no scorer; give proxy, proxy+words, similarity (each with :ENCODER for "
        "another encoder) or preference:MODEL."
    )
