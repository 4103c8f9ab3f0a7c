"""Explanations in processes of their own: in order, bounded, and gone without trace when ended."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import idle_work
from finexl.errors import UsageError
from finexl.explanation import Explanation
from finexl.pipeline import explain
from finexl.runs import Run
from finexl.web import jobs as module
from finexl.web.explained import Explaining
from finexl.web.jobs import FullError, Job, Jobs
from finexl.web.kept import examples, read_kept
from finexl.web.settings import Limits, Settings
from website import EXAMPLES, csrf, example_files, visited


@dataclass
class Queue:
    """The jobs, and the folder that they work in."""

    jobs: Jobs
    folder: Path


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    (tmp_path / "elsewhere").mkdir()
    limits = Limits(waiting=2)
    jobs = Jobs(Settings(roots=(tmp_path,), runs=tmp_path / "runs", limits=limits))
    yield Queue(jobs, tmp_path / "runs")
    jobs.close()


def submitted(
    queue: Queue, work: Callable[..., None], monkeypatch: pytest.MonkeyPatch, **how: Any
) -> Job:
    monkeypatch.setattr(module, "work", work)
    with queue.jobs.place(queue.folder) as (name, folder):
        asked = {"elsewhere": str(queue.folder.parent / "elsewhere")}
        task, final = Explaining(folder, asked, ()), queue.folder / name
        where = {"final": final, "kind": "explanation", "page": "/", "result": "/api", **how}
        return queue.jobs.submit(Job(name, "a job", task, **where))


def until(holds: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)


def is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("work", [idle_work.patient, idle_work.stubborn])
def test_a_cancelled_job_leaves_neither_process_nor_file(
    queue: Queue, work: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GRACE_SECONDS", 1.0)
    job = submitted(queue, work, monkeypatch)
    until(lambda: "begun" in job.stages)
    process = job.stages["begun"][0]
    assert not is_gone(process)
    assert job.task.folder.is_dir()
    queue.jobs.cancel(job)
    assert job.state == "cancelled"
    assert is_gone(process)
    assert list(queue.folder.iterdir()) == []
    assert list((queue.folder.parent / "elsewhere").iterdir()) == []
    queue.jobs.cancel(job)
    assert job.state == "cancelled"


@pytest.mark.parametrize("work", [idle_work.crashing, idle_work.lying])
def test_a_job_whose_process_fails_leaves_nothing_and_the_next_one_works(
    queue: Queue, work: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.5)
    job = submitted(queue, work, monkeypatch)
    until(lambda: job.over)
    assert (job.state, job.why) == ("failed", "Its process ended before it was done.")
    assert list(queue.folder.iterdir()) == []
    other = submitted(queue, idle_work.quick, monkeypatch)
    until(lambda: other.over)
    assert other.state == "done"
    assert [path.name for path in queue.folder.iterdir()] == [other.id]


def test_one_works_and_some_wait_and_no_more(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    first = submitted(queue, idle_work.patient, monkeypatch)
    until(lambda: first.state == "running")
    waiting = [submitted(queue, idle_work.quick, monkeypatch) for _ in range(2)]
    with pytest.raises(FullError):
        submitted(queue, idle_work.quick, monkeypatch)
    assert len(list(queue.folder.iterdir())) == 3
    queue.jobs.cancel(waiting[0])
    assert not waiting[0].task.folder.exists()
    assert [job.state for job in queue.jobs.all()] == ["waiting", "cancelled", "running"]
    queue.jobs.cancel(first)
    until(lambda: waiting[1].over)
    assert waiting[1].state == "done"
    assert [path.name for path in queue.folder.iterdir()] == [waiting[1].id]


def test_closing_ends_everything(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    running = submitted(queue, idle_work.patient, monkeypatch)
    until(lambda: "begun" in running.stages)
    waiting = submitted(queue, idle_work.quick, monkeypatch)
    queue.jobs.close()
    assert (running.state, waiting.state) == ("cancelled", "cancelled")
    assert is_gone(running.stages["begun"][0])
    assert list(queue.folder.iterdir()) == []


def test_what_a_killed_server_left_is_swept_and_a_living_ones_is_not(tmp_path: Path) -> None:
    gone, mine = (
        tmp_path / f".job-{2**22 + 1}-{'0' * 16}",
        tmp_path / f".job-{os.getpid()}-{'1' * 16}",
    )
    for folder in (gone, mine, tmp_path / ".job-x", tmp_path / "0123456789abcdef"):
        folder.mkdir()
    Jobs(Settings(roots=(tmp_path,), runs=tmp_path))
    assert not gone.exists()
    assert len(list(tmp_path.iterdir())) == 3


def test_a_place_that_is_not_used_is_taken_away(queue: Queue) -> None:
    with pytest.raises(ZeroDivisionError), queue.jobs.place(queue.folder):
        1 / 0  # noqa: B018
    assert list(queue.folder.iterdir()) == []


def test_what_a_job_made_is_taken_before_it_is_done(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def settle(folder: Path) -> None:
        seen.append((folder / "whole").read_text())

    job = submitted(queue, idle_work.quick, monkeypatch, settle=settle, final=None)
    until(lambda: job.over)
    assert (job.state, seen) == ("done", ["whole"])
    assert list(queue.folder.iterdir()) == []

    def refuse(_: Path) -> None:
        raise UsageError("It is too late for that.")

    job = submitted(queue, idle_work.quick, monkeypatch, settle=refuse)
    until(lambda: job.over)
    assert (job.state, job.why) == ("failed", "It is too late for that.")
    assert list(queue.folder.iterdir()) == []


def test_a_later_job_of_one_place_replaces_what_is_there(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    final = queue.folder / "kept"
    final.mkdir(parents=True)
    (final / "before").write_text("before")
    job = submitted(queue, idle_work.quick, monkeypatch, final=final)
    until(lambda: job.over)
    assert [path.name for path in final.iterdir()] == ["whole"]
    assert list(queue.folder.iterdir()) == [final]


def test_uploaded_pictures_are_explained_as_the_command_would(tmp_path: Path) -> None:
    with visited(Settings(roots=(EXAMPLES,), runs=tmp_path / "runs")) as client:
        header = csrf(client)
        sent = {"name": "mine", "pairing": "file"}
        found = client.post("/api/explain/upload", files=example_files(), data=sent, headers=header)
        assert found.status_code == 202
        job = found.json()["job"]
        until(lambda: client.get(f"/api/jobs/{job}").json()["run"], 120)
        told = client.get(f"/api/runs/{job}").json()
        page = client.get(f"/runs/{job}").text
        assert [run["run"] for run in client.get("/api/runs").json()["runs"]] == [job]
        kept = read_kept(tmp_path / "runs" / job)
        shown = [client.get(f"/runs/{job}/pictures/{i}-base.webp") for i in kept.captions]
        assert {one.headers["content-type"] for one in shown} == {"image/webp"}
        for path in ("run.json", "..%2Frun.json", "0-base.webp%00", "999-base.webp"):
            assert client.get(f"/runs/{job}/pictures/{path}").status_code == 404
    expected = explain(EXAMPLES / "base", EXAMPLES / "vivid-50", pairing="file", name="mine")
    read = Explanation.from_json(json.dumps(told))
    said = expected.to_dict()
    assert said["aspects"]
    for key in ("aspects", "less", "sentences", "residual", "divergence"):
        assert told[key] == said[key]
    assert (read.name, read.base.digest) == ("mine", expected.base.digest)
    assert sorted(kept.captions) == sorted(examples(read))
    assert len(kept.heat) == sum(len(a.examples[:4]) for a in (*read.aspects, *read.less))
    assert f"/runs/{job}/pictures/{read.aspects[0].examples[0]}-heat-0.png" in page
    _, options = Run.resume(tmp_path / "runs" / job)
    assert Path(options["base"]).is_dir()  # where the uploads are now


def test_a_named_folder_whose_pictures_lead_out_is_not_read(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for side in ("base", "personalized"):
        (root / side).mkdir(parents=True)
        for path in sorted((EXAMPLES / "base").iterdir())[:3]:
            (root / side / path.name).symlink_to(path)
    with visited(Settings(roots=(root,), runs=tmp_path / "runs")) as client:
        named = {"base": "base", "personalized": "personalized"}
        job = client.post("/api/explain", json=named, headers=csrf(client)).json()["job"]
        until(lambda: client.get(f"/api/jobs/{job}").json()["state"] not in ("waiting", "running"))
        told = client.get(f"/api/jobs/{job}").json()
        assert told["state"] == "failed"
        assert "outside" in told["why"]
        assert list((tmp_path / "runs").iterdir()) == []
