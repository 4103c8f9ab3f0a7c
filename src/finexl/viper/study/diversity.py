"""How alike a model's pictures of one prompt become with β and with guidance (C.6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finexl.core.orthogonality import unit_rows
from finexl.errors import FinexlError, UsageError
from finexl.generators import Job, Settings, load_generator
from finexl.viper.steering import Viper, pipeline_of
from finexl.viper.study.people import Subject
from finexl.viper.study.scorers import Scorer

Array = NDArray[np.float64]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Diversity:
    """What one degree and one guidance scale leave of the differences between pictures."""

    degree: float
    guidance: float
    value: float
    """Mean 1 − cosine between pictures of one prompt and taste, from different noise; in [0, 2]."""
    liked: float
    """The scorer's mean number for them, told the taste's words."""
    tastes: int
    pictures: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "study": "diversity",
            "degree": self.degree,
            "guidance": self.guidance,
            "diversity": self.value,
            "liked": self.liked,
            "tastes": self.tastes,
            "pictures": self.pictures,
        }


def spread(rows: Array) -> float:
    """Return the mean 1 − cosine of all pairs of rows (n, d), n at least 2."""
    unit = unit_rows(rows)
    n = len(unit)
    # the pairs' cosines are what is left of |sum|² without the n squares
    total = float(np.square(unit.sum(axis=0)).sum())
    return 1 - (total - n) / (n * (n - 1))


def diversity(
    model: str,
    settings: Settings,
    people: Sequence[Subject],
    prompts: Sequence[str],
    scorer: Scorer,
    *,
    degrees: Sequence[float],
    guidances: Sequence[float],
    count: int = 8,
    progress: Progress = lambda *_: None,
) -> list[Diversity]:
    """Make each prompt's pictures from so many seeds, at each β and guidance scale.

    Raises:
        UsageError: nobody, no prompt, fewer than two pictures, or a model that cannot be steered.
        FinexlError: it makes blank pictures.
    """
    if not people or not prompts or count < 2:
        raise UsageError("Diversity needs somebody, a prompt, and two pictures of it at least.")
    found: list[Diversity] = []
    total = len(degrees) * len(guidances)
    for guidance in guidances:
        base = pipeline_of(load_generator(model, replace(settings, guidance=guidance)))
        for degree in degrees:
            progress("Making pictures", len(found), total)
            spreads, liked = [], []
            for one in people:
                steered = Viper(base, one.told, degree, called=one.name)
                rates = scorer.likes(one.taste, np.zeros((0, 0)), np.zeros((0, 0)))
                for prompt in prompts:
                    images = [made.image for made in steered.make(
                        [Job(prompt, seed) for seed in range(count)]
                    ) if made.image is not None and made.blank is None]  # fmt: skip
                    if len(images) < count:
                        raise FinexlError(f"{steered.name} made pictures that cannot be used.")
                    rows = scorer.look(images).astype(np.float64)
                    spreads.append(spread(rows))
                    liked.append(float(rates(rows).mean()))
            found.append(
                Diversity(
                    degree, guidance, float(np.mean(spreads)), float(np.mean(liked)),
                    len(people), len(spreads) * count,
                )
            )  # fmt: skip
    progress("Making pictures", total, total)
    return found
