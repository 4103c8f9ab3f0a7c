"""Models ranked by what they do: wishes against divergence vectors.

A wish for a concept C is met by a model as far as its effect (⟨V_div, f(C)/‖f(C)‖⟩ / r, whatever
aspects its explanation lists) reaches what is enough. A model that changes much has some effect
along any words: what it has along unrelated phrases as well (their 95th percentile u) is taken off
first. a = tanh(±(|effect| − u)₊ / enough) lies between −1, the opposite, and 1; a model's match is
the mean of a over the wishes, weighted. All models are seen through the same concept vectors,
mapped under the neutral prompts (Eq. 6).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finexl.catalog.effects import effects_of
from finexl.catalog.entry import EVERY, Filter
from finexl.catalog.found import Found, Hit, Reason, sentence
from finexl.catalog.mirror import Mirror, Vectors, mirror_of
from finexl.catalog.store import Catalog
from finexl.catalog.wishes import Wish
from finexl.core.orthogonality import unit_rows
from finexl.core.significance import DISTRACTOR_PERCENTILE
from finexl.encoders import Encoder, load_encoder
from finexl.errors import UsageError
from finexl.explanation import Explanation
from finexl.measure import Measure

Array = NDArray[np.float64]
_REMEMBERED = 10_000
"""Concepts whose direction is kept."""
_TIE = 1e-5
"""Of models that show nothing of the wishes, those come first that lean towards them."""
_BLOCK = 8192
_NOBODY = "No model is of this base, family, licence and tag, as they are written in the catalog."
_NOTHING = (
    "None of these models shows more of what is wished than unrelated words show: their order says "
    "next to nothing."
)


class Searcher:
    """What is kept between two searches: vectors in memory, words that were mapped before."""

    def __init__(self, load: Callable[[str], Encoder] = load_encoder) -> None:
        self._load = load
        self._mirror: Mirror | None = None
        self._lengths: dict[str, NDArray[np.float32]] = {}
        self._thresholds: dict[str, NDArray[np.float32]] = {}
        self._measures: dict[str, Measure] = {}
        self._phrases: dict[str, Array] = {}
        self._known: dict[tuple[str, str], Array] = {}

    def search(
        self,
        catalog: Catalog,
        wishes: Sequence[Wish],
        *,
        where: Filter = EVERY,
        limit: int = 20,
        encoder: str | None = None,
    ) -> Found:
        """Return the models that meet the wishes best.

        Args:
            catalog: where they are.
            wishes: at least one.
            where: which models are looked at.
            limit: the most models.
            encoder: the one that measured them; by default the one that measured most.

        Raises:
            UsageError: no wish, no model, or a concept that the encoder cannot tell.
            PrerequisiteError: the encoder that measured the models is not here.
        """
        if not wishes:
            raise UsageError("There is no wish to search by.")
        with catalog.snapshot():
            key, vectors, warnings = self._vectors(catalog, encoder)
            measure = self._measure(key)
            directions = np.stack([self._direction(key, measure, w.concept) for w in wishes])
            effects = directions.astype(np.float32) @ vectors.rows.T
            match = matches(beyond(effects, self._threshold(key, vectors, measure)), wishes)
            match += _TIE * leanings(effects, wishes)
            best, searched = _best(catalog, vectors, match, where, limit)
            names = catalog.names(best)
            explained = [catalog.entry(names[i]).explanation for i in best if i in names]
        hits = []
        if explained:
            V = np.array([model.divergence.vector for model in explained], dtype=np.float64)
            usual = _usual(V @ self._unrelated(key, measure).T)
            hits = [_hit(m, wishes, directions, u) for m, u in zip(explained, usual, strict=True)]
        shown = any(reason.agreement > 0 for hit in hits for reason in hit.reasons)
        nothing = () if shown else (_NOTHING,) if hits else (_NOBODY,)
        return Found(tuple(hits), searched, (*warnings, *nothing, *_doubts(explained)))

    def like(self, catalog: Catalog, *names: str, where: Filter = EVERY, limit: int = 20) -> Found:
        """Return the models whose change points where that of these models does.

        Their match is the cosine of the divergences in the decomposition's space; of two models,
        with the mean of their directions: what lies between them.

        Raises:
            UsageError: no such model, different encoders, or one that changes nothing.
        """
        with catalog.snapshot():
            models = [catalog.entry(name).explanation for name in names]
            keys = {f"{m.encoder.name}@{m.encoder.revision}" for m in models}
            if len(keys) > 1:
                raise UsageError(
                    f"{' and '.join(names)} were measured by different encoders, whose vectors "
                    "cannot be compared; explain them anew with one."
                )
            key, vectors, warnings = self._vectors(catalog, keys.pop())
            matrix = self._measure(key).frame.subspace.matrix
            unit = unit_rows(np.array([m.divergence.vector for m in models], float) @ matrix.T)
            if not unit.any(axis=1).all():
                raise UsageError("A model that changes nothing is like none.")
            target = unit_rows(unit.mean(axis=0, keepdims=True))[0] @ matrix
            along = vectors.rows @ target.astype(np.float32)
            length = self._length(key, vectors, matrix)
            cosine = np.divide(along, length, out=np.zeros_like(along), where=length > 0)
            best, searched = _best(catalog, vectors, cosine, where, limit + len(names))
            listed = catalog.names(best)
            position = {int(i): at for at, i in enumerate(vectors.ids)}
            ranked = [(listed[i], float(cosine[position[i]])) for i in best if i in listed]
            others = [(name, match) for name, match in ranked if name not in names][:limit]
            explained = [catalog.entry(name).explanation for name, _ in others]
        hits = [
            Hit(name, match, None, model.divergence.detected, ())
            for (name, match), model in zip(others, explained, strict=True)
        ]
        return Found(tuple(hits), searched, (*warnings, *_doubts([*models, *explained])))

    def _vectors(
        self, catalog: Catalog, encoder: str | None
    ) -> tuple[str, Vectors, tuple[str, ...]]:
        """Return the vectors of one encoder, by "name@revision" or name, and what is left out."""
        mirror = mirror_of(catalog, self._mirror)
        if mirror is not self._mirror:
            self._mirror, self._lengths, self._thresholds = mirror, {}, {}
        counts = {key: len(vectors.ids) for key, vectors in mirror.by_encoder.items()}
        counts = dict(sorted(counts.items(), key=lambda of: (-of[1], of[0])))  # most models first
        if not counts:
            raise UsageError(f"{catalog.path} is empty; add models with `finexl catalog add`.")
        keys = [key for key in counts if encoder in (None, key, key.split("@")[0])]
        if not keys:
            have = ", ".join(key.split("@")[0] for key in counts)
            raise UsageError(f"No model was measured by {encoder}; there are those of {have}.")
        left = {key.split("@")[0]: n for key, n in counts.items() if key != keys[0]}
        warnings = tuple(
            f"{n:,} model{'s' * (n > 1)} measured by {name} {'are' if n > 1 else 'is'} not ranked: "
            "encoders are never compared."
            for name, n in left.items()
        )
        return keys[0], mirror.by_encoder[keys[0]], warnings

    def _measure(self, key: str) -> Measure:
        if key not in self._measures:
            name, _, revision = key.partition("@")
            encoder = self._load(name)
            if encoder.revision != revision:
                raise UsageError(
                    f"The models were measured by {name} of revision {revision[:16]}; here is "
                    f"{encoder.revision[:16]}. Explain them anew, or install the finexl that did."
                )
            self._measures[key] = Measure(encoder, "subspace", (), 0)
        return self._measures[key]

    def _direction(self, key: str, measure: Measure, concept: str) -> Array:
        """Return (d,): an effect as a functional of V_div."""
        if (key, concept) not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            inside = measure.inside(measure.vectors([concept]).vectors)
            if not inside.any():
                raise UsageError(f"The encoder sees nothing in the words “{concept}”; use others.")
            frame = measure.frame
            self._known[key, concept] = unit_rows(inside)[0] @ frame.subspace.matrix / frame.scale
        return self._known[key, concept]

    def _length(self, key: str, vectors: Vectors, matrix: Array) -> NDArray[np.float32]:
        """Return (n,): each V_div's length in the decomposition's space."""
        if key not in self._lengths:
            through = matrix.T.astype(np.float32)
            self._lengths[key] = _by_blocks(
                vectors.rows, lambda rows: np.linalg.norm(rows @ through, axis=1)
            )
        return self._lengths[key]

    def _threshold(self, key: str, vectors: Vectors, measure: Measure) -> NDArray[np.float32]:
        """Return (n,): the effect that each model has along unrelated phrases."""
        if key not in self._thresholds:
            unrelated = self._unrelated(key, measure).T.astype(np.float32)
            self._thresholds[key] = _by_blocks(vectors.rows, lambda rows: _usual(rows @ unrelated))
        return self._thresholds[key]

    def _unrelated(self, key: str, measure: Measure) -> Array:
        """Return effects along unrelated phrases as functionals of V_div, (m, d)."""
        if key not in self._phrases:
            inside = unit_rows(measure.inside(measure.unrelated))
            self._phrases[key] = inside @ measure.frame.subspace.matrix / measure.frame.scale
        return self._phrases[key]


def beyond(effects: NDArray[Any], usual: NDArray[Any] | float) -> NDArray[Any]:
    """Return the effects (m, n), or (m,), without what unrelated phrases show: (n,), or one."""
    found: NDArray[Any] = effects - np.minimum(np.maximum(effects, -usual), usual)
    return found


def matches(effects: NDArray[Any], wishes: Sequence[Wish]) -> NDArray[Any]:
    """Return (n,), how well models with these effects (m, n) meet m wishes, in (−1, 1)."""
    way, weight = (part.astype(effects.dtype) for part in _weighed(wishes))
    agreement = (effects * way[:, None]).ravel()
    some = np.flatnonzero(agreement != 0)  # few models show anything of a wish
    agreement[some] = np.tanh(agreement[some])
    found: NDArray[Any] = weight @ agreement.reshape(effects.shape)
    return found


def leanings(effects: NDArray[Any], wishes: Sequence[Wish]) -> NDArray[Any]:
    """Return (n,), which way models lean that show nothing of the wishes, in (−1, 1)."""
    way, weight = _weighed(wishes)
    leant = (way * weight).astype(effects.dtype) @ effects
    found: NDArray[Any] = leant / (1 + np.abs(leant))
    return found


def _weighed(wishes: Sequence[Wish]) -> tuple[Array, Array]:
    """Return each wish's way and steepness, and its part of the match."""
    weight = np.array([wish.weight for wish in wishes])
    return np.array([wish.direction / wish.enough for wish in wishes]), weight / weight.sum()


def _usual(effects: NDArray[Any]) -> NDArray[Any]:
    """Return what a model's effects (n, m) along unrelated phrases amount to, (n,)."""
    found: NDArray[Any] = np.percentile(np.abs(effects), DISTRACTOR_PERCENTILE, axis=1)
    return found


def _by_blocks(
    rows: NDArray[np.float32], function: Callable[[NDArray[np.float32]], NDArray[Any]]
) -> NDArray[np.float32]:
    """Return the function's values (n,), in memory that does not grow with the catalog."""
    blocks = [function(rows[at : at + _BLOCK]) for at in range(0, len(rows), _BLOCK)]
    return np.concatenate(blocks).astype(np.float32)


def _best(
    catalog: Catalog, vectors: Vectors, match: NDArray[Any], where: Filter, limit: int
) -> tuple[list[int], int]:
    """Return the row ids of the best, best first, and among how many they were."""
    ids = vectors.ids
    if where != EVERY:
        chosen = np.isin(ids, catalog.ids(where), assume_unique=True)
        ids, match = ids[chosen], match[chosen]
    top = np.arange(len(ids))
    if limit < len(ids):
        top = np.argpartition(-match, limit)[:limit]
    order = np.lexsort((ids[top], -match[top]))
    return [int(i) for i in ids[top][order]], len(ids)


def _hit(explanation: Explanation, wishes: Sequence[Wish], directions: Array, usual: float) -> Hit:
    """Return a model's match with reasons, all with intervals where its pairs are kept."""
    effects = effects_of(explanation, directions)
    left = beyond(effects.value, usual)
    way, weight = _weighed(wishes)
    agreement = np.tanh(left * way)
    match = float(agreement @ weight)
    # as a function of V_div the match has this slope: the scatter along it makes the interval
    slope = effects_of(explanation, ((1 - agreement**2) * way * weight)[None] @ directions)
    around = slope.ci(0)
    ci = None
    if around is not None:
        low, high = (match + end - float(slope.value[0]) for end in around)
        ci = (max(-1.0, low), min(1.0, high))
    reasons = tuple(
        Reason(
            wish=wish.text,
            concept=wish.concept,
            effect=float(effects.value[i]),
            ci=effects.ci(i),
            agreement=float(agreement[i]),
            part=float(agreement[i] * weight[i]),
            specific=bool(left[i] != 0),
            sentence=sentence(wish, float(effects.value[i]), effects.ci(i), bool(left[i] != 0)),
        )
        for i, wish in enumerate(wishes)
    )
    return Hit(explanation.name, match, ci, explanation.divergence.detected, reasons)


def _doubts(models: Sequence[Explanation]) -> tuple[str, ...]:
    """Return what keeps these models from being compared strictly."""
    if len({model.prompts.digest for model in models}) > 1:
        return (
            "The models were explained with different prompts: what they do to other pictures may "
            "differ from what is ranked here.",
        )
    return ()
