from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from finexl.core.analysis import _PURPOSES, Analysis, Frame, Kept, _stream, analyse
from finexl.core.decompositions import DECOMPOSITIONS, functionals
from finexl.core.divergence import Paired, Sample, Unpaired
from finexl.core.orthogonality import unit_rows
from finexl.core.subspace import Subspace, fit_subspace
from finexl.core.uncertainty import intervals

Array = NDArray[np.float64]
EVERY = pytest.mark.parametrize("decomposition", list(DECOMPOSITIONS))
D = 12


def pool(m: int = 60, d: int = D, seed: int = 0) -> Array:
    rng = np.random.default_rng([seed, m, d])
    return rng.normal(size=(m, d)) * rng.uniform(0.5, 3.0, (m, 1))


def unrelated(d: int = D) -> Array:
    return np.random.default_rng(99).normal(size=(200, d))


def noisy(V: Array, n: int, seed: int = 0, noise: float = 1.0) -> Paired:
    return Paired(V + noise * np.random.default_rng([seed, n]).normal(size=(n, len(V))))


def run(
    sample: Sample,
    F: Array,
    decomposition: str = "subspace",
    *,
    distractors: Array | None = None,
    frame: Frame | None = None,
    seed: int = 0,
    limit: int | None = None,
) -> Analysis:
    return analyse(
        sample,
        F,
        unrelated(F.shape[1]) if distractors is None else distractors,
        [f"c{i}" for i in range(len(F))],
        frame or Frame(Subspace.identity(F.shape[1]), 1.0),
        DECOMPOSITIONS[decomposition],
        seed=seed,
        limit=limit,
    )


def kept(analysis: Analysis) -> dict[int, Kept]:
    return {aspect.index: aspect for aspect in analysis.kept}


def all_finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(all_finite(v) for v in value.values())
    if isinstance(value, (list, tuple)):
        return all(all_finite(v) for v in value)
    if isinstance(value, np.ndarray):
        return bool(np.isfinite(value).all())
    return not isinstance(value, float) or bool(np.isfinite(value))


def same(one: Analysis, other: Analysis) -> bool:
    return str(asdict(one)) == str(asdict(other))


# ---- planted truth


@pytest.mark.parametrize("n", [8, 19, 30, 100])
@pytest.mark.parametrize("seed", [0, 1, 6])
def test_two_planted_aspects_are_found_with_their_signs_and_sizes(n: int, seed: int) -> None:
    d = 18
    F = pool(150, d, seed)
    unit = unit_rows(F)
    F[20:24] = unit[3] + 0.12 * np.random.default_rng(seed).normal(size=(4, d))  # near-synonyms
    V = 2.0 * unit[3] - 1.2 * unit[7]
    a = run(noisy(V, n, seed, noise=0.25), F, frame=Frame(Subspace.identity(d), 0.5))
    assert a.detected is True
    assert a.confirmed
    found = kept(a)
    assert {3, 7} <= found.keys()
    for j, score in ((3, 4.0), (7, -2.4)):
        aspect = found[j]
        assert aspect.score == pytest.approx(score, rel=0.2)
        assert aspect.score == pytest.approx(aspect.weight * np.linalg.norm(F[j]) / 0.5)
        assert aspect.ci is not None
        assert aspect.ci[0] - 0.3 < score < aspect.ci[1] + 0.3
        assert aspect.ci[1] - aspect.ci[0] < 3.5
        assert aspect.effect == pytest.approx(float(unit[j] @ V) / 0.5, rel=0.15)
        assert np.sign(aspect.alignment) == np.sign(score)
        assert aspect.significant is True
        assert aspect.selected is not None
        assert aspect.selected > 0.8
    others = [aspect for j, aspect in found.items() if j not in (3, 7)]
    assert all(abs(aspect.score) < 0.5 for aspect in others)
    assert len(others) <= 2


def test_the_numbers_hang_together() -> None:
    F = pool()
    a = run(noisy(F[3] - 0.5 * F[7], 15), F)
    assert a.residual_squared is not None
    assert a.alignment is not None
    shares = [aspect.share for aspect in a.kept if aspect.share is not None]
    assert len(shares) == len(a.kept)
    assert sum(shares) + a.residual_squared == pytest.approx(1.0)
    assert a.residual == pytest.approx(max(a.residual_squared, 0.0) ** 0.5)
    assert {c for c, _ in a.dropped} == {f"c{i}" for i in set(range(60)) - kept(a).keys()}
    for j, aspect in kept(a).items():
        assert aspect.alignment == a.alignment[j]
        assert aspect.effect == pytest.approx(aspect.alignment * a.norm)
        assert aspect.ci is not None
        assert aspect.ci[0] <= aspect.score <= aspect.ci[1]


@pytest.mark.parametrize(("n", "first"), [(9, 0), (20, 120), (22, 110), (25, 55)])
def test_no_score_disagrees_with_its_own_alignment(n: int, first: int) -> None:
    F = pool(80, 10)
    for seed in range(first, first + 13):  # weak effects, whose sign may turn between halves
        a = run(noisy(0.3 * F[3] - 0.2 * F[7], n, seed), F, seed=seed)
        assert a.kept
        for aspect in a.kept:
            assert aspect.score * aspect.alignment > 0


def test_from_20_prompts_on_the_interval_is_the_other_halfs_own() -> None:
    F = pool()
    sample = noisy(F[3] - 0.5 * F[7], 24)
    a = run(sample, F, seed=5)
    _, judge = sample.halves(_stream(5, "judge"))
    index = [aspect.index for aspect in a.kept]
    low, high = intervals(judge, functionals(F, index, 0.01))
    for aspect, one, other in zip(a.kept, low, high, strict=True):
        length = float(np.linalg.norm(F[aspect.index]))
        ends = min(one, aspect.weight) * length, max(other, aspect.weight) * length
        assert aspect.ci == pytest.approx(ends)
    assert not a.simultaneous
    assert run(noisy(F[3], 19), F).simultaneous


def test_what_lies_outside_the_subspace() -> None:
    F = pool(40, D)
    F[:, 4:] = 0.0
    frame = Frame(fit_subspace(F, rank=4), 1.0)
    V = np.zeros(D)
    V[0], V[9] = 3.0, 4.0
    a = run(Paired(np.tile(V, (8, 1))), F, frame=frame)
    assert a.outside == pytest.approx(0.8)
    assert a.norm == pytest.approx(5.0)


def test_phrases_as_well_aligned_as_the_aspect_make_it_unspecific() -> None:
    F = pool()
    sample = noisy(F[3], 10, noise=0.3)
    assert kept(run(sample, F))[3].significant is True
    common = kept(run(sample, F, distractors=np.tile(sample.mean, (200, 1))))[3]
    assert common.specific is False
    assert common.significant is False
    assert common.q_value is not None
    assert common.q_value <= 0.05


# ---- statistical promises, on a small scale


def test_without_a_difference_significant_aspects_are_rare() -> None:
    F = pool(40, 8)
    false = [
        run(noisy(np.zeros(8), n, seed), F, seed=seed)
        for n, trials in ((7, 50), (22, 30))
        for seed in range(trials)
    ]
    assert sum(bool(a.detected) for a in false) <= 11
    assert sum(any(aspect.significant for aspect in a.kept) for a in false) <= 8


@pytest.mark.parametrize("n", [10, 24])
def test_intervals_cover_after_selection(n: int) -> None:
    F = pool(40, 8)
    V = 0.25 * F[3] - 0.15 * F[7]
    covered: list[bool] = []
    for seed in range(40):
        a = run(noisy(V, n, seed), F, seed=seed)
        index = [aspect.index for aspect in a.kept]
        truth = functionals(F, index, 0.01) @ V * np.linalg.norm(F[index], axis=1)
        for aspect, value in zip(a.kept, truth, strict=True):
            assert aspect.ci is not None
            covered.append(aspect.ci[0] <= value <= aspect.ci[1])
    assert np.mean(covered) >= 0.9


# ---- invariances


def assert_like(one: Analysis, other: Analysis, tolerance: float = 1e-9) -> None:
    assert one.p_value == other.p_value
    assert one.residual == pytest.approx(other.residual, abs=1e-7)
    assert kept(one).keys() == kept(other).keys()
    for a, b in zip(one.kept, other.kept, strict=True):
        for number in ("score", "effect", "share", "alignment", "selected", "q_value", "ci"):
            assert getattr(a, number) == pytest.approx(getattr(b, number), abs=tolerance), number
        assert (a.specific, a.significant) == (b.specific, b.significant)


@EVERY
@pytest.mark.parametrize("n", [10, 24])
def test_a_rotation_of_the_space_changes_nothing(decomposition: str, n: int) -> None:
    F, sample = pool(), noisy(pool()[3] - pool()[7], n)
    Q = np.linalg.qr(np.random.default_rng(1).normal(size=(D, D)))[0]
    turned = run(Paired(sample.rows @ Q), F @ Q, decomposition, distractors=unrelated() @ Q)
    assert_like(run(sample, F, decomposition), turned)


@EVERY
@pytest.mark.parametrize("n", [10, 24])
def test_the_order_of_the_pool_changes_nothing(decomposition: str, n: int) -> None:
    F = pool(40)
    sample = noisy(F[3] - F[7], n)
    order = np.random.default_rng(1).permutation(40)
    one, other = run(sample, F, decomposition), run(sample, F[order], decomposition)
    assert [aspect.index for aspect in one.kept] == [order[k.index] for k in other.kept]
    for a, b in zip(one.kept, other.kept, strict=True):
        assert a.ci == pytest.approx(b.ci, abs=1e-9)
        assert (a.score, a.q_value) == pytest.approx((b.score, b.q_value), abs=1e-9)


@EVERY
@pytest.mark.parametrize("n", [10, 24])
def test_a_concepts_length_changes_its_weight_alone(decomposition: str, n: int) -> None:
    F = pool()
    sample = noisy(F[3] - F[7], n)
    scale = np.random.default_rng(1).uniform(0.2, 5.0, len(F))
    one, other = run(sample, F, decomposition), run(sample, F * scale[:, None], decomposition)
    assert_like(one, other)
    for a, b in zip(one.kept, other.kept, strict=True):
        assert a.weight == pytest.approx(b.weight * scale[a.index])


@pytest.mark.parametrize("decomposition", ["subspace", "paper"])
@pytest.mark.parametrize("n", [4, 10, 24])
def test_swapping_base_and_personalized_negates_everything(decomposition: str, n: int) -> None:
    F = pool()
    sample = noisy(F[3] - F[7], n)
    one, other = run(sample, F, decomposition), run(Paired(-sample.rows), F, decomposition)
    assert one.p_value == other.p_value
    assert one.norm == other.norm
    assert one.residual == other.residual
    assert len(one.kept) == len(other.kept) > 0
    for a, b in zip(one.kept, other.kept, strict=True):
        assert (a.index, a.share, a.q_value, a.selected) == (
            b.index,
            b.share,
            b.q_value,
            b.selected,
        )
        assert (a.score, a.effect, a.weight) == (-b.score, -b.effect, -b.weight)
        if a.ci is not None:
            assert b.ci is not None
            assert a.ci == (-b.ci[1], -b.ci[0])


def test_regrouping_pairs_by_prompt_changes_nothing() -> None:
    F = pool()
    pairs = noisy(F[3], 30).rows
    prompts = [f"p{i % 10}" for i in range(30)]
    order = np.concatenate([np.arange(10), 10 + np.random.default_rng(0).permutation(20)])
    one = run(Paired.of(pairs, prompts), F)
    other = run(Paired.of(pairs[order], [prompts[i] for i in order]), F)
    assert_like(one, other)


# ---- randomness


@EVERY
@pytest.mark.parametrize("n", [15, 24])
def test_same_seed_same_result(decomposition: str, n: int) -> None:
    F, sample = pool(), noisy(pool()[3], n, noise=3.0)
    one, again = (run(sample, F, decomposition, seed=7) for _ in range(2))
    assert same(one, again)
    assert not same(one, run(sample, F, decomposition, seed=8))


def test_every_purpose_has_its_own_stream() -> None:
    first = {
        (seed, purpose): _stream(seed, purpose).integers(2**62)
        for seed in (0, 1)
        for purpose in _PURPOSES
    }
    assert len(set(first.values())) == len(first)


def test_what_the_pool_holds_does_not_shift_the_detection() -> None:
    F, sample = pool(), noisy(0.2 * pool()[3], 15)
    assert run(sample, F).p_value == run(sample, F[:1], "nnls").p_value
    q = {j: aspect.q_value for j, aspect in kept(run(sample, F)).items()}
    for decomposition in ("nnls", "paper"):
        for j, aspect in kept(run(sample, F, decomposition)).items():
            assert aspect.q_value == q.get(j, aspect.q_value)


# ---- ugly input


@EVERY
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_too_few_prompts_to_test(decomposition: str, n: int) -> None:
    F = pool()
    a = run(noisy(F[3] + F[4] + F[5], n), F, decomposition)
    assert (a.detected, a.p_value, a.residual, a.outside) == (None, None, None, None)
    assert (a.noise_floor is None) == (n == 1)
    assert 1 <= len(a.kept) <= 3
    for aspect in a.kept:
        assert (aspect.ci, aspect.share, aspect.selected) == (None, None, None)
        assert (aspect.q_value, aspect.significant) == (None, None)
    assert a.residual_in_sample is not None
    assert 0 < a.residual_in_sample < 1
    assert all_finite(asdict(a))
    assert len(run(noisy(F[3] + F[4] + F[5], n), F, decomposition, limit=1).kept) == 1
    assert len(run(noisy(F[3] + F[4] + F[5], n), F, decomposition, limit=7).kept) <= 3


@EVERY
@pytest.mark.parametrize("n", [6, 7, 20])
def test_from_six_prompts_on_every_number_is_there(decomposition: str, n: int) -> None:
    F = pool()
    a = run(noisy(F[3], n), F, decomposition)
    assert a.detected is True
    assert a.p_value is not None
    assert None not in (a.noise_floor, a.residual, a.residual_in_sample)
    assert a.outside is None  # the space is all of the encoder's
    assert a.kept
    assert all(None not in asdict(aspect).values() for aspect in a.kept)
    assert all_finite(asdict(a))


@EVERY
@pytest.mark.parametrize("limit", [1, 2])
@pytest.mark.parametrize("n", [10, 24])
def test_no_more_aspects_than_asked_for(decomposition: str, limit: int, n: int) -> None:
    F = pool()
    a = run(noisy(F[3] - F[4] + F[5], n, noise=0.3), F, decomposition, limit=limit)
    assert len(a.kept) == limit
    assert len(a.dropped) == 60 - limit


@EVERY
@pytest.mark.parametrize(
    "sample",
    [
        Paired(np.zeros((10, D))),
        Paired(np.zeros((1, D))),
        Unpaired(pool(9), pool(9)),
    ],
)
def test_no_difference_at_all(decomposition: str, sample: Sample) -> None:
    a = run(sample, pool(), decomposition)
    assert (a.norm, a.p_value, a.detected, a.kept) == (0.0, 1.0, False, ())
    assert (a.alignment, a.residual, a.residual_in_sample) == (None, None, None)
    assert len(a.dropped) == 60


@EVERY
def test_rows_that_cancel_to_rounding_are_not_detected(decomposition: str) -> None:
    F = pool()
    a = run(Paired(np.vstack([F[:5], -F[:5]]) / 3), F, decomposition)
    assert a.norm < 1e-14
    assert a.detected is False
    assert not any(aspect.significant for aspect in a.kept)


@EVERY
@pytest.mark.parametrize("n", [3, 10, 30])
def test_pairs_that_all_say_the_same(decomposition: str, n: int) -> None:
    F = pool()
    a = run(Paired(np.tile(F[3], (n, 1))), F, decomposition)
    assert all_finite(asdict(a))
    assert kept(a).keys() == {3}
    (aspect,) = a.kept
    assert aspect.alignment == pytest.approx(1.0)
    assert aspect.weight == pytest.approx(1.0, abs=0.011)
    if n >= 6:
        assert a.noise_floor == pytest.approx(0.0, abs=1e-12)
        assert aspect.ci == pytest.approx((aspect.score, aspect.score))
        assert a.p_value == (2 / 2**n if n < 13 else 1 / 4097)


POOLS = {
    "some without length": np.vstack([np.zeros((5, D)), pool(20)]),
    "none with length": np.zeros((5, D)),
    "one": pool(1),
    "one, opposite": -pool(1),
    "one without length": np.zeros((1, D)),
    "all the same": np.tile(pool(1), (9, 1)),
    "all the same, opposite": -np.tile(pool(1), (9, 1)),
    "opposites": np.vstack([pool(1), -pool(1)]),
}


@EVERY
@pytest.mark.parametrize("n", [1, 10, 25])
@pytest.mark.parametrize("name", POOLS)
def test_ugly_pools(decomposition: str, n: int, name: str) -> None:
    F = POOLS[name]
    a = run(noisy(pool(1)[0], n, noise=0.5), F, decomposition)
    assert all_finite(asdict(a))
    assert len(a.kept) + len(a.dropped) == len(F)
    assert all(F[aspect.index].any() for aspect in a.kept)
    if "without length" not in name and "none" not in name and "some" not in name:
        knows_less = decomposition != "nnls"
        assert len(a.kept) == (
            1 if knows_less or "opposite" not in name or "opposites" in name else 0
        )
    if not a.kept:
        assert a.confirmed is False


@EVERY
def test_non_negative_weights_stay_so_and_others_may_be_negative(decomposition: str) -> None:
    F = pool()
    for n in (4, 10, 24):
        for seed in range(4):
            scores = [k.score for k in run(noisy(-F[3], n, seed), F, decomposition, limit=3).kept]
            assert scores
            assert (min(scores) > 0) == (decomposition == "nnls")


@EVERY
def test_a_difference_wholly_outside_the_subspace(decomposition: str) -> None:
    rows = np.zeros((10, D))
    rows[:, 9] = 1.0 + 0.1 * np.arange(10)
    frame = Frame(Subspace(np.eye(D)[:4], np.ones(4)), 1.0)
    a = run(Paired(rows), pool(), decomposition, frame=frame)
    assert a.detected is True
    assert a.kept == ()
    assert a.outside == pytest.approx(1.0)
    assert a.residual_in_sample is None
    assert all_finite(asdict(a))


@EVERY
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["rows", "personalized", "base", "F", "distractors"])
def test_numbers_that_are_not_finite_are_refused(
    decomposition: str, bad: float, where: str
) -> None:
    arrays = {
        "rows": pool(8),
        "personalized": pool(8),
        "base": pool(9),
        "F": pool(),
        "distractors": unrelated(),
    }
    arrays[where] = arrays[where].copy()
    arrays[where][2, 3] = bad
    paired = where not in ("personalized", "base")
    sample = Paired(arrays["rows"]) if paired else Unpaired(arrays["personalized"], arrays["base"])
    with pytest.raises(ValueError, match="must be finite"):
        run(sample, arrays["F"], decomposition, distractors=arrays["distractors"])


@EVERY
@pytest.mark.parametrize("sizes", [(1, 1), (1, 30), (2, 40), (6, 6), (8, 30), (25, 21)])
def test_unpaired_sets_of_any_size(decomposition: str, sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    F = pool()
    p, b = rng.normal(size=(sizes[0], D)) + 2 * F[3], rng.normal(size=(sizes[1], D))
    a = run(Unpaired(p, b), F, decomposition)
    assert all_finite(asdict(a))
    assert a.kept[0].index == 3 or decomposition == "nnls"
    assert a.detected is (True if min(sizes) >= 6 else None)
