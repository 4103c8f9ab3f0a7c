"""Drawing an image's tokens one after the other, each image by a generator of its own.

A token is the largest of (logits / temperature + Gumbel noise), which is a draw from the softmax
(Gumbel-max). The noise of an image and a place is the same for every model with as many codes, so
that two models with nearly the same logits draw nearly the same tokens: base and personalized
differ by what they learned, as diffusion models do that start from the same noise.

With guidance g the logits are u + g (c - u), of the prompt's (c) and the empty one's (u).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from finexl.errors import UsageError

if TYPE_CHECKING:
    from finexl.generators.tokens.model import TokenModel


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn."""

    guidance: float = 1.0
    """Classifier-free guidance scale; 1: none."""
    temperature: float = 1.0
    """What logits are divided by, above 0."""
    top_k: int = 0
    """So many of the most likely tokens may be drawn; 0: all."""
    top_p: float = 1.0
    """The most likely tokens that together have this probability may be drawn."""

    def changed(self, given: Mapping[str, Any], whose: str) -> Sampling:
        """Return this with what is given in place of its own.

        Raises:
            UsageError: a setting there is none of, or a value that cannot be.
        """
        known = {field.name for field in fields(self)}
        for name in given:
            if name not in known:
                raise UsageError(
                    f"{whose} is an autoregressive model, which takes no {name}; it takes "
                    f"{', '.join(sorted(known))}."
                )
        try:
            kinds: dict[str, type] = {"top_k": int}
            values = {name: kinds.get(name, float)(value) for name, value in given.items()}
        except (TypeError, ValueError, OverflowError) as error:
            raise UsageError(f"{whose}: a setting is no number: {dict(given)}.") from error
        found = replace(self, **values)
        if not (
            1 <= found.guidance <= 1000
            and 0 < found.temperature <= 1000
            and found.top_k >= 0
            and 0 < found.top_p <= 1
        ):
            raise UsageError(
                f"{whose} samples with a guidance of at least 1, a temperature above 0, a top_k "
                f"of at least 0 and a top_p in (0, 1], not with {found}."
            )
        return found


def write(
    model: TokenModel,
    prompts: Sequence[Sequence[int]],
    blanks: Sequence[Sequence[int]],
    seeds: Sequence[int],
    sampling: Sampling,
) -> tuple[Any, list[bool]]:
    """Draw every image's codes.

    Args:
        model: writes them.
        prompts: the tokens ahead of each image.
        blanks: those of the empty prompt, looked at with guidance alone.
        seeds: of each image's noise.
        sampling: how.

    Returns:
        Codes (n, count), and for each image whether all logits were numbers. Those of an image
        whose logits were not are made up.
    """
    import torch

    guided = sampling.guidance > 1
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    ids, mask, positions = padded([*prompts, *(blanks if guided else ())], model.device)
    sound = torch.ones(len(prompts), dtype=torch.bool)
    codes: list[Any] = []
    cache = None
    embedded = model.words(ids)
    with torch.inference_mode():
        for _ in range(model.count):
            hidden, cache = model.hidden(embedded, mask, positions, cache)
            logits = model.logits(hidden[:, -1]).float().cpu()
            if guided:
                asked, empty = logits.chunk(2)
                logits = empty + sampling.guidance * (asked - empty)
            sound &= torch.isfinite(logits).all(dim=1)
            drawn = draw(logits.nan_to_num(0.0, 0.0, 0.0), generators, sampling)
            codes.append(drawn)
            following = torch.cat([drawn, drawn] if guided else [drawn]).to(model.device)
            embedded = model.images(following[:, None])
            mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
            positions = positions[:, -1:] + 1
    return torch.stack(codes, dim=1), sound.tolist()


def draw(logits: Any, generators: Sequence[Any], sampling: Sampling) -> Any:
    """Return (n,) draws of logits (n, K), row by row from a generator of its own."""
    import torch

    rows = logits.double() / sampling.temperature
    if 0 < sampling.top_k < rows.shape[1]:
        least = rows.topk(sampling.top_k, dim=1).values[:, -1:]
        rows = rows.masked_fill(rows < least, -torch.inf)
    if sampling.top_p < 1:
        ordered, order = rows.sort(dim=1, descending=True, stable=True)
        parts = ordered.softmax(dim=1)
        # a token stays as long as those before it have less than top_p
        outside = parts.cumsum(dim=1) - parts >= sampling.top_p
        rows = rows.masked_fill(torch.zeros_like(outside).scatter(1, order, outside), -torch.inf)
    width = rows.shape[1:]
    noise = torch.stack([torch.rand(width, generator=g, dtype=torch.float64) for g in generators])
    return (rows - (-noise.clamp_min(1e-300).log()).log()).argmax(dim=1)


def padded(rows: Sequence[Sequence[int]], device: Any) -> tuple[Any, Any, Any]:
    """Return token ids, mask and positions (n, longest), rows filled up in front."""
    import torch

    longest = max(map(len, rows))
    ids = torch.zeros((len(rows), longest), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, longest - len(row) :] = torch.tensor(list(row))
        mask[i, longest - len(row) :] = 1
    positions = (mask.cumsum(dim=1) - 1).clamp_min(0)
    return ids.to(device), mask.to(device), positions.to(device)
