"""Numbers and phrases: closed forms, and the edges where rounding could mislead."""

from __future__ import annotations

from dataclasses import replace

import pytest

from finexl.report import numbers, wording
from test_report_states import identical, normal, too_few_pairs, unpaired


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.714, "0.71"),
        (-0.52, "−0.52"),
        (-0.004, "0.00"),
        (0.0, "0.00"),
        (12.0, "12.00"),
        (None, "–"),
        (float("nan"), "–"),
        (float("inf"), "–"),
    ],
)
def test_score(value: float | None, shown: str) -> None:
    assert numbers.score(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.42, "42 %"),
        (0.0, "0 %"),
        (1.0, "100 %"),
        (0.004, "< 1 %"),
        (0.997, "> 99 %"),
        (-0.02, "−2 %"),
        (-0.001, "0 %"),
        (1.31, "131 %"),
        (None, "–"),
    ],
)
def test_percent(value: float | None, shown: str) -> None:
    assert numbers.percent(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1.0, "1.00"),
        (0.4312, "0.43"),
        (0.0312, "0.031"),
        (0.0021, "0.0021"),
        (0.000244, "0.0002"),
        (0.00001, "< 0.0001"),
        (0.0, "< 0.0001"),
        (None, "–"),
    ],
)
def test_p_value(value: float | None, shown: str) -> None:
    assert numbers.p_value(value) == shown


def test_interval_length_and_count() -> None:
    assert numbers.interval((0.62, 0.8)) == "0.62 to 0.80"
    assert numbers.interval((-0.8, -0.001)) == "−0.80 to 0.00"
    assert numbers.interval(None) == "–"
    assert [numbers.length(v) for v in (4.2137, 0.01234, None)] == ["4.21", "0.0123", "–"]
    assert numbers.count(12345) == "12,345"


def test_plain_leaves_one_line_without_controls() -> None:
    assert wording.plain("a\nb\tc\x1b[31m\x00\x7f\x9b") == "a b c[31m"
    assert wording.plain("\u202eabc\u2066\ud800") == "abc"
    assert wording.plain("👩‍🎨 עברית é") == "👩‍🎨 עברית é"


def test_compared_names_the_pairing_and_the_number() -> None:
    assert wording.compared(normal()) == "25 pairs, same prompt and seed"
    assert wording.compared(replace(normal(), pairing="prompt")) == "25 pairs, same prompt"
    one = replace(normal(), pairing="file", n_pairs=1)
    assert wording.compared(one) == "1 pair, same file name"
    assert wording.compared(unpaired()) == "unpaired: 25 against 25 images"


def test_unexplained_in_every_state() -> None:
    reach = "; outside what this encoder's words can reach: "
    assert wording.unexplained(normal()) == (
        "Unexplained: 42 % of the change's length, 18 % beside the shares (39 % in sample)"
        f"{reach}12 %"
    )
    assert wording.unexplained(too_few_pairs()) == f"Unexplained: – (39 % in sample){reach}12 %"
    unknown = replace(normal(), residual=None, residual_in_sample=None, outside=None)
    assert wording.unexplained(unknown) == "Unexplained: –"
    assert wording.unexplained(identical()) == "Unexplained: –, as there is no change to explain"


def test_verdict_with_extreme_or_missing_p() -> None:
    def verdict(p: float | None) -> str:
        e = normal()
        return wording.verdict(replace(e, divergence=replace(e.divergence, p_value=p)))

    assert verdict(1e-9) == "Difference detected (p < 0.0001)"
    assert verdict(None) == "Difference detected"
    few = replace(too_few_pairs(), pairing="none")
    assert wording.verdict(few) == "Too few images to test"


def test_measured_says_what_repeating_needs() -> None:
    facts = dict(wording.measured(normal()))
    assert facts["Encoder"] == "embedded, revision 4f1d0b8c77a0e1d2"
    assert facts["Prompts"] == "25 (prompts.txt)"
    assert facts["Length of the change"] == "4.21 (scatter between prompts alone: 1.31)"
    assert facts["Random seed"] == "0"
    assert dict(wording.measured(identical()))["Length of the change"] == "0"
