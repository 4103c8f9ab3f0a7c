from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from finexl.core.divergence import Paired, Sample, Unpaired

Array = NDArray[np.float64]


def rows(n: int, d: int = 4, seed: int = 0) -> Array:
    return np.random.default_rng([seed, n, d]).normal(0.3, 1.0, (n, d))


SAMPLES: list[Sample] = [Paired(rows(9)), Unpaired(rows(9), rows(7, seed=1))]
BOTH = pytest.mark.parametrize("sample", SAMPLES, ids=["paired", "unpaired"])


def test_v_div_is_the_mean_difference() -> None:
    p, b = rows(5), rows(5, seed=1)
    np.testing.assert_allclose(Paired(p - b).mean, p.mean(0) - b.mean(0), atol=1e-15)
    np.testing.assert_allclose(Unpaired(p, b).mean, p.mean(0) - b.mean(0), atol=1e-15)


def test_pairs_of_one_prompt_become_one_row() -> None:
    pairs = np.arange(12.0).reshape(6, 2)
    sample = Paired.of(pairs, ["cat", "dog", "cat", "dog", "cat", "dog"])
    assert sample.n == 2
    np.testing.assert_allclose(sample.rows, [pairs[::2].mean(0), pairs[1::2].mean(0)])


def test_prompts_with_more_seeds_weigh_no_more() -> None:
    pairs = rows(7)
    sample = Paired.of(pairs, ["a", "a", "a", "a", "b", "c", "c"])
    means = [pairs[:4].mean(0), pairs[4], pairs[5:].mean(0)]
    np.testing.assert_allclose(sample.rows, means, atol=1e-15)


def test_the_same_difference_throughout_has_no_noise_whatever_the_seeds() -> None:
    pairs = np.tile(rows(1), (22, 1))
    sample = Paired.of(pairs, [*"abcdefg", *("h" * 15)])
    np.testing.assert_allclose(sample.covariance(), 0.0, atol=1e-30)


def test_as_many_seeds_for_each_prompt_keep_the_mean_over_pairs() -> None:
    pairs = rows(6)
    sample = Paired.of(pairs, ["a", "b", "c", "a", "b", "c"])
    np.testing.assert_allclose(sample.mean, pairs.mean(0), atol=1e-15)


def test_the_order_of_pairs_does_not_matter_within_their_prompts() -> None:
    pairs, prompts = rows(8), list("abcdabcd")
    order = np.array([4, 1, 2, 7, 0, 5, 6, 3])  # the same prompts in the same order
    shuffled = Paired.of(pairs[order], [prompts[i] for i in order])
    np.testing.assert_allclose(shuffled.rows, Paired.of(pairs, prompts).rows, atol=1e-15)


def test_without_prompts_every_pair_stands_for_itself() -> None:
    np.testing.assert_array_equal(Paired.of(rows(3)).rows, rows(3))


def test_a_list_of_prompts_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="2 prompts for 3 pairs"):
        Paired.of(rows(3), ["a", "b"])
    with pytest.raises(ValueError, match="3 prompts for 1 pair"):
        Paired.of(rows(1), ["a", "b", "c"])


@BOTH
def test_covariance_is_that_of_the_mean(sample: Sample) -> None:
    if isinstance(sample, Paired):
        expected = np.cov(sample.rows.T) / sample.n
    else:
        assert isinstance(sample, Unpaired)
        expected = np.cov(sample.personalized.T) / 9 + np.cov(sample.base.T) / 7
    np.testing.assert_allclose(sample.covariance(), expected, atol=1e-15)


@BOTH
def test_seen_through_a_map_everything_is_mapped(sample: Sample) -> None:
    A = rows(3, 4, seed=2)
    seen = sample.through(A)
    assert seen.n == sample.n
    np.testing.assert_allclose(seen.mean, A @ sample.mean, atol=1e-14)
    np.testing.assert_allclose(seen.covariance(), A @ sample.covariance() @ A.T, atol=1e-14)
    np.testing.assert_allclose(
        sample.estimate(A).error ** 2, np.diag(seen.covariance()), atol=1e-14
    )


@BOTH
def test_centred_removes_the_mean_alone(sample: Sample) -> None:
    centred = sample.centred()
    np.testing.assert_allclose(centred.mean, 0.0, atol=1e-15)
    np.testing.assert_allclose(centred.covariance(), sample.covariance(), atol=1e-15)


@pytest.mark.parametrize("n", [2, 5, 8])
def test_halves_are_disjoint_and_complete(n: int) -> None:
    marked = np.arange(float(n))[:, None]
    first, second = Paired(marked).halves(np.random.default_rng(0))
    assert (first.n, second.n) == (n // 2, n - n // 2)
    assert sorted([*first.rows[:, 0], *second.rows[:, 0]]) == list(range(n))
    p, q = Unpaired(marked, marked[:-1]).halves(np.random.default_rng(0))
    assert sorted([*p.personalized[:, 0], *q.personalized[:, 0]]) == list(range(n))
    assert sorted([*p.base[:, 0], *q.base[:, 0]]) == list(range(n - 1))


@BOTH
def test_bootstrap_means_have_the_bootstrap_covariance(sample: Sample) -> None:
    drawn = sample.resample(np.random.default_rng(3), 40_000)
    if isinstance(sample, Paired):
        expected = sample.covariance() * (8 / 9)
    else:
        assert isinstance(sample, Unpaired)
        expected = Paired(sample.personalized).covariance() * (8 / 9)
        expected = expected + Paired(sample.base).covariance() * (6 / 7)
    np.testing.assert_allclose(drawn.mean(0), sample.mean, atol=0.01)
    np.testing.assert_allclose(np.cov(drawn.T), expected, atol=0.005)


def squared_error(values: Array) -> Array:
    error: Array = values.var(axis=0, ddof=1) / len(values)
    return error


@pytest.mark.parametrize("n", [1, 2, 5])
def test_all_sign_flips(n: int) -> None:
    data = rows(n)
    arranged = Paired(data).null(np.random.default_rng(0))
    flips = [np.array(s)[:, None] * data for s in itertools.product((1, -1), repeat=n)]
    np.testing.assert_allclose(arranged.means, [f.mean(0) for f in flips], atol=1e-15)
    if n > 1:
        np.testing.assert_allclose(arranged.squares, [squared_error(f) for f in flips], atol=1e-14)


def test_all_relabellings() -> None:
    p, b = rows(4), rows(3, seed=1)
    arranged = Unpaired(p, b).null(np.random.default_rng(0))
    everything = np.vstack([p, b])
    means, squares = [], []
    for chosen in itertools.combinations(range(7), 4):
        one = everything[list(chosen)]
        other = np.delete(everything, chosen, axis=0)
        means.append(one.mean(0) - other.mean(0))
        squares.append(squared_error(one) + squared_error(other))
    assert len(arranged.means) == math.comb(7, 4)
    np.testing.assert_allclose(arranged.means, means, atol=1e-14)
    np.testing.assert_allclose(arranged.squares, squares, atol=1e-14)


@pytest.mark.parametrize(
    ("sample", "count"),
    [
        (Paired(rows(12)), 4096),
        (Paired(rows(13)), 4097),
        (Unpaired(rows(7), rows(7, seed=1)), 3432),
        (Unpaired(rows(7), rows(8, seed=1)), 4097),  # of 6,435
    ],
)
def test_exact_up_to_4096_arrangements_then_as_many_draws(sample: Sample, count: int) -> None:
    arranged = sample.null(np.random.default_rng(0))
    assert len(arranged.means) == count
    np.testing.assert_allclose(arranged.means[0], sample.mean, atol=1e-14)
    k = np.eye(4)
    np.testing.assert_allclose(arranged.squares[0], sample.estimate(k).error ** 2, atol=1e-14)


def test_drawn_arrangements_keep_what_no_difference_keeps() -> None:
    sample = Unpaired(rows(10), rows(12, seed=1))
    arranged = sample.null(np.random.default_rng(0))
    total = 10 * sample.personalized.mean(0) + 12 * sample.base.mean(0)
    # from the difference of the means and the grand total both means follow
    base = (total - 10 * arranged.means) / 22
    sums = 10 * (base + arranged.means) + 12 * base
    np.testing.assert_allclose(sums, np.tile(total, (4097, 1)), atol=1e-12)
    np.testing.assert_allclose(arranged.means[1:].mean(0), 0.0, atol=0.05)


def test_one_unit_says_nothing_about_error() -> None:
    assert np.isnan(Paired(rows(1)).covariance()).all()
    assert np.isnan(Unpaired(rows(1), rows(5)).covariance()).all()
    assert np.isnan(Paired(rows(1)).estimate(np.eye(4)).error).all()


def test_units_that_do_not_vary_have_no_error() -> None:
    same = np.tile(rows(1), (5, 1))
    np.testing.assert_allclose(Paired(same).covariance(), 0.0, atol=1e-30)
    estimate = Unpaired(same, same + 1.0).estimate(np.eye(4))
    np.testing.assert_allclose(estimate.error, 0.0, atol=1e-15)
    np.testing.assert_allclose(estimate.mean, -1.0)
    assert np.isfinite(estimate.dof).all()
