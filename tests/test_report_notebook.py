"""In a notebook: a fragment that changes nothing around it, follows its theme, and can be saved."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finexl.errors import UsageError
from finexl.explanation import Explanation
from finexl.report import (
    Report,
    card,
    chart,
    render_fragment,
    render_html,
    render_markdown,
    report,
    wording,
)
from test_report_html import ATTRIBUTES, ELEMENTS, Page, hostile_pictures, pictures
from test_report_states import HOSTILE, STATES, aspect, hostile, normal

THEMES = ('[data-jp-theme-light="{light}"]', ".vscode-{theme}", '[theme="{theme}"]')


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
@pytest.mark.parametrize("source", [None, hostile_pictures], ids=["bare", "pictures"])
def test_it_is_one_element_without_script_or_request(state: Any, source: Any) -> None:
    text = render_fragment(state(), source)
    page = Page(text)  # every element is closed where it should be, and there is no comment
    assert page.open == []
    assert page.elements[0] == ("div", {"class": "finexl finexl-inset"})
    assert text.startswith("<div")
    assert text.endswith("</div>")
    for tag, attributes in page.elements:
        # a page's own: a `color-scheme` in a notebook's body would be the notebook's
        assert tag in ELEMENTS - {"html", "head", "body", "meta"}
        assert set(attributes) <= ATTRIBUTES
        address = attributes.get("href", "#")
        assert re.fullmatch(r"#[\w-]*|data:image/(jpeg|png);base64,[\w+/=]+", address)
    assert not re.search(r"https?:|url\(|@import", style(text))


def test_hostile_text_is_shown_as_it_is() -> None:
    page = Page(render_fragment(hostile(), hostile_pictures))
    for text in map(wording.plain, HOSTILE):
        assert {"p", "li", "bdi", "dt"} <= {tag for tag, shown in page.texts if shown == text}
        assert ("text", chart.shortened(text, chart.LABEL_COLUMNS)) in page.texts


def style(text: str) -> str:
    (found,) = [shown for tag, shown in Page(text).texts if tag == "style"]
    return re.sub(r"/\*.*?\*/", "", found, flags=re.DOTALL)


def test_no_rule_reaches_outside() -> None:
    heads = re.findall(r"([^{}]+)\{", style(render_fragment(normal())))
    selectors = [part.strip() for head in heads for part in head.split(",")]
    rules = [selector for selector in selectors if not selector.startswith("@media")]
    assert len(rules) > 50
    assert [rule for rule in rules if not rule.startswith(".finexl")] == []


def test_two_fragments_show_their_own_pictures() -> None:
    one = Page(render_fragment(normal(), pictures))
    other = Page(render_fragment(replace(normal(), name="other"), pictures))
    names = [{a["id"] for _, a in page.elements if "id" in a} for page in (one, other)]
    assert len(names[0]) == len(names[1]) == 6
    assert not names[0] & names[1]
    for page, known in zip((one, other), names, strict=True):
        assert {use["href"].removeprefix("#") for use in page.all("use")} == known


def colours(text: str, theme: str) -> dict[str, str]:
    """Return a theme's colours, which are the same wherever the theme comes from."""
    css = style(text)
    light = {"light": "true", "dark": "false"}[theme]
    blocks = [
        re.search(re.escape(mark.format(light=light, theme=theme)) + r" \*\) \{(.*?)\}", css, re.S)
        for mark in THEMES
    ]
    media = r"prefers-color-scheme: dark\) \{\s*\.finexl \{(.*?)\}"
    blocks.append(re.search(media if theme == "dark" else r"^\s*\.finexl \{(.*?)\}", css, re.S))
    found = [dict(re.findall(r"--(\w+): (#\w{6})", block[1])) for block in blocks if block]
    assert len(found) == 4
    assert found == [found[0]] * 4
    return found[0]


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_is_readable_in_either_theme(theme: str) -> None:
    found = colours(render_fragment(normal()), theme)
    papers = [luminance(found[name]) for name in ("paper", "note")]
    assert (papers[0] > 0.5) == (theme == "light")
    for name in ("ink", "quiet", "more", "less"):
        for paper in papers:
            low, high = sorted((luminance(found[name]), paper))
            # WCAG AA: 4.5 for text, 3 for the marks of a chart, which stand on paper alone
            if name in ("ink", "quiet") or paper == papers[0]:
                assert (high + 0.05) / (low + 0.05) >= 4.5, name


def test_the_page_and_the_fragment_say_the_same() -> None:
    page, fragment = (Page(f(normal())) for f in (render_html, render_fragment))
    shown = {text.strip() for tag, text in fragment.texts if tag != "style" and text.strip()}
    whole = {text.strip() for tag, text in page.texts if tag != "style" and text.strip()}
    assert whole - shown == {
        "sketch-lora: what personalization changed",
        "Where to see it",
        "Pictures are not embedded in this page.",
    }
    assert shown - whole == {"All numbers, and how to read them"}


def test_a_cell_shows_an_explanation_and_its_report_alike() -> None:
    shown = report(normal())
    assert isinstance(shown, Report)
    assert shown._repr_html_() == normal()._repr_html_() == render_fragment(normal())
    assert shown._repr_markdown_() == render_markdown(normal())
    with_pictures = report(normal(), pictures)
    assert with_pictures._repr_html_() == render_fragment(normal(), pictures)


def test_the_package_can_be_called_however_it_was_imported() -> None:
    code = """
import json, sys
from finexl.report import numbers                # a sibling first
import finexl.report
from finexl.report import report, render_markdown
print(json.dumps([report is finexl.report, callable(report), "jinja2" in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # the last: a package that is called loads what it needs when it is called
    assert json.loads(done.stdout) == [True, True, False]


def test_a_file_of_json_is_an_explanation(tmp_path: Path) -> None:
    file = tmp_path / "e.json"
    file.write_text(normal().to_json(), encoding="utf-8")
    assert report(file).explanation.to_json() == normal().to_json()
    assert report(str(file)) == report(file)
    with pytest.raises(UsageError, match=r"none\.json cannot be read"):
        report(tmp_path / "none.json")


SAVED: dict[str, Callable[[Explanation], str]] = {
    "r.html": lambda e: render_html(e, pictures),
    "R.HTML": lambda e: render_html(e, pictures),
    "e.json": lambda e: e.to_json(),
    "README.md": lambda e: card.merged("", e),
}


@pytest.mark.parametrize("name", SAVED)
def test_it_is_saved_as_its_ending_says(tmp_path: Path, name: str) -> None:
    assert report(normal(), pictures).save(tmp_path / name) == tmp_path / name
    assert (tmp_path / name).read_text(encoding="utf-8") == SAVED[name](normal())


def test_a_card_that_is_there_keeps_its_words(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text("# Theirs\n", encoding="utf-8")
    Report(normal()).save(str(file))
    Report(replace(normal(), aspects=(aspect("vivid", 0.3),))).save(file)
    text = file.read_text(encoding="utf-8")
    assert "# Theirs\n" in text
    assert text.count(card.BEGIN) == 1
    assert "| more | vivid |" in text


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"use \.html, \.md or \.json"):
        Report(normal()).save(tmp_path / "report.pdf")
    assert not list(tmp_path.iterdir())
