"""An aspect taken away again, of an explanation that is all there is left of its run.

The same arithmetic as `finexl.undo.what_if`, which has the run's candidates as well: here the
aspects' own concept vectors are mapped anew, and no other candidates are looked at.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from finexl.core.decompositions import functionals
from finexl.core.orthogonality import unit_rows
from finexl.encoders import Encoder, load_encoder
from finexl.errors import UsageError
from finexl.explanation import Explanation
from finexl.measure import Measure
from finexl.pipeline import OWN
from finexl.undo import PAIRS
from finexl.whatif import Changed, Moved, WhatIf

Array = NDArray[np.float64]


def encoder_of(explanation: Explanation) -> Encoder:
    """Return the encoder that measured an explanation.

    Raises:
        UsageError: here is another revision of it.
        PrerequisiteError: it is not on this machine.
    """
    encoder = load_encoder(explanation.encoder.name)
    if encoder.revision != explanation.encoder.revision:
        raise UsageError(
            f"This was measured with another revision of the encoder {encoder.name}; explain it "
            "again to ask what if."
        )
    return encoder


def what_is_left(
    explanation: Explanation, concept: str, encoder: Encoder, captions: Mapping[int, str]
) -> WhatIf:
    """Return what is left of an explanation's divergence without one of its aspects.

    Args:
        explanation: with the aspect.
        concept: which aspect.
        encoder: the one that measured.
        captions: what made the pairs, as far as known, by index.

    Raises:
        UsageError: no such aspect.
    """
    aspects = (*explanation.aspects, *explanation.less)
    names = [aspect.concept for aspect in aspects]
    if concept not in names:
        have = ", ".join(names) or "it has none"
        raise UsageError(f"{concept} is no aspect of {explanation.name} ({have}).")
    i = names.index(concept)
    made_with = explanation.prompts.texts if explanation.prompts.source == OWN else ()
    measure = Measure(encoder, explanation.decomposition, made_with, explanation.seed)
    G = measure.inside(measure.vectors(names).vectors)
    V = measure.inside(np.asarray(explanation.divergence.vector, dtype=np.float64)[None])[0]
    left = V - aspects[i].weight * G[i]
    unit = unit_rows(G)
    before, after = unit @ V / measure.frame.scale, unit @ left / measure.frame.scale
    return WhatIf(
        concept=concept,
        more=aspects[i].score > 0,
        norm_before=float(np.linalg.norm(V)),
        norm_after=float(np.linalg.norm(left)),
        aspects=tuple(
            Moved(name, float(b), float(a)) for name, b, a in zip(names, before, after, strict=True)
        ),
        next=(),
        pairs=_changed(explanation, measure, G, i, captions),
    )


def _changed(
    explanation: Explanation, measure: Measure, G: Array, i: int, captions: Mapping[int, str]
) -> tuple[Changed, ...]:
    """Return the pairs with most of the aspect, by their own joint score of it."""
    rows = explanation.divergence.pairs
    if rows is None:
        return ()
    L = functionals(G, range(len(G)), measure.method.ridge)
    length = float(np.linalg.norm(G[i])) / measure.frame.scale
    each = measure.inside(np.asarray(rows, dtype=np.float64)) @ L[i] * length
    way = 1.0 if i < len(explanation.aspects) else -1.0
    order = [int(j) for j in np.argsort(-each * way, kind="stable")[:PAIRS] if each[j] * way > 0]
    return tuple(Changed(j, captions.get(j, f"pair {j + 1}"), float(each[j])) for j in order)
