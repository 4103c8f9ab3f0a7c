"""Many models explained: each as alone, each once, whatever dies on the way."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tiny_gans
from conftest import EXAMPLES
from finexl.asking import explain_asked
from finexl.encoders.embedded import Embedded
from finexl.errors import UsageError
from finexl.executor import LocalPool, Outcome
from finexl.explanation import Explanation
from finexl.images import load_image
from finexl.ledger import Ledger
from finexl.many import explain_many
from finexl.questions import Question, Row, questions_of
from finexl.runs import Run

NAMES = ("vivid-25", "vivid-50", "vivid-100", "personalized")


@pytest.fixture(autouse=True)
def the_same_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same input makes the same bytes."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


def asked(*names: str, base: Path = EXAMPLES / "base", **options: Any) -> list[Question]:
    rows = [Row(name, str(base), str(EXAMPLES / name)) for name in names]
    return questions_of(rows, options)


def explained(questions: Sequence[Question], folder: Path, workers: int = 1) -> dict[str, Outcome]:
    outcomes = list(explain_many(questions, folder, LocalPool(workers, threads=1)))
    found = {outcome.task.asked.question.name: outcome for outcome in outcomes}
    assert len(outcomes) == len(found) == len(questions)
    return found


def attempts(outcomes: Mapping[str, Outcome]) -> dict[str, int]:
    return {name: outcome.attempts for name, outcome in outcomes.items()}


def test_each_explanation_is_the_one_that_explain_gives(tmp_path: Path) -> None:
    questions = asked(*NAMES, top=3)
    found = explained(questions, tmp_path / "out", workers=2)
    for question in questions:
        alone, _ = explain_asked(Run.create(tmp_path / question.name), question.asked)
        text = alone.explanation.to_json()
        assert (tmp_path / "out" / f"{question.name}.json").read_text(encoding="utf-8") == text
        told, explanation = found[question.name].value, Explanation.from_json(text)
        assert told["file"] == f"{question.name}.json"
        assert (told["norm"], told["detected"]) == (explanation.divergence.norm, True)
        strongest = max((*explanation.aspects, *explanation.less), key=lambda a: abs(a.score))
        assert told["aspects"][0] == {"concept": strongest.concept, "score": strongest.score}
    # a run can be gone on with by itself
    run, before = Run.resume(tmp_path / "out/runs/vivid-100")
    again, _ = explain_asked(run, before)
    assert again.explanation.to_json() == (tmp_path / "out/vivid-100.json").read_text("utf-8")
    assert not (tmp_path / "out/failed.jsonl").exists()


def test_what_is_done_is_not_done_again_and_what_changed_is(tmp_path: Path) -> None:
    for name in ("base", "vivid-25"):
        shutil.copytree(EXAMPLES / name, tmp_path / name)
    rows = [
        Row("one", str(tmp_path / "base"), str(tmp_path / "vivid-25")),
        Row("two", str(tmp_path / "base"), str(EXAMPLES / "vivid-100")),
    ]
    out, picture = tmp_path / "out", tmp_path / "vivid-25" / "cat.jpg"
    first = explained(questions_of(rows, {}), out)
    assert attempts(first) == {"one": 1, "two": 1}
    files = {path.name: path.stat().st_mtime_ns for path in out.glob("*.json")}
    again = explained(questions_of(rows, {}), out)
    assert attempts(again) == {"one": 0, "two": 0}
    assert {name: o.value for name, o in again.items()} == {n: o.value for n, o in first.items()}
    assert {path.name: path.stat().st_mtime_ns for path in out.glob("*.json")} == files

    before, was = picture.read_bytes(), (out / "one.json").read_bytes()
    picture.write_bytes((EXAMPLES / "vivid-100" / "cat.jpg").read_bytes())
    assert attempts(explained(questions_of(rows, {}), out)) == {"one": 1, "two": 0}
    assert (out / "one.json").read_bytes() != was
    picture.write_bytes(before)  # what was asked before the last time is not what is there
    assert attempts(explained(questions_of(rows, {}), out)) == {"one": 1, "two": 0}
    assert (out / "one.json").read_bytes() == was

    (out / "two.json").unlink()
    assert attempts(explained(questions_of(rows, {}), out)) == {"one": 0, "two": 1}
    assert attempts(explained(questions_of(rows, {"top": 1}), out)) == {"one": 1, "two": 1}
    # another model under the same name has a run of its own
    rows[1] = Row("two", str(EXAMPLES / "base"), str(EXAMPLES / "vivid-50"))
    assert attempts(explained(questions_of(rows, {"top": 1}), out)) == {"one": 0, "two": 1}
    record = json.loads((out / "runs/two/run.json").read_text())
    assert record["options"]["personalized"].endswith("vivid-50")


def test_a_model_that_fails_is_set_aside_and_the_rest_is_finished(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "cat.jpg").write_text("no picture")
    rows = [
        Row("one", str(EXAMPLES / "base"), str(EXAMPLES / "vivid-25")),
        Row("none", str(EXAMPLES / "base"), str(tmp_path / "none")),
        Row("of none", str(tmp_path / "none"), str(EXAMPLES / "vivid-25")),
        Row("broken/ä", str(EXAMPLES / "base"), str(broken)),
    ]
    found = explained(questions_of(rows, {}), tmp_path / "out")
    assert attempts(found) == {"one": 1, "none": 1, "of none": 1, "broken/ä": 1}
    assert [name for name, outcome in found.items() if outcome.error is None] == ["one"]
    lines = (tmp_path / "out/failed.jsonl").read_text(encoding="utf-8").splitlines()
    aside = {row["name"]: (row["error"], row["attempts"]) for row in map(json.loads, lines)}
    assert set(aside) == {"none", "of none", "broken/ä"}
    assert "There is no folder" in aside["none"][0]
    assert "There is no folder" in aside["of none"][0]
    assert "cannot be opened" in aside["broken/ä"][0]
    assert len(list((tmp_path / "out").glob("*.json"))) == 1
    # mended, it is explained
    shutil.copytree(EXAMPLES / "vivid-50", tmp_path / "none")
    found = explained(questions_of(rows[:2], {}), tmp_path / "out")
    assert attempts(found) == {"one": 0, "none": 1}
    assert not (tmp_path / "out/failed.jsonl").exists()


def test_a_worker_killed_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    questions = asked(*NAMES)
    outcomes: list[Outcome] = []
    killed = 0
    for outcome in explain_many(questions, tmp_path / "out", LocalPool(2, threads=1)):
        outcomes.append(outcome)
        if not killed:
            workers = [w for w in multiprocessing.active_children() if w.pid is not None]
            killed = workers[0].pid or 0
            os.kill(killed, signal.SIGKILL)
    assert killed
    assert sorted(o.task.name for o in outcomes) == sorted(NAMES)
    assert all(outcome.error is None for outcome in outcomes)
    assert sum(outcome.attempts for outcome in outcomes) == len(NAMES) + 1
    whole = explained(questions, tmp_path / "whole")
    assert set(whole) == set(NAMES)
    for name in NAMES:
        one, two = ((tmp_path / place / f"{name}.json").read_bytes() for place in ("out", "whole"))
        assert one == two


def test_killed_altogether_it_goes_on_where_it_was(tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = f"""
from pathlib import Path
from test_many import NAMES, asked, explained
if __name__ == "__main__":
    explained(asked(*NAMES), Path({str(out)!r}))
"""
    (tmp_path / "script.py").write_text(code)
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    with subprocess.Popen(
        [sys.executable, tmp_path / "script.py"], env={**os.environ, "PYTHONPATH": path}
    ) as other:
        until = time.monotonic() + 100
        while not list(out.glob("*.json")) and time.monotonic() < until:
            time.sleep(0.02)
        other.kill()
    # its workers end by themselves when they have nobody to tell
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            with Ledger.open(out):
                break
        except UsageError:
            time.sleep(0.1)
    there = {path.stem for path in out.glob("*.json")}
    for file in out.glob("*.json"):
        Explanation.from_json(file.read_bytes())
    found = explained(asked(*NAMES), out)
    assert {name for name, outcome in found.items() if outcome.attempts == 0} <= there
    assert all(outcome.error is None for outcome in found.values())
    assert {path.stem for path in out.glob("*.json")} == set(NAMES)


def test_a_base_that_makes_images_makes_them_once(tmp_path: Path) -> None:
    for number, name in enumerate(("base", "one", "two")):
        tiny_gans.save(tmp_path / name, seed=number)
    rows = [Row(n, f"gan:{tmp_path / 'base'}", f"gan:{tmp_path / n}") for n in ("one", "two")]
    (tmp_path / "p.txt").write_text("a red cat\n")
    options = {"prompts": tmp_path / "p.txt", "image_seeds": "0-6", "device": "cpu"}
    questions = questions_of(rows, options)
    found = explained(questions, tmp_path / "out")
    assert [outcome.error for outcome in found.values()] == [None, None]
    [prepared] = (tmp_path / "out/bases").iterdir()
    made = sorted(prepared.glob("images/*/*.png"))
    assert len(made) == 7
    for picture in made:
        for name in ("one", "two"):
            theirs = tmp_path / "out/runs" / name / picture.relative_to(prepared)
            assert theirs.samefile(picture)
    # what is written to is each run's own
    manifests = list((tmp_path / "out").glob("**/base-*/manifest.jsonl"))
    assert len({path.stat().st_ino for path in manifests}) == len(manifests) == 3
    # and the answer is the one that each gives alone
    alone, _ = explain_asked(Run.create(tmp_path / "alone"), questions[0].asked)
    assert alone.explanation.to_json() == (tmp_path / "out/one.json").read_text("utf-8")
    # the runs are whole without what they began with
    shutil.rmtree(tmp_path / "out/bases")
    run, before = Run.resume(tmp_path / "out/runs/two")
    again, _ = explain_asked(run, before)
    assert again.explanation.to_json() == (tmp_path / "out/two.json").read_text("utf-8")


def test_a_base_that_cannot_make_images_fails_its_models_alone(tmp_path: Path) -> None:
    rows = [
        Row("one", "diffusers:nowhere", "diffusers:elsewhere"),
        Row("two", "diffusers:nowhere", "diffusers:elsewhere too"),
        Row("three", str(EXAMPLES / "base"), str(EXAMPLES / "vivid-25")),
    ]
    found = explained(questions_of(rows, {}), tmp_path / "out")
    assert [found[name].error is None for name in ("one", "two", "three")] == [False, False, True]
    assert found["one"].error == found["two"].error
    assert len((tmp_path / "out/failed.jsonl").read_text().splitlines()) == 2


def test_pictures_that_somebody_else_embeds_are_not_embedded_again(
    tmp_path: Path, encoder: Embedded
) -> None:
    given: list[str] = []

    def embedder(
        pictures: Sequence[tuple[str, Path]], name: str
    ) -> list[tuple[str, NDArray[np.float32]]]:
        """Return the rows of pictures that are more vivid than those that are given."""
        assert name == "embedded"
        given.extend(f"{path.parent.name}/{path.name}" for _, path in pictures)
        more = [load_image(EXAMPLES / "vivid-100" / path.name) for _, path in pictures]
        return list(zip([d for d, _ in pictures], encoder.embed_images(more), strict=True))

    questions = [*asked("vivid-25", "vivid-100"), *asked("base")]
    on = LocalPool(1, threads=1)
    outcomes = list(explain_many(questions, tmp_path, on, embedder=embedder))
    norms = {outcome.task.name: outcome.value["norm"] for outcome in outcomes}
    assert norms["vivid-25"] == pytest.approx(norms["vivid-100"], rel=1e-4)
    # the base was embedded before, once for all
    assert norms["base"] == 0.0
    assert sorted({name.partition("/")[0] for name in given}) == ["vivid-100", "vivid-25"]
    assert len(given) == len(set(given)) == 24
