"""Several models against one base: numbers against closed forms, the table on a planted world."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from finexl.bench.experiments.versions import add_versions, versions
from finexl.bench.results import Results
from finexl.core.comparison import compare_models, shared_support
from finexl.errors import UsageError
from finexl.imageset import ImageSet
from planted import PlantedEncoder, pictured

RNG = np.random.default_rng(0)
F = RNG.standard_normal((2, 6))


def rows(
    weights: tuple[float, float], n: int = 12, noise: float = 0.1, seed: int = 1
) -> np.ndarray:
    scatter = np.random.default_rng(seed).standard_normal((n, 6)) * noise
    found: np.ndarray = np.array(weights) @ F + scatter
    return found


def compared(*models: np.ndarray, pool: np.ndarray | None = None):  # type: ignore[no-untyped-def]
    return compare_models(models, F, 2.0, 0.0, np.random.default_rng(0), pool)


# --- the numbers ----------------------------------------------------------------------------------


def test_effects_are_projections_and_scores_are_least_squares() -> None:
    a, b = rows((1.0, -0.5)), rows((0.2, 0.3), seed=2)
    found = compared(a, b)
    for i, V in enumerate((a.mean(axis=0), b.mean(axis=0))):
        lengths = np.linalg.norm(F, axis=1)
        assert found.effects.value[i] == pytest.approx(F @ V / lengths / 2.0)
        w = np.linalg.lstsq(F.T, V, rcond=None)[0]
        assert found.scores.value[i] == pytest.approx(w * lengths / 2.0)
    assert found.scores.value[0] / np.linalg.norm(F, axis=1) * 2 == pytest.approx(
        [1, -0.5], abs=0.1
    )


def test_intervals_are_students_and_differences_are_paired() -> None:
    a, b = rows((1.0, -0.5)), rows((0.2, 0.3), seed=2)
    found = compared(a, b)
    u = F[0] / np.linalg.norm(F[0]) / 2.0
    for low, high, x in (
        (found.effects.low[1, 0], found.effects.high[1, 0], b @ u),
        (found.differences.low[0, 0], found.differences.high[0, 0], (b - a) @ u),
    ):
        assert (low, high) == pytest.approx(stats.t.interval(0.95, 11, x.mean(), stats.sem(x)))
    assert found.between == ((0, 1),)
    assert found.differences.value == pytest.approx(
        found.effects.value[1:] - found.effects.value[:1]
    )


def test_what_the_models_share_cancels_in_their_difference() -> None:
    """The base's noise is in both, ten times what tells them apart."""
    common = np.random.default_rng(5).standard_normal((12, 6)) * 3
    a, b = rows((1.0, 0.0), noise=0.02) + common, rows((1.3, 0.0), noise=0.02, seed=2) + common
    found = compared(a, b)
    assert found.q_values is not None
    assert found.q_values[0, 0] <= 0.05
    assert found.differences.high[0, 0] - found.differences.low[0, 0] < 0.1
    assert found.effects.high[0, 0] - found.effects.low[0, 0] > 1


def test_q_is_how_often_the_largest_of_all_is_as_large_when_signs_are_flipped() -> None:
    a, b = rows((0.1, 0.0), n=6), rows((0.3, 0.1), n=6, seed=2)
    found = compared(a, b)
    projected = (b - a) @ (F / np.linalg.norm(F, axis=1, keepdims=True)).T
    signs = 1 - 2 * ((np.arange(64)[:, None] >> np.arange(6)) & 1)
    t = [np.abs(stats.ttest_1samp(projected * s[:, None], 0.0).statistic) for s in signs]
    expected = [np.mean([x.max() >= t[0][k] - 1e-9 for x in t]) for k in range(2)]
    assert found.q_values is not None
    assert found.q_values[0] == pytest.approx(expected)


def test_equal_models_differ_significantly_in_five_of_a_hundred_at_most() -> None:
    false = 0
    for seed in range(100):
        models = [rows((0.5, 0.5), n=8, noise=0.3, seed=100 * seed + i) for i in range(3)]
        q = compared(*models).q_values
        assert q is not None
        false += bool((q <= 0.05).any())
    assert false <= 11  # 5 expected; 12 or more in half a percent of such runs


def test_a_support_chosen_on_these_prompts_has_wider_intervals_and_larger_q() -> None:
    a, b = rows((0.1, 0.0), n=10), rows((0.15, 0.0), n=10, seed=2)
    pool = np.random.default_rng(3).standard_normal((40, 6))
    alone, whole = compared(a, b), compared(a, b, pool=pool)
    assert (whole.effects.high - whole.effects.low > alone.effects.high - alone.effects.low).all()
    assert whole.q_values is not None
    assert alone.q_values is not None
    assert whole.q_values.shape == (1, 2)
    assert (whole.q_values >= alone.q_values).all()
    assert whole.q_values.max() > alone.q_values.max()
    only = compared(a, b, pool=F)  # of two concepts, not of forty-two
    assert (only.effects.high - only.effects.low > alone.effects.high - alone.effects.low).all()
    assert (whole.effects.high - whole.effects.low > only.effects.high - only.effects.low).all()


def test_too_few_prompts_are_not_tested_and_one_model_has_no_differences() -> None:
    assert compared(rows((1, 0), n=5), rows((0, 1), n=5, seed=2)).q_values is None
    one = compared(rows((1, 0)))
    assert one.between == ()
    assert one.differences.value.shape == (0, 2)
    with pytest.raises(ValueError, match="the same prompts"):
        compared(rows((1, 0), n=5), rows((1, 0), n=6))


def test_the_support_is_what_any_keeps_the_largest_first_and_synonyms_once() -> None:
    G = np.array([[1.0, 0, 0], [0, 1, 0], [0.9, 0, 0.1], [0, 0, 1]])
    effects = np.array([[0.5, -0.9, 0.6, 9.0], [0.1, 0.2, 0.1, 9.0]])
    assert shared_support([[0, 1], [2, 1]], effects, G) == [1, 2]
    assert shared_support([[0, 1], [2, 1]], effects, G, limit=1) == [1]
    assert shared_support([[], []], effects, G) == []


# --- the table ------------------------------------------------------------------------------------

ENCODER = PlantedEncoder()
WORDS = ("vivid", "dark", "neon colors", "monochrome", "film grain", "pencil sketch")


def planted(name: str, seed: int, n: int = 12, **levels: float) -> ImageSet:
    return pictured(name, {k.replace("_", " "): v for k, v in levels.items()}, n, seed=seed)


def test_versions_are_compared_by_what_is_planted_in_them() -> None:
    base = planted("1.1", 0)
    models = [planted("1.4", 1, vivid=0.2), planted("2.1", 2, vivid=0.8, dark=-0.5)]
    found = versions(base, models, ENCODER, words=WORDS)
    assert set(found.concepts) == {"vivid", "dark"}
    assert (found.base, found.models, found.n, found.split) == ("1.1", ("1.4", "2.1"), 12, False)
    apart = {(concept, a, b): by for concept, a, b, by in found.significant()}
    assert set(apart) == {("vivid", "1.4", "2.1"), ("dark", "1.4", "2.1")}
    assert apart["vivid", "1.4", "2.1"] > 0 > apart["dark", "1.4", "2.1"]
    vivid = found.concepts.index("vivid")
    ratio = found.numbers.scores.value[1, vivid] / found.numbers.scores.value[0, vivid]
    assert ratio == pytest.approx(4, rel=0.15)


def test_equal_versions_differ_in_nothing() -> None:
    base = planted("base", 0, n=24)
    models = [planted(name, i + 1, n=24, vivid=0.6) for i, name in enumerate("ab")]
    found = versions(base, models, ENCODER, words=WORDS)
    assert (found.split, found.n, found.concepts) == (True, 12, ("vivid",))
    assert found.significant() == []


def test_an_asked_concept_is_compared_by_though_no_model_has_it() -> None:
    base = planted("base", 0)
    models = [planted("a", 1, vivid=0.6), planted("b", 2, vivid=0.6)]
    found = versions(base, models, ENCODER, words=WORDS, asked=("monochrome",))
    assert found.concepts == ("monochrome", "vivid")
    numbers = found.numbers.effects
    assert (numbers.low[:, 0] < 0.3).all()
    assert (numbers.value[:, 0] < numbers.value[:, 1] / 2).all()


def test_only_common_prompts_count() -> None:
    base = planted("base", 0, n=14)
    models = [planted("a", 1, n=14, vivid=0.6), planted("b", 2, n=14, dark=0.6)]
    fewer = [replace(m, pictures=m.pictures[i : 12 + i]) for i, m in enumerate(models)]
    assert versions(base, fewer, ENCODER, words=WORDS).n == 11
    apart = [replace(models[0], pictures=models[0].pictures[:3]),
             replace(models[1], pictures=models[1].pictures[2:])]  # fmt: skip
    with pytest.raises(UsageError, match="1 prompts"):
        versions(base, apart, ENCODER, words=WORDS)
    with pytest.raises(UsageError, match="different names"):
        versions(base, [models[0], models[0]], ENCODER, words=WORDS)


def test_the_table_is_kept_with_its_intervals() -> None:
    base = planted("base", 0)
    found = versions(
        base, [planted("a", 1, vivid=0.3), planted("b", 2, vivid=0.8)], ENCODER, words=WORDS
    )
    results = Results(None)
    add_versions(found, results, trial="planted", settings="s")
    kept = {(r.measure, r.row, r.column): r for r in results.found.values()}
    assert set(kept) == {
        *(("effect", "vivid", m) for m in "ab"),
        *(("score", "vivid", m) for m in "ab"),
        ("difference", "vivid", "b − a"),
    }
    one = kept["difference", "vivid", "b − a"]
    assert one.details["ci"][0] < one.value < one.details["ci"][1]
    assert one.details["q"] <= 0.05
    assert one.value == pytest.approx(
        kept["effect", "vivid", "b"].value - kept["effect", "vivid", "a"].value
    )
