"""Sparse codes against scikit-learn: python benchmarks/splice.py [--penalty 0.15] [--rows 200]

Needs scikit-learn, which is no dependency of the package: pip install scikit-learn.

The same pictures and words, one thread, seconds of the processor (a shared machine's wall clock
says little): `nonnegative_codes`, all pictures at once, to its certified gap, against
`sklearn.linear_model.Lasso(positive=True)` picture by picture with the settings of SpLiCE's own
code (tolerance 1e-6). "difference" is the largest of |ours − theirs| / theirs of the objective
½‖z − w C‖² + λ Σ w; "gap" is what duality certifies for ours. Each is the median of some runs after
one that is not counted.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is loaded
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import importlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finexl.core.orthogonality import unit_rows
from finexl.core.sparse_codes import duality_gaps, nonnegative_codes

Array = NDArray[np.float64]
SIZES = ((500, 128), (500, 512), (12_000, 128), (12_000, 512))
TOLERANCE = 1e-6


def problem(n: int, m: int, d: int) -> tuple[Array, Array]:
    """Return pictures of about eight words each with noise, and words that are alike."""
    rng = np.random.default_rng([n, m, d])
    spectrum = (1 + np.arange(d)) ** -0.4
    C = rng.normal(size=(m, d)) * spectrum
    C = unit_rows(C - C.mean(axis=0))
    used = rng.exponential(size=(n, m)) * (rng.random((n, m)) < 8 / m)
    noise = rng.normal(size=(n, d)) * spectrum / np.linalg.norm(spectrum)
    Z = used @ C + 0.6 * noise
    return unit_rows(Z - Z.mean(axis=0)), C


def theirs(Z: Array, C: Array, penalty: float) -> Array:
    """Return scikit-learn's codes, one fit for each picture."""
    lasso: Any = importlib.import_module("sklearn.linear_model").Lasso
    words = np.asfortranarray(C.T)
    model = lasso(
        alpha=penalty / C.shape[1],
        fit_intercept=False,
        positive=True,
        max_iter=10_000,
        tol=TOLERANCE,
    )
    return np.array([model.fit(words, z).coef_ for z in Z])


def timed(run: Callable[[], Array], runs: int) -> tuple[float, Array]:
    """Return the median seconds of the processor, and what came out."""
    found, seconds = run(), []
    for _ in range(runs):
        started = time.process_time()
        found = run()
        seconds.append(time.process_time() - started)
    return float(np.median(seconds)), found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--penalty", type=float, default=0.15)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--only", choices=("ours", "theirs"), help="for timing from outside")
    options = parser.parse_args()
    n, penalty = options.rows, options.penalty
    if options.only:
        for m, d in SIZES:
            Z, C = problem(n, m, d)
            (nonnegative_codes if options.only == "ours" else theirs)(Z, C, penalty)
        return
    print("words    d  in use  ours, s  theirs, s  ratio  difference      gap")
    for m, d in SIZES:
        Z, C = problem(n, m, d)
        ours_s, ours = timed(lambda Z=Z, C=C: nonnegative_codes(Z, C, penalty), 5)  # type: ignore[misc]
        runs = 3 if m < 1000 else 1
        theirs_s, other = timed(lambda Z=Z, C=C: theirs(Z, C, penalty), runs)  # type: ignore[misc]
        least, reached = (
            0.5 * ((Z - w @ C) ** 2).sum(axis=1) + penalty * w.sum(axis=1) for w in (ours, other)
        )
        print(
            f"{m:5} {d:4} {(ours > 0).sum(axis=1).mean():7.1f} {ours_s:8.3f} {theirs_s:10.2f} "
            f"{theirs_s / ours_s:6.1f} {np.abs(least / reached - 1).max():11.1e} "
            f"{duality_gaps(ours, Z, C, penalty).max():8.1e}",
            flush=True,
        )


if __name__ == "__main__":
    main()
