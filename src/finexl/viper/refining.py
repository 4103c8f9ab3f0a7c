"""A refiner: a second pipeline that goes over finished images (SDXL's, image to image).

The images get so much noise as `strength` says, and are denoised again. It works on images, not on
latents handed over between two denoisers, so that any base can go before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from finexl.errors import UsageError
from finexl.generators import Job, Made
from finexl.generators.diffusers import Pipeline
from finexl.generators.running import alike, made_within, quietly

STRENGTH = 0.3
"""Of SDXL's own refiner."""
REFINES = "StableDiffusionXLImg2ImgPipeline"


@dataclass
class Refiner(Pipeline):
    """An image-to-image pipeline; found, opened and recorded as any other."""

    strength: float = STRENGTH

    def __post_init__(self) -> None:
        """Find its files.

        Raises:
            UsageError: no such model, or not one that refines.
            PrerequisiteError: an extra or the model is missing.
        """
        self.settings = replace(self.settings, size=None)  # images have theirs already
        super().__post_init__()
        if self.source.kind != REFINES:
            raise UsageError(
                f"{self.name} is a {self.source.kind}, which is no refiner; give a {REFINES}."
            )

    def about(self) -> dict[str, Any]:
        """Return what the refined images depend on beside the images. JSON-like."""
        return {"model": self.name, "digest": self.digest, "strength": self.strength}

    def refine(self, jobs: Sequence[Job], made: Sequence[Made]) -> list[Made]:
        """Return the images gone over; those that cannot be used stay as they are.

        Args:
            jobs: what was asked for; a job's seed makes the same noise each time.
            made: the images, one for each.
        """
        import torch

        there = [index for index, one in enumerate(made) if one.image is not None]
        if not there:
            return list(made)
        pipeline = self.opened
        arguments = self.arguments(pipeline, len(there))

        def run() -> Any:
            with quietly(), alike(self._device, jobs[0].seed, self._dtype):
                return pipeline(
                    prompt=[jobs[index].prompt for index in there],
                    image=[made[index].image for index in there],
                    strength=self.strength,
                    generator=[torch.Generator("cpu").manual_seed(jobs[i].seed) for i in there],
                    output_type="np",
                    **arguments,
                ).images

        refined = made_within(run, self.name, self._device, len(there))
        found = dict(zip(there, map(_made, refined), strict=True))
        return [found.get(index, one) for index, one in enumerate(made)]

    def _prepare(self, pipeline: Any) -> None:
        pipeline.set_progress_bar_config(disable=True)
        pipeline.watermark = None  # depends on which packages are installed
        if self.settings.offload and self._device != "cpu":
            pipeline.enable_model_cpu_offload(device=self._device)
        else:
            pipeline.to(self._device)


def _made(pixels: Any) -> Made:
    if not np.isfinite(pixels).all():
        return Made(None, "not a number")
    return Made(Image.fromarray((pixels * 255).round().astype(np.uint8)))
