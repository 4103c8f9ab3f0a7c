"""How good the "ideal" generator has to be (Appendix A, Eq. 7 and 12).

Ĝ makes the pictures that a concept's words are held against: alignment is cos(f(C), f̂(C)), with
f̂(C) = mean of Enc[Ĝ(t ∪ C)] − Enc[Ĝ(t)]. The paper compares Stable Diffusion 3.5, 2.1 and 1.4, the
newer the better. Any models can be given (`Generated`). Where none is at hand, photographs under
image operators stand in for Ĝ (`Degraded`): Ĝ(t) is a photograph, Ĝ(t ∪ C) the photograph under the
operator that C names. There the quality is known, since it is made: how strongly the change is
carried out, in how many pictures (in the others another change is made: the words are
misunderstood), and how much noise the pictures have of their own. A weaker change alone is the same
direction; beside noise and misunderstanding it counts for less. The three grades are ours and no
measurement of any Stable Diffusion; what compares with the paper is that alignment rises with them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from finexl.bench.experiments.ablations.rows import Progress, quiet
from finexl.bench.methods import Array
from finexl.bench.results import Result, Results
from finexl.cache import key_of
from finexl.core.orthogonality import unit_rows
from finexl.encoders import image_rows
from finexl.errors import UsageError
from finexl.generators import Generator, jobs_of, make_all
from finexl.imageset import ImageSet
from finexl.measure import Measure
from finexl.operators import OPERATORS, apply

EXPERIMENT = "ablation-ideal"


class Ideal(Protocol):
    """A text-to-image model to hold words against, better or worse."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    @property
    def kind(self) -> str:
        """The tables' column: what kind of model it is."""
        ...

    def pictures(self, concept: str, seed: int) -> tuple[list[Image.Image], list[Image.Image]]:
        """Return Ĝ(t) and Ĝ(t ∪ C), pair by pair.

        Raises:
            FinexlError: it cannot make them.
        """
        ...


@dataclass(frozen=True)
class Quality:
    """How well a generator does what its words say."""

    name: str
    strength: float
    """How much of the change is carried out, in [0, 1]."""
    understood: float
    """In what part of the pictures it is this change, and not another."""
    noise: float
    """Standard deviation of noise of the pictures' own, of a channel in [0, 1]."""


GRADES = (
    Quality("faithful", 1.0, 1.0, 0.0),
    Quality("fair", 0.6, 0.8, 0.05),
    Quality("poor", 0.3, 0.5, 0.1),
)


@dataclass(frozen=True)
class Degraded:
    """Photographs under the operator that a concept names, as a generator of this quality does."""

    photographs: ImageSet
    quality: Quality
    kind: str = "operators as the ideal"

    @property
    def name(self) -> str:
        """The quality's."""
        return self.quality.name

    def pictures(self, concept: str, seed: int) -> tuple[list[Image.Image], list[Image.Image]]:
        """Return photographs, and the same under the operator. See `Ideal.pictures`."""
        named = next((n for n, o in OPERATORS.items() if o.phrases[0] == concept), None)
        if named is None:
            raise UsageError(f"No image operator is called {concept!r}.")
        rng = np.random.default_rng([seed, int(key_of(concept)[:8], 16)])
        sides: tuple[list[Image.Image], list[Image.Image]] = ([], [])
        n = len(self.photographs.pictures)
        # the same pictures at every grade, and the more the poorer it is
        misunderstood = rng.permutation(n) >= round(self.quality.understood * n)
        others = rng.choice([n for n in OPERATORS if n != named], n)
        for i, picture in enumerate(self.photographs.pictures):
            own = np.random.default_rng([seed, i, int(key_of(concept)[:8], 16)])
            done = str(others[i]) if misunderstood[i] else named
            plain = picture.open()
            changed = apply(plain, done, self.quality.strength, own)
            for side, image in zip(sides, (plain, changed), strict=True):
                side.append(_noisy(image, self.quality.noise, own))
        return sides


@dataclass(frozen=True)
class Generated:
    """A model that makes images of words, as it is."""

    generator: Generator
    prompts: Sequence[str]
    seeds: Sequence[int]
    folder: Path
    """Keeps the images."""
    template: str = "{prompt}, {concept}"
    kind: str = "generators as the ideal"

    @property
    def name(self) -> str:
        """The generator's."""
        return self.generator.name

    def pictures(self, concept: str, seed: int) -> tuple[list[Image.Image], list[Image.Image]]:
        """Make the images that are not there yet. See `Ideal.pictures`."""
        written = [self.template.format(prompt=prompt, concept=concept) for prompt in self.prompts]
        seeds = [seed + own for own in self.seeds]
        jobs = jobs_of([*self.prompts, *written], seeds)
        made = make_all(self.generator, jobs, self.folder / key_of(self.generator.digest)[:16])
        found = {(picture.prompt, picture.seed): picture for picture in made.pictures}
        sides: tuple[list[Image.Image], list[Image.Image]] = ([], [])
        for plain, with_concept in zip(self.prompts, written, strict=True):
            for own in seeds:
                both = [found.get((prompt, own)) for prompt in (plain, with_concept)]
                for side, picture in zip(sides, both, strict=True):
                    if picture is not None and None not in both:
                        side.append(picture.open())
        if not sides[0]:
            raise UsageError(f"{self.name} makes no usable pair of images for {concept!r}.")
        return sides


def ideal(
    ideals: Sequence[Ideal],
    concepts: Sequence[str],
    measure: Measure,
    results: Results,
    *,
    settings: str,
    seeds: Sequence[int] = (0,),
    progress: Progress = quiet,
) -> None:
    """Measure each concept's alignment with each model's pictures (Eq. 12); a concept is a trial.

    alignment            cos(f(C), f̂(C)) in the encoder's space, as the paper's
    alignment of others  the mean of cos(f(C'), f̂(C)) over the other concepts: what counts as none

    Args:
        ideals: the models.
        concepts: what is asked for.
        measure: the encoder, and how words are mapped (Eq. 6).
        results: added to.
        settings: digest of everything else that values depend on.
        seeds: of the pictures.
        progress: told of every concept.

    Raises:
        FinexlError: as the models.
    """
    F = unit_rows(measure.vectors(concepts).vectors)
    total = len(ideals) * len(seeds) * len(concepts)
    done = 0
    for one in ideals:
        for seed in seeds:
            for number, concept in enumerate(concepts):
                progress(f"{one.name}: {concept}", done, total)
                done += 1
                place = (one.name, one.kind, concept, str(seed), settings)
                if results.has(EXPERIMENT, "alignment", *place):
                    continue
                started = time.monotonic()
                cosines = F @ _direction(measure, *one.pictures(concept, seed))
                others = np.delete(cosines, number)
                seconds = round(time.monotonic() - started, 2)
                values = {"alignment of others": float(others.mean())} if others.size else {}
                for name, value in {**values, "alignment": float(cosines[number])}.items():
                    results.add(
                        Result(
                            EXPERIMENT,
                            name,
                            one.name,
                            one.kind,
                            concept,
                            seed,
                            value,
                            settings,
                            seconds,
                        )
                    )
    progress("Aligned", total, total)


def _direction(
    measure: Measure, before: Sequence[Image.Image], after: Sequence[Image.Image]
) -> Array:
    """Return f̂(C) (d,) at unit length; zero where the pictures do not differ."""
    encoder = measure.encoder
    change = image_rows(encoder, after).astype(np.float64) - image_rows(encoder, before)
    direction: Array = unit_rows(change.mean(axis=0)[None])[0]
    return direction


def _noisy(image: Image.Image, sd: float, rng: np.random.Generator) -> Image.Image:
    if sd == 0:
        return image
    raster = np.asarray(image.convert("RGB"), np.float64) / 255
    noisy = np.clip(raster + rng.normal(scale=sd, size=raster.shape), 0, 1)
    return Image.fromarray((noisy * 255 + 0.5).astype(np.uint8))
