"""Work in parts: nothing is lost with a worker, nothing is done twice, what fails is set aside."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from counted import attempts, square, tasks, threads
from finexl.errors import UsageError
from finexl.executor import LocalPool, Outcome, Task
from finexl.ledger import DONE, FAILED, Ledger, run


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    (tmp_path / "marks").mkdir()
    return tmp_path / "marks"


def values(outcomes: list[Outcome]) -> dict[str, object]:
    assert len({outcome.task.id for outcome in outcomes}) == len(outcomes)
    return {outcome.task.name: outcome.value for outcome in outcomes if outcome.error is None}


def test_every_task_is_done_once_by_several_processes(marks: Path) -> None:
    outcomes = list(LocalPool(2).outcomes(tasks(marks, 8, seconds=0.05), square))
    assert values(outcomes) == {f"number {n}": n**2 for n in range(8)}
    assert attempts(marks) == Counter(range(8))
    pids = {path.suffix for path in marks.iterdir()}
    assert len(pids) == 2
    assert f".{os.getpid()}" not in pids


def test_a_killed_workers_task_is_done_again_and_no_other(marks: Path) -> None:
    asked = tasks(marks, 6, n2={"fault": "killed", "times": 1})
    outcomes = list(LocalPool(2).outcomes(asked, square))
    assert values(outcomes) == {f"number {n}": n**2 for n in range(6)}
    assert attempts(marks) == Counter([*range(6), 2])
    assert {o.task.name: o.attempts for o in outcomes if o.attempts > 1} == {"number 2": 2}


def test_a_worker_killed_from_outside_is_replaced(marks: Path) -> None:
    outcomes = LocalPool(1).outcomes(tasks(marks, 3, n1={"seconds": 1.0}), square)
    first = next(outcomes)
    while len(list(marks.iterdir())) < 2:
        time.sleep(0.01)
    [worker] = {int(path.suffix[1:]) for path in marks.iterdir()}
    os.kill(worker, signal.SIGKILL)
    assert values([first, *outcomes]) == {"number 0": 0, "number 1": 1, "number 2": 4}
    assert attempts(marks) == Counter([0, 1, 1, 2])


def test_what_keeps_failing_is_set_aside_and_the_rest_is_finished(marks: Path) -> None:
    asked = tasks(
        marks,
        6,
        n0={"fault": "error", "times": 9},
        n1={"fault": "killed", "times": 9},
        n2={"fault": "usage", "times": 9},
        n3={"fault": "prerequisite", "times": 9},
        n4={"fault": "error", "times": 2},
    )
    outcomes = {o.task.name: o for o in LocalPool(2, tries=3).outcomes(asked, square)}
    assert {name: (o.value, o.error, o.attempts) for name, o in outcomes.items()} == {
        "number 0": (None, "RuntimeError: attempt 3 failed", 3),
        "number 1": (None, "Its worker process died (signal 9).", 3),
        "number 2": (None, "This cannot work.", 1),
        "number 3": (None, "Install that.", 1),
        "number 4": (16, None, 3),
        "number 5": (25, None, 1),
    }
    assert attempts(marks) == Counter({0: 3, 1: 3, 2: 1, 3: 1, 4: 3, 5: 1})


def test_what_cannot_be_sent_back_fails_and_the_rest_is_finished(marks: Path) -> None:
    outcomes = LocalPool(1, tries=1).outcomes([Task("a", "a", 1), Task("b", "b", 2)], make_lambda)
    assert {outcome.task.name: outcome.error is None for outcome in outcomes} == {
        "a": False,
        "b": True,
    }
    assert not attempts(marks)


def make_lambda(number: int) -> object:
    return (lambda: number) if number == 1 else number


def test_workers_are_told_how_many_threads_they_have() -> None:
    [outcome] = LocalPool(1, threads=3).outcomes([Task("a", "a")], threads)
    assert outcome.value["OMP_NUM_THREADS"] == outcome.value["OPENBLAS_NUM_THREADS"] == "3"
    before = dict(os.environ)
    [outcome] = LocalPool(10_000).outcomes([Task("a", "a")], threads)
    assert outcome.value["MKL_NUM_THREADS"] == "1"
    assert dict(os.environ) == before


def test_no_process_is_left_when_nobody_waits_for_the_rest(marks: Path) -> None:
    outcomes = LocalPool(2).outcomes(tasks(marks, 4, seconds=30.0, n0={"seconds": 0.0}), square)
    assert next(outcomes).value == 0
    started = time.monotonic()
    outcomes.close()  # type: ignore[attr-defined]  # a generator
    assert time.monotonic() - started < 8
    assert not multiprocessing.active_children()


def test_what_is_finished_is_read_and_what_changed_or_failed_is_done(
    tmp_path: Path, marks: Path
) -> None:
    with Ledger.open(tmp_path / "out") as ledger:
        asked = tasks(marks, 3, n1={"fault": "usage", "times": 1})
        first = list(run(asked, square, on=LocalPool(1), ledger=ledger))
    assert values(first) == {"number 0": 0, "number 2": 4}
    with Ledger.open(tmp_path / "out") as ledger:
        again = tasks(marks, 3)
        again[2] = Task("digest of another question", "number 2", again[2].asked)
        second = list(run(again, square, on=LocalPool(1), ledger=ledger))
    assert values(second) == {"number 0": 0, "number 1": 1, "number 2": 4}
    assert {o.task.name: o.attempts for o in second} == {
        "number 0": 0,
        "number 1": 1,
        "number 2": 1,
    }
    assert attempts(marks) == Counter([0, 1, 1, 2, 2])
    # the earlier question's answer is gone: the name has another now
    with Ledger.open(tmp_path / "out") as ledger:
        assert ledger.find(tasks(marks, 3)[2]) is None
        assert ledger.find(again[2]) is not None


def test_tasks_of_one_digest_are_done_once(tmp_path: Path, marks: Path) -> None:
    with Ledger.open(tmp_path / "out") as ledger:
        twice = tasks(marks, 1) * 2
        assert len(list(run(twice, square, on=LocalPool(2), ledger=ledger))) == 1
    assert attempts(marks) == Counter([0])


def test_a_line_cut_short_counts_as_none(tmp_path: Path, marks: Path) -> None:
    with Ledger.open(tmp_path) as ledger:
        list(run(tasks(marks, 2), square, on=LocalPool(1), ledger=ledger))
    whole = (tmp_path / DONE).read_bytes()
    (tmp_path / DONE).write_bytes(whole[:-9])
    with Ledger.open(tmp_path) as ledger:
        assert [ledger.find(task) is not None for task in tasks(marks, 2)] == [True, False]
        list(run(tasks(marks, 2), square, on=LocalPool(1), ledger=ledger))
    assert attempts(marks) == Counter([0, 1, 1])
    with Ledger.open(tmp_path) as ledger:
        assert all(ledger.find(task) is not None for task in tasks(marks, 2))


def test_what_was_set_aside_is_that_of_the_last_run(tmp_path: Path) -> None:
    for error in ("first", "second"):
        with Ledger.open(tmp_path) as ledger:
            ledger.set_aside("org/ä", Outcome(Task("a", "b"), error=error, attempts=3))
    lines = (tmp_path / FAILED).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"name": "org/ä", "error": "second", "attempts": 3}
    ]
    with Ledger.open(tmp_path):
        assert not (tmp_path / FAILED).exists()


def test_two_cannot_write_to_one_folder_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from finexl.ledger import Ledger\n"
        f"with Ledger.open(Path({str(tmp_path)!r})): print('open', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(UsageError, match="Another process"), Ledger.open(tmp_path):
            pass
        other.kill()
    with Ledger.open(tmp_path):
        pass


def test_ctrl_c_ends_all_and_leaves_what_is_finished_whole(tmp_path: Path, marks: Path) -> None:
    code = f"""
import signal
from pathlib import Path
from counted import square, tasks
from finexl.executor import LocalPool
from finexl.ledger import Ledger, run

if __name__ == "__main__":
    # heard as in a terminal, also where the tests are run in the background of a script
    signal.signal(signal.SIGINT, signal.default_int_handler)
    asked = tasks(Path({str(marks)!r}), 4, seconds=0.1, n2=dict(seconds=60), n3=dict(seconds=60))
    with Ledger.open(Path({str(tmp_path / "out")!r})) as ledger:
        for outcome in run(asked, square, on=LocalPool(2), ledger=ledger):
            print(outcome.value, flush=True)
"""
    script = tmp_path / "script.py"
    script.write_text(code)
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    # a group of its own: Ctrl-C reaches every process of it, as in a terminal
    with subprocess.Popen(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as other:
        assert other.stdout is not None
        assert {other.stdout.readline(), other.stdout.readline()} == {b"0\n", b"1\n"}
        while len(list(marks.iterdir())) < 4:
            time.sleep(0.01)
        os.killpg(other.pid, signal.SIGINT)
        assert other.wait(20) != 0
        until = time.monotonic() + 10
        while time.monotonic() < until and alive(other.pid):
            time.sleep(0.05)
        assert not alive(other.pid)
    with Ledger.open(tmp_path / "out") as ledger:
        assert [ledger.find(task) is not None for task in tasks(marks, 4)] == [
            True, True, False, False,
        ]  # fmt: skip
    assert attempts(marks) == Counter(range(4))


def alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
