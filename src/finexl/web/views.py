"""What the templates are given: everything worked out, in the order in which it is shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from jinja2 import ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined
from markupsafe import Markup, escape

from finexl.catalog import Card, Hit, Thumbnail, Wish
from finexl.comparing.compared import Compared
from finexl.comparing.number import Number
from finexl.explanation import Aspect, Explanation
from finexl.report import chart, numbers, wording
from finexl.report.html import PAIRS_PER_ASPECT
from finexl.web.kept import Kept, heat_name, picture_name
from finexl.whatif import WhatIf

WIDEST = 1.5
"""The score whose bar fills its half of a card."""
RECORD_LETTERS = 100_000
POSITIONS: Mapping[int, tuple[str, float]] = {
    -3: ("much less", 1.5),
    -2: ("less", 1.0),
    -1: ("a bit less", 0.3),
    0: ("any", 1.0),
    1: ("a bit more", 0.3),
    2: ("more", 1.0),
    3: ("much more", 1.5),
}
"""A slider's positions: what they say, and the effect that is then enough."""


def environment() -> Environment:
    """Return the templates: everything they print is made plain and escaped."""
    made = Environment(
        loader=ChoiceLoader(
            [PackageLoader("finexl.web"), PrefixLoader({"report": PackageLoader("finexl.report")})]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    made.filters.update(
        score=numbers.score,
        interval=numbers.interval,
        percent=lambda value: numbers.percent(value).replace(" %", "\u00a0%"),
        p_value=numbers.p_value,
        count=numbers.count,
        px=lambda value: f"{value:.2f}",
        verbatim=verbatim,
    )
    made.globals.update(words=wording, query=query)
    return made


def query(**given: object) -> str:
    """Return a query string of what is given, escaped; None and "" are left out."""
    return urlencode([(k, v) for k, v in given.items() if v not in (None, "")], doseq=True)


def verbatim(text: str) -> Markup:
    """Return a text escaped and otherwise as it is, its lines too: for fields that are sent back.

    A first line break is dropped by every browser, so there is one more.
    """
    return Markup("\n") + escape(text.encode("utf-8", "replace").decode())


def _shown(value: object) -> object:
    """Every text that a template prints passes here, before it is escaped."""
    return wording.plain(value) if isinstance(value, str) and type(value) is not Markup else value


@dataclass(frozen=True)
class Bar:
    """An aspect on a card: which way and how far, without a number."""

    concept: str
    direction: str
    x: float
    """Left end in percent of the width; 50 is none."""
    width: float


@dataclass(frozen=True)
class Tile:
    """A model in the grid."""

    card: Card
    bars: tuple[Bar, ...]
    hit: Hit | None
    chosen: bool
    """To be compared."""
    pair: tuple[tuple[str, str], ...]
    """Its best example's pictures, what they show and where they are; none where none are kept."""


@dataclass(frozen=True)
class Slider:
    """One aspect that can be asked for more or less of."""

    concept: str
    value: int
    said: str


@dataclass(frozen=True)
class PairView:
    """An example pair's pictures by their addresses."""

    caption: str
    base: str
    personalized: str
    heat: str | None


@dataclass(frozen=True)
class Examples:
    """An aspect with the pairs that move most along it."""

    heading: str
    concept: str
    pairs: tuple[PairView, ...]


@dataclass(frozen=True)
class Cell:
    """A concept's effect in one model, and where it is drawn, in percent of the width."""

    number: Number
    x: float
    ci_x: tuple[float, float] | None


@dataclass(frozen=True)
class Table:
    """Concepts × models on one scale."""

    zero_x: float
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


def tile(
    card: Card, hit: Hit | None, chosen: Sequence[str], thumbnails: Sequence[Thumbnail]
) -> Tile:
    """Return a card as it is drawn."""
    bars = tuple(_bar(concept, score) for concept, score in card.aspects)
    first = thumbnails[0].pair if thumbnails else None
    pair = tuple(
        (
            f"{picture.side}: {picture.caption}",
            "/thumbnail?" + query(name=card.name, pair=picture.pair, side=picture.side),
        )
        for picture in thumbnails
        if picture.pair == first
    )
    return Tile(card, bars, hit, card.name in chosen, pair)


def _bar(concept: str, score: float) -> Bar:
    width = 50 * min(abs(score), WIDEST) / WIDEST
    return Bar(concept, "more" if score > 0 else "less", 50 if score > 0 else 50 - width, width)


def sliders(common: Iterable[str], wanted: Mapping[str, int]) -> tuple[Slider, ...]:
    """Return sliders for the common aspects and those that are asked for already."""
    concepts = dict.fromkeys((*common, *wanted))
    return tuple(Slider(c, wanted.get(c, 0), POSITIONS[wanted.get(c, 0)][0]) for c in concepts)


def wishes_of(wanted: Mapping[str, int]) -> tuple[Wish, ...]:
    """Return what the sliders ask for."""
    return tuple(
        Wish(concept, 1 if value > 0 else -1, POSITIONS[value][1])
        for concept, value in wanted.items()
        if value != 0
    )


def beside(found: Compared) -> Table:
    """Return a comparison's effects as they are drawn."""
    each = [number for row in found.rows for number in row.effects]
    ends = [0.0, *(end for number in each for end in (number.value, *(number.ci or ())))]
    low, high = min(ends), max(ends)
    scale = chart.Scale(low, high if high > low else low + 1)

    def cell(number: Number) -> Cell:
        ci = number.ci
        return Cell(number, scale.x(number.value), ci and (scale.x(ci[0]), scale.x(ci[1])))

    rows = ((row.concept.text, tuple(cell(number) for number in row.effects)) for row in found.rows)
    return Table(scale.x(0), tuple(rows))


def explained(e: Explanation) -> dict[str, Any]:
    """Return what a page shows of an explanation, whatever else it has."""
    return {
        "e": e,
        "groups": wording.groups(e),
        "chart": chart.score_chart(e),
        "segments": chart.share_bar(e),
        "concepts": [aspect.concept for aspect in (*e.aspects, *e.less)],
    }


def examples_of(
    e: Explanation,
    captions: Mapping[int, str],
    picture: Callable[[int, str], str],
    heat: Callable[[int, int, str], str | None] = lambda *_: None,
) -> tuple[Examples, ...]:
    """Return the aspects with the example pairs whose pictures are kept.

    Args:
        e: the explanation.
        captions: of the pairs that are kept, by index.
        picture: the address of a pair's side.
        heat: the address of a pair's heat map by the aspect's number and concept, if it has one.
    """
    found = []
    for number, (heading, aspect) in enumerate(_headed(e)):
        pairs = tuple(
            PairView(
                captions[i],
                picture(i, "base"),
                picture(i, "personalized"),
                heat(i, number, aspect.concept),
            )
            for i in aspect.examples[:PAIRS_PER_ASPECT]
            if i in captions
        )
        if pairs:
            found.append(Examples(heading, aspect.concept, pairs))
    return tuple(found)


def examples_of_run(e: Explanation, kept: Kept, run: str) -> tuple[Examples, ...]:
    """Return a run's example pairs."""

    def picture(index: int, side: str) -> str:
        return f"/runs/{run}/pictures/{picture_name(index, side)}"

    def heat(index: int, number: int, concept: str) -> str | None:
        drawn = (index, concept) in kept.heat
        return f"/runs/{run}/pictures/{heat_name(index, number)}" if drawn else None

    return examples_of(e, kept.captions, picture, heat)


def record_lines(record: Mapping[str, object]) -> list[str]:
    """Return a run's record as lines of JSON, as many as a page can hold."""
    text = json.dumps(record, indent=2, ensure_ascii=False, default=str)
    return text[:RECORD_LETTERS].split("\n")


def left_over(found: WhatIf) -> float | None:
    """Return the part of the change's length that is left without the aspect."""
    return found.norm_after / found.norm_before if found.norm_before > 0 else None


def _headed(e: Explanation) -> list[tuple[str, Aspect]]:
    return [("More of", a) for a in e.aspects] + [("Less of", a) for a in e.less]
