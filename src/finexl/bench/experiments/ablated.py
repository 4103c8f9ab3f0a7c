"""What each ablation is given: operators' ladders, and its own arguments from experiments.yaml."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from finexl.bench.experiments import families
from finexl.bench.experiments.ablations import directions as of_directions
from finexl.bench.experiments.ablations import encoders as of_encoders
from finexl.bench.experiments.ablations import ideals, samples, stopping, thresholds, wordings
from finexl.bench.experiments.ablations import parts as of_parts
from finexl.bench.experiments.trials import Plan
from finexl.encoders import Encoder
from finexl.errors import UsageError
from finexl.imageset import ImageSet
from finexl.operators import OPERATORS

if TYPE_CHECKING:
    from finexl.bench.experiments.setup import Setup

_NOT_PASSED = ("operators", "levels", "concepts", "pictures", "names")


def threshold(setup: Setup) -> None:
    """Appendix B: e_decomp of Algorithm 1."""
    _run(thresholds.threshold, setup)


def orthogonality(setup: Setup) -> None:
    """Eq. 9: e_ortho of Algorithm 1."""
    _run(thresholds.orthogonality, setup)


def sample_sizes(setup: Setup) -> None:
    """Appendix E: how many samples V_div takes."""
    given = {key: value for key, value in _given(setup).items() if key != "images"}
    samples.samples(ladders(setup), setup.results, **_common(setup), **given)


def templates(setup: Setup) -> None:
    """Eq. 6: how a concept is written into a prompt."""
    _run(wordings.templates, setup)


def instructions(setup: Setup) -> None:
    """Appendix G: how a model is asked for concepts."""
    if setup.reading.vlm is None:
        raise UsageError("ablation-instructions asks a model for concepts: give one with --vlm.")
    _run(wordings.instructions, setup)


def encoders(setup: Setup) -> None:
    """Table 8: encoders side by side."""
    p = setup.parameters
    pictures = [one.open() for one in setup.given.photographs.pictures[: p["pictures"]]]
    of_encoders.encoders(
        lambda encoder: ladders(setup, encoder),
        p["names"],
        setup.reading,
        setup.results,
        pictures=pictures,
        **_common(setup),
        **_given(setup),
    )


def ideal(setup: Setup) -> None:
    """Appendix A: alignment against the quality of the generator that stands in for the ideal."""
    p = setup.parameters
    some = setup.given.photographs.pictures[: p["images"]]
    photographs = ImageSet(setup.given.photographs.name, "images", some)
    every = [operator.phrases[0] for operator in OPERATORS.values()]
    chosen = every[:: max(1, len(every) // p["concepts"])][: p["concepts"]]
    ideals.ideal(
        [ideals.Degraded(photographs, quality) for quality in ideals.GRADES],
        chosen,
        setup.reading.measure,
        setup.results,
        seeds=p["seeds"],
        **_common(setup),
    )


def parts(setup: Setup) -> None:
    """The parts of `subspace`, each switched off."""
    _run(of_parts.parts, setup)


def directions(setup: Setup) -> None:
    """How many principal directions, and how strongly whitened."""
    _run(of_directions.directions, setup)


def stops(setup: Setup) -> None:
    """Everything kept, or what its interval confirms."""
    _run(stopping.stopping, setup)


def ladders(setup: Setup, encoder: Encoder | None = None) -> list[Plan]:
    """Return this shard's operators, at the experiment's levels."""
    p = setup.parameters
    chosen = list(OPERATORS)[:: max(1, len(OPERATORS) // p["operators"])][: p["operators"]]
    plans = families.ladders(setup.given.photographs, chosen, p["levels"], encoder or setup.encoder)
    return setup.part(plans)


def _run(ablation: Callable[..., None], setup: Setup) -> None:
    plans: Sequence[Plan] = ladders(setup)
    ablation(plans, setup.reading, setup.results, **_common(setup), **_given(setup))


def _common(setup: Setup) -> Mapping[str, Any]:
    return {"settings": setup.settings, "progress": setup.progress}


def _given(setup: Setup) -> dict[str, Any]:
    return {key: value for key, value in setup.parameters.items() if key not in _NOT_PASSED}
