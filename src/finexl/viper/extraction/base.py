"""What an extractor is: comments and pictures in, VP+ and VP− and their evidence out (§3.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Protocol

from finexl.errors import UsageError
from finexl.images import Picture
from finexl.imageset import listed
from finexl.viper.extraction.corrections import corrected
from finexl.viper.extraction.words import phrase
from finexl.viper.profile import Comment, Evidence, Opinion, Preference, Profile

LESSER = 1 / 3
"""An attribute is mixed where the smaller of praise and blame is this part of the larger."""


@dataclass(frozen=True)
class Finding:
    """One comment's opinion of one attribute."""

    attribute: str
    category: str | None
    opinion: Opinion
    confidence: float
    """In (0, 1]."""
    comment: int
    words: str
    """Quoted from the readable comment; empty where nobody knows which words."""
    picture: str | None = None
    seen: bool = False
    """Read off the picture: the comment names no attribute."""


@dataclass(frozen=True)
class Extracted:
    """VP+ and VP−, what is in neither since it is in both, and what could not be read."""

    liked: tuple[Preference, ...]
    disliked: tuple[Preference, ...]
    mixed: tuple[Preference, ...]
    notes: tuple[str, ...] = ()


class Extractor(Protocol):
    """Finds what somebody likes and dislikes in what they said about pictures."""

    @property
    def name(self) -> str:
        """What a profile records: which extractor, and which model of it."""
        ...

    def extract(self, comments: Sequence[Comment], pictures: Mapping[str, Picture]) -> Extracted:
        """Return the preferences in comments.

        Args:
            comments: of one person, in the profile's order.
            pictures: by file name and by digest; comments on others are read without looking.

        Raises:
            FinexlError: the extractor cannot work at all. A comment or a picture that cannot be
                read is a note instead.
        """
        ...


def read_into(
    profile: Profile, extractor: Extractor, pictures: Mapping[str, Picture] = MappingProxyType({})
) -> Profile:
    """Return a profile with the preferences that an extractor finds in all of its comments.

    What was found before is replaced; comments are kept as they are, and what the person corrected
    themselves holds.

    Args:
        profile: whose comments are read.
        extractor: reads them.
        pictures: by name and by digest; one that was renamed is known by its digest.

    Raises:
        UsageError: the profile has no comments.
        FinexlError: as the extractor.
    """
    if not profile.comments:
        raise UsageError(
            f"The profile {profile.name} has no comments; `finexl viper comment` adds some."
        )
    digests = {one.name: one.digest for one in profile.pictures}
    named = dict.fromkeys(c.picture for c in profile.comments if c.picture is not None)
    there: dict[str, Picture] = {}
    for name in named:
        picture = pictures.get(digests.get(name, name)) or pictures.get(name)
        if picture is not None:
            there[name] = picture
    found = extractor.extract(profile.comments, there)
    notes = found.notes
    missing = [name for name in named if name not in there]
    if missing:
        notes = (f"Pictures that are not there were not looked at: {listed(missing)}.", *notes)
    return corrected(
        replace(
            profile,
            liked=found.liked,
            disliked=found.disliked,
            mixed=found.mixed,
            extractor=extractor.name,
            notes=notes,
        )
    )


def merged(findings: Iterable[Finding], notes: Sequence[str] = ()) -> Extracted:
    """Return findings attribute by attribute, the surest first.

    What is said decides; what was only seen decides where nothing is said. Repeated evidence adds
    up as independent chances do. Praise and blame of about the same weight make an attribute mixed;
    evidence to the contrary is listed in any case.
    """
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for finding in findings:
        groups.setdefault(phrase(finding.attribute), []).append(finding)
    found: dict[str, list[Preference]] = {"liked": [], "disliked": [], "mixed": []}
    for same in groups.values():
        kind, preference = _preference(same)
        found[kind].append(preference)
    for preferences in found.values():
        preferences.sort(key=lambda one: (-one.confidence, one.attribute))
    liked, disliked, mixed = (tuple(found[kind]) for kind in ("liked", "disliked", "mixed"))
    return Extracted(liked, disliked, mixed, (*notes, *_one_sided(liked, disliked, mixed)))


def _one_sided(
    liked: Sequence[Preference], disliked: Sequence[Preference], mixed: Sequence[Preference]
) -> list[str]:
    """Return what a person could say more about."""
    if not (liked or disliked or mixed):
        return ["No preference was found: say what you like or dislike in a picture, and why."]
    if not (disliked or mixed):
        return ["Nothing disliked was found: say of a few pictures what puts you off."]
    if not (liked or mixed):
        return ["Nothing liked was found: say of a few pictures what you enjoy."]
    return []


def _preference(same: Sequence[Finding]) -> tuple[str, Preference]:
    counted = [one for one in same if not one.seen] or list(same)
    weights = {
        opinion: sum(one.confidence for one in counted if one.opinion == opinion)
        for opinion in ("liked", "disliked")
    }
    larger = max(weights, key=lambda opinion: weights[opinion])
    smaller = "disliked" if larger == "liked" else "liked"
    mixed = weights[smaller] >= LESSER * weights[larger]
    sure = {kind: _together(counted, kind) for kind in weights}
    confidence = sure[smaller] if mixed else sure[larger] * (1 - 0.5 * sure[smaller])
    evidence = tuple(
        dict.fromkeys(
            Evidence(one.comment, one.words, one.opinion, one.picture, one.seen)
            for one in same
            if one.words
        )
    )
    first = same[0]
    return "mixed" if mixed else larger, Preference(
        first.attribute, first.category, round(confidence, 4), evidence
    )


def _together(findings: Sequence[Finding], opinion: str) -> float:
    """Return the chance that one of them at least is right, were they independent."""
    wrong = 1.0
    for one in findings:
        if one.opinion == opinion:
            wrong *= 1 - one.confidence
    return min(1 - wrong, 0.99)
