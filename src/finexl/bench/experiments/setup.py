"""What experiments are given, and run with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeVar

from finexl.bench.baselines.grading import Grader
from finexl.bench.data.graded import Graded, read_levels
from finexl.bench.experiments.readers import Reading
from finexl.bench.experiments.trials import Plan, plans_of
from finexl.bench.results import Results
from finexl.cache import key_of
from finexl.concepts.vocabulary import vocabulary
from finexl.encoders import Encoder
from finexl.imageset import ImageSet, read_images
from finexl.operators import OPERATORS

FORMAT = "2"
"""Part of every result's settings: raised when code that decides values changes."""
DECISIVE = ("images", "photographs", "mixed", "draws", "rounds", "at_once", "pictures", "concepts")
"""Parameters that change a value without naming its row, column, trial or seed."""
Progress = Callable[[str, int, int], None]
Some = TypeVar("Some")


@dataclass(frozen=True)
class Given:
    """Pictures and files that experiments are given."""

    photographs: ImageSet
    """What image operators are laid over."""
    sets: Sequence[Path] = ()
    """Folders with truth.csv: families of models of known levels beside the operators."""
    nets: Path | None = None
    """Where trained difference captioners are: diff-caption/ and chg2cap/."""
    truth: Path | None = None
    """A truth.yaml, or a folder of them: pairs of folders whose change is known in words."""
    data: Path | None = None
    """What their paths are relative to; None for the file's own folder."""
    models: Sequence[Path] = ()
    """Folders of images for `versions`: the base's first."""
    lpips: Path | None = None
    """Weights of a perceptual distance; None leaves it out."""

    @cached_property
    def digest(self) -> str:
        """Of all of it, by content; found once for all experiments of a run."""
        truths = [] if self.truth is None else sorted(_files(self.truth, "*.yaml"))
        return key_of(
            self.digest_of(""),
            *(self.digest_of(name_of(path)) for path in self.sets),
            *(_digest(read_images(path)) for path in self.models),
            *(hashlib.sha256(path.read_bytes()).hexdigest() for path in truths),
            self.digest_of_nets,
            str(self.lpips is not None),
        )

    @cached_property
    def digest_of_nets(self) -> str:
        """Of the difference captioners."""
        nets = [] if self.nets is None else sorted(_files(self.nets, "**/*.safetensors"))
        return key_of(*(hashlib.sha256(path.read_bytes()).hexdigest() for path in nets))

    def digest_of(self, family: str) -> str:
        """Of a family's sets and their levels; of the photographs where no folder is called so."""
        sets = [one for path in self.sets if name_of(path) == family for one in _read(path)]
        sides = [side for one in sets for side in (one.base, one.personalized) if side is not None]
        # many sets share one base, which is one object
        different = {id(images): images for images in sides or [self.photographs]}
        return key_of(*map(_digest, different.values()), *(str(one.levels) for one in sets))


@dataclass(frozen=True)
class Setup:
    """What an experiment runs with."""

    encoder: Encoder
    reading: Reading
    grader: Grader
    given: Given
    parameters: Mapping[str, Any]
    """The experiment's part of experiments.yaml."""
    results: Results
    shard: tuple[int, int] = (0, 1)
    """This part, of so many: every so-many-th trial."""
    progress: Progress = lambda *_: None

    @property
    def settings(self) -> str:
        """Digest of what results depend on beside their own names."""
        return key_of(*self._common, self.given.digest)[:16]

    def settings_of(self, family: str) -> str:
        """The same where nothing but a family's own pictures is looked at, and the candidates.

        What all families have in common stands first, so that one can be added to another's.
        """
        common = key_of(*self._common, self.given.digest_of_nets)[:16]
        return f"{common} {self.given.digest_of(family)[:16]}"

    @property
    def _common(self) -> tuple[str, ...]:
        return (
            FORMAT,
            self.encoder.name,
            self.encoder.revision,
            *(f"{key} {self.parameters[key]}" for key in DECISIVE if key in self.parameters),
            self.grader.name,
            "" if self.reading.vlm is None else self.reading.vlm.name,
            *self.reading.words,
        )

    def part(self, plans: Sequence[Some]) -> list[Some]:
        """Return this shard's trials."""
        which, of = self.shard
        return [plan for number, plan in enumerate(plans) if number % of == which]


def from_sets(setup: Setup, aspects: int, least: int = 2) -> dict[str, list[Plan]]:
    """Return the given families' trials of so many aspects, of so many levels at least."""
    found: dict[str, list[Plan]] = {}
    for path in setup.given.sets:
        family = name_of(path)
        plans = plans_of(family, _read(path), setup.encoder, aspects, least)
        found.setdefault(family, []).extend(plans)
    return found


def name_of(path: Path) -> str:
    """Return what a folder's family is called."""
    return (path if path.is_dir() else path.parent).resolve().name


def words_of(sets: Sequence[Path]) -> tuple[str, ...]:
    """Return the candidates of all experiments: the vocabulary and everything that is known."""
    own = [operator.phrases[0] for operator in OPERATORS.values()]
    given = [aspect.words for path in sets for one in _read(path) for aspect in one.aspects]
    return tuple(dict.fromkeys([*(c.text for c in vocabulary("style")), *own, *given]))


@cache
def _read(path: Path) -> tuple[Graded, ...]:
    return tuple(read_levels(path))


def _files(path: Path, pattern: str) -> list[Path]:
    return list(path.glob(pattern)) if path.is_dir() else [path]


def _digest(images: ImageSet) -> str:
    return key_of(*(picture.digest() for picture in images.pictures))
