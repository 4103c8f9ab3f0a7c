"""Where images come from: diffusers pipelines, adapters on them, GANs, autoregressive models, APIs.

making       images that survive: written as they come, continued where they broke off
diffusers    pipelines by hub id, folder or single file
adapters     LoRA, LyCORIS and textual inversion laid over one, never fused
families     which base an adapter was made for
checkpoints  where a pipeline's files are
running      quiet, repeatable, and what it means when memory runs out
api          closed models behind HTTP
"""

from __future__ import annotations

from finexl.errors import UsageError
from finexl.generators.base import Generator, Job, Made, OutOfMemoryError, Settings
from finexl.generators.making import Making, jobs_of, make_all

__all__ = [
    "Generator",
    "Job",
    "Made",
    "Making",
    "OutOfMemoryError",
    "Settings",
    "jobs_of",
    "load_generator",
    "make_all",
]


def load_generator(reference: str, settings: Settings) -> Generator:
    """Return a model that makes images. Its files are found now, and opened when first used.

    Args:
        reference: `diffusers:ID-or-path`, `lora:BASE+FILE@SCALE`, or `api:SERVICE:WHERE`.
        settings: how images are made.

    Raises:
        UsageError: a kind of model that is not known here, or one that is no model.
        PrerequisiteError: it is not on this machine, or an extra is missing.
    """
    kind = reference.partition(":")[0]
    if kind in ("diffusers", "lora"):
        from finexl.generators import diffusers

        return diffusers.load(reference, settings)
    if kind == "api":
        from finexl.generators import api

        return api.load(reference, settings)
    raise UsageError(
        f"{reference} is a kind of model that this version cannot run; make its images into a "
        "folder and give that."
    )
