"""The charts' geometry against the scale it promises."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finexl.explanation import Explanation
from finexl.report import chart, wording
from test_report_states import aspect, identical, normal, nothing_detected, too_few_pairs


def test_dots_bars_and_intervals_follow_the_scale() -> None:
    drawn = chart.score_chart(normal())
    assert drawn is not None
    # the lowest interval end (−0.61) and the highest (0.80) sit on the margins
    low, high = -0.52 - 0.09, 0.71 + 0.09
    per_score = (100 - 2 * chart.MARGIN) / (high - low)
    assert drawn.zero_x == pytest.approx(chart.MARGIN - low * per_score)
    for mark in drawn.marks:
        score, ci = mark.aspect.score, mark.aspect.ci
        assert mark.x == pytest.approx(drawn.zero_x + score * per_score)
        assert ci is not None
        assert mark.ci_x == pytest.approx([drawn.zero_x + end * per_score for end in ci])
        assert mark.bar_width == pytest.approx(abs(score) * per_score)
        assert mark.bar_x == pytest.approx(min(mark.x, drawn.zero_x))
        assert mark.direction == ("more" if score > 0 else "less")


def test_rows_do_not_overlap_and_fit_the_height() -> None:
    drawn = chart.score_chart(normal())
    assert drawn is not None
    tops = [mark.y for mark in drawn.marks]
    assert tops == [chart.TOP + chart.ROW_HEIGHT * i for i in range(5)]
    assert drawn.height == tops[-1] + chart.ROW_HEIGHT + chart.BOTTOM


def test_no_interval_where_there_is_none() -> None:
    drawn = chart.score_chart(too_few_pairs())
    assert drawn is not None
    assert [mark.ci_x for mark in drawn.marks] == [None, None]
    assert drawn.marks[0].description == "line drawing: 0.71 (95 % interval –, not tested)"


def test_nothing_is_drawn_without_aspects() -> None:
    assert chart.score_chart(identical()) is None
    assert chart.share_bar(identical()) == ()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=5))
def test_any_scores_stay_within_the_chart(scores: list[float]) -> None:
    few = tuple(aspect("a", score, ci=None) for score in scores)
    drawn = chart.score_chart(replace(normal(), aspects=few, less=()))
    assert drawn is not None
    ends = (chart.MARGIN - 1e-6, 100 - chart.MARGIN + 1e-6)
    for x in (drawn.zero_x, *(m.x for m in drawn.marks), *(t.x for t in drawn.ticks)):
        assert ends[0] <= x <= ends[1]
    assert 1 <= len(drawn.ticks) <= 7
    assert "0" in [tick.label for tick in drawn.ticks]
    assert len({tick.label for tick in drawn.ticks}) == len(drawn.ticks)


@pytest.mark.parametrize(
    ("score", "labels"),
    [
        (1.3, ["0", "0.5", "1.0"]),
        (0.0021, ["0", "0.0005", "0.0010", "0.0015", "0.0020"]),
        (-55.0, ["−50", "−40", "−30", "−20", "−10", "0"]),
        (0.0, ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
    ],
)
def test_ticks_are_round_numbers(score: float, labels: list[str]) -> None:
    drawn = chart.score_chart(replace(normal(), aspects=(aspect("a", score, ci=None),), less=()))
    assert drawn is not None
    assert [tick.label for tick in drawn.ticks] == labels
    for tick in drawn.ticks:
        assert tick.x == pytest.approx(drawn.scale.x(float(tick.label.replace("−", "-"))))


def shares(explanation: Explanation) -> list[float]:
    return [segment.width for segment in chart.share_bar(explanation)]


def test_shares_and_the_rest_fill_the_bar() -> None:
    bar = chart.share_bar(normal())
    assert shares(normal()) == pytest.approx([37, 16, 3, 18, 8.36, 100 * 0.42**2])
    assert sum(shares(normal())) == pytest.approx(100)
    assert [segment.direction for segment in bar] == ["more"] * 3 + ["less"] * 2 + ["rest"]
    for one, after in pairwise(bar):
        assert after.x == pytest.approx(one.x + one.width)
    assert all(chart.FAINTEST <= segment.strength <= 1 for segment in bar)


def test_negative_shares_have_no_width_and_too_much_is_scaled() -> None:
    assert shares(nothing_detected()) == [0, 100]
    over = replace(
        normal(),
        aspects=(aspect("a", 0.7, share=0.9), aspect("b", 0.2, share=0.6)),
        less=(),
        residual=0.0,
    )
    assert shares(over) == pytest.approx([60, 40, 0])


def test_no_bar_where_a_share_is_undefined() -> None:
    assert chart.share_bar(too_few_pairs()) == ()
    assert chart.share_bar(replace(normal(), residual=None)) == ()


@given(st.text(max_size=60), st.integers(4, 40))
def test_shortened_fits(text: str, columns: int) -> None:
    cut = chart.shortened(text, columns)
    assert sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in cut) <= columns
    assert cut == wording.plain(text) or cut.endswith("…")
