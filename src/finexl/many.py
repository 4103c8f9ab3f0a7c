"""Many models explained, each as `finexl explain` would explain it, and each once.

FOLDER/NAME.json       the explanation
FOLDER/runs/NAME/      its run: images, embeddings, options
FOLDER/bases/DIGEST/   what models share: a base's images and their embeddings
FOLDER/done.jsonl      what is finished, by the digest of what was asked
FOLDER/failed.jsonl    what the last run set aside, and why

A base is prepared once, and every run begins with it. Then one worker does all of a model. Models
that make images may have workers of their own, with a GPU; images that are there already may be
embedded by somebody else before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from finexl.contents import Contents
from finexl.errors import UsageError
from finexl.executor import Executor, Outcome, Task
from finexl.images import ImageError
from finexl.imageset import read_images
from finexl.ledger import Ledger, run
from finexl.questions import Question
from finexl.sources import is_model
from finexl.step import Step, encoder_of, explain_one, open_run, prepare

AT_ONCE = 200
"""Models that are looked at, and embedded, together, before the first of them is explained."""

Embedder: TypeAlias = Callable[
    [Sequence[tuple[str, Path]], str], Iterable[tuple[str, NDArray[np.float32]]]
]
"""Pictures by digest, and an encoder's name -> rows (d,) by digest, of those that can be opened."""


def explain_many(
    questions: Sequence[Question],
    folder: Path,
    on: Executor,
    *,
    makers: Executor | None = None,
    embedder: Embedder | None = None,
) -> Iterator[Outcome]:
    """Explain every model whose explanation is not there yet; what fails is set aside.

    Args:
        questions: one a model; their names' files differ.
        folder: where explanations and runs go; one process at a time.
        on: who explains.
        makers: who does what makes images, if others do.
        embedder: who embeds images that are there already, if others do.

    Yields:
        Each question's outcome as it comes. Its task asks a `Step`; its value is a summary: file,
        detected, norm, aspects, seconds.

    Raises:
        UsageError: the folder cannot be written, or another process is writing to it.
        PrerequisiteError: the encoder needs something that is not installed.
    """
    contents = Contents()
    with Ledger.open(folder) as ledger:
        for start in range(0, len(questions), AT_ONCE):
            some = questions[start : start + AT_ONCE]
            contents.learn(some)
            steps = [_step(question, folder.absolute(), contents) for question in some]
            for outcome in _answers(steps, ledger, on, makers or on, embedder):
                if outcome.error is not None:
                    ledger.set_aside(outcome.task.asked.question.name, outcome)
                yield outcome


def _step(question: Question, folder: Path, contents: Contents) -> Step:
    revision, asked = encoder_of(question).revision, question.asked
    # a base that makes images of the other side's prompts, or until they suffice, is that model's
    own = not is_model(asked["personalized"]) or asked["until"] is not None
    alone = is_model(asked["base"]) and own
    base = None if alone else contents.of_base(question, revision)
    return Step(question, folder, contents.of(question, revision), base)


def _answers(
    steps: Sequence[Step],
    ledger: Ledger,
    on: Executor,
    makers: Executor,
    embedder: Embedder | None,
) -> Iterator[Outcome]:
    """Yield the questions' outcomes: known ones, those of a base that failed, and new ones."""
    left: dict[str, Step] = {}
    for step in steps:
        if not step.answer.exists():  # somebody took it away
            ledger.forget(step.task.name)
        known = ledger.find(step.task)
        if known is None:
            left[step.digest] = step
        else:
            yield known

    broken: dict[str | None, Outcome] = {}
    for outcome in run(_bases(left.values(), ledger), prepare, on=makers, ledger=ledger):
        if outcome.error is not None:
            broken[outcome.task.id] = outcome
    for step in list(left.values()):
        if step.base in broken:
            yield replace(broken[step.base], task=left.pop(step.digest).task)

    making = [step for step in left.values() if step.question.makes]
    there = [step for step in left.values() if not step.question.makes]
    yield from run([step.task for step in making], explain_one, on=makers, ledger=ledger)
    if embedder is not None:
        for name in dict.fromkeys(step.question.asked["encoder"] for step in there):
            _embed([s for s in there if s.question.asked["encoder"] == name], name, embedder)
    yield from run([step.task for step in there], explain_one, on=on, ledger=ledger)


def _bases(steps: Iterable[Step], ledger: Ledger) -> list[Task]:
    """Return a task for each base, which several models may share."""
    tasks: dict[str, Task] = {}
    for step in steps:
        if step.base is not None and step.prepared is not None and step.base not in tasks:
            tasks[step.base] = Task(step.base, f"bases/{step.prepared.name}", step)
            if not step.prepared.is_dir():
                ledger.forget(tasks[step.base].name)
    return list(tasks.values())


def _embed(steps: Sequence[Step], encoder: str, embedder: Embedder) -> None:
    """Embed the personalized pictures of all these models, each content once, into their runs."""
    runs = [open_run(step, encoder_of(step.question)) for step in steps]
    pictures = [_pictures(step) for step in steps]
    wanted = {
        digest: path
        for run_, found in zip(runs, pictures, strict=True)
        for digest, path in found.items()
        if digest not in run_.rows
    }
    rows = dict(embedder(list(wanted.items()), encoder)) if wanted else {}
    for step, run_, found in zip(steps, runs, pictures, strict=True):
        run_.rows |= {digest: rows[digest] for digest in found if digest in rows}
        run_.save_rows(encoder_of(step.question).revision)


def _pictures(step: Step) -> dict[str, Path]:
    """Return a model's pictures by digest; what cannot be read is said when it is explained."""
    found = {}
    with suppress(UsageError):
        for picture in read_images(step.question.asked["personalized"]).pictures:
            with suppress(ImageError):
                found[picture.digest()] = Path(str(picture.source))
    return found
