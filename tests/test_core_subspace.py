from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from finexl.core.subspace import Subspace, fit_subspace

Array = NDArray[np.float64]


def vocabulary(m: int = 80, d: int = 30, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(m, d)) * np.linspace(3, 0.1, d) + 5 * rng.normal(size=d)


def test_directions_are_the_leading_principal_ones() -> None:
    F = vocabulary()
    subspace = fit_subspace(F, rank=6)
    np.testing.assert_allclose(subspace.directions @ subspace.directions.T, np.eye(6), atol=1e-12)
    values, vectors = np.linalg.eigh(np.cov(F.T, bias=True))
    leading = vectors[:, ::-1][:, :6]
    overlap = np.abs(np.diag(subspace.directions @ leading))
    np.testing.assert_allclose(overlap, 1.0, atol=1e-10)
    np.testing.assert_allclose(
        subspace.lengths**2, values[::-1][:6] + 1e-3 * values[-1], rtol=1e-10
    )


def test_the_vocabulary_is_white_inside_but_for_the_floor() -> None:
    F = vocabulary()
    subspace = fit_subspace(F)
    assert subspace.matrix.shape == (18, 30)
    inside = (F - F.mean(0)) @ subspace.matrix.T
    variances = np.linalg.svd(F - F.mean(0), compute_uv=False)[:18] ** 2 / len(F)
    expected = variances / (variances + 1e-3 * variances[0])
    np.testing.assert_allclose(np.cov(inside.T, bias=True), np.diag(expected), atol=1e-10)


def test_without_a_floor_it_is_exactly_white() -> None:
    F = vocabulary()
    inside = (F - F.mean(0)) @ fit_subspace(F, rank=5, floor=0.0).matrix.T
    np.testing.assert_allclose(np.cov(inside.T, bias=True), np.eye(5), atol=1e-10)


def test_the_basis_does_not_depend_on_the_order_or_on_a_common_shift() -> None:
    F = vocabulary()
    expected = fit_subspace(F).matrix
    np.testing.assert_allclose(fit_subspace(F[::-1]).matrix, expected, atol=1e-10)
    np.testing.assert_allclose(fit_subspace(F + 7.0).matrix, expected, atol=1e-10)


def test_cosines_inside_do_not_depend_on_a_rotation_of_the_encoder() -> None:
    F = vocabulary()
    Q = np.linalg.qr(np.random.default_rng(1).normal(size=(30, 30)))[0]
    inside = F @ fit_subspace(F).matrix.T
    rotated = (F @ Q.T) @ fit_subspace(F @ Q.T).matrix.T
    np.testing.assert_allclose(rotated @ rotated.T, inside @ inside.T, atol=1e-9)


def test_no_more_directions_than_the_vectors_span() -> None:
    two = np.array([[0.0, 0.0, 1.0], [0.0, 2.0, 1.0]])
    subspace = fit_subspace(two)
    np.testing.assert_allclose(subspace.directions, [[0.0, 1.0, 0.0]], atol=1e-12)
    line = np.outer(np.arange(9.0), [1.0, 2.0, 2.0]) + 0.1
    assert len(fit_subspace(line).lengths) == 1


@pytest.mark.parametrize(
    "vectors",
    [
        np.ones((1, 4)),
        np.zeros((5, 3)),
        np.tile([0.1, 0.2, 0.3], (3, 1)),  # their mean differs from them by rounding
        np.tile([0.1, 0.7, 0.3], (7, 1)),
        np.tile([1e6, 1e-6, 1 / 3], (11, 1)),
    ],
)
def test_equal_vectors_span_nothing(vectors: Array) -> None:
    with pytest.raises(ValueError, match="two distinct"):
        fit_subspace(vectors)


def test_identity_changes_nothing() -> None:
    np.testing.assert_array_equal(Subspace.identity(3).matrix, np.eye(3))
