"""The states a report has to show, and what holds for all three reports in each of them."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from rich.console import Console

from finexl.explanation import (
    Aspect,
    Divergence,
    Dropped,
    EncoderId,
    Explanation,
    Pool,
    Prompts,
    Source,
)
from finexl.report import numbers, render_html, render_markdown, render_terminal

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=1>',
    "]]>",
    "{{7*7}}",
    "[red]x[/red]",
    "a | b `c` *d* _e_ [f](http://g.example) \\|",
    "line one\nline two\x1b[31m\x00\u2028three",
    "\u202eevil\u202c",
    "עברית مرحبا 🎨👩‍🎨",
    "\ud800 lone",
    "</style><style>*{display:none}",
    "' onload='x",
    "--> <!-- x",
    "&lt;b&gt; &amp;",
    "https://tracker.example/a.png www.tracker.example @someone",
    "- item",
    "1. item",
    "# heading",
    ":smile:",
)


def aspect(concept: str, score: float, **changes: object) -> Aspect:
    known = Aspect(
        concept=concept,
        score=score,
        ci=(score - 0.09, score + 0.09),
        effect=score * 1.1,
        weight=score / 2,
        share=abs(score) / 3,
        share_in_sample=abs(score) / 2.5,
        alignment=score / 1.7,
        selected=0.97,
        q_value=0.0002,
        specific=True,
        significant=True,
        examples=(3, 0, 7),
    )
    return replace(known, **changes)  # type: ignore[arg-type]


def normal() -> Explanation:
    return Explanation(
        name="sketch-lora",
        base=Source("Stable Diffusion 1.5", "folder", 25, "b" * 64),
        personalized=Source("SD 1.5 + sketch", "folder", 25, "p" * 64),
        encoder=EncoderId("embedded", "4f1d0b8c77a0e1d2c3b4"),
        decomposition="subspace",
        prompts=Prompts(25, "prompts.txt", "d" * 64, ("a lighthouse at dusk", "a bowl of fruit")),
        pool=Pool(182, ("vocabulary: style",), "c" * 64),
        n_pairs=25,
        pairing="seed",
        seed=0,
        divergence=Divergence(4.2137, 1.31, True, 0.000244, np.ones(4, np.float32)),
        aspects=(
            aspect("line drawing", 0.71, share=0.37),
            aspect("pencil sketch", 0.46, share=0.16),
            aspect("high contrast", 0.21, share=0.03, significant=False, q_value=0.21),
        ),
        less=(
            aspect("vivid color", -0.52, share=0.18),
            aspect("photorealistic", -0.33, share=0.0836, q_value=0.0312),
        ),
        residual=0.42,
        residual_in_sample=0.39,
        outside=0.12,
        dropped=(
            Dropped("ink drawing", "too close to “line drawing”"),
            Dropped("charcoal", "too close to “line drawing”"),
            Dropped("foggy", "no gain on held-out pairs"),
        ),
        sentences=(
            "Much more line drawing (0.71, 95 % interval 0.62 to 0.80) and moderately more pencil "
            "sketch (0.46); much less vivid color (−0.52).",
            "High contrast may be more as well, but 25 pairs do not show it.",
        ),
        warnings=("2 files without a partner were left out: 014.jpg, 031.jpg.",),
        finexl_version="0.1.0",
        created="2025-03-01T12:00:00Z",
    )


def nothing_detected() -> Explanation:
    weak = aspect("grainy", 0.08, ci=(-0.11, 0.24), share=-0.02, q_value=0.62, significant=False)
    return replace(
        normal(),
        divergence=replace(normal().divergence, detected=False, p_value=0.4312),
        aspects=(replace(weak, specific=False, selected=0.31),),
        less=(),
        residual=1.0,
        residual_in_sample=0.96,
        sentences=("No difference that is more than chance.",),
    )


def too_few_pairs() -> Explanation:
    untested = {"ci": None, "share": None, "share_in_sample": 0.4, "selected": None}
    untested |= {"q_value": None, "specific": None, "significant": None}
    return replace(
        normal(),
        n_pairs=3,
        divergence=replace(normal().divergence, detected=None, p_value=None, noise_floor=None),
        aspects=(aspect("line drawing", 0.71, **untested),),
        less=(aspect("vivid color", -0.52, **untested),),
        residual=None,
        warnings=("Too few pairs to test: 3 prompts, and at least 6 are needed.",),
        sentences=("More line drawing (0.71) and less vivid color (−0.52), untested.",),
    )


def identical() -> Explanation:
    return replace(
        normal(),
        divergence=Divergence(0.0, None, None, None, np.zeros(4, np.float32)),
        aspects=(),
        less=(),
        residual=None,
        residual_in_sample=None,
        outside=None,
        dropped=(),
        sentences=("The two sets are identical: no difference detected.",),
        warnings=(),
    )


def unpaired() -> Explanation:
    warning = "No file names in common: the content may explain the difference."
    return replace(normal(), pairing="none", n_pairs=0, warnings=(warning,))


def twenty_aspects() -> Explanation:
    more = tuple(aspect(f"aspect {i:02d}", 1.3 - 0.1 * i, share=0.04) for i in range(12))
    less = tuple(aspect(f"fewer {i}", -0.9 + 0.1 * i, share=0.03) for i in range(8))
    return replace(normal(), aspects=more, less=less, residual=0.53)


def long_concepts() -> Explanation:
    words = ("a very long description of a look " * 6)[:200]
    return replace(normal(), aspects=(aspect(words, 0.7), aspect("x" * 200, 0.3)))


def hostile() -> Explanation:
    text = " ".join(HOSTILE)
    return replace(
        normal(),
        name=text,
        base=Source(text, text, 2, text),
        personalized=Source(text, text, 2, text),
        encoder=EncoderId(text, text),
        decomposition=text,
        prompts=Prompts(2, text, text, HOSTILE),
        pool=Pool(2, HOSTILE, text),
        aspects=tuple(aspect(concept, 0.9 - 0.01 * i) for i, concept in enumerate(HOSTILE)),
        less=(aspect(text, -0.2),),
        dropped=tuple(Dropped(concept, concept) for concept in HOSTILE),
        sentences=HOSTILE,
        warnings=HOSTILE,
        finexl_version=text,
        created=text,
    )


STATES = {
    state.__name__: state
    for state in (
        normal,
        nothing_detected,
        too_few_pairs,
        identical,
        unpaired,
        twenty_aspects,
        long_concepts,
        hostile,
    )
}


def terminal_text(explanation: Explanation, width: int = 100) -> str:
    console = Console(file=io.StringIO(), record=True, width=width)
    render_terminal(explanation, console)
    return console.export_text()


class PageText(HTMLParser):
    """The text of a page as a reader sees it, a table row a line; no style, no descriptions."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.hidden = 0
        self.parts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        self.hidden += tag in ("style", "title", "desc")
        self.parts.append("\n" if tag in ("tr", "p", "li", "h1", "h2", "h3", "text") else " ")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("style", "title", "desc")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.parts.append(data.replace("\n", " "))


def page_text(explanation: Explanation) -> str:
    return "".join(PageText(render_html(explanation)).parts).replace("\xa0", " ")


REPORTS = {"terminal": terminal_text, "html": page_text, "markdown": render_markdown}


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_every_report_shows_every_state_and_the_same_each_time(state, report) -> None:  # type: ignore[no-untyped-def]
    shown = report(state())
    assert shown == report(state())
    assert "None" not in shown
    assert not re.search(r"\bnan\b", shown, re.IGNORECASE)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\ud800]", shown)


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
@pytest.mark.parametrize("state", [normal, nothing_detected, unpaired, twenty_aspects])
def test_every_report_shows_the_explanations_own_numbers(state, report) -> None:  # type: ignore[no-untyped-def]
    explanation = state()
    shown = report(explanation).replace("&lt;", "<")
    for a in (*explanation.aspects, *explanation.less):
        expected = [numbers.score(a.score), numbers.interval(a.ci)]
        expected += [numbers.percent(a.share), numbers.p_value(a.q_value)]
        rows = [line for line in shown.splitlines() if line.strip("| ").startswith(a.concept)]
        rows += [line for line in shown.splitlines() if f"| {a.concept} |" in line]
        assert any(all(text in row for text in expected) for row in rows)
    words = " ".join(shown.split())
    assert f"Unexplained: {numbers.percent(explanation.residual)}" in words
    assert f"({numbers.percent(explanation.residual_in_sample)} in sample)" in words
    assert f"words can reach: {numbers.percent(explanation.outside)}" in words


VERDICTS = [
    (normal, "Difference detected (p = 0.0002)"),
    (nothing_detected, "No difference detected (p = 0.43)"),
    (too_few_pairs, "Too few pairs to test"),
    (identical, "No difference detected: to this encoder the two sets are identical"),
]


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
@pytest.mark.parametrize(("state", "verdict"), VERDICTS)
def test_every_report_says_whether_there_is_a_difference(state, verdict, report) -> None:  # type: ignore[no-untyped-def]
    assert verdict in " ".join(report(state()).split())


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_an_undefined_number_is_a_dash_everywhere(report) -> None:  # type: ignore[no-untyped-def]
    shown = report(too_few_pairs())
    assert "Unexplained: – (39 % in sample)" in " ".join(shown.split())
    assert "nan" not in shown
    assert "0.00" not in shown
    assert " 0 %" not in shown
    assert shown.count("–") >= 7  # interval, share and q of both aspects, and the residual
