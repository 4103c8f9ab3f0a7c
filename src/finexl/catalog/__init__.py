"""Many explained models: stored, searched, compared."""

from finexl.catalog.entry import EVERY, Card, Entry, Filter, Metadata, Thumbnail
from finexl.catalog.found import Found, Hit, Reason
from finexl.catalog.search import Searcher
from finexl.catalog.store import Catalog
from finexl.catalog.wishes import Wish, ask_wishes, parse_wishes

__all__ = [
    "EVERY",
    "Card",
    "Catalog",
    "Entry",
    "Filter",
    "Found",
    "Hit",
    "Metadata",
    "Reason",
    "Searcher",
    "Thumbnail",
    "Wish",
    "ask_wishes",
    "parse_wishes",
]
