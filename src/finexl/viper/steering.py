"""A model that makes images to a person's taste (§3.2): any diffusion pipeline, steered.

viper:BASE+PROFILE.json[@DEGREE]   a BASE that is diffusers:..., lora:... or directions:...; paths
                                   may hold + and @: the longest profile that exists wins
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finexl.errors import UsageError
from finexl.generators import Generator, Job, Made, Settings, load_generator
from finexl.generators.diffusers import Pipeline
from finexl.generators.running import made_within, quietly
from finexl.generators.steering import KINDS, Words
from finexl.sources import absolute as absolute_base
from finexl.viper.encoding import encoded
from finexl.viper.guidance import Guidance
from finexl.viper.over import Over
from finexl.viper.profile import read_profile
from finexl.viper.refining import Refiner
from finexl.viper.taste import Taste, taste_of

KIND = "viper"
DEGREE = 0.6
"""β where none is asked for."""
READ_OTHERWISE = ("clip_skip", "max_sequence_length", "skip_guidance_layers", "true_cfg_scale")
"""Settings of a pipeline under which prompts are read, or guided, otherwise than is known here."""


@dataclass
class Viper(Over):
    """A pipeline steered to a taste. Several may share a base, which is opened once."""

    base: Pipeline
    taste: Taste
    degree: float = DEGREE
    """β, in [0, 1]; at 0 the images are the base's, bit for bit."""
    guidance: bool = True
    """Eq. 2 and 3 as well; else only what the prompt says is moved (Eq. 1)."""
    refiner: Refiner | None = None
    """Goes over the images, steered in the same way."""
    called: str = "taste"
    """Whose taste it is, for names."""
    kind = KIND
    _words: dict[int, tuple[Words, Words]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be steered.

        Raises:
            UsageError: a degree outside [0, 1], a base of another kind, or a setting under which
                prompts are read otherwise.
        """
        if not 0 <= self.degree <= 1:
            raise UsageError(f"The degree is {self.degree:g}; give one from 0 to 1.")
        if self.base.source.kind not in KINDS:
            raise _not_steered(self.base.name, self.base.source.kind)
        asked = self.base.settings
        other = [key for key in READ_OTHERWISE if asked.more.get(key) is not None]
        if other:
            raise UsageError(f"A steered pipeline takes no {other[0]}; leave it out.")
        if self.base.source.kind.startswith("Flux") and asked.negative is not None:
            raise UsageError(
                "FLUX has its guidance built in and hears no negative prompt while it is steered; "
                "add those words to what the person dislikes."
            )

    @property
    def steers(self) -> bool:
        """Whether it does anything that its base does not."""
        return self.degree > 0 and self.taste.heard

    @property
    def name(self) -> str:
        """The base's, whose taste, and how strongly."""
        refined = "" if self.refiner is None else f" + {self.refiner.name}"
        return f"{self.base.name} + {self.called}@{self.degree:g}{refined}"

    @property
    def notice(self) -> str | None:
        """Said where the taste is empty."""
        if self.taste.heard:
            return self.base.notice
        return f"{self.called} names nothing liked or disliked: the images are the plain model's."

    def about(self) -> dict[str, Any]:
        """Return the taste, the degree, and the refiner."""
        return {
            "liked": [list(one) for one in self.taste.liked],
            "disliked": [list(one) for one in self.taste.disliked],
            "degree": self.degree,
            "guidance": self.guidance,
            "refiner": None if self.refiner is None else self.refiner.about(),
        }

    def make(self, jobs: Sequence[Job]) -> list[Made]:
        """Make one batch, in order. See `Generator.make`."""
        if not jobs:
            return []
        with self._steered(self.base):
            made = self.base.make(jobs)
        if self.refiner is None:
            return made
        with self._steered(self.refiner):
            return self.refiner.refine(jobs, made)

    def _steered(self, source: Pipeline) -> AbstractContextManager[Any]:
        if not self.steers:
            return nullcontext()  # the plain path, not one that comes to the same
        opened, name = source.opened, source.name
        if id(source) not in self._words:

            def read() -> tuple[Words, Words]:
                with quietly():
                    return encoded(opened, self.taste, name)

            self._words[id(source)] = made_within(read, name, str(opened.device), 1)
        return Guidance(opened, *self._words[id(source)], self.degree, self.guidance)


def load(reference: str, settings: Settings) -> Generator:
    """Return the model that a reference names, steered or not.

    Args:
        reference: `viper:BASE+PROFILE@DEGREE`, or one of `load_generator`.
        settings: how images are made.

    Raises:
        UsageError: no such model or profile, or one that does not go with the other.
        PrerequisiteError: the model is not on this machine, or an extra is missing.
    """
    if not reference.startswith(f"{KIND}:"):
        return load_generator(reference, settings)
    base, path, degree = parse(reference)
    profile = read_profile(path)
    pipeline = pipeline_of(load_generator(base, settings))
    return Viper(pipeline, taste_of(profile), degree, called=profile.name)


def absolute(reference: str) -> str:
    """Return `viper:...` with its files' paths absolute, so that it holds in any folder."""
    base, path, degree = parse(reference)
    return f"{KIND}:{absolute_base(base)}+{path.absolute()}@{degree:g}"


def pipeline_of(generator: Generator) -> Pipeline:
    """Return a generator that is a diffusers pipeline.

    Raises:
        UsageError: it is none, and has no denoiser to steer.
    """
    if not isinstance(generator, Pipeline):
        raise _not_steered(generator.name, generator.kind)
    return generator


def parse(reference: str) -> tuple[str, Path, float]:
    """Return base, profile and degree of `viper:BASE+PROFILE[@DEGREE]`.

    Raises:
        UsageError: it is not complete, there is no such profile, or the degree is no number.
    """
    pieces = reference.removeprefix(f"{KIND}:").split("+")
    for cut in range(1, len(pieces)):
        base, written = "+".join(pieces[:cut]), "+".join(pieces[cut:])
        name, at, degree = written.rpartition("@")
        if Path(written).expanduser().is_file():
            return base, Path(written).expanduser(), DEGREE
        if at and Path(name).expanduser().is_file():
            try:
                return base, Path(name).expanduser(), float(degree)
            except ValueError as error:
                raise UsageError(
                    f"{written}: the degree after @ is a number from 0 to 1, and {degree!r} is "
                    "none."
                ) from error
    raise UsageError(
        f"{reference} names no profile that is there; it is written "
        f"{KIND}:BASE+PROFILE.json@DEGREE."
    )


def _not_steered(name: str, what: str) -> UsageError:
    return UsageError(
        f"{name} ({what}) cannot be steered; Stable Diffusion 1, 2, XL and 3 and FLUX can."
    )
