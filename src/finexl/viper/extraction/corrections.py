"""What a person puts right in their own profile, so that it outlives the next extraction.

A profile's lists are what holds: found, and then corrected. Each correction keeps what was found of
its attribute, so that it can be taken back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from finexl.errors import UsageError
from finexl.viper.attributes import by_text
from finexl.viper.extraction.words import phrase
from finexl.viper.profile import Correction, Listed, Opinion, Preference, Profile

LISTS: tuple[Listed, ...] = ("liked", "disliked", "mixed")
LONGEST = 200
"""Characters of an attribute."""
MOST = 1_000
"""Corrections of one profile."""


def correct(
    profile: Profile, attribute: str, opinion: Opinion | None, weight: float | None = None
) -> Profile:
    """Return the profile with an attribute where the person says it belongs.

    Args:
        profile: is not changed.
        attribute: in the lists already, in another spelling perhaps, or new.
        opinion: None takes it out.
        weight: in (0, 1]; None: as sure as it was found, or 1 where nothing found it.

    Raises:
        UsageError: no attribute, a weight outside (0, 1], or too many corrections.
    """
    attribute = " ".join(attribute.split())
    if len(attribute) > LONGEST or any("\ud800" <= letter <= "\udfff" for letter in attribute):
        raise UsageError(f"An attribute is a few words, of at most {LONGEST} characters.")
    before = as_found(profile)
    place = _find([one.attribute for one in before.corrections], attribute)
    others = [one for i, one in enumerate(before.corrections) if i != place]
    if place is not None:
        attribute = before.corrections[place].attribute
    if len(others) >= MOST:
        raise UsageError(f"The profile {profile.name} has {MOST:,} corrections; that is the most.")
    made = Correction(attribute, opinion, weight)
    found = _listed(before, attribute)
    nothing_new = (
        opinion is None
        if found is None
        else opinion == found[0] and weight in (None, round(found[1].confidence, 6))
    )
    kept = others if nothing_new else [*others, made]
    return corrected(replace(before, corrections=tuple(kept)))


def take_back(profile: Profile, attribute: str) -> Profile:
    """Return the profile with an attribute as it was found, or without it where it was not.

    Raises:
        UsageError: it was not corrected.
    """
    before = as_found(profile)
    place = _find([one.attribute for one in before.corrections], attribute)
    if place is None:
        raise UsageError(f"{attribute!r} was not corrected.")
    left = tuple(one for i, one in enumerate(before.corrections) if i != place)
    return corrected(replace(before, corrections=left))


def corrected(profile: Profile) -> Profile:
    """Return a profile whose lists are as an extractor found them with its corrections in them."""
    lists = {name: list(getattr(profile, name)) for name in LISTS}
    made: list[Correction] = []
    for one in profile.corrections:
        found = _listed(profile, one.attribute)
        if found is not None and found[1] in lists[found[0]]:
            lists[found[0]].remove(found[1])
            made.append(replace(one, found_as=found[0], found=found[1]))
        else:
            made.append(replace(one, found_as=None, found=None))
    for one in made:
        if one.opinion is not None:
            lists[one.opinion].append(_preference(one))
    return _sorted(replace(profile, corrections=tuple(made)), lists)


def as_found(profile: Profile) -> Profile:
    """Return a corrected profile with its lists as they were found; what `corrected` turns back."""
    mine = {one.attribute.casefold() for one in profile.corrections}
    lists = {
        name: [one for one in getattr(profile, name) if one.attribute.casefold() not in mine]
        for name in LISTS
    }
    for one in profile.corrections:
        if one.found_as is not None and one.found is not None:
            lists[one.found_as].append(one.found)
    plain = tuple(replace(one, found_as=None, found=None) for one in profile.corrections)
    return _sorted(replace(profile, corrections=plain), lists)


def _preference(one: Correction) -> Preference:
    if one.found is not None:
        sure = one.found.confidence if one.weight is None else one.weight
        return replace(one.found, attribute=one.attribute, confidence=sure)
    known = by_text().get(one.attribute.casefold())
    category = None if known is None else known.category
    return Preference(one.attribute, category, one.weight or 1.0, ())


def _listed(profile: Profile, attribute: str) -> tuple[Listed, Preference] | None:
    """Return where an attribute is, and as what."""
    each = [(name, one) for name in LISTS for one in getattr(profile, name)]
    place = _find([one.attribute for _, one in each], attribute)
    return None if place is None else each[place]


def _find(attributes: Sequence[str], attribute: str) -> int | None:
    """Return the place of an attribute: letter for letter, or else in another spelling."""
    same, alike = attribute.casefold(), phrase(attribute)
    exact = [i for i, one in enumerate(attributes) if one.casefold() == same]
    near = [i for i, one in enumerate(attributes) if alike and phrase(one) == alike]
    return next(iter((*exact, *near)), None)


def _sorted(profile: Profile, lists: dict[Listed, list[Preference]]) -> Profile:
    """Return the profile with these lists, the surest first."""
    sure = {
        name: tuple(sorted(listed, key=lambda one: (-one.confidence, one.attribute)))
        for name, listed in lists.items()
    }
    return replace(profile, liked=sure["liked"], disliked=sure["disliked"], mixed=sure["mixed"])
