from __future__ import annotations

from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize

from finexl.core.decompositions.nonnegative import NonNegative, nnls
from finexl.core.orthogonality import unit_rows

Array = NDArray[np.float64]
KINDS = ("plain", "common", "duplicates", "synonyms", "antonyms", "zeros", "flat")


def pool(kind: str, m: int, K: int, rng: np.random.Generator) -> Array:
    F = rng.normal(size=(m, K))
    half = m // 2
    if kind == "common":  # one large direction that all concepts share
        F += 3 * rng.normal(size=K)
    elif kind == "duplicates":
        F[half : 2 * half] = F[:half]
    elif kind == "synonyms":
        F[half : 2 * half] = F[:half] + 10 ** rng.uniform(-4, -1) * rng.normal(size=(half, K))
    elif kind == "antonyms":
        F[half : 2 * half] = -F[:half]
    elif kind == "zeros":
        F[rng.integers(m, size=1 + m // 5)] = 0.0
    elif kind == "flat":  # fewer dimensions than the space has
        F = F[:, : 1 + K // 3] @ rng.normal(size=(1 + K // 3, K))
    return unit_rows(F)


def scipy_nnls(F: Array, V: Array) -> Array:
    return cast(Array, optimize.nnls(F.T, V, maxiter=100 * len(F))[0])


@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_scipy(kind: str) -> None:
    rng = np.random.default_rng([5, KINDS.index(kind)])
    for trial in range(60):
        K = int(rng.integers(1, 19))
        m = int(max(1, K * rng.choice([0.5, 1, 2, 5, 10, 50])))
        F = pool(kind, m, K, rng)
        V = rng.normal(size=(3, K))
        if trial % 3 == 0:
            V = rng.exponential(size=(3, m)) * (rng.random((3, m)) < 0.1) @ F
        for x, v in zip(nnls(F, V), V, strict=True):
            expected = scipy_nnls(F, v)
            scale = max(float(np.linalg.norm(v)), 1.0)
            assert (x >= 0).all()
            # the fit is unique; the weights are where the fitted concepts are independent
            np.testing.assert_allclose(x @ F, expected @ F, atol=1e-8 * scale)
            assert (x > 0).sum() <= min(m, K + 1)
            if kind in ("plain", "common") and m <= K:
                np.testing.assert_allclose(x, expected, atol=1e-8 * scale)


def test_weights_agree_with_scipy_where_they_are_unique() -> None:
    rng = np.random.default_rng(6)
    outside = 0
    for _ in range(150):
        F = unit_rows(rng.normal(size=(150, 18)) + 4 * np.eye(18)[0])
        v = rng.normal(size=18)
        expected = scipy_nnls(F, v)
        if np.linalg.norm(v - expected @ F) < 1e-6:
            continue
        outside += 1
        np.testing.assert_allclose(nnls(F, v[None])[0], expected, atol=1e-8)
    assert outside > 100


@pytest.mark.parametrize("kind", KINDS)
def test_solutions_meet_the_optimality_conditions(kind: str) -> None:
    rng = np.random.default_rng(7)
    F = pool(kind, 90, 18, rng)
    V = rng.normal(size=(200, 18))
    x = nnls(F, V)
    gradient = (V - x @ F) @ F.T
    assert x.min() >= 0
    assert gradient.max() < 1e-9
    assert np.abs(np.where(x > 0, gradient, 0.0)).max() < 1e-8


def test_many_at_once_are_each_their_own() -> None:
    rng = np.random.default_rng(8)
    F, V = pool("plain", 60, 8, rng), rng.normal(size=(40, 8))
    np.testing.assert_allclose(nnls(F, V), [nnls(F, v[None])[0] for v in V], atol=1e-10)


def test_only_the_allowed_become_positive() -> None:
    rng = np.random.default_rng(9)
    F, V = pool("common", 40, 10, rng), rng.normal(size=(30, 10))
    among = rng.random((30, 40)) < 0.2
    x = nnls(F, V, among)
    assert not x[~among].any()
    for got, v, allowed in zip(x, V, among, strict=True):
        np.testing.assert_allclose(got[allowed], scipy_nnls(F[allowed], v), atol=1e-8)


def test_closed_forms() -> None:
    np.testing.assert_allclose(nnls(np.eye(3), np.array([[2.0, -1.0, 0.0]])), [[2.0, 0.0, 0.0]])
    np.testing.assert_array_equal(nnls(np.eye(3), np.zeros((2, 3))), np.zeros((2, 3)))
    np.testing.assert_array_equal(nnls(np.zeros((4, 3)), np.ones((1, 3))), np.zeros((1, 4)))
    np.testing.assert_array_equal(nnls(-np.ones((1, 2)), np.ones((1, 2))), [[0.0]])


def fit(V: Array, F: Array, limit: int | None = None) -> tuple[tuple[int, ...], Array]:
    weights = NonNegative().fit(V, F, [str(i) for i in range(len(F))], limit=limit)
    return weights.kept, weights.w


def test_fit_is_nnls_with_the_weights_of_the_unscaled_concepts() -> None:
    rng = np.random.default_rng(10)
    F = 5 * rng.normal(size=(12, 15))
    V = F[3] * 2.0 + F[4] * 0.5 + rng.normal(size=15)
    weights = NonNegative().fit(V, F, list("abcdefghijkl"))
    expected = scipy_nnls(F, V)
    assert set(weights.kept) == set(np.flatnonzero(expected))
    np.testing.assert_allclose(weights.w, expected[list(weights.kept)], atol=1e-8)
    left = np.linalg.norm(V - expected @ F) / np.linalg.norm(V)
    assert weights.residual == pytest.approx(float(left))
    assert weights.kept[0] == 3
    assert len(weights.kept) + len(weights.dropped) == 12


def test_a_limited_fit_never_turns_negative() -> None:
    rng = np.random.default_rng(11)
    negative_without_a_second_solve = 0
    for _ in range(200):
        F, V = rng.normal(size=(40, 10)), rng.normal(size=10)
        kept, w = fit(V, F, limit=3)
        assert 0 < len(kept) <= 3
        assert (w > 0).all()
        largest = list(np.argsort(-nnls(unit_rows(F), V[None])[0])[:3])
        negative_without_a_second_solve += bool(
            (np.linalg.lstsq(F[largest].T, V, rcond=None)[0] < 0).any()
        )
    assert negative_without_a_second_solve > 0


def test_less_of_something_is_not_known() -> None:
    kept, w = fit(np.array([-1.0, 0.0]), np.array([[1.0, 0.0]]))
    assert kept == ()
    assert w.shape == (0,)
    weights = NonNegative().fit(np.array([-1.0, 0.0]), np.array([[1.0, 0.0], [0.0, 0.0]]), "ab")
    assert weights.confirmed is False
    assert weights.residual == 1.0
    assert weights.dropped == (
        ("a", "its non-negative weight is zero"),
        ("b", "its words do not move the text encoder"),
    )


@pytest.mark.parametrize("common", [0.0, 3.0])
@pytest.mark.parametrize("count", [1, 3, 18])
def test_reselect_equals_one_fit_after_another(common: float, count: int) -> None:
    rng = np.random.default_rng(12)
    F = rng.normal(size=(60, 12)) + common * np.eye(12)[0]
    V = F[5] + rng.normal(size=(50, 12))
    mask = NonNegative().reselect(V, F, count)
    for row, v in zip(mask, V, strict=True):
        assert set(np.flatnonzero(row)) == set(fit(v, F, limit=count)[0])


def test_reselect_asked_for_nothing_keeps_nothing() -> None:
    mask = NonNegative().reselect(np.ones((3, 2)), np.eye(2), 0)
    np.testing.assert_array_equal(mask, np.zeros((3, 2), dtype=bool))
    np.testing.assert_array_equal(NonNegative().reselect(np.ones((1, 2)), np.eye(2), 5), [[1, 1]])
