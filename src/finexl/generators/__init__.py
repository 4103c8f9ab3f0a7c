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

import re
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType

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
    "is_reference",
    "jobs_of",
    "load_generator",
    "make_all",
    "plugged",
]

KINDS = ("diffusers", "lora", "directions", "gan", "ar", "api")
"""The kinds of models that this package knows by itself."""
PLUGS = "finexl.generators"
"""The group of entry points of further kinds: name -> a module with `load` and `absolute`."""


def is_reference(text: str) -> bool:
    """Whether a text begins like a model's reference, `KIND:`."""
    found = re.match(r"([a-z]+):", text)
    return found is not None and (found[1] in KINDS or plugged(found[1]) is not None)


@cache
def plugged(kind: str) -> ModuleType | None:
    """Return the module of a further kind of models, where one is installed."""
    for point in entry_points(group=PLUGS, name=kind):
        module = point.load()
        assert isinstance(module, ModuleType)
        return module
    return None


def load_generator(reference: str, settings: Settings) -> Generator:
    """Return a model that makes images. Its files are found now, and opened when first used.

    Args:
        reference: `diffusers:ID-or-path`, `lora:BASE+FILE@SCALE`, `directions:BASE+FILE@SCALE`,
            `gan:MODEL+DIRECTION@SCALE`, `ar:MODEL+FILE`, `api:SERVICE:WHERE`, or of a kind that is
            plugged in: `viper:BASE+PROFILE@DEGREE`.
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
    further = plugged(kind)
    if further is not None:
        generator: Generator = further.load(reference, settings)
        return generator
    raise UsageError(
        f"{reference} names no kind of model that is known here; write diffusers:, lora:, "
        "directions:, gan:, ar: or api: before it, or give a folder of its images."
    )
