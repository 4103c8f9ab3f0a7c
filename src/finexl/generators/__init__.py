"""Where images come from: diffusers pipelines, adapters on them, GANs, autoregressive models, APIs.

making     images that survive: written as they come, continued where they broke off
"""

from __future__ import annotations

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
    "make_all",
]
