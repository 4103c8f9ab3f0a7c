"""The job that asks whether steering did what it should, and what it leaves.

verification.json    `finexl.verification/1`, with the prompts' number, seed and time
base/, degree-0.3/   the images, and run-0.3/ a run folder of each degree
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finexl.answer import created
from finexl.embedding import Progress
from finexl.files import write_atomic
from finexl.viper.profile import Profile
from finexl.web.history import day_and_time
from finexl.web.work import move_options

LISTING = "verification.json"


@dataclass(frozen=True)
class Verifying:
    """What is asked. See `Task`."""

    folder: Path
    base: str
    profile: str
    """Its JSON."""
    prompts: tuple[str, ...]
    """Empty: the built-in neutral ones."""
    degrees: tuple[float, ...]
    seed: int
    """Of the images."""
    steps: int | None

    def do(self, progress: Progress, final: Path) -> None:
        """Steer, make, explain. See `Task.do`."""
        from finexl.concepts.vocabulary import neutral_prompts
        from finexl.generators import Settings, jobs_of, load_generator
        from finexl.runs import Run
        from finexl.viper.steering import Viper, pipeline_of
        from finexl.viper.taste import taste_of
        from finexl.viper.verifying import verify

        person = Profile.from_json(self.profile)
        pipeline = pipeline_of(load_generator(self.base, Settings(steps=self.steps)))
        viper = Viper(pipeline, taste_of(person), called=person.name)
        jobs = jobs_of(self.prompts or neutral_prompts(), [self.seed])
        found = verify(viper, self.degrees, jobs, self.folder, progress=progress)
        for one in found.degrees:  # what they name moves with them
            move_options(Run(self.folder / f"run-{one.degree:g}"), self.folder, final)
        about = {"prompts": len(jobs), "image_seed": self.seed, "created": created()}
        told = {**found.to_dict(), **about}
        write_atomic(self.folder / LISTING, json.dumps(told, ensure_ascii=False))


@dataclass(frozen=True)
class Verification:
    """A verification that is done."""

    id: str
    told: dict[str, Any]
    """`finexl.verification/1`."""

    @property
    def when(self) -> str:
        """The day and time, as people read it."""
        return day_and_time(str(self.told["created"]))


def read_verification(folder: Path) -> Verification | None:
    """Return what a job left in a folder; None where it is not whole."""
    try:
        told = json.loads((folder / LISTING).read_text(encoding="utf-8"))
        whole = told["degrees"] and told["created"] and told["sentences"] is not None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Verification(folder.name, told) if whole else None
