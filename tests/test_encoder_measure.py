"""The measurements that choose the embedded encoder's fit, on planted truth."""

from __future__ import annotations

from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from encoder import measure
from encoder.pictures import Style
from encoder.supervision import related
from numpy.typing import NDArray

from finexl.operators import OPERATORS

Array = NDArray[np.float64]
STYLES = 12
WIDTH, DIM = 20, 16


class Planted:
    """Maps that are right, and a record of what was held out of each fit."""

    def __init__(self) -> None:
        self.held: list[set[str]] = []

    def __call__(
        self, held_styles: Collection[str] = (), held_operators: Collection[str] = ()
    ) -> measure.Maps:
        self.held.append({*held_styles, *held_operators})
        return np.eye(WIDTH)[:, :DIM], np.eye(WIDTH)[:, :DIM]


def known(swapped: bool = False) -> Any:
    """Return styles whose pictures move exactly along their keywords, or two by the other's."""
    rows = np.random.default_rng(0).normal(size=(STYLES, WIDTH))
    styles = [Style(f"style {i}", measure.MODEL, f"words {i}", (), ()) for i in range(STYLES)]
    order = [1, 0, *range(2, STYLES)] if swapped else range(STYLES)
    return SimpleNamespace(
        keyworded=[*styles, Style("another model's", "another", "words", (), ())],
        style_images={s.slug: rows[i][None] for s, i in zip(styles, order, strict=True)},
        keyword_texts={s.slug: row[None] for s, row in zip(styles, rows, strict=True)},
    )


@pytest.mark.parametrize("folds", [1, 2, 5])
def test_right_maps_rank_every_style_first(folds: int) -> None:
    found = measure.rank_styles(known(), Planted(), folds)
    assert (found["top1"], found["median_rank"], found["n"]) == (1.0, 1.0, STYLES)


def test_swapped_styles_are_not_first() -> None:
    found = measure.rank_styles(known(swapped=True), Planted(), 3, splits=(0, 1))
    assert found["top1"] == pytest.approx(1 - 2 / STYLES, abs=5e-4)
    share = 2 / STYLES
    assert found["top1_standard_error"] == pytest.approx(
        np.sqrt(share * (1 - share) / STYLES), abs=5e-4
    )


def test_every_style_is_held_out_once_in_each_division() -> None:
    fit = Planted()
    measure.rank_styles(known(), fit, 4, splits=(0, 1))
    for division in (fit.held[:4], fit.held[4:]):
        assert sorted(s for part in division for s in part) == sorted(
            f"style {i}" for i in range(STYLES)
        )
    assert fit.held[:4] != fit.held[4:]


def test_figures_of_known_ranks() -> None:
    found = measure.figures(np.array([[1, 2, 4, 8], [1, 2, 4, 8]]))
    assert (found["top1"], found["top5"], found["median_rank"]) == (0.25, 0.75, 3.0)
    assert found["geometric_mean_rank"] == pytest.approx(2**1.5, abs=0.005)


def test_levels_in_order_have_no_error_and_in_reverse_five_ranks() -> None:
    directions = np.random.default_rng(1).normal(size=(3, WIDTH))
    sentences = SimpleNamespace(difference=lambda words: directions[int(words)])
    for signs, error in (((1, 1, 1), 0.0), ((-1, -1, -1), 5.0), ((1, 1, -1), 5 / 3)):
        steps = np.arange(1, 11)[None, :, None] * np.array(signs)[:, None, None]
        changes = steps * directions[:, None, :]
        planted: Any = SimpleNamespace(sentences=sentences)
        found = measure.stylised_levels(planted, Planted(), changes, ["0", "1", "2"])
        assert found["each picture"] == pytest.approx(error, abs=5e-4)


def test_related_operators_share_a_phrase() -> None:
    for name, operator in OPERATORS.items():
        mine = {*operator.phrases, *operator.opposite}
        for other in related(name):
            assert mine & {*OPERATORS[other].phrases, *OPERATORS[other].opposite}
            assert name in related(other)
        assert name in related(name)
