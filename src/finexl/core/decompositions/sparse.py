"""Forward selection in the whitened subspace: few concepts, signed, confirmed on held-out pairs.

With more concepts than dimensions a signed fit of all of them is exact and meaningless: huge
weights of opposite sign cancel. So concepts are taken one by one (orthogonal matching pursuit with
replacement), and only while

    it is not redundant with those kept (Eq. 9),
    every weight keeps the sign of its own concept's alignment with V_div, and
    the part of V_div explained on pairs not fitted on still rises by a standard error, and
    it aligns with what is left better than phrases that have nothing to do with pictures do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from finexl.core.decompositions.base import (
    IMMOVABLE,
    Array,
    Halves,
    Weights,
    kept_mask,
    redundant,
    refit,
)
from finexl.core.decompositions.pursuit import Paths, pursue
from finexl.core.orthogonality import total_projection, unit_rows

UNTESTED_GAIN = 0.05
"""Without held-out pairs: the least part of ‖V_div‖² that one more concept has to explain."""


@dataclass(frozen=True)
class Sparse:
    """The default decomposition, `subspace`."""

    space: Literal["subspace", "encoder"] = "subspace"
    e_ortho: float = 0.6
    """Eq. 9's threshold; in a whitened space unrelated concepts have a cosine of about 1/√K."""
    template: str = "{prompt}, {concept}"
    ridge: float = 0.01
    max_aspects: int = 10
    exchange: bool = True
    """Let a kept concept give way to a better one; False shows what that is good for."""

    def fit(
        self,
        V_div: Array,
        F: Array,
        concepts: Sequence[str],
        *,
        halves: Halves = (),
        unrelated: Array | None = None,
        limit: int | None = None,
    ) -> Weights:
        """Select while held-out pairs confirm it, then refit. See `Decomposition.fit`.

        Where nothing is confirmed the best-aligned concept is kept alone and `confirmed` is False.
        """
        unit = unit_rows(F)
        most = min(self.max_aspects if limit is None else limit, len(F))
        paths = self._pursue(V_div[None] @ unit.T, unit, most)
        confirmed, ended = (
            (self._confirmed(halves, unit, most), "explains no more on held-out pairs")
            if len(halves)
            else (self._untested(paths, V_div, unit), "explains too little")
        )
        if unrelated is not None:
            ahead = self._ahead(paths, V_div, unit, unit_rows(unrelated))
            if ahead < confirmed:
                confirmed, ended = ahead, "aligns no better than unrelated phrases do"
        last = paths.supports[0, max(confirmed, 1) - 1]
        kept = tuple(int(j) for j in last if j >= 0)
        w, left = refit(V_div, F, kept, self.ridge)
        dropped = self._reasons(paths, concepts, kept, unit, ended)
        return Weights(w, left, kept, dropped, confirmed > 0)

    def reselect(self, V_divs: Array, F: Array, count: int) -> NDArray[np.bool_]:
        """Rerun the selection to the same number of concepts. See `Decomposition.reselect`."""
        unit = unit_rows(F)
        paths = self._pursue(V_divs @ unit.T, unit, max(count, 1))
        return kept_mask(paths.supports[:, -1, :count], len(F))

    def _pursue(self, c: Array, unit: Array, steps: int) -> Paths:
        G = unit @ unit.T
        return pursue(c, G, steps, self.e_ortho, self.ridge, exchange=self.exchange)

    def _confirmed(self, halves: Halves, unit: Array, most: int) -> int:
        """Count the concepts that held-out halves confirm.

        In each split the selection runs on one half-mean a and what it explains is measured on the
        other, ⟨Σ w_i(a) f_i, b⟩; then the halves change places. The rise from one concept to the
        next has to exceed its standard error over the splits.
        """
        a = np.array([half for split in halves for half in split])
        b = np.array([half for split in halves for half in split[::-1]])
        paths = self._pursue(a @ unit.T, unit, most)
        index = np.where(paths.supports >= 0, paths.supports, 0).reshape(len(a), -1)
        products = np.take_along_axis(b @ unit.T, index, axis=1).reshape(paths.weights.shape)
        after = (paths.weights * products).sum(axis=2)  # (B, step), explained of the other half
        rise = np.diff(after, axis=1, prepend=0.0)
        per_split = rise.reshape(len(halves), 2, most).mean(axis=1)
        error = per_split.std(axis=0, ddof=1) if len(halves) > 1 else np.zeros(most)
        risen = per_split.mean(axis=0) > error
        return int(risen.argmin()) if not risen.all() else most

    def _ahead(self, paths: Paths, V_div: Array, unit: Array, unrelated: Array) -> int:
        """Count the concepts that align with what was left better than unrelated phrases do.

        The best of m concepts is compared with what the best of m unrelated phrases would reach:
        in a space of many directions some word always lies near whatever is left.
        """
        level = len(unit) / (len(unit) + 1)
        left = V_div
        for step, support in enumerate(paths.supports[0]):
            kept = support[support >= 0]
            reached = np.abs(unit[kept] @ left).max(initial=0.0)
            if reached <= np.quantile(np.abs(unrelated @ left), level):
                return step
            left = V_div - paths.weights[0, step, : len(kept)] @ unit[kept]
        return len(paths.supports[0])

    def _untested(self, paths: Paths, V_div: Array, unit: Array) -> int:
        """Count the concepts that each explain a good part of V_div, in sample."""
        index = np.where(paths.supports[0] >= 0, paths.supports[0], 0)
        after = (paths.weights[0] * (unit @ V_div)[index]).sum(axis=1)
        rise = np.diff(after, prepend=0.0)
        risen = (rise > 0) & (rise >= UNTESTED_GAIN * float(V_div @ V_div))
        return int(risen.argmin()) if not risen.all() else len(risen)

    def _reasons(
        self,
        paths: Paths,
        concepts: Sequence[str],
        kept: tuple[int, ...],
        unit: Array,
        ended: str,
    ) -> tuple[tuple[str, str], ...]:
        cosines = unit @ unit[list(kept)].T if kept else np.zeros((len(unit), 0))
        projection = total_projection(cosines)
        reasons = []
        for j in range(len(unit)):
            if j in kept:
                continue
            if not unit[j].any():
                reason = IMMOVABLE
            elif projection[j] >= self.e_ortho:
                nearest = kept[int(np.abs(cosines[j]).argmax())]
                reason = redundant(concepts[nearest], projection[j])
            elif paths.flipped[0, j]:
                reason = "would turn a weight against its own alignment"
            else:
                reason = ended
            reasons.append((concepts[j], reason))
        return tuple(reasons)
