"""Ablations on planted worlds: words add up exactly, and what a model has of each is known."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from finexl.bench.experiments.ablations import (
    directions,
    encoders,
    ideals,
    null,
    parts,
    rows,
    said,
    samples,
    stopping,
    thresholds,
    ways,
    wordings,
)
from finexl.bench.experiments.readers import Reading
from finexl.bench.experiments.trials import Model, Plan, Trial
from finexl.bench.results import Results
from finexl.core.decompositions.base import residual
from finexl.core.decompositions.sparse import Sparse
from finexl.errors import PrerequisiteError, UsageError
from finexl.generators import Job, Made
from finexl.images import Picture
from finexl.imageset import ImageSet, images_from
from finexl.measure import Measure
from finexl.operators import OPERATORS, apply
from finexl.vlm.scripted import Scripted

Array = NDArray[np.float64]
D = 24
COLOURS = ("red", "green", "blue")
WORDS = tuple(o.phrases[0] for o in OPERATORS.values())[:20]
VIVID = WORDS[0]


class Adding:
    """A text is the sum of its pieces between commas, a picture its mean colour: f(C) is exact."""

    name = "adding"
    dim = D
    normalized = False

    def __init__(self, revision: str = "1") -> None:
        self.revision = revision

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([sum(map(self.piece, t.split(", "))) for t in texts], np.float32)

    def embed_images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        found = np.zeros((len(images), D), np.float32)
        found[:, :3] = [np.asarray(i.convert("RGB"), float).mean((0, 1)) / 255 for i in images]
        return found

    def piece(self, text: str) -> Array:
        return _drawn(text.removesuffix(" style"))


@cache
def _drawn(text: str) -> Array:
    if text in COLOURS:
        return np.array(np.eye(D)[COLOURS.index(text)] - np.eye(D)[:3].mean(axis=0))
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    drawn = np.random.default_rng(int.from_bytes(digest, "big")).normal(size=D)
    return np.array(drawn / np.linalg.norm(drawn))


ENCODER = Adding()
READING = Reading(Measure(ENCODER, "subspace", (), 0), WORDS)


def model(
    levels: Mapping[str, float], n: int = 8, noise: float = 0.0, seed: int = 0, **prompt: str
) -> Model:
    rng = np.random.default_rng([seed, n])
    before = rng.normal(size=(n, D))
    change = sum(level * ENCODER.piece(word) for word, level in levels.items())
    after = before + change + noise * rng.normal(size=(n, D))
    image = Image.new("RGB", (8, 8), "grey")
    pictures = tuple(Picture(str(i), image, seed=i, **prompt) for i in range(n))
    return Model(
        levels,
        ImageSet("base", "images", pictures),
        ImageSet("personalized", "images", pictures),
        before,
        after,
    )


def ladder(levels: int = 4, **given: Any) -> Trial:
    models = tuple(model({VIVID: k / levels}, seed=k, **given) for k in range(1, levels + 1))
    return Trial("planted", (VIVID,), models)


def plan_of(trial: Trial) -> Plan:
    return Plan(trial.family, trial.name, lambda: trial)


def table(results: Results) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for result in results.found.values():
        found.setdefault(result.row, {})[result.measure] = result.value
    return found


def run(experiment: Callable[..., None], trial: Trial, *given: Any, **more: Any) -> dict[str, Any]:
    results = Results(None)
    experiment([plan_of(trial)], *given, results, settings="s", **more)
    return table(results)


# --- what is measured -----------------------------------------------------------------------------


def test_an_aspect_goes_by_any_of_its_names_in_either_spelling() -> None:
    trial = ladder(3)
    answers = [said.Said({"colorful": x, "blurry": 9 - x}, 0.5) for x in (0.1, 0.2, 0.3)]
    found = said.measures_of(trial, answers)
    assert found["rank error"] == 0  # "colourful" is another phrase of the operator "vivid"
    assert found["hit@1"] == 0  # there is more of "blurry"
    assert set(found) == {"rank error", "hit@1", "concepts", "residual"}
    best = [said.Said({"vivid": 1.0, "blurry": -9.0}, None)] * 3
    assert said.measures_of(trial, best)["hit@1"] == 1
    nothing = said.measures_of(trial, [said.Said({}, None)] * 3)
    assert nothing == {"rank error": pytest.approx(2 / 3), "hit@1": 0, "concepts": 0}


def test_a_world_of_one_aspect_is_read_without_an_error() -> None:
    trial = ladder(noise=0.02)
    way = ways.Way(Sparse(), READING, rank=D)
    found = way.measures(trial, 0)
    assert found["rank error"] == found["rank error, by effect"] == 0
    assert found["rank error, aspect asked for"] == 0
    assert found["hit@1"] == 1
    assert found["concepts"] <= 2
    assert found["residual"] < 0.15
    assert way.alignment(trial) > 0.98


def test_an_aspect_that_is_no_candidate_is_refused() -> None:
    way = ways.Way(Sparse(), Reading(READING.measure, WORDS[1:]))
    with pytest.raises(UsageError, match="do not have the aspect 'vivid'"):
        way.say(model({VIVID: 1}), [VIVID], 0)


def test_pairs_of_one_prompt_are_one_row() -> None:
    assert len(rows.by_prompt(model({VIVID: 1}, noise=0.1))) == 8
    together = rows.by_prompt(model({VIVID: 1}, noise=0.1, prompt="a cat"))
    assert together == pytest.approx(model({VIVID: 1}, noise=0.1).rows.mean(axis=0)[None])


def test_what_is_known_is_not_computed_again(tmp_path: Path) -> None:
    results = Results.open(tmp_path / "r.jsonl")
    thresholds.threshold([plan_of(ladder())], READING, results, settings="s", thresholds=[0.2])
    known = set(results.found)

    def make() -> Trial:
        raise AssertionError("embedded again")

    again = Results.open(tmp_path / "r.jsonl")
    plans = [Plan("planted", VIVID, make)]
    thresholds.threshold(plans, READING, again, settings="s", thresholds=[0.2])
    assert set(again.found) == known
    with pytest.raises(AssertionError):
        thresholds.threshold(plans, READING, again, settings="s", thresholds=[0.2, 0.3])


# --- thresholds -----------------------------------------------------------------------------------


def test_a_larger_threshold_never_needs_more_concepts_and_is_reached() -> None:
    several = Trial(
        "planted",
        (VIVID,),
        tuple(model({w: k / (1 + i) for i, w in enumerate(WORDS[:6])}) for k in (1, 2, 3)),
    )
    steps = (0.02, 0.1, 0.2, 0.4, 0.6)
    given: dict[str, Any] = {"thresholds": steps, "e_ortho": [math.inf]}
    found = run(thresholds.threshold, several, READING, **given)
    ordered = [found[f"e_decomp {e:g}, e_ortho inf"] for e in steps]
    concepts = [row["concepts"] for row in ordered]
    assert concepts == sorted(concepts, reverse=True)
    assert concepts[0] > concepts[-1]
    residuals = [row["residual"] for row in ordered]
    assert residuals == sorted(residuals)
    assert all(left <= e for left, e in zip(residuals, steps, strict=True))


def test_no_overlap_allowed_keeps_one_concept_and_any_overlap_all_that_are_needed() -> None:
    trial = Trial("planted", (VIVID,), (model(dict.fromkeys(WORDS[:4], 1.0)),) * 2)
    found = run(thresholds.orthogonality, trial, READING, thresholds=(1e-9, math.inf))
    assert found["e_ortho 1e-09"]["concepts"] == 1
    assert found["e_ortho inf"]["concepts"] > 1
    assert found["e_ortho inf"]["residual"] <= 0.2


# --- samples --------------------------------------------------------------------------------------


def test_the_cosine_error_falls_as_one_over_n_and_is_what_the_estimate_says() -> None:
    N, noise = 800, 0.3
    trial = Trial("planted", (VIVID,), (model({VIVID: 1}, N, noise),))
    found = run(samples.samples, trial, counts=(10, 40, 160), draws=60)
    for n in (10, 40, 160):
        row = found[f"n = {n}"]
        # the noise across V, of D - 1 directions: E tan² of each side's angle, halved
        closed = noise**2 * (D - 1) * (1 / n + 1 / (N - n)) / 2
        assert row["cosine error"] == pytest.approx(closed, rel=0.15)
        assert row["estimated, both sides"] == pytest.approx(closed, rel=0.15)
        assert row["estimated"] < row["estimated, both sides"]
    ratio = found["n = 10"]["estimated"] / found["n = 40"]["estimated"]
    assert ratio == pytest.approx(4, rel=0.2)


def test_a_count_needs_as_many_others_and_no_difference_has_no_direction() -> None:
    trial = Trial("planted", (VIVID,), (model({VIVID: 1}, 30, 0.1),))
    assert set(run(samples.samples, trial, counts=(10, 15, 20))) == {"n = 10", "n = 15"}
    same = Trial("planted", (VIVID,), (model({VIVID: 0}, 30),))
    assert run(samples.samples, same, counts=(10,)) == {}


# --- wordings -------------------------------------------------------------------------------------


def test_templates_that_say_the_same_to_the_encoder_explain_the_same() -> None:
    texts = ("{prompt}, {concept}", "{concept}, {prompt}", "{prompt} {concept}")
    found = run(
        wordings.templates,
        ladder(noise=0.05),
        READING,
        texts=texts,
        decompositions=("paper",),
        prompts=2,
    )
    first, second, third = (found[f"paper, {text}, 2 prompts"] for text in texts)
    assert first == pytest.approx(second, abs=1e-5)
    assert first["alignment"] > 0.9
    # one piece with the prompt is another text altogether
    assert abs(third["alignment"]) < 0.6


def test_what_a_vlm_names_is_the_pool_and_every_instruction_is_asked() -> None:
    asked: list[str] = []

    def answer(question: Any) -> str:
        asked.append(question.parts[-1])
        right = "Summarize" in question.parts[-1]  # the original instruction alone
        return json.dumps({"more": ["colourful" if right else "foggy"], "less": []})

    reading = Reading(READING.measure, (), Scripted(answer))
    found = run(
        wordings.instructions,
        ladder(),
        reading,
        asked=("original", "condensed"),
        rounds=2,
        at_once=2,
    )
    assert len(set(asked)) == 2
    assert found["subspace, original"]["proposed"] == 1
    assert found["subspace, condensed"]["proposed"] == 0
    assert found["subspace, condensed"]["proposals"] == 1
    assert found["subspace, condensed"]["rank error, by effect"] == 0
    with pytest.raises(PrerequisiteError, match="--vlm"):
        wordings.instructions([], READING, Results(None), settings="s")


# --- parts ----------------------------------------------------------------------------------------


def test_every_direction_unwhitened_and_nothing_selected_is_plain_least_squares() -> None:
    way = ways.Way(parts.LeastSquares(ridge=0.0), READING, rank=D, whitened=False)
    one = model({VIVID: 1.0, WORDS[3]: -0.5}, noise=0.5)
    F = np.array([ENCODER.piece(word) for word in WORDS])
    plain = np.linalg.lstsq(F.T, one.rows.mean(axis=0), rcond=None)[0]
    scores = way.say(one, [VIVID], 0).scores
    expected = dict(zip(WORDS, plain * np.linalg.norm(F, axis=1), strict=True))
    assert scores == pytest.approx(expected, abs=1e-4)


def test_least_squares_says_what_it_leaves_and_keeps_the_largest() -> None:
    rng = np.random.default_rng(0)
    F, V = rng.normal(size=(5, D)), rng.normal(size=D)
    F[4] = 0
    all_ = parts.LeastSquares(ridge=0).fit(V, F, "abcde")
    assert set(all_.kept) == {0, 1, 2, 3}
    assert all_.residual == pytest.approx(residual(V, F, all_.kept, all_.w))
    two = parts.LeastSquares(ridge=0).fit(V, F, "abcde", limit=2)
    assert (two.kept, two.w.tolist()) == (all_.kept[:2], all_.w[:2].tolist())
    assert len(two.dropped) == 3
    mask = parts.LeastSquares(ridge=0).reselect(V[None], F, 2)
    assert np.flatnonzero(mask[0]).tolist() == sorted(two.kept)


def test_without_exchange_what_lies_between_two_concepts_keeps_one_of_them_out() -> None:
    a, b, c = np.eye(3)
    between = 0.9 * (a + b) / math.sqrt(2) + math.sqrt(1 - 0.81) * c
    F, V = np.array([between, a, b]), a + b
    open_ = {"e_ortho": math.inf, "ridge": 0.0}
    exchanged = Sparse(**open_).fit(V, F, "sab", limit=2)  # type: ignore[arg-type]
    stayed = Sparse(**open_, exchange=False).fit(V, F, "sab", limit=2)  # type: ignore[arg-type]
    assert set(exchanged.kept) == {1, 2}
    assert exchanged.residual == pytest.approx(0, abs=1e-9)
    assert 0 in stayed.kept
    assert stayed.residual > 0.1


def test_non_negative_finds_no_less_of_anything() -> None:
    one = model({VIVID: 1.0, WORDS[3]: -1.0}, 12, 0.05)
    both = ways.Way(Sparse(), READING, rank=D).say(one, [VIVID], 0).scores
    more = ways.Way(parts.MoreOnly(), READING, rank=D).say(one, [VIVID], 0).scores
    assert both[WORDS[3]] < 0 < both[VIVID]
    assert WORDS[3] not in more
    assert min(more.values()) > 0
    F = np.array([ENCODER.piece(word) for word in WORDS[:2]])
    none = parts.MoreOnly().fit(-F.sum(axis=0), F, WORDS[:2])
    assert (none.kept, none.confirmed, none.residual, len(none.dropped)) == ((), False, 1.0, 2)


def test_ends_that_are_switched_off_are_not_looked_at() -> None:
    rng = np.random.default_rng(1)
    F, V = rng.normal(size=(8, D)), rng.normal(size=D)
    halves = [(rng.normal(size=D), rng.normal(size=D)) for _ in range(10)]
    unrelated = np.tile(V, (5, 1))  # as well aligned as can be: ends everything
    given: dict[str, Any] = {"halves": halves, "unrelated": unrelated}
    assert not parts.Partly().fit(V, F, "abcdefgh", **given).confirmed
    neither = parts.Partly(held_out=False, ahead=False).fit(V, F, "abcdefgh", **given)
    plain = Sparse().fit(V, F, "abcdefgh")
    assert (neither.kept, neither.confirmed) == (plain.kept, plain.confirmed)
    assert neither.confirmed
    one = parts.Partly(ahead=False).fit(V, F, "abcdefgh", **given)
    assert one.kept == Sparse().fit(V, F, "abcdefgh", halves=halves).kept


def test_every_part_has_a_row_and_stopping_rules_spare_false_aspects() -> None:
    chosen = ("subspace", "without either end", "without sparsity", "paper", "nnls")
    found = run(parts.parts, ladder(2, n=14, noise=0.3), READING, rows=chosen, draws=10)
    assert tuple(found) == chosen
    assert set(parts.ways_of(READING)) > set(chosen)
    for measure in (null.PERMUTED, null.SPLIT):
        false = {row: measures[measure] for row, measures in found.items()}
        assert false["without sparsity"] == len(WORDS)
        assert false["subspace"] < 1 < false["without either end"]
    assert found["subspace"]["rank error"] == 0


def test_no_difference_is_made_of_one_without_it() -> None:
    one = model({VIVID: 5.0}, 16, 0.1)
    drawn = null.nothing(one, 300, 0)
    pairs = np.array(drawn[null.PERMUTED])
    centred = one.rows - one.rows.mean(axis=0)
    assert np.abs(pairs) == pytest.approx(np.broadcast_to(np.abs(centred), pairs.shape))
    assert np.linalg.norm(pairs.mean(axis=(0, 1))) < 0.02  # V_div is 5 long
    half = drawn[null.SPLIT][0]
    assert half.shape == (8, D)
    assert null.SPLIT not in null.nothing(model({VIVID: 1.0}, 8), 1, 0)
    pool = {tuple(np.round(x - y, 9)) for x in one.before for y in one.before}
    assert all(tuple(np.round(row, 9)) in pool for row in half)


# --- directions, stopping -------------------------------------------------------------------------


def test_all_directions_leave_nothing_and_fewer_only_see_a_part() -> None:
    trial = ladder(noise=0.02)
    found = run(directions.directions, trial, READING, ranks=(2, D), floors=(1e-3, 3.0))
    assert set(found) == {"K 2, ε 0.001", "K 2, ε 3", f"K {D}, ε 0.001", f"K {D}, ε 3"}
    assert found[f"K {D}, ε 3"]["hit@1"] == 1
    assert found[f"K {D}, ε 3"]["rank error"] == 0
    two = ways.Way(Sparse(), READING, rank=2)
    assert two.vectors.shape == (len(WORDS), 2)
    assert two.alignment(trial) <= 1 + 1e-9


def test_the_package_itself_works_in_the_space_of_a_way_without_parameters() -> None:
    way = ways.Way(Sparse(), READING)
    assert way.subspace.matrix == pytest.approx(READING.measure.frame.subspace.matrix)


def test_stricter_readings_are_parts_of_laxer_ones() -> None:
    found = run(
        stopping.stopping,
        ladder(2, n=14, noise=0.1),
        READING,
        decompositions=("subspace", "paper"),
        draws=4,
    )
    for kind in ("subspace", "paper"):
        ordered = [found[f"{kind}, {rule}"] for rule in stopping.RULES]
        for measure in ("concepts", null.PERMUTED, null.SPLIT):
            counts = [row[measure] for row in ordered]
            assert counts == sorted(counts, reverse=True)
        assert ordered[0]["hit@1"] == 1
        assert ordered[-1]["rank error"] == 0
    assert found["subspace, all kept"][null.PERMUTED] >= 1  # the best guess is always listed
    assert found["subspace, significant"][null.PERMUTED] == 0


# --- encoders, ideals -----------------------------------------------------------------------------


def test_each_encoder_has_its_rows_and_its_properties_once() -> None:
    loaded: list[str] = []

    def load(name: str) -> Adding:
        loaded.append(name)
        return Adding(name)

    results = Results(None)
    given: dict[str, Any] = {
        "settings": "s",
        "load": load,
        "pictures": [Image.new("RGB", (16, 16), (200, 120, 60))],
    }
    trial = ladder(noise=0.05)
    for _ in range(2):
        encoders.encoders(lambda _: [plan_of(trial)], ["one", "two"], READING, results, **given)
        known = len(results.found)
    found = table(results)
    assert known == len(results.found) == sum(len(measures) for measures in found.values())
    assert set(found) == {"one", "two", "subspace, one", "subspace, two"}
    assert found["subspace, one"]["rank error, by effect"] == 0
    assert found["subspace, one"]["alignment with the models"] > 0.9
    assert found["one"]["orthogonality"] == pytest.approx(0, abs=0.05)
    assert {"linearity", "alignment", "alignment of other words"} < set(found["one"])


def photographs(n: int) -> ImageSet:
    rng = np.random.default_rng(0)
    arrays = rng.integers(60, 200, (n, 16, 16, 3), dtype=np.uint8)
    return images_from([Image.fromarray(array) for array in arrays], "photographs")


@dataclass(frozen=True)
class Slanted:
    """Redder whatever is asked for, and so much of a change across that: greener, less blue."""

    across: float
    kind: str = "planted"

    @property
    def name(self) -> str:
        return f"{self.across:g}"

    def pictures(self, concept: str, seed: int) -> tuple[list[Image.Image], list[Image.Image]]:
        assert (concept, seed) in {(c, z) for c in COLOURS for z in (0, 1)}
        change = 30 * np.array([2, -1, -1]) + 30 * self.across * np.array([0, 1, -1])
        sides = ([100, 100, 100], np.array([100, 100, 100]) + change)
        plain, changed = (Image.fromarray(np.full((4, 4, 3), c, np.uint8)) for c in sides)
        return [plain] * 2, [changed] * 2


def test_alignment_is_the_cosine_with_what_the_ideal_makes() -> None:
    results = Results(None)
    given: dict[str, Any] = {"settings": "s", "seeds": (0, 1)}
    graded = [Slanted(across) for across in (0.0, 1.0, 2.0)]
    ideals.ideal(graded, COLOURS, READING.measure, results, **given)
    for r in results.found.values():
        q = float(r.row)
        products = {"red": 6, "green": 3 * q - 3, "blue": -3 * q - 3}
        turned = {c: x / math.sqrt(6 * (6 + 2 * q**2)) for c, x in products.items()}
        own = turned[r.trial]
        others = (sum(turned.values()) - own) / 2
        expected = own if r.measure == "alignment" else others
        assert r.value == pytest.approx(expected, abs=1e-5)
    known = len(results.found)
    ideals.ideal(graded, COLOURS, READING.measure, results, **given)
    assert len(results.found) == known == 3 * 3 * 2 * 2


def test_a_grade_misunderstands_and_adds_noise_as_often_and_as_much_as_it_says() -> None:
    base = photographs(8)
    quality = ideals.Quality("half", 0.5, 0.75, 0.0)
    plain, changed = ideals.Degraded(base, quality).pictures("inverted colours", 3)
    assert [p.tobytes() for p in plain] == [p.open().tobytes() for p in base.pictures]
    rng = np.random.default_rng(0)
    right = [
        apply(before, "negative", 0.5, rng).tobytes() == after.tobytes()
        for before, after in zip(plain, changed, strict=True)
    ]
    assert sum(right) == 6
    grey = images_from([Image.new("RGB", (64, 64), (128, 128, 128))], "grey")
    noisy, _ = ideals.Degraded(grey, ideals.Quality("", 1.0, 1.0, 0.05)).pictures("sepia", 0)
    assert np.asarray(noisy[0], float).std() / 255 == pytest.approx(0.05, rel=0.05)
    with pytest.raises(UsageError, match="No image operator is called 'happiness'"):
        ideals.Degraded(grey, quality).pictures("happiness", 0)


@dataclass
class Painter:
    """Paints what the words after the comma say."""

    name: str = "painter"
    kind: str = "diffusers"
    digest: str = "d"
    batch: int = 2
    seeded: bool = True
    prompted: bool = True
    notice: None = None
    made: int = 0

    def record(self) -> Mapping[str, Any]:
        return {}

    def make(self, jobs: Sequence[Job]) -> list[Made]:
        self.made += len(jobs)
        found = []
        for job in jobs:
            rng = np.random.default_rng(job.seed)
            array = rng.integers(90, 110, (8, 8, 3), dtype=np.uint8)
            array[..., 0] += 100 * job.prompt.endswith(", red")
            found.append(Made(Image.fromarray(array)))
        return found


def test_a_generator_is_held_against_words_and_makes_nothing_twice(tmp_path: Path) -> None:
    painter = Painter()
    results = Results(None)
    model_ = ideals.Generated(painter, ("a cat", "a dog"), (0, 1), tmp_path)
    ideals.ideal([model_], ["red"], READING.measure, results, settings="s")
    (found,) = results.found.values()
    assert (found.row, found.trial, found.measure) == ("painter", "red", "alignment")
    assert found.value == pytest.approx(math.sqrt(2 / 3), abs=0.01)  # red alone, and red - grey
    assert painter.made == 8
    ideals.ideal([model_], ["red"], READING.measure, Results(None), settings="s")
    assert painter.made == 8
