"""Experiments in parts, each by a worker: the same results as in one go, in the same file.

Every part writes a file of its own, FILE.parts/EXPERIMENT-2-of-4.jsonl, so that none can cut
another's line; what it holds is added to FILE.jsonl when the part ends, or when one starts again
after everything was killed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from finexl.asking import looking
from finexl.bench.baselines.grading import LexicalGrader, ModelGrader
from finexl.bench.experiments.readers import Reading
from finexl.bench.experiments.registry import EXPERIMENTS
from finexl.bench.experiments.setup import Given, Progress, Setup, words_of
from finexl.bench.results import Result, Results, read_results
from finexl.cache import key_of
from finexl.encoders import load_encoder
from finexl.errors import FinexlError
from finexl.executor import Executor, Task, threads_here
from finexl.measure import Measure
from finexl.vlm import load_vlm

UNDEALT = ("fine-tunes", "versions", "ablation-ideal")
"""Experiments that do not deal out their trials: one worker does all of each."""


@dataclass(frozen=True)
class Asked:
    """What experiments run with, as another process can be told it."""

    given: Given
    encoder: str = "embedded"
    vlm: str | None = None
    judge: str | None = None

    def setup(
        self,
        results: Results,
        shard: tuple[int, int] = (0, 1),
        say: Callable[[str], None] = lambda _: None,
    ) -> Setup:
        """Return what an experiment is run with, its parameters still to be given.

        Args:
            results: added to.
            shard: this part, of so many.
            say: told where pictures go.
        """
        encoder = load_encoder(self.encoder, threads=threads_here())
        seeing = None if self.vlm is None else looking(self.vlm, say)
        return Setup(
            encoder=encoder,
            reading=Reading(Measure(encoder, "subspace", (), 0), words_of(self.given.sets), seeing),
            grader=LexicalGrader() if self.judge is None else ModelGrader(looking(self.judge, say)),
            given=self.given,
            parameters={},
            results=results,
            shard=shard,
        )


@dataclass(frozen=True)
class Part:
    """One experiment's share of the trials."""

    asked: Asked
    experiment: str
    parameters: Mapping[str, Any]
    shard: tuple[int, int]
    known: Path | None
    """Results that there were before."""
    own: Path
    """Takes those of this part."""
    command: str

    @property
    def task(self) -> Task:
        """The part as an executor knows it."""
        which, of = self.shard
        name = f"{self.experiment} {which + 1}/{of}"
        return Task(key_of(name, repr(self.parameters), self.asked.given.digest), name, self)


def run_part(part: Part) -> None:
    """Run an experiment's share, going on where a lost worker was."""
    before = read_results([path for path in (part.known, part.own) if path is not None])
    results = Results(part.own, part.command, {result.key: result for result in before})
    setup = part.asked.setup(results, part.shard)
    EXPERIMENTS[part.experiment].run(replace(setup, parameters=part.parameters))


def run_in_parts(
    asked: Asked,
    experiments: Mapping[str, Mapping[str, Any]],
    results: Results,
    on: Executor,
    *,
    progress: Progress = lambda *_: None,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Run experiments in parts, and add what they find to the results.

    Args:
        asked: what they run with.
        experiments: their parameters by name.
        results: added to; what is there is not computed again.
        on: who does them; an experiment is dealt out to as many parts as there are workers.
        progress: told of every part.
        say: told where pictures go.

    Raises:
        FinexlError: parts that failed, after all others are done.
    """
    for model in dict.fromkeys((asked.vlm, asked.judge)):
        notice = None if model is None else load_vlm(model).notice
        if notice is not None:
            say(notice)
    failed, of = [], on.workers
    with TemporaryDirectory(ignore_cleanup_errors=True) as spare:
        folder = Path(spare) if results.path is None else results.path.with_suffix(".parts")
        folder.mkdir(exist_ok=True)
        for left in sorted(folder.glob("*.jsonl")):
            _take(left, results)
        parts = [
            Part(
                asked,
                name,
                parameters,
                shard,
                results.path,
                folder / f"{name}-{shard[0] + 1}-of-{shard[1]}.jsonl",
                results.command,
            )
            for name, parameters in experiments.items()
            for shard in ([(0, 1)] if name in UNDEALT else [(which, of) for which in range(of)])
        ]
        progress("Experiments in parts", 0, len(parts))
        outcomes = on.outcomes([part.task for part in parts], run_part)
        for done, outcome in enumerate(outcomes, 1):
            _take(outcome.task.asked.own, results)
            if outcome.error is not None:
                failed.append(f"{outcome.task.name}: {outcome.error}")
            progress("Experiments in parts", done, len(parts))
        with suppress(OSError):
            folder.rmdir()
    if failed:
        raise FinexlError(f"{len(failed)} of {len(parts)} parts failed; the first: {failed[0]}")


def _take(part: Path, results: Results) -> None:
    """Add a part's results that are not known, as they were found together, and remove its file."""
    found: Sequence[Result] = read_results([part])
    while found:
        together, found = found[: found[0].together], found[found[0].together :]
        whole = len(together) == together[0].together
        if whole and not all(results.has(*result.key) for result in together):
            results.add(*together)
    part.unlink(missing_ok=True)
