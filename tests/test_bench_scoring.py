"""Scores of explanations against counting by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from finexl.bench.scoring import coordinate_accuracy, level_shares, mean_of, rank_error

GRID = np.array(list(itertools.product((1, 2, 3), repeat=2)))
SIX = np.array([(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (3, 1)])


def test_the_true_order_has_no_error_and_the_opposite_the_largest() -> None:
    levels = list(range(1, 11))
    assert rank_error([x**3 for x in levels], levels) == 0
    assert rank_error([-x for x in levels], levels) == 5
    assert rank_error([3, 1, 2], [1, 2, 3]) == pytest.approx(4 / 3)


def test_a_constant_answer_is_a_quarter_of_the_levels_off() -> None:
    assert rank_error([7.0] * 10, range(10)) == 2.5


def test_random_answers_are_off_as_the_closed_form_says() -> None:
    errors = [rank_error(order, range(5)) for order in itertools.permutations(range(5))]
    assert np.mean(errors) == pytest.approx((25 - 1) / (3 * 5))


def test_scores_in_the_true_order_give_every_coordinate() -> None:
    for grid in (GRID, SIX):
        assert coordinate_accuracy(np.exp(grid * 1.0), grid) == 1.0
        assert coordinate_accuracy(-np.exp(grid * 1.0), grid) < 0.5


@pytest.mark.parametrize(("grid", "chance"), [(GRID, 1 / 9), (SIX, 1 / 6)])
def test_a_constant_answer_scores_as_chance(grid: np.ndarray, chance: float) -> None:
    assert coordinate_accuracy(np.zeros(grid.shape), grid) == pytest.approx(chance)


def test_levels_are_read_by_how_many_models_have_each() -> None:
    shares = level_shares([0.1, 0.9, 0.5, 0.4], [1, 3, 2, 1])
    assert shares.tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]]
    tied = level_shares([1.0, 1.0, 2.0, 3.0], [1, 2, 3, 3])
    assert tied[0].tolist() == tied[1].tolist() == [0.5, 0.5, 0]


def test_one_swap_costs_the_two_models_it_swaps() -> None:
    scores = GRID.astype(float)
    scores[0, 0], scores[3, 0] = 2, 1  # (1, 1) and (2, 1) read as each other
    scores[:, 0] += np.arange(9) * 1e-6
    assert coordinate_accuracy(scores, GRID) == pytest.approx(7 / 9)


def test_the_interval_is_students() -> None:
    values = [0.2, 0.5, 0.4, 0.9]
    found = mean_of(values)
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert found.ci == pytest.approx((low, high))
    assert found.value == pytest.approx(0.5)
    assert found.n == 4
    assert mean_of([1.0]).ci is None
    assert mean_of([0.9, 0.9, 0.9]).ci is None  # which says nothing of others
    shares = mean_of([1.0, 1.0, 0.7], (0.0, 1.0))
    low = stats.t.interval(0.95, 2, 0.9, stats.sem([1.0, 1.0, 0.7]))[0]
    assert shares.ci == pytest.approx((low, 1.0))
    with pytest.raises(ValueError, match="at least one trial"):
        mean_of([])
