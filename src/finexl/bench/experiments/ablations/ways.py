"""One way to explain, its parameters in the open: what a row of an ablation is read with.

Concepts are selected on all of a model's pairs, as the package does below 20 prompts; from there on
it leaves half of them to the intervals, which no ablation but `stopping` looks at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from finexl.bench.experiments.ablations.rows import Measures, Progress, by_prompt, quiet, score_rows
from finexl.bench.experiments.ablations.said import Said, measures_of
from finexl.bench.experiments.readers import Reading
from finexl.bench.experiments.trials import Model, Plan, Trial
from finexl.bench.methods import Array
from finexl.bench.results import Results
from finexl.concepts.vectors import SUBSPACES, map_concepts
from finexl.concepts.vocabulary import distractors, neutral_prompts, vocabulary
from finexl.core.analysis import SPLITS, UNTESTED_LIMIT
from finexl.core.decompositions import Decomposition, Weights, refit
from finexl.core.decompositions.nonnegative import NonNegative
from finexl.core.decompositions.paper import Paper
from finexl.core.decompositions.sparse import Sparse
from finexl.core.divergence import Paired
from finexl.core.orthogonality import unit_rows
from finexl.core.significance import MIN_PROMPTS
from finexl.core.subspace import FLOOR, RANK, Subspace, fit_subspace
from finexl.errors import UsageError

KINDS: Mapping[str, Callable[..., Decomposition]] = {
    "subspace": Sparse,
    "nnls": NonNegative,
    "paper": Paper,
}
"""What makes each decomposition of given parameters."""


@dataclass(frozen=True)
class Way:
    """A decomposition, and the vectors and the space that it works with."""

    decomposition: Decomposition
    reading: Reading
    rank: int | None = None
    """K of the whitened subspace; None as the package has it for this encoder."""
    floor: float | None = None
    """ε of it, likewise."""
    whitened: bool = True
    """Else the same directions, each at its own length."""
    prompts: int | None = None
    """Eq. 6's prompts, the first so many, for words and vocabulary alike; None as the package."""

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The candidates, each once."""
        return tuple(dict.fromkeys(self.reading.words))

    @cached_property
    def subspace(self) -> Subspace:
        """Where V_div and the concepts are compared."""
        encoder = self.reading.measure.encoder
        if self.decomposition.space == "encoder":
            return Subspace.identity(encoder.dim)
        rank, floor = SUBSPACES.get(encoder.name, (RANK, FLOOR))
        found = fit_subspace(
            self._mapped([concept.text for concept in vocabulary("all")], neutral_prompts()),
            rank=rank if self.rank is None else self.rank,
            floor=floor if self.floor is None else self.floor,
        )
        return found if self.whitened else replace(found, lengths=np.ones(len(found.lengths)))

    @cached_property
    def vectors(self) -> Array:
        """The candidates in that space, (m, K)."""
        return self._inside(self.words)

    @cached_property
    def unrelated(self) -> Array | None:
        """Unrelated phrases in that space, (q, K); None for a method that does not ask for them."""
        asks = self.decomposition.space == "subspace"
        return self._inside(distractors()) if asks else None

    def _inside(self, texts: Sequence[str]) -> Array:
        vectors = self._mapped(texts, self.reading.measure.prompts)
        inside: Array = vectors @ self.subspace.matrix.T
        return inside

    def _mapped(self, texts: Sequence[str], prompts: Sequence[str]) -> Array:
        """Return f(C) for some texts (Eq. 6) in this way's template, (m, d)."""
        encoder, template = self.reading.measure.encoder, self.decomposition.template
        return map_concepts(encoder, texts, prompts[: self.prompts], template).vectors

    def select(self, rows: Array, seed: int) -> Weights:
        """Decompose pair divergences (n, d); the seed draws the held-out splits."""
        sample = Paired(rows @ self.subspace.matrix.T)
        rng = np.random.default_rng([seed, sample.n])
        testable = sample.n >= MIN_PROMPTS
        splits = [sample.halves(rng) for _ in range(SPLITS)] if testable else []
        return self.decomposition.fit(
            sample.mean,
            self.vectors,
            self.words,
            halves=[(a.mean, b.mean) for a, b in splits],
            unrelated=self.unrelated,
            limit=None if testable else UNTESTED_LIMIT,
        )

    def say(self, model: Model, aspects: Sequence[str], seed: int) -> Said:
        """Explain a model.

        Raises:
            UsageError: an aspect is not among the candidates.
        """
        place = {word: j for j, word in enumerate(self.words)}
        if missing := [aspect for aspect in aspects if aspect not in place]:
            raise UsageError(f"The candidates do not have the aspect {missing[0]!r}; add it.")
        rows = by_prompt(model)
        V = rows.mean(axis=0) @ self.subspace.matrix.T
        weights = self.select(rows, seed)
        lengths = np.linalg.norm(self.vectors, axis=1)
        own = [place[aspect] for aspect in aspects]
        both = [*weights.kept, *(j for j in own if j not in weights.kept and lengths[j] > 0)]
        joint = refit(V, self.vectors, both, self.decomposition.ridge)[0]
        asked = dict(zip(both, joint * lengths[both], strict=True))
        effects = unit_rows(self.vectors[own]) @ V
        return Said(
            {
                self.words[j]: float(w * lengths[j])
                for j, w in zip(weights.kept, weights.w, strict=True)
            },
            None if np.isnan(weights.residual) else weights.residual,
            {a: float(asked.get(j, 0.0)) for a, j in zip(aspects, own, strict=True)},
            dict(zip(aspects, effects.tolist(), strict=True)),
        )

    def measures(self, trial: Trial, seed: int) -> Measures:
        """Explain every model of a trial; see `measures_of`."""
        said = [self.say(model, trial.aspects, seed) for model in trial.models]
        return measures_of(trial, said)

    def alignment(self, trial: Trial) -> float:
        """Return the mean cosine of the models' V_div with their aspects' words, in [-1, 1]."""
        V = np.array([by_prompt(model).mean(axis=0) for model in trial.models])
        F = self.vectors[[self.words.index(aspect) for aspect in trial.aspects]]
        return float((unit_rows(V @ self.subspace.matrix.T) @ unit_rows(F).T).mean())


def score_ways(
    experiment: str,
    plans: Sequence[Plan],
    ways: Mapping[str, Way],
    results: Results,
    *,
    settings: str,
    images: int | None,
    seeds: Sequence[int],
    progress: Progress = quiet,
    more: Callable[[Way, Trial, int], Measures] = lambda *_: {},
) -> None:
    """Score every trial with each way; `more` measures what `measures_of` does not."""

    def score(trial: Trial, seed: int, rows: Sequence[str]) -> Iterator[tuple[str, Measures]]:
        for row in rows:
            way = ways[row]
            yield row, {**way.measures(trial, seed), **more(way, trial, seed)}

    score_rows(
        experiment,
        plans,
        list(ways),
        score,
        results,
        settings=settings,
        images=images,
        seeds=seeds,
        progress=progress,
    )
