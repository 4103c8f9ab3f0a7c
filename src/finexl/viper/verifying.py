"""Did steering do what it should? The steered model, explained against the plain one (FineXL).

At each degree β the same prompts and seeds are made by both, and V_div is looked at along every
attribute of the taste: did what is liked go up, what is disliked down, and what else moved?
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from finexl.asking import USUAL, absolute, explain_asked
from finexl.core.significance import (
    ALPHA,
    DISTRACTOR_PERCENTILE,
    MIN_PROMPTS,
)
from finexl.embedding import Progress
from finexl.errors import UsageError
from finexl.explanation import Aspect, Explanation, rounded
from finexl.files import write_atomic
from finexl.generators import Job, make_all
from finexl.images import printable
from finexl.pipeline import Explained
from finexl.runs import Run
from finexl.viper.agreement import agreement
from finexl.viper.moved import Moved, movements
from finexl.viper.steering import Viper
from finexl.viper.taste import Taste

SCHEMA = "finexl.verification/1"
CONCEPTS = "attributes.txt"
BY_CHANCE = 1 - DISTRACTOR_PERCENTILE / 100
"""Of unrelated phrases so many are as specific, however many are looked at together."""


@dataclass(frozen=True)
class Verified:
    """What steering did at one degree."""

    degree: float
    detected: bool | None
    norm: float
    attributes: tuple[Moved, ...]
    """Liked first, in the taste's order."""
    others: tuple[Aspect, ...]
    """What else moved: significant aspects that the taste does not name, strongest first."""
    residual: float | None
    explanation: Explanation
    agreement: float | None = None
    """p-value of the taste as a whole, see `agreement`; None where it is not tested."""

    def counts(self, wished: Literal[1, -1]) -> dict[str, int]:
        """Return how many liked (1) or disliked (−1) attributes moved which way."""
        found = dict.fromkeys(("as wished", "against the wish", "not told"), 0)
        for moved in self.attributes:
            if moved.wished == wished:
                found[moved.verdict] += 1
        return found


@dataclass(frozen=True)
class Verification:
    """What steering did, degree by degree."""

    name: str
    base: str
    degrees: tuple[Verified, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """Say it, a sentence or three a degree."""
        return tuple(line for one in self.degrees for line in _said(one))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object, `finexl.verification/1`."""
        degrees = [
            {
                "degree": one.degree,
                "detected": one.detected,
                "norm": one.norm,
                "attributes": [vars(moved) for moved in one.attributes],
                "others": [
                    {"concept": a.concept, "score": a.score, "ci": a.ci} for a in one.others
                ],
                "residual": one.residual,
                "agreement_p": one.agreement,
            }
            for one in self.degrees
        ]
        found: dict[str, Any] = rounded(
            {
                "schema": SCHEMA,
                "name": self.name,
                "base": self.base,
                "degrees": degrees,
                "sentences": self.sentences,
            }
        )
        return found


def verify(
    viper: Viper,
    degrees: Sequence[float],
    jobs: Sequence[Job],
    folder: Path,
    *,
    encoder: str = "embedded",
    seed: int = 0,
    progress: Progress = lambda *_: None,
    done: Callable[[Verified], None] = lambda _: None,
) -> Verification:
    """Steer a model at several degrees and explain what changed.

    Args:
        viper: the steered model; its own degree does not matter.
        degrees: β, each above 0 and at most 1.
        jobs: prompts and seeds, made by all.
        folder: takes the images and the runs; continued where it broke off.
        encoder: the name of what measures.
        seed: of the statistics.
        progress: told of every image.
        done: told of every degree that is finished.

    Raises:
        UsageError: an empty taste, or no degree above 0.
    """
    if not viper.taste.heard:
        raise UsageError(f"{viper.called} names nothing liked or disliked; there is no steering.")
    if not degrees or min(degrees) <= 0:
        raise UsageError("Give degrees above 0: at 0 the images are the plain model's.")
    base = folder / "base"
    folder.mkdir(parents=True, exist_ok=True)
    make_all(viper.base, jobs, base, progress)
    wished = [words for words, _ in (*viper.taste.liked, *viper.taste.disliked)]
    write_atomic(folder / CONCEPTS, "".join(f"{words}\n" for words in wished))
    found = []
    for degree in sorted(set(degrees)):
        steered = replace(viper, degree=degree)
        images = folder / f"degree-{degree:g}"
        make_all(steered, jobs, images, progress)
        asked = {
            **USUAL,
            "base": str(base),
            "personalized": str(images),
            "pairing": "seed",
            "concepts": str(folder / CONCEPTS),
            "encoder": encoder,
            "name": printable(steered.name),
            "seed": seed,
        }
        run = Run.create(folder / f"run-{degree:g}", absolute(asked))
        explained, _ = explain_asked(run, asked, progress)
        found.append(verified(degree, explained, viper.taste, seed))
        done(found[-1])
    return Verification(viper.called, viper.base.name, tuple(found))


def read_degrees(text: str) -> tuple[float, ...]:
    """Return the degrees that a text like "0.3,0.6,1" names.

    Raises:
        UsageError: one is no number above 0, up to 1.
    """
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(0 < degree <= 1 for degree in found):
        raise UsageError(f"--degrees {text!r}: give numbers above 0, up to 1, like 0.3,0.6,1.")
    return found


def verified(degree: float, explained: Explained, taste: Taste, seed: int) -> Verified:
    """Return what an explained change did of what a taste asks for.

    Args:
        degree: what it was steered by.
        explained: the steered images against the plain ones; the taste's words among its concepts.
        taste: what was asked for.
        seed: of the statistics.
    """
    explanation = explained.explanation
    attributes = movements(explained, taste, seed)
    detected = explanation.divergence.detected
    agrees = None
    if detected:
        effects = np.array([moved.effect for moved in attributes])
        ways = [moved.wished for moved in attributes]
        agrees = agreement(effects, ways, np.random.default_rng([seed, len(ways)]))
    named = {moved.attribute.casefold() for moved in attributes}
    others = [
        aspect
        for aspect in (*explanation.aspects, *explanation.less)
        if aspect.significant and aspect.concept.casefold() not in named
    ]
    return Verified(
        degree,
        detected,
        explanation.divergence.norm,
        attributes,
        tuple(sorted(others, key=lambda aspect: -abs(aspect.score))),
        explanation.residual,
        explanation,
        agrees,
    )


def _said(one: Verified) -> list[str]:
    degree = f"At degree {one.degree:g}"
    if one.detected is None:
        return [f"{degree}: too few prompts to test; give at least {MIN_PROMPTS}."]
    if not one.detected:
        return [f"{degree}: no difference from the plain model is detected."]
    lines = []
    for wished, what, way in ((1, "liked", "up"), (-1, "disliked", "down")):
        counts = one.counts(1 if wished > 0 else -1)
        total = sum(counts.values())
        if total:
            lines.append(
                f"{degree}, {counts['as wished']} of {total} {what} attributes went {way}, "
                f"{counts['against the wish']} the other way; of {counts['not told']} it cannot "
                "be told."
            )
    told = sum(moved.verdict != "not told" for moved in one.attributes)
    if told:
        lines.append(
            f"{degree}, about one attribute in {round(1 / BY_CHANCE)} is told of any change by "
            f"chance: of these {len(one.attributes)}, {BY_CHANCE * len(one.attributes):.1f}."
        )
    if one.agreement is not None:
        than = "more than if" if one.agreement <= ALPHA else "not surely more than if"
        lines.append(
            f"{degree}, taken together what is liked went up against what is disliked {than} they "
            f"were exchanged (p = {one.agreement:.2g})."
        )
    if one.others:
        named = ", ".join(
            f"{'more' if aspect.score > 0 else 'less'} {aspect.concept}" for aspect in one.others
        )
        lines.append(f"{degree}, this moved too: {named}.")
    return lines
