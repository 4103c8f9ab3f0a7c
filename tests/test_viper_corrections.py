"""What people put right in their profile: it outlives extractions, and can be taken back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pytest

from finexl.errors import UsageError
from finexl.images import Picture
from finexl.viper.comments import revised
from finexl.viper.extraction import Extracted, Offline, read_into
from finexl.viper.extraction.corrections import MOST, as_found, correct, corrected, take_back
from finexl.viper.profile import (
    Comment,
    Correction,
    Evidence,
    Opinion,
    PictureId,
    Preference,
    Profile,
)
from finexl.viper.ranking import wishes_of
from finexl.viper.taste import taste_of


def preference(attribute: str, sure: float, *comments: int) -> Preference:
    """Return a liked attribute that these comments speak of."""
    evidence = tuple(Evidence(number, attribute, "liked", "a.png") for number in comments)
    return Preference(attribute, None, sure, evidence)


LINES = preference("flowing lines", 0.9, 0, 1)
NEON = preference("neon", 0.6, 1)
GLOOM = preference("gloomy mood", 0.3, 2)
FOUND = Profile(
    "Ada",
    tuple(Comment(f"comment {i}", "a.png") for i in range(3)),
    (LINES,),
    (NEON,),
    (GLOOM,),
    "a stand-in",
    (PictureId("a.png", "00"),),
)


@dataclass(frozen=True)
class StandIn:
    """Finds what it is told to."""

    found: Profile = FOUND
    name: str = "a stand-in"

    def extract(self, _: Sequence[Comment], __: Mapping[str, Picture]) -> Extracted:
        return Extracted(self.found.liked, self.found.disliked, self.found.mixed)


def names(profile: Profile) -> tuple[list[str], list[str], list[str]]:
    lists = (profile.liked, profile.disliked, profile.mixed)
    return tuple([one.attribute for one in listed] for listed in lists)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("attribute", "opinion", "weight", "after"),
    [
        ("neon", "liked", None, (["flowing lines", "neon"], [], ["gloomy mood"])),
        ("neon", None, None, (["flowing lines"], [], ["gloomy mood"])),
        ("gloomy mood", "disliked", 1.0, (["flowing lines"], ["gloomy mood", "neon"], [])),
        ("vivid", "liked", 0.95, (["vivid", "flowing lines"], ["neon"], ["gloomy mood"])),
        ("flowing lines", "liked", 0.1, (["flowing lines"], ["neon"], ["gloomy mood"])),
    ],
)
def test_a_correction_holds_and_outlives_an_extraction_and_can_be_taken_back(
    attribute: str,
    opinion: Opinion | None,
    weight: float | None,
    after: tuple[list[str], list[str], list[str]],
) -> None:
    found = correct(FOUND, attribute, opinion, weight)
    assert names(found) == after
    again = read_into(found, StandIn())
    assert replace(again, notes=()) == found
    assert Profile.from_json(found.to_json()) == found
    assert take_back(found, attribute.upper()) == FOUND


def test_weights_are_the_persons_and_evidence_stays() -> None:
    found = correct(FOUND, "neon", "liked", 0.25)
    moved = found.liked[1]
    assert (moved.attribute, moved.confidence, moved.evidence) == ("neon", 0.25, NEON.evidence)
    assert correct(FOUND, "neon", "liked").liked[1].confidence == NEON.confidence
    assert correct(FOUND, "vibrant colors", "liked").liked[0] == Preference(
        "vibrant colors", "colour palette", 1.0, ()
    )
    assert taste_of(found).liked == (("flowing lines", 0.9), ("neon", 0.25))
    assert [(w.concept, w.direction, w.weight) for w in wishes_of(found)] == [
        ("flowing lines", 1, 0.9),
        ("neon", 1, 0.25),
    ]


def test_another_spelling_is_the_same_attribute() -> None:
    found = correct(FOUND, " Flowing  line ", None)
    assert names(found)[0] == []
    assert names(correct(found, "flowing lines", "disliked"))[:2] == ([], ["Flowing line", "neon"])
    later = replace(FOUND, liked=(replace(LINES, attribute="Flowing Lines"),))
    assert names(read_into(found, StandIn(later)))[0] == []


def test_what_says_nothing_new_is_no_correction() -> None:
    for opinion, weight in (("liked", None), ("liked", 0.9)):
        assert correct(FOUND, "flowing lines", opinion, weight) == FOUND  # type: ignore[arg-type]
    assert correct(FOUND, "never heard of", None) == FOUND
    moved = correct(FOUND, "neon", "liked")
    assert correct(moved, "neon", "disliked") == FOUND


def test_a_file_without_corrections_is_what_it_was_before_there_were_any() -> None:
    assert "corrections" not in json.loads(FOUND.to_json())
    assert Profile.from_json(FOUND.to_json()) == FOUND
    kept = correct(FOUND, "neon", "liked").without_comments()
    assert kept.corrections == ()
    assert names(kept) == (["flowing lines", "neon"], [], ["gloomy mood"])


def test_corrections_that_cannot_be_are_refused() -> None:
    for attribute, weight in (("", None), ("x" * 201, None), ("a\ud800", None), ("a", 0.0),
                              ("a", 1.5), ("a", float("nan"))):  # fmt: skip
        with pytest.raises(UsageError):
            correct(FOUND, attribute, "liked", weight)
    with pytest.raises(UsageError, match="not corrected"):
        take_back(FOUND, "neon")
    many = replace(FOUND, corrections=tuple(Correction(f"a{i}", None) for i in range(MOST)))
    with pytest.raises(UsageError, match="that is the most"):
        correct(many, "one more", "liked")
    for wrong in (
        {"corrections": (Correction("a", None), Correction("A", "liked"))},
        {"corrections": (Correction("a", None, None, "liked", preference("a", 0.5, 3)),)},
    ):
        with pytest.raises(UsageError):
            replace(FOUND, **wrong)
    with pytest.raises(UsageError, match="half"):
        Correction("a", None, None, "liked", None)


def test_as_found_and_corrected_turn_each_other_back() -> None:
    found = correct(correct(correct(FOUND, "neon", None), "vivid", "liked"), "gloomy mood", "liked")
    assert corrected(as_found(found)) == found
    assert names(as_found(found)) == names(FOUND)


def test_a_rewritten_comment_takes_with_it_what_rested_on_it_alone() -> None:
    found = revised(FOUND, {1: "something else"})
    assert [one.text for one in found.comments] == ["comment 0", "something else", "comment 2"]
    assert names(found) == (["flowing lines"], [], ["gloomy mood"])
    assert [one.comment for one in found.liked[0].evidence] == [0]
    assert revised(FOUND, {0: "comment 0"}) == FOUND


def test_a_comment_taken_out_moves_the_others_up() -> None:
    found = revised(FOUND, {0: "  ", 1: ""})
    assert [one.text for one in found.comments] == ["comment 2"]
    assert names(found) == ([], [], ["gloomy mood"])
    assert [one.comment for one in found.mixed[0].evidence] == [0]
    assert found.pictures == FOUND.pictures
    assert revised(found, {0: ""}).pictures == ()
    for number in (3, -1):
        with pytest.raises(UsageError, match="no comment"):
            revised(FOUND, {number: "x"})


def test_a_correction_stays_when_its_comment_goes() -> None:
    found = revised(correct(FOUND, "neon", "liked"), {0: "", 1: "", 2: ""})
    assert names(found) == (["neon"], [], [])
    assert found.liked[0].evidence == ()
    assert take_back(found, "neon").liked == ()


def test_corrections_hold_through_the_rules_own_extraction() -> None:
    said = Profile("Bob", (Comment("I love the flowing lines. The neon colors are awful."),))
    found = read_into(said, Offline())
    assert (names(found)[0], names(found)[1]) == (["flowing lines"], ["neon colors"])
    mine = correct(correct(found, "neon colors", "liked", 0.5), "misty", "disliked")
    again = read_into(mine, Offline())
    assert again == mine
    assert names(again)[:2] == (["flowing lines", "neon colors"], ["misty"])
