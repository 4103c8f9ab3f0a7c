"""Experiments in parts: the results are those of one go, whatever died on the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from finexl.bench.data.operated import photographs
from finexl.bench.experiments.registry import EXPERIMENTS, parameters_of
from finexl.bench.experiments.setup import Given
from finexl.bench.properties import PICTURES
from finexl.bench.results import Result, Results, read_results
from finexl.bench.shards import UNDEALT, Asked, Part, run_in_parts, run_part
from finexl.errors import FinexlError, UsageError
from finexl.executor import LocalPool, Outcome, Task, Work
from finexl.imageset import read_images

NAME = "ablation-threshold"


@dataclass
class Here:
    """An executor that does it all in this process, but for a part that it may lose."""

    workers: int
    lost: int = 0
    seen: int = 0

    def outcomes(self, tasks: Iterable[Task], work: Work) -> Iterator[Outcome]:
        for task in tasks:
            self.seen += 1
            work(task.asked)
            if self.seen == self.lost:
                yield Outcome(task, error="Its worker process died (signal 9).", attempts=3)
            else:
                yield Outcome(task, attempts=1)


def small() -> tuple[Asked, dict[str, Any]]:
    few = photographs(read_images(PICTURES), 64)
    given = Given(replace(few, pictures=few.pictures[:2]))
    return Asked(given), {**parameters_of(NAME, "quick"), "images": 2, "levels": 2}


def by_key(results: Iterable[Result]) -> dict[tuple[str, ...], Any]:
    return {result.key: pytest.approx(result.value) for result in results}


@pytest.fixture(scope="module")
def whole(session_cache: Path) -> dict[tuple[str, ...], float]:
    """The experiment's results in one go."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("FINEXL_CACHE", str(session_cache))
        results = Results(None)
        asked, parameters = small()
        EXPERIMENTS[NAME].run(replace(asked.setup(results), parameters=parameters))
        return by_key(results.found.values())


def test_parts_by_processes_find_what_one_finds(
    tmp_path: Path, whole: dict[tuple[str, ...], float]
) -> None:
    asked, parameters = small()
    results = Results.open(tmp_path / "r.jsonl", "the command")
    seen: list[tuple[int, int]] = []
    run_in_parts(
        asked,
        {NAME: parameters},
        results,
        LocalPool(2, threads=1),
        progress=lambda _, done, total: seen.append((done, total)),
    )
    assert by_key(results.found.values()) == whole
    assert seen == [(0, 2), (1, 2), (2, 2)]
    written = [line for line in (tmp_path / "r.jsonl").read_text().splitlines() if line]
    assert len(written) == len(whole)
    assert all('"command": "the command"' in line for line in written)
    assert [path.name for path in tmp_path.iterdir()] == ["r.jsonl"]


def test_what_a_lost_part_had_found_is_kept_and_only_the_rest_is_done(
    tmp_path: Path, whole: dict[tuple[str, ...], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, parameters = small()
    results = Results.open(tmp_path / "r.jsonl")
    with pytest.raises(FinexlError, match="1 of 2 parts failed; the first: ablation-threshold 1/2"):
        run_in_parts(asked, {NAME: parameters}, results, Here(2, lost=1))
    assert by_key(read_results([tmp_path / "r.jsonl"])) == whole

    # everything killed: the parts' files are there, one cut short within results of one trial
    (tmp_path / "r.parts").mkdir()
    lines = (tmp_path / "r.jsonl").read_text().splitlines(keepends=True)
    assert read_results([tmp_path / "r.jsonl"])[0].together > 1
    (tmp_path / "r.parts" / "x-1-of-5.jsonl").write_text("".join(lines[:-1]))
    (tmp_path / "r.jsonl").unlink()
    added: list[int] = []
    add = Results.add

    def count(self: Results, *some: Result) -> None:
        added.append(len(some))
        add(self, *some)

    monkeypatch.setattr(Results, "add", count)
    again = Results.open(tmp_path / "r.jsonl")
    run_in_parts(asked, {NAME: parameters}, again, Here(3))
    assert by_key(read_results([tmp_path / "r.jsonl"])) == whole
    # taken from the old part, then found by a new one and taken from that
    together = next(iter(again.found.values())).together
    assert sum(added) == len(whole) + together


def test_an_experiment_that_is_not_dealt_out_is_one_part() -> None:
    assert set(UNDEALT) <= set(EXPERIMENTS)
    asked, _ = small()
    done: list[tuple[str, tuple[int, int]]] = []

    class Noted(Here):
        def outcomes(self, tasks: Iterable[Task], work: Work) -> Iterator[Outcome]:
            assert work is run_part
            for task in tasks:
                assert isinstance(task.asked, Part)
                done.append((task.asked.experiment, task.asked.shard))
                yield Outcome(task, attempts=1)

    run_in_parts(asked, {"ablation-ideal": {}, NAME: {}}, Results(None), Noted(2))
    assert done == [("ablation-ideal", (0, 1)), (NAME, (0, 2)), (NAME, (1, 2))]


def test_where_pictures_go_is_said_once_and_a_part_cannot_work_without_its_model() -> None:
    asked, parameters = small()
    said: list[str] = []
    there = replace(asked, vlm="http://127.0.0.1:9/v1#x", judge="http://127.0.0.1:9/v1#x")
    run_in_parts(there, {}, Results(None), Here(2), say=said.append)
    assert len(said) == 1
    assert "127.0.0.1:9" in said[0]
    with pytest.raises(UsageError):
        run_in_parts(
            replace(asked, vlm="nothing:at-all"), {NAME: parameters}, Results(None), Here(1)
        )
