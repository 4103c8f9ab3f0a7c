"""Where images come from: diffusers pipelines, adapters on them, GANs, autoregressive models, APIs.

making       images that survive: written as they come, continued where they broke off
diffusers    pipelines by hub id, folder or single file
adapters     LoRA, LyCORIS and textual inversion laid over one, never fused
directions   learned directions, added to what the denoiser says
steering     how that is done: a denoiser pulled aside by words
gan          generators of one pass, their latents edited; architectures in gans/
autoregressive
             images as tokens, one after the other; token models in tokens/
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
        reference: `diffusers:ID-or-path`, `lora:BASE+FILE@SCALE`, `directions:BASE+FILE@SCALE`,
            `gan:MODEL+DIRECTION@SCALE`, `ar:MODEL+FILE`, or `api:SERVICE:WHERE`.
        settings: how images are made.

    Raises:
        UsageError: a kind of model that is not known here, or one that is no model.
        PrerequisiteError: it is not on this machine, or an extra is missing.
    """
    kind = reference.partition(":")[0]
    if kind in ("diffusers", "lora", "directions"):
        from finexl.generators import diffusers

        return diffusers.load(reference, settings)
    if kind == "gan":
        from finexl.generators import gan

        return gan.load(reference, settings)
    if kind == "ar":
        from finexl.generators import autoregressive

        return autoregressive.load(reference, settings)
    if kind == "api":
        from finexl.generators import api

        return api.load(reference, settings)
    raise UsageError(
        f"{reference} names no kind of model that is known here; write diffusers:, lora:, "
        "directions:, gan:, ar: or api: before it, or give a folder of its images."
    )
