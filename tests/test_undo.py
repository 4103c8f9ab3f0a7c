"""An aspect taken away again."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from finexl.encoders.embedded import Embedded
from finexl.errors import UsageError
from finexl.imageset import embeddings_from
from finexl.options import Options
from finexl.pipeline import Explained, explain_sets
from finexl.report import changes, render_what_if
from finexl.runs import Run
from finexl.undo import what_if

Rows = NDArray[np.float32]


@pytest.fixture(scope="module")
def explained(encoder: Embedded, base_rows: Rows) -> Explained:
    """The base moved along two concepts of its own, so that their weights are known."""
    plain = explained_with(encoder, base_rows, base_rows + 1e-3, add=("blurry", "film grain"))
    place = {text: i for i, text in enumerate(plain.texts)}
    blurry, grain = (plain.vectors[place[name]] for name in ("blurry", "film grain"))
    rng = np.random.default_rng(0)
    each = rng.uniform(0.8, 1.2, len(base_rows))[:, None] * blurry
    moved = (base_rows + each - 0.5 * grain).astype(np.float32)
    options = {"only_concepts": ("blurry", "film grain", "sepia"), "add": ("film grain",)}
    return explained_with(encoder, base_rows, moved, **options)


def explained_with(encoder: Embedded, base: Rows, moved: Rows, **options: object) -> Explained:
    sets = (embeddings_from(base, "b"), embeddings_from(moved, "p"))
    return explain_sets(*sets, Options(**options), encoder, Run())  # type: ignore[arg-type]


def test_what_is_left_is_the_other_concept(explained: Explained) -> None:
    found = what_if(explained, "less blurry")
    inside = explained.measure.inside(explained.vectors)
    place = explained.texts.index("film grain")
    assert found.more
    # the ridge of the refit leaves a per cent or two behind
    assert found.norm_after == pytest.approx(0.5 * np.linalg.norm(inside[place]), rel=0.05)
    before, after = next((m.before, m.after) for m in found.aspects if m.concept == "blurry")
    assert abs(after) < abs(before)
    assert found.pairs[0].by >= found.pairs[-1].by > 0
    spread = [p.by for p in found.pairs]
    assert spread == sorted(spread, reverse=True)


def test_what_there_is_less_of_is_undone_by_more(explained: Explained) -> None:
    found = what_if(explained, "more  film grain ")
    assert not found.more
    assert found.pairs[0].by < 0
    with pytest.raises(UsageError, match="has less film grain already; “more film grain” undoes"):
        what_if(explained, "less film grain")
    with pytest.raises(UsageError, match="has more blurry already; “less blurry” undoes"):
        what_if(explained, "more blurry")


@pytest.mark.parametrize("wish", ["no blurry", "without Blurry", "LESS blurry"])
def test_words_for_less(explained: Explained, wish: str) -> None:
    assert what_if(explained, wish).concept == "blurry"


@pytest.mark.parametrize("wish", ["", "blurry", "less", "less ", "fewer blurry"])
def test_what_is_no_wish_is_refused(explained: Explained, wish: str) -> None:
    with pytest.raises(UsageError, match="write “less CONCEPT”"):
        what_if(explained, wish)


def test_what_is_no_aspect_is_refused_with_those_there_are(explained: Explained) -> None:
    with pytest.raises(UsageError, match=r"vivid is no aspect .*blurry.*film grain.*--add it"):
        what_if(explained, "less vivid")


def test_it_is_said_in_words_and_in_json(explained: Explained) -> None:
    found = what_if(explained, "less blurry")
    text = render_what_if(found)
    assert text.startswith("Without the part that is more blurry, ")
    assert "its own matter" in text
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["schema"] == "finexl.what-if/1"
    assert data["concept"] == "blurry"
    assert data["pairs"][0].keys() == {"index", "caption", "by"}


def test_a_correction_is_told_by_score_and_residual(encoder: Embedded, base_rows: Rows) -> None:
    rows = base_rows + np.linspace(0.5, 1.5, len(base_rows))[:, None].astype(np.float32)
    first = explained_with(encoder, base_rows, rows, only_concepts=("blurry", "vivid"))
    pinned = explained_with(
        encoder, base_rows, rows, only_concepts=("blurry", "vivid"), add=("film grain",)
    )
    kept = [a.concept for a in (*pinned.explanation.aspects, *pinned.explanation.less)]
    assert "film grain" in kept
    said = changes(first.explanation, pinned.explanation)
    assert any(line.startswith("  film grain: not listed → ") for line in said)
    assert said[-1].startswith("  unexplained: ")
    assert changes(first.explanation, first.explanation)[-1] == (
        "Nothing changed since this run was fitted last."
    )


def test_what_is_dropped_is_no_candidate_wherever_it_came_from(
    encoder: Embedded, base_rows: Rows
) -> None:
    found = explained_with(
        encoder,
        base_rows,
        base_rows + 1,
        concepts=("my own",),
        drop=("My Own", "blurry", "nothing there"),
    )
    assert not {"my own", "blurry"} & {text.casefold() for text in found.texts}
    assert any("dropping it does nothing: nothing there." in w for w in found.explanation.warnings)
