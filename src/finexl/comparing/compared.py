"""Models beside each other: aspects × models, which differences are certain, which are the same."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from finexl.comparing.alike import Alike, alike
from finexl.comparing.ground import Ground
from finexl.comparing.number import Number, table_of
from finexl.comparing.said import about_alike, about_series, about_stack, amount, more_of
from finexl.concepts.vocabulary import Concept
from finexl.core.comparison import Comparison, compare_models
from finexl.explanation import rounded

if TYPE_CHECKING:
    from finexl.comparing.series import Series
    from finexl.comparing.stacks import Stack

SCHEMA = "finexl.comparison/1"
By = Literal["effect", "score"]
MOST_SENTENCES = 12


@dataclass(frozen=True)
class Row:
    """One concept in every model, in their order."""

    concept: Concept
    effects: tuple[Number, ...]
    scores: tuple[Number, ...]


@dataclass(frozen=True)
class Difference:
    """How much more of a concept `model` has than `other`."""

    concept: Concept
    model: str
    other: str
    by: Number

    @property
    def sentence(self) -> str:
        """Say it: "B has more film grain than A: +0.42 (95% CI 0.30 to 0.54)."."""
        return f"{self.model} {more_of(self.concept)} than {self.other}: {amount(self.by)}."


@dataclass(frozen=True)
class Compared:
    """What a comparison found."""

    ground: Ground
    by: By
    rows: tuple[Row, ...]
    differences: tuple[Difference, ...]
    """Of every two models and every concept, by what was asked; `model` is the one with more."""
    pairs: tuple[Alike, ...]
    """Every two models as wholes, those most alike first."""
    stack: Stack | None = None
    series: Series | None = None

    @property
    def models(self) -> tuple[str, ...]:
        """Their names, in order."""
        return tuple(model.name for model in self.ground.models)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What was found, the most particular first."""
        certain = [d for d in self.differences if d.by.significant]
        shown = [d.sentence for d in _spread(certain)]
        if len(certain) > len(shown):
            shown.append(f"Significant as well: {len(certain) - len(shown):,} more of them.")
        if not certain and self.rows and self.ground.testable:
            shown.append("In none of these concepts do two models differ by more than chance.")
        if not self.rows:
            shown.append("No explanation keeps a concept to compare by; ask for some (--concepts).")
        same = ("identical", "same within noise", "nearly the same")
        return (
            *(about_series(self.series) if self.series else ()),
            *(about_stack(self.stack) if self.stack else ()),
            *shown,
            *(about_alike(pair) for pair in self.pairs if pair.verdict in same),
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to know before trusting it."""
        parts = (part.warnings for part in (self.series, self.stack) if part is not None)
        few = (
            ()
            if self.ground.testable or not self.ground.n
            else (
                f"Too few prompts to test: {self.ground.n}, and it takes 6; intervals and "
                "significance are left open.",
            )
        )
        return tuple(dict.fromkeys((*self.ground.warnings, *few, *itertools.chain(*parts))))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object, `finexl.comparison/1`, floats rounded to 6 digits."""
        measure = self.ground.measure
        data = {
            "schema": SCHEMA,
            "encoder": {"name": measure.encoder.name, "revision": measure.encoder.revision},
            "decomposition": measure.decomposition,
            "n_prompts": self.ground.n,
            "by": self.by,
            "models": [_model(self.ground, i) for i in range(len(self.models))],
            "aspects": [
                {
                    "concept": row.concept.text,
                    "effects": [number.to_dict() for number in row.effects],
                    "scores": [number.to_dict() for number in row.scores],
                }
                for row in self.rows
            ],
            "differences": [
                {
                    "concept": d.concept.text,
                    "model": d.model,
                    "other": d.other,
                    **d.by.to_dict(),
                }
                for d in self.differences
            ],
            "pairs": [vars(pair) for pair in self.pairs],
            "stack": None if self.stack is None else self.stack.to_dict(),
            "series": None if self.series is None else self.series.to_dict(),
            "sentences": self.sentences,
            "warnings": self.warnings,
        }
        found: dict[str, Any] = rounded(data)
        return found


def compare(ground: Ground, by: By = "effect") -> Compared:
    """Compare models: their aspects, where they differ, and which of them are the same."""
    if not len(ground.F):
        return Compared(ground, by, (), (), alike(ground))
    found = compare_models(
        ground.inside(),
        ground.F,
        ground.measure.frame.scale,
        ground.measure.method.ridge,
        ground.rng(),
        ground.pool,
    )
    tables = (table_of(of, testable=ground.testable) for of in (found.effects, found.scores))
    # by model, and turned to by concept
    effects, scores = (zip(*table, strict=True) for table in tables)
    rows = tuple(map(Row, ground.concepts, effects, scores))
    return Compared(ground, by, rows, _differences(ground, found, by), alike(ground))


def _spread(certain: Sequence[Difference]) -> list[Difference]:
    """Return the largest differences of every two models, none of which takes all the places."""
    pairs: dict[frozenset[str], list[Difference]] = {}
    for one in certain:
        pairs.setdefault(frozenset((one.model, one.other)), []).append(one)
    each = max(1, MOST_SENTENCES // max(len(pairs), 1))
    return [one for of in pairs.values() for one in of[:each]][:MOST_SENTENCES]


def _differences(ground: Ground, found: Comparison, by: By) -> tuple[Difference, ...]:
    """Return every difference the positive way, the certain ones first, then the largest."""
    apart = found.differences if by == "effect" else found.score_differences
    table = table_of(apart, testable=ground.testable)
    names = [model.name for model in ground.models]
    made = [
        _towards(concept, names[a], names[b], of[k])
        for (a, b), of in zip(found.between, table, strict=True)
        for k, concept in enumerate(ground.concepts)
    ]
    return tuple(sorted(made, key=lambda d: (d.by.significant is not True, -d.by.value)))


def _towards(concept: Concept, first: str, second: str, by: Number) -> Difference:
    if by.value >= 0:
        return Difference(concept, second, first, by)
    ci = None if by.ci is None else (-by.ci[1], -by.ci[0])
    return Difference(concept, first, second, replace(by, value=-by.value, ci=ci))


def _model(ground: Ground, i: int) -> dict[str, Any]:
    model = ground.models[i]
    explanation = model.explanation
    return {
        "name": model.name,
        "base": explanation.base.name,
        "personalized": explanation.personalized.name,
        "digest": explanation.personalized.digest,
        "n_pairs": explanation.n_pairs,
        "detected": explanation.divergence.detected,
        "norm": explanation.divergence.norm,
        "residual": explanation.residual,
    }
