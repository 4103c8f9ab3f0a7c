"""Search: wishes against divergence vectors, compared with the formula written out."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from catalogued import planted, scattered
from finexl.catalog import Catalog, Entry, Filter, Metadata, Searcher, Wish, parse_wishes
from finexl.catalog.effects import effects_of
from finexl.catalog.mirror import mirror_of
from finexl.encoders.embedded import Embedded
from finexl.errors import UsageError
from finexl.explanation import EncoderId
from finexl.measure import Measure

Array = NDArray[np.float64]
CONCEPTS = ("grainy", "colorful", "oil painting", "blurry")


@pytest.fixture(scope="module")
def measure(encoder: Embedded) -> Measure:
    return Measure(encoder, "subspace", (), 0)


@pytest.fixture(scope="module")
def vectors(measure: Measure) -> dict[str, Array]:
    """Return each concept's own vector f(C) (d,)."""
    return dict(zip(CONCEPTS, measure.vectors(CONCEPTS).vectors, strict=True))


@pytest.fixture
def catalog(tmp_path: Path, encoder: Embedded, vectors: dict[str, Array]) -> Catalog:
    """Return a catalog in which each model does one thing, strongly or weakly."""
    opened = Catalog.open(tmp_path / "c.db", create=True)
    for i, (concept, f) in enumerate(vectors.items()):
        for label, strength in (("strong", 1.2), ("weak", 0.5), ("less", -0.8)):
            V = strength * f
            rows = scattered(V, 12, 0.02, 10 * i)
            explanation = planted(f"{label} {concept}", V, encoder, pairs=rows)
            opened.add(Entry(explanation, Metadata(base=label)))
    return opened


@pytest.fixture
def searcher(encoder: Embedded) -> Searcher:
    return Searcher(lambda _: encoder)


def naive_effect(measure: Measure, V: Array, concept: str) -> float:
    """⟨V, f/‖f‖⟩ / r in the decomposition's space, written out."""
    M, r = measure.frame.subspace.matrix, measure.frame.scale
    f = M @ measure.vectors([concept]).vectors[0]
    return float((M @ V) @ f / np.linalg.norm(f) / r)


@pytest.mark.parametrize("concept", CONCEPTS)
def test_the_model_that_does_it_comes_first_and_its_opposite_last(
    catalog: Catalog, searcher: Searcher, concept: str
) -> None:
    more = searcher.search(catalog, parse_wishes(concept)).results
    assert [hit.name for hit in more[:2]] == [f"strong {concept}", f"weak {concept}"]
    assert more[-1].name == f"less {concept}"
    less = searcher.search(catalog, parse_wishes(f"less {concept}")).results
    assert less[0].name == f"less {concept}"
    assert less[-1].name == f"strong {concept}"
    assert [hit.match for hit in more] == sorted((hit.match for hit in more), reverse=True)


def test_effect_agreement_and_match_are_the_formula(
    catalog: Catalog, searcher: Searcher, measure: Measure
) -> None:
    wishes = (Wish("grainy", 1, 0.3, 1.0), Wish("colorful", -1, 1.5, 3.0))
    M, r = measure.frame.subspace.matrix, measure.frame.scale
    for hit in searcher.search(catalog, wishes).results:
        V = np.asarray(catalog.entry(hit.name).explanation.divergence.vector, float)
        unrelated = [abs(M @ V @ (M @ u) / np.linalg.norm(M @ u)) / r for u in measure.unrelated]
        usual = np.percentile(unrelated, 95)
        expected = []
        for wish, reason in zip(wishes, hit.reasons, strict=True):
            effect = naive_effect(measure, V, wish.concept)
            left = math.copysign(max(abs(effect) - usual, 0.0), effect)
            expected.append(math.tanh(left * wish.direction / wish.enough))
            assert reason.effect == pytest.approx(effect, rel=1e-9)
            assert reason.agreement == pytest.approx(expected[-1], rel=1e-9)
            assert reason.specific == (abs(effect) > usual)
        assert hit.match == pytest.approx(0.25 * expected[0] + 0.75 * expected[1], rel=1e-9)
        assert hit.match == pytest.approx(sum(reason.part for reason in hit.reasons), abs=1e-12)


def test_the_ranking_of_all_is_that_of_the_hits(catalog: Catalog, searcher: Searcher) -> None:
    wishes = parse_wishes("grainy, less blurry * 2, a bit colorful")
    every = searcher.search(catalog, wishes, limit=100)
    assert every.searched == len(every.results) == 12
    for limit in (1, 3, 11):
        few = searcher.search(catalog, wishes, limit=limit).results
        assert few == every.results[:limit]


def test_intervals_are_students(encoder: Embedded, measure: Measure) -> None:
    V = measure.vectors(["grainy"]).vectors[0]
    explanation = planted("m", V, encoder, pairs=scattered(V, 15, 0.05, 0))
    direction = np.random.default_rng(1).normal(size=len(V))
    found = effects_of(explanation, direction[None])
    pairs = explanation.divergence.pairs
    assert pairs is not None
    values = pairs.astype(float) @ direction
    low, high = stats.t.interval(0.95, 14, found.value[0], stats.sem(values))
    assert found.ci(0) == pytest.approx((low, high), rel=1e-9)


def test_pairs_that_share_prompts_count_by_prompt(encoder: Embedded) -> None:
    V = np.ones(encoder.dim)
    rows = scattered(V, 24, 0.05, 0)
    prompts = tuple(f"prompt {i}" for i in range(8))
    alone = effects_of(planted("m", V, encoder, pairs=rows), V[None]).ci(0)
    shared = effects_of(planted("m", V, encoder, pairs=rows, prompts=prompts), V[None]).ci(0)
    assert alone is not None
    assert shared is not None
    ratio = (shared[1] - shared[0]) / (alone[1] - alone[0])
    expected = stats.t.ppf(0.975, 7) / stats.t.ppf(0.975, 23) * math.sqrt(24 / 8)
    assert ratio == pytest.approx(expected, rel=1e-6)


def test_where_it_is_said_which_pairs_share_a_prompt_intervals_are_those_of_prompts(
    encoder: Embedded,
) -> None:
    rng, direction = np.random.default_rng(2), np.ones(encoder.dim)
    own = rng.normal(size=(8, encoder.dim))  # each prompt's own, beside little from seed to seed
    rows = np.repeat(own, 3, axis=0) + 0.01 * rng.normal(size=(24, encoder.dim))
    prompts = tuple(f"prompt {i}" for i in range(8))
    made = planted("m", rows.mean(axis=0), encoder, pairs=rows, prompts=prompts)
    which = tuple(i for i in range(8) for _ in range(3))
    said = replace(made, divergence=replace(made.divergence, pair_prompts=which))
    found = effects_of(said, direction[None])
    pairs = said.divergence.pairs
    assert pairs is not None
    means = (pairs.astype(float) @ direction).reshape(8, 3).mean(axis=1)
    expected = stats.t.interval(0.95, 7, found.value[0], stats.sem(means))
    assert found.ci(0) == pytest.approx(expected, rel=1e-9)
    # pairs whose prompts are unknown are units of their own
    some = (*which[:21], None, None, None)
    found = effects_of(
        replace(made, divergence=replace(made.divergence, pair_prompts=some)), direction[None]
    )
    values = pairs.astype(float) @ direction
    units = [*means[:7], *values[21:]]
    expected = stats.t.interval(0.95, 9, found.value[0], stats.sem(units))
    assert found.ci(0) == pytest.approx(expected, rel=1e-9)


def test_what_cannot_be_told_has_no_interval(encoder: Embedded) -> None:
    V = np.ones(encoder.dim)
    assert effects_of(planted("m", V, encoder), V[None]).ci(0) is None
    few = planted("m", V, encoder, pairs=scattered(V, 5, 0.1, 0))
    assert effects_of(few, V[None]).ci(0) is None


def test_the_matchs_interval_covers_the_truth(
    encoder: Embedded, searcher: Searcher, vectors: dict[str, Array], tmp_path: Path
) -> None:
    """300 models whose pairs scatter around one truth; wishes that do not count only widen."""
    truth = 1.5 * vectors["grainy"]
    spread = np.linalg.norm(truth) / 3
    with Catalog.open(tmp_path / "t.db", create=True) as catalog:
        catalog.add(Entry(planted("truth", truth, encoder, pairs=scattered(truth, 9, 0.0, 0))))
        with catalog.together():
            for i in range(300):
                noise = np.random.default_rng(i).normal(size=(16, len(truth)))
                rows = truth + spread / math.sqrt(len(truth)) * noise
                catalog.add(Entry(planted(f"{i}", rows.mean(axis=0), encoder, pairs=rows)))
        for text, least, most in (("grainy", 0.91, 0.985), ("grainy, less colorful", 0.93, 1.0)):
            found = searcher.search(catalog, parse_wishes(text), limit=301).results
            hits = {hit.name: hit for hit in found}
            goal = hits.pop("truth").match
            covered = [
                hit.ci is not None and hit.ci[0] <= goal <= hit.ci[1] for hit in hits.values()
            ]
            assert least <= np.mean(covered) <= most


def test_a_model_that_moves_along_everything_is_not_vivid(
    catalog: Catalog, searcher: Searcher, encoder: Embedded, measure: Measure
) -> None:
    """A large change in some other direction has effects along any words: they do not count."""
    M, r = measure.frame.subspace.matrix, measure.frame.scale
    g = M @ measure.vectors(["grainy"]).vectors[0]
    g /= np.linalg.norm(g)
    elsewhere = np.random.default_rng(3).normal(size=len(g))
    elsewhere -= (elsewhere @ g) * g
    inside = r * g + 10 * r * elsewhere / np.linalg.norm(elsewhere)
    V = np.linalg.pinv(M) @ inside
    assert naive_effect(measure, V, "grainy") == pytest.approx(1.0)
    catalog.add(Entry(planted("loud", V, encoder, pairs=scattered(V, 12, 0.02, 0))))
    found = searcher.search(catalog, parse_wishes("grainy"), limit=100).results
    names = [hit.name for hit in found]
    assert names.index("weak grainy") < names.index("loud")
    assert found[names.index("loud")].match == 0.0


def test_like_and_between(catalog: Catalog, searcher: Searcher, measure: Measure) -> None:
    found = searcher.like(catalog, "weak grainy").results
    assert found[0].name == "strong grainy"
    assert found[0].match == pytest.approx(1.0, abs=1e-5)
    assert found[-1].name == "less grainy"
    assert found[-1].match == pytest.approx(-1.0, abs=1e-5)
    assert "weak grainy" not in [hit.name for hit in found]
    M = measure.frame.subspace.matrix
    units = {}
    for name in ("strong grainy", "strong colorful", "weak blurry"):
        inside = M @ np.asarray(catalog.entry(name).explanation.divergence.vector, float)
        units[name] = inside / np.linalg.norm(inside)
    middle = units["strong grainy"] + units["strong colorful"]
    expected = float(units["weak blurry"] @ middle / np.linalg.norm(middle))
    between = searcher.like(catalog, "strong grainy", "strong colorful", limit=100).results
    assert {hit.name for hit in between[:2]} == {"weak grainy", "weak colorful"}
    (blurry,) = [hit for hit in between if hit.name == "weak blurry"]
    assert blurry.match == pytest.approx(expected, abs=1e-5)


def test_filters_leave_the_ranking_of_the_rest(catalog: Catalog, searcher: Searcher) -> None:
    wishes = parse_wishes("blurry")
    every = searcher.search(catalog, wishes, limit=100).results
    weak = searcher.search(catalog, wishes, where=Filter(base="weak"), limit=100)
    assert weak.searched == 4
    assert weak.results == tuple(hit for hit in every if hit.name.startswith("weak"))
    assert searcher.search(catalog, wishes, where=Filter(base="none")).results == ()


def test_a_search_sees_what_was_changed_meanwhile(
    catalog: Catalog, searcher: Searcher, encoder: Embedded, vectors: dict[str, Array]
) -> None:
    wishes = parse_wishes("grainy")
    assert searcher.search(catalog, wishes).results[0].name == "strong grainy"
    catalog.add(Entry(planted("stronger", 3 * vectors["grainy"], encoder)))
    assert searcher.search(catalog, wishes).results[0].name == "stronger"
    catalog.remove("stronger")
    assert searcher.search(catalog, wishes).results[0].name == "strong grainy"


def test_the_mirror_is_kept_and_made_anew_where_it_does_not_hold(catalog: Catalog) -> None:
    first = mirror_of(catalog)
    file = catalog.path.with_name("c.db.vectors")
    written = file.read_bytes()
    again = mirror_of(catalog)
    assert again.state == first.state
    assert mirror_of(catalog, again) is again
    assert isinstance(next(iter(again.by_encoder.values())).rows.base, np.ndarray)
    whole = {name: (v.ids.copy(), v.rows.copy()) for name, v in first.by_encoder.items()}
    del first, again  # a file that is mapped must not be cut
    for damage in (b"", b"\xff" * 100, written[: len(written) // 2], b"\0" * 8 + written[8:]):
        file.unlink()
        file.write_bytes(damage)
        found = mirror_of(catalog)
        for name, (ids, rows) in whole.items():
            np.testing.assert_array_equal(found.by_encoder[name].rows, rows)
            np.testing.assert_array_equal(found.by_encoder[name].ids, ids)
        assert file.read_bytes() == written


def test_models_of_another_encoder_are_left_out_and_said(
    catalog: Catalog, searcher: Searcher
) -> None:
    catalog.add(Entry(planted("foreign", np.ones(8), EncoderId("other", "9"))))
    found = searcher.search(catalog, parse_wishes("grainy"), limit=100)
    assert "foreign" not in [hit.name for hit in found.results]
    assert found.searched == 12
    assert any("1 model measured by other is not ranked" in warning for warning in found.warnings)
    with pytest.raises(UsageError, match="different encoders"):
        searcher.like(catalog, "foreign", "weak grainy")
    with pytest.raises(UsageError, match="No model was measured by clip"):
        searcher.search(catalog, parse_wishes("grainy"), encoder="clip")


def test_another_revision_of_the_encoder_is_refused(tmp_path: Path, encoder: Embedded) -> None:
    with Catalog.open(tmp_path / "r.db", create=True) as catalog:
        catalog.add(Entry(planted("old", np.ones(encoder.dim), EncoderId(encoder.name, "old"))))
        with pytest.raises(UsageError, match="revision old"):
            Searcher(lambda _: encoder).search(catalog, parse_wishes("grainy"))


def test_a_model_that_changes_nothing_is_ranked_between(
    catalog: Catalog, searcher: Searcher, encoder: Embedded
) -> None:
    catalog.add(Entry(planted("nothing", np.zeros(encoder.dim), encoder)))
    found = searcher.search(catalog, parse_wishes("grainy"), limit=100).results
    (nothing,) = [hit for hit in found if hit.name == "nothing"]
    assert nothing.match == 0.0
    with pytest.raises(UsageError, match="changes nothing"):
        searcher.like(catalog, "nothing")


def test_an_empty_catalog_and_no_wish_are_said(tmp_path: Path, searcher: Searcher) -> None:
    with Catalog.open(tmp_path / "e.db", create=True) as catalog:
        with pytest.raises(UsageError, match="is empty"):
            searcher.search(catalog, parse_wishes("grainy"))
        with pytest.raises(UsageError, match="no wish"):
            searcher.search(catalog, ())


def test_that_nobody_shows_what_is_wished_is_said(catalog: Catalog, searcher: Searcher) -> None:
    shown = searcher.search(catalog, parse_wishes("grainy"))
    assert not any("next to nothing" in warning for warning in shown.warnings)
    found = searcher.search(catalog, parse_wishes("legal"))
    assert not any(reason.agreement > 0 for hit in found.results for reason in hit.reasons)
    assert any("next to nothing" in warning for warning in found.warnings)
    none = searcher.search(catalog, parse_wishes("grainy"), where=Filter(base="other"))
    assert none.results == ()
    assert [warning[:18] for warning in none.warnings] == ["No model is of thi"]


def test_the_json_is_the_schemas(catalog: Catalog, searcher: Searcher) -> None:
    data = searcher.search(catalog, parse_wishes("grainy, less blurry"), limit=2).to_dict()
    assert data["schema"] == "finexl.search/1"
    assert list(data) == ["schema", "results", "searched", "warnings"]
    first = data["results"][0]
    assert list(first) == ["model", "match", "ci", "detected", "reasons"]
    assert list(first["reasons"][0]) == [
        *("wish", "concept", "effect", "ci", "agreement", "part", "specific", "sentence"),
    ]


@pytest.mark.parametrize(
    ("text", "effect", "ci", "specific", "said"),
    [
        ("vivid", 1.2, (1.0, 1.4), True, "More “vivid”, as wished: +1.20 (95% CI 1.00 to 1.40)."),
        ("vivid", 0.4, None, True, "More “vivid”, but less than is enough: +0.40."),
        ("a bit vivid", 0.4, None, True, "More “vivid”, as wished: +0.40."),
        ("less vivid", 0.4, None, True, "More “vivid”, against the wish: +0.40."),
        ("less vivid", -1.4, None, True, "Less “vivid”, as wished: −1.40."),
        (
            *("vivid", 0.4, (-0.1, 0.9), True),
            "No change in “vivid” that could be told from none: +0.40 (95% CI −0.10 to 0.90).",
        ),
        (
            *("vivid", 1.4, (1.2, 1.6), False),
            "Nothing of “vivid” that unrelated words do not show as well: +1.40 (95% CI 1.20 to "
            "1.60).",
        ),
    ],
)
def test_sentences(
    text: str, effect: float, ci: tuple[float, float] | None, specific: bool, said: str
) -> None:
    from finexl.catalog.found import sentence

    assert sentence(parse_wishes(text)[0], effect, ci, specific) == said
