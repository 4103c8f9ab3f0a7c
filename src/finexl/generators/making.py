"""Making images that survive: written as they come, continued where they broke off, bit for bit.

FOLDER/manifest.jsonl     a line an image: file, prompt, seed
FOLDER/blanks.jsonl       a line for each that cannot be used: why, prompt, seed
FOLDER/model.json         what made them: digest, settings, versions
FOLDER/PROMPT-3.png       PROMPT is the beginning of the prompt's digest, 3 the seed
FOLDER/notes.txt          where memory ran out

Images are made in batches whose borders never move, since a model's last bits may depend on which
images it makes together: a batch that was cut short is made again whole, and only what is missing
of it is written.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from finexl.cache import key_of
from finexl.errors import FinexlError, UsageError
from finexl.files import append_line, write_atomic
from finexl.generators.base import Generator, Job, Made, OutOfMemoryError
from finexl.images import Picture

MANIFEST = "manifest.jsonl"
BLANKS = "blanks.jsonl"
MODEL = "model.json"
MOST_BLANK = 0.5
"""With a larger part of blank images there is nothing to compare."""
EARLY = 8
"""So many blank images at the start, and no other, end the making: the model is broken."""

Progress = Callable[[str, int, int], None]
_Key: TypeAlias = tuple[str, int]
_Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Making:
    """What was made of the jobs that were asked for."""

    pictures: tuple[Picture, ...]
    """In the order of the jobs, without the blank ones."""
    blanks: Mapping[str, int]
    """How many images could not be used, by reason."""
    batch: int
    """Images at once in the end: smaller than asked for where memory ran out."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about what could not be used."""
        total = len(self.pictures) + sum(self.blanks.values())
        return tuple(
            f"{count:,} of {total:,} images are left out: {reason}."
            for reason, count in self.blanks.items()
        )


def jobs_of(prompts: Sequence[str], seeds: Sequence[int]) -> list[Job]:
    """Return a job for each prompt and seed, prompt by prompt.

    Raises:
        UsageError: no prompt or no seed.
    """
    if not prompts or not seeds:
        raise UsageError("A model makes images of prompts and seeds; give at least one of each.")
    return [Job(prompt, seed) for prompt in dict.fromkeys(prompts) for seed in dict.fromkeys(seeds)]


def make_all(
    generator: Generator,
    jobs: Sequence[Job],
    folder: Path,
    progress: Progress = lambda *_: None,
) -> Making:
    """Make every job's image that the folder does not have yet.

    Args:
        generator: makes them.
        jobs: in the order in which they are made.
        folder: made if need be; may hold what an earlier attempt left.
        progress: told of every image: what, how many are done, of how many.

    Raises:
        UsageError: the folder holds another model's images, or the model makes blank ones only.
        FinexlError: as the generator; what was made until then is kept.
    """
    _claim(folder, generator)
    listed = _read(folder)
    known = {key: row for key, row in listed.items() if _is_there(folder, row)}
    batch = max(1, generator.batch)
    done = sum(_key(job) in known for job in jobs)
    progress(f"Making {generator.name}", done, len(jobs))
    start = 0
    while start < len(jobs):
        some = jobs[start : start + batch]
        missing = [job for job in some if _key(job) not in known]
        if missing:
            try:
                made = generator.make(some)
            except OutOfMemoryError as error:
                if batch == 1:
                    raise
                batch //= 2
                _note(folder, f"{error} From image {start} on {batch} at once.")
                continue
            for job, one in zip(some, made, strict=True):
                if _key(job) not in known:
                    known[_key(job)] = _write(folder, job, _checked(one), listed)
                    done += 1
                    progress(f"Making {generator.name}", done, len(jobs))
            _give_up_early(generator, known)
        start += len(some)
    rows = [(job, known[_key(job)]) for job in jobs]
    blanks = _blanks(row for _, row in rows)
    if sum(blanks.values()) > MOST_BLANK * len(jobs):
        raise UsageError(_all_blank(generator, blanks, len(jobs)))
    pictures = tuple(
        Picture(row["file"].removesuffix(".png"), folder / row["file"], job.prompt, job.seed)
        for job, row in rows
        if not row.get("blank")
    )
    return Making(pictures, blanks, batch)


def _key(job: Job) -> _Key:
    return job.prompt, job.seed


def _checked(made: Made) -> Made:
    """Return a blank in place of an image that shows nothing: one colour throughout."""
    if made.image is None or made.blank is not None:
        return made
    pixels = np.asarray(made.image.convert("RGB")).reshape(-1, 3)
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    if (high == 0).all():
        return Made(None, "all black")
    if (low == high).all():
        return Made(None, "one colour throughout")
    return made


def _name(job: Job) -> str:
    """Return the name of a job's image: its own, whatever else is made in the folder."""
    return f"{key_of(job.prompt)[:16]}-{job.seed}.png"


def _write(folder: Path, job: Job, made: Made, listed: Mapping[_Key, _Row]) -> _Row:
    """Write an image and then its line, so that a line's image is always there."""
    about = {"prompt": job.prompt, "seed": job.seed}
    if made.image is None or made.blank is not None:
        blank: _Row = {"blank": made.blank or "no image", **about}
        append_line(folder / BLANKS, json.dumps(blank, ensure_ascii=False))
        return blank
    row: _Row = {"file": _name(job), **about}
    file = BytesIO()
    made.image.convert("RGB").save(file, "PNG")
    write_atomic(folder / row["file"], file.getvalue())
    if _key(job) not in listed:  # else made again, since somebody took it away
        append_line(folder / MANIFEST, json.dumps(row, ensure_ascii=False))
    return row


def _read(folder: Path) -> dict[_Key, _Row]:
    """Return the lines of what was made already, by prompt and seed: images and blanks.

    A line counts only with the name that its prompt and seed give: a folder from elsewhere cannot
    name other files.
    """
    found: dict[_Key, _Row] = {}
    for name in (MANIFEST, BLANKS):
        with suppress(OSError):
            for line in (folder / name).read_bytes().split(b"\n"):
                with suppress(ValueError, KeyError, TypeError, RecursionError):
                    row = json.loads(line)
                    job = Job(str(row["prompt"]), int(row["seed"]))
                    blank = row.get("blank")
                    if (isinstance(blank, str) and blank) or row.get("file") == _name(job):
                        found[_key(job)] = row
    return found


def _is_there(folder: Path, row: _Row) -> bool:
    """Whether a line's image is there, as a file of its own; a blank one has none."""
    if row.get("blank"):
        return True
    path = folder / row["file"]
    return path.is_file() and not path.is_symlink()


def _blanks(rows: Iterable[_Row]) -> dict[str, int]:
    """Return how many images could not be used, by reason."""
    return dict(Counter(row["blank"] for row in rows if row.get("blank")))


def _claim(folder: Path, generator: Generator) -> None:
    """Make the folder this model's, or refuse one that is another's."""
    record = {"name": generator.name, "kind": generator.kind, "digest": generator.digest}
    path = folder / MODEL
    try:
        folder.mkdir(parents=True, exist_ok=True)
        before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    except (OSError, ValueError, RecursionError) as error:
        raise FinexlError(f"{folder} cannot hold images: {error}.") from error
    if before is not None and not isinstance(before, dict):
        raise UsageError(f"{path} is damaged; choose another run folder, or delete it.")
    if before is not None and before.get("digest") != generator.digest:
        raise UsageError(
            f"{folder} holds images of {before.get('name')} made otherwise; choose another run "
            "folder, or delete it."
        )
    if before is None:
        whole = {**record, **generator.record()}
        write_atomic(path, json.dumps(whole, ensure_ascii=False, indent=1, default=str) + "\n")


def _note(folder: Path, text: str) -> None:
    with (folder / "notes.txt").open("a", encoding="utf-8") as file:
        file.write(text + "\n")


def _give_up_early(generator: Generator, known: Mapping[_Key, _Row]) -> None:
    if len(known) >= EARLY and all(row.get("blank") for row in known.values()):
        raise UsageError(_all_blank(generator, _blanks(known.values()), len(known)))


def _all_blank(generator: Generator, blanks: Mapping[str, int], total: int) -> str:
    why = ", ".join(f"{count:,} {reason}" for reason, count in blanks.items())
    return (
        f"{generator.name} makes images that show nothing ({why}, of {total:,}); try float32 "
        "(--dtype float32), another scheduler, or look whether its parts belong together."
    )
