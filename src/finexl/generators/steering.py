"""A denoiser pulled aside while images are made, by words beside the prompt's; no weight changes.

A term pulls from one text towards another with a strength s. To every prediction is added

    δ(x) = Σ_k s_k (ε(x, towards_k) − ε(x, away_k)),

where ε is what the model says of the noisy latents x: noise, velocity or flow, as it was trained.
Classifier-free guidance calls the denoiser once for both of its halves, which have the same x, so
that both get the same δ, and it passes through unscaled:

    (u + δ) + g ((c + δ) − (u + δ)) = u + g (c − u) + δ.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from finexl.errors import UsageError

KINDS = (
    "StableDiffusionPipeline",
    "StableDiffusionXLPipeline",
    "StableDiffusion3Pipeline",
    "FluxPipeline",
)
"""The pipelines whose denoisers' arguments are known here."""
PROMPTS = ("prompt", "prompt_2", "prompt_3")
"""What is said to the first, second and third text encoder."""
_Arguments = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Words:
    """Text as a denoiser takes it."""

    hidden: Any
    """A tensor (rows, tokens, width)."""
    pooled: Any | None = None
    """All of it in one vector (rows, width), where the model wants that as well."""


@dataclass(frozen=True)
class Term:
    """One pull."""

    scale: float
    towards: Words
    away: Words


def denoiser_of(pipeline: Any, name: str) -> Any:
    """Return a pipeline's U-Net or transformer.

    Raises:
        UsageError: the pipeline is of a kind that is not known here.
    """
    if not {kind.__name__ for kind in type(pipeline).__mro__} & set(KINDS):
        raise UsageError(
            f"{name} is a {type(pipeline).__name__}, whose denoiser is not known here; this works "
            "with Stable Diffusion 1, 2, XL and 3, and FLUX."
        )
    unet = getattr(pipeline, "unet", None)
    return pipeline.transformer if unet is None else unet


def encode(pipeline: Any, prompts: str | Mapping[str, str]) -> Words:
    """Return a text as the pipeline itself encodes it: one row.

    Args:
        pipeline: one of `KINDS`.
        prompts: for all text encoders, or for each by the name of the pipeline's argument.
    """
    known = inspect.signature(pipeline.encode_prompt).parameters
    by_name = dict.fromkeys(PROMPTS, prompts) if isinstance(prompts, str) else prompts
    given: dict[str, Any] = {name: by_name[name] for name in PROMPTS if name in known}
    if "do_classifier_free_guidance" in known:
        given["do_classifier_free_guidance"] = False
    device = pipeline._execution_device
    hidden, *others = pipeline.encode_prompt(**given, device=device, num_images_per_prompt=1)
    pooled = (one for one in others if one is not None and one.ndim == 2)
    return Words(hidden, next(pooled, None))


def told(arguments: _Arguments, words: Words) -> dict[str, Any]:
    """Return a denoiser's arguments with these words in place of what was there."""
    given = {**arguments, "encoder_hidden_states": words.hidden}
    if "img_ids" in given:
        given["txt_ids"] = given["img_ids"].new_zeros(words.hidden.shape[1], 3)
    if words.pooled is None:
        return given
    if "sample" not in given:
        return {**given, "pooled_projections": words.pooled}
    added = given.get("added_cond_kwargs") or {}
    return {**given, "added_cond_kwargs": {**added, "text_embeds": words.pooled}}


def predictions(forward: Callable[..., Any], arguments: _Arguments, words: Sequence[Words]) -> Any:
    """Return what a denoiser says of the same latents for each text, all in one call.

    Args:
        forward: the denoiser.
        arguments: by name; those of n latents.
        words: each of one row.

    Returns:
        A tensor (texts, n, ...).
    """
    import torch

    x = _latents(arguments)
    n = len(x)

    def stacked(rows: Sequence[Any]) -> Any:
        return torch.cat([row.expand(n, *row.shape[1:]) for row in rows]).to(x)

    pooled = [one.pooled for one in words]
    all_words = Words(
        stacked([one.hidden for one in words]), None if pooled[0] is None else stacked(pooled)
    )
    given = _of_rows(arguments, n, lambda rows: rows.repeat(len(words), *[1] * (rows.ndim - 1)))
    found = forward(**{**told(given, all_words), "return_dict": False})[0]
    return found.reshape(len(words), n, *found.shape[1:])


@dataclass(eq=False)
class Steered:
    """A denoiser whose predictions are pulled aside, from `attach` to `detach`, or within `with`.

    Its `forward` is wrapped, so that pipelines, offloading and adapters on it work as before. What
    lies under the wrapper is called once for the prediction itself, bit for bit as without, and
    once more for all the terms' texts together, on one of two halves that are alike.
    """

    denoiser: Any
    terms: Sequence[Term]
    _plain: Callable[..., Any] | None = field(default=None, init=False, repr=False)

    def attach(self) -> None:
        """Begin; terms of strength 0 leave the denoiser alone."""
        if any(term.scale for term in self.terms):
            self._plain = self.denoiser.forward
            self.denoiser.forward = self._forward

    def detach(self) -> None:
        """End."""
        if self._plain is not None:
            self.denoiser.forward, self._plain = self._plain, None

    def __enter__(self) -> Steered:
        self.attach()
        return self

    def __exit__(self, *_: object) -> None:
        self.detach()

    def _forward(self, *args: Any, **kwargs: Any) -> Any:
        assert self._plain is not None
        found = self._plain(*args, **kwargs)
        signature = inspect.signature(type(self.denoiser).forward)
        arguments = dict(signature.bind(self.denoiser, *args, **kwargs).arguments)
        del arguments["self"]
        pulled = found[0] + self._delta(self._plain, arguments).to(found[0])
        return (pulled, *found[1:]) if isinstance(found, tuple) else type(found)(pulled)

    def _delta(self, forward: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        """Return δ for every row, computed in single precision at least."""
        import torch

        x = _latents(arguments)
        n, half = len(x), len(x) // 2
        doubled = n == 2 * half and torch.equal(x[:half], x[half:])
        if doubled:
            arguments = _of_rows(arguments, n, lambda rows: rows[half:])
        texts = list({one: None for term in self.terms for one in (term.towards, term.away)})
        said = predictions(forward, arguments, texts)
        said = said.to(torch.promote_types(said.dtype, torch.float32))
        of = dict(zip(texts, said, strict=True))
        delta = sum(term.scale * (of[term.towards] - of[term.away]) for term in self.terms)
        return torch.cat([delta, delta]) if doubled else delta


def _latents(arguments: _Arguments) -> Any:
    return arguments["sample" if "sample" in arguments else "hidden_states"]


def _of_rows(arguments: _Arguments, n: int, change: Callable[[Any], Any]) -> dict[str, Any]:
    """Return arguments with those changed that have a row for each of n latents."""

    def changed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: changed(inner) for key, inner in value.items()}
        rows = getattr(value, "ndim", 0) > 0 and len(value) == n
        return change(value) if rows else value

    places = ("img_ids", "txt_ids")  # a row for each place, not for each image
    return {key: value if key in places else changed(value) for key, value in arguments.items()}
