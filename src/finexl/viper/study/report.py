"""An analysis as one HTML page: no script, no request, everything supplied escaped."""

from __future__ import annotations

import math

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from finexl.report.wording import plain
from finexl.viper.study.analysis import Analysis, Tops
from finexl.viper.study.design import TESTS
from finexl.viper.study.lineups import TOP, Share
from finexl.viper.study.matrices import Matrix
from finexl.viper.study.published import NOTE

WIDEST = 12
"""People in a matrix that is shown; more are in the JSON alone."""


def render_html(analysis: Analysis) -> str:
    """Return the page: same analysis, same text."""
    environment = Environment(
        # the style is the explanations'
        loader=ChoiceLoader([PackageLoader("finexl.viper.study"), PackageLoader("finexl.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters.update(percent=percent, interval=interval, units=units)
    both = [("people", analysis.of_people), (analysis.scorer, analysis.of_proxy)]
    matrices = [(who, one) for who, one in both if one is not None]
    too_wide = any(len(one.names) > WIDEST for _, one in matrices)
    return environment.get_template("analysis.html.j2").render(
        a=analysis,
        tests=[(TESTS[test], [t for t in analysis.tops if t.test == test]) for test in TESTS
               if any(t.test == test for t in analysis.tops)],
        top=TOP,
        matrices=[] if too_wide else [(who, _cells(one)) for who, one in matrices],
        too_wide=too_wide,
        sentences=sentences(analysis),
        note=NOTE,
    )  # fmt: skip


def sentences(analysis: Analysis) -> list[str]:
    """Return what was found, in words."""
    found = []
    for tops in analysis.tops:
        first = tops.shares[0]
        who = "people" if tops.by == "people" else tops.by
        sure = "more often than chance" if first.ci[0] > first.chance else "not surely above chance"
        others = "plain ones" if tops.test == "none" else "others'"
        found.append(
            f"Against {others}, {who} put the own picture first {percent(first.value)} of the time "
            f"(95% {interval(first)}; chance {percent(first.chance)}): {sure}."
        )
    both = analysis.agreement
    if both is not None and both.others is not None and both.p_value is not None:
        found.append(
            f"Whose pictures people like beside their own, M ranks with a correlation of "
            f"{both.others:.2f} (p {both.p_value:.3f}); with their own, {both.all or 0:.2f}."
        )
    return found


def rows(analysis: Analysis) -> list[tuple[str, ...]]:
    """Return the table for a terminal: a row a test, who ranked, and k."""
    return [
        (
            f"own vs {tops.test}",
            tops.by,
            f"top-{k}",
            percent(share.value),
            interval(share),
            percent(share.chance),
            "" if share.paper is None else percent(share.paper),
            str(share.questions),
        )
        for tops in analysis.tops
        for k, share in zip(TOP, tops.shares, strict=True)
    ]


HEADER = ("Test", "Ranked by", "Top", "Own", "95% interval", "Chance", "Paper's", "Line-ups")


def percent(value: float) -> str:
    """Return a share in percent, one decimal."""
    return f"{100 * value:.1f}%"


def interval(share: Share) -> str:
    """Return a share's interval in percent."""
    return f"{100 * share.ci[0]:.0f}–{100 * share.ci[1]:.0f}%"


def _cells(found: Matrix) -> list[tuple[str, list[tuple[str, float, bool]]]]:
    """Return a matrix's rows: whose, and for each cell its text, its depth in [0, 1], and own."""
    deepest = max((x for x in found.scores.ravel() if math.isfinite(x)), default=1.0) or 1.0
    return [
        (
            name,
            [
                (
                    "–" if math.isnan(x) else f"{x:.2f}",
                    0.0 if math.isnan(x) else x / deepest,
                    i == j,
                )
                for j, x in enumerate(row)
            ],
        )
        for i, (name, row) in enumerate(zip(found.names, found.scores, strict=True))
    ]


def units(tops: Tops) -> str:
    """Say over what a test's shares are."""
    first = tops.shares[0]
    people = "1 person" if first.units == 1 else f"{first.units} people"
    return f"{people}, {first.questions} line-ups"


def _shown(value: object) -> object:
    """Every text that a template prints passes here, before it is escaped."""
    return plain(value) if isinstance(value, str) and type(value) is not Markup else value
