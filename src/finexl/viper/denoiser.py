"""A pipeline's denoiser that answers otherwise for a while; the pipeline itself stays as it is.

A pipeline calls its denoiser for all its images at once; where classifier-free guidance is on, with
a row for each image's negative prompt and then one for its prompt.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from finexl.errors import UsageError
from finexl.generators.steering import KINDS, Words

KNOWN = (*KINDS, "StableDiffusionXLImg2ImgPipeline")
"""Pipelines whose denoisers' arguments are known here: those that make images, and a refiner."""
_PLACES = ("img_ids", "txt_ids")
"""Arguments with a row for each place, not for each image."""
Arguments = Mapping[str, Any]


class Denoiser:
    """A pipeline whose denoiser is asked by `answer`, within `with`."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline
        self.module = getattr(pipeline, "unet", None) or pipeline.transformer

    def answer(self, plain: Callable[..., Any], arguments: Arguments) -> Any:
        """Return what the denoiser says instead: a tensor (rows, ...).

        Args:
            plain: the denoiser as it is: of arguments, a tuple that begins with the prediction.
            arguments: what the pipeline asks, by name.
        """
        raise NotImplementedError

    def prompted(self, arguments: Arguments) -> range:
        """Return the rows in which a prompt is heard: all, or the last half under guidance."""
        rows = len(latents(arguments))
        guided = getattr(self.pipeline, "do_classifier_free_guidance", False)
        return range(rows // 2 if guided else 0, rows)

    def __enter__(self) -> Denoiser:
        plain, module = self.module.forward, self.module
        signature = inspect.signature(type(module).forward)

        def forward(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(module, *args, **kwargs).arguments
            arguments = {key: value for key, value in bound.items() if key != "self"}
            if arguments.get("skip_layers") is not None:
                raise UsageError("Layers cannot be skipped while a denoiser is asked otherwise.")
            return (self.answer(plain, {**arguments, "return_dict": False}),)

        self._before = vars(module).get("forward")
        self._forward = module.forward = forward
        return self

    def __exit__(self, *_: object) -> None:
        # offloading may have put something of its own in its place
        if vars(self.module).get("forward") is self._forward:
            if self._before is None:
                del self.module.forward
            else:
                self.module.forward = self._before


def latents(arguments: Arguments) -> Any:
    """Return the noisy latents that a denoiser is asked about: one row for each that it answers."""
    return arguments["sample" if "sample" in arguments else "hidden_states"]


def words(arguments: Arguments) -> Words:
    """Return what a denoiser is told: one row for each that it answers."""
    added = arguments.get("added_cond_kwargs") or {}
    pooled = arguments.get("pooled_projections", added.get("text_embeds"))
    return Words(arguments["encoder_hidden_states"], pooled)


def rows(arguments: Arguments, chosen: Sequence[int]) -> dict[str, Any]:
    """Return the arguments of these rows, in this order; one may be taken more than once."""
    n = len(latents(arguments))

    def taken(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: taken(inner) for key, inner in value.items()}
        has_rows = getattr(value, "ndim", 0) > 0 and len(value) == n
        return value[list(chosen)] if has_rows else value

    return {key: value if key in _PLACES else taken(value) for key, value in arguments.items()}
