"""Versions of a model beside each other (§6.4): several models against one common base.

As SD 1.4 and 2.1 against 1.1, where 2.1 is known to be more vibrant and contrasting. All models are
refitted on one shared support, on the prompts that all of them have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from finexl.bench.methods import Array
from finexl.bench.results import Result, Results
from finexl.concepts.vocabulary import vocabulary
from finexl.core.analysis import SPLIT_FROM
from finexl.core.comparison import Comparison, compare_models, shared_support
from finexl.core.divergence import Paired
from finexl.core.orthogonality import unit_rows
from finexl.core.significance import ALPHA
from finexl.embedding import Progress
from finexl.encoders import Encoder
from finexl.errors import UsageError
from finexl.evidence import gather
from finexl.imageset import ImageSet
from finexl.measure import Measure
from finexl.pairing import Compared, pair
from finexl.runs import Run

EXPERIMENT = "versions"
MOST = 8
"""Concepts that models are compared by."""


@dataclass(frozen=True)
class Versions:
    """The table: concepts by models."""

    base: str
    models: tuple[str, ...]
    concepts: tuple[str, ...]
    n: int
    """Prompts that the numbers are from."""
    split: bool
    """Whether other prompts chose the concepts; else the intervals hold for the whole pool."""
    numbers: Comparison

    def significant(self) -> list[tuple[str, str, str, float]]:
        """Return (concept, model, other model, by how much the other has more of it), q ≤ 0.05."""
        q = self.numbers.q_values
        if q is None:
            return []
        return [
            (self.concepts[i], self.models[a], self.models[b], float(apart[i]))
            for (a, b), apart, row in zip(
                self.numbers.between, self.numbers.differences.value, q, strict=True
            )
            for i in np.flatnonzero(row <= ALPHA)
        ]


def versions(
    base: ImageSet,
    models: Sequence[ImageSet],
    encoder: Encoder,
    *,
    asked: Sequence[str] = (),
    words: Sequence[str] | None = None,
    decomposition: str = "subspace",
    limit: int = MOST,
    seed: int = 0,
    progress: Progress = lambda *_: None,
) -> Versions:
    """Compare models by the effect of the concepts that any of their explanations keeps.

    From 20 prompts on, one half of the prompts chooses the concepts and the other gives the
    numbers; below, the intervals and q hold for the whole pool.

    Args:
        base: images of the common base.
        models: images of each model, of the same prompts.
        encoder: measures all of them.
        asked: concepts to compare by whatever is chosen, as a known direction is checked.
        words: the candidates; the style vocabulary by default.
        decomposition: what explains each model.
        limit: the most concepts, those asked for aside.
        seed: of the split and the tests.
        progress: told of every picture.

    Raises:
        UsageError: fewer than two models, two of one name, or too few prompts in common.
    """
    names = tuple(model.name for model in models)
    if len(models) < 2 or len(set(names)) < len(names):
        raise UsageError("Versions are at least two models of different names; give more.")
    rows, prompts = _rows(base, models, encoder, progress)
    measure = Measure(encoder, decomposition, prompts, seed)
    given = [concept.text for concept in vocabulary("style")] if words is None else words
    texts = list(dict.fromkeys([*asked, *given]))
    mapped = measure.vectors(texts).vectors
    G = measure.inside(mapped)

    n = len(rows[0])
    split = n >= SPLIT_FROM
    order = np.random.default_rng([seed, n]).permutation(n) if split else np.arange(n)
    choosing, judging = (order[: n // 2], order[n // 2 :]) if split else (order, order)
    support = _support([r[choosing] for r in rows], measure, texts, G, len(asked), limit)
    inside = [measure.inside(r[judging]) for r in rows]
    numbers = compare_models(
        inside,
        G[support],
        measure.frame.scale,
        measure.method.ridge,
        np.random.default_rng([seed, n, 1]),
        None if split else G,
    )
    concepts = tuple(texts[i] for i in support)
    return Versions(base.name, names, concepts, len(judging), split, numbers)


def add_versions(
    found: Versions, results: Results, *, trial: str, settings: str, seed: int = 0
) -> None:
    """Keep a table as results: "effect" of each concept (row) in each model (column), with its
    interval in the details; "difference" of each two models, with its q.
    """
    numbers, q = found.numbers, found.numbers.q_values
    tables = [
        ("effect", numbers.effects, list(found.models)),
        ("score", numbers.scores, list(found.models)),
        (
            "difference",
            numbers.differences,
            [f"{found.models[b]} − {found.models[a]}" for a, b in numbers.between],
        ),
    ]
    for measure, table, columns in tables:
        for i, column in enumerate(columns):
            for k, concept in enumerate(found.concepts):
                details: dict[str, object] = {
                    "ci": [float(table.low[i, k]), float(table.high[i, k])],
                    "prompts": found.n,
                    "split": found.split,
                }
                if measure == "difference":
                    details["q"] = None if q is None else float(q[i, k])
                value = float(table.value[i, k])
                results.add(
                    Result(
                        EXPERIMENT,
                        measure,
                        concept,
                        column,
                        trial,
                        seed,
                        value,
                        settings,
                        details=details,
                    )
                )


def _rows(
    base: ImageSet, models: Sequence[ImageSet], encoder: Encoder, progress: Progress
) -> tuple[list[Array], tuple[str, ...]]:
    """Return each model's divergences, a row for each prompt that all have, and the prompts."""
    found: list[dict[tuple[int, ...], tuple[Array, str | None]]] = []
    for model in models:
        matched = pair(base, model)
        if matched.kind == "none":
            raise UsageError(f"No image of {model.name} belongs to one of {base.name}.")
        evidence = gather(Compared(base, model, matched), encoder, Run(), progress)
        assert evidence.rows is not None  # they are paired
        pairs = zip(evidence.pairs, evidence.rows, strict=True)
        found.append({p.base: (row, p.prompt) for p, row in pairs})
    common = [key for key in found[0] if all(key in other for other in found)]
    prompts = [found[0][key][1] for key in common]
    units = [f"pair {i}" if p is None else f"prompt {p}" for i, p in enumerate(prompts)]
    if len(set(units)) < 2:
        raise UsageError(
            f"The models have {len(set(units))} prompts of {base.name} in common; give at least 2."
        )
    rows = [Paired.of(np.array([of[key][0] for key in common]), units).rows for of in found]
    return rows, tuple(dict.fromkeys(p for p in prompts if p))


def _support(
    rows: Sequence[Array],
    measure: Measure,
    texts: Sequence[str],
    G: Array,
    asked: int,
    limit: int,
) -> list[int]:
    """Return the concepts asked for and those that the models' explanations keep."""
    confirmed: list[list[int]] = []
    guessed: list[list[int]] = []
    for part in rows:
        analysis, _ = measure.analyse(Paired(part), texts)
        kept = [one.index for one in analysis.kept]
        (confirmed if analysis.confirmed else guessed).append(kept)
    # best guesses only where no model has anything better
    kept_by = confirmed or guessed
    effects = measure.inside(np.stack([part.mean(axis=0) for part in rows])) @ unit_rows(G).T
    first = [i for i in range(asked) if G[i].any()]
    found = shared_support(kept_by, effects, G, limit)
    support = [*first, *(i for i in found if i not in first)]
    if not support:
        raise UsageError("No concept tells these models from their base; ask for some.")
    return support
