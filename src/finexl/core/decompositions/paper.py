"""Algorithm 1 as published: orthogonal concepts in turn until the residual is small (§4.4–4.5)."""

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
    redundant,
    refit,
    residual,
    solve_supports,
)
from finexl.core.orthogonality import total_projection, unit_rows


@dataclass(frozen=True)
class Paper:
    """The decomposition `paper`, with the authors' order of candidates and thresholds."""

    space: Literal["subspace", "encoder"] = "encoder"
    template: str = "{prompt}, {concept} style"
    ridge: float = 0.0
    e_ortho: float = 0.10
    """Eq. 9: a candidate whose total projection reaches this is redundant."""
    e_decomp: float = 0.2
    """Eq. 11: concepts are added until the residual is no larger."""
    absolute: bool = False
    """Sum absolute cosines in Eq. 9 rather than signed ones."""

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
        """Run Algorithm 1. See `Decomposition.fit`."""
        unit = unit_rows(F)
        kept: list[int] = []
        dropped: list[tuple[str, str]] = []
        left = residual(V_div, F, kept, np.zeros(0))
        full = False
        for j in np.argsort(-np.abs(unit @ V_div), kind="stable").tolist():
            full = full or len(kept) == limit
            projection = float(self._projection(unit[j] @ unit[kept].T))
            if not unit[j].any():
                dropped.append((concepts[j], IMMOVABLE))
            elif not left > self.e_decomp:
                dropped.append(
                    (concepts[j], f"the residual had reached {self.e_decomp:g} without it")
                )
            elif full:
                dropped.append((concepts[j], "weaker than those listed"))
            elif projection >= self.e_ortho:
                nearest = kept[int(np.abs(unit[kept] @ unit[j]).argmax())]
                dropped.append((concepts[j], redundant(concepts[nearest], projection)))
            else:
                kept.append(j)
                left = refit(V_div, F, kept, self.ridge)[1]
        w, left = refit(V_div, F, kept, self.ridge)
        return Weights(w, left, tuple(kept), tuple(dropped), bool(kept))

    def reselect(self, V_divs: Array, F: Array, count: int) -> NDArray[np.bool_]:
        """Run Algorithm 1 on each. See `Decomposition.reselect`."""
        unit = unit_rows(F)
        G, c = unit @ unit.T, V_divs @ unit.T
        B, m = c.shape
        order = np.argsort(-np.abs(c), axis=1, kind="stable")
        support = np.full((B, count), -1, dtype=np.intp)
        size = np.zeros(B, dtype=np.intp)
        cosines = np.zeros((B, m, count))
        norm = (V_divs**2).sum(axis=1)
        left = norm.copy()
        mask = np.zeros((B, m), dtype=np.bool_)
        for t in range(m):
            j = order[:, t]
            overlap = self._projection(np.take_along_axis(cosines, j[:, None, None], axis=1)[:, 0])
            moves = unit[j].any(axis=1)
            rows = np.flatnonzero(
                moves & (overlap < self.e_ortho) & (left > self.e_decomp**2 * norm) & (size < count)
            )
            if not rows.size:
                continue
            support[rows, size[rows]] = j[rows]
            mask[rows, j[rows]] = True
            cosines[rows, :, size[rows]] = G[j[rows]]
            size[rows] += 1
            x = solve_supports(G, c[rows], support[rows], self.ridge)
            reached = np.take_along_axis(c[rows], np.where(support[rows] >= 0, support[rows], 0), 1)
            left[rows] = norm[rows] - (x * reached).sum(axis=1)
        return mask

    def _projection(self, cosines: Array) -> Array:
        return total_projection(cosines, absolute=self.absolute)
