"""Scenarios 1 and 2 on worlds whose truth is known, and results that are kept."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from fake_encoder import FakeEncoder
from finexl import cli
from finexl.bench.baselines.grading import LexicalGrader
from finexl.bench.data.graded import Aspect, Graded
from finexl.bench.experiments import families
from finexl.bench.experiments.joint import (
    Fitted,
    Unmixed,
    UnmixedByTruth,
    in_plane,
    rays_of,
    refined,
    weights_in_plane,
)
from finexl.bench.experiments.levels import evenly, one_aspect, parts_of, several_aspects
from finexl.bench.experiments.mixed import mixed
from finexl.bench.experiments.readers import BY_NAME, ByFound, ByScores, Length, Reading, Shared
from finexl.bench.experiments.registry import EXPERIMENTS, parameters_of
from finexl.bench.experiments.setup import Given, Setup, from_sets, words_of
from finexl.bench.experiments.trials import Model, Plan, Trial, embedded, plans_of
from finexl.bench.methods import Array, Case, Told
from finexl.bench.results import Result, Results, cells, read_results
from finexl.bench.scoring import coordinate_accuracy, ranks_of
from finexl.bench.tables import Table
from finexl.core.orthogonality import unit_rows
from finexl.errors import UsageError
from finexl.images import Picture
from finexl.imageset import ImageSet, embeddings_from
from finexl.measure import Measure

EMPTY = ImageSet("none", "images", ())
PICTURED = ImageSet("twelve", "images", tuple(Picture(str(i), Path()) for i in range(12)))
READING = Reading(Measure(FakeEncoder(), "subspace", (), 0), ())


class Planted:
    """A reader that knows the truth, but for an error that is planted."""

    kind: ClassVar[str] = BY_NAME

    def __init__(self, name: str, swap: bool = False) -> None:
        self.name, self.swap, self.reads = name, swap, 0

    def read(self, trial: Trial, reading: Reading) -> Array:
        assert reading.measure is READING.measure
        self.reads += 1
        scores = trial.coordinates.copy()
        if self.swap:
            scores[[0, 1]] = scores[[1, 0]]
        return scores


def model(levels: Mapping[str, float], rows: Array | None = None) -> Model:
    after = np.zeros((4, 8)) if rows is None else rows
    return Model(levels, EMPTY, EMPTY, np.zeros_like(after), after)


def ladder(levels: int) -> Plan:
    models = tuple(model({"vivid": level}) for level in range(1, levels + 1))
    return Plan("world", "vivid", lambda: Trial("world", ("vivid",), models))


def grid(k: int, levels: int = 3) -> Trial:
    names = tuple(f"aspect {i}" for i in range(k))
    at = itertools.product(range(1, levels + 1), repeat=k)
    return Trial("world", names, tuple(model(dict(zip(names, x, strict=True))) for x in at))


def test_levels_are_chosen_evenly_and_ranked(tmp_path: Path) -> None:
    results = Results.open(tmp_path / "r.jsonl")
    readers = [Planted("FineXL"), Planted("wrong", swap=True)]
    one_aspect([ladder(10)], readers, READING, results, settings="s", seeds=(0, 1))
    assert evenly(10, 3) in ([0, 4, 9], [0, 5, 9])
    assert evenly(10, 10) == list(range(10))
    values = {(r.row, r.column): r.value for r in results.found.values()}
    assert {value for (row, _), value in values.items() if row == "FineXL"} == {0.0}
    assert values["wrong", "world, 10 levels"] == pytest.approx(2 / 10)
    # with three of the ten, the swapped first two are levels 2 and 5 or 6
    assert values["wrong", "world, 3 levels"] == 0.0


def test_what_is_known_is_not_computed_again(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    reader = Planted("FineXL")
    for _ in range(2):
        one_aspect([ladder(5)], [reader], READING, Results.open(path), settings="s")
    assert reader.reads == 1
    one_aspect([ladder(5)], [reader], READING, Results.open(path), settings="other")
    assert reader.reads == 2
    with path.open("ab") as file:
        file.write(b'{"schema": "finexl.result/1", "experiment": "cut sh')
    assert len(read_results([path])) == 4
    row = json.loads(path.read_text().splitlines()[0])
    assert row["made_with"]["finexl"]


def test_what_a_kill_left_half_is_computed_again(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    reader = Planted("FineXL")
    one_aspect([ladder(10)], [reader], READING, Results.open(path), settings="s")
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:2]) + "\n")
    one_aspect([ladder(10)], [reader], READING, Results.open(path), settings="s")
    assert reader.reads == 2
    assert len(read_results([path])) == len(lines) == 4


def test_lines_that_are_no_results_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    Results.open(path).add(Result("e", "m", "r", "c", "t", 0, 1.0, "s"))
    good = json.loads(path.read_text())
    bare = {key: value for key, value in good.items() if key != "made_with"}
    other = json.dumps({**good, "row": "n", "value": float("nan")})
    path.write_text("\n".join([json.dumps(bare), other, "[1]", "[" * 99_999, "null"]))
    assert [r.row for r in read_results([path])] == ["r"]


def test_a_value_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="nan"):
        Results(None).add(Result("e", "m", "r", "c", "t", 0, float("nan"), "s"))


def test_two_aspects_are_scored_on_the_six_mixtures_and_on_all() -> None:
    results = Results(None)
    plan = Plan("world", "two", lambda: grid(2))
    several_aspects([plan], [Planted("FineXL"), Planted("wrong", swap=True)], READING, results,
                    settings="s")  # fmt: skip
    values = {(r.row, r.column): r.value for r in results.found.values()}
    assert values == {
        ("FineXL", "world, 2 aspects, the six mixtures"): 1.0,
        ("FineXL", "world, 2 aspects, 3 x 3"): 1.0,
        ("wrong", "world, 2 aspects, the six mixtures"): pytest.approx(4 / 6),
        ("wrong", "world, 2 aspects, 3 x 3"): pytest.approx(7 / 9),
    }
    names = [[name for name, _ in parts_of(ranks_of(grid(k).coordinates))] for k in (3, 4)]
    assert names == [["3 aspects, 3 x 3 x 3"], ["4 aspects"]]


def test_seeds_of_one_trial_are_one_trial() -> None:
    values = (("a", 0, 0.0), ("a", 1, 1.0), ("b", 0, 1.5), ("b", 1, 2.5))
    found = [Result("e", "m", "r", "c", trial, seed, v, "x") for trial, seed, v in values]
    cell = cells(found)["r", "c"]
    assert (cell.mean.value, cell.mean.n, cell.trials, cell.seeds) == (1.25, 2, 2, 2)


def test_the_error_is_told_relative_to_the_best_baseline() -> None:
    values = {"FineXL": 0.2, "VisDiff": 0.8, "GSCLIP": 0.5}
    found = [Result("e", "m", row, "c", "t", 0, v, "x") for row, v in values.items()]
    rows = tuple(values)
    table = Table("e", "m", "lower", rows, ("c",), cells(found))
    assert table.best_baseline("c") == "GSCLIP"
    assert table.reduction("FineXL", "c") == pytest.approx(0.6)
    # a row that lacks a trial is compared with nothing
    more = [Result("e", "m", row, "c", "u", 0, 0.9, "x") for row in ("VisDiff", "GSCLIP")]
    unfinished = Table("e", "m", "lower", rows, ("c",), cells([*found, *more]))
    assert unfinished.error("FineXL", "c") is None
    assert unfinished.reduction("FineXL", "c") is None
    accuracies = Table("e", "m", "higher", rows, ("c",), cells(found))
    assert accuracies.best_baseline("c") == "VisDiff"
    assert accuracies.reduction("FineXL", "c") == pytest.approx(1 - 0.8 / 0.2)


def test_within_their_plane_models_have_one_solution() -> None:
    rng = np.random.default_rng(0)
    D = rng.normal(size=(2, 30))
    W = rng.uniform(size=(9, 2))
    # the words' vectors are off, outside of what the models span
    off = rng.normal(size=(2, 30)) * 3
    off -= off @ np.linalg.pinv(D) @ D
    assert weights_in_plane(W @ D, D + off) == pytest.approx(W)
    alone = weights_in_plane(W[:, :1] @ D[:1], (D + off)[:1])
    assert np.corrcoef(alone[:, 0], W[:, 0])[0, 1] == pytest.approx(1)


def cone(k: int, noise: float, coordinates: Array | None = None) -> tuple[Trial, Array]:
    """Models of a grid of levels on k random directions, which no word is like."""
    rng = np.random.default_rng(k)
    D = rng.normal(size=(k, 30))
    at = grid(k).coordinates if coordinates is None else coordinates
    V = at @ D + noise * rng.normal(size=(len(at), 30))
    return replace(grid(k), models=tuple(model({}, np.tile(v, (2, 1))) for v in V)), D


@pytest.mark.parametrize(("k", "noise"), [(2, 0.0), (3, 0.0), (4, 0.0), (2, 0.4), (3, 0.4)])
def test_rays_are_found_without_words_or_levels(k: int, noise: float) -> None:
    trial, D = cone(k, noise)
    levels = grid(k).coordinates.astype(int)
    X, P = in_plane(np.array([one.rows[0] for one in trial.models]), k)
    rays = rays_of(X, levels)
    likeness = unit_rows(rays) @ unit_rows(D @ P.T).T
    named = likeness.argmax(axis=0)
    assert sorted(named) == list(range(k))
    assert likeness.max(axis=0) == pytest.approx(np.ones(k), abs=0.2 if noise else 1e-9)
    assert coordinate_accuracy(refined(X, rays[named], levels), levels) == 1.0
    swapped = refined(X, rays[named[::-1]], levels)
    assert coordinate_accuracy(swapped, levels) < 0.5  # rays taken for each other


def test_the_six_mixtures_suffice_to_find_two_rays() -> None:
    six = np.array([(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (3, 1)])
    trial, D = cone(2, 0.0, six)
    X, P = in_plane(np.array([one.rows[0] for one in trial.models]), 2)
    likeness = np.abs(unit_rows(rays_of(X, six)) @ unit_rows(D @ P.T).T)
    assert likeness.max(axis=0) == pytest.approx([1, 1])


def test_models_without_any_divergence_have_no_rays() -> None:
    assert rays_of(np.zeros((9, 2)), grid(2).coordinates.astype(int)).tolist() == [[0, 0], [0, 0]]


def test_words_name_rays_and_no_more() -> None:
    encoder = FakeEncoder()
    measure = Measure(encoder, "subspace", (), 0)
    names = ("vivid", "grainy")
    F = unit_rows(measure.vectors(names).vectors)
    # what the models have is half a word and half something else, each with some of the other
    D = np.array([F[0] + 0.6 * F[1], F[1] + 0.6 * F[0]])
    at = np.array(list(itertools.product((1, 2, 3), repeat=2)))
    models = tuple(model(dict(zip(names, map(float, x), strict=True)), np.tile(x @ D, (3, 1)))
                   for x in at)  # fmt: skip
    trial, reading = Trial("w", names, models), Reading(measure, ())
    assert coordinate_accuracy(Shared().read(trial, reading), at) < 1  # each bleeds into the other
    for reader in (Unmixed(), UnmixedByTruth(), Fitted()):
        assert coordinate_accuracy(reader.read(trial, reading), at) == 1.0
    turned = replace(trial, aspects=names[::-1])
    assert coordinate_accuracy(Unmixed().read(turned, reading), at[:, ::-1]) == 1.0


def test_models_are_ranked_by_their_divergence_alone() -> None:
    measure = Measure(FakeEncoder(), "subspace", (), 0)
    v = measure.vectors(["vivid"]).vectors[0]
    models = tuple(model({"x": i}, np.tile(s * v, (2, 1))) for i, s in enumerate((0.5, -2.0, 1.0)))
    lengths = Length().read(Trial("w", ("x",), models), Reading(measure, ()))[:, 0]
    assert lengths == pytest.approx(lengths[2] * np.array([0.5, 2.0, 1.0]))


def test_ours_reads_planted_concepts() -> None:
    encoder = FakeEncoder()
    measure = Measure(encoder, "subspace", (), 0)
    F = measure.vectors(["vivid", "grainy"]).vectors
    at = list(itertools.product((1, 2, 3), repeat=2))
    models = tuple(
        model({"vivid": a, "grainy": b}, np.tile(a * F[0] + b * F[1], (4, 1))) for a, b in at
    )
    found = Shared().read(Trial("w", ("vivid", "grainy"), models), Reading(measure, ()))
    assert found == pytest.approx(np.array(at, dtype=float))


def test_what_is_found_is_the_largest_on_average_in_its_own_direction() -> None:
    told = [{"a": 0.5, "b": -1.0}, {"a": 0.6, "b": -3.0, "c": 2.0}, {"b": -2.0}]

    class Teller:
        name = "teller"

        def tell(self, case: Case) -> Told:
            return Told("", told[int(case.after[0, 0])])

    rows = [np.full((2, 8), float(i)) for i in range(3)]
    trial = Trial("w", ("x",), tuple(model({"x": i}, row) for i, row in enumerate(rows)))
    reading = Reading(READING.measure, ())
    assert ByFound(Teller()).read(trial, reading)[:, 0].tolist() == [1.0, 3.0, 2.0]
    assert len(reading.told) == 1  # asked once a model, however many rows read it
    assert ByScores(Teller()).read(trial, reading)[:, 0].tolist() == [0.0, 0.0, 0.0]


def test_sets_of_the_same_aspects_are_a_trial_and_fewer_pairs_the_same_ones() -> None:
    rng = np.random.default_rng(0)
    base = embeddings_from(rng.normal(size=(6, 8)).astype(np.float32), "base")
    encoder = FakeEncoder()

    def graded(level: float, *words: str) -> Graded:
        rows = rng.normal(size=(6, 8)).astype(np.float32)
        name = f"{words} {level}"
        return Graded(name, tuple(Aspect(w, level) for w in words),
                      embeddings_from(rows, name), base)  # fmt: skip

    sets = [graded(2, "vivid"), graded(1, "vivid"), graded(1, "vivid", "soft"), graded(1, "soft")]
    (plan,) = plans_of("made", sets, encoder, 1)
    trial = plan.make()
    assert (plan.name, trial.coordinates.ravel().tolist()) == ("vivid", [1, 2])
    some = trial.some(3, 0)
    assert some.models[0].after.shape == (3, 8)
    assert np.array_equal(some.models[0].before, some.models[1].before)
    assert trial.some(None, 0) is trial
    with pytest.raises(UsageError, match="no base"):
        embedded(Graded("alone", (), base), encoder)


def test_mixtures_hold_their_parts() -> None:
    base = np.zeros((12, 8))

    def full(name: str, value: float) -> Plan:
        made = Model({name: 1.0}, PICTURED, PICTURED, base, base + value)
        return Plan("f", name, lambda: Trial("f", (name,), (made,)))

    plan = mixed("f", [full("a", 1.0), full("b", 10.0)], 3)
    trial = plan.make()
    assert (plan.family, plan.name, len(trial.models)) == ("f mixed", "a + b", 9)
    for one in trial.models:
        found = one.rows[:, 0]
        # of 12 pictures in 6 parts, 2 a level; the rest is the base's
        assert (found == 1).sum() == 2 * one.levels["a"]
        assert (found == 10).sum() == 2 * one.levels["b"]
    again = trial.some(6, seed=1)
    assert [(one.rows[:, 0] == 1).sum() for one in again.models] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert [(one.rows[:, 0] == 10).sum() for one in again.models] == [1, 2, 3] * 3
    dealt = {tuple(trial.some(None, seed).models[0].rows[:, 0]) for seed in range(5)}
    assert len(dealt) == 5
    with pytest.raises(UsageError, match="5 pictures are fewer than the 6 parts"):
        trial.some(5, 0)
    low, high = trial.models[0].rows[:, 0], trial.models[-1].rows[:, 0]
    assert (high[low > 0] == low[low > 0]).all()  # more are added, none is taken away


def test_groups_have_no_two_of_a_kind() -> None:
    groups = families.groups_of(["saturate", "desaturate", "soft_focus", "sepia"], 2, 5, 0)
    assert all({"saturate", "desaturate"} != set(group) for group in groups)
    assert groups == families.groups_of(["saturate", "desaturate", "soft_focus", "sepia"], 2, 5, 0)


def test_other_pictures_are_other_settings(tmp_path: Path) -> None:
    def setup(value: int, truth: str) -> Setup:
        pictures = (Picture("a", Image.new("RGB", (4, 4), (value, 0, 0))),)
        (tmp_path / "truth.yaml").write_text(truth)
        photographs = ImageSet("p", "images", pictures)
        given = Given(photographs, truth=tmp_path / "truth.yaml")
        return Setup(FakeEncoder(), READING, LexicalGrader(), given, {}, Results(None))

    first = setup(1, "a").settings
    assert first == setup(1, "a").settings
    assert len({first, setup(2, "a").settings, setup(1, "b").settings}) == 3


def test_a_family_added_later_leaves_what_others_found(tmp_path: Path) -> None:
    def family(name: str, *reds: int) -> Path:
        folder = tmp_path / name
        for which, red in enumerate(reds):
            (folder / f"at{which}").mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 4), (red, 0, 0)).save(folder / f"at{which}" / "a.png")
        lines = [f"vivid,{which},at0,at{which}" for which in range(1, len(reds))]
        (folder / "truth.csv").write_text(
            "\n".join(["description,level,base,personalized", *lines])
        )
        return folder

    photographs = ImageSet("p", "images", (Picture("a", Image.new("RGB", (4, 4))),))

    def setup(*sets: Path) -> Setup:
        reading = Reading(READING.measure, words_of(sets))
        given = Given(photographs, sets)
        return Setup(FakeEncoder(), reading, LexicalGrader(), given, {}, Results(None))

    one, other = family("one", 0, 1, 2), family("other", 0, 3)
    alone, both = setup(one), setup(one, other)
    assert alone.settings_of("one") == both.settings_of("one")
    assert alone.settings_of("operators") == both.settings_of("operators")
    four = [both.settings_of(name) for name in ("one", "other", "operators")]
    assert len({*four}) == 3
    assert len({settings.split()[0] for settings in four}) == 1  # which share a table
    assert alone.settings != both.settings
    # one level alone is no ladder, and can be mixed
    assert {name: len(plans) for name, plans in from_sets(both, 1).items()} == {
        "one": 1,
        "other": 0,
    }
    assert [len(plans) for plans in from_sets(both, 1, least=1).values()] == [1, 1]


def test_photographs_and_groups_are_taken_evenly_and_by_the_seed() -> None:
    assert [p.key for p in families.evenly_of(PICTURED, 4).pictures] == ["0", "4", "7", "11"]
    assert families.evenly_of(PICTURED, 40) == PICTURED
    plans = [ladder(2) for _ in range(5)]
    every = families.some_of(plans, 2, 100, seed=0)
    assert len(every) == 10
    three = families.some_of(plans, 2, 3, seed=0)
    assert three == families.some_of(plans, 2, 3, seed=0)
    assert all(group in every for group in three)
    assert families.some_of(plans[:1], 2, 3, seed=0) == []


def test_every_experiment_has_its_parameters() -> None:
    for name in EXPERIMENTS:
        for part in ("full", "quick"):
            assert parameters_of(name, part)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "no experiment 'nothing'"),
        (["one-aspect", "--shard", "5/4"], "--shard '5/4'"),
        (["one-aspect", "--results", "nowhere/r.jsonl"], "there is no folder"),
        (["fine-tunes", "--quick"], "fine-tunes needs --truth"),
        (["versions", "--quick"], "versions needs --models"),
        (["ablation-instructions", "--quick"], "give one with --vlm"),
    ],
)
def test_the_command_refuses_what_is_no_shard_and_no_experiment(
    arguments: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["finexl", "bench", "run", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert said in capsys.readouterr().err
