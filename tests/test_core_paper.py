from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from finexl.core.decompositions.base import Weights
from finexl.core.decompositions.paper import Paper

Array = NDArray[np.float64]


def algorithm_1(
    V: Array, F: Array, e_ortho: float, e_decomp: float, absolute: bool, limit: int | None
) -> list[int]:
    """The paper's loop, one concept at a time and nothing shared with the package."""

    def cosine(a: Array, b: Array) -> float:
        return float(a @ b / np.sqrt((a @ a) * (b @ b)))

    candidates = [j for j in range(len(F)) if F[j] @ F[j] > 0]
    candidates.sort(key=lambda j: -abs(cosine(F[j], V)))
    kept: list[int] = []
    residual = 1.0
    for j in candidates:
        if residual <= e_decomp or len(kept) == limit:
            break
        cosines = [cosine(F[j], F[k]) for k in kept]
        projection = sum(abs(c) for c in cosines) if absolute else abs(sum(cosines))
        if projection >= e_ortho:
            continue
        kept.append(j)
        w = np.linalg.lstsq(F[kept].T, V, rcond=None)[0]
        residual = float(np.linalg.norm(V - w @ F[kept]) / np.linalg.norm(V))
    return kept


def names(F: Array) -> list[str]:
    return [f"c{i}" for i in range(len(F))]


def fit(V: Array, F: Array, limit: int | None = None, paper: Paper | None = None) -> Weights:
    return (paper or Paper()).fit(V, F, names(F), limit=limit)


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("e_ortho", [0.1, 0.4, 10.0])
def test_agrees_with_algorithm_1_as_written(e_ortho: float, absolute: bool) -> None:
    rng = np.random.default_rng(0)
    paper = Paper(e_ortho=e_ortho, absolute=absolute)
    sizes = set()
    for _ in range(40):
        m, d = int(rng.integers(1, 80)), int(rng.integers(2, 24))
        F = rng.normal(size=(m, d)) * rng.uniform(0.1, 5, (m, 1))
        F[rng.random(m) < 0.1] = 0.0
        V = rng.normal(size=d)
        limit = None if e_ortho < 1 else d  # without a filter: until the space is full
        expected = algorithm_1(V, F, e_ortho, 0.2, absolute, limit)
        weights = fit(V, F, limit, paper)
        assert list(weights.kept) == expected
        sizes.add(len(expected))
        if expected:
            w = np.linalg.lstsq(F[expected].T, V, rcond=None)[0]
            np.testing.assert_allclose(weights.w, w, rtol=1e-6, atol=1e-9)
            left = np.linalg.norm(V - w @ F[expected]) / np.linalg.norm(V)
            assert weights.residual == pytest.approx(float(left), abs=1e-9)
        assert {c for c, _ in weights.dropped} == set(names(F)) - {f"c{i}" for i in expected}
    assert len(sizes) > 2


@pytest.mark.parametrize("count", [1, 3, 8])
@pytest.mark.parametrize("paper", [Paper(), Paper(e_ortho=0.5), Paper(absolute=True)])
def test_reselect_equals_one_fit_after_another(count: int, paper: Paper) -> None:
    rng = np.random.default_rng(1)
    F = rng.normal(size=(40, 12))
    F[7] = 0.0
    V = F[3] - F[5] + rng.normal(size=(60, 12))
    V[0] = 3 * F[2]
    mask = paper.reselect(V, F, count)
    for row, v in zip(mask, V, strict=True):
        assert set(np.flatnonzero(row)) == set(fit(v, F, count, paper).kept)


def test_orthogonal_concepts_are_taken_until_the_residual_is_small() -> None:
    V = np.array([1.0, -0.5, 0.15, 0.05])
    weights = fit(V, 2.0 * np.eye(4))
    assert weights.kept == (0, 1)
    np.testing.assert_allclose(weights.w, [0.5, -0.25])
    left = np.hypot(0.15, 0.05) / np.linalg.norm(V)
    assert weights.residual == pytest.approx(float(left))
    assert left < 0.2
    reason = "the residual had reached 0.2 without it"
    assert weights.dropped == (("c2", reason), ("c3", reason))


def test_every_dropped_concept_has_its_reason() -> None:
    F = np.array([[1.0, 0, 0], [0.9, 0.3, 0], [0, 1.0, 0], [0, 0, 0], [0, 0, 1.0]])
    weights = fit(np.array([1.0, 0.8, 0.7]), F, limit=2)
    assert weights.kept == (1, 4)
    reasons = dict(weights.dropped)
    assert reasons["c3"] == "its words do not move the text encoder"
    assert reasons["c0"] == "redundant with “c1” (total projection 0.95)"
    full = fit(np.array([1.0, 0.8, 0.7]), np.eye(3), limit=2)
    assert full.dropped == (("c2", "weaker than those listed"),)


def test_the_reason_shows_the_sum_that_was_tested() -> None:
    F = np.array([[1.0, 0, 0], [0, 1.0, 0], [0.7, -0.7, 0.14142]])
    weights = fit(np.array([1.0, 0.9, 0.4]), F, paper=Paper(absolute=True))
    assert dict(weights.dropped)["c2"] == "redundant with “c0” (total projection 1.40)"
    assert fit(np.array([1.0, 0.9, 0.4]), F).kept == (0, 1, 2)


def test_the_weight_follows_the_length_and_the_choice_does_not() -> None:
    rng = np.random.default_rng(2)
    F, V = rng.normal(size=(20, 10)), rng.normal(size=10)
    scale = rng.uniform(0.1, 10, 20)
    one, other = fit(V, F), fit(V, F * scale[:, None])
    assert one.kept == other.kept
    np.testing.assert_allclose(one.w, other.w * scale[list(one.kept)])


@pytest.mark.parametrize("F", [np.zeros((3, 2)), np.ones((1, 2))])
def test_no_difference_needs_no_concept(F: Array) -> None:
    weights = fit(np.zeros(2), F)
    assert weights.kept == ()
    assert np.isnan(weights.residual)
    assert weights.confirmed is False
    assert len(weights.dropped) == len(F)
