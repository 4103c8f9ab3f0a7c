"""Explained models ranked by a person's taste: what suits them is what does what they like."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from finexl.catalog import EVERY, Catalog, Filter, Found, Searcher, Wish
from finexl.errors import UsageError
from finexl.viper.profile import Preference, Profile


def wishes_of(
    profile: Profile, weights: Mapping[str, float] = MappingProxyType({})
) -> tuple[Wish, ...]:
    """Return VP+ as wishes for more and VP− as wishes for less, each as heavy as it is sure.

    What somebody feels both ways about is no wish.

    Args:
        profile: whose.
        weights: by attribute, in place of how sure it is; 0 leaves it out.

    Raises:
        UsageError: the profile has no preferences, or every one is left out.
    """
    sides: tuple[tuple[Literal[1, -1], tuple[Preference, ...]], ...] = (
        (1, profile.liked),
        (-1, profile.disliked),
    )
    wishes = [
        Wish(one.attribute, way, weight=weights.get(one.attribute, one.confidence))
        for way, side in sides
        for one in side
    ]
    if not wishes:
        raise UsageError(
            f"The profile {profile.name} has no preferences; `finexl viper extract` finds them."
        )
    heard = tuple(wish for wish in wishes if wish.weight > 0)
    if not heard:
        raise UsageError("Every preference has the weight 0; there is nothing to rank by.")
    return heard


def rank(
    catalog: Catalog,
    profile: Profile,
    searcher: Searcher,
    *,
    where: Filter = EVERY,
    limit: int = 20,
) -> Found:
    """Return the models that suit a person best, each with its reasons, the weightiest first."""
    return searcher.search(catalog, wishes_of(profile), where=where, limit=limit).by_weight()
