"""The page: nothing runs, nothing is fetched, and what is drawn is what was computed."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from finexl.explanation import Dropped, Prompts
from finexl.report import chart, render_fragment, render_html, wording
from test_report_states import (
    HOSTILE,
    STATES,
    aspect,
    hostile,
    identical,
    normal,
    page_text,
    too_few_pairs,
    twenty_aspects,
)

HTML = """html head meta title body style div main header section footer h1 h2 h3 p small strong
span b i bdi ul ol li dl dt dd table thead tbody tr th td details summary pre figure figcaption"""
SVG = "svg g line rect circle text tspan defs image use desc title"
KNOWN = """lang charset http-equiv content name class style dir role aria-label aria-hidden tabindex
scope colspan open id width height href viewbox x y x1 x2 y1 y2 cx cy r text-anchor dx
fill-opacity"""
ELEMENTS = {*HTML.split(), *SVG.split()}
ATTRIBUTES = set(KNOWN.split())


class Page(HTMLParser):
    """Every element of a page with its attributes, and the text directly in each of them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self.open: list[tuple[str, list[str]]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag != "meta":
            self.open.append((tag, []))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        opened, parts = self.open.pop()
        assert opened == tag  # every element is closed where it should be
        self.texts.append((tag, "".join(parts)))

    def handle_data(self, data: str) -> None:
        if self.open:
            self.open[-1][1].append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data!r}")

    def all(self, tag: str, css: str = "") -> list[dict[str, str]]:
        found = (attrs for name, attrs in self.elements if name == tag)
        return [attrs for attrs in found if css in attrs.get("class", "").split() or not css]


def picture(seed: int, width: int = 300, height: int = 200) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def pictures(index: int) -> tuple[Image.Image, Image.Image, str]:
    return picture(2 * index), picture(2 * index + 1), f"prompt {index}"


def hostile_pictures(index: int) -> tuple[Image.Image, Image.Image, str]:
    return picture(0, 20, 20), picture(1, 20, 20), HOSTILE[index]


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
@pytest.mark.parametrize("source", [None, hostile_pictures], ids=["bare", "pictures"])
def test_only_known_elements_and_no_address_outside_the_page(state, source) -> None:  # type: ignore[no-untyped-def]
    record = {text: [text, {"nested": text}] for text in HOSTILE}
    text = render_html(state(), source, record)
    assert text.encode().decode() == text  # no lone surrogate
    page = Page(text)
    assert page.open == []
    for tag, attributes in page.elements:
        assert tag in ELEMENTS
        assert set(attributes) <= ATTRIBUTES, tag
        assert re.fullmatch(r"(opacity:[\d.]+)?", attributes.get("style", ""))
        address = attributes.get("href", "#")
        assert re.fullmatch(r"#[\w-]*|data:image/jpeg;base64,[\w+/=]+", address)
    style = " ".join(text for tag, text in page.texts if tag == "style")
    assert not re.search(r"url\(|@import|expression|//", style)
    assert len(page.all("style")) == 1


def test_the_page_says_that_nothing_may_be_fetched_or_run() -> None:
    text = render_html(normal(), pictures)
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert [m["content"] for m in Page(text).all("meta") if "http-equiv" in m] == [policy]
    assert not re.search(r"https?://", text)


def test_hostile_text_is_shown_as_it_is() -> None:
    record = {"note": HOSTILE[0]}
    page = Page(render_html(hostile(), hostile_pictures, record))
    for text in map(wording.plain, HOSTILE):
        shown = {tag for tag, content in page.texts if content == text}
        assert {"p", "li", "bdi", "dt"} <= shown
        label = chart.shortened(text, chart.LABEL_COLUMNS)
        assert ("text", label) in page.texts
    assert any(tag == "pre" and HOSTILE[0] in content for tag, content in page.texts)
    assert next(text for tag, text in page.texts if tag == "title").startswith(HOSTILE[0])


def test_the_drawn_chart_is_the_computed_one() -> None:
    drawn, page = chart.score_chart(normal()), Page(render_html(normal()))
    assert drawn is not None
    for mark, dot, bar in zip(
        drawn.marks, page.all("circle", "dot"), page.all("rect", "bar"), strict=True
    ):
        assert dot["cx"] == f"{mark.x:.2f}%"
        assert (bar["x"], bar["width"]) == (f"{mark.bar_x:.2f}%", f"{mark.bar_width:.2f}%")
    lines = page.all("line", "ci")
    assert len(lines) == 3 * len(drawn.marks)
    for mark, line in zip(drawn.marks, lines[::3], strict=True):
        assert mark.ci_x is not None
        assert [line["x1"], line["x2"]] == [f"{end:.2f}%" for end in mark.ci_x]
    (zero,) = page.all("line", "zero")
    assert zero["x1"] == zero["x2"] == f"{drawn.zero_x:.2f}%"
    assert [g["class"] for g in page.all("g")] == [
        "mark more",
        "mark more",
        "mark more open",
        "mark less",
        "mark less",
    ]


def test_an_untested_aspect_is_hollow_and_has_no_interval() -> None:
    page = Page(render_html(too_few_pairs()))
    assert [g["class"] for g in page.all("g")] == ["mark more open", "mark less open"]
    assert page.all("line", "ci") == []
    assert page.all("svg", "shares") == []


def test_the_share_bar_is_drawn_as_computed() -> None:
    drawn = [
        {"x": f"{s.x:.2f}%", "width": f"{s.width:.2f}%", "class": s.direction}
        for s in chart.share_bar(normal())
    ]
    shown = [r for r in Page(render_html(normal())).all("rect") if r["class"] != "bar"]
    assert [{key: r[key] for key in ("x", "width", "class")} for r in shown] == drawn


def test_charts_are_described_for_those_who_do_not_see_them() -> None:
    page = Page(render_html(normal()))
    (description, shares) = (text for tag, text in page.texts if tag == "desc")
    assert "line drawing: 0.71 (95 % interval 0.62 to 0.80, significant). " in description
    assert "high contrast: 0.21 (95 % interval 0.12 to 0.30, not significant). " in description
    assert shares.replace("\xa0", " ").strip().endswith("Unexplained: 18 %.")


def test_the_sentences_come_first_and_then_the_verdict() -> None:
    shown = page_text(normal())
    parts = ["sketch-lora", *normal().sentences, wording.verdict(normal()), normal().warnings[0]]
    places = [shown.index(part) for part in [*parts, "How much, and how sure", "All numbers"]]
    assert places == sorted(places)


def test_each_pair_is_embedded_once_and_shown_with_every_aspect() -> None:
    asked: list[int] = []

    def counted(index: int) -> tuple[Image.Image, Image.Image, str]:
        asked.append(index)
        return pictures(index)

    page = Page(render_html(normal(), counted))
    assert asked == [3, 0, 7]
    ids = [image["id"] for image in page.all("image")]
    assert ids == [f"pair-{i}-{side}" for i in asked for side in ("base", "personalized")]
    shown = [use["href"].removeprefix("#") for use in page.all("use")]
    assert shown == ids * 5
    captions = [text for tag, text in page.texts if tag == "bdi" and text.startswith("prompt ")]
    assert captions == ["prompt 3", "prompt 0", "prompt 7"] * 5


def test_pictures_are_small_jpegs_of_the_right_ones() -> None:
    with_comment = Image.open(io.BytesIO(jpeg(picture(9, 300, 600), comment=b"private")))
    flat = Image.new("RGBA", (40, 20), (200, 30, 30, 255))
    one = replace(normal(), aspects=(aspect("a", 0.5, examples=(0,)),), less=())
    page = Page(render_html(one, lambda _: (flat, with_comment, "")))
    base, personalized = page.all("image")
    assert (base["width"], base["height"]) == ("40", "20")
    assert (personalized["width"], personalized["height"]) == ("128", "256")
    raw = base64.b64decode(personalized["href"].split(",")[1])
    assert b"private" not in raw
    decoded = np.asarray(Image.open(io.BytesIO(base64.b64decode(base["href"].split(",")[1]))))
    assert np.abs(decoded.astype(int) - [200, 30, 30]).max() <= 3


def jpeg(image: Image.Image, comment: bytes) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", comment=comment)
    return file.getvalue()


def test_at_most_four_pairs_an_aspect() -> None:
    many = replace(normal(), aspects=(aspect("a", 0.5, examples=tuple(range(9))),), less=())
    shown = Page(render_html(many, hostile_pictures)).all("use")
    assert [use["href"] for use in shown[::2]] == [f"#pair-{i}-base" for i in range(4)]


def test_the_page_stays_under_four_megabytes() -> None:
    spread = [
        replace(a, examples=tuple(range(4 * i, 4 * i + 4)))
        for i, a in enumerate((*twenty_aspects().aspects, *twenty_aspects().less))
    ]
    long = "é<" * 90
    crowded = replace(
        twenty_aspects(),
        aspects=tuple(spread),
        less=(),
        dropped=tuple(Dropped(f"{long} {i}", f"reason {i}") for i in range(20_000)),
        prompts=Prompts(20_000, "", "", tuple(f"{long} {i}" for i in range(20_000))),
    )
    # noise compresses worst: 20 aspects × 4 pairs of it would take 9 MB
    page = render_html(
        crowded,
        lambda i: (picture(i, 256, 256), picture(i, 256, 256), long),
        {"log": [long] * 50_000},
    )
    assert len(page.encode()) < 4_000_000
    parsed = Page(page)
    pairs = {image["id"].split("-")[1] for image in parsed.all("image")}
    assert 0 < len(pairs) < 80
    assert pairs >= {str(4 * i) for i in range(20)}  # every aspect has its first
    assert f"{80 - len(pairs)} more pairs are not embedded" in page
    assert page.count("The first 300 of 20,000; the JSON has them all.") == 2
    assert "cut here" in page


def test_without_pictures_the_page_says_so() -> None:
    said = "Pictures are not embedded in this page."
    assert said in page_text(normal())
    assert said not in render_html(normal(), pictures)
    assert said not in page_text(identical())


def test_dropped_candidates_are_grouped_by_their_reason() -> None:
    shown = " ".join(page_text(normal()).split())
    assert "Looked at and left out 3" in shown
    assert (
        "too close to “line drawing” ink drawing charcoal no gain on held-out pairs foggy" in shown
    )


def test_the_record_is_readable_json() -> None:
    record = {"options": {"seed": 0, "names": ["a", "<b>"]}, "état": None}
    page = Page(render_html(normal(), None, record))
    (shown,) = (text for tag, text in page.texts if tag == "pre")
    assert json.loads(shown) == record
    assert '\n    "seed": 0' in shown
    assert Page(render_html(normal())).all("pre") == []


def test_same_input_same_bytes() -> None:
    record = {"b": 1, "a": 2}
    assert render_html(normal(), pictures, record) == render_html(normal(), pictures, record)
    assert normal()._repr_html_() == render_fragment(normal())


def test_every_style_rule_stays_inside_the_report() -> None:
    # A notebook puts the page into its own: a rule for `table` would restyle the notebook.
    style = re.search(r"<style>(.*?)</style>", render_html(normal()), re.DOTALL)
    assert style is not None
    text = re.sub(r"/\*.*?\*/", "", style[1], flags=re.DOTALL)
    selectors = [part for head in re.findall(r"([^{}]+)\{", text) for part in head.split(",")]
    rules = [s.strip() for s in selectors if not s.strip().startswith("@media")]
    assert len(rules) > 50
    assert [s for s in rules if not s.startswith((".finexl", ".finexl-page"))] == []


def test_importing_the_package_does_not_import_the_reports() -> None:
    code = "import sys, finexl; print([m for m in ('jinja2', 'rich') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
