"""One question on its way to an answer: what workers do with it.

Every step finds what an earlier one left in the folder, so that it does not matter which process,
or which machine that sees the same folder, does it.
"""

from __future__ import annotations

import os
import platform
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from finexl._version import __version__
from finexl.answer import created
from finexl.asking import options_of, sides_of
from finexl.encoders import Encoder, load_encoder
from finexl.errors import UsageError
from finexl.executor import Task, threads_here
from finexl.explanation import Explanation
from finexl.files import write_atomic
from finexl.pipeline import explain_sets
from finexl.questions import Question
from finexl.runs import Run
from finexl.sources import find_sides

STRONGEST = 3
"""Aspects that a summary names."""


@dataclass(frozen=True)
class Step:
    """A question, and where its files are."""

    question: Question
    folder: Path
    """Where everything is, absolute."""
    digest: str
    """Of all that the explanation depends on."""
    base: str | None
    """Digest of what its base's images depend on; None where no other model can share them."""

    @property
    def task(self) -> Task:
        """The step as an executor knows it."""
        return Task(self.digest, self.question.file, self)

    @property
    def run(self) -> Path:
        """The run's folder."""
        return self.folder / "runs" / self.question.file

    @property
    def answer(self) -> Path:
        """Where the explanation goes."""
        return self.folder / f"{self.question.file}.json"

    @property
    def prepared(self) -> Path | None:
        """Where the base is prepared."""
        return None if self.base is None else self.folder / "bases" / self.base[:16]


def prepare(step: Step) -> None:
    """Make a base's images, embed them, and map the concepts under their prompts.

    It is explained against itself: whatever does not depend on the other side is then in the
    folder, or in this machine's cache.
    """
    encoder, asked = encoder_of(step.question), step.question.asked
    assert step.prepared is not None
    run = Run.create(step.prepared)
    run.save_record({"options": {"base": asked["base"], "personalized": asked["base"]}})
    sides = find_sides(sides_of({**asked, "personalized": asked["base"]}), run, encoder)
    options, alone = replace(options_of(asked), prompts=sides.prompts), Run()
    with suppress(UsageError):  # what is wrong with it is said where a model is explained with it
        explain_sets(sides.base, sides.base, options, encoder, alone)
    run.rows = alone.rows
    run.save_rows(encoder.revision)


def explain_one(step: Step) -> dict[str, Any]:
    """Explain one model, making and embedding what is not there yet; return its summary."""
    started = time.monotonic()
    question, encoder = step.question, encoder_of(step.question)
    run = open_run(step, encoder)
    try:
        sides = find_sides(sides_of(question.asked), run, encoder)
        options = replace(options_of(question.asked), prompts=sides.prompts)
        found = explain_sets(sides.base, sides.personalized, options, encoder, run).explanation
    except Exception:
        run.save_record({**_record(question), "state": "failed"})
        raise
    run.save_record({**_record(question), "state": "done"})
    text = found.to_json()
    write_atomic(step.answer, text)
    # of what is written, so that its numbers are rounded alike
    return _summary(Explanation.from_json(text), step, time.monotonic() - started)


def _summary(explanation: Explanation, step: Step, seconds: float) -> dict[str, Any]:
    """Return what is said of a model among many."""
    strongest = sorted((*explanation.aspects, *explanation.less), key=lambda a: -abs(a.score))
    return {
        "file": step.answer.name,
        "detected": explanation.divergence.detected,
        "norm": explanation.divergence.norm,
        "aspects": [{"concept": a.concept, "score": a.score} for a in strongest[:STRONGEST]],
        "seconds": round(seconds, 2),
    }


def _record(question: Question) -> dict[str, Any]:
    return {
        "options": dict(question.asked),
        "versions": {"finexl": __version__, "python": platform.python_version()},
        "started": created(),
    }


def open_run(step: Step, encoder: Encoder) -> Run:
    """Open a model's run, begun with its base's images and rows where they are prepared.

    A run of other images under the same name is taken away: the name says another model now.
    """
    record = _record(step.question)
    before = Run(step.run).record() or record
    sides = ("base", "personalized")
    if any(before["options"].get(side) != record["options"][side] for side in sides):
        shutil.rmtree(step.run)
    run = Run.create(step.run)
    run.save_record({**record, "state": "running"})
    run.load_rows(encoder.revision, encoder.dim)
    if step.prepared is not None and step.prepared.is_dir():
        _begin_with(step.prepared / "images", step.run / "images")
        base = Run(step.prepared)
        base.load_rows(encoder.revision, encoder.dim)
        if not base.rows.keys() <= run.rows.keys():
            run.rows |= base.rows
            run.save_rows(encoder.revision)
    return run


def _begin_with(prepared: Path, images: Path) -> None:
    """Give a run the base's images: as further names of the same files, which cost no disk.

    What is written to later is copied, so that no run can change another's.
    """
    for file in sorted(prepared.glob("*/*")):
        target = images / file.relative_to(prepared)
        if target.exists() or file.suffix == ".tmp":
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if file.suffix != ".png":
                raise OSError("to be copied")
            os.link(file, target)
        except OSError:  # or a file system without further names
            write_atomic(target, file.read_bytes())


def encoder_of(question: Question) -> Encoder:
    """Return the encoder, with as many threads as this worker has."""
    return _opened(question.asked["encoder"], threads_here())


@cache
def _opened(name: str, threads: int | None) -> Encoder:
    """Return an encoder that this process opens once."""
    return load_encoder(name, threads=threads)
