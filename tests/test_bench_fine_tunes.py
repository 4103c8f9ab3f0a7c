"""Real fine-tunes: the truth's file, its names, and scores in a world whose truth is planted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image

from finexl.bench.baselines.gsclip import GSCLIP
from finexl.bench.data.truth import TrueAspect, Truth, read_truth, read_truths
from finexl.bench.experiments.fine_tunes import (
    Answer,
    Baseline,
    Explainer,
    Pipeline,
    Said,
    fine_tunes,
    scores_of,
)
from finexl.bench.experiments.readers import Reading
from finexl.bench.results import Results
from finexl.concepts.vocabulary import vocabulary
from finexl.errors import UsageError
from finexl.measure import Measure
from planted import PlantedEncoder, pictured

WORDS = tuple(concept.text for concept in vocabulary("style"))
GOOD = """
base: base
personalized: lora
aspects:
  - names: [pencil sketch, line art]
    direction: more
"""


def folders(where: Path, *names: str) -> None:
    for name in names:
        (where / name).mkdir(parents=True)
        for i in range(2):
            Image.new("RGB", (8, 8), (i, 9, 9)).save(where / name / f"{i}.png")


def write(where: Path, text: str, name: str = "truth.yaml") -> Path:
    path = where / name
    path.write_text(text, encoding="utf-8")
    return path


def planted_truth(name: str, levels: Mapping[str, float], *aspects: TrueAspect) -> Truth:
    base = pictured("base", {}, 12)
    return Truth(name, base, pictured(name, levels, 12, seed=1), aspects)


def scores(results: Results, row: str) -> dict[str, float]:
    return {r.measure: r.value for r in results.found.values() if r.row == row}


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("concept", "name"),
    [
        ("Pencil-Sketches", "pencil sketch"),
        ("gray", "grey"),
        ("anime", "anime style"),
        ("watercolor painting", "watercolor"),
        ("pencil sketch", "sketch"),
        ("line drawing", "line art"),
    ],
)
def test_a_spelling_a_bare_name_and_a_kind_of_it_are_accepted(concept: str, name: str) -> None:
    assert TrueAspect((name,), "more").is_named(concept, True)
    assert not TrueAspect((name,), "more").is_named(concept, False)
    assert TrueAspect((name,), "less").is_named(concept, False)


@pytest.mark.parametrize(
    ("concept", "name"),
    [
        ("sketch", "pencil sketch"),
        ("sketchbook", "sketch"),
        ("art nouveau", "art"),
        ("not a photo", "photo"),
        ("moody", "dark"),
    ],
)
def test_a_wider_word_or_another_one_is_not_accepted(concept: str, name: str) -> None:
    assert not TrueAspect((name,), "more").is_named(concept, True)


def test_less_of_the_antonym_names_more_of_a_concept() -> None:
    concept = next(c for c in vocabulary("style") if c.antonym)
    assert concept.antonym is not None
    aspect = TrueAspect((concept.text,), "more")
    assert aspect.is_named(concept.text, True)
    assert aspect.is_named(concept.antonym, False)
    assert not aspect.is_named(concept.antonym, True)


# --- the file -------------------------------------------------------------------------------------


def test_a_truth_is_read_with_its_images(tmp_path: Path) -> None:
    folders(tmp_path / "one", "base", "lora")
    truth = read_truth(write(tmp_path / "one", GOOD))
    assert (truth.name, len(truth.base.pictures), len(truth.personalized.pictures)) == ("one", 2, 2)
    assert truth.aspects == (TrueAspect(("pencil sketch", "line art"), "more"),)
    elsewhere = write(tmp_path, GOOD, "other.yaml")
    assert read_truth(elsewhere, tmp_path / "one").name == "other"
    assert [t.name for t in read_truths(tmp_path / "one")] == ["one"]


def test_files_of_one_folder_are_sides_and_a_json_list_says_their_prompts(tmp_path: Path) -> None:
    folders(tmp_path, "images")
    entries = []
    for model, seed in (("a", 1), ("b", 2)):
        for scene in ("sea", "hill"):
            file = f"{model}__{scene}.png"
            Image.new("RGB", (8, 8)).save(tmp_path / "images" / file)
            entries.append({"image": file, "prompt": f"the {scene}", "seed": seed, "steps": 3})
    (tmp_path / "all.json").write_text(json.dumps(entries))
    truth = read_truth(
        write(
            tmp_path,
            "base: images/a__*.png\npersonalized: images/b__*.png\nprompts: all.json\naspects: []",
        )
    )
    assert [p.prompt for p in truth.base.pictures] == ["the hill", "the sea"]
    assert [p.seed for p in truth.personalized.pictures] == [2, 2]
    assert truth.aspects == ()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("base: [", "is not YAML at line"),
        ("- a", "is no mapping"),
        (GOOD + "extra: 1", "unknown key 'extra'"),
        (GOOD.replace("base: base", ""), "lacks 'base'"),
        (GOOD.replace("base: base", "base: 3"), "no text as 'base'"),
        (GOOD.replace("base: base", "base: nowhere"), "There is no folder"),
        (GOOD.replace("base: base", "base: no*.png"), "no such image"),
        (GOOD.replace("more", "up"), "no direction `more` or `less`"),
        (GOOD.replace("    direction: more", ""), "needs `names` and `direction`"),
        (GOOD.replace("[pencil sketch, line art]", "[]"), "no list of accepted names"),
        (GOOD.replace("line art", "1990"), "put it in quotes"),
        (GOOD.split("aspects")[0] + "aspects: sketch", "no list as 'aspects'"),
        ("!!python/object/apply:os.getcwd []", "is not YAML"),
    ],
)
def test_a_truth_that_is_wrong_is_refused_with_what_is_wrong(
    tmp_path: Path, text: str, what: str
) -> None:
    folders(tmp_path, "base", "lora")
    with pytest.raises(UsageError, match=what):
        read_truth(write(tmp_path, text))


def test_a_truth_that_is_not_there_or_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_truth(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match="larger than 1 MB"):
        read_truth(write(tmp_path, "#" * 1_000_001))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UsageError, match=r"no \.yaml file"):
        read_truths(empty)


SHIPPED = sorted((Path(__file__).parents[1] / "benchmarks" / "truth").glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_the_shipped_truths_are_of_the_form_and_lie_under_the_data_folder(
    path: Path, tmp_path: Path
) -> None:
    assert (
        "before any explanation was seen" in path.read_text() or "aspects: []" in path.read_text()
    )
    with pytest.raises(UsageError, match=r"There is no folder|no such image"):
        read_truth(path, tmp_path)  # of the form, as far as images that are not there


# --- scores ---------------------------------------------------------------------------------------


SKETCH, DARK = TrueAspect(("sketch",), "more"), TrueAspect(("dark",), "less")


def test_hits_count_the_first_aspects_whichever_true_one_they_name() -> None:
    truth = planted_truth("x", {}, SKETCH, DARK)
    said = (
        Said("vivid", 0.9, True),
        Said("dark", -0.5, True),
        Said("dark", 0.4, True),
        Said("noisy", 0.3, False),
    )
    assert dict(scores_of(truth, Answer(said, True))) == {
        "hit@1": 0,
        "hit@3": 1,
        "hit@5": 1,
        "false aspects": 2,
        "detected": 1,
    }


def test_what_cannot_be_said_is_not_scored() -> None:
    known = planted_truth("x", {}, SKETCH)
    untested = Answer((Said("sketch", 1.0),))
    assert dict(scores_of(known, untested)) == {"hit@1": 1, "hit@3": 1, "hit@5": 1}
    unknown = planted_truth("x", {})
    assert dict(scores_of(unknown, Answer((Said("vivid", 1, True),), False))) == {"detected": 0}


def test_a_planted_change_is_named_detected_and_nothing_else_is_significant() -> None:
    word, other = WORDS[40], WORDS[90]
    truth = planted_truth(
        "both",
        {word: 1.0, other: -0.7},
        TrueAspect((word,), "more"),
        TrueAspect((other,), "less"),
    )
    encoder = PlantedEncoder()
    reading = Reading(Measure(encoder, "subspace", (), 0), WORDS)
    results = Results(None)
    rows: list[Explainer] = [Pipeline(encoder), Baseline(GSCLIP(), reading)]
    fine_tunes([truth], rows, results, settings="s")
    assert scores(results, "FineXL (subspace)") == {
        "hit@1": 1,
        "hit@3": 1,
        "hit@5": 1,
        "false aspects": 0,
        "detected": 1,
    }
    first = next(iter(results.found.values())).details["said"]
    assert [(one["concept"], one["names"]) for one in first] == [(word, word), (other, other)]
    assert scores(results, "GSCLIP (vocabulary)")["hit@1"] == 1


def test_the_same_pictures_are_no_change_and_hit_nothing() -> None:
    base = pictured("base", {}, 12)
    truth = Truth("same", base, base, (SKETCH,))
    results = Results(None)
    fine_tunes([truth], [Pipeline(PlantedEncoder())], results, settings="s")
    assert scores(results, "FineXL (subspace)") == {
        "hit@1": 0,
        "hit@3": 0,
        "hit@5": 0,
        "false aspects": 0,
        "detected": 0,
    }


def test_another_truth_gets_the_same_answer() -> None:
    """The truth is looked at by the scoring alone."""
    levels = {WORDS[40]: 1.0}
    encoder = PlantedEncoder()
    mine, other = (
        Pipeline(encoder).explain(planted_truth("x", levels, aspect), 0)
        for aspect in (SKETCH, TrueAspect((WORDS[40],), "more"))
    )
    assert mine == other
    assert mine.said[0].concept == WORDS[40]


class Counting:
    name = "counting"

    def __init__(self) -> None:
        self.asked = 0

    def explain(self, truth: Truth, seed: int) -> Answer:
        self.asked += 1
        return Answer((Said(truth.aspects[0].names[0], 1.0 + seed),), None)


def test_what_is_there_is_not_computed_again(tmp_path: Path) -> None:
    truths = [planted_truth(name, {}, SKETCH) for name in ("a", "b")]
    row = Counting()
    for _ in range(2):
        results = Results.open(tmp_path / "r.jsonl")
        fine_tunes(truths, [row], results, settings="s", seeds=(0, 1))
    assert row.asked == 4
    fine_tunes(truths, [row], results, settings="other")
    assert row.asked == 6
