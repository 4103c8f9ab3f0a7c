"""How fast a catalog is searched, beside a bare matrix product, and what it costs to build.

    python benchmarks/catalog.py [--models 80000] [--dimensions 64 127 768] [--build 10000]

Vectors are made up: only their number and length matter here. One core (OMP_NUM_THREADS=1).
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from finexl.catalog import Catalog, Entry, Searcher, parse_wishes
from finexl.catalog.mirror import Vectors
from finexl.catalog.search import beyond, leanings, matches
from finexl.encoders import load_encoder
from finexl.explanation import Divergence, EncoderId, Explanation, Pool, Prompts, Source

WISHES = parse_wishes("vivid, not abstract, a bit grainy")
REPEATS = 30


def median_ms(function: Callable[[], object]) -> float:
    function()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def rank(n: int, d: int) -> None:
    """Rank n models of d dimensions that are in memory by three wishes."""
    rng = np.random.default_rng(0)
    vectors = Vectors(np.arange(n), rng.normal(size=(n, d)).astype(np.float32))
    directions = rng.normal(size=(len(WISHES), d)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    usual = np.full(n, 1.96, np.float32)  # what 95 % of directions stay below, as in a search

    def ranked() -> object:
        effects = directions @ vectors.rows.T
        match = matches(beyond(effects, usual), WISHES) + 1e-5 * leanings(effects, WISHES)
        best = np.argpartition(-match, 20)[:20]
        return vectors.ids[best[np.argsort(-match[best])]]

    bare = median_ms(lambda: vectors.rows @ directions.T)
    ours = median_ms(ranked)
    print(f"{n:,} x {d}: {ours:.1f} ms, bare product {bare:.1f} ms, ratio {ours / bare:.2f}")


def entry(i: int, d: int, encoder: EncoderId, rng: np.random.Generator) -> Entry:
    pairs = (rng.normal(size=(25, d)) * 0.1).astype(np.float16)
    V = pairs.astype(np.float32).mean(axis=0)
    source = Source("base", "folder", 25, "b" * 64)
    explanation = Explanation(
        name=f"model {i}", base=source, personalized=source, encoder=encoder,
        decomposition="subspace", prompts=Prompts(25, "built-in neutral prompts", "d", ()),
        pool=Pool(100, ("style",), "e"), n_pairs=25, pairing="seed", seed=0,
        divergence=Divergence(float(np.linalg.norm(V)), None, True, 0.001, V, pairs),
        aspects=(), less=(), residual=0.5, residual_in_sample=0.4, outside=None, dropped=(),
        sentences=(), warnings=(), finexl_version="0", created="2026-01-01T00:00:00Z",
    )  # fmt: skip
    return Entry(explanation)


def build(n: int, folder: Path) -> None:
    """Build a catalog of n models, and search it through the whole of the code."""
    loaded = load_encoder("embedded")
    encoder = EncoderId(loaded.name, loaded.revision)
    rng = np.random.default_rng(0)
    start = time.perf_counter()
    with Catalog.open(folder / "c.db", create=True) as catalog:
        for first in range(0, n, 500):
            with catalog.together():
                for i in range(first, min(first + 500, n)):
                    catalog.add(entry(i, loaded.dim, encoder, rng))
        built = time.perf_counter() - start
        size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
        print(f"{n:,} models built in {built:.0f} s, {1000 * built / n:.2f} ms each; {size:.0f} MB")
        searcher = Searcher(lambda _: loaded)
        start = time.perf_counter()
        searcher.search(catalog, WISHES)
        print(f"first search {time.perf_counter() - start:.2f} s", end="; ")
        print(f"then {median_ms(lambda: searcher.search(catalog, WISHES)):.1f} ms with reasons")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"largest memory {most:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=80_000)
    parser.add_argument("--dimensions", type=int, nargs="*", default=[64, 127, 768])
    parser.add_argument("--build", type=int, default=10_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        build(given.build, Path(folder))
    for d in given.dimensions:
        rank(given.models, d)


if __name__ == "__main__":
    main()
