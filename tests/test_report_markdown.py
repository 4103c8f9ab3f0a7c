"""The model card's section, read back by a second implementation of Markdown."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from finexl.report import markdown, render_markdown, wording
from test_report_states import HOSTILE, STATES, aspect, hostile, identical, normal

TAGS = "h2 h3 p table thead tbody tr th td ul li blockquote strong"
EXPECTED = set(TAGS.split())


class Rendered(HTMLParser):
    """The elements and the table's rows of a Markdown text, HTML in it allowed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.rows: list[list[str]] = []
        self.feed(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_nothing_supplied_becomes_markup(state) -> None:  # type: ignore[no-untyped-def]
    text = render_markdown(state())
    assert Rendered(text).tags <= EXPECTED
    assert not re.search(r"(?i)https?://|www\.|(^|[^&#\w])@", text)


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_every_row_has_as_many_columns(state) -> None:  # type: ignore[no-untyped-def]
    rows = [line for line in render_markdown(state()).splitlines() if line.startswith("|")]
    aspects = (*state().aspects, *state().less)
    assert [row.count("|") for row in rows] == [9] * (len(aspects) + 2 if aspects else 0)


def test_a_hostile_concept_reads_as_it_is() -> None:
    rows = Rendered(render_markdown(hostile())).rows
    shown = [row[1].strip() for row in rows[1 : 1 + len(HOSTILE)]]
    assert shown == [wording.plain(concept).strip() for concept in HOSTILE]


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from("\\`*_{}[]()<>#+-.!|~&$:/@=\"'ab1 \n\t;"), max_size=20))
def test_any_concept_reads_as_it_is(concept: str) -> None:
    e = replace(normal(), aspects=(aspect(concept, 0.7),), less=())
    page = Rendered(render_markdown(e))
    assert page.tags <= EXPECTED
    assert page.rows[1][1].split() == wording.plain(concept).split()
    assert page.rows[1][2].strip() == "0.70"


def test_normal_section() -> None:
    text = render_markdown(normal())
    assert text.startswith("## What this model changes (FineXL)\n\nSD 1.5 + sketch compared with")
    assert (
        "| less | photorealistic | −0.33 | −0.42 to −0.24 | −0.36 | 8 % | 0.031 | significant |\n"
    ) in text
    assert "- Encoder: embedded, revision 4f1d0b8c77a0e1d2\n" in text
    assert "> **Note:** 2 files without a partner were left out: 014.jpg, 031.jpg.\n" in text
    assert text.endswith("\n")
    assert "\n\n\n" not in text


def test_no_table_without_aspects() -> None:
    assert "|" not in render_markdown(identical())


def test_block_markers_at_the_start_are_escaped() -> None:
    for text in ("- a", "+ a", "1. a", "12) a", "# a", "> a", "---", "=="):
        tags = Rendered(markdown.escape(text)).tags
        assert tags == {"p"}, text
    assert markdown.escape("−0.71 to 0.80, 1.5x") == "−0.71 to 0.80, 1.5x"
