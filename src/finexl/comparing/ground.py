"""The common ground on which models are compared: same encoder, same prompts, same concepts."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from finexl.comparing.models import Model, Rows, common_rows
from finexl.concepts.vocabulary import Concept, concept_from, vocabulary
from finexl.core.comparison import Numbers, measure, shared_support
from finexl.core.decompositions import DECOMPOSITIONS
from finexl.core.orthogonality import unit_rows
from finexl.core.significance import MIN_PROMPTS
from finexl.encoders import Encoder, load_encoder
from finexl.errors import UsageError
from finexl.explanation import Aspect, Explanation
from finexl.imageset import listed
from finexl.measure import Measure

Array = NDArray[np.float64]

MOST = 8
"""Concepts that models are compared by, those asked for aside."""
MOST_MODELS = 40
"""Every two of them are compared: forty are 780 pairs."""


@dataclass(frozen=True)
class Ground:
    """Models, and what they are compared by."""

    models: tuple[Model, ...]
    encoder: Encoder
    rows: tuple[Array, ...]
    """Each model's pair divergences in the encoder's space, (n, d), a row a prompt; see `Rows`."""
    prompts: tuple[str, ...]
    measure: Measure
    concepts: tuple[Concept, ...]
    """The support."""
    F: Array
    """(k, K), their vectors in the decomposition's space."""
    pool: Array | None
    """(m, K), what the support was chosen from by these rows; None where it was asked for."""
    warnings: tuple[str, ...]

    @property
    def n(self) -> int:
        """Prompts; 0 where V_div alone is known."""
        return len(self.rows[0]) if len(self.rows[0]) > 1 else 0

    @property
    def testable(self) -> bool:
        """Whether anything can be said of certainty."""
        return self.n >= MIN_PROMPTS

    def inside(self) -> list[Array]:
        """Return the rows in the decomposition's space, (n, K) each."""
        return [self.measure.inside(rows) for rows in self.rows]

    def effects_of(self, rows: Sequence[Array]) -> Numbers:
        """Return the effects of parts (n, K) in the decomposition's space, with intervals and q."""
        directions = unit_rows(self.F) / self.measure.frame.scale
        return measure(rows, directions, self.rng(), self.pool)

    def rng(self) -> np.random.Generator:
        """Return the generator of the tests' signs: the same ground, the same ones."""
        return np.random.default_rng([self.measure.seed, self.n])


def ground_of(
    models: Sequence[Model],
    *,
    asked: Sequence[str] = (),
    top: int = MOST,
    encoder: Encoder | None = None,
    seed: int = 0,
) -> Ground:
    """Find what models can be compared on.

    Args:
        models: at least two.
        asked: concepts to compare by, whatever the explanations keep.
        top: the most concepts beside those, of what any of the explanations keeps; 0: those alone.
        encoder: the one that measured the models; loaded by its name by default.
        seed: of the tests, where the explanations do not have one and the same.

    Raises:
        UsageError: too few or too many models, of different encoders or decompositions.
        PrerequisiteError: their encoder is not on this machine.
    """
    _check(models)
    explanations = [model.explanation for model in models]
    seeds = {explanation.seed for explanation in explanations}
    found = load_encoder(explanations[0].encoder.name) if encoder is None else encoder
    if (found.revision, found.dim) != (
        explanations[0].encoder.revision,
        len(explanations[0].divergence.vector),
    ):
        raise UsageError(
            f"The models were explained with another revision of {explanations[0].encoder.name} "
            "than the one here; explain them anew."
        )
    common = common_rows(models, found)
    measure = Measure(
        found,
        explanations[0].decomposition,
        common.prompts,
        seeds.pop() if len(seeds) == 1 else seed,
    )
    given = _distinct([concept_from(text).text for text in asked])
    pools = [_candidates(explanation) for explanation in explanations]
    texts = _distinct([*given, *itertools.chain(*pools)])
    vectors = measure.vectors(texts).vectors if texts else np.zeros((0, found.dim))
    G = measure.inside(vectors)
    support, warnings = _support(texts, G, len(given), explanations, common, measure, top)
    chosen = any(i >= len(given) for i in support)
    return Ground(
        tuple(models),
        found,
        common.each,
        common.prompts,
        measure,
        tuple(concept_from(texts[i]) for i in support),
        G[support],
        G if chosen else None,
        (
            *common.warnings,
            *warnings,
            *(_about_pools(models, pools) if chosen else ()),
            *_about_choosing(texts, support, explanations),
        ),
    )


def _check(models: Sequence[Model]) -> None:
    if not 2 <= len(models) <= MOST_MODELS:
        raise UsageError(f"A comparison takes 2 to {MOST_MODELS} models, not {len(models)}.")
    first, *others = models
    if first.explanation.decomposition not in DECOMPOSITIONS:
        raise UsageError(f"There is no decomposition {first.explanation.decomposition!r}.")
    for other in others:
        ours, theirs = first.explanation, other.explanation
        if ours.encoder.revision != theirs.encoder.revision:
            what, values = "encoders", (_encoder_of(ours), _encoder_of(theirs))
        elif ours.decomposition != theirs.decomposition:
            what, values = "decompositions", (ours.decomposition, theirs.decomposition)
        else:
            continue
        raise UsageError(
            f"{first.name} and {other.name} were explained with different {what} "
            f"({'; '.join(values)}), whose numbers are never compared; explain both with one."
        )


def _encoder_of(explanation: Explanation) -> str:
    return f"{explanation.encoder.name}, revision {explanation.encoder.revision[:16]}"


def _distinct(texts: Sequence[str]) -> list[str]:
    """Return texts equal up to case once, as first spelled."""
    first: dict[str, str] = {}
    for text in texts:
        first.setdefault(text.casefold(), text)
    return list(first.values())


def _kept(explanation: Explanation) -> tuple[Aspect, ...]:
    return (*explanation.aspects, *explanation.less)


def _candidates(explanation: Explanation) -> list[str]:
    """Return what an explanation chose from, as far as it says; what it keeps first."""
    found = [aspect.concept for aspect in _kept(explanation)]
    for which in ("style", "subject", "all"):
        if f"{which} vocabulary" in explanation.pool.sources:
            found += [concept.text for concept in vocabulary(which)]
    found += [one.concept for one in explanation.pool.alignment or ()]
    found += [one.concept for one in explanation.dropped]
    if explanation.discovery is not None:
        found += [one.concept for one in explanation.discovery.concepts]
    return _distinct(found)


def _support(
    texts: Sequence[str],
    G: Array,
    asked: int,
    explanations: Sequence[Explanation],
    common: Rows,
    measure: Measure,
    top: int,
) -> tuple[list[int], list[str]]:
    """Return the concepts asked for, and those that the explanations keep."""
    place = {text.casefold(): i for i, text in enumerate(texts)}
    first = [i for i in range(asked) if G[i].any()]
    still = [texts[i] for i in range(asked) if i not in first]
    warnings = [f"Not compared by what does not move the text encoder: {listed(still)}."] * bool(
        still
    )
    # best guesses only where no model has anything better
    confirmed = [e for e in explanations if any(a.significant is not False for a in _kept(e))]
    kept = [[place[a.concept.casefold()] for a in _kept(e)] for e in confirmed or explanations]
    effects = measure.inside(np.stack([r.mean(axis=0) for r in common.each])) @ unit_rows(G).T
    # a model that changes much must not take all the places of one that changes little
    largest = np.abs(effects).max(axis=1, keepdims=True, initial=0.0)
    found = shared_support(kept, effects / np.where(largest > 0, largest, 1.0), G, top)
    return [*first, *(i for i in found if i not in first)], warnings


def _about_pools(models: Sequence[Model], pools: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Say whose candidates are not known, so that choosing them is not fully allowed for."""
    short = [
        m.name for m, of in zip(models, pools, strict=True) if m.explanation.pool.size > len(of)
    ]
    if not short:
        return ()
    return (
        f"Not all candidates are known that the concepts of {listed(short)} were chosen from "
        "(`finexl explain --pool` keeps them): intervals and q allow for those known.",
    )


def _about_choosing(
    texts: Sequence[str], support: Sequence[int], explanations: Sequence[Explanation]
) -> tuple[str, ...]:
    """Say which concepts were chosen by looking at the very images, which no test here knows."""
    looked = {
        aspect.concept.casefold()
        for explanation in explanations
        if explanation.divergence.detected is not None
        for aspect in _kept(explanation)
        if aspect.q_value is None
    }
    named = [texts[i] for i in support if texts[i].casefold() in looked]
    if not named:
        return ()
    return (
        f"Proposed by looking at the very images that are compared: {listed(named)}. They fit "
        "these better than they would fit new ones, and q does not know it.",
    )
