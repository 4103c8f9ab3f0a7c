"""The terminal report: widths, bars, encodings, and names that look like markup."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from finexl.report import render_terminal, wording
from test_report_states import STATES, aspect, hostile, normal, terminal_text, too_few_pairs


def row(shown: str, concept: str) -> str:
    return next(line for line in shown.splitlines() if line.startswith(concept))


def eighths(line: str) -> int:
    return 8 * line.count("█") + sum(line.count(c) * k for k, c in enumerate("▏▎▍▌▋▊▉", 1))


def test_bars_are_scaled_to_the_largest_score() -> None:
    shown = terminal_text(normal(), width=100)
    assert row(shown, "line drawing").count("█") == 24
    for a in (*normal().aspects, *normal().less):
        assert eighths(row(shown, a.concept)) == round(8 * 24 * abs(a.score) / 0.71)


def test_a_tiny_score_leaves_a_mark_and_zero_leaves_none() -> None:
    aspects = (aspect("big", 100.0), aspect("tiny", 0.001), aspect("nothing", 0.0))
    shown = terminal_text(replace(normal(), aspects=aspects))
    assert eighths(row(shown, "tiny")) == 1
    assert eighths(row(shown, "nothing")) == 0
    alone = terminal_text(replace(normal(), aspects=(aspect("nothing", 0.0),), less=()))
    assert eighths(row(alone, "nothing")) == 0


def test_significance_is_marked_and_explained() -> None:
    shown = terminal_text(normal())
    assert row(shown, "line drawing").rstrip().endswith("0.0002  ●")
    assert row(shown, "high contrast").rstrip().endswith("0.21  ○")
    assert "● significant   ○ not significant\n" in shown
    assert "· not tested\n" in terminal_text(too_few_pairs())


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_no_line_is_wider_than_the_console(state, width: int) -> None:  # type: ignore[no-untyped-def]
    lines = terminal_text(state(), width).splitlines()
    assert max(len(line.rstrip()) for line in lines) <= width


def test_narrow_consoles_keep_every_number() -> None:
    line = row(terminal_text(normal(), width=60), "vivid color")
    assert " ".join(line.split()) == "vivid color −0.52 −0.61 to −0.43 18 % 0.0002 ●"


def test_markup_emoji_codes_and_controls_are_printed_literally() -> None:
    names = "[red]x[/red] [/] [bold :smile: \x1b[31mred\x07"
    e = replace(normal(), name=names, aspects=(aspect(names, 0.5),), warnings=(names,))
    shown = terminal_text(e, width=160)
    assert shown.count("[red]x[/red] [/] [bold :smile: [31mred") == 3
    assert "\x1b" not in shown


def test_a_color_terminal_gets_no_escape_code_from_a_name() -> None:
    file = io.StringIO()
    render_terminal(hostile(), Console(file=file, force_terminal=True, width=100))
    codes = {part.split("m")[0] for part in file.getvalue().split("\x1b[")[1:]}
    assert codes <= {"0", "1", "2", "1;2", "33", "35", "36"}


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8"])
@pytest.mark.parametrize("state", [normal, too_few_pairs, hostile])
def test_any_encoding_can_be_written(state, encoding: str) -> None:  # type: ignore[no-untyped-def]
    written = io.BytesIO()
    file = io.TextIOWrapper(written, encoding=encoding)
    render_terminal(state(), Console(file=file, width=100))
    file.flush()
    shown = written.getvalue().decode(encoding)
    if state is normal and encoding != "utf-8":
        assert "#" * 24 in row(shown, "line drawing")
        assert "-0.61 to -0.43" in row(shown, "vivid color")
        assert "* significant   o not significant" in shown
        assert "?" not in shown


def test_the_parts_come_in_order() -> None:
    shown = " ".join(terminal_text(normal()).split())
    parts = [
        "sketch-lora: SD 1.5 + sketch compared with Stable Diffusion 1.5",
        wording.verdict(normal()),
    ]
    parts += ["More of", "Less of", "Unexplained:", "Much more line drawing", "Note: 2 files"]
    places = [shown.index(part) for part in parts]
    assert places == sorted(places)
