"""BASE and PERSONALIZED as the command takes them: folders, manifests, or models that make images.

Where a model is asked, both sides get the same prompts and seeds. With `until`, prompts are added a
few at a time until V_div's estimated cosine error (Appendix E) is small enough.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from finexl.concepts.vocabulary import neutral_prompts
from finexl.core.divergence import cosine_error
from finexl.embedding import Progress
from finexl.encoders import Encoder
from finexl.errors import UsageError
from finexl.evidence import gather
from finexl.generators import (
    Generator,
    Job,
    Making,
    Settings,
    is_reference,
    jobs_of,
    load_generator,
    make_all,
    plugged,
)
from finexl.images import printable
from finexl.imageset import ImageSet, read_images
from finexl.pairing import Compared, pair
from finexl.prompts import PromptRow, read_prompts, with_prompts
from finexl.runs import Run

FIRST = 10
"""Prompts before the first look at the cosine error: fewer cannot tell it."""
STEP = 5
"""Prompts between two looks."""
MAX_SEEDS = 10_000
MOST_TELLING = 0.9
"""With a larger cosine error nothing can be said of how many prompts it would take."""
MOST_UNTIL = 0.05
"""The largest goal. With larger ones the looking itself makes differences out of noise: see
`benchmarks/until.py`."""


@dataclass(frozen=True)
class Asked:
    """What both sides are, and how models among them make images."""

    base: str
    personalized: str
    prompts: Path | None = None
    seeds: tuple[int, ...] = (0,)
    settings: Settings = Settings()  # noqa: RUF009 - frozen
    until: float | None = None
    pairing: str = "auto"

    @property
    def makes(self) -> bool:
        """Whether a model has to make images."""
        return is_model(self.base) or is_model(self.personalized)


@dataclass(frozen=True)
class Sides:
    """The two sets, and what is left to say about them."""

    base: ImageSet
    personalized: ImageSet
    prompts: Path | None
    """The prompts' file, where they still have to be attached."""


def is_model(reference: str) -> bool:
    """Whether this names a model; what exists as a file or folder is none."""
    return is_reference(reference) and not Path(reference).exists()


def absolute(reference: str) -> str:
    """Return a model's reference with its files' paths absolute, so that it holds anywhere."""
    from finexl.generators import adapters, directions

    kind, _, rest = reference.partition(":")
    if kind == "diffusers":
        return f"{kind}:{_absolute(rest)}"
    if kind in ("lora", "directions"):
        base, files = adapters.parse(rest, kind)
        named = [(*directions.split(name), scale) for name, scale in files]
        written = [(_absolute(f) + (f"#{word}" if word else ""), s) for f, word, s in named]
        return adapters.reference(_absolute(base), written, kind)
    if kind in ("gan", "ar"):
        base, files = adapters.parts(rest, kind)
        written = [(_absolute(name), scale) for name, scale in files]
        return adapters.reference(_absolute(base), written, kind)
    further = plugged(kind)
    return reference if further is None else str(further.absolute(reference))


def _absolute(name: str) -> str:
    path = Path(name).expanduser()
    return os.path.abspath(path) if path.exists() else name  # noqa: PTH100 - keeps symlinks


def read_seeds(text: str) -> tuple[int, ...]:
    """Return the seeds that a text like "0-3" or "1,5,7-9" names, in order, each once.

    Raises:
        UsageError: no such text, or more than 10,000 seeds.
    """
    seeds: dict[int, None] = {}
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d{1,18})(?:\s*-\s*(\d{1,18}))?\s*", part)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if last < first or last - first >= MAX_SEEDS:
            raise UsageError(f"{text!r} names no seeds; write them like 0-3 or 1,5,7-9.")
        seeds.update(dict.fromkeys(range(first, last + 1)))
    return tuple(seeds)


def find_sides(
    asked: Asked,
    run: Run,
    encoder: Encoder | None = None,
    progress: Progress = lambda *_: None,
    say: Callable[[str], None] = lambda _: None,
) -> Sides:
    """Read the folders, and let the models make their images into the run's folder.

    Args:
        asked: what both sides are.
        run: its folder takes the images; continued where it broke off.
        encoder: embeds what was made, for the cosine error; needed with `until` alone.
        progress: told of every image.
        say: told of the running estimate of the cosine error.

    Raises:
        UsageError: a side that is none, no prompts for a model, or a model that does not work.
        PrerequisiteError: an extra, a model, a key or a host is missing.
    """
    if asked.until is not None and not 0 < asked.until <= MOST_UNTIL:
        raise UsageError(
            f"--until {asked.until:g}: give an error above 0 and at most {MOST_UNTIL:g}; with a "
            "larger one, stopping makes differences out of noise."
        )
    if not asked.makes:
        return Sides(read_images(asked.base), read_images(asked.personalized), asked.prompts)
    if run.folder is None:
        raise UsageError("A model's images need a folder; give one with --run.")
    rows = None if asked.prompts is None else read_prompts(asked.prompts)
    folders = {
        text: read_images(text) for text in (asked.base, asked.personalized) if not is_model(text)
    }
    if rows is not None:
        folders = {text: with_prompts(images, rows) for text, images in folders.items()}
    jobs = _jobs(asked, rows, list(folders.values()))
    models = {
        text: load_generator(text, asked.settings)
        for text in (asked.base, asked.personalized)
        if text not in folders
    }
    for model in models.values():
        if model.notice is not None:
            say(model.notice)

    if not any(model.prompted for model in models.values()) and not folders:
        jobs = _by_seed(jobs)

    def made(count: int) -> Sides:
        sets = dict(folders)
        for text, model in models.items():
            # another model, or another setting, has a folder of its own
            side = "base" if text == asked.base else "personalized"
            folder = Path(str(run.folder)) / "images" / f"{side}-{model.digest[:12]}"
            sets[text] = _set(model, make_all(model, jobs[:count], folder, progress))
        return Sides(sets[asked.base], sets[asked.personalized], None)

    if asked.until is None or encoder is None:
        return made(len(jobs))
    return _until(asked.until, made, jobs, list(models.values()), encoder, run, say, asked.pairing)


def _until(
    goal: float,
    made: Callable[[int], Sides],
    jobs: Sequence[Job],
    models: Sequence[Generator],
    encoder: Encoder,
    run: Run,
    say: Callable[[str], None],
    pairing: str,
) -> Sides:
    """Make images prompt by prompt until the cosine error is no larger than the goal."""
    # whole batches only: a batch's border must not depend on where it was looked at
    whole = math.lcm(*(max(1, model.batch) for model in models))
    prompts = list(dict.fromkeys(job.prompt for job in jobs))
    count = FIRST
    while True:
        some = set(prompts[:count])
        wanted = sum(job.prompt in some for job in jobs)
        sides = made(min(-(-wanted // whole) * whole, len(jobs)))
        matched = pair(sides.base, sides.personalized, pairing)
        compared = Compared(sides.base, sides.personalized, matched)
        sample = gather(compared, encoder, run, lambda *_: None).sample
        error = cosine_error(sample)
        say(f"{sample.n} prompts: V_div's cosine error is about {error:.3f}.")
        if error <= goal or count >= len(prompts):
            break
        count += STEP
    if error > goal:
        say(f"The prompts are used up before {goal:g} was reached{_advice(error, goal, sample.n)}.")
    note = (
        f"Images were made until V_div's estimated cosine error was {goal:g}: it is {error:.3f} "
        f"with {sample.n} prompts, looked at first after {FIRST}."
    )
    base = replace(sides.base, warnings=(*sides.base.warnings, note))
    return replace(sides, base=base)


def _advice(error: float, goal: float, n: int) -> str:
    """Say how many prompts the goal would take: the squared noise falls as 1/n."""
    if error > MOST_TELLING:
        return ""

    def ratio(value: float) -> float:
        cosine = 1.0 - value
        return (1.0 - cosine**2) / cosine**2

    return f"; about {math.ceil(n * ratio(error) / ratio(goal)):,} prompts would be needed"


def _jobs(asked: Asked, rows: Sequence[PromptRow] | None, folders: Sequence[ImageSet]) -> list[Job]:
    """Return what is to be made: of the file's prompts, the other folder's, or neutral ones."""
    if rows is not None and not folders:
        seeded = [Job(row.prompt, row.seed) for row in rows if row.seed is not None]
        open_ = [row.prompt for row in rows if row.seed is None]
        jobs = dict.fromkeys([*seeded, *(jobs_of(open_, asked.seeds) if open_ else ())])
        order = {prompt: i for i, prompt in enumerate(dict.fromkeys(row.prompt for row in rows))}
        return sorted(jobs, key=lambda job: order[job.prompt])  # prompt by prompt
    if folders:
        pictures = [picture for picture in folders[0].pictures if picture.prompt is not None]
        if not pictures:
            raise UsageError(
                f"The images of {folders[0].name} have no prompts, so that a model cannot make the "
                "same; give their prompts with --prompts."
            )
        return list(
            dict.fromkeys(
                Job(str(picture.prompt), seed)
                for picture in pictures
                for seed in (asked.seeds if picture.seed is None else (picture.seed,))
            )
        )
    return jobs_of(neutral_prompts(), asked.seeds)


def _by_seed(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs of one prompt: where it decides nothing, others would give the same images.

    With a single seed there would be one image; as many seeds follow as there were prompts.
    """
    seeds = dict.fromkeys(job.seed for job in jobs)
    if len(seeds) == 1:
        seeds = dict.fromkeys(jobs[0].seed + i for i in range(len(jobs)))
    return [Job(jobs[0].prompt, seed) for seed in seeds]


def _set(model: Generator, making: Making) -> ImageSet:
    pictures = making.pictures
    if not model.seeded:  # the same seed would promise the same noise
        pictures = tuple(replace(picture, seed=None) for picture in pictures)
    if not model.prompted:  # the same prompt would promise images that have something in common
        pictures = tuple(replace(picture, prompt=None) for picture in pictures)
    return ImageSet(printable(model.name), model.kind, pictures, making.warnings)
