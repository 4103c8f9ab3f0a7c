"""The explanation as one HTML file: no script, no request, everything supplied escaped.

The page stays under about 4 MB whatever it is given: pictures share PICTURE_BYTES, long lists end
after LISTED entries and the run record after RECORD_LETTERS, each saying so.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Protocol

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from finexl.explanation import Aspect, Dropped, Explanation
from finexl.report import chart, numbers, wording

PICTURE_SIDE = 256
PICTURE_QUALITY = 85
PICTURE_BYTES = 3_000_000
PAIRS_PER_ASPECT = 4
HEAT = (214, 62, 28)
DENSEST = 0.8
LISTED = 300
RECORD_LETTERS = 200_000


class PairPictures(Protocol):
    """Where a report gets the pictures of a pair from."""

    def __call__(self, index: int) -> tuple[Image.Image, Image.Image, str]:
        """Return pair `index`: (base, personalized, caption)."""
        ...


class HeatMap(Protocol):
    """Where a report learns where in a pair a change sits."""

    def __call__(self, index: int, concept: str) -> NDArray[np.floating[Any]] | None:
        """Return (h, w) for pair `index`, positive the aspect's own way; None if unknown."""
        ...


@dataclass(frozen=True)
class Picture:
    """A picture as it is embedded: width and height in pixels, and its data URI."""

    width: int
    height: int
    uri: str


@dataclass(frozen=True)
class Pair:
    """An embedded pair; every aspect that shows it refers to this one copy."""

    index: int
    base: Picture
    personalized: Picture
    caption: str


def render_html(
    explanation: Explanation,
    pictures: PairPictures | None = None,
    record: Mapping[str, object] | None = None,
    heat: HeatMap | None = None,
) -> str:
    """Return the page: same input, same text.

    Args:
        explanation: What to show.
        pictures: Gives the example pairs; without it the page says that it has none.
        record: The run's record (JSON-like), shown as it is at the end of the page.
        heat: Says where a pair's change along an aspect sits; without it nothing is said of that.
    """
    return _rendered("report.html.j2", explanation, pictures, record, heat)


def render_fragment(
    explanation: Explanation, pictures: PairPictures | None = None, heat: HeatMap | None = None
) -> str:
    """Return what a notebook shows: the page's content in one element, its style in it.

    It has no document, script or request of its own, its colours follow the notebook's, and no
    rule or id of it means anything outside it, not even in another explanation's fragment.
    """
    return _rendered("fragment.html.j2", explanation, pictures, None, heat, inset=True)


def _rendered(
    template: str,
    explanation: Explanation,
    pictures: PairPictures | None,
    record: Mapping[str, object] | None,
    heat: HeatMap | None,
    inset: bool = False,
) -> str:
    aspects = (*explanation.aspects, *explanation.less)
    wanted = _by_rank(aspects)
    pairs = {} if pictures is None else _embedded(wanted, pictures)
    whole = hashlib.sha256(explanation.to_json().encode("utf-8", "replace"))
    return (
        _environment()
        .get_template(template)
        .render(
            e=explanation,
            inset=inset,
            ids=f"finexl-{whole.hexdigest()[:12]}-" if inset else "",
            words=wording,
            groups=wording.groups(explanation),
            chart=chart.score_chart(explanation),
            segments=chart.share_bar(explanation),
            pairs=pairs,
            heat={} if heat is None else _overlays(aspects, pairs, heat),
            has_pictures=pictures is not None,
            has_examples=bool(wanted),
            left_out=0 if pictures is None else len(wanted) - len(pairs),
            pairs_per_aspect=PAIRS_PER_ASPECT,
            dropped=_by_reason(explanation.dropped[:LISTED]),
            removed=_by_reason(explanation.discovery.removed[:LISTED])
            if explanation.discovery is not None
            else {},
            listed=LISTED,
            record=None if record is None else _record_lines(record),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("finexl.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters.update(
        score=numbers.score,
        interval=numbers.interval,
        percent=lambda value: _unbroken(numbers.percent(value)),
        unbroken=_unbroken,
        p_value=numbers.p_value,
        count=numbers.count,
        px=lambda value: f"{value:.2f}",
    )
    return environment


def _shown(value: object) -> object:
    """Every text that a template prints passes here, before it is escaped."""
    return wording.plain(value) if isinstance(value, str) and type(value) is not Markup else value


def _unbroken(text: str) -> str:
    """Keep a percent sign on the line of its number."""
    return text.replace(" %", "\u00a0%")


def _by_rank(aspects: Iterable[Aspect]) -> list[int]:
    """Indices of the example pairs, each once: every aspect's first, every second, and so on."""
    ranks = zip_longest(*(aspect.examples[:PAIRS_PER_ASPECT] for aspect in aspects))
    return list(dict.fromkeys(index for rank in ranks for index in rank if index is not None))


def _embedded(indices: Iterable[int], pictures: PairPictures) -> dict[int, Pair]:
    """The pairs by index, as many of the first as PICTURE_BYTES allows."""
    pairs: dict[int, Pair] = {}
    room = PICTURE_BYTES
    for index in indices:
        base, personalized, caption = pictures(index)
        pair = Pair(index, _picture(base), _picture(personalized), caption)
        room -= len(pair.base.uri) + len(pair.personalized.uri)
        if room < 0:
            break
        pairs[index] = pair
    return pairs


def _overlays(
    aspects: Sequence[Aspect], pairs: Mapping[int, Pair], heat: HeatMap
) -> dict[tuple[int, str], str]:
    """Return each shown pair's heat map as a data URI, by the pair and the aspect."""
    found = {}
    for aspect in aspects:
        shown = [index for index in aspect.examples[:PAIRS_PER_ASPECT] if index in pairs]
        values = {index: heat(index, aspect.concept) for index in shown}
        maps = {index: value for index, value in values.items() if value is not None}
        # one scale for an aspect's pairs, so that they can be compared
        most = max((float(value.max()) for value in maps.values()), default=0.0)
        for index, value in maps.items():
            found[index, aspect.concept] = _overlay(value, most)
    return found


def _overlay(values: NDArray[np.floating[Any]], most: float) -> str:
    """Return a small transparent picture that is denser where the values are larger."""
    part = np.clip(values / most, 0.0, 1.0) if most > 0 else np.zeros(values.shape)
    pixels = np.empty((*values.shape, 4), dtype=np.uint8)
    pixels[..., :3] = HEAT
    pixels[..., 3] = np.rint(255 * DENSEST * part)
    file = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _picture(image: Image.Image) -> Picture:
    small = image.convert("RGB")
    small.thumbnail((PICTURE_SIDE, PICTURE_SIDE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    # A JPEG's comment would otherwise travel along from the file that was opened.
    small.save(file, "JPEG", quality=PICTURE_QUALITY, comment=b"")
    encoded = base64.b64encode(file.getvalue()).decode()
    return Picture(small.width, small.height, f"data:image/jpeg;base64,{encoded}")


def _by_reason(dropped: Iterable[Dropped]) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for candidate in dropped:
        reasons.setdefault(candidate.reason, []).append(candidate.concept)
    return reasons


def _record_lines(record: Mapping[str, object]) -> list[str]:
    text = json.dumps(record, indent=2, ensure_ascii=False, default=str)
    lines = text[:RECORD_LETTERS].split("\n")
    return lines if len(text) <= RECORD_LETTERS else [*lines, "… (cut here: the record is longer)"]
