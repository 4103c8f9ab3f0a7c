"""The catalog as pages see it: opened for each request, its vectors kept in memory between them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from finexl.catalog import Card, Catalog, Entry, Filter, Found, Searcher, Wish
from finexl.comparing.compared import Compared, compare
from finexl.comparing.ground import ground_of
from finexl.comparing.models import Model
from finexl.errors import UsageError

SLIDERS = 8
SAMPLED = 2_000
"""Cards that are looked at for which aspects are common."""


class MissingError(UsageError):
    """A model that the catalog does not have."""


class Shelf:
    """One catalog file, for many threads."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._searcher = Searcher()
        self._one_at_a_time = threading.Lock()
        self._one_comparison = threading.Lock()
        self._common: tuple[str, tuple[str, ...]] = ("", ())

    @contextmanager
    def opened(self) -> Iterator[Catalog]:
        """Yield the catalog with a connection of its own.

        Raises:
            UsageError: this server has none.
        """
        if self.path is None:
            raise UsageError("This server has no catalog; start it with --catalog FILE.")
        with Catalog.open(self.path) as catalog:
            yield catalog

    def entry(self, catalog: Catalog, name: str) -> Entry:
        """Return the model of this name.

        Raises:
            MissingError: there is none; names spelled alike are said.
        """
        try:
            return catalog.entry(name)
        except UsageError as error:
            raise MissingError(str(error)) from error

    def has(self, catalog: Catalog, name: str) -> bool:
        """Whether there is a model of this name."""
        try:
            self.entry(catalog, name)
        except MissingError:
            return False
        return True

    def search(self, catalog: Catalog, wishes: Sequence[Wish], where: Filter, limit: int) -> Found:
        """Return the models that meet the wishes best; see `Searcher.search`."""
        with self._one_at_a_time:
            return self._searcher.search(catalog, wishes, where=where, limit=limit)

    def like(self, catalog: Catalog, name: str, where: Filter, limit: int) -> Found:
        """Return the models that do what this one does; see `Searcher.like`."""
        with self._one_at_a_time:
            return self._searcher.like(catalog, name, where=where, limit=limit)

    def compare(self, names: Sequence[str]) -> Compared:
        """Return models beside each other; see `finexl.comparing.compared.compare`."""
        with self.opened() as catalog:
            models = [Model(name, self.entry(catalog, name).explanation) for name in names]
        with self._one_comparison:
            return compare(ground_of(models))

    def common(self, catalog: Catalog) -> tuple[str, ...]:
        """Return the aspects that most models have, most first."""
        with catalog.snapshot() as state:
            if self._common[0] != state:
                cards = catalog.cards(limit=SAMPLED)
                counted = Counter(concept for card in cards for concept in _aspects(card))
                self._common = (state, tuple(c for c, _ in counted.most_common(SLIDERS)))
            return self._common[1]


def _aspects(card: Card) -> list[str]:
    return [concept for concept, _ in card.aspects]
