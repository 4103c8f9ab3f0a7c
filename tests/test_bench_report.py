"""Results as tables and plots: the numbers are those of the files, whatever else is in them."""

from __future__ import annotations

import itertools
import json
import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from finexl.bench.measures import better_of, range_of
from finexl.bench.report import chance, curves, plots
from finexl.bench.report.chance import at_random_named
from finexl.bench.report.findings import Findings, read_findings
from finexl.bench.report.html import render_html
from finexl.bench.report.markdown import BEGIN, END, placed, render_markdown
from finexl.bench.report.page import Block, Summary
from finexl.bench.report.published import NOTE, PUBLISHED, published_for
from finexl.bench.report.summary import summary_of
from finexl.bench.report.wording import natural
from finexl.bench.results import Result, Results
from finexl.bench.scoring import coordinate_accuracy, rank_error
from finexl.cli.bench_report import report
from finexl.errors import FinexlError, UsageError

HOSTILE = (
    '</td><script>alert(1)</script>|`x` <!-- bench: end --> [a](http://b.example) "\u202e²\ud800'
)
TEN = [float(level) for level in range(1, 11)]


def result(row: str, value: float, trial: str = "a", seed: int = 0, **changes: Any) -> Result:
    fields: dict[str, Any] = {
        "experiment": "one-aspect",
        "measure": "rank error",
        "column": "operators, 10 levels",
        "settings": "s",
        "seconds": 2.0,
        "details": {"levels": TEN, "scores": TEN},
        **changes,
    }
    return Result(row=row, value=value, trial=trial, seed=seed, **fields)


def findings(results: Sequence[Result], made_with: Mapping[str, str] | None = None) -> Findings:
    found = Findings()
    for one in results:
        found.add(one, made_with or {"finexl": "1"}, "some.jsonl")
    return found


def summary(*results: Result) -> Summary:
    return summary_of(findings(results))


def only_block(found: Summary) -> Block:
    ((block,),) = [batch.blocks for section in found.sections for batch in section.batches]
    return block


def cell(block: Block, row: str, column: int = 0) -> tuple[str, str, str]:
    (found,) = [r.cells[column] for grid in block.grids for r in grid.rows if r.label == row]
    return found.value, found.interval, found.less


def write(path: Path, *results: Result) -> Path:
    kept = Results.open(path)
    for one in results:
        kept.add(one)
    return path


THREE = (
    result("VisDiff", 1.0, "a"), result("VisDiff", 2.0, "b"),
    result("FineXL", 0.2, "a", 0), result("FineXL", 0.6, "a", 1), result("FineXL", 1.0, "b", 0),
    result("FineXL (paper)", 3.0, "a"),
)  # fmt: skip


def test_a_cell_is_the_mean_over_trials_of_the_means_over_seeds() -> None:
    block = only_block(summary(*THREE))
    # FineXL: trials 0.4 and 1.0; half an interval of two is t(0.975, 1) · sd / √2 = 12.706 · 0.3,
    # and no rank error is below 0
    assert cell(block, "FineXL") == ("0.70", "0.00 to 4.51", "−53 %")
    assert cell(block, "VisDiff") == ("1.50", "0.00 to 7.85", "")
    # one trial of two: shown, and compared with nothing
    assert cell(block, "FineXL (paper)") == ("3.00", "", "")
    assert cell(block, "trials, seeds") == ("1 to 2, 1", "", "")  # FineXL has b with one seed
    (against,) = block.against
    assert (against.ours.value, against.baseline, against.theirs.value) == (
        "0.70",
        "VisDiff",
        "1.50",
    )
    assert block.verdict == "FineXL is better than every baseline in the one column."
    assert [row.label for row in block.grids[0].rows][:3] == ["FineXL", "FineXL (paper)", "VisDiff"]


def test_an_accuracy_is_turned_into_an_error_before_it_is_compared() -> None:
    some: dict[str, Any] = {
        "measure": "coordinate accuracy",
        "experiment": "several-aspects",
        "details": {},
    }
    block = only_block(summary(result("FineXL", 0.95, **some), result("GSCLIP", 0.8, **some)))
    assert cell(block, "FineXL") == ("0.95", "", "−75 %")


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        (0.4, "FineXL is better than every baseline in the one column."),
        (0.5, "in 1 of 1 column. Equal to the best of them: operators, 10 levels (0.50)."),
        (0.6, "in 1 of 1 column. Worse: operators, 10 levels (0.60; Naive 0.50)."),
    ],
)
def test_it_is_said_where_ours_is_not_better_than_every_baseline(
    ours: float, expected: str
) -> None:
    block = only_block(summary(result("FineXL", ours), result("Naive", 0.5), result("Random", 3.0)))
    assert block.verdict.endswith(expected)


def test_without_a_baseline_nothing_is_compared() -> None:
    block = only_block(summary(result("FineXL", 1.0), result("FineXL (paper)", 2.0)))
    assert (block.verdict, block.against) == ("", ())
    assert cell(block, "FineXL") == ("1.00", "", "")


@pytest.mark.parametrize("n", [2, 3, 5, 8, 10])
def test_chance_is_what_answers_score_that_know_nothing(n: int) -> None:
    levels = [float(level) for level in range(n)]
    assert chance.constant(n) == pytest.approx(rank_error([1.0] * n, levels))
    # Σ|i − j| over all pairs, by hand
    pairs = [abs(i - j) for i in range(n) for j in range(n)]
    assert chance.at_random(n) == pytest.approx(sum(pairs) / n / n)


def test_chance_lines_stand_below_the_methods() -> None:
    block = only_block(summary(*THREE))
    assert cell(block, "chance: a constant answer")[0] == "2.50"
    assert cell(block, "chance: a random order")[0] == "3.30"
    assert block.against[0].chance == "2.50 / 3.30"
    found = only_block(summary(*(replace(r, measure="rank error by what is found") for r in THREE)))
    assert found.against[0].chance == "2.50 / 3.30"
    six = {"levels": [[1, 1], [1, 2], [1, 3], [2, 1], [2, 2], [3, 1]]}
    two = only_block(summary(result("FineXL", 1.0, measure="coordinate accuracy", details=six)))
    assert cell(two, "chance: one of the coordinates")[0] == "0.17"


@pytest.mark.parametrize(("k", "expected"), [(1, 1.0), (2, (1 + 1 / 3) / 2), (3, 10 / 27)])
def test_rays_named_at_random_are_right_as_often_as_counted_by_hand(
    k: int, expected: float
) -> None:
    # three aspects: the order itself, 3 exchanges that leave 1 in 3, 2 rotations that leave 1 in 9
    grid = [list(map(float, at)) for at in itertools.product((1, 2, 3), repeat=k)]
    assert at_random_named(grid) == pytest.approx(expected)
    read = result("FineXL", 1.0, measure="coordinate accuracy of models read jointly",
                  details={"levels": grid})  # fmt: skip
    block = only_block(summary(read))
    assert cell(block, "chance: right rays, named at random")[0] == f"{expected:.2f}"
    assert cell(block, "chance: one of the coordinates")[0] == f"{3.0**-k:.2f}"


def test_what_is_no_list_of_levels_has_no_chance_line() -> None:
    for levels in (None, "abc", [1, "x"], [], [1.0], [1, 1, 2], {"a": 1}):
        block = only_block(summary(result("FineXL", 1.0, details={"levels": levels})))
        assert [row.kind for row in block.grids[0].rows] == ["ours", "counts"]


def test_many_columns_are_a_table_for_each_family_with_levels_in_order() -> None:
    block = only_block(
        summary(
            *(
                result("FineXL", 1.0, column=f"{family}, {n} levels")
                for family in ("faces", "styles")
                for n in (10, 3, 8)
            )
        )
    )
    levels = ("3 levels", "8 levels", "10 levels")
    assert [(g.title, g.columns) for g in block.grids] == [("faces", levels), ("styles", levels)]


def test_several_measures_of_one_column_are_one_table() -> None:
    some: dict[str, Any] = {"experiment": "fine-tunes", "column": "real fine-tunes", "details": {}}
    block = only_block(
        summary(
            *(result("FineXL", v, measure=m, **some) for m, v in (("hit@1", 1), ("detected", 0)))
        )
    )
    (grid,) = block.grids
    assert grid.columns == ("hit@1 (higher is better)", "detected")
    assert [shown.value for shown in grid.rows[0].cells] == ["1.00", "0.00"]


def test_results_of_different_settings_never_share_a_cell() -> None:
    both = summary(result("FineXL", 1.0), result("FineXL", 3.0, settings="t"))
    (section,) = both.sections
    assert [cell(batch.blocks[0], "FineXL")[0] for batch in section.batches] == ["1.00", "3.00"]
    # one experiment that has its rows' encoders in its settings
    rows = summary(result("CLIP", 1.0, settings="s one"), result("ALIGN", 3.0, settings="s two"))
    block = only_block(rows)
    assert (cell(block, "CLIP")[0], cell(block, "ALIGN")[0]) == ("1.00", "3.00")


def test_the_command_is_the_recorded_one_once_for_all_shards() -> None:
    found = Findings()
    for n in (1, 2):
        command = f"finexl bench run one-aspect --shard {n}/2"
        found.add(result("FineXL", 1.0, str(n)), {"command": command, "machine": "m"}, "x.jsonl")
    (batch,) = summary_of(found).sections[0].batches
    assert batch.commands == ("finexl bench run one-aspect --shard I/2",)
    assert batch.note == ""
    assert batch.made == "Made with machine m; settings s; 4 s in all."


def test_where_no_command_was_recorded_that_is_said() -> None:
    (batch,) = summary(*THREE).sections[0].batches
    assert batch.commands == ("finexl bench run one-aspect --results some.jsonl",)
    assert batch.note


@pytest.mark.parametrize(
    ("measure", "better"),
    [
        ("rank error", "lower"), ("cosine error", "lower"), ("false aspects, base split", "lower"),
        ("perceptual distance", "lower"), ("coordinate accuracy", "higher"), ("hit@3", "higher"),
        ("same style", "higher"), ("alignment", "higher"), ("alignment of other words", "lower"),
        ("concepts", ""), ("residual", ""), ("detected", ""),
    ],
)  # fmt: skip
def test_a_measure_says_which_way_it_is_better(measure: str, better: str) -> None:
    assert better_of(measure) == better


def test_a_measure_says_where_its_values_end() -> None:
    shares = ("coordinate accuracy of models read jointly", "same style", "hit@3")
    assert {range_of(measure) for measure in shares} == {(0.0, 1.0)}
    assert range_of("rank error, by effect") == range_of("false aspects") == (0.0, math.inf)
    assert range_of("alignment with the models") == (-1.0, 1.0)
    assert range_of("something new") == (-math.inf, math.inf)


def test_natural_order_counts() -> None:
    names = ["n = 100", "n = 25", "²", "n = 9", "0.5", "0.25"]
    assert sorted(names, key=natural) == ["0.25", "0.5", "n = 9", "n = 25", "n = 100", "²"]


def test_lines_of_another_kind_are_counted_and_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", *THREE)
    good = path.read_text(encoding="utf-8")
    line = json.loads(good.splitlines()[0])
    bad: list[Any] = [
        {**line, "schema": "finexl.result/2"}, {**line, "value": "1"}, {**line, "value": None},
        {**line, "row": 3}, {**line, "details": []}, {**line, "seed": True}, {**line, "new": 1},
        {**line, "value": 10**400}, {**line, "made_with": []}, {**line, "row": "\ud800"}, [], 1,
    ]  # fmt: skip
    lines = [json.dumps(one) for one in bad]
    lines += [json.dumps({**line, "value": math.nan}), "[" * 100_000, '{"schema": "finexl']
    path.write_bytes(("\n".join(lines) + "\n\n").encode() + b"\xff\xfe\n" + good.encode())
    found = read_findings([path])
    assert list(found.results.values()) == list(THREE)
    assert found.passed_over == len(lines) + 1
    assert "Passed over: 16 lines" in summary_of(found).notes[0]


def test_what_comes_again_with_another_value_is_told(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a", *THREE), write(tmp_path / "b", THREE[0], result("VisDiff", 9, "b"))
    found = read_findings([a, b])
    assert (len(found.results), found.contradicted) == (len(THREE), 1)
    assert "1 result came again with another value" in " ".join(summary_of(found).notes)


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=re.escape(str(tmp_path / name))):
        read_findings([tmp_path / name])


def test_no_results_are_a_page_that_says_so() -> None:
    assert render_markdown(summary()) == "There are no results yet.\n"
    assert "There are no results yet." in render_html(summary())


def test_the_markdown_table_has_the_numbers() -> None:
    text = render_markdown(summary(*THREE))
    assert "| FineXL | **0.70** (0.00 to 4.51), error −53 % |" in text
    assert "| *chance: a random order* | 3.30 |" in text
    assert "**FineXL is better than every baseline in the one column.**" in text
    assert text.index("```sh\nfinexl bench run one-aspect") < text.index("| FineXL |")


def test_the_papers_figures_stand_apart_from_ours() -> None:
    ours, marked, theirs = render_markdown(summary(*THREE)).partition(f"### {NOTE}")
    assert marked
    assert "Table 1" in theirs
    assert "| FineXL | 0.7 | 1.6 | 1.4 |" in theirs
    assert "| FineXL | 0.7 | 1.6 | 1.4 |" not in ours
    assert NOTE not in render_markdown(summary(result("a", 1, experiment="something else")))


def test_a_table_of_the_paper_has_a_value_for_each_column() -> None:
    for one in PUBLISHED:
        assert {len(values) for _, values in one.rows} == {len(one.columns)}
        assert all(one in published_for(name) for name in one.experiments)
    named = {one.source: one for one in PUBLISHED}
    ours = [named[f"Table {n}"].value("FineXL", "Synthetic") for n in (1, 3, 5, 6)]
    assert ours == [0.7, 0.944, 0.9, 1.5]
    # what the abstract claims: 56 % less than the best baseline
    table = named["Table 1"]
    assert 1 - 0.7 / float(table.value("VisDiff", "Synthetic") or 0) == pytest.approx(0.5625)


def test_a_new_document_gets_the_marks_and_an_old_one_keeps_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "results.md"
    path.write_text(placed("one\n", path), encoding="utf-8")
    assert path.read_text(encoding="utf-8").startswith("# Results of the experiments\n")
    path.write_bytes(b"before\r\n" + f"{BEGIN}old{END} after\r\n".encode())
    assert placed("new\n", path) == f"before\r\n{BEGIN}\n\nnew\n\n{END} after\r\n"


@pytest.mark.parametrize(
    "text", ["", BEGIN, END, f"{END}{BEGIN}", f"{BEGIN}{END}{BEGIN}", f"{BEGIN}{BEGIN}{END}"]
)
def test_marks_that_are_missing_or_doubled_are_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "results.md"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="once each, in this order") as raised:
        placed("new\n", path)
    assert str(path) in str(raised.value)


def test_a_document_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "results.md"
    path.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="UTF-8"):
        placed("new\n", path)


class Elements(HTMLParser):
    """The elements of a page, their attributes, and whether each is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: dict[str, int] = {}
        self.names: set[str] = set()
        self.text = ""
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.names |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)


KNOWN = """lang charset http-equiv content name class role aria-label tabindex scope viewbox d x x1
x2 y y1 y2 cx cy r dx width height text-anchor fill-opacity"""


def everything(word: str) -> list[Result]:
    """Return results that draw every plot, named with a word."""
    rng = random.Random(0)
    found = []
    for n, row in enumerate(("FineXL " + word, word)):
        for trial in ("a" + word, "b"):
            scores = [x + n * rng.random() * 5 for x in TEN]
            found.append(
                result(row, 1.0 + n, trial, details={"levels": TEN, "scores": scores},
                       column=f"{word}, 10 levels")
            )  # fmt: skip
            grid = [[i, j] for i in (1, 2, 3) for j in (1, 2, 3)]
            found.append(
                result(row, 0.5, trial, experiment="several-aspects", measure="coordinate accuracy",
                       column=word, details={"levels": grid, "scores": grid})
            )  # fmt: skip
            found += [
                result(f"{word} = {x}, {row}", x / 10, trial, experiment=f"ablation-{word}",
                       measure=word, column=word, details={"x": x}, settings=word)
                for x in (1, 2, 50)
            ]  # fmt: skip
    return found


def test_hostile_names_stay_text_in_the_page() -> None:
    found = findings(everything(HOSTILE), {"command": HOSTILE, HOSTILE: HOSTILE})
    page = Elements(render_html(summary_of(found, {"one-aspect": HOSTILE})))
    plain = Elements(render_html(summary_of(findings(everything("w"), {"command": "w", "w": "w"}))))
    assert "script" not in page.tags
    assert page.names <= set(KNOWN.split())
    # the same elements as with a harmless word, but for the question and a command that is left out
    assert {t: n for t, n in page.tags.items() if t not in ("p", "pre")} == {
        t: n for t, n in plain.tags.items() if t not in ("p", "pre")
    }
    assert "</td><script>alert(1)</script>|`x`" in page.text
    assert "\u202e" not in page.text
    assert not re.search(r"(?:src|href|url|@import)\s*[=(]", render_html(summary_of(found)))


def test_hostile_names_stay_text_in_the_document(tmp_path: Path) -> None:
    found = findings(everything(HOSTILE), {"command": HOSTILE, HOSTILE: HOSTILE})
    text = render_markdown(summary_of(found, {"one-aspect": HOSTILE}))
    assert "<" not in re.sub(r"\\<|&lt;", "", text)
    assert not re.search(r"(?<!\\)\]\(", text)
    widths: dict[int, int] = {}
    for number, line in enumerate(text.splitlines()):
        if line.startswith("|"):
            start = widths.get(number - 1, number)
            widths[number] = start
            assert line.count("|") == text.splitlines()[start].count("|")
    path = tmp_path / "r.md"
    path.write_text(placed(text, path), encoding="utf-8")
    assert placed(text, path) == path.read_text(encoding="utf-8")


def test_a_command_with_backticks_stays_in_its_fence() -> None:
    text = render_markdown(summary_of(findings(THREE, {"command": "a ```` b"})))
    assert "`````sh\na ```` b\n`````\n" in text


def test_a_ladder_goes_from_its_least_score_to_its_greatest() -> None:
    details = {"levels": [30, 10, 20], "scores": [8.0, 4.0, 5.0]}
    drawn = plots.ladder("x", [result("x", 0, details=details)])
    # by level: scores 4, 5, 8 -> 0, 0.25, 1 of the height, counted from below
    assert drawn == plots.Ladder("x", "M5.0 95.0L80.0 72.5L155.0 5.0", "M5.0 95.0L80.0 72.5L155.0 5.0", 1)  # fmt: skip  # noqa: E501
    flat = plots.ladder("x", [result("x", 0, details={"levels": [1, 2], "scores": [3, 3]})])
    assert flat is not None
    assert flat.mean == "M5.0 50.0L155.0 50.0"


@pytest.mark.parametrize(
    "details",
    [{}, {"levels": [1, 2]}, {"levels": [1, 2], "scores": [1]}, {"levels": [1], "scores": [1]},
     {"levels": [1, 2], "scores": [1, None]}, {"levels": "ab", "scores": "ab"},
     {"levels": [1, 2], "scores": [1, math.nan]}, {"levels": [1, 2], "scores": [1, 10**400]}],
)  # fmt: skip
def test_details_that_do_not_say_levels_and_scores_draw_nothing(details: dict[str, Any]) -> None:
    assert plots.pictures_of([result("x", 0, details=details)]) == ()
    some = result("x", 0, details=details, measure="coordinate accuracy")
    assert plots.pictures_of([some]) == ()


def test_ladders_are_drawn_at_the_most_levels_of_a_family() -> None:
    columns = [result("FineXL", 0, column=f"styles, {n} levels") for n in (3, 10, 8)]
    assert [one.title for one in plots.pictures_of(columns)] == ["styles, 10 levels"]


@pytest.mark.parametrize("aspects", [2, 3, 4])
def test_a_confusion_says_how_often_the_true_coordinate_was_read(aspects: int) -> None:
    grid = np.stack(np.meshgrid(*[[1, 2, 3]] * aspects), axis=-1).reshape(-1, aspects)
    scores = grid + np.random.default_rng(0).normal(size=grid.shape) * 0.7
    details = {"levels": grid.tolist(), "scores": scores.tolist()}
    some = [result("x", 0, details=details, measure="coordinate accuracy")]
    drawn = plots.confusion("x", some)
    assert drawn is not None
    if aspects < 4:
        assert (drawn.rows, drawn.columns) == (3**aspects, 3**aspects)
        assert drawn.accuracy == f"{coordinate_accuracy(scores, grid):.2f}"
    else:  # 81 coordinates are too many to see: levels, over all aspects
        assert (drawn.rows, drawn.columns) == (3, 3)
        each = [coordinate_accuracy(scores[:, [a]], grid[:, [a]]) for a in range(aspects)]
        assert drawn.accuracy == f"{np.mean(each):.2f}"


def test_six_mixtures_are_read_as_any_of_nine() -> None:
    six = [[1, 1], [1, 2], [1, 3], [2, 1], [2, 2], [3, 1]]
    scores = [
        [1.0, 1],
        [1.1, 2],
        [1.2, 3],
        [2, 1.1],
        [3.0, 2.1],
        [2.9, 1.2],
    ]  # the last two swapped
    drawn = plots.confusion("x", [result("x", 0, details={"levels": six, "scores": scores})])
    assert drawn is not None
    assert (drawn.rows, drawn.columns, drawn.accuracy) == (6, 9, "0.67")
    ((_, path),) = drawn.shades
    assert path == "".join(f"M{c} {r}h1v1h-1z" for r, c in enumerate((0, 1, 2, 3, 7, 3)))


def test_a_curve_has_a_line_for_what_else_the_rows_are() -> None:
    some = [
        result(f"e_decomp {x:g}, e_ortho {o:g}", x + o, t, details={"x": x}, column="operators")
        for x in (0.1, 0.4)
        for o in (0.1, 0.4)
        for t in ("a", "b")
    ]
    (curve,) = curves.curves_of(some)
    assert [line.label for line in curve.series] == [
        "operators, e_ortho 0.1",
        "operators, e_ortho 0.4",
    ]
    low, high = curve.series[0].points
    assert (low.x, high.x) == (3, 97)
    assert low.ci is None  # both trials are alike
    ticks = {float(label): y for y, label in curve.y_ticks}
    assert low.y == pytest.approx(ticks[0.2])
    assert not curve.logarithmic


def test_a_curve_over_a_wide_range_is_logarithmic() -> None:
    some = [result(f"n = {n}", 1 / n, details={"x": n}) for n in (10, 100, 1000)]
    (curve,) = curves.curves_of(some)
    assert curve.logarithmic
    assert [point.x for point in curve.series[0].points] == pytest.approx([3, 50, 97])
    assert [label for _, label in curve.x_ticks] == ["10", "100", "1000"]


def test_what_has_no_number_or_one_point_alone_has_no_curve() -> None:
    assert curves.curves_of([result("a", 1), result("b", 2)]) == ()
    assert curves.curves_of([result("a", 1, details={"x": 1}), result("b", 2)]) == ()
    twice = [result("a", 1, t, details={"x": n}) for n, t in enumerate("ab")]
    assert curves.curves_of(twice) == ()


def test_the_same_results_make_the_same_bytes() -> None:
    found = findings(everything("w"))
    assert render_html(summary_of(found)) == render_html(summary_of(found))
    again = findings(everything("w"))
    assert render_markdown(summary_of(found)) == render_markdown(summary_of(again))


def application() -> typer.Typer:
    app = typer.Typer()
    app.command()(report)
    return app


def test_the_command_writes_document_page_and_json(tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", *THREE)
    out = {name: str(tmp_path / name) for name in ("r.md", "r.html", "r.json")}
    given = [str(path), "--markdown", out["r.md"], "--html", out["r.html"], "--json", out["r.json"]]
    first = CliRunner().invoke(application(), given)
    assert (first.exit_code, first.output) == (0, "")
    before = [Path(name).read_bytes() for name in out.values()]
    assert CliRunner().invoke(application(), given).exit_code == 0
    assert [Path(name).read_bytes() for name in out.values()] == before
    found = json.loads(before[2])
    assert found["schema"] == "finexl.bench-report/1"
    (batch,) = found["sections"][0]["batches"]
    assert batch["blocks"][0]["grids"][0]["rows"][0]["cells"][0]["value"] == "0.70"
    assert "Are models ranked" in before[0].decode()
    assert before[1].startswith(b"<!doctype html>")


def test_the_command_prints_where_no_file_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", *THREE)
    printed = CliRunner().invoke(application(), [str(path)])
    assert printed.stdout.count("| FineXL | **0.70**") == 1
    alone = CliRunner().invoke(application(), [str(path), "--json", "-"])
    assert json.loads(alone.stdout)["schema"] == "finexl.bench-report/1"


def test_nothing_is_written_where_the_document_has_no_marks(tmp_path: Path) -> None:
    path, document = write(tmp_path / "r.jsonl", *THREE), tmp_path / "r.md"
    document.write_text("mine", encoding="utf-8")
    page = tmp_path / "r.html"
    given = [str(path), "--markdown", str(document), "--html", str(page)]
    failed = CliRunner().invoke(application(), given)
    assert isinstance(failed.exception, FinexlError)
    assert document.read_text(encoding="utf-8") == "mine"
    assert not page.exists()
