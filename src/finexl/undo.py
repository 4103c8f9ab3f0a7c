"""An aspect taken away again: what of the change would be left, and which pairs would change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from finexl.core.decompositions import functionals
from finexl.core.orthogonality import unit_rows
from finexl.errors import UsageError
from finexl.pipeline import Explained
from finexl.whatif import Changed, Moved, WhatIf

PAIRS = 5
CANDIDATES = 5

Array = NDArray[np.float64]


def what_if(explained: Explained, wish: str) -> WhatIf:
    """Take an aspect out of the divergence: "less vivid" where the model is more vivid.

    The aspect's part of V_div is its joint one (Eq. 10), w·f(C): what the other aspects explain as
    well stays theirs. What a generator would do if told so can be another thing.

    Args:
        explained: what was found.
        wish: "less CONCEPT" or "more CONCEPT", the way that undoes the aspect; also "no CONCEPT"
            or "without CONCEPT" for less.

    Raises:
        UsageError: no such wish, no such aspect, or one that goes the other way.
    """
    analysis, frame = explained.analysis, explained.measure.frame
    word, _, concept = wish.strip().partition(" ")
    concept = " ".join(concept.split())
    if word.casefold() not in ("less", "more", "no", "without") or not concept:
        raise UsageError(
            f"--what-if {wish!r}: write “less CONCEPT” or “more CONCEPT” with an aspect of the "
            "explanation."
        )
    kept = list(analysis.kept)
    names = [explained.texts[k.index] for k in kept]
    found = [i for i, name in enumerate(names) if name.casefold() == concept.casefold()]
    if not found:
        have = ", ".join(names) or "it has none"
        raise UsageError(
            f"--what-if {wish!r}: {concept} is no aspect of this explanation ({have}); --add it "
            "first."
        )
    i = found[0]
    more = kept[i].score > 0
    if more != (word.casefold() != "more"):
        way = "more" if more else "less"
        undo = "less" if more else "more"
        raise UsageError(
            f"--what-if {wish!r}: the model has {way} {names[i]} already; “{undo} {names[i]}” "
            "undoes it."
        )
    G = explained.measure.inside(explained.vectors)
    V = explained.measure.inside(explained.evidence.sample.mean[None])[0]
    left = V - kept[i].weight * G[kept[i].index]
    unit = unit_rows(G)
    before, after = unit @ V / frame.scale, unit @ left / frame.scale
    chosen = [k.index for k in kept]
    others = [int(j) for j in np.argsort(-np.abs(after), kind="stable") if j not in chosen]
    return WhatIf(
        concept=names[i],
        more=more,
        norm_before=float(np.linalg.norm(V)),
        norm_after=float(np.linalg.norm(left)),
        aspects=tuple(Moved(explained.texts[j], float(before[j]), float(after[j])) for j in chosen),
        next=tuple(
            Moved(explained.texts[j], float(before[j]), float(after[j]))
            for j in others[:CANDIDATES]
        ),
        pairs=_changed(explained, names[i], float(np.sign(kept[i].score))),
    )


def scores(explained: Explained, rows: Array, concept: str) -> Array:
    """Return (n,): the joint score of an aspect in each pair divergence (n, d) alone."""
    chosen = [k.index for k in explained.analysis.kept]
    i = [explained.texts[j] for j in chosen].index(concept)
    G = explained.measure.inside(explained.vectors)
    L = functionals(G, chosen, explained.measure.method.ridge)
    length = float(np.linalg.norm(G[chosen[i]])) / explained.measure.frame.scale
    each: Array = explained.measure.inside(rows) @ L[i] * length
    return each


def _changed(explained: Explained, found: str, way: float) -> tuple[Changed, ...]:
    """Return the pairs with most of the aspect: their own joint score of it."""
    rows = explained.evidence.rows
    if rows is None:
        return ()
    each = scores(explained, rows, found)
    order = [j for j in np.argsort(-each * way, kind="stable")[:PAIRS] if each[j] * way > 0]
    return tuple(Changed(int(j), explained.caption(int(j)), float(each[j])) for j in order)
