"""Pictures of an automated study: made once for a taste, whoever shares it, and looked at once.

DIR/pictures/plain              the model as it is
DIR/pictures/METHOD-KEY         steered, or told, to one taste
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finexl.errors import UsageError
from finexl.generators import Generator, Job, Made, make_all
from finexl.images import Picture
from finexl.rowcache import RowCache
from finexl.viper.baselines.prompting import PromptPersonalized, spoken
from finexl.viper.over import Over
from finexl.viper.steering import DEGREE, Viper, pipeline_of
from finexl.viper.study.people import Subject
from finexl.viper.study.scorers import Scorer

PLAIN, VIPER, PROMPTED, REWRITTEN = "plain", "viper", "prompted", "rewritten"
METHODS: Mapping[str, str] = {
    PLAIN: "no personalization",
    VIPER: "ViPer",
    PROMPTED: "prompt personalization, words appended",
    REWRITTEN: "prompt personalization, rewritten",
}
AT_ONCE = 16
"""Pictures that are looked at together."""
Progress = Callable[[str, int, int], None]


@dataclass
class Rewritten(Over):
    """A model that is given each prompt as somebody rewrote it (C.3)."""

    base: Generator
    rewrites: Mapping[str, str]
    kind = "rewritten"

    @property
    def name(self) -> str:
        """The base's, and what is done with its prompts."""
        return f"{self.base.name} + rewritten"

    def about(self) -> dict[str, Any]:
        """Return the prompts."""
        return dict(self.rewrites)

    def make(self, jobs: Sequence[Job]) -> list[Made]:
        """Make one batch, in order. See `Generator.make`.

        Raises:
            UsageError: a prompt that nobody rewrote.
        """
        missing = next((one.prompt for one in jobs if one.prompt not in self.rewrites), None)
        if missing is not None:
            raise UsageError(f"The prompt {missing!r} was not rewritten for somebody.")
        return self.base.make([replace(job, prompt=self.rewrites[job.prompt]) for job in jobs])


@dataclass
class Gallery:
    """Makes and keeps the pictures of a study."""

    folder: Path
    base: Generator
    degree: float = DEGREE
    guidance: bool = True

    def model(self, method: str, subject: Subject | None) -> Generator:
        """Return what makes a method's pictures for somebody.

        Raises:
            UsageError: a base that cannot be steered, or no such method.
        """
        if method == PLAIN or subject is None:
            return self.base
        pipeline = pipeline_of(self.base)
        if method == VIPER:
            return Viper(pipeline, subject.told, self.degree, self.guidance, called=subject.name)
        words = [pipeline.settings.negative, spoken(subject.told.disliked)]
        told = pipeline.against(", ".join(text for text in words if text) or None)
        if method == PROMPTED:
            return PromptPersonalized(told, subject.told)
        if method == REWRITTEN:
            return Rewritten(told, subject.rewrites)
        raise UsageError(f"{method!r} is none of {', '.join(METHODS)}.")

    def pictures(self, method: str, subject: Subject | None, jobs: Sequence[Job]) -> list[Picture]:
        """Return a picture a job, making those that are not there yet.

        Raises:
            UsageError: as the model, or it makes blank pictures.
        """
        name = PLAIN if method == PLAIN or subject is None else f"{method}-{subject.key}"
        where = self.folder / "pictures"
        where.mkdir(parents=True, exist_ok=True)
        made = make_all(self.model(method, subject), jobs, where / name)
        if made.blanks:
            why = "; ".join(made.warnings)
            raise UsageError(f"A line-up needs all its pictures, and {name} lacks some: {why}")
        return list(made.pictures)


def rows_of(pictures: Sequence[Picture], scorer: Scorer) -> NDArray[np.float64]:
    """Return what a scorer sees of pictures, (n, d); each content is looked at once, ever."""
    cache = RowCache.default()
    digests = [one.digest() for one in pictures]
    known = cache.get(scorer.space, digests, scorer.dim)
    waiting = {digest: one for digest, one in zip(digests, pictures, strict=True)
               if digest not in known}  # fmt: skip
    names = list(waiting)
    for start in range(0, len(names), AT_ONCE):
        some = names[start : start + AT_ONCE]
        rows = scorer.look([waiting[digest].open() for digest in some])
        made = dict(zip(some, rows, strict=True))
        cache.put(scorer.space, made)
        known.update(made)
    return np.array([known[digest] for digest in digests], np.float64).reshape(-1, scorer.dim)
