from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from finexl.core.decompositions import DECOMPOSITIONS
from finexl.core.decompositions.base import Halves, Weights, functionals, refit
from finexl.core.decompositions.sparse import Sparse
from finexl.core.divergence import Paired
from finexl.core.orthogonality import unit_rows

Array = NDArray[np.float64]


def names(F: Array) -> list[str]:
    return [f"c{i}" for i in range(len(F))]


def fit(V: Array, F: Array, *, halves: Halves = (), limit: int | None = None) -> Weights:
    return Sparse().fit(V, F, names(F), halves=halves, limit=limit)


def path(V: Array, F: Array, limit: int) -> Weights:
    """As many concepts as the other rules allow: V_div itself confirms every one of them."""
    return fit(V, F, halves=[(V, V)], limit=limit)


def splits(rows: Array, seed: int = 0, count: int = 50) -> Halves:
    rng = np.random.default_rng(seed)
    return [(a.mean, b.mean) for a, b in (Paired(rows).halves(rng) for _ in range(count))]


def matching_pursuit(V: Array, F: Array, steps: int) -> list[int]:
    """Matching pursuit with replacement, Eq. 9 and the sign rule, one candidate at a time."""
    unit = {j: f / np.linalg.norm(f) for j, f in enumerate(F) if np.linalg.norm(f) > 0}
    strongest = max((abs(float(u @ V)) for u in unit.values()), default=0.0)
    kept: list[int] = []
    barred: set[int] = set()
    left = V
    while len(kept) < steps:
        best: int | None = None
        gain = 1e-9 * strongest
        for j, u in unit.items():
            if j in kept or j in barred or abs(sum(float(u @ unit[i]) for i in kept)) >= 0.6:
                continue
            if (u @ left) * (u @ V) > 0 and abs(u @ left) > gain:
                best, gain = j, abs(float(u @ left))
        if best is None:
            break
        if not signs_agree(V, [unit[i] for i in [*kept, best]]):
            barred.add(best)
            continue
        kept.append(best)
        for _ in range(8 if len(kept) > 1 else 0):
            better = exchange(V, unit, kept)
            if better is None or not signs_agree(V, [unit[i] for i in better]):
                break
            kept = better
        left = V - projection(V, [unit[i] for i in kept])
    return kept


def projection(V: Array, kept: list[Array]) -> Array:
    A = np.array(kept)
    fitted: Array = np.linalg.lstsq(A.T, V, rcond=None)[0] @ A
    return fitted


def signs_agree(V: Array, kept: list[Array]) -> bool:
    A = np.array(kept)
    w = np.linalg.lstsq(A.T, V, rcond=None)[0]
    with_ridge = np.linalg.solve(A @ A.T + 0.01 * np.eye(len(A)), A @ V)
    return not ((w * (A @ V) < 0).any() or (with_ridge * (A @ V) < 0).any())


def exchange(V: Array, unit: dict[int, Array], kept: list[int]) -> list[int] | None:
    """The one exchange that explains most more, if any does."""
    explained = float(V @ projection(V, [unit[i] for i in kept]))
    best: list[int] | None = None
    gain = 1e-6 * explained
    for place in range(len(kept)):
        others = kept[:place] + kept[place + 1 :]
        left = V - projection(V, [unit[i] for i in others])
        for j, u in unit.items():
            if j in kept or abs(sum(float(u @ unit[i]) for i in others)) >= 0.6:
                continue
            trial = [*kept[:place], j, *kept[place + 1 :]]
            more = float(V @ projection(V, [unit[i] for i in trial])) - explained
            if (u @ left) * (u @ V) > 0 and more > gain:
                best, gain = trial, more
    return best


def test_agrees_with_matching_pursuit_as_written() -> None:
    rng = np.random.default_rng(0)
    sizes = set()
    for _ in range(60):
        m, K = int(rng.integers(1, 120)), int(rng.integers(2, 20))
        F = rng.normal(size=(m, K)) * rng.uniform(0.1, 5, (m, 1)) + rng.normal(size=K)
        F[rng.random(m) < 0.1] = 0.0
        V = rng.normal(size=K)
        expected = matching_pursuit(V, F, min(10, m))
        assert list(path(V, F, 10).kept) == expected
        sizes.add(len(expected))
    assert len(sizes) > 4


@pytest.mark.parametrize("count", [1, 3, 10])
def test_reselect_equals_one_fit_after_another(count: int) -> None:
    rng = np.random.default_rng(1)
    F = rng.normal(size=(80, 12)) + 0.5 * rng.normal(size=12)
    F[9] = 0.0
    V = F[3] - F[5] + rng.normal(size=(60, 12))
    V[0], V[1] = 0.0, F[2]
    mask = Sparse().reselect(V, F, count)
    for row, v in zip(mask, V, strict=True):
        found = path(v, F, count)
        assert set(np.flatnonzero(row)) == set(found.kept if found.confirmed else ())


def test_the_refit_is_least_squares_with_a_ridge_at_unit_length() -> None:
    rng = np.random.default_rng(2)
    F, V = rng.normal(size=(6, 9)) * [[1], [2], [3], [4], [5], [6]], rng.normal(size=9)
    kept = [4, 0, 2]
    unit = unit_rows(F[kept])
    augmented = np.vstack([unit.T, 0.1 * np.eye(3)])
    at_unit = np.linalg.lstsq(augmented, np.append(V, np.zeros(3)), rcond=None)[0]
    w, left = refit(V, F, kept, 0.01)
    np.testing.assert_allclose(w, at_unit / np.linalg.norm(F[kept], axis=1))
    np.testing.assert_allclose(functionals(F, kept, 0.01) @ V, w)
    assert left == pytest.approx(float(np.linalg.norm(V - w @ F[kept]) / np.linalg.norm(V)))


def test_one_concept_alone_is_shrunk_by_one_percent() -> None:
    F = np.array([[0.0, 2.0]])
    weights = path(np.array([0.0, -6.0]), F, 1)
    np.testing.assert_allclose(weights.w, [-3.0 / 1.01])


def test_a_difference_that_is_one_concept_is_explained_by_it_alone() -> None:
    # what the ridge shrinks away must not be handed to the concept's neighbours
    rng = np.random.default_rng(3)
    F = rng.normal(size=(150, 18))
    for j in range(20):
        assert path(2.0 * F[j], F, 10).kept == (j,)
        assert path(-F[j], F, 10).kept == (j,)


@pytest.mark.parametrize("times", [2, 5, 10, 50])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_planted_concepts_are_found_among_synonyms(times: int, seed: int) -> None:
    d = 40
    rng = np.random.default_rng([seed, times])
    F = rng.normal(size=(times * d, d)) * rng.uniform(0.2, 5, (times * d, 1))
    unit = unit_rows(F)
    for synonym in range(10, 20):  # cosines of about 0.93 with one of the two
        of = 3 if synonym < 15 else 7
        F[synonym] = unit[of] + 0.4 * rng.normal(size=d) / np.sqrt(d)
    rows = 1.0 * unit[3] - 0.6 * unit[7] + 0.25 * rng.normal(size=(24, d)) / np.sqrt(d)
    weights = fit(rows.mean(0), F, halves=splits(rows))
    assert weights.confirmed
    assert weights.kept[:2] == (3, 7)
    scores = weights.w * np.linalg.norm(F[list(weights.kept)], axis=1)
    np.testing.assert_allclose(scores[:2], [1.0, -0.6], atol=0.1)
    assert np.abs(scores[2:]).max(initial=0.0) < 0.1
    assert len(weights.kept) + len(weights.dropped) == len(F)
    dropped = dict(weights.dropped)
    assert all(dropped[f"c{j}"].startswith("redundant with “c3”") for j in range(10, 15))


def test_the_trap_of_a_pool_larger_than_the_space() -> None:
    rng = np.random.default_rng(4)
    d, m = 64, 75
    # concept vectors share a large direction and differ little: what text encoders give
    F = unit_rows(2.0 * rng.normal(size=d) + rng.normal(size=(m, d)))
    rows = 0.4 * F[0] + 0.35 * F[1] + 0.6 * rng.normal(size=(32, d)) / np.sqrt(d)
    V = rows.mean(0)
    cosines = unit_rows(F) @ V / np.linalg.norm(V)

    signed = np.linalg.lstsq(F.T, V, rcond=None)[0]
    assert np.linalg.norm(V - signed @ F) < 1e-9  # exact
    assert (np.sign(signed) != np.sign(cosines)).mean() > 0.3  # and meaningless

    weights = fit(V, F, halves=splits(rows))
    assert 1 <= len(weights.kept) <= 5
    assert weights.kept[0] == np.abs(cosines).argmax()
    assert (np.sign(weights.w) == np.sign(cosines[list(weights.kept)])).all()
    assert np.abs(weights.w).max() < 1.5 * float(np.linalg.norm(V))


def test_signs_always_match_the_own_alignment() -> None:
    rng = np.random.default_rng(5)
    several = 0
    for _ in range(200):
        K = int(rng.integers(2, 19))
        F = rng.normal(size=(int(rng.integers(1, 8 * K)), K)) + rng.exponential() * rng.normal(
            size=K
        )
        V = rng.normal(size=K)
        weights = path(V, F, 10)
        assert (weights.w * (F[list(weights.kept)] @ V) > 0).all()
        several += len(weights.kept) > 3
    assert several > 50


def test_noise_confirms_nothing_most_of_the_time() -> None:
    rng = np.random.default_rng(6)
    F = rng.normal(size=(150, 18))
    confirmed = 0
    for trial in range(60):
        rows = rng.normal(size=(12, 18))
        weights = fit(rows.mean(0), F, halves=splits(rows, trial))
        confirmed += weights.confirmed
        if not weights.confirmed:
            assert weights.kept == (int(np.abs(unit_rows(F) @ rows.mean(0)).argmax()),)
    assert confirmed <= 18


def test_held_out_pairs_stop_the_selection_where_the_limit_does_not() -> None:
    rng = np.random.default_rng(7)
    F = np.eye(12)
    rows = np.zeros(12)
    rows[:3] = [3.0, -2.0, 1.0]
    data = rows + 0.3 * rng.normal(size=(16, 12))
    weights = fit(data.mean(0), F, halves=splits(data))
    assert weights.kept == (0, 1, 2)
    np.testing.assert_allclose(weights.w, [3.0, -2.0, 1.0], atol=0.25)
    assert dict(weights.dropped)["c5"] == "explains no more on held-out pairs"
    assert fit(data.mean(0), F, halves=splits(data), limit=2).kept == (0, 1)


def test_unrelated_phrases_end_the_selection() -> None:
    rng = np.random.default_rng(11)
    without, ahead = [], []
    for _ in range(30):
        F, unrelated = rng.normal(size=(120, 24)), rng.normal(size=(200, 24))
        unit = unit_rows(F)
        # two concepts, and a part that reproduces and that no word here names
        nameless = rng.normal(size=24)
        nameless -= np.linalg.lstsq(unit[:2].T, nameless, rcond=None)[0] @ unit[:2]
        V = 2.0 * unit[0] - 1.5 * unit[1] + 0.7 * nameless / np.linalg.norm(nameless)
        exact = [(V, V)]
        every = fit(V, F, halves=exact)
        weights = Sparse().fit(V, F, names(F), halves=exact, unrelated=unrelated)
        assert {0, 1} <= set(weights.kept)
        assert "aligns no better than unrelated phrases do" in dict(weights.dropped).values()
        without.append(len(every.kept) - 2)
        ahead.append(len(weights.kept) - 2)
    assert np.mean(without) > 4.0  # all of them "confirmed", as the nameless part reproduces
    assert np.mean(ahead) < 1.5


def test_a_near_synonym_taken_early_gives_way_to_the_concept_itself() -> None:
    rng = np.random.default_rng(12)
    right = 0
    for _ in range(40):
        F = unit_rows(rng.normal(size=(60, 18)))
        F[10:14] = unit_rows(F[0] + 0.11 * rng.normal(size=(4, 18)))  # cosines of about 0.9
        V = F[0] + F[1] + 0.03 * rng.normal(size=18)
        kept = path(V, F, 2).kept
        right += set(kept) == {0, 1}
    assert right >= 38


def test_without_held_out_pairs_each_concept_must_explain_a_twentieth() -> None:
    V = np.array([1.0, -0.6, 0.3, 0.2])
    weights = fit(V, np.eye(4))
    assert weights.kept == (0, 1, 2)  # 0.67, 0.24, 0.06 and 0.03 of the squared length
    assert weights.confirmed
    assert fit(V, np.eye(4), limit=1).kept == (0,)


def test_every_dropped_concept_has_its_reason() -> None:
    F = np.array([[1.0, 0, 0], [0.95, 0.2, 0], [0, 1.0, 0], [0, 0, 0], [-1.0, 0.1, 0], [0, 0, 1.0]])
    V = np.array([2.0, 1.0, 0.0])
    weights = path(V, F, 2)
    assert weights.kept == (1, 2)
    reasons = dict(weights.dropped)
    assert reasons["c3"] == "its words do not move the text encoder"
    assert reasons["c4"].startswith("redundant with")
    assert reasons["c5"] == "explains no more on held-out pairs"


@pytest.mark.parametrize(
    "F",
    [np.ones((1, 3)), np.tile([1.0, 2.0, -1.0], (6, 1)), -np.ones((1, 3)), np.zeros((2, 3))],
)
def test_pools_of_one_meaning_or_none(F: Array) -> None:
    V = np.array([1.0, 2.0, 0.5])
    for halves in ((), [(V, V)]):
        weights = fit(V, F, halves=halves)
        assert len(weights.kept) == (1 if F.any() else 0)
        assert weights.confirmed is bool(F.any())
        assert len(weights.kept) + len(weights.dropped) == len(F)


def test_no_difference_needs_no_concept() -> None:
    for halves in ((), [(np.zeros(3), np.zeros(3))] * 4):
        weights = fit(np.zeros(3), np.eye(3), halves=halves)
        assert weights.kept == ()
        assert np.isnan(weights.residual)
        assert weights.confirmed is False


def test_rotating_the_space_or_scaling_the_concepts_changes_no_choice() -> None:
    rng = np.random.default_rng(8)
    F, rows = rng.normal(size=(50, 10)), rng.normal(size=(12, 10)) + 1.0
    Q = np.linalg.qr(rng.normal(size=(10, 10)))[0]
    scale = rng.uniform(0.1, 9, 50)
    one = fit(rows.mean(0), F, halves=splits(rows))
    turned = fit(rows.mean(0) @ Q, F @ Q, halves=[(a @ Q, b @ Q) for a, b in splits(rows)])
    scaled = fit(rows.mean(0), F * scale[:, None], halves=splits(rows))
    assert one.kept == turned.kept == scaled.kept
    np.testing.assert_allclose(turned.w, one.w, atol=1e-12)
    np.testing.assert_allclose(scaled.w * scale[list(one.kept)], one.w, atol=1e-12)


def test_the_three_decompositions_by_name() -> None:
    assert list(DECOMPOSITIONS) == ["subspace", "nnls", "paper"]
    assert [d.space for d in DECOMPOSITIONS.values()] == ["subspace", "subspace", "encoder"]
