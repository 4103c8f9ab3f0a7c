"""`finexl catalog`, as somebody types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from catalogued import planted, scattered
from finexl.encoders.embedded import Embedded
from finexl.errors import UsageError
from finexl.measure import Measure
from test_cli_explain import Command, command, draw

__all__ = ["command"]


@pytest.fixture
def explanations(tmp_path: Path, encoder: Embedded) -> Path:
    """Return a folder of explanations: one grainy, one not, and a file of something else."""
    folder = tmp_path / "explanations"
    folder.mkdir()
    f = Measure(encoder, "subspace", (), 0).vectors(["grainy"]).vectors[0]
    for name, V in (("more", f), ("less", -f)):
        made = planted(name, V, encoder, pairs=scattered(V, 8, 0.02, 1), aspects=[("grainy", 1.0)])
        (folder / f"{name}.json").write_text(made.to_json())
    (folder / "other.json").write_text("{}")
    return folder


def test_from_explanations_to_a_ranking(command: Command, explanations: Path) -> None:
    ended = command("catalog", "add", explanations, "--tag", "t", "--licence", "MIT")
    assert ended.code == 0, ended.err
    assert "other.json" in ended.err
    found = json.loads(command("catalog", "search", "grainy", "--json", "-").out)
    assert [hit["model"] for hit in found["results"]] == ["more", "less"]
    assert "More “grainy”" in command("catalog", "search", "grainy").out
    ended = command("catalog", "search", "--like", "more", "--json", "-")
    assert [hit["model"] for hit in json.loads(ended.out)["results"]] == ["less"]
    listed = json.loads(command("catalog", "list", "--tag", "t", "--json", "-").out)
    assert [card["name"] for card in listed["models"]] == ["less", "more"]
    shown = json.loads(command("catalog", "show", "more", "--json", "-").out)
    assert (shown["metadata"]["licence"], shown["explanation"]["name"]) == ("MIT", "more")
    assert "grainy" in command("catalog", "show", "more").out
    untested = json.loads((explanations / "more.json").read_text())
    untested["divergence"] |= {"detected": None, "p_value": None}
    (explanations / "more.json").write_text(json.dumps(untested))
    command("catalog", "add", explanations)
    said = " ".join(command("catalog", "search", "grainy").out.split())
    assert "Too few pairs to test" in said
    assert "No difference" not in said
    assert command("catalog", "verify").out == "2 models; all whole.\n"
    assert command("catalog", "remove", "more").code == 0
    assert json.loads(command("catalog", "list", "--json", "-").out)["total"] == 1


def test_adding_again_keeps_what_was_said_before(command: Command, explanations: Path) -> None:
    said = ("--family", "SDXL", "--licence", "MIT", "--tag", "a", "--tag", "b")
    command("catalog", "add", explanations, *said)
    ended = command("catalog", "add", explanations, "--json", "-")
    assert {made["change"] for made in json.loads(ended.out)["models"]} == {"unchanged"}
    command("catalog", "add", explanations, "--licence", "CC0", "--tag", "c")
    kept = json.loads(command("catalog", "show", "more", "--json", "-").out)["metadata"]
    assert (kept["family"], kept["licence"], kept["tags"]) == ("SDXL", "CC0", ["c"])


def test_models_are_compared_by_their_names(command: Command, explanations: Path) -> None:
    command("catalog", "add", explanations)
    ended = command("compare", "more", "less", "--catalog", "finexl-catalog.db", "--json", "-")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["schema"] == "finexl.comparison/1"
    assert command("compare", "more", "les", "--catalog", "finexl-catalog.db").code == 2


def test_out_of_one_catalog_into_another(command: Command, explanations: Path) -> None:
    command("catalog", "add", explanations)
    assert command("catalog", "export", "e.jsonl").out == "2 written.\n"
    ended = command("catalog", "import", "e.jsonl", "--catalog", "second.db")
    assert ended.out == "2 added, 0 replaced, 0 unchanged.\n"


def test_a_run_is_added_with_its_pictures(command: Command) -> None:
    draw("base")
    draw("red", shift=40)
    assert command("explain", "base", "red", "--run", "runs/red", "--name", "red").code == 0
    ended = command("catalog", "add", "runs", "--json", "-")
    assert json.loads(ended.out)["models"] == [
        {"name": "red", "change": "added", "source": "runs/red"}
    ]
    shown = json.loads(command("catalog", "show", "red", "--json", "-").out)
    assert shown["thumbnails"] == 12
    # an answer whose pictures are gone is an answer all the same
    for picture in Path("red").iterdir():
        picture.unlink()
    assert command("catalog", "add", "runs/red", "--catalog", "b.db").code == 0
    shown = json.loads(command("catalog", "show", "red", "--catalog", "b.db", "--json", "-").out)
    assert shown["thumbnails"] == 0


def test_explanations_of_many_come_with_their_runs_pictures(command: Command) -> None:
    draw("base")
    draw("red", shift=40)
    Path("list.txt").write_text("base red\n")
    assert command("explain-many", "list.txt", "--out", "many", "--workers", "1").code == 0
    ended = command("catalog", "add", "many", "--json", "-")
    assert json.loads(ended.out)["models"] == [
        {"name": "red", "change": "added", "source": "many/red.json"}
    ]
    assert json.loads(command("catalog", "show", "red", "--json", "-").out)["thumbnails"] == 12
    # the same explanation alone takes none of them away
    ended = command("catalog", "add", "many/red.json", "--json", "-")
    assert json.loads(ended.out)["models"][0]["change"] == "unchanged"


def test_a_list_of_models_is_explained_and_what_fails_is_set_aside(command: Command) -> None:
    draw("base")
    draw("red", shift=40)
    Path("damaged").mkdir()
    for file in Path("base").iterdir():
        (Path("damaged") / file.name).write_text("no picture")
    rows = ["name,base,personalized", "red,base,red", "bad,base,damaged"]
    Path("models.csv").write_text("\n".join(rows))
    ended = command("catalog", "add", "models.csv", "--json", "-")
    assert ended.code == 1
    assert "bad: " in ended.err
    assert [model["name"] for model in json.loads(ended.out)["models"]] == ["red"]
    failed = Path("finexl-catalog.db.explained/failed.jsonl").read_text()
    assert [json.loads(line)["name"] for line in failed.splitlines()] == ["bad"]
    shown = json.loads(command("catalog", "show", "red", "--json", "-").out)
    assert shown["thumbnails"] > 0


def test_a_model_is_explained_on_the_spot(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from finexl.catalog import adding

    asked: list[tuple[str, str]] = []

    def explain(_: object, whole: dict[str, str], *__: object) -> object:
        asked.append((whole["base"], whole["personalized"]))
        raise UsageError("stop here")

    monkeypatch.setattr(adding, "explain_asked", explain)
    assert command("catalog", "add", "lora:some/base+some/lora@0.5").code == 2
    assert command("catalog", "add", "diffusers:a/b").code == 2
    assert command("catalog", "add", "diffusers:a/b", "--against", "diffusers:c/d").code == 2
    assert asked == [
        ("diffusers:some/base", "lora:some/base+some/lora@0.5"),
        ("diffusers:c/d", "diffusers:a/b"),
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add", "nothing"), "no explanation, run"),
        (("add", "empty"), "holds no explanations"),
        (("search", "vivid"), "no catalog"),
        (("list",), "no catalog"),
        (("search",), "Give wishes"),
        (("search", "vivid", "--like", "a"), "Give wishes"),
        (("import", "none.jsonl"), "cannot be read"),
        (("verify", "--catalog", "empty"), "no catalog"),
    ],
)
def test_mistakes_are_one_sentence(
    command: Command, arguments: tuple[str, ...], words: str
) -> None:
    Path("empty").mkdir()
    ended = command("catalog", *arguments)
    assert ended.code == 2
    assert words in ended.err
    assert ended.err.count("\n") == 1


def test_two_models_of_one_name_are_refused(command: Command, explanations: Path) -> None:
    ended = command("catalog", "add", explanations, "--name", "x")
    assert ended.code == 2
    assert "both called x" in ended.err
    assert json.loads(command("catalog", "list", "--json", "-").out)["total"] == 0


def test_a_damaged_entry_makes_verify_fail(command: Command, explanations: Path) -> None:
    import sqlite3

    command("catalog", "add", explanations)
    with sqlite3.connect("finexl-catalog.db") as database:
        database.execute("update models set vector = x'00' where name = 'more'")
    database.close()
    ended = command("catalog", "verify", "--json", "-")
    assert ended.code == 1
    assert json.loads(ended.out)["wrong"] == ["more: its vector is not its explanation's."]
