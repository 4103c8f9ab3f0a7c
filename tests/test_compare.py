"""Models beside each other: planted truth, coverage, duplicates, and what cannot be told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from finexl.comparing.compared import Compared, compare
from finexl.comparing.ground import ground_of
from finexl.comparing.models import Model, distinct, load, read_models
from finexl.comparing.tables import render_markdown, render_terminal
from finexl.core.comparison import detect_all, measure
from finexl.core.divergence import Paired
from finexl.core.significance import adjusted_p_values, detect, simultaneous_quantile
from finexl.core.uncertainty import intervals
from finexl.encoders.embedded import Embedded
from finexl.errors import UsageError
from finexl.measure import Measure
from finexl.pipeline import explain
from planted import direction
from planted_models import ENCODER, WORDS, explained, model


def compared(*models: Model, **asked: object) -> Compared:
    by = asked.pop("by", "effect")
    return compare(ground_of(models, encoder=ENCODER, **asked), by)  # type: ignore[arg-type]


def texts(found: Compared) -> list[str]:
    return [row.concept.text for row in found.rows]


def shown(found: Compared, **settings: object) -> str:
    out = StringIO()
    render_terminal(found, Console(file=out, width=100, **settings))  # type: ignore[arg-type]
    return out.getvalue()


# --- the numbers ----------------------------------------------------------------------------------


def test_many_parts_are_measured_as_one_is() -> None:
    """A second implementation: the single sample's tests, of one part and of all as one sample."""
    rng = np.random.default_rng
    rows = [rng(i).standard_normal((8, 5)) + 0.4 for i in range(3)]
    F, pool = rng(9).standard_normal((2, 5)), rng(8).standard_normal((7, 5))
    found = measure(rows, F, rng(0), pool)
    looked_at = np.concatenate([F, pool])
    every = Paired(np.concatenate([part @ looked_at.T for part in rows], axis=1))
    q = adjusted_p_values(every, np.eye(27), rng(0)).reshape(3, 9)[:, :2]
    critical = simultaneous_quantile(every, np.eye(27), rng(0))
    assert found.q_values == pytest.approx(q)
    for i, part in enumerate(rows):
        low, high = intervals(Paired(part), F, simultaneous=critical)
        assert found.low[i] == pytest.approx(low)
        assert found.high[i] == pytest.approx(high)
    assert detect_all(rows[:1], rng(0)) == pytest.approx([detect(Paired(rows[0]), rng(0)).p_value])
    assert detect_all([part[:5] for part in rows], rng(0)) is None


def test_the_effects_are_those_of_the_explanations(
    encoder: Embedded, base_rows: np.ndarray
) -> None:
    """One path through the pipeline, the other through what it wrote."""
    moved = [base_rows + 0.05 * base_rows[[i]] for i in (3, 7)]
    made = [
        explain(base_rows, rows, encoder=encoder, name=f"m{i}", seed=3)
        for i, rows in enumerate(moved)
    ]
    found = compare(ground_of([Model(e.name, e) for e in made], encoder=encoder, top=20))
    for i, explanation in enumerate(made):
        own = {a.concept: a.effect for a in (*explanation.aspects, *explanation.less)}
        both = {row.concept.text: row.effects[i].value for row in found.rows}
        assert set(own) & set(both)
        for concept in set(own) & set(both):
            assert both[concept] == pytest.approx(own[concept], abs=0.003)  # pairs are rounded


def test_models_differ_by_what_is_planted_in_them() -> None:
    a = model("A", {"film grain": 0.2, "vivid": 0.3})
    b = model("B", {"film grain": 0.6, "vivid": 0.3}, seed=2)
    found = compared(a, b)
    assert set(texts(found)) == {"film grain", "vivid"}
    first = found.differences[0]
    assert (first.concept.text, first.model, first.other) == ("film grain", "B", "A")
    assert first.by.significant
    # an effect is what a concept alone would show; beside each other only grain has changed
    beside = {d.concept.text: d.by.significant for d in compared(a, b, by="score").differences}
    assert beside == {"film grain": True, "vivid": False}
    value, (low, high) = first.by.value, first.by.ci or (0, 0)
    assert found.sentences[0] == (
        f"B has more film grain than A: +{value:.2f} (95% CI {low:.2f} to {high:.2f})."
    )
    effects = {row.concept.text: row.effects for row in found.rows}
    assert value == pytest.approx(effects["film grain"][1].value - effects["film grain"][0].value)
    ratio = [number.value for number in compared(a, b, by="score").rows[0].scores]
    assert ratio[1] / ratio[0] == pytest.approx(3, rel=0.2)


def test_a_difference_is_said_of_the_one_that_has_more() -> None:
    found = compared(model("A", {"vivid": 0.6}), model("B", {"vivid": 0.1}, seed=2))
    assert found.sentences[0].startswith("A is more vivid than B: +")
    assert found.differences[0].by.ci is not None
    assert 0 < found.differences[0].by.ci[0] < found.differences[0].by.value


def true_difference(a: dict[str, float], b: dict[str, float], concept: str) -> float:
    """What endlessly many prompts would say."""
    frame = Measure(ENCODER, "subspace", (), 0)
    moved = sum(((b.get(c, 0) - a.get(c, 0)) * direction(c) for c in {*a, *b}), np.zeros(96))
    inside, along = frame.inside(np.stack([moved, direction(concept)]))
    return float(inside @ along / np.linalg.norm(along) / frame.frame.scale)


@pytest.mark.parametrize(("top", "asked", "least"), [(8, (), 0.95), (0, WORDS[:4], 0.92)])
def test_intervals_of_differences_hold_the_true_ones(
    top: int, asked: Sequence[str], least: float
) -> None:
    levels = {"vivid": 0.5, "dark": 0.2}, {"vivid": 0.3, "dark": 0.25}
    held, every = 0, 0
    truth = {c: true_difference(*levels, c) for c in WORDS[:4]}
    for seed in range(60):
        pair = [
            model(name, of, seed=[seed, i], base=seed, noise=0.1)
            for i, (name, of) in enumerate(zip("AB", levels, strict=True))
        ]
        for one in compared(*pair, top=top, asked=asked).differences:
            low, high = one.by.ci or (1, 0)
            true = truth[one.concept.text] * (1 if one.model == "B" else -1)
            held += low <= true <= high
            every += 1
    assert every == 60 * (4 if asked else 2)
    assert held / every >= least
    if asked:  # and no wider than they have to be
        assert held / every <= 0.985


def test_equal_models_are_called_different_in_five_of_a_hundred_at_most() -> None:
    by_aspect = as_wholes = 0
    for seed in range(60):
        models = [
            model(f"m{i}", {"vivid": 0.5}, seed=[seed, i], base=seed, noise=0.1, keeps=WORDS)
            for i in range(3)
        ]
        found = compared(*models)
        by_aspect += any(d.by.significant for d in found.differences)
        as_wholes += any(pair.verdict in ("different", "nearly the same") for pair in found.pairs)
    # 3 expected of each; 9 or more in less than one of 100 such runs
    assert by_aspect <= 8
    assert as_wholes <= 8


# --- the support ----------------------------------------------------------------------------------


def test_the_support_is_what_any_keeps_and_what_is_asked_for() -> None:
    a, b = model("A", {"vivid": 0.5}), model("B", {"dark": 2.0}, seed=2)
    assert set(texts(compared(a, b))) == {"vivid", "dark"}
    assert texts(compared(a, b, asked=["monochrome"]))[0] == "monochrome"
    assert texts(compared(a, b, asked=["monochrome"], top=0)) == ["monochrome"]
    assert texts(compared(a, b, asked=["Vivid"], top=8))[0] == "Vivid"
    assert len(texts(compared(a, b, asked=["Vivid"], top=8))) == 2  # up to case one concept


def test_a_model_that_changes_little_keeps_its_place_beside_one_that_changes_much() -> None:
    small = model("small", {"vivid": 0.1}, noise=0.002)
    large = model("large", {"dark": 3.0, "monochrome": 2.0, "film grain": 1.5}, seed=2)
    assert "vivid" in texts(compared(small, large, top=2))


def test_guesses_count_only_where_nothing_better_is_there() -> None:
    a = model("A", {"vivid": 0.5})
    guess = model("B", {}, keeps=["monochrome"], seed=2)
    unsure = replace(guess.explanation.aspects[0], significant=False)
    guess = replace(guess, explanation=replace(guess.explanation, aspects=(unsure,)))
    assert texts(compared(a, guess)) == ["vivid"]
    assert texts(compared(guess, replace(guess, name="C"))) == ["monochrome"]


def test_what_was_asked_for_needs_no_allowance_for_choosing() -> None:
    pair = (
        model("A", {"vivid": 0.5}, keeps=WORDS, noise=0.1),
        model("B", {"vivid": 0.7}, seed=2, noise=0.1, keeps=WORDS),
    )
    chosen = {r.concept.text: r.effects[0] for r in compared(*pair).rows}["vivid"]
    asked = compared(*pair, asked=["vivid"], top=0).rows[0].effects[0]
    assert asked.value == pytest.approx(chosen.value)
    assert asked.ci is not None
    assert chosen.ci is not None
    assert asked.ci[1] - asked.ci[0] < chosen.ci[1] - chosen.ci[0]


def test_candidates_that_are_not_known_and_proposals_are_warned_of() -> None:
    a, b = model("A", {"vivid": 0.5}), model("B", {"vivid": 0.7}, seed=2)
    larger = replace(a.explanation, pool=replace(a.explanation.pool, size=50))
    found = compared(replace(a, explanation=larger), b)
    assert any("Not all candidates are known" in w and " A " in w for w in found.warnings)
    looked = replace(a.explanation.aspects[0], q_value=None)
    found = compared(replace(a, explanation=replace(a.explanation, aspects=(looked,))), b)
    assert any("looking at the very images" in w and "vivid" in w for w in found.warnings)
    assert not compared(a, b).warnings


# --- duplicates -----------------------------------------------------------------------------------


def verdict(a: Model, b: Model) -> str:
    return compared(a, b).pairs[0].verdict


def test_duplicates_are_found_and_sameness_is_not_claimed_for_lack_of_data() -> None:
    a = model("A", {"vivid": 0.5, "dark": 0.4}, noise=0.01)
    again = replace(a, name="again")
    near = model("near", {"vivid": 0.5, "dark": 0.4}, noise=0.01, seed=2)
    noisy = model("noisy", {"vivid": 0.5, "dark": 0.4}, noise=0.3, seed=2)
    close = model("close", {"vivid": 0.5, "dark": 0.48}, noise=0.005, seed=2)
    other = model("other", {"vivid": -0.5}, noise=0.01, seed=2)
    few = model("few", {"vivid": 0.5, "dark": 0.4}, noise=0.01, seed=2, n=5)
    assert verdict(a, again) == "identical"
    assert verdict(a, near) == "same within noise"
    assert verdict(a, noisy) == "untold"
    assert verdict(model("A", {"vivid": 0.5, "dark": 0.4}, noise=0.005), close) == "nearly the same"
    assert verdict(a, other) == "different"
    assert verdict(replace(few, name="a"), replace(few, name="b")) == "identical"
    five = model("a", {"vivid": 0.5, "dark": 0.4}, noise=0.01, n=5)
    assert verdict(five, few) == "untold"


def test_what_the_same_within_noise_means_is_said_with_its_bound() -> None:
    a = model("A", {"vivid": 0.5}, noise=0.01)
    found = compared(a, model("B", {"vivid": 0.5}, noise=0.01, seed=2))
    pair = found.pairs[0]
    assert pair.at_most is not None
    assert 0 < pair.at_most <= 0.25
    assert f"differences of up to {pair.at_most:.0%} of the smaller change" in found.sentences[-1]
    assert pair.cosine == pytest.approx(1, abs=0.01)


def test_of_models_of_which_none_was_detected_nothing_is_claimed() -> None:
    a = model("A", {}, keeps=["vivid"], noise=0.1)
    b = model("B", {}, keeps=["vivid"], noise=0.1, seed=2)
    assert verdict(a, b) == "untold"


# --- what cannot be told --------------------------------------------------------------------------


def test_without_pairs_there_are_numbers_and_no_certainty() -> None:
    a = model("A", {"vivid": 0.5}, pairs=False)
    b = model("B", {"vivid": 0.7}, seed=2)
    found = compared(a, b)
    whole = compared(replace(a, explanation=explained("A", {"vivid": 0.5})), b)
    assert "noise and all" in render_markdown(found)
    assert "noise and all" not in render_markdown(whole)
    assert [n.value for n in found.rows[0].effects] == pytest.approx(
        [n.value for n in whole.rows[0].effects], rel=1e-3
    )
    for number in (*found.rows[0].effects, *found.rows[0].scores, found.differences[0].by):
        assert (number.ci, number.q_value, number.significant) == (None, None, None)
    assert any("A keeps no pair divergences" in w for w in found.warnings)
    assert any("no intervals" in w for w in found.warnings)
    assert found.pairs[0].verdict == "untold"
    assert found.to_dict()["n_prompts"] == 0


def test_five_prompts_are_too_few_to_test() -> None:
    found = compared(model("A", {"vivid": 0.5}, n=5), model("B", {"vivid": 0.7}, n=5, seed=2))
    assert found.rows[0].effects[0].ci is None
    assert found.differences[0].by.q_value is None
    assert any("Too few prompts to test: 5" in w for w in found.warnings)


def test_other_prompts_and_bases_are_warned_of_and_common_ones_used() -> None:
    a = model("A", {"vivid": 0.5})
    base = model("B", {"vivid": 0.7}, base=1, seed=2)
    found = compared(a, base)
    assert any("different images of a base" in w for w in found.warnings)
    assert found.rows[0].effects[0].ci is not None  # paired by prompt all the same
    late = model("B", {"vivid": 0.7}, seed=2, prompts=[f"scene {i}" for i in range(2, 14)])
    found = compared(a, late)
    assert found.ground.n == 10
    assert any("compared on the 10 prompts" in w for w in found.warnings)
    # row i is of scene i, in both
    pairs = [np.asarray(m.explanation.divergence.pairs, np.float64) for m in (a, late)]
    assert found.ground.rows[0] == pytest.approx(pairs[0][2:])
    assert found.ground.rows[1] == pytest.approx(pairs[1][:10])
    none = model("B", {"vivid": 0.7}, seed=2, prompts=[f"view {i}" for i in range(12)])
    found = compared(a, none)
    assert found.ground.n == 0
    assert any("0 known prompts in common" in w for w in found.warnings)


def test_pairs_without_known_prompts_are_told_by_their_base() -> None:
    a, b = model("A", {"vivid": 0.5}, prompts=()), model("B", {"vivid": 0.7}, prompts=(), seed=2)
    assert compared(a, b).ground.n == 12
    assert compared(a, model("B", {"vivid": 0.7}, prompts=(), base=1)).ground.n == 0


def test_several_pairs_of_a_prompt_are_no_prompts_of_their_own() -> None:
    a = model("A", {"vivid": 0.5}, prompts=[f"scene {i}" for i in range(6)])
    found = compared(a, model("B", {"vivid": 0.5}, prompts=[f"scene {i}" for i in range(6)]))
    assert found.ground.n == 0
    assert any("several pairs of a prompt" in w for w in found.warnings)


def test_pairs_that_say_their_prompts_are_compared_by_them() -> None:
    scenes = [f"scene {i}" for i in range(6)]
    which = (*range(6), *reversed(range(6)))

    def said(name: str, strength: float, seed: int) -> Model:
        made = model(name, {"vivid": strength}, prompts=scenes, seed=seed)
        divergence = replace(made.explanation.divergence, pair_prompts=which)
        return replace(made, explanation=replace(made.explanation, divergence=divergence))

    found = compared(said("A", 0.5, 1), said("B", 0.9, 2))
    assert found.ground.n == 6
    assert found.ground.prompts == tuple(scenes)
    assert found.rows[0].effects[0].ci is not None
    pairs = np.asarray(said("A", 0.5, 1).explanation.divergence.pairs, np.float64)
    expected = [(pairs[i] + pairs[11 - i]) / 2 for i in range(6)]
    assert found.ground.rows[0] == pytest.approx(np.array(expected))


def test_models_of_two_encoders_or_decompositions_are_not_compared() -> None:
    a, b = model("A", {"vivid": 0.5}), model("B", {"vivid": 0.5})
    other = replace(b.explanation, encoder=replace(b.explanation.encoder, revision="2"))
    with pytest.raises(UsageError, match=r"A and B .* different encoders \(planted, .*; planted"):
        compared(a, replace(b, explanation=other))
    other = replace(b.explanation, decomposition="paper")
    with pytest.raises(UsageError, match=r"different decompositions \(subspace; paper\)"):
        compared(a, replace(b, explanation=other))
    with pytest.raises(UsageError, match="2 to 40 models, not 1"):
        compared(a)
    older = [
        replace(m.explanation, encoder=replace(m.explanation.encoder, revision="0")) for m in (a, b)
    ]
    with pytest.raises(UsageError, match="another revision of planted"):
        compared(*(Model(e.name, e) for e in older))


# --- ugly inputs ----------------------------------------------------------------------------------


def test_a_model_that_changes_nothing_is_compared_as_one() -> None:
    nothing = model("none", {}, noise=0.0)
    found = compared(nothing, model("B", {"vivid": 0.5}))
    assert found.rows[0].effects[0].value == 0.0
    assert found.differences[0].model == "B"
    both = compared(nothing, replace(nothing, name="other"))
    assert both.rows == ()
    assert both.differences == ()
    assert any("No explanation keeps a concept" in s for s in both.sentences)
    for one in (found, both):
        json.dumps(one.to_dict(), allow_nan=False)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 6, 13])
def test_nothing_undefined_is_a_number(n: int) -> None:
    models = [model(name, {"vivid": 0.5}, n=n, seed=i) for i, name in enumerate("AB")]
    found = compared(*models)
    json.dumps(found.to_dict(), allow_nan=False)
    assert "nan" not in shown(found)


def test_names_are_shown_as_they_are() -> None:
    name = "<b>A</b> | [x](y) \x1b[31m \u202e"
    found = compared(model(name, {"vivid": 0.5}), model("B\nC", {"vivid": 0.9}, seed=2))
    page = render_markdown(found)
    assert "<b>" not in page
    assert "[x](y)" not in page
    assert "&lt;b&gt;A" in page
    text = shown(found)
    for character in "\x1b\u202e":
        assert character not in text
    assert "<b>A</b> | [x](y) [31m" in text
    assert "B C is more vivid than <b>A</b>" in text


def test_a_terminal_without_unicode_gets_what_it_can_show() -> None:
    found = compared(model("Ä", {"vivid": 0.5}), model("B", {"vivid": -0.5}, seed=2))
    out = StringIO()
    assert "−0." in shown(found)
    render_terminal(found, AsciiConsole(file=out, width=100))
    out.getvalue().encode("ascii")
    assert "-0." in out.getvalue()


class AsciiConsole(Console):
    """A console of a system without Unicode."""

    @property
    def encoding(self) -> str:
        return "ascii"


def test_the_table_says_what_the_numbers_say() -> None:
    a, b = model("A", {"vivid": 0.2}), model("B", {"vivid": 0.6}, seed=2)
    found = compared(a, b)
    number = found.rows[0].effects[1]
    assert number.ci is not None
    line = next(line for line in render_markdown(found).split("\n") if line.startswith("| vivid"))
    assert f"{number.value:.2f} \\*<br>{number.ci[0]:.2f} to {number.ci[1]:.2f} |" in line
    assert f"{number.value:.2f} *" in shown(found)
    data = found.to_dict()
    assert data["schema"] == "finexl.comparison/1"
    assert data["aspects"][0]["effects"][1]["value"] == pytest.approx(number.value, rel=1e-5)
    assert data["pairs"][0]["models"] == ["A", "B"]
    assert data["differences"][0]["model"] == "B"


def test_names_that_clash_are_told_apart() -> None:
    named = [("lora", "a"), ("lora", "b"), ("other", "c"), ("lora", "b")]
    assert distinct(named) == ["lora (a)", "lora (b)", "other", "lora (b) no. 2"]


def test_explanations_are_read_from_files_and_run_folders(tmp_path: Path) -> None:
    explanation = explained("A", {"vivid": 0.5})
    (tmp_path / "a.json").write_text(explanation.to_json())
    run = tmp_path / "run"
    run.mkdir()
    (run / "explanation.json").write_text(explanation.to_json())
    assert load(tmp_path / "a.json") == load(run)
    (run / "run.json").write_text("{}")
    one, two = read_models([tmp_path / "a.json", str(run)])
    assert (one.name, two.name) == ("A (a)", "A (run)")
    assert (one.folder, two.folder) == (None, run)
    assert read_models([run / "explanation.json"])[0].folder == run
    for wrong, why in ((tmp_path / "no", "cannot be read"), (tmp_path, "holds no explanation")):
        with pytest.raises(UsageError, match=why):
            load(wrong)
    (tmp_path / "b.json").write_text("{}")
    with pytest.raises(UsageError, match=r"b\.json: This is not a FineXL explanation"):
        load(tmp_path / "b.json")


def test_twenty_models_are_compared_within_seconds_and_the_largest_pairs_said() -> None:
    models = [model(f"m{i}", {"vivid": 0.1 * i}, seed=i) for i in range(20)]
    found = compared(*models)
    assert len(found.pairs) == 190
    assert len([s for s in found.sentences if "more vivid" in s]) == 12
    assert any(s.startswith("Significant as well: ") for s in found.sentences)
    assert "And 175 pairs more." in shown(found)
