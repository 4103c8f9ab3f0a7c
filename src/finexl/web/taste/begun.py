"""From what a form or a program asks of a person's taste to a job in the queue."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from finexl.errors import PrerequisiteError, UsageError
from finexl.viper.profile import Profile
from finexl.web.jobs import Job, Jobs
from finexl.web.settings import Settings, within
from finexl.web.taste.cabinet import Cabinet, Made
from finexl.web.taste.extracting import Extracting, taken
from finexl.web.taste.preparing import BUILT_IN, Preparing
from finexl.web.taste.previewing import Previewing
from finexl.web.taste.sets import Sets, set_id
from finexl.web.taste.verifying import Verifying
from finexl.web.work import Task

INSTALL = "pip install 'finexl[diffusion]'"
KEPT = 12
"""Previews, and verifications, that are kept of one profile: the latest."""
MOST_STEPS = 1_000
MOST_SEED = 2**32 - 1
LONGEST_PROMPT = 2_000


@dataclass(frozen=True)
class Wanted:
    """Which images are to be made."""

    base: str
    """One of `Settings.models`."""
    prompts: tuple[str, ...]
    degrees: tuple[float, ...]
    seed: int = 0
    steps: int | None = None
    """None: the model's own."""


@dataclass(frozen=True)
class Desk:
    """Where such jobs are begun."""

    jobs: Jobs
    settings: Settings
    cabinet: Cabinet
    sets: Sets

    def prepare(self, named: str | None, page: str = "/taste") -> Job:
        """Queue the preparation of a set.

        Args:
            named: a folder under the roots; None for the built-in set.
            page: where to go then.

        Raises:
            UsageError: a folder outside the roots, or that is not there.
            FullError: too many wait.
        """
        source = None if named is None else within(named, self.settings.roots)
        id, limits = set_id(source), self.settings.limits
        same = (job for job in self.jobs.all() if job.kind == "set" and not job.over)
        for job in same:
            if job.final is not None and job.final.name == id:
                return job
        with self.jobs.place(self.settings.sets) as (name, folder):
            task = Preparing(folder, source, self.settings.roots, limits.pictures)
            title = BUILT_IN if source is None else f"Pictures of {source.name}"
            final = self.settings.sets / id
            return self.jobs.submit(Job(name, title, task, final, "set", page, f"/api/sets/{id}"))

    def extract(self, id: str) -> Job:
        """Queue the reading of a profile's comments.

        Raises:
            FinexlError: there is no such profile, it has no comments, or too many wait.
        """
        profile = self.cabinet.read(id)
        if not profile.comments:
            raise UsageError(f"{profile.name} has no comments yet; say something about a picture.")
        commented = {one.digest for one in profile.pictures}
        where = [
            self.sets.place(one)
            for one in self.sets.listed()
            if commented & {picture.digest for picture in one.pictures}
        ]

        def settle(folder: Path) -> None:
            self.cabinet.change(id, lambda now: taken(now, profile, folder))

        with self.jobs.place(self.settings.runs) as (name, folder):
            inside = (*self.settings.roots, self.settings.sets)
            task = Extracting(folder, profile.to_json(), tuple(where), inside)
            job = self._job(name, f"Reading what {profile.name} said", task, None, id)
            return self.jobs.submit(
                replace(
                    job, kind="extraction", page=address(id), result=address(id, api=True),
                    settle=settle,
                )
            )  # fmt: skip

    def preview(self, id: str, wanted: Wanted) -> Job:
        """Queue steered previews.

        Raises:
            FinexlError: there is no such profile, nothing to steer by, a model that this server
                was not started with, prompts that are none, or too many jobs wait.
        """
        profile = self._checked(id, wanted, self.settings.limits.prompts)
        if not wanted.prompts:
            raise UsageError("Give one prompt at least.")
        where = self.cabinet.made(id, "previews")
        with self.jobs.place(where) as (name, folder):
            task = Previewing(
                folder, wanted.base, profile.to_json(), wanted.prompts, wanted.degrees,
                wanted.seed, wanted.steps,
            )  # fmt: skip
            job = self._job(name, f"Previews for {profile.name}", task, where / name, id)
            return self.jobs.submit(replace(job, kind="previews"))

    def verify(self, id: str, wanted: Wanted) -> Job:
        """Queue a verification; without prompts by the built-in ones.

        Raises:
            FinexlError: as `preview`.
        """
        profile = self._checked(id, wanted, self.settings.limits.verified)
        if not wanted.degrees or min(wanted.degrees) <= 0:
            raise UsageError("Give degrees above 0: at 0 the images are the plain model's.")
        where = self.cabinet.made(id, "verifications")
        with self.jobs.place(where) as (name, folder):
            task = Verifying(
                folder, wanted.base, profile.to_json(), wanted.prompts, wanted.degrees,
                wanted.seed, wanted.steps,
            )  # fmt: skip
            job = self._job(name, f"Steering for {profile.name}", task, where / name, id)
            return self.jobs.submit(replace(job, kind="verification"))

    def delete(self, id: str) -> None:
        """Delete a profile, what was made from it, and what is about to be.

        Raises:
            FinexlError: there is no such profile, or it cannot be read or deleted.
        """
        self.cabinet.read(id)
        for job in self.jobs.all():
            if job.about == id and not job.over:
                self.jobs.cancel(job)
        self.cabinet.delete(id)

    def _job(self, name: str, title: str, task: Task, final: Path | None, id: str) -> Job:
        """Return a job about a profile, whose results lie in a folder of their own."""
        kind = "" if final is None else final.parent.name
        page, result = (
            f"{address(id, api=api)}/{kind}/{name}" if kind else address(id, api=api)
            for api in (False, True)
        )

        def settle(_: Path) -> None:
            if final is not None:
                _keep_latest(final.parent, KEPT - 1)

        return Job(name, title, task, final, "previews", page, result, about=id, settle=settle)

    def _checked(self, id: str, wanted: Wanted, most: int) -> Profile:
        profile = self.cabinet.read(id)
        if not (profile.liked or profile.disliked):
            raise UsageError(f"{profile.name} likes and dislikes nothing yet; read the comments.")
        if wanted.base not in self.settings.models:
            raise UsageError(
                "This server was not started with that model; start it with `finexl serve --model "
                "MODEL`."
            )
        if not can_steer():
            raise PrerequisiteError(f"Steering needs an extra: {INSTALL}")
        if len(wanted.prompts) > most:
            raise UsageError(f"{len(wanted.prompts):,} prompts were given; the most is {most:,}.")
        if any(len(prompt) > LONGEST_PROMPT for prompt in wanted.prompts):
            raise UsageError(f"A prompt has more than {LONGEST_PROMPT:,} characters.")
        if any("\ud800" <= letter <= "\udfff" for letter in "".join(wanted.prompts)):
            raise UsageError("A prompt has characters that are no text.")
        if not wanted.degrees or not all(0 <= degree <= 1 for degree in wanted.degrees):
            raise UsageError("A degree is a number from 0 to 1.")
        return profile


def can_steer() -> bool:
    """Whether what steering needs is installed."""
    needed = ("torch", "transformers", "diffusers")
    return all(importlib.util.find_spec(name) is not None for name in needed)


def prompts_of(text: str) -> tuple[str, ...]:
    """Return the prompts in a text, one a line, each once."""
    return tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


def address(id: str, *, api: bool = False) -> str:
    """Return a profile's address."""
    return ("/api/profiles/" if api else "/taste/") + quote(id, safe="")


def made_of(cabinet: Cabinet, id: str, kind: Made) -> list[Path]:
    """Return the folders of what was made from a profile, the latest first."""
    return _latest(cabinet.made(id, kind))


def _latest(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    there = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    return sorted(there, key=lambda entry: (-entry.stat().st_mtime, entry.name))


def _keep_latest(folder: Path, most: int) -> None:
    for old in _latest(folder)[most:]:
        shutil.rmtree(old, ignore_errors=True)
