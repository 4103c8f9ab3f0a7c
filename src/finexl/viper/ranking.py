"""Explained models ranked by a person's taste: what suits them is what does what they like."""

from __future__ import annotations

from finexl.catalog import EVERY, Catalog, Filter, Found, Searcher, Wish
from finexl.errors import UsageError
from finexl.viper.profile import Profile


def wishes_of(profile: Profile) -> tuple[Wish, ...]:
    """Return VP+ as wishes for more and VP− as wishes for less, each as heavy as it is sure.

    What somebody feels both ways about is no wish.

    Raises:
        UsageError: the profile has no preferences.
    """
    more = [Wish(one.attribute, 1, weight=one.confidence) for one in profile.liked]
    less = [Wish(one.attribute, -1, weight=one.confidence) for one in profile.disliked]
    if not more and not less:
        raise UsageError(
            f"The profile {profile.name} has no preferences; `finexl viper extract` finds them."
        )
    return (*more, *less)


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
