"""What it costs to explain many models: python benchmarks/scaling.py [--write docs/scaling.md]

Measures each stage by itself on one processor core, in seconds of processor time (those of the
clock depend on who else is there), and multiplies. What is not measured is a parameter: how many
images a GPU makes in a second, how long a model takes to load, how large an image's file is.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from finexl.contents import Contents
from finexl.encoders import load_encoder
from finexl.executor import LocalPool, Task
from finexl.generators import Job, Settings, load_generator
from finexl.images import load_image
from finexl.operators import apply
from finexl.questions import Row, questions_of
from finexl.step import Step, explain_one

EXAMPLES = Path(__file__).parents[1] / "examples"
TINY = f"diffusers:{EXAMPLES / 'models' / 'scenes-diffusion'}"
SIDE = 512
SEEDS = 2
MARKS = ("<!-- scaling: begin -->", "<!-- scaling: end -->")


@dataclass(frozen=True)
class Rates:
    """What one core does, measured here."""

    encoded: float
    """Pictures (512 px JPEG, opening them included) embedded in a second."""
    explained: float
    """Seconds for a model whose images are embedded: V_div, candidates, tests, files."""
    mapped: float
    """Seconds for the vocabulary under a list's own prompts, once a machine."""
    looked_at: float
    """Bytes in a second of which it is told whether they changed."""
    handed_out: float
    """Tasks in a second that one process hands out and takes back."""
    tiny: float
    """Images in a second of the tiny diffusion model under examples/models (32 px, 12 steps)."""
    answer: float
    """Bytes of an explanation."""
    run: float
    """Bytes of a run's folder without images."""


def seconds(work: Callable[[], object]) -> float:
    """Return the processor time that this process takes for it, all threads together."""
    before = time.process_time()
    work()
    return time.process_time() - before


def write_sets(folder: Path, images: int) -> None:
    """Write images of a base and of a model, 512 px, SEEDS of a prompt, with their manifests."""
    scenes = sorted((EXAMPLES / "base").glob("*.jpg"))
    for side in ("base", "model"):
        (folder / side).mkdir()
        lines = [
            {"file": f"{i}.jpg", "prompt": f"a photo of scene {i // SEEDS}", "seed": i % SEEDS}
            for i in range(images)
        ]
        (folder / side / "manifest.jsonl").write_text("\n".join(map(json.dumps, lines)))
    for i in range(images):
        rng = np.random.default_rng(i)
        left, top = rng.integers(0, 60, size=2)
        picture = load_image(scenes[i % len(scenes)]).crop((left, top, left + 260, top + 260))
        picture = picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        picture.save(folder / "base" / f"{i}.jpg", quality=90)
        apply(picture, "sepia", 0.7, rng).save(folder / "model" / f"{i}.jpg", quality=90)


def measured(images: int) -> Rates:
    """Return the rates of this machine, models of so many images each."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ["FINEXL_CACHE"] = str(folder / "cache")
        write_sets(folder, images)
        files = sorted((folder / "model").glob("*.jpg"))
        encoder = load_encoder(threads=1)
        encoder.embed_images([load_image(files[0])])
        encoding = seconds(
            lambda: [
                encoder.embed_images([load_image(file) for file in files[start : start + 8]])
                for start in range(0, len(files), 8)
            ]
        )
        rows = [Row("model", str(folder / "base"), str(folder / "model"))]
        [question] = questions_of(rows, {})

        step = Step(question, folder / "out", "digest", None)

        def explain() -> None:
            shutil.rmtree(step.run, ignore_errors=True)
            explain_one(step)

        cold = seconds(explain)
        warm = min(seconds(explain) for _ in range(3))
        contents = Contents()
        looking = seconds(lambda: contents.learn([question]))
        size = sum(file.stat().st_size for file in (folder / "base").iterdir())
        size += sum(file.stat().st_size for file in (folder / "model").iterdir())
        tasks = [Task(str(i), str(i), i) for i in range(5_000)]
        handing = seconds(lambda: list(LocalPool(1).outcomes(tasks, abs)))
        generator = load_generator(TINY, Settings(steps=12, guidance=3.0, device="cpu"))
        generator.make([Job("a red star on a grey background", 0)])
        jobs = [Job("a red star on a grey background", seed) for seed in range(1, 25)]
        making = seconds(lambda: [generator.make([job]) for job in jobs])
        return Rates(
            encoded=len(files) / encoding,
            explained=warm,
            mapped=cold - warm - 2 * encoding,
            looked_at=size / looking,
            handed_out=len(tasks) / handing,
            tiny=len(jobs) / making,
            answer=step.answer.stat().st_size,
            run=sum(file.stat().st_size for file in step.run.iterdir()),
        )


def page(rates: Rates, o: argparse.Namespace) -> str:
    """Return the tables, as Markdown."""
    made = (o.models + 1) * o.images
    encoding, explaining = made / rates.encoded / 3600, o.models * rates.explained / 3600
    looking = o.models * o.images * o.image_bytes / rates.looked_at / 3600
    kept = {
        "explanations, FOLDER/*.json": o.models * rates.answer,
        "runs without images (options, embeddings, the explanation again)": o.models * rates.run,
        f"images, at {o.image_bytes / 1e6:g} MB each (assumed)": made * o.image_bytes,
    }
    command = shlex.join(["python", *sys.argv])
    rows = [
        ("pictures embedded, 512 px, opening included", f"{rates.encoded:.1f} a second"),
        (f"a model explained, {o.images} + {o.images} images embedded", f"{rates.explained:.2f} s"),
        ("the vocabulary under a list's own prompts, once a machine", f"{rates.mapped:.0f} s"),
        ("told whether files changed", f"{rates.looked_at / 1e6:,.0f} MB a second"),
        ("tasks handed out by one process", f"{rates.handed_out:,.0f} a second"),
        ("an explanation's JSON", f"{rates.answer / 1e3:.0f} kB"),
        ("a run's folder without images", f"{rates.run / 1e3:.0f} kB"),
        ("tiny diffusion model (2.5 M weights, 32 px, 12 steps)", f"{rates.tiny:.1f} a second"),
    ]
    work = [
        ("images to be made", f"{made:,}"),
        ("embedding them", f"{encoding:,.0f} core hours"),
        ("explaining", f"{explaining:,.0f} core hours"),
        ("telling at a rerun that these images did not change", f"{looking:,.0f} core hours"),
        (
            "making them with the *tiny* model, for scale alone",
            f"{made / rates.tiny / 3600:,.0f} core hours",
        ),
    ]
    making = [
        (
            f"{rate:g}",
            f"{made / rate / 3600 + loading:,.0f}",
            f"{(made / rate / 3600 + loading) / o.gpus / 24:,.1f}",
        )
        for loading in [o.models * o.load_seconds / 3600]
        for rate in o.gpu_rates
    ]
    return "\n\n".join(
        [
            f"Measured with `{command}` on one core of {_machine()}, in processor time:",
            _table(("stage", "one core"), rows),
            f"{o.models:,} models with one base, {o.images} images each:",
            _table(("work", "it takes"), work),
            "On GPUs, **assuming** how many images one of them makes in a second, and "
            f"{o.load_seconds:g} s to load each model (neither is measured here; give yours with "
            "`--gpu-rates` and `--load-seconds`):",
            _table(("images a second (assumed)", "GPU hours", f"days on {o.gpus} GPUs"), making),
            "What is kept:",
            _table(("what", "size"), [(what, _bytes(size)) for what, size in kept.items()]),
        ]
    )


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, ("---", *["---:"] * (len(header) - 1)), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _bytes(size: float) -> str:
    return f"{size / 1e12:,.1f} TB" if size >= 1e12 else f"{size / 1e9:,.1f} GB"


def _machine() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line for line in lines if line.startswith("model name")).partition(": ")[2]
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=80_000)
    parser.add_argument("--images", type=int, default=100, help="Images of each model.")
    parser.add_argument("--image-bytes", type=float, default=1.5e6)
    parser.add_argument("--gpu-rates", type=float, nargs="+", default=[0.2, 0.5, 1.0, 2.0, 5.0])
    parser.add_argument("--load-seconds", type=float, default=10.0)
    parser.add_argument("--gpus", type=int, default=32)
    parser.add_argument("--write", type=Path, help="Put the tables between this page's marks.")
    options = parser.parse_args()
    tables = page(measured(options.images), options)
    if options.write is None:
        print(tables)
        return
    target: Path = options.write
    before, _, rest = target.read_text(encoding="utf-8").partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    text = f"{before}{MARKS[0]}\n\n{tables}\n\n{MARKS[1]}{after}"
    target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
