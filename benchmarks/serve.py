"""The web page under load: python benchmarks/serve.py [--models 10000] [--seconds 60]

Builds a catalog of made-up models through the catalog's own API, serves it with `finexl serve`, and
has 50 clients search it at once, each asking as soon as it was answered; then has the same clients
ask a bare FastAPI route that returns the same bytes. Prints rates, latencies, errors, the server's
processor time for a request, and the peak memory of whoever builds and of whoever serves.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from finexl.catalog import Catalog, Entry, Metadata
from finexl.concepts.vocabulary import vocabulary
from finexl.encoders import load_encoder
from finexl.explanation import Aspect, Divergence, EncoderId, Explanation, Pool, Prompts, Source
from finexl.measure import Measure

PAIRS = 25
BARE = """
import sys
from pathlib import Path
import uvicorn
from fastapi import FastAPI, Response
body = Path(sys.argv[1]).read_bytes()
app = FastAPI()
@app.get("/api/search")
def search(wishes: str) -> Response:
    return Response(body, media_type="application/json")
config = uvicorn.Config(app, log_level="warning", access_log=False, port=int(sys.argv[2]))
print(f"at http://127.0.0.1:{sys.argv[2]}/", flush=True)
uvicorn.Server(config).run()
"""


def build(path: Path, n: int) -> None:
    """Write a catalog of models that move a few concepts each, by known effects, with noise."""
    encoder = load_encoder()
    measure = Measure(encoder, "subspace", (), 0)
    texts = [concept.text for concept in vocabulary("all")]
    F = measure.vectors(texts).vectors
    unit = measure.frame.scale / np.linalg.norm(measure.inside(F), axis=1)
    known = EncoderId(encoder.name, encoder.revision)
    rng = np.random.default_rng(0)
    with Catalog.open(path, create=True) as catalog:
        for start in range(0, n, 500):
            with catalog.together():
                for i in range(start, min(start + 500, n)):
                    catalog.add(_made_up(i, texts, F, unit, known, rng))


def _made_up(
    i: int,
    texts: list[str],
    F: np.ndarray,
    unit: np.ndarray,
    encoder: EncoderId,
    rng: np.random.Generator,
) -> Entry:
    chosen = rng.choice(len(texts), rng.integers(1, 6), replace=False)
    scores = rng.normal(size=len(chosen)) * 0.8
    V = (scores * unit[chosen]) @ F[chosen]
    rows = V + rng.normal(size=(PAIRS, F.shape[1])) * 0.3 * np.linalg.norm(V) / np.sqrt(F.shape[1])
    mean = rows.mean(axis=0)
    aspects = [
        Aspect(texts[j], s, (s - 0.2, s + 0.2), s, s, 0.2, 0.2, 0.5, 0.9, 0.01, True, True)
        for j, s in sorted(zip(chosen, map(float, scores), strict=True), key=lambda p: -abs(p[1]))
    ]
    explanation = Explanation(
        name=f"made-up-{i:05}",
        base=Source("base", "folder", PAIRS, "b" * 64),
        personalized=Source(f"made-up-{i:05}", "folder", PAIRS, f"{i:064}"),
        encoder=encoder,
        decomposition="subspace",
        prompts=Prompts(32, "built-in neutral prompts", "d" * 64, ()),
        pool=Pool(len(texts), ("vocabulary",), "e" * 64),
        n_pairs=PAIRS,
        pairing="seed",
        seed=0,
        divergence=Divergence(
            float(np.linalg.norm(mean)), 0.1, True, 0.001, mean.astype("f4"), rows.astype("f2")
        ),
        aspects=tuple(aspect for aspect in aspects if aspect.score > 0),
        less=tuple(aspect for aspect in aspects if aspect.score < 0),
        residual=0.4,
        residual_in_sample=0.4,
        outside=None,
        dropped=(),
        sentences=tuple(f"{a.concept} ({a.score:.2f})." for a in aspects),
        warnings=(),
        finexl_version="made up",
        created="2026-01-01T00:00:00Z",
    )
    families = ("sd1", "sdxl", "flux")
    return Entry(explanation, Metadata(base="base", family=families[i % 3], tags=("made up",)))


def wishes(n: int) -> list[str]:
    """Return wishes in words, all different."""
    rng = np.random.default_rng(1)
    texts = [concept.text for concept in vocabulary("style")]
    asked = []
    for _ in range(n):
        chosen = rng.choice(len(texts), rng.integers(1, 4), replace=False)
        signs = rng.choice(["", "not ", "a bit ", "very "], len(chosen))
        asked.append(", ".join(sign + texts[i] for sign, i in zip(signs, chosen, strict=True)))
    return asked


@contextmanager
def started(command: list[str]) -> Iterator[tuple[str, int]]:
    """Start a server; yield its address and process id; end it."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield next(word for word in line.split() if word.startswith("http")), process.pid
        process.terminate()


def peak_megabytes(process: int) -> float:
    """Return the most memory that a living process has had resident (Linux)."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def processor_seconds(process: int) -> float:
    """Return the processor time that a living process has had (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def loaded(address: str, process: int, clients: int, seconds: float) -> str:
    """Return what `load` found, and the server's processor time for a request, as JSON."""
    before = processor_seconds(process)
    found = asyncio.run(load(address, clients, seconds))
    each = 1000 * (processor_seconds(process) - before) / found["requests"]
    return json.dumps({**found, "processor_ms_each": round(each, 2)})


async def load(address: str, clients: int, seconds: float) -> dict[str, Any]:
    """Have clients ask for so long, each as soon as it was answered."""
    taken: list[float] = []
    answers: Counter[str] = Counter()
    asked = wishes(5_000)
    ends = time.perf_counter() + seconds

    async def client(asking: httpx.AsyncClient, number: int) -> None:
        for turn in itertools.count():
            begun = time.perf_counter()
            if begun > ends:
                return
            wish = asked[(number + turn * clients) % len(asked)]
            try:
                found = await asking.get("/api/search", params={"wishes": wish})
                answers[str(found.status_code)] += 1
            except httpx.HTTPError as error:
                answers[type(error).__name__] += 1
            taken.append(time.perf_counter() - begun)

    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(base_url=address, timeout=60, limits=limits) as asking:
        await asyncio.gather(*(client(asking, number) for number in range(clients)))
    p50, p95, p99 = 1000 * np.percentile(taken, [50, 95, 99])
    return {
        "requests": len(taken),
        "answers": dict(answers),
        "per_second": round(len(taken) / seconds, 1),
        "p50_ms": round(p50, 1),
        "p95_ms": round(p95, 1),
        "p99_ms": round(p99, 1),
    }


def main() -> None:
    """Build, serve, load, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--catalog", type=Path, help="one that was built before")
    parser.add_argument("--build", type=Path, help="only build, into this file")
    given = parser.parse_args()
    if given.build is not None:
        build(given.build, given.models)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = given.catalog or Path(folder) / "catalog.db"
        if given.catalog is None:
            begun = time.perf_counter()
            command = [__file__, "--build", str(path), "--models", str(given.models)]
            subprocess.run([sys.executable, *command], check=True)
            built = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            size = sum(f.stat().st_size for f in path.parent.glob(f"{path.name}*")) / 1e6
            print(
                f"built: {given.models:,} models in {time.perf_counter() - begun:.0f} s, ", end=""
            )
            print(f"{size:,.0f} MB on disk, peak memory {built:,.0f} MB", flush=True)
        server = [sys.executable, "-m", "finexl", "serve", "--catalog", str(path), "--port", "0"]
        with started([*server, "--root", folder]) as (address, process):
            first = httpx.get(f"{address}api/search", params={"wishes": "vivid"}, timeout=120)
            first.raise_for_status()
            body = Path(folder) / "body"
            body.write_bytes(first.content)
            print("search:", loaded(address, process, given.clients, given.seconds))
            print(f"server's peak memory: {peak_megabytes(process):,.0f} MB", flush=True)
        bare = [sys.executable, "-c", BARE, str(body), "8643"]
        with started(bare) as (address, process):
            time.sleep(2)
            print("bare route:", loaded(address, process, given.clients, given.seconds))


if __name__ == "__main__":
    main()
