"""E(VP+) and E(VP−): a list of attributes as a pipeline's text encoders read it (for Eq. 1, 2).

An encoder of CLIP's kind reads 77 tokens. A longer list is read in chunks of whole attributes, and
their encodings are averaged, each chunk counting as much as it has attributes. Nothing is dropped
at random, as the published code does; only an attribute that fills 77 tokens by itself is cut.

Weights: with λ_a = weight / the largest weight of both sides, a list is read once for each
threshold τ in (0, 1], with the attributes that have λ_a ≥ τ alone,

    E(VP) = ∫₀¹ E({a : λ_a ≥ τ}) dτ,

in tenths of λ. Where all weigh the same this is the paper's E(VP), and of no attribute it is the
empty prompt's encoding: a side without attributes is neutral, and two of them have no direction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from finexl.errors import UsageError
from finexl.generators.steering import Words, encode
from finexl.viper.taste import Attributes, Taste

TENTHS = 10


def encoded(pipeline: Any, taste: Taste, name: str) -> tuple[Words, Words]:
    """Return E(VP+) and E(VP−) with everything that the pipeline's encoders say: one row each.

    Args:
        pipeline: a diffusers pipeline.
        taste: the two lists.
        name: what the pipeline is called, for errors.

    Raises:
        UsageError: the pipeline has no text encoder.
    """
    import torch

    tokenizers = [getattr(pipeline, f"tokenizer{end}", None) for end in ("", "_2", "_3")]
    there = [tokenizer for tokenizer in tokenizers if tokenizer is not None]
    if not there:
        raise UsageError(f"{name} has no text encoder, so that attributes cannot be read to it.")

    def fits(text: str) -> bool:
        return all(len(one(text).input_ids) <= one.model_max_length for one in there)

    strongest = max((weight for _, weight in (*taste.liked, *taste.disliked)), default=0.0)
    with torch.no_grad():
        return (
            _integral(pipeline, thresholds(taste.liked, strongest), fits),
            _integral(pipeline, thresholds(taste.disliked, strongest), fits),
        )


def thresholds(attributes: Attributes, strongest: float) -> list[tuple[float, tuple[str, ...]]]:
    """Return each list that some thresholds select, with the share of thresholds that do.

    Args:
        attributes: with their weights.
        strongest: the weight that counts as 1.

    Returns:
        Shares, which add up to 1, and lists in the order given; the shortest list last.
    """
    heard = [(words, round(TENTHS * weight / (strongest or 1.0))) for words, weight in attributes]
    steps = sorted({0, TENTHS, *(level for _, level in heard)})
    found = []
    for below, step in pairwise(steps):
        some = tuple(words for words, level in heard if level >= step)
        found.append(((step - below) / TENTHS, some))
    return found


def chunks(attributes: Sequence[str], fits: Callable[[str], bool]) -> list[list[str]]:
    """Return a list in order, cut into the fewest chunks that can be read whole."""
    found: list[list[str]] = []
    for words in attributes:
        if found and fits(text_of([*found[-1], words])):
            found[-1].append(words)
        else:
            found.append([words])
    return found


def text_of(attributes: Sequence[str]) -> str:
    """Return a chunk as it is read: as the paper's agents' lists are."""
    return ", ".join(" ".join(words.split()) for words in attributes)


def _integral(
    pipeline: Any, lists: Sequence[tuple[float, Sequence[str]]], fits: Callable[[str], bool]
) -> Words:
    parts = []
    for share, some in lists:
        for chunk in chunks(some, fits) or [[]]:
            weight = share * (len(chunk) / len(some) if some else 1.0)
            parts.append((weight, encode(pipeline, text_of(chunk))))
    pooled = [(weight, one.pooled) for weight, one in parts]
    return Words(
        _mean([(weight, one.hidden) for weight, one in parts]),
        None if pooled[0][1] is None else _mean(pooled),
    )


def _mean(parts: Sequence[tuple[float, Any]]) -> Any:
    """Return the weighted sum, in single precision at least."""
    import torch

    wide = torch.promote_types(parts[0][1].dtype, torch.float32)
    return sum(weight * tensor.to(wide) for weight, tensor in parts)
