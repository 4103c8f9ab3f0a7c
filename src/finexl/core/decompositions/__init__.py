"""V_div as a weighted sum of concepts (§4.5, Eq. 10–11): three siblings with one signature.

paper      Algorithm 1 as published, in the encoder's own space
nnls       the authors' later method: non-negative, in the whitened subspace
subspace   ours and the default: few concepts, signed, only what held-out pairs confirm
"""

from __future__ import annotations

from finexl.core.decompositions.base import Decomposition, Weights, functionals, refit
from finexl.core.decompositions.nonnegative import NonNegative
from finexl.core.decompositions.paper import Paper
from finexl.core.decompositions.sparse import Sparse

DECOMPOSITIONS: dict[str, Decomposition] = {
    "subspace": Sparse(),
    "nnls": NonNegative(),
    "paper": Paper(),
}

__all__ = ["DECOMPOSITIONS", "Decomposition", "Weights", "functionals", "refit"]
