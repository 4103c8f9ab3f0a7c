"""A list of models as it is written, and whether an answer to one of its questions still holds."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.numpy import save_file

from conftest import EXAMPLES
from finexl.contents import Contents
from finexl.errors import UsageError
from finexl.questions import Question, Row, file_name, questions_of, read_list

ROWS = [
    Row("one", "b", "a b/x", "p.txt"),
    Row("org/two", "diffusers:b", "lora:b+l.safetensors@0.5"),
    Row("l@0.5", "b", "lora:b+l.safetensors@0.5"),
    Row("c/out", "b", "c/out"),
]


def test_a_list_may_be_csv_jsonl_or_a_line_each_as_in_a_shell(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "personalized,base,name,prompts\n"
        "a b/x,b,one,p.txt\n"
        "lora:b+l.safetensors@0.5,diffusers:b,org/two,\n"
        "lora:b+l.safetensors@0.5,b,,\n\n"
        f"{tmp_path}/c/out,b,,\n"
    )
    lines = [
        {"name": "one", "base": "b", "personalized": "a b/x", "prompts": "p.txt"},
        {"name": "org/two", "base": "diffusers:b", "personalized": "lora:b+l.safetensors@0.5"},
        {"base": "b", "personalized": "lora:b+l.safetensors@0.5", "prompts": None},
        {"base": "b", "personalized": f"{tmp_path}/c/out", "name": ""},
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    found = [
        [Row(r.name, r.base, r.personalized.replace(f"{tmp_path}/", ""), r.prompts) for r in rows]
        for rows in (read_list(tmp_path / "a.csv"), read_list(tmp_path / "a.jsonl"))
    ]
    assert found == [ROWS, ROWS]
    (tmp_path / "a.txt").write_text("# base, personalized\nb 'a b/x' p.txt\n\nb c/vivid\n")
    assert read_list(tmp_path / "a.txt") == [
        Row("x", "b", "a b/x", "p.txt"),
        Row("vivid", "b", "c/vivid"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "base,personalized\nb,\n", "wrong at line 2: it has no personalized"),
        ("a.csv", "base,personalized,weight\nb,c,1\n", "it has more than name, base, .*'weight'"),
        ("a.csv", "base,personalized\nb,c,d\n", "wrong at line 2: it has more than"),
        ("a.csv", "base,personalized\n", "names no model"),
        ("a.csv", 'base,personalized\n"b,c\n', "it is no CSV"),
        ("a.jsonl", '{"base": "b", "personalized": "c"}\n[1]\n', "line 2: it is no JSON object"),
        ("a.txt", "b c\nb\n", "wrong at line 2: it has no personalized"),
        ("a.txt", "b c d e\n", "wrong at line 1: it has more than"),
        ("a.txt", "b 'c\n", "line 1: it is not written as in a shell"),
        ("a.txt", "b x/c\nb y/C\n", "line 2: a model above is called 'C' as well"),
        ("a.yaml", "b", "no list of models"),
        ("a.txt", "\udcff", "not utf-8"),
    ],
)
def test_what_is_wrong_with_a_list_is_said_with_its_line(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    (tmp_path / name).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UsageError, match=said):
        read_list(tmp_path / name)


def test_names_become_names_of_files_that_differ_where_they_do() -> None:
    assert file_name("vivid-25") == "vivid-25"
    names = ["a/b", "a b", "a-b", "../a", ".a", "ä", "ö", "", "x" * 300, "x" * 299, "a\nb", "…"]
    files = [file_name(name) for name in names]
    assert len(set(files)) == len(names)
    for file in files:
        assert file.isascii()
        assert 0 < len(file) < 100
        assert not set(file) & set("/\\: \n")
        assert not file.startswith(".")


def test_options_of_making_images_count_for_models_that_make_some() -> None:
    rows = [Row("a", "b", "c"), Row("m", "diffusers:b", "diffusers:c")]
    folders, models = questions_of(rows, {"steps": 3, "top": 4})
    assert (folders.asked["steps"], models.asked["steps"]) == (None, 3)
    assert (folders.asked["top"], models.asked["top"]) == (4, 4)
    assert (folders.makes, models.makes) == (False, True)
    assert folders.asked["base"] == str(Path("b").absolute())
    with pytest.raises(UsageError, match="--steps is for models"):
        questions_of(rows[:1], {"steps": 3})
    with pytest.raises(UsageError, match="no decomposition"):
        questions_of(rows, {"decomposition": "none"})


@pytest.fixture
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two folders of images, prompts, concepts, and a model's folder with an image in it."""
    monkeypatch.chdir(tmp_path)
    for name in ("base", "vivid-25"):
        shutil.copytree(EXAMPLES / name, tmp_path / name)
    Path("p.txt").write_text("a cat\n" * 12)
    Path("c.txt").write_text("vivid\n")
    Path("m").mkdir()
    save_file({}, "m/model.safetensors")
    shutil.copy("base/cat.jpg", "m/sample.jpg")
    save_file({}, "l.safetensors")
    return tmp_path


def digest(base: str = "base", personalized: str = "vivid-25", **asked: object) -> str:
    whole = {"prompts": "p.txt", "concepts": "c.txt", **asked}
    [question] = questions_of([Row("a", base, personalized)], whole)
    return told(question)


def told(question: Question) -> str:
    contents = Contents()
    contents.learn([question])
    return contents.of(question, "revision")


CHANGES: list[Callable[[], object]] = [
    lambda: Path("base/cat.jpg").write_bytes(Path("base/flag.jpg").read_bytes()),
    lambda: Path("vivid-25/cat.jpg").unlink(),
    lambda: Path("vivid-25/cat.jpg").rename("vivid-25/dog.jpg"),
    lambda: Path("p.txt").write_text("a dog\n" * 12),
    lambda: Path("c.txt").write_text("pale\n"),
    lambda: Path("vivid-25/cat.jpg").write_bytes(b""),
]


@pytest.mark.parametrize("change", CHANGES, ids=range(len(CHANGES)))
def test_a_changed_input_is_another_question(sides: Path, change: Callable[[], object]) -> None:
    before = digest()
    for path in sides.rglob("*"):
        os.utime(path, (0, 0))
    assert digest() == before
    change()
    assert digest() != before


def test_other_options_are_another_question(sides: Path) -> None:
    del sides
    found = [
        digest(),
        digest(top=3),
        digest(seed=1),
        digest(prompts=None),
        digest(concepts=None),
        digest(exclude="c.txt", concepts=None),
        digest(add=["pale"]),
        digest(drop=["pale"]),
        digest(base="vivid-25", personalized="base"),
        digest(base="diffusers:m", personalized="lora:m+l.safetensors"),
        digest(base="diffusers:m", personalized="lora:m+l.safetensors@0.5"),
        digest(base="diffusers:m", personalized="lora:m+l.safetensors", steps=3),
    ]
    assert len(set(found)) == len(found)
    assert digest() == found[0]


@pytest.mark.parametrize("file", ["m/model.safetensors", "l.safetensors"])
def test_other_weights_are_another_question(sides: Path, file: str) -> None:
    import numpy as np

    before = digest(base="diffusers:m", personalized="lora:m+l.safetensors")
    save_file({"w": np.zeros(3, np.float32)}, sides / file)
    assert digest(base="diffusers:m", personalized="lora:m+l.safetensors") != before


def test_models_with_the_same_base_and_prompts_share_what_is_prepared(sides: Path) -> None:
    del sides
    rows = [
        Row("a", "base", "vivid-25", "p.txt"),
        Row("b", "base", "vivid-25", "p.txt"),
        Row("c", "base", "vivid-25", "c.txt"),
        Row("d", "base", "vivid-25"),
        Row("e", "vivid-25", "base"),
    ]
    contents = Contents()
    questions = questions_of(rows, {})
    contents.learn(questions)
    found = [contents.of_base(question, "revision") for question in questions]
    assert found[0] == found[1]
    assert len(set(found)) == 4


def test_what_is_missing_is_no_error_yet_and_what_is_no_reference_is(sides: Path) -> None:
    del sides
    assert digest(base="nothing") == digest(base="nothing") != digest(base="nothing else")
    with pytest.raises(UsageError, match=r"^a: lora:m is not complete"):
        digest(base="diffusers:m", personalized="lora:m")
