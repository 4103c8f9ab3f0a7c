"""Which encoder: the three properties that FineXL asks of one (Table 8), and what comes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from PIL import Image

from finexl.bench.experiments.ablations.rows import Progress, quiet
from finexl.bench.experiments.ablations.ways import KINDS, Way, score_ways
from finexl.bench.experiments.readers import Reading
from finexl.bench.experiments.trials import Plan
from finexl.bench.properties import Measure, Properties, properties
from finexl.bench.results import Result, Results
from finexl.encoders import Encoder, load_encoder

EXPERIMENT = "ablation-encoders"
PROPERTIES = "vocabulary and operators"
"""The column of the properties, which are no trials'."""


def encoders(
    plans_for: Callable[[Encoder], Sequence[Plan]],
    names: Sequence[str],
    reading: Reading,
    results: Results,
    *,
    settings: str,
    decompositions: Sequence[str] = ("subspace",),
    pictures: Sequence[Image.Image] | None = None,
    images: int | None = None,
    seeds: Sequence[int] = (0,),
    load: Callable[[str], Encoder] = load_encoder,
    progress: Progress = quiet,
) -> None:
    """Explain the same models with different encoders, and measure the encoders' own properties.

    Args:
        plans_for: the trials, embedded by an encoder.
        names: as `load_encoder` takes them.
        reading: candidates; its encoder gives way to each of these.
        results: added to; rows are decomposition and encoder, and encoders for the properties.
        settings: digest of everything else that values depend on; the encoder's revision is added.
        decompositions: which explain.
        pictures: what the properties' operators are laid over; None for those that ship.
        images: pairs of a model, drawn by the seed; None for all.
        seeds: of the pairs and held-out splits; the properties are measured with the first.
        load: opens an encoder by its name.
        progress: told of every trial.

    Raises:
        FinexlError: an encoder cannot be loaded; what was measured before is kept.
    """
    for number, name in enumerate(names):
        progress(f"Encoder {name}", number, len(names))
        encoder = load(name)
        own = replace(reading, measure=replace(reading.measure, encoder=encoder))
        with_revision = f"{settings} {encoder.revision[:24]}"
        ways = {f"{kind}, {name}": Way(KINDS[kind](), own) for kind in decompositions}
        score_ways(
            EXPERIMENT,
            plans_for(encoder),
            ways,
            results,
            settings=with_revision,
            images=images,
            seeds=seeds,
            progress=progress,
            more=lambda way, trial, _: {"alignment with the models": way.alignment(trial)},
        )
        key = (EXPERIMENT, "alignment", name, PROPERTIES, "all", str(seeds[0]), with_revision)
        if not results.has(*key):
            found = properties(encoder, pictures, seed=seeds[0])
            _add(results, name, found, seeds[0], with_revision)


def _add(results: Results, name: str, found: Properties, seed: int, settings: str) -> None:
    measures: dict[str, Measure] = {
        "linearity": found.linearity,
        "orthogonality": found.orthogonality,
        "orthogonality in the subspace": found.orthogonality_in_subspace,
        "alignment of other words": found.alignment_of_others,
        "alignment": found.alignment,  # last: what says that all are there
    }
    for measure, one in measures.items():
        details = {"ci": list(one.ci), "note": found.note}
        results.add(
            Result(
                EXPERIMENT,
                measure,
                name,
                PROPERTIES,
                "all",
                seed,
                one.value,
                settings,
                details=details,
            )
        )
