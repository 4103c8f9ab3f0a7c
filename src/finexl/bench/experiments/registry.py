"""The experiments by name, and what each is given."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import yaml

from finexl.bench.baselines.finexl import FineXL
from finexl.bench.baselines.grading import Grader
from finexl.bench.baselines.gsclip import GSCLIP
from finexl.bench.baselines.naive import Naive
from finexl.bench.baselines.random import Random
from finexl.bench.baselines.splice import Splice
from finexl.bench.baselines.visdiff import VisDiff
from finexl.bench.data.graded import Graded, read_levels
from finexl.bench.experiments import ablated, families, levels
from finexl.bench.experiments.readers import (
    ByFound,
    ByScores,
    ByWords,
    FoundEffect,
    InPlane,
    Reader,
    Reading,
    Shared,
)
from finexl.bench.experiments.trials import Plan, plans_of
from finexl.bench.methods import Method
from finexl.bench.results import Results
from finexl.cache import key_of
from finexl.concepts.vocabulary import vocabulary
from finexl.encoders import Encoder
from finexl.errors import UsageError
from finexl.imageset import ImageSet, read_images
from finexl.operators import OPERATORS

FORMAT = "1"
"""Part of every result's settings: raised when code that decides values changes."""
DECISIVE = ("images", "draws", "rounds", "at_once", "pictures", "concepts")
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
        sets = [one for path in self.sets for one in _read(path)]
        sides = [side for one in sets for side in (one.base, one.personalized) if side is not None]
        sides += [read_images(path) for path in self.models]
        truths = [] if self.truth is None else sorted(_files(self.truth, "*.yaml"))
        nets = [] if self.nets is None else sorted(_files(self.nets, "**/*.safetensors"))
        # many sets share one base, which is one object
        digest_of = {
            id(images): key_of(*(picture.digest() for picture in images.pictures))
            for images in {id(images): images for images in (self.photographs, *sides)}.values()
        }
        return key_of(
            *(digest_of[id(images)] for images in (self.photographs, *sides)),
            *(str(one.levels) for one in sets),
            *(hashlib.sha256(path.read_bytes()).hexdigest() for path in (*truths, *nets)),
            str(self.lpips is not None),
        )


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
        return key_of(
            FORMAT,
            self.encoder.name,
            self.encoder.revision,
            *(f"{key} {self.parameters[key]}" for key in DECISIVE if key in self.parameters),
            self.grader.name,
            "" if self.reading.vlm is None else self.reading.vlm.name,
            *self.reading.words,
            self.given.digest,
        )[:16]

    def part(self, plans: Sequence[Some]) -> list[Some]:
        """Return this shard's trials."""
        which, of = self.shard
        return [plan for number, plan in enumerate(plans) if number % of == which]


@dataclass(frozen=True)
class Experiment:
    """A question, and how it is answered."""

    name: str
    asks: str
    run: Callable[[Setup], None]
    ready: Callable[[Setup], bool] = lambda _: True
    """Whether what it needs was given: where not, "all" passes it over."""


def one_aspect(setup: Setup) -> None:
    """Tables 1, 2, 4, 5, 6: the levels of one aspect."""
    p = setup.parameters
    chosen = _operators(p["operators"])
    plans = families.ladders(setup.given.photographs, chosen, p["levels"], setup.encoder)
    plans += _from_sets(setup, 1)
    _score(levels.one_aspect, setup, plans, [*readers(setup), *by_what_is_found(setup)])


def several_aspects(setup: Setup) -> None:
    """Table 3, Figure 11: the coordinates of several aspects."""
    p = setup.parameters
    ladders = _from_sets(setup, 1)
    plans = []
    for size, count in p["groups"].items():
        groups = families.groups_of(list(OPERATORS), size, count, seed=0)
        plans += families.composed(setup.given.photographs, groups, p["levels"], setup.encoder)
        for group in groups:
            full = families.ladders(setup.given.photographs, group, 1, setup.encoder)
            plans.append(families.mixed(families.OPERATED, full, p["levels"]))
        for family in dict.fromkeys(plan.family for plan in ladders):
            own = [plan for plan in ladders if plan.family == family]
            some = itertools.islice(itertools.combinations(own, size), count)
            plans += [families.mixed(family, full, p["levels"]) for full in some]
        plans += _from_sets(setup, size)
    _score(levels.several_aspects, setup, plans, [*readers(setup), InPlane()])


def _score(
    scenario: Callable[..., None], setup: Setup, plans: Sequence[Plan], rows: Sequence[Reader]
) -> None:
    """Run one of the scenarios on this shard's trials."""
    scenario(
        setup.part(plans),
        rows,
        setup.reading,
        setup.results,
        settings=setup.settings,
        images=setup.parameters["images"],
        seeds=setup.parameters["seeds"],
        progress=setup.progress,
    )


def select(setup: Setup) -> None:
    """The authors' later test: choose from a pool the model most like a wanted one."""
    from finexl.bench.experiments import selection

    p = setup.parameters
    chosen = _operators(p["operators"])
    most = max(p["levels"])
    plans = selection.single_aspect(
        families.ladders(setup.given.photographs, chosen, most, setup.encoder), p["levels"]
    )
    pools = {
        size: [
            families.mixed(
                families.OPERATED, families.ladders(setup.given.photographs, g, 1, setup.encoder), 3
            )
            for g in families.groups_of(list(OPERATORS), size, count, seed=0)
        ]
        for size, count in p["groups"].items()
    }
    plans += selection.mixtures(pools, p["models"])
    distance = None
    if setup.given.lpips is not None:
        from finexl.bench.perceptual import Lpips

        distance = Lpips.load(setup.given.lpips)
    describers: list[selection.Describer] = [
        selection.Effects(),
        selection.Effects(selection.concordance, "FineXL, with length"),
        *(selection.Scores(FineXL(d)) for d in p["decompositions"]),
        *(selection.Scores(m) for m in (VisDiff(), GSCLIP(), Splice(), Random())),
    ]
    selection.selection(
        setup.part(plans),
        describers,
        setup.reading,
        setup.results,
        settings=setup.settings,
        seeds=p["seeds"],
        distance=distance,
        progress=setup.progress,
    )


def tell_fine_tunes(setup: Setup) -> None:
    """Real fine-tunes whose change is known in words."""
    from finexl.bench.data.truth import read_truths
    from finexl.bench.experiments import fine_tunes

    if setup.given.truth is None:
        raise UsageError("fine-tunes needs --truth: a truth.yaml, or a folder of them.")
    explainers: list[fine_tunes.Explainer] = [
        *(fine_tunes.Pipeline(setup.encoder, d) for d in ("subspace", "nnls", "paper")),
        *(
            fine_tunes.Baseline(m, setup.reading)
            for m in (Naive(), VisDiff(), GSCLIP(), Splice(), Random())
        ),
    ]
    fine_tunes.fine_tunes(
        read_truths(setup.given.truth, setup.given.data),
        explainers,
        setup.results,
        settings=setup.settings,
        seeds=setup.parameters["seeds"],
        progress=setup.progress,
    )


def compare_versions(setup: Setup) -> None:
    """§6.4: several models against one base."""
    from finexl.bench.experiments import versions

    if len(setup.given.models) < 3:
        raise UsageError("versions needs --models three times or more: the base, then the models.")
    base, *others = (read_images(path) for path in setup.given.models)
    found = versions.versions(
        base, others, setup.encoder, limit=setup.parameters["limit"], progress=setup.progress
    )
    versions.add_versions(found, setup.results, trial=base.name, settings=setup.settings)


EXPERIMENTS: Mapping[str, Experiment] = MappingProxyType(
    {
        one.name: one
        for one in (
            Experiment(
                "one-aspect",
                "Are models ranked by how much they have of one aspect? (Tables 1, 2, 4, 5, 6)",
                one_aspect,
            ),
            Experiment(
                "several-aspects",
                "Is it told how much of each of several aspects a model has? (Table 3)",
                several_aspects,
            ),
            Experiment(
                "selection",
                "Is the model that is most like a wanted one chosen from a pool?",
                select,
            ),
            Experiment(
                "fine-tunes",
                "Is the change of real fine-tunes named? (needs --truth)",
                tell_fine_tunes,
                lambda setup: setup.given.truth is not None,
            ),
            Experiment(
                "versions",
                "How do several models differ from one base? (§6.4; needs --models)",
                compare_versions,
                lambda setup: bool(setup.given.models),
            ),
            Experiment(
                "ablation-threshold",
                "How small a residual is asked for in Algorithm 1? (Appendix B)",
                ablated.threshold,
            ),
            Experiment(
                "ablation-orthogonality",
                "How alike may Algorithm 1's concepts be? (Eq. 9)",
                ablated.orthogonality,
            ),
            Experiment(
                "ablation-samples",
                "How many samples does V_div take? (Appendix E)",
                ablated.sample_sizes,
            ),
            Experiment(
                "ablation-templates",
                "How is a concept written into a prompt? (Eq. 6)",
                ablated.templates,
            ),
            Experiment(
                "ablation-instructions",
                "How is a model asked for concepts? (Appendix G; needs --vlm)",
                ablated.instructions,
                lambda setup: setup.reading.vlm is not None,
            ),
            Experiment("ablation-encoders", "How do encoders compare? (Table 8)", ablated.encoders),
            Experiment(
                "ablation-ideal",
                "Do words and pictures align better, the better the ideal generator? (Appendix A)",
                ablated.ideal,
            ),
            Experiment("ablation-parts", "What does each part of `subspace` bring?", ablated.parts),
            Experiment(
                "ablation-directions",
                "How many principal directions, how strongly whitened?",
                ablated.directions,
            ),
            Experiment(
                "ablation-stopping",
                "Everything that is kept, or what intervals confirm?",
                ablated.stops,
            ),
        )
    }
)


@cache
def parameters_of(name: str, part: str) -> Mapping[str, Any]:
    """Return an experiment's parameters, "full" or "quick"."""
    text = (files("finexl.bench.experiments") / "experiments.yaml").read_text(encoding="utf-8")
    found: Mapping[str, Any] = yaml.safe_load(text)[name][part]
    return found


def readers(setup: Setup) -> list[Reader]:
    """Return the rows of the levels' tables: ours, and every baseline that can run here."""
    named = None if setup.reading.vlm is None else setup.reading.vlm.name
    told = (Naive(named), VisDiff(named), GSCLIP(named))
    return [
        Shared(),
        ByScores(FineXL("subspace")),
        ByScores(FineXL("nnls")),
        ByScores(FineXL("paper")),
        *(ByScores(method) for method in told),
        *(ByWords(method, setup.grader) for method in told),
        ByScores(Splice()),
        *(ByWords(method, setup.grader) for method in _captioners(setup.given.nets)),
        ByScores(Random()),
    ]


def by_what_is_found(setup: Setup) -> list[Reader]:
    """Return the rows that are not told what the aspect is called."""
    named = None if setup.reading.vlm is None else setup.reading.vlm.name
    told = (FineXL("nnls"), Naive(named), VisDiff(named), GSCLIP(named), Splice())
    return [FoundEffect(), *(ByFound(method) for method in told)]


def _captioners(nets: Path | None) -> list[Method]:
    """Return the difference captioners whose trained nets are there; they need torch."""
    if nets is None or find_spec("torch") is None:
        return []
    from finexl.bench.baselines.chg2cap import Chg2Cap
    from finexl.bench.baselines.diff_caption import DiffCaption

    kinds: dict[str, Callable[[Path], Method]] = {"diff-caption": DiffCaption, "chg2cap": Chg2Cap}
    return [make(nets / name) for name, make in kinds.items() if (nets / name).is_dir()]


def _files(path: Path, pattern: str) -> list[Path]:
    return list(path.glob(pattern)) if path.is_dir() else [path]


def _operators(count: int) -> list[str]:
    """Return so many operators, evenly from all kinds."""
    return list(OPERATORS)[:: max(1, len(OPERATORS) // count)][:count]


def words_of(sets: Sequence[Path]) -> tuple[str, ...]:
    """Return the candidates of all experiments: the vocabulary and everything that is known."""
    own = [operator.phrases[0] for operator in OPERATORS.values()]
    given = [aspect.words for path in sets for one in _read(path) for aspect in one.aspects]
    return tuple(dict.fromkeys([*(c.text for c in vocabulary("style")), *own, *given]))


@cache
def _read(path: Path) -> tuple[Graded, ...]:
    return tuple(read_levels(path))


def _from_sets(setup: Setup, aspects: int) -> list[Plan]:
    return [
        plan
        for path in setup.given.sets
        for plan in plans_of(
            (path if path.is_dir() else path.parent).resolve().name,
            _read(path),
            setup.encoder,
            aspects,
        )
    ]
