"""A what-if put to the test: the model makes a few pairs again, told to undo the aspect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from finexl.embedding import Progress
from finexl.encoders import image_rows
from finexl.errors import UsageError
from finexl.generators import Generator, Job, Settings, load_generator, make_all
from finexl.pipeline import Explained
from finexl.sources import is_model
from finexl.undo import scores
from finexl.whatif import Tried, WhatIf

SMALLER = 0.5
"""The part of its scale that a LoRA is tried at."""


def try_out(
    explained: Explained,
    found: WhatIf,
    reference: str,
    settings: Settings,
    folder: Path,
    progress: Progress = lambda *_: None,
) -> tuple[Tried, ...]:
    """Return what the aspect's score becomes in the what-if's pairs, beside what was predicted.

    Two ways: the concept in the negative prompt (what there is less of: in the prompt), predicted
    to take the aspect away; and, of a LoRA, half of its scale, predicted to halve it. A way that
    the model does not take is left out.

    Args:
        explained: what was found.
        found: the what-if, with its pairs.
        reference: the personalized model; nothing is tried of a folder.
        settings: as its images were made.
        folder: where the new images go.
        progress: told of every image.
    """
    chosen = [explained.pairs[pair.index] for pair in found.pairs]
    jobs = [Job(p.prompt, p.seed) for p in chosen if p.prompt is not None and p.seed is not None]
    if not is_model(reference) or not jobs or len(jobs) < len(chosen):
        return ()
    before = float(np.mean([pair.by for pair in found.pairs]))
    base = image_rows(
        explained.measure.encoder, [explained.pictures(pair.index)[0] for pair in found.pairs]
    )
    tried = []
    for how, predicted, model, asked in _ways(found, reference, settings, jobs, before):
        made = make_all(model, asked, folder / f"what-if-{model.digest[:12]}", progress)
        opened = {(p.prompt, p.seed): p for p in made.pictures}
        kept = [i for i, job in enumerate(asked) if (job.prompt, job.seed) in opened]
        if not kept:
            continue
        pictures = [opened[asked[i].prompt, asked[i].seed].open() for i in kept]
        rows = image_rows(explained.measure.encoder, pictures) - base[kept]
        observed = float(scores(explained, rows.astype(np.float64), found.concept).mean())
        tried.append(Tried(how, len(kept), before, predicted, observed))
    return tuple(tried)


def _ways(
    found: WhatIf, reference: str, settings: Settings, jobs: Sequence[Job], before: float
) -> Iterator[tuple[str, float, Generator, list[Job]]]:
    """Yield how it is tried, the score predicted, the model, and what it is asked for."""
    if found.more:
        negative = ", ".join(filter(None, (settings.negative, found.concept)))
        model = _model(reference, replace(settings, negative=negative))
        if model is not None:
            yield f"with the negative prompt “{negative}”", 0.0, model, list(jobs)
    else:
        asked = [Job(f"{job.prompt}, {found.concept}", job.seed) for job in jobs]
        model = _model(reference, settings)
        if model is not None:
            yield f"with “{found.concept}” in the prompt", 0.0, model, asked
    if reference.startswith("lora:"):
        model = _model(_scaled(reference), settings)
        if model is not None:
            yield "at half the scale", SMALLER * before, model, list(jobs)


def _model(reference: str, settings: Settings) -> Generator | None:
    try:
        return load_generator(reference, settings)
    except UsageError:  # it takes no negative prompt
        return None


def _scaled(reference: str) -> str:
    """Return a LoRA's reference with every scale halved."""
    from finexl.generators import adapters

    base, files = adapters.parse(reference.removeprefix("lora:"))
    return adapters.reference(base, [(name, scale * SMALLER) for name, scale in files])
