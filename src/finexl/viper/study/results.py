"""An automated study from beginning to end, and its results: a JSON line a figure.

DIR/pictures/        what was made
DIR/results.jsonl    one line a figure, written anew by every run
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from finexl.cache import key_of
from finexl.files import write_atomic
from finexl.viper.study.gallery import METHODS, Gallery, Progress
from finexl.viper.study.people import Subject
from finexl.viper.study.plan import Plan
from finexl.viper.study.report import interval, percent
from finexl.viper.study.scorers import load_scorer
from finexl.viper.study.simulated import Found, look, make, measure

RESULTS = "results.jsonl"
SCHEMA = "finexl.study-result/1"
HEADER = ("Study", "Pictures", "By", "Own", "95% interval", "Chance", "Paper's", "Tastes")


def simulated(
    plan: Plan,
    tastes: Sequence[Subject],
    gallery: Gallery,
    scorers: Sequence[str],
    progress: Progress = lambda *_: None,
) -> list[Found]:
    """Make the pictures that are not there, ask every scorer, and write the results down.

    Raises:
        UsageError: as `make`, `measure` and `load_scorer`.
        PrerequisiteError: a scorer's model is not on this machine.
    """
    chosen = [load_scorer(one) for one in scorers]
    make(plan, tastes, gallery, progress)
    found: list[Found] = []
    for scorer in chosen:
        seen = look(plan, tastes, gallery, scorer, progress)
        found += measure(plan, tastes, seen, scorer, progress)
        _keep(plan, tastes, gallery, found)
        if seen.elsewhere and scorer.examples:
            found += measure(plan, tastes, seen, scorer, progress, elsewhere=True)
            _keep(plan, tastes, gallery, found)
    return found


def _keep(plan: Plan, tastes: Sequence[Subject], gallery: Gallery, found: Sequence[Found]) -> None:
    """Write down what was found until now."""
    about = {
        "model": gallery.base.name,
        "settings": key_of(gallery.base.digest, repr(plan))[:16],
        "degree": gallery.degree,
        "tastes": len(tastes),
        "people": plan.people,
        "prompts": len(plan.prompts),
        "seeds": plan.seeds,
        "seed": plan.seed,
    }
    lines = [{"schema": SCHEMA, **about, **one.to_dict()} for one in found]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    write_atomic(gallery.folder / RESULTS, text)


def row(found: Found) -> tuple[str, ...]:
    """Return a figure as a table's row."""
    share = found.share
    return (
        found.study,
        METHODS[found.method],
        found.scorer,
        percent(share.value),
        interval(share),
        percent(share.chance),
        "" if share.paper is None else percent(share.paper),
        str(share.units),
    )
