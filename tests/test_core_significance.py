from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from finexl.core.divergence import Paired, Unpaired
from finexl.core.significance import (
    adjusted_p_values,
    alignments,
    detect,
    noise_floor,
    simultaneous_quantile,
    specific,
)

Array = NDArray[np.float64]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def flips(data: Array) -> list[Array]:
    return [np.array(s)[:, None] * data for s in itertools.product((1, -1), repeat=len(data))]


@pytest.mark.parametrize("n", [1, 2, 5, 6, 7])
def test_the_sign_flip_p_value_counts_every_flip(n: int) -> None:
    data = rng(n).normal(size=(n, 3)) + 0.5
    norms = [float(np.linalg.norm(f.mean(0))) for f in flips(data)]
    expected = np.mean([norm >= norms[0] - 1e-12 for norm in norms])
    assert detect(Paired(data), rng()).p_value == expected


@pytest.mark.parametrize("sizes", [(3, 4), (5, 5), (2, 6)])
def test_the_permutation_p_value_counts_every_relabelling(sizes: tuple[int, int]) -> None:
    p, b = rng(1).normal(size=(sizes[0], 3)) + 0.8, rng(2).normal(size=(sizes[1], 3))
    everything = np.vstack([p, b])
    against_floor = []
    for chosen in itertools.combinations(range(sum(sizes)), sizes[0]):
        one, other = everything[list(chosen)], np.delete(everything, chosen, axis=0)
        floor = np.sqrt(stats.sem(one) @ stats.sem(one) + stats.sem(other) @ stats.sem(other))
        against_floor.append(float(np.linalg.norm(one.mean(0) - other.mean(0)) / floor))
    expected = np.mean([ratio >= against_floor[0] * (1 - 1e-9) for ratio in against_floor])
    assert detect(Unpaired(p, b), rng()).p_value == expected


def test_five_prompts_can_never_detect_and_six_can() -> None:
    assert detect(Paired(np.ones((5, 2))), rng()).p_value == 2 / 32
    assert detect(Paired(np.ones((6, 2))), rng()).p_value == 2 / 64
    assert detect(Paired(np.ones((5, 2))), rng()).detected is False
    assert detect(Paired(np.ones((6, 2))), rng()).detected is True


def test_drawn_p_values_count_the_data_itself() -> None:
    detection = detect(Paired(np.ones((40, 2))), rng())
    assert detection.p_value == 1 / 4097
    assert detect(Unpaired(np.ones((20, 2)), np.zeros((20, 2))), rng()).p_value == 1 / 4097


def test_no_difference_at_all_has_p_one() -> None:
    assert detect(Paired(np.zeros((8, 2))), rng()).p_value == 1.0
    same = rng().normal(size=(5, 2))
    assert detect(Unpaired(same, same), rng()).p_value == 1.0


@pytest.mark.parametrize("heavy", [False, True])
def test_false_detections_keep_to_five_percent(heavy: bool) -> None:
    draw = rng(3)
    paired = unpaired = 0
    for _ in range(400):
        data = draw.standard_t(3, (8, 6)) if heavy else draw.normal(size=(8, 6))
        paired += detect(Paired(data), draw).detected
        unpaired += detect(Unpaired(data[:4], data[4:]), draw).detected
    assert 8 <= paired <= 33  # the 99.9 % bounds of a 5 % test
    assert 3 <= unpaired <= 33  # 2/70 is the finest step there is


@pytest.mark.parametrize(
    ("sizes", "spreads"), [((10, 60), (2, 1)), ((10, 60), (1, 2)), ((20, 60), (1.5, 1))]
)
def test_sets_that_scatter_differently_about_one_mean_are_not_told_apart(
    sizes: tuple[int, int], spreads: tuple[float, float]
) -> None:
    draw = rng(17)
    false = 0
    for _ in range(100):
        p, b = (s * draw.normal(size=(n, 12)) for n, s in zip(sizes, spreads, strict=True))
        false += detect(Unpaired(p, b), draw).detected
    assert false <= 13  # the 99.9 % bound of a 5 % test


def test_the_noise_floor_is_the_norm_that_scatter_alone_gives() -> None:
    draw = rng(4)
    scale = np.array([1.0, 2.0, 0.5])
    means = np.array([(draw.normal(size=(10, 3)) * scale).mean(0) for _ in range(4000)])
    root_mean_square = float(np.sqrt((means**2).sum(1).mean()))
    floors = [noise_floor(Paired(draw.normal(size=(10, 3)) * scale)) for _ in range(400)]
    assert np.mean(np.square(floors)) ** 0.5 == pytest.approx(root_mean_square, rel=0.05)
    assert noise_floor(Paired(np.ones((4, 3)))) == pytest.approx(0.0, abs=1e-15)


def max_statistic(arranged: list[Array]) -> Array:
    """(m,), from |t| of every arrangement (B, m), counted one by one."""
    t = np.array(arranged)
    return np.array([np.mean(t.max(axis=1) >= own - 1e-9 * own) for own in t[0]])


def test_q_values_of_pairs_by_brute_enumeration() -> None:
    F = rng(5).normal(size=(7, 3))
    data = rng(6).normal(size=(7, 3)) + 3.0 * F[2]
    arranged = [np.abs(stats.ttest_1samp(f @ F.T, 0.0).statistic) for f in flips(data)]
    q = adjusted_p_values(Paired(data), F, rng())
    np.testing.assert_array_equal(q, max_statistic(arranged))
    assert q[2] <= 0.05
    assert len(set(q)) > 3


def test_q_values_of_unpaired_sets_by_brute_enumeration() -> None:
    F = rng(7).normal(size=(5, 3))
    p, b = rng(8).normal(size=(4, 3)) + F[1], rng(9).normal(size=(5, 3))
    everything = np.vstack([p, b]) @ F.T
    arranged = []
    for chosen in itertools.combinations(range(9), 4):
        one, other = everything[list(chosen)], np.delete(everything, chosen, axis=0)
        arranged.append(np.abs(stats.ttest_ind(one, other, equal_var=False).statistic))
    q = adjusted_p_values(Unpaired(p, b), F, rng())
    np.testing.assert_array_equal(q, max_statistic(arranged))
    assert len(set(q)) > 3


def test_q_values_know_neither_length_nor_sign_of_a_concept() -> None:
    F, data = rng(10).normal(size=(9, 4)), rng(11).normal(size=(7, 4)) + 0.5
    q = adjusted_p_values(Paired(data), F, rng())
    np.testing.assert_array_equal(adjusted_p_values(Paired(data), -3.0 * F, rng()), q)
    np.testing.assert_array_equal(adjusted_p_values(Paired(-data), F, rng()), q)


def test_concepts_without_length_are_never_significant() -> None:
    F = np.array([[1.0, 0.0], [0.0, 0.0]])
    q = adjusted_p_values(Paired(np.ones((9, 2))), F, rng())
    np.testing.assert_array_equal(q, [2 / 512, 1.0])


def test_a_false_concept_anywhere_in_the_pool_is_rare() -> None:
    draw = rng(12)
    F = draw.normal(size=(40, 6))
    false = sum(
        adjusted_p_values(Paired(draw.normal(size=(8, 6))), F, draw).min() <= 0.05
        for _ in range(300)
    )
    assert 4 <= false <= 27  # the 99.9 % bounds of a 5 % test


def test_the_simultaneous_quantile_by_brute_enumeration() -> None:
    F, data = rng(13).normal(size=(5, 3)), rng(14).normal(size=(6, 3)) + 2.0
    centred = data - data.mean(0)
    with np.errstate(invalid="ignore"):
        t = [np.abs(stats.ttest_1samp(f @ F.T, 0.0).statistic) for f in flips(centred)]
    largest = np.sort(np.max(t, axis=1))
    found = simultaneous_quantile(Paired(data), F, rng())
    assert found == pytest.approx(largest[60])  # the 61st of 64
    assert (largest <= found * (1 + 1e-9)).mean() >= 0.95


def test_more_concepts_need_a_larger_quantile() -> None:
    F, data = rng(15).normal(size=(60, 18)), rng(16).normal(size=(18, 18))
    one, many = (simultaneous_quantile(Paired(data), pool, rng()) for pool in (F[:1], F))
    assert one == pytest.approx(stats.t.ppf(0.975, 17), rel=0.15)
    assert many > 1.5 * one


def test_alignment_is_the_signed_cosine() -> None:
    F = np.array([[2.0, 0.0], [0.0, -1.0], [1.0, 1.0], [0.0, 0.0]])
    np.testing.assert_allclose(
        alignments(np.array([0.0, 5.0]), F), [0.0, -1.0, np.sqrt(0.5), 0.0], atol=1e-15
    )
    np.testing.assert_array_equal(alignments(np.zeros(2), F), np.zeros(4))


def test_specific_is_beyond_95_of_100_unrelated_phrases() -> None:
    unrelated = np.linspace(-0.5, 0.49, 100)  # absolute values up to 0.5
    threshold = np.percentile(np.abs(unrelated), 95)
    mask = specific(np.array([0.4, threshold, -0.6, 0.6]), unrelated)
    np.testing.assert_array_equal(mask, [False, False, True, True])
