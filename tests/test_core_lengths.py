"""Lengths and angles without the noise: closed forms, coverage on planted truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from finexl.core.lengths import cosine, inner, jackknifed, lengths, longest, means

RNG = np.random.default_rng(0)
A, B = RNG.standard_normal((2, 7, 4))


def test_products_are_of_different_prompts_only_and_leave_out_each_in_turn() -> None:
    def by_hand(a: np.ndarray, b: np.ndarray) -> float:
        n = len(a)
        return float(np.mean([a[j] @ b[k] for j in range(n) for k in range(n) if j != k]))

    without = [by_hand(np.delete(A, j, 0), np.delete(B, j, 0)) for j in range(7)]
    assert inner(A, B) == pytest.approx([by_hand(A, B), *without])
    assert lengths(A)[0] == pytest.approx(np.sqrt(max(by_hand(A, A), 0.0)))


def test_the_jackknifed_mean_has_students_interval() -> None:
    values = A[:, 0]
    found = jackknifed(means(values))
    expected = stats.t.interval(0.95, 6, values.mean(), stats.sem(values))
    assert (found.value, found.low, found.high) == pytest.approx((values.mean(), *expected))


def drawn(
    rng: np.random.Generator, V: np.ndarray, n: int, noise: float, decay: bool = False
) -> np.ndarray:
    """Rows around V; where asked their noise is mostly in the first few dimensions."""
    spread = 1.0 / np.arange(1, len(V) + 1) if decay else np.ones(len(V))
    spread *= noise / np.sqrt((spread**2).mean())
    rows: np.ndarray = V + rng.standard_normal((n, len(V))) * spread
    return rows


@pytest.mark.parametrize("true", [1.0, 0.9, 0.0, -0.6])
def test_the_interval_of_a_cosine_holds_the_true_one(true: float) -> None:
    """Both models share the base's noise, which alone would make any two look alike."""
    rng, d, held = np.random.default_rng(1), 40, 0
    a = np.eye(d)[0]
    b = true * a + np.sqrt(1 - true**2) * np.eye(d)[1]
    for _ in range(200):
        base = drawn(rng, np.zeros(d), 12, 0.2)
        found = cosine(drawn(rng, a, 12, 0.1) + base, drawn(rng, b, 12, 0.1) + base)
        held += found.low <= true <= found.high
    assert held >= 180  # 190 expected at least


def test_shared_noise_makes_no_likeness() -> None:
    rng, d = np.random.default_rng(2), 40
    angles = []
    for _ in range(100):
        base = drawn(rng, np.zeros(d), 12, 0.4)
        angles.append(cosine(np.eye(d)[0] + base, np.eye(d)[1] + base).value)
    assert abs(np.mean(angles)) < 3 * np.std(angles) / 10
    plain = np.eye(d)[0] + base
    other = np.eye(d)[1] + base
    means_of = plain.mean(axis=0), other.mean(axis=0)
    assert means_of[0] @ means_of[1] / np.prod([np.linalg.norm(v) for v in means_of]) > 0.2


@pytest.mark.parametrize("decay", [False, True])
@pytest.mark.parametrize("true", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("n", [6, 12, 40])
def test_the_bound_is_above_the_true_length_in_95_of_100(n: int, true: float, decay: bool) -> None:
    """The difference lies where the noise is largest: the worst place."""
    rng, d = np.random.default_rng([3, n]), 60
    V = true * np.eye(d)[0]
    bounds = np.array([longest(drawn(rng, V, n, 0.1, decay)) for _ in range(150)])
    assert (bounds >= true).mean() >= 0.94
    # and it is a bound: with more prompts it comes down to the length
    if n == 40:
        assert np.median(bounds) < true + 0.45


def test_without_a_difference_the_bound_is_zero_and_too_few_prompts_have_none() -> None:
    assert longest(np.zeros((8, 5))) == 0.0
    assert np.isnan(longest(A[:3]))
    assert np.isnan(lengths(A[:1])).all()
    assert np.isnan(cosine(A[:1], B[:1]).value)


def test_a_model_that_may_be_all_noise_has_no_angle() -> None:
    # rows that cancel: products of different prompts are negative
    nothing = np.array([[1.0, 0], [-1, 0], [1, 0], [-1, 0]])
    assert np.isnan(cosine(nothing, A[:4, :2]).value)
