"""Who ranks pictures: a scorer, or a person who writes down numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finexl.cache import key_of
from finexl.encoders import Encoder, image_rows, load_encoder
from finexl.errors import UsageError
from finexl.files import write_atomic
from finexl.viper.baselines.similarity import similarity_to
from finexl.viper.proxy.proxy import Proxy
from finexl.viper.proxy.showing import look_at
from finexl.viper.taste import Taste

FILE = "ranks.txt"
MOST_BYTES = 10_000


class Oracle(Protocol):
    """What is asked which pictures are best, and nothing else."""

    def record(self) -> Mapping[str, Any]:
        """Return what its answers depend on beside the pictures. JSON-like."""
        ...

    def rank(self, pictures: Sequence[Image.Image]) -> Sequence[int] | None:
        """Return indices of pictures, best first, all or some; None: the answer will come."""
        ...


@dataclass(frozen=True)
class Scorer:
    """Ranks by a number for each picture, more being better; of equal ones the first is first."""

    scores: Callable[[Sequence[Image.Image]], NDArray[np.floating]]
    about: Mapping[str, Any] = field(default_factory=dict)
    """What the scores depend on."""

    def record(self) -> Mapping[str, Any]:
        """See `Oracle.record`."""
        return self.about

    def rank(self, pictures: Sequence[Image.Image]) -> Sequence[int]:
        """See `Oracle.rank`."""
        found = np.asarray(self.scores(pictures), dtype=np.float64)
        if not np.isfinite(found).all():
            raise UsageError("Some pictures have scores that are no numbers; nothing ranks them.")
        order: list[int] = np.argsort(-found, kind="stable").tolist()
        return order


class Person:
    """Somebody who looks at a round's folder, and writes their answer into it."""

    def record(self) -> Mapping[str, Any]:
        """See `Oracle.record`."""
        return {"judge": "person"}

    def rank(self, pictures: Sequence[Image.Image]) -> None:
        """See `Oracle.rank`."""
        del pictures


def by_similarity(taste: Taste, encoder: str) -> Scorer:
    """Return an oracle that ranks by similarity to VP+ and VP−.

    Raises:
        UsageError: no such encoder, or a taste that says nothing.
        PrerequisiteError: the encoder is not on this machine.
    """
    similarity = similarity_to(taste, load_encoder(encoder))
    return Scorer(similarity.scores, {"judge": "similarity", **_about(similarity.encoder, taste)})


def by_proxy(
    taste: Taste | None, liked: Path | None, disliked: Path | None, encoder: str
) -> Scorer:
    """Return an oracle that ranks by the training-free proxy M.

    Args:
        taste: VP+ and VP−, if they are known.
        liked: a folder of pictures, or one.
        disliked: likewise.
        encoder: what looks.

    Raises:
        UsageError: no such encoder, or no picture that can be opened.
        PrerequisiteError: the encoder is not on this machine.
    """
    looks = load_encoder(encoder)
    sides = [
        [] if path is None else look_at([path], lambda image: image_rows(looks, [image])[0]).seen
        for path in (liked, disliked)
    ]
    good, bad = (np.array(side).reshape(len(side), looks.dim) for side in sides)
    proxy = Proxy.fit(good, bad, taste, looks)

    def scores(pictures: Sequence[Image.Image]) -> NDArray[np.floating]:
        return np.array([rating.probability for rating in proxy.rate(pictures)])

    digests = [key_of(*(row.tobytes().hex() for row in side)) for side in (good, bad)]
    return Scorer(scores, {"judge": "proxy", "examples": digests, **_about(looks, taste)})


def _about(encoder: Encoder, taste: Taste | None) -> dict[str, Any]:
    return {
        "encoder": [encoder.name, encoder.revision],
        "liked": [] if taste is None else [list(one) for one in taste.liked],
        "disliked": [] if taste is None else [list(one) for one in taste.disliked],
    }


def answer_in(folder: Path, n: int) -> list[int] | None:
    """Return the answer that a round's folder has: indices, best first; None if there is none.

    Args:
        folder: with ranks.txt, the pictures' numbers from 1 on, best first.
        n: how many pictures there are.

    Raises:
        UsageError: what is written is no ranking.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        text = path.read_bytes()[:MOST_BYTES].decode("utf-8").strip()
        found = [int(word) - 1 for word in re.split(r"[\s,;]+", text)] if text else []
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} holds no numbers; write {_how(n)}.") from error
    if len(set(found)) < len(found) or any(not 0 <= one < n for one in found):
        raise UsageError(f"{path} is no ranking of {n} pictures; write {_how(n)}.")
    return found or None


def write_answer(folder: Path, ranking: Sequence[int]) -> None:
    """Write an answer as a person would."""
    write_atomic(folder / FILE, " ".join(str(index + 1) for index in ranking) + "\n")


def _how(n: int) -> str:
    return f"their numbers from 1 to {n}, best first, all or only the best ones, each once"
