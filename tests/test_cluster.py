"""On Ray: a node killed in the middle loses nothing, and nothing is answered twice."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny_gans
from conftest import EXAMPLES
from counted import attempts, devices, square, tasks
from finexl._version import __version__
from finexl.cluster import Cluster, Makers
from finexl.cluster.crews import attempt_here
from finexl.encoders.embedded import Embedded
from finexl.errors import PrerequisiteError, UsageError
from finexl.executor import Executor, Failure, LocalPool, Task
from finexl.explanation import Explanation
from finexl.many import explain_many
from finexl.questions import Row, questions_of

MEMORY = 80_000_000
"""Bytes of a node's object store: its least."""


def need_ray() -> None:
    """Run only where asked for: another cluster on the machine, or a busy one, disturbs these."""
    if not os.environ.get("FINEXL_TEST_RAY"):
        pytest.skip("it starts nodes of Ray: FINEXL_TEST_RAY=1 runs it")
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'finexl[ray]'")


def test_without_ray_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(PrerequisiteError, match=r"pip install 'finexl\[ray\]'") as caught:
        Cluster.connect(None, None)
    assert caught.value.exit_code == 3


def test_a_node_with_another_version_does_nothing(tmp_path: Path) -> None:
    [task] = tasks(tmp_path, 1)
    answer = attempt_here("0.0.0", square, task.asked)
    assert isinstance(answer, Failure)
    assert answer.final
    assert f"finexl {__version__}, and 0.0.0" in answer.error
    assert not attempts(tmp_path)
    assert attempt_here(__version__, square, task.asked) == 0


@pytest.mark.parametrize("address", ["127.0.0.1:9", "auto"])
def test_a_cluster_that_is_not_there_is_told_soon(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_ray()
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    started = time.monotonic()
    with pytest.raises(UsageError, match=f"No Ray cluster answers at {address}: ") as caught:
        Cluster.connect(address, None)
    assert time.monotonic() - started < 30
    assert len(str(caught.value).splitlines()) == 1


@pytest.fixture(scope="module")
def nodes(session_cache: Path) -> Iterator[Any]:
    """A cluster of two nodes: a head that does nothing, and one with two processors and a GPU."""
    need_ray()
    from ray import shutdown
    from ray.cluster_utils import Cluster as Nodes

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("FINEXL_CACHE", str(session_cache))  # theirs
        patched.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patched.setenv("PYTHONPATH", str(Path(__file__).parent))
        small = {"object_store_memory": MEMORY, "include_dashboard": False}
        nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 0, **small})
        nodes.add_node(num_cpus=2, num_gpus=1, object_store_memory=MEMORY)
        Cluster.connect(nodes.address, None)
        yield nodes
        shutdown()
        nodes.shutdown()


# Ray's own: sockets and files that it leaves to the garbage collector, options that it sets itself
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore::DeprecationWarning",
)


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    (tmp_path / "marks").mkdir()
    return tmp_path / "marks"


@contextmanager
def doomed(nodes: Any, is_at_work: Callable[[int], Sequence[int]]) -> Iterator[None]:
    """Add a node where alone there is room; kill it, and its processes, as soon as it is at work.

    Args:
        nodes: the cluster.
        is_at_work: given the node's raylet, returns the processes that are at something.
    """
    import ray

    taken = ray.remote(num_cpus=2, max_retries=0)(devices).remote(600)
    node = nodes.add_node(num_cpus=2, object_store_memory=MEMORY)
    raylet = node.all_processes["raylet"][0].process.pid
    killed: list[int] = []

    def kill() -> None:
        until = time.monotonic() + 60
        while not killed and time.monotonic() < until:
            killed.extend(is_at_work(raylet))
            time.sleep(0.02)
        for process in (raylet, *killed):
            os.kill(process, signal.SIGKILL)
        ray.cancel(taken, force=True)

    killer = threading.Thread(target=kill)
    killer.start()
    yield
    killer.join()
    assert killed, "the node was at nothing"
    nodes.remove_node(node, allow_graceful=False)


@pytest.mark.parametrize("kind", ["tasks", "actors"])
def test_a_node_killed_in_the_middle_loses_nothing_and_nothing_is_answered_twice(
    nodes: Any, marks: Path, kind: str
) -> None:
    def at_work(raylet: int) -> list[int]:
        begun = [path.name.split(".") for path in marks.iterdir()]
        return [int(pid) for _, _, parent, pid in begun if parent == str(raylet)]

    cluster = Cluster(3, Makers(3))
    executor: Executor = cluster if kind == "tasks" else cluster.makers
    with doomed(nodes, at_work):
        outcomes = list(executor.outcomes(tasks(marks, 6, seconds=1.0), square))
    assert sorted((o.task.asked.number, o.value, o.error) for o in outcomes) == [
        (number, number**2, None) for number in range(6)
    ]
    done = attempts(marks)
    assert set(done) == set(range(6))
    assert sum(done.values()) > 6


@pytest.mark.parametrize("kind", ["tasks", "actors"])
def test_what_keeps_failing_is_set_aside_and_the_rest_is_finished(
    nodes: Any, marks: Path, kind: str
) -> None:
    assert nodes
    cluster = Cluster(2, Makers(2))
    asked = tasks(
        marks,
        4,
        n0={"fault": "error", "times": 9},
        n1={"fault": "killed", "times": 9},
        n2={"fault": "usage", "times": 9},
    )
    executor: Executor = cluster if kind == "tasks" else cluster.makers
    outcomes = {o.task.name: o for o in executor.outcomes(asked, square)}
    told = {name: (o.value, o.error, o.attempts) for name, o in outcomes.items()}
    assert told.pop("number 1")[::2] == (None, 3)
    assert "worker was lost" in str(outcomes["number 1"].error)
    assert told == {
        "number 0": (None, "RuntimeError: attempt 3 failed", 3),
        "number 2": (None, "This cannot work.", 1),
        "number 3": (9, None, 1),
    }
    assert attempts(marks) == Counter({0: 3, 1: 3, 2: 1, 3: 1})


def test_makers_share_a_gpu_and_more_than_there_is_is_refused(nodes: Any) -> None:
    cluster = Cluster.connect(nodes.address, None, gpus=0.5)
    assert (cluster.workers, cluster.makers.workers) == (2, 2)
    assert Cluster.connect(nodes.address, None, gpus=0.25).makers.workers == 4
    some = [Task(str(i), str(i), 1.0) for i in range(2)]
    seen = [outcome.value for outcome in cluster.makers.outcomes(some, devices)]
    assert [one["device"] for one in seen] == ["0", "0"]
    assert max(one["begun"] for one in seen) < min(one["ended"] for one in seen)
    assert len({one["process"] for one in seen}) == 2
    with pytest.raises(UsageError, match="the cluster has 1"):
        Cluster.connect(nodes.address, None, gpus=2)
    with pytest.raises(UsageError, match="a share of one GPU"):
        Cluster.connect(nodes.address, None, gpus=1.5)


def test_pictures_are_embedded_though_a_node_is_killed_in_the_middle(
    nodes: Any, tmp_path: Path, encoder: Embedded
) -> None:
    files = [path for name in ("base", "vivid-25") for path in
             sorted((EXAMPLES / name).iterdir())]  # fmt: skip
    (tmp_path / "no picture.jpg").write_text("no picture")
    files.append(tmp_path / "no picture.jpg")
    rows = Cluster(2, Makers(2)).embed([(str(path), path) for path in files], "embedded")
    found: dict[str, Any] = {}

    def at_work(raylet: int) -> list[int]:
        """Once there are rows of a part of them."""
        return [raylet] if found else []

    with doomed(nodes, at_work):
        for name, row in rows:
            assert name not in found
            found[name] = row
    assert set(found) == {str(path) for path in files[:-1]}
    from finexl.images import load_image

    wanted = encoder.embed_images([load_image(path) for path in files[:-1]])
    np.testing.assert_allclose([found[str(path)] for path in files[:-1]], wanted, atol=1e-4)


def test_models_are_explained_as_on_one_machine(nodes: Any, tmp_path: Path) -> None:
    assert nodes
    base = str(EXAMPLES / "base")
    rows = [Row("vivid-100", base, str(EXAMPLES / "vivid-100"))]
    rows.append(Row("nothing", base, str(tmp_path / "nothing")))
    for seed, name in enumerate(("gan", "other")):
        tiny_gans.save(tmp_path / name, seed=seed)
    (tmp_path / "p.txt").write_text("a red cat\n")
    row = Row("made", f"gan:{tmp_path / 'gan'}", f"gan:{tmp_path / 'other'}", f"{tmp_path}/p.txt")
    questions = questions_of([*rows, row], {"image_seeds": "0-6", "device": "cpu"})
    cluster = Cluster(2, Makers(2))
    there = list(
        explain_many(
            questions, tmp_path / "ray", cluster, makers=cluster.makers, embedder=cluster.embed
        )
    )
    told = {o.task.name: o.error for o in there}
    assert "There is no folder" in str(told.pop("nothing"))
    assert told == {"vivid-100": None, "made": None}
    list(explain_many(questions[:1], tmp_path / "local", LocalPool(1)))
    one, two, made = (
        Explanation.from_json((tmp_path / place).read_bytes())
        for place in ("ray/vivid-100.json", "local/vivid-100.json", "ray/made.json")
    )
    assert [a.concept for a in one.aspects] == [a.concept for a in two.aspects]
    scores = [a.score for a in two.aspects]
    assert [a.score for a in one.aspects] == pytest.approx(scores, abs=1e-3)
    assert (one.base, one.personalized) == (two.base, two.personalized)
    assert (made.n_pairs, made.pairing) == (7, "seed")
    assert made.divergence.norm > 0
    again = list(explain_many(questions[:1], tmp_path / "ray", cluster, embedder=cluster.embed))
    assert [o.attempts for o in again] == [0]
