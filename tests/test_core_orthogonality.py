from __future__ import annotations

import numpy as np
import pytest

from finexl.core.orthogonality import total_projection, unit_rows


def test_total_projection_sums_cosines_then_takes_the_absolute_value() -> None:
    cosines = np.array([[0.5, -0.3, 0.1], [-0.4, -0.2, 0.0]])
    np.testing.assert_allclose(total_projection(cosines), [0.3, 0.6])


def test_a_sum_of_absolute_cosines_cannot_cancel() -> None:
    opposite = np.array([0.9, -0.9])
    assert total_projection(opposite) == 0.0
    assert total_projection(opposite, absolute=True) == pytest.approx(1.8)


@pytest.mark.parametrize("absolute", [False, True])
def test_nothing_kept_projects_on_nothing(absolute: bool) -> None:
    np.testing.assert_array_equal(
        total_projection(np.zeros((4, 0)), absolute=absolute), np.zeros(4)
    )


def test_unit_rows_and_zero_rows() -> None:
    F = np.array([[3.0, 4.0], [0.0, 0.0], [-1e-200, 0.0]])
    np.testing.assert_allclose(unit_rows(F)[:2], [[0.6, 0.8], [0.0, 0.0]])
    assert np.isfinite(unit_rows(F)).all()
    assert unit_rows(np.zeros((0, 3))).shape == (0, 3)


def test_unit_rows_leave_their_argument_alone() -> None:
    F = np.array([[3.0, 4.0]])
    unit_rows(F)
    np.testing.assert_array_equal(F, [[3.0, 4.0]])
