"""A person's taste against explained models: ranking them, and verifying that steering worked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from catalogued import planted, scattered
from conftest import pictures_in
from finexl.catalog import Catalog, Entry, Searcher
from finexl.core import analysis, significance
from finexl.encoders.embedded import Embedded
from finexl.errors import UsageError
from finexl.generators import Job, Made, jobs_of
from finexl.measure import Measure
from finexl.operators import apply
from finexl.viper.agreement import agreement
from finexl.viper.profile import Comment, Evidence, Preference, Profile
from finexl.viper.ranking import rank, wishes_of
from finexl.viper.steering import Viper
from finexl.viper.taste import Taste
from finexl.viper.verifying import Verification, read_degrees, verify


def person(liked: Mapping[str, float], disliked: Mapping[str, float] = {}) -> Profile:
    evidence = (Evidence(0, "x", "liked"),)

    def side(words: Mapping[str, float]) -> tuple[Preference, ...]:
        return tuple(Preference(word, None, sure, evidence) for word, sure in words.items())

    return Profile("Ada", (Comment("x"),), side(liked), side(disliked))


def test_preferences_are_wishes_as_heavy_as_they_are_sure() -> None:
    wishes = wishes_of(person({"grainy": 0.9}, {"blurry": 0.4}))
    assert [(w.concept, w.direction, w.weight) for w in wishes] == [
        ("grainy", 1, 0.9),
        ("blurry", -1, 0.4),
    ]
    with pytest.raises(UsageError, match="no preferences"):
        wishes_of(person({}))


def test_models_are_ranked_by_taste_with_the_weightiest_reason_first(
    tmp_path: Path, encoder: Embedded
) -> None:
    words = ("grainy", "oil painting", "blurry")
    f = dict(zip(words, Measure(encoder, "subspace", (), 0).vectors(words).vectors, strict=True))
    with Catalog.open(tmp_path / "c.db", create=True) as catalog:
        for name, V in (
            ("suits", f["grainy"] - f["blurry"]),
            ("grainy", f["grainy"]),
            ("neither", f["oil painting"]),
            ("repels", f["blurry"] - f["grainy"]),
        ):
            catalog.add(Entry(planted(name, V, encoder, pairs=scattered(V, 9, 0.01, 0))))
        taste = person({"grainy": 0.3}, {"blurry": 1.0})
        found = rank(catalog, taste, Searcher(lambda _: encoder))
    names = [hit.name for hit in found.results]
    assert (names[0], names[-1]) == ("suits", "repels")
    first = found.results[0].reasons[0]
    assert (first.concept, first.agreement > 0) == ("blurry", True)


TASTE = Taste((("colorful", 1.0), ("pixel art", 1.0)), (("black and white", 1.0),))


@dataclass(frozen=True)
class Plain:
    """Makes the example pictures, by prompt, with more colour the higher the degree."""

    degree: float = 0.0
    name: str = "plain"
    kind: str = "fake"
    batch: int = 4
    seeded: bool = True
    prompted: bool = True
    notice: str | None = None

    @property
    def digest(self) -> str:
        return f"{int(self.degree * 100):064d}"

    def record(self) -> dict[str, Any]:
        return {}

    def make(self, jobs: Sequence[Job]) -> list[Made]:
        pictures = pictures_in("base")
        chosen = [pictures[int(job.prompt) % len(pictures)] for job in jobs]
        rng = np.random.default_rng(0)
        return [Made(apply(picture, "saturate", self.degree, rng)) for picture in chosen]


@dataclass(frozen=True)
class Steered(Plain):
    base: Plain = field(default_factory=Plain)
    taste: Taste = TASTE
    called: str = "Ada"


def verified(tmp_path: Path, degrees: Sequence[float], prompts: int) -> Verification:
    jobs = jobs_of([str(i) for i in range(prompts)], [0])
    return verify(cast(Viper, Steered()), degrees, jobs, tmp_path)


def test_steering_that_works_is_seen_to_work(tmp_path: Path) -> None:
    found = verified(tmp_path, (0.8, 0.4), 10)
    assert [one.degree for one in found.degrees] == [0.4, 0.8]
    weak, strong = ({moved.attribute: moved for moved in one.attributes} for one in found.degrees)
    assert strong["colorful"].verdict == "as wished"
    assert strong["black and white"].verdict != "against the wish"
    assert strong["colorful"].effect > weak["colorful"].effect > 0
    assert strong["black and white"].effect < 0
    assert strong["pixel art"].verdict != "as wished"
    assert found.degrees[1].detected
    assert "went up" in " ".join(found.sentences)
    data = found.to_dict()
    assert data["schema"] == "finexl.verification/1"
    assert data["degrees"][1]["attributes"][0]["verdict"] == "as wished"


def test_a_taste_as_a_whole_is_compared_with_its_labels_exchanged() -> None:
    rng = np.random.default_rng(0)
    effects = np.array([3.0, 2.0, 1.0, -1.0, -2.0, -3.0])
    assert agreement(effects, [1, 1, 1, -1, -1, -1], rng) == 1 / 20  # C(6, 3), all counted
    assert agreement(effects, [-1, -1, -1, 1, 1, 1], rng) == 1.0
    assert agreement(effects + 7, [1, 1, 1, -1, -1, -1], rng) == 1 / 20  # all up tells nothing
    assert agreement(np.zeros(6), [1, 1, 1, -1, -1, -1], rng) == 1.0
    assert agreement(effects, [1] * 6, rng) is None
    assert agreement(effects[:4], [1, 1, -1, -1], rng) is None  # C(4, 2) = 6
    many = np.r_[np.ones(20), -np.ones(20)]
    assert agreement(many, [1] * 20 + [-1] * 20, rng) == 1 / 4097  # drawn
    ps = [agreement(rng.normal(size=16), [1, -1] * 8, rng) for _ in range(120)]
    low = sum(p is not None and p <= 0.05 for p in ps)
    assert low <= 14  # of 6; 99.8 % of the binomial


def test_no_attribute_is_told_where_no_difference_is_detected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = verified(tmp_path / "a", (0.8,), 10).degrees[0]
    assert any(one.verdict == "as wished" for one in told.attributes)
    monkeypatch.setattr(analysis, "detect", lambda *_: significance.Detection(1.0, False))
    (one,) = verified(tmp_path / "b", (0.8,), 10).degrees
    assert not one.detected
    assert {moved.verdict for moved in one.attributes} == {"not told"}
    assert one.agreement is None


def test_what_any_change_tells_by_chance_is_said_beside_what_is_told(tmp_path: Path) -> None:
    found = verified(tmp_path, (0.8,), 10)
    assert any("by chance: of these 3, 0.2." in line for line in found.sentences)
    assert found.to_dict()["degrees"][0]["agreement_p"] is None  # C(3, 1) = 3


def test_what_cannot_be_verified_leaves_nothing_behind(tmp_path: Path) -> None:
    for viper, degrees in ((Steered(taste=Taste()), (0.5,)), (Steered(), (0.0,))):
        with pytest.raises(UsageError):
            verify(cast(Viper, viper), degrees, jobs_of(["0"], [0]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_too_few_prompts_tell_nothing(tmp_path: Path) -> None:
    (one,) = verified(tmp_path, (0.8,), 3).degrees
    assert one.detected is None
    assert {moved.verdict for moved in one.attributes} == {"not told"}
    assert {moved.ci for moved in one.attributes} == {None}


def test_what_was_made_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = verified(tmp_path, (0.8,), 7)
    monkeypatch.setattr(Plain, "make", lambda *_: pytest.fail("makes images again"))
    assert verified(tmp_path, (0.8,), 7).to_dict() == first.to_dict()


@pytest.mark.parametrize("text", ["", "0", "1.1", "a", "0.5,", "nan", "-1"])
def test_degrees_are_numbers_above_0_up_to_1(text: str) -> None:
    with pytest.raises(UsageError, match="degrees"):
        read_degrees(text)
    assert read_degrees("0.3, 1") == (0.3, 1.0)
