"""What the templates of a person's taste are given, worked out in the order of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finexl.cache import key_of
from finexl.viper.profile import Comment, Correction, Evidence, Preference, Profile
from finexl.web.taste.sets import PictureSet

EVIDENCE = 3
"""Pieces of evidence that are shown of one attribute."""
AT_FIRST = 40
"""Attributes of a list that are shown before the rest is asked for."""
WORDS = 300
"""Characters of quoted words."""


@dataclass(frozen=True)
class Quote:
    """Where a preference comes from, as it is shown."""

    words: str
    opinion: str
    comment: int
    """From 1, as people count."""
    picture: str | None
    src: str | None
    """The address of its picture, where that is at hand."""
    seen: bool


@dataclass(frozen=True)
class Row:
    """An attribute of the profile."""

    key: str
    """Of its own, for the page's ids."""
    attribute: str
    category: str | None
    weight: float
    quotes: tuple[Quote, ...]
    more: int
    """Pieces of evidence beyond those."""
    mine: str | None
    """What the person changed about it."""


@dataclass(frozen=True)
class Listed:
    """One of a profile's lists."""

    name: str
    heading: str
    about: str
    rows: tuple[Row, ...]
    rest: tuple[Row, ...]
    other: str | None
    """The list that an attribute may be moved to."""


@dataclass(frozen=True)
class Field:
    """A place for one comment."""

    id: str
    number: str
    """Of the comment that it holds already; "" where it is a new one."""
    picture: str
    """The number of the picture in its set; "" where it is about none of them."""
    text: str
    label: str
    src: str | None = None
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class Told:
    """What steering did at one degree: attributes by what can be said of them."""

    degree: float
    groups: tuple[tuple[str, tuple[Mapping[str, Any], ...]], ...]
    others: tuple[Mapping[str, Any], ...]
    residual: float | None


def lists_of(profile: Profile, addresses: Mapping[str, str]) -> tuple[Listed, ...]:
    """Return a profile's three lists.

    Args:
        profile: whose.
        addresses: of small pictures, by digest.
    """
    found = _Sources(profile, addresses)
    told = (
        ("liked", "Liked", "More of it, please.", profile.liked, "disliked"),
        ("disliked", "Disliked", "Less of it, please.", profile.disliked, "liked"),
        ("mixed", "Mixed", "Liked here and disliked there: it steers nothing until you say which.",
         profile.mixed, None),
    )  # fmt: skip
    return tuple(
        Listed(
            name,
            heading,
            about,
            tuple(found.row(one) for one in preferences[:AT_FIRST]),
            tuple(found.row(one) for one in preferences[AT_FIRST:]),
            other,
        )
        for name, heading, about, preferences, other in told
    )


def removed_of(profile: Profile) -> tuple[Correction, ...]:
    """Return what the person took out."""
    return tuple(one for one in profile.corrections if one.opinion is None)


class _Sources:
    """A profile's corrections and pictures, to look up."""

    def __init__(self, profile: Profile, addresses: Mapping[str, str]) -> None:
        self.corrections = {one.attribute.casefold(): one for one in profile.corrections}
        self.digests = {one.name: one.digest for one in profile.pictures}
        self.addresses = addresses

    def row(self, one: Preference) -> Row:
        mine = self.corrections.get(one.attribute.casefold())
        return Row(
            key_of(one.attribute)[:10],
            one.attribute,
            one.category,
            one.confidence,
            tuple(self._quote(e) for e in one.evidence[:EVIDENCE]),
            max(0, len(one.evidence) - EVIDENCE),
            None if mine is None else _changed(mine),
        )

    def _quote(self, one: Evidence) -> Quote:
        digest = self.digests.get(one.picture or "", one.picture or "")
        words = one.words if len(one.words) <= WORDS else one.words[:WORDS] + "…"
        src = self.addresses.get(digest)
        return Quote(words, one.opinion, one.comment + 1, one.picture, src, one.seen)


def _changed(one: Correction) -> str:
    if one.found is None or one.found_as is None:
        return "added by you"
    sure = f"{one.found.confidence:.2f}"
    if one.found_as == one.opinion:
        return f"weight set by you; found with {sure}"
    return f"moved here by you; found as {one.found_as} with {sure}"


def about_pictures(
    profile: Profile, shown: PictureSet, start: int, end: int
) -> tuple[list[Field], set[int]]:
    """Return a field for each of a set's pictures, and the comments that are in them."""
    digests = {one.name: one.digest for one in profile.pictures}
    first: dict[str, int] = {}
    for number, comment in enumerate(profile.comments):
        if comment.picture is not None:
            first.setdefault(digests.get(comment.picture, comment.picture), number)
    fields, taken = [], set()
    for i, picture in list(enumerate(shown.pictures))[start:end]:
        said = first.get(picture.digest, first.get(picture.name))
        if said is not None:
            taken.add(said)
        fields.append(
            Field(
                f"picture-{i}",
                "" if said is None else str(said),
                str(i),
                "" if said is None else profile.comments[said].text,
                picture.name,
                f"/sets/{shown.id}/{i}.webp",
                picture.width,
                picture.height,
            )
        )
    return fields, taken


def about_others(numbers: Sequence[int], comments: Sequence[Comment]) -> list[Field]:
    """Return fields for comments that no shown picture has, by their numbers."""
    return [
        Field(
            f"comment-{number}",
            str(number),
            "",
            comments[number].text,
            f"Comment {number + 1}, "
            + (
                f"about {comments[number].picture}"
                if comments[number].picture
                else "about no picture"
            ),
        )
        for number in numbers
    ]


def told_of(verification: Mapping[str, Any]) -> tuple[Told, ...]:
    """Return a verification degree by degree, its attributes by what can be told of them."""
    found = []
    for one in verification["degrees"]:
        headings = {
            (1, "as wished"): "Liked, and went up",
            (-1, "as wished"): "Disliked, and went down",
            (1, "against the wish"): "Liked, and went down: against the wish",
            (-1, "against the wish"): "Disliked, and went up: against the wish",
        }
        groups = [
            (heading, tuple(m for m in one["attributes"] if (m["wished"], m["verdict"]) == key))
            for key, heading in headings.items()
        ]
        untold = tuple(m for m in one["attributes"] if m["verdict"] == "not told")
        groups.append(("Not told: too little, or unrelated words move as far", untold))
        given = tuple((heading, moved) for heading, moved in groups if moved)
        found.append(Told(one["degree"], given, tuple(one["others"]), one["residual"]))
    return tuple(found)
