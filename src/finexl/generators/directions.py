"""Directions that a model's edits go in, learned without labels (§6.3): files, and laid over it.

As in NoiseCLR (Dalva and Yanardag, CVPR 2024), a direction d is a word that has no spelling: a
vector in the space that the text encoder reads words from, put through the encoder like any word,
and compared with the empty text, ε(x, d) − ε(x, ∅). It has one part for each text encoder of the
model, so that everything text decides follows from it, pooled vectors among them; a sequence laid
behind the encoder would have to learn a hundred times as many numbers, and leave those out.
∅ is what the pipeline makes of the empty prompt.

FILE.safetensors   one tensor (width,), or (tokens, width), for each direction, by name; `finexl` in
                   its header's metadata is {"family": "SDXL", "format": "finexl.directions/1",
                   "widths": [768, 1280]}, whose widths are those of the encoders' words and add up
                   to the tensors' (one entry, since safetensors writes several in any order)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from finexl.errors import UsageError
from finexl.files import write_atomic
from finexl.generators.checkpoints import Shapes
from finexl.generators.families import UNET, Family
from finexl.generators.steering import PROMPTS, Steered, Term, Words, denoiser_of, encode

FORMAT = "finexl.directions/1"
KEY = "finexl"
"""Where a file's header says what it is."""
MOST_TOKENS = 32
_PLACEHOLDERS = ("the", "a", "x", "i")
"""Words of one token, whose vectors a direction's own take the place of."""
_SHOWN = 8


def split(text: str) -> tuple[str, str]:
    """Return a file and which of its directions is meant, "" for none, of FILE[#NAME]."""
    file, mark, name = text.rpartition("#")
    return (file, name) if mark and not Path(text).expanduser().exists() else (text, "")


def choose(
    path: Path, asked: str, shapes: Shapes, metadata: Mapping[str, str]
) -> tuple[str, Family, int]:
    """Return a direction's name, what its file was made for, and of how many tokens it is.

    Raises:
        UsageError: no such direction, none named where there are several, or a damaged file.
    """
    family, widths = _about(path, metadata)
    name = next(iter(shapes)) if len(shapes) == 1 and not asked else asked
    if name not in shapes:
        names = ", ".join(sorted(shapes)[:_SHOWN]) + (", ..." if len(shapes) > _SHOWN else "")
        what = f"no direction {asked}" if asked else "several directions"
        raise UsageError(f"{path} has {what}; write {path}#NAME with one of {names}.")
    shape = shapes[name]
    tokens = 1 if len(shape) == 1 else shape[0]
    if len(shape) not in (1, 2) or shape[-1] != sum(widths) or not 0 < tokens <= MOST_TOKENS:
        raise UsageError(
            f"{path}: the direction {name} has the shape {shape}; it takes {sum(widths)} numbers "
            f"for each of at most {MOST_TOKENS} tokens."
        )
    return name, Family(None, family, None, widths), tokens


def refuse_misfit(path: Path, made: Family, base: Family, name: str) -> None:
    """Refuse a file that was made for another kind of base, as far as can be told unopened.

    Raises:
        UsageError: which it was made for, and which the base is.
    """
    # of transformers, only the first encoders' widths are known before they are opened
    known = made.texts if base.kind == UNET else made.texts[: len(base.texts)]
    if not made.fits(base) or known != base.texts:
        raise UsageError(
            f"{path} was made for {made.name or 'another base'} (words {_sum(made.texts)} wide), "
            f"and {name} is {base} (words {_sum(base.texts) or 'of unknown width'} wide)."
        )


def lay(pipeline: Any, chosen: Sequence[tuple[Path, str, float]], name: str) -> None:
    """Lay directions over an opened pipeline, for good: files, names and scales.

    Raises:
        UsageError: a direction does not fit, or the pipeline is of an unknown kind.
    """
    import torch

    wanted = [one for one in chosen if one[2] != 0]
    if not wanted:
        return
    denoiser = denoiser_of(pipeline, name)
    with torch.no_grad():
        empty = encode(pipeline, "")
        terms = [
            Term(scale, spell(pipeline, _load(pipeline, path, direction, name)), empty)
            for path, direction, scale in wanted
        ]
    Steered(denoiser, terms).attach()


def words_of(pipeline: Any) -> list[tuple[int, float]]:
    """Return how wide the words are that each text encoder reads, and their standard deviation."""
    tables = (_table(encoder).weight for _, encoder, _ in _encoders(pipeline))
    return [(int(table.shape[1]), float(table.float().std())) for table in tables]


def spell(pipeline: Any, vectors: Any) -> Words:
    """Return what a pipeline's text encoders make of a word of these vectors (tokens, width).

    The encoders read a word of as many tokens, whose vectors are exchanged on the way: tokenizers
    and weights stay as they are, and gradients flow.

    Raises:
        UsageError: a tokenizer has no word of one token to put in the place of.
    """
    parts = vectors.split(_widths(pipeline), dim=-1)
    prompts: dict[str, str] = {}
    handles = []
    try:
        for (prompt, encoder, tokenizer), part in zip(_encoders(pipeline), parts, strict=True):
            prompts[prompt], token = _placeholder(tokenizer, len(vectors))
            exchange = partial(_exchange, part, token)
            handles.append(_table(encoder).register_forward_hook(exchange))
        first = next(iter(prompts.values()))
        return encode(pipeline, {prompt: prompts.get(prompt, first) for prompt in PROMPTS})
    finally:
        for handle in handles:
            handle.remove()


def write(
    path: Path, vectors: Mapping[str, Any], widths: Sequence[int], family: str | None
) -> None:
    """Write directions, (width,) or (tokens, width) each, for bases with words of these widths."""
    from safetensors.torch import save

    about = {"format": FORMAT, "widths": list(widths), "family": family}
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {name: one.detach().float().cpu().contiguous() for name, one in vectors.items()}
    write_atomic(path, save(kept, {KEY: json.dumps(about, sort_keys=True)}))


def _about(path: Path, metadata: Mapping[str, str]) -> tuple[str | None, tuple[int, ...]]:
    """Return what family of models a file was made for, and how wide its encoders' words are."""
    try:
        about = json.loads(metadata[KEY])
        form, widths, family = about["format"], about["widths"], about.get("family")
        known = form == FORMAT and isinstance(family, str | None)
        if known and widths and all(type(width) is int and width > 0 for width in widths):
            return family, tuple(widths)
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        pass
    raise UsageError(
        f"{path} is no file of directions, or of a format not known here: {FORMAT} is."
    )


def _load(pipeline: Any, path: Path, direction: str, name: str) -> Any:
    """Return a direction's vectors (tokens, width)."""
    import torch
    from safetensors import safe_open

    with safe_open(path, "pt") as opened:
        vectors = opened.get_tensor(direction)
        _, made = _about(path, opened.metadata())
    widths = _widths(pipeline)
    if made != widths:
        raise UsageError(
            f"{path} was made for text encoders whose words are {_sum(made)} wide, and those of "
            f"{name} are {_sum(widths)} wide."
        )
    if not torch.is_floating_point(vectors) or not torch.isfinite(vectors).all():
        raise UsageError(f"{path}: the direction {direction} is not made of finite numbers.")
    return vectors.reshape(-1, sum(widths))


def _widths(pipeline: Any) -> tuple[int, ...]:
    return tuple(int(_table(encoder).weight.shape[1]) for _, encoder, _ in _encoders(pipeline))


def _encoders(pipeline: Any) -> list[tuple[str, Any, Any]]:
    """Return text encoders with their tokenizers, and the prompts that they are given."""
    ends = ("", "_2", "_3")
    found = [
        (prompt, getattr(pipeline, f"text_encoder{end}", None), f"tokenizer{end}")
        for prompt, end in zip(PROMPTS, ends, strict=True)
    ]
    return [(p, encoder, getattr(pipeline, t)) for p, encoder, t in found if encoder is not None]


def _table(encoder: Any) -> Any:
    """Return the module that turns tokens into vectors."""
    inner = getattr(encoder, "encoder", None)  # T5 reads from there, and says that it does not
    own = getattr(inner, "embed_tokens", None)
    return encoder.get_input_embeddings() if own is None else own


def _placeholder(tokenizer: Any, tokens: int) -> tuple[str, int]:
    """Return a text of so many times the same token, and that token."""
    for word in _PLACEHOLDERS:
        for between in (" ", ""):
            text = between.join([word] * tokens)
            found = tokenizer(text, add_special_tokens=False).input_ids
            if len(found) == tokens and len(set(found)) == 1:
                return text, found[0]
    raise UsageError(f"A {type(tokenizer).__name__} has no word to put a direction's in place of.")


def _exchange(vectors: Any, token: int, _: Any, given: tuple[Any, ...], output: Any) -> Any:
    """Put vectors in the place of a token's: a hook on the module that turns one into the other."""
    exchanged = output.clone()
    exchanged[given[0] == token] = vectors.to(output)
    return exchanged


def _sum(widths: Sequence[int]) -> str:
    return "+".join(map(str, widths))
