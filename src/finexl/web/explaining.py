"""From what a form or a program asks to a job in the queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from finexl.errors import UsageError
from finexl.files import write_atomic
from finexl.images import printable
from finexl.web.explained import UPLOADS, Explaining
from finexl.web.jobs import Job, Jobs
from finexl.web.settings import Settings, within
from finexl.web.uploads import Upload, keep_uploads

Pairing = Literal["auto", "seed", "prompt", "file", "none"]
Vocabulary = Literal["style", "subject", "all"]
LONGEST_NAME = 200


@dataclass(frozen=True)
class Wanted:
    """What is asked beside the two sets of pictures."""

    name: str = ""
    prompts: str = ""
    """One a line, in the order of the sorted files."""
    prompts_file: str = ""
    """A file of them under the roots."""
    pairing: Pairing = "auto"
    vocabulary: Vocabulary = "style"


def begin(
    jobs: Jobs,
    settings: Settings,
    base: str | Sequence[Upload],
    personalized: str | Sequence[Upload],
    wanted: Wanted,
) -> Job:
    """Queue an explanation of two sets, each a folder's name or uploaded pictures.

    Raises:
        UsageError: a folder outside the roots or that is not there, or an upload that is refused.
        FullError: too many wait.
    """
    if len(wanted.name) > LONGEST_NAME:
        raise UsageError(f"The name is longer than {LONGEST_NAME} characters.")
    if wanted.prompts.strip() and wanted.prompts_file.strip():
        raise UsageError("Give the prompts themselves or a file of them, not both.")
    with jobs.place(settings.runs) as (job, folder):
        kept = folder / UPLOADS
        kept.mkdir()
        places, sent = {}, {}
        for side, given in (("base", base), ("personalized", personalized)):
            if isinstance(given, str):
                places[side] = within(given, settings.roots)
            else:
                places[side] = kept / f"{side} pictures"
                sent[places[side].name] = given
        if sent:
            keep_uploads(sent, kept, settings.limits)
        prompts = None
        if wanted.prompts.strip():
            prompts = kept / "prompts.txt"
            write_atomic(prompts, "\n".join(wanted.prompts.splitlines()) + "\n")
        elif wanted.prompts_file.strip():
            prompts = within(wanted.prompts_file.strip(), settings.roots)
        asked = {
            **{side: str(place) for side, place in places.items()},
            "prompts": None if prompts is None else str(prompts),
            "pairing": wanted.pairing,
            "vocabulary": wanted.vocabulary,
            "name": printable(wanted.name.strip()) or None,
        }
        title = asked["name"] or places["personalized"].name
        task = Explaining(folder, asked, settings.roots)
        return jobs.submit(
            Job(
                job, title, task, settings.runs / job,
                kind="explanation", page=f"/runs/{job}", result=f"/api/runs/{job}",
            )
        )  # fmt: skip
