"""What an autoregressive image model can do, and how its parts are opened safely."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

from finexl import hub
from finexl.errors import UsageError
from finexl.generators.checkpoints import header
from finexl.generators.tokens.sampling import Sampling

ROLE = hub.Role(
    "autoregressive image model",
    "Chameleon, Anole, Janus and folders with a config.json of model_type finexl-vq are known",
    "give a folder of images that it made",
    "diffusion",
)
LARGEST = 1 << 22
"""No number of a configuration that says how large something is is believed above this."""
MOST_LAYERS = 1024
LONGEST = 512
"""Tokens of a prompt at most; longer ones are cut."""
_BUFFERS = re.compile(
    r"(.*\.)?(rotary_emb\.inv_freq|position_ids|num_batches_tracked|vocabulary_mapping\..+"
    r"|(attn|attention)\.(masked_)?bias)"
)
"""What published files hold beside weights: tables that are computed anew."""
_PARTS = re.compile(r"(.*\.)?vqmodel\.(encoder|decoder|post_quant_conv|loss)\.")
"""What of a VQGAN they hold although the class may have no such part."""


class TokenModel(ABC):
    """A language model that writes images as `count` codes, and what paints them.

    Attributes:
        language: the transformers model, which adapters are laid over.
        vision: the autoencoder: its encoder and codebook at least.
        painter: `decoder` and `post_quant_conv`, which turn codes into pixels.
        count: codes of an image.
        size: its pixels a side.
        own: how it samples where nothing is said.
    """

    language: Any
    vision: Any
    painter: Any
    count: int
    size: int
    own: Sampling

    @property
    def device(self) -> Any:
        """Where it computes."""
        return self.language.device

    @abstractmethod
    def prompt(self, text: str) -> list[int]:
        """Return the tokens ahead of the image that a text asks for."""

    @abstractmethod
    def blank(self, prompt: Sequence[int]) -> list[int]:
        """Return what stands for a prompt's absence."""

    @abstractmethod
    def words(self, ids: Any) -> Any:
        """Embed text tokens (n, t)."""

    @abstractmethod
    def images(self, codes: Any) -> Any:
        """Embed image codes (n, t)."""

    @property
    @abstractmethod
    def transformer(self) -> Any:
        """The language model without its output layer."""

    def hidden(self, embedded: Any, mask: Any, positions: Any, cache: Any) -> tuple[Any, Any]:
        """Run the transformer; return what it says of each place, and its memory."""
        memory = _memory(type(self.transformer))
        found = self.transformer(
            inputs_embeds=embedded,
            attention_mask=mask,
            position_ids=positions,
            use_cache=True,
            **{memory: cache},
        )
        return found.last_hidden_state, found[memory]

    @abstractmethod
    def logits(self, hidden: Any) -> Any:
        """Return the logits of the codes alone (…, K)."""

    @abstractmethod
    def encode(self, pixels: Any) -> Any:
        """Return codes (n, count) of pixels (n, 3, size, size) in [-1, 1]."""

    @abstractmethod
    def decode(self, codes: Any) -> Any:
        """Return pixels (n, 3, size, size), about [-1, 1], of codes (n, count)."""

    @property
    def trainable(self) -> Any:
        """What of the language model writes images: what is fine-tuned, and searched for layers."""
        return self.language

    @property
    def targets(self) -> list[str]:
        """The names of its transformer's projections, which adapters are laid over."""
        inside = {id(part) for part in self.trainable.modules()}
        return [
            name
            for name, part in self.language.named_modules()
            if id(part) in inside
            and type(part).__name__ in ("Linear", "Conv1D")
            and any(piece.isdigit() for piece in name.split("."))
        ]


def _memory(kind: Any) -> str:
    """Return what transformers calls a model's memory: from 5.24 on by another name than before."""
    return "cache" if "cache" in signature(kind.forward).parameters else "past_key_values"


def codes_of(vision: Any, pixels: Any) -> Any:
    """Return the codes (n, count) that transformers' VQGANs encode pixels as, in any version."""
    found = vision.encode(pixels.to(vision.dtype))
    codes = found.image_tokens if hasattr(found, "image_tokens") else found[2]
    return codes.view(len(pixels), -1)


def read_settings(folder: Path) -> dict[str, Any]:
    """Return a folder's config.json.

    Raises:
        UsageError: there is none, or it is no object.
    """
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{folder} has no config.json that can be read: {str(error)[:200]}."
        ) from error
    if not isinstance(found, dict):
        raise UsageError(f"{folder / 'config.json'} is no object of settings.")
    return found


def refuse_unbelievable(settings: object, where: Path) -> None:
    """Refuse sizes that no model has, before anything is allocated for them.

    Raises:
        UsageError: which it was.
    """
    rest: list[tuple[str, object]] = [("", settings)]
    while rest:
        name, value = rest.pop()
        if isinstance(value, Mapping):
            rest += [(str(key), inner) for key, inner in value.items() if key != "vocabulary_map"]
        elif isinstance(value, list):
            rest += [(name, inner) for inner in value]
        elif isinstance(value, int) and not isinstance(value, bool):
            most = MOST_LAYERS if "layers" in name or "blocks" in name else LARGEST
            if abs(value) > most:
                raise UsageError(
                    f"{where} has {name} = {str(value)[:40]}, which no model has; it is damaged."
                )


def opened(kind: Any, folder: Path, dtype: Any, settings: Mapping[str, Any]) -> Any:
    """Open a model of a class of transformers or diffusers; every weight of it has to be there.

    Raises:
        UsageError: weights are missing, too many, or of other shapes.
    """
    import torch

    where = folder / "config.json"
    refuse_unbelievable(settings, where)
    shapes: dict[str, tuple[int, ...]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        shapes |= header(path)[0]
    if not shapes:
        raise UsageError(f"{folder} has no weights as safetensors.")
    with torch.device("meta"):
        planned = _planned(kind, folder)
    wanted = sum(weight.numel() for weight in planned.parameters())
    held = sum(torch.Size(shape).numel() for shape in shapes.values())
    # an output layer may be the input layer's weights once more
    if wanted > 2 * held + 1000:
        raise UsageError(
            f"{where} describes a model of {wanted:,} weights, and the files beside it hold "
            f"{held:,}; they do not belong together."
        )
    name = "torch_dtype" if kind.__module__.startswith("diffusers") else "dtype"
    model, found = kind.from_pretrained(
        folder,
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
        **{name: dtype},
    )
    wrong = [*found["missing_keys"], *(str(row) for row in found["mismatched_keys"])]
    if wrong:
        raise UsageError(
            f"{folder} lacks weights that its config.json asks for, or has them in another shape: "
            f"{some(wrong)}."
        )
    strange = _surplus(found["unexpected_keys"], planned)
    if strange:
        raise UsageError(
            f"{folder} holds weights for which its config.json leaves no place: {some(strange)}."
        )
    return model


def _surplus(names: Iterable[str], planned: Any) -> list[str]:
    """Return those names of unread weights that belong to parts which the model has."""
    own = {part.group(2) for part in map(_PARTS.match, planned.state_dict()) if part}

    def unused(name: str) -> bool:
        part = _PARTS.match(name)
        return _BUFFERS.fullmatch(name) is not None or (part is not None and part[2] not in own)

    return sorted(name for name in names if not unused(name))


def _planned(kind: Any, folder: Path) -> Any:
    """Build what config.json describes, on a device that holds nothing."""
    if kind.__module__.startswith("diffusers"):
        return kind.from_config(kind.load_config(folder, local_files_only=True))
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    return kind.from_config(config) if hasattr(kind, "_model_mapping") else kind(config)


def fill(part: Any, weights: Mapping[str, Any], name: str, like: Any) -> None:
    """Give a part the weights of a file, which have to be just its own.

    Args:
        part: a module, with or without memory for its weights.
        weights: by name.
        name: of the file.
        like: a module whose precision and place they get.

    Raises:
        UsageError: names or shapes that differ.
    """
    own = {key: tuple(weight.shape) for key, weight in part.state_dict().items()}
    given = {key: tuple(weight.shape) for key, weight in weights.items()}
    missing, strange = sorted(own.keys() - given.keys()), sorted(given.keys() - own.keys())
    other = [f"{key} {given[key]} for {own[key]}" for key in sorted(own.keys() & given.keys())
             if own[key] != given[key]]  # fmt: skip
    for names, what in ((missing, "lacks"), (other, "has in other shapes"), (strange, "adds")):
        if names:
            raise UsageError(f"{name} does not fit this model: it {what} {some(names)}.")
    cast = {key: weight.to(like.device, like.dtype) for key, weight in weights.items()}
    part.load_state_dict(cast, assign=any(w.is_meta for w in part.state_dict().values()))
    part.requires_grad_(False)


def some(names: Iterable[str]) -> str:
    """Return the first few of many names."""
    listed = list(names)
    more = f" and {len(listed) - 3:,} more" if len(listed) > 3 else ""
    return ", ".join(listed[:3]) + more


def harmless(tokenizer: Any, text: str) -> str:
    """Return a text without what the model would take for an image or a turn's end."""
    for token in tokenizer.added_tokens_decoder.values():
        if token.special:
            text = text.replace(token.content, " ")
    return text
