"""The experiments by name, and what each is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import yaml

from finexl.bench.baselines.finexl import FineXL
from finexl.bench.baselines.gsclip import GSCLIP
from finexl.bench.baselines.naive import Naive
from finexl.bench.baselines.random import Random
from finexl.bench.baselines.splice import Splice
from finexl.bench.baselines.visdiff import VisDiff
from finexl.bench.experiments import ablated, families, levels
from finexl.bench.experiments.mixed import mixed
from finexl.bench.experiments.readers import Reader
from finexl.bench.experiments.rows import by_what_is_found, jointly, readers
from finexl.bench.experiments.setup import Setup, from_sets
from finexl.bench.experiments.trials import Plan
from finexl.errors import UsageError
from finexl.imageset import read_images
from finexl.operators import OPERATORS


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
    few = families.evenly_of(setup.given.photographs, p["photographs"])
    plans = {
        families.OPERATED: families.ladders(few, chosen, p["levels"], setup.encoder),
        **from_sets(setup, 1),
    }
    rows = [*readers(setup), *by_what_is_found(setup)]
    _score(levels.one_aspect, setup, plans, rows, p["images"])


def several_aspects(setup: Setup) -> None:
    """Table 3, Figure 11: the coordinates of several aspects."""
    p = setup.parameters
    photographs, encoder = setup.given.photographs, setup.encoder
    few = families.evenly_of(photographs, p["photographs"])
    alone = from_sets(setup, 1, least=1)
    composed: list[Plan] = []
    mixtures: dict[str, list[Plan]] = {families.OPERATED: [], **{family: [] for family in alone}}
    trained: dict[str, list[Plan]] = {}
    for size, count in p["groups"].items():
        groups = families.groups_of(list(OPERATORS), size, count, seed=0)
        composed += families.composed(few, groups, p["levels"], encoder)
        mixtures[families.OPERATED] += [
            mixed(families.OPERATED, families.ladders(photographs, group, 1, encoder), p["levels"])
            for group in groups
        ]
        for family, plans in alone.items():
            some = families.some_of(plans, size, count, seed=0)
            mixtures[family] += [mixed(family, full, p["levels"]) for full in some]
        for family, plans in from_sets(setup, size).items():
            trained.setdefault(family, []).extend(plans)
    rows = [*readers(setup), *jointly()]
    for group in (mixtures, trained):
        _score(levels.several_aspects, setup, group, rows, p["mixed"])
    _score(levels.several_aspects, setup, {families.OPERATED: composed}, rows, p["images"])


def _score(
    scenario: Callable[..., None],
    setup: Setup,
    plans: Mapping[str, Sequence[Plan]],
    rows: Sequence[Reader],
    images: int | None,
) -> None:
    """Run one of the scenarios on this shard's trials of each family."""
    mine = setup.part([(family, plan) for family, some in plans.items() for plan in some])
    for family in dict.fromkeys(family for family, _ in mine):
        scenario(
            [plan for of, plan in mine if of == family],
            rows,
            setup.reading,
            setup.results,
            settings=setup.settings_of(family),
            images=images,
            seeds=setup.parameters["seeds"],
            progress=setup.progress,
        )


def select(setup: Setup) -> None:
    """The authors' later test: choose from a pool the model most like a wanted one."""
    from finexl.bench.experiments import selection

    p = setup.parameters
    chosen = _operators(p["operators"])
    few = families.evenly_of(setup.given.photographs, p["photographs"])
    plans = selection.single_aspect(
        families.ladders(few, chosen, max(p["levels"]), setup.encoder), p["levels"]
    )
    pools = {
        size: [
            mixed(families.OPERATED, families.ladders(few, g, 1, setup.encoder), 3)
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


def _operators(count: int) -> list[str]:
    """Return so many operators, evenly from all kinds."""
    return list(OPERATORS)[:: max(1, len(OPERATORS) // count)][:count]
