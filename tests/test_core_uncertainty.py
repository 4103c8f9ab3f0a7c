from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from finexl.core.decompositions import functionals
from finexl.core.divergence import Paired, Unpaired
from finexl.core.uncertainty import held_out_shares, intervals, reproducible

Array = NDArray[np.float64]


def rows(n: int, d: int = 3, seed: int = 0) -> Array:
    return np.random.default_rng([seed, n]).normal(0.4, 1.0, (n, d))


def half_means(data: Array) -> list[tuple[Array, Array]]:
    """Every split into halves (the first never the larger), both ways round."""
    n = len(data)
    splits = []
    for chosen in itertools.combinations(range(n), n // 2):
        a, b = data[list(chosen)].mean(0), np.delete(data, chosen, axis=0).mean(0)
        splits += [(a, b), (b, a)]
    return splits


@pytest.mark.parametrize("n", [4, 5, 6])
def test_reproducible_is_the_mean_over_all_half_splits_of_pairs(n: int) -> None:
    data = rows(n)
    products = [np.outer(a, b) for a, b in half_means(data)]
    np.testing.assert_allclose(reproducible(Paired(data)), np.mean(products, 0), atol=1e-14)


@pytest.mark.parametrize(("n", "k"), [(4, 4), (5, 4), (3, 6)])
def test_reproducible_is_the_mean_over_all_half_splits_of_both_sets(n: int, k: int) -> None:
    p, b = rows(n), rows(k, seed=1)
    products = [
        np.outer(p1 - b1, p2 - b2)
        for (p1, p2), (b1, b2) in itertools.product(half_means(p), half_means(b))
    ]
    np.testing.assert_allclose(reproducible(Unpaired(p, b)), np.mean(products, 0), atol=1e-14)


@pytest.mark.parametrize("n", [4, 5])
def test_shares_are_the_mean_over_all_half_splits(n: int) -> None:
    data, F = rows(n) + 1.0, rows(2, seed=2)
    L = functionals(F, [0, 1], 0.01)
    splits = half_means(data)
    whole = np.mean([a @ b for a, b in splits])
    expected = np.mean([(L @ a) * (F @ b) for a, b in splits], axis=0) / whole
    shares = held_out_shares(reproducible(Paired(data)), F, L)
    assert shares is not None
    np.testing.assert_allclose(shares.each, expected, atol=1e-12)
    assert shares.each.sum() + shares.residual_squared == pytest.approx(1.0)


def test_shares_of_an_exact_orthogonal_explanation() -> None:
    data = np.tile([3.0, -4.0, 12.0], (6, 1))
    F = np.diag([2.0, 5.0, 1.0])[:2]
    shares = held_out_shares(reproducible(Paired(data)), F, functionals(F, [0, 1], 0.0))
    assert shares is not None
    np.testing.assert_allclose(shares.each, [9 / 169, 16 / 169])
    assert shares.residual_squared == pytest.approx(144 / 169)


def test_shares_carry_no_bias_from_noise() -> None:
    rng = np.random.default_rng(3)
    truth = np.array([1.0, -0.5, 0.0, 0.5])
    F = np.eye(4)[:2]
    L = functionals(F, [0, 1], 0.0)
    M = np.mean([reproducible(Paired(truth + rng.normal(size=(8, 4)))) for _ in range(4000)], 0)
    shares = held_out_shares(M, F, L)
    assert shares is not None
    np.testing.assert_allclose(shares.each, [1 / 1.5, 0.25 / 1.5], atol=0.03)


def test_where_nothing_reproduces_nothing_has_a_share() -> None:
    data = np.array([[1.0, 0.0], [-1.0, 0.1], [1.0, 0.0], [-1.0, 0.1]])
    assert held_out_shares(reproducible(Paired(data)), np.eye(2), np.eye(2)) is None
    assert held_out_shares(np.zeros((2, 2)), np.eye(2), np.eye(2)) is None
    assert held_out_shares(np.full((2, 2), np.nan), np.eye(2), np.eye(2)) is None


@pytest.mark.parametrize("n", [2, 6, 25])
def test_intervals_of_pairs_are_students(n: int) -> None:
    data, L = rows(n), rows(4, seed=4)
    low, high = intervals(Paired(data), L)
    expected = stats.ttest_1samp(data @ L.T, 0.0).confidence_interval(0.95)
    np.testing.assert_allclose(low, expected.low, rtol=1e-10)
    np.testing.assert_allclose(high, expected.high, rtol=1e-10)


@pytest.mark.parametrize(("n", "k"), [(2, 5), (7, 7), (30, 11)])
def test_intervals_of_unpaired_sets_are_welchs(n: int, k: int) -> None:
    p, b, L = rows(n), 3.0 * rows(k, seed=1), rows(4, seed=4)
    low, high = intervals(Unpaired(p, b), L)
    test = stats.ttest_ind(p @ L.T, b @ L.T, equal_var=False)
    expected = test.confidence_interval(0.95)
    np.testing.assert_allclose(low, expected.low, rtol=1e-10)
    np.testing.assert_allclose(high, expected.high, rtol=1e-10)


def test_a_simultaneous_critical_value_replaces_students() -> None:
    data = rows(9)
    low, high = intervals(Paired(data), np.eye(3), simultaneous=4.0)
    error = stats.sem(data)
    np.testing.assert_allclose(low, data.mean(0) - 4 * error)
    np.testing.assert_allclose(high, data.mean(0) + 4 * error)


@pytest.mark.parametrize("n", [6, 10, 25])
@pytest.mark.parametrize("heavy", [False, True])
def test_intervals_of_a_fixed_support_cover_the_truth(n: int, heavy: bool) -> None:
    rng = np.random.default_rng([5, n, heavy])
    F = rng.normal(size=(3, 18))
    L = functionals(F, [0, 1, 2], 0.01)
    truth = 0.5 * F[0] - 0.3 * F[1]
    covered = []
    for _ in range(1500):
        noise = rng.standard_t(3, (n, 18)) if heavy else rng.normal(size=(n, 18))
        low, high = intervals(Paired(truth + noise), L)
        covered.append((low <= L @ truth) & (L @ truth <= high))
    assert 0.93 <= np.mean(covered) <= 0.97


def test_data_without_scatter_have_intervals_without_width() -> None:
    low, high = intervals(Paired(np.tile([1.0, 2.0], (5, 1))), np.eye(2))
    np.testing.assert_allclose([low, high], [[1.0, 2.0], [1.0, 2.0]])
    low, high = intervals(Unpaired(np.ones((5, 1)), np.zeros((4, 1))), np.eye(1))
    np.testing.assert_allclose([low, high], [[1.0], [1.0]])
