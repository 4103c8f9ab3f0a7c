"""The job that makes steered previews, and what it leaves: only β changes from one to the next.

previews.json      base, taste, seed, degrees, and each prompt's files
degree-0.3/        the images at one degree; at 0 the plain pipeline's
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finexl.answer import created
from finexl.embedding import Progress
from finexl.errors import UsageError
from finexl.files import write_atomic
from finexl.viper.profile import Profile
from finexl.web.history import day_and_time

LISTING = "previews.json"
SCHEMA = "finexl.previews/1"
DEGREES = (0.0, 0.3, 0.6, 1.0)
"""The stops of the slider."""


@dataclass(frozen=True)
class Previewing:
    """What is made. See `Task`."""

    folder: Path
    base: str
    profile: str
    """Its JSON."""
    prompts: tuple[str, ...]
    degrees: tuple[float, ...]
    seed: int
    steps: int | None

    def do(self, progress: Progress, final: Path) -> None:
        """Make them. See `Task.do`."""
        from finexl.generators import Settings, jobs_of, load_generator, make_all
        from finexl.viper.steering import Viper, pipeline_of
        from finexl.viper.taste import taste_of

        del final  # nothing in it says where it is
        person = Profile.from_json(self.profile)
        taste = taste_of(person)
        if not taste.heard:
            raise UsageError(f"{person.name} likes and dislikes nothing yet; there is no steering.")
        pipeline = pipeline_of(load_generator(self.base, Settings(steps=self.steps)))
        jobs = jobs_of(self.prompts, [self.seed])
        files: dict[str, list[str | None]] = {job.prompt: [] for job in jobs}
        for degree in self.degrees:
            steered = Viper(pipeline, taste, degree, called=person.name) if degree else pipeline
            name = f"degree-{degree:g}"
            made = make_all(steered, jobs, self.folder / name, progress)
            by_prompt = {p.prompt: p for p in made.pictures}
            for prompt, listed in files.items():
                picture = by_prompt.get(prompt)
                listed.append(None if picture is None else f"{name}/{picture.key}.png")
        told = {
            "schema": SCHEMA,
            "base": pipeline.name,
            "name": person.name,
            "liked": [list(one) for one in taste.liked],
            "disliked": [list(one) for one in taste.disliked],
            "seed": self.seed,
            "steps": self.steps,
            "degrees": list(self.degrees),
            "prompts": [{"prompt": p, "files": listed} for p, listed in files.items()],
            "created": created(),
        }
        write_atomic(self.folder / LISTING, json.dumps(told, ensure_ascii=False))


@dataclass(frozen=True)
class Previews:
    """Previews that are done."""

    id: str
    told: dict[str, Any]
    """`finexl.previews/1`."""

    @property
    def when(self) -> str:
        """The day and time, as people read it."""
        return day_and_time(str(self.told["created"]))


def read_previews(folder: Path) -> Previews | None:
    """Return what a job left in a folder; None where it is not whole."""
    try:
        told = json.loads((folder / LISTING).read_text(encoding="utf-8"))
        if told["schema"] != SCHEMA or not told["degrees"] or not told["prompts"]:
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Previews(folder.name, told)


def preview_file(folder: Path, prompt: int, degree: int) -> Path | None:
    """Return the file of one preview, by the prompt's and the degree's number."""
    found = read_previews(folder)
    try:
        name = None if found is None else found.told["prompts"][prompt]["files"][degree]
    except IndexError:
        return None
    path = None if name is None else folder / name
    return path if path is not None and path.is_file() and not path.is_symlink() else None
