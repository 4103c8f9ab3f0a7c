"""What is laid over an autoregressive model: a decoder, a PEFT adapter, a transformer's weights.

They are told apart by their tensors' names: `decoder.…` and `post_quant_conv.…`, also behind
`vqmodel.` or `model.vqmodel.`; `….lora_A.weight` as PEFT writes them; `transformer.…`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finexl.errors import UsageError
from finexl.generators.checkpoints import Shapes, digest_of_file, header, settings_in
from finexl.generators.running import first_line
from finexl.generators.tokens import model
from finexl.generators.tokens.model import TokenModel

DECODER, ADAPTER, WEIGHTS = "decoder", "LoRA", "transformer"
PREFIXES = ("model.vqmodel.", "vqmodel.", "")
PAINTING = ("decoder.", "post_quant_conv.")
BEHIND = "transformer."
PEFT = "base_model.model."
SETTINGS = "adapter_config.json"
OTHERS = ("use_dora", "use_rslora", "rank_pattern", "alpha_pattern", "modules_to_save")
"""Settings of PEFT's that change what an adapter's weights mean, and are not known here."""


@dataclass(frozen=True)
class Overlay:
    """A file, what it is, and how strongly it is laid on."""

    path: Path
    scale: float
    kind: str
    digest: str
    settings: Mapping[str, Any]
    """PEFT's, where they lie beside an adapter."""

    def record(self) -> dict[str, Any]:
        """Return what the manifest says of it."""
        return {
            "file": str(self.path),
            "scale": self.scale,
            "format": self.kind,
            "digest": self.digest,
        }


def read(name: str, scale: float) -> Overlay:
    """Return what a file is; its weights are not opened.

    Raises:
        UsageError: no such file, a pickle, nothing that is known here, or a strength that it has
            none of.
    """
    path = Path(name).expanduser()
    shapes, _ = header(path)
    kind = _kind(shapes)
    if kind is None:
        raise UsageError(
            f"{path} is neither a VQ decoder, a PEFT adapter nor a transformer's weights: it has "
            f"{model.some(shapes)}."
        )
    settings = settings_in(path.parent, "", SETTINGS) if kind == ADAPTER else {}
    if kind != ADAPTER and scale not in (0, 1):
        raise UsageError(
            f"{path} is a {kind}'s weights, which have no strength to set; leave @{scale:g} out."
        )
    unknown = [key for key in OTHERS if settings.get(key)]
    if unknown:
        raise UsageError(f"{path} is an adapter with {unknown[0]}, which is not known here.")
    return Overlay(path, scale, kind, digest_of_file(path), settings)


def painting(shapes: Shapes) -> dict[str, str]:
    """Return a decoder's names (`decoder.conv_in.weight`) -> those that a file has for them."""
    found = {}
    for key in shapes:
        for prefix in PREFIXES:
            if key.startswith(tuple(prefix + part for part in PAINTING)):
                found[key.removeprefix(prefix)] = key
                break
    return found


def lay(base: TokenModel, overlays: Sequence[Overlay], name: str) -> dict[str, int]:
    """Lay files over an opened model; return how many tensors each gave, by path.

    What is laid on at scale 0 is not opened: the base is exact. Adapters come last, in whatever
    order files are given: they wrap the layers that whole weights are for.

    Raises:
        UsageError: one does not fit.
    """
    from safetensors.torch import load_file

    used: dict[str, int] = {}
    adapters: list[tuple[str, float]] = []
    for number, overlay in sorted(enumerate(overlays), key=lambda row: row[1].kind == ADAPTER):
        if overlay.scale == 0:
            continue
        weights = load_file(overlay.path)
        if overlay.kind == DECODER:
            used[str(overlay.path)] = paint(base, weights, str(overlay.path))
        elif overlay.kind == WEIGHTS:
            own = {key.removeprefix(BEHIND): weight for key, weight in weights.items()}
            model.fill(base.trainable, own, str(overlay.path), base.language)
            used[str(overlay.path)] = len(own)
        else:
            label = f"adapter{number}"
            used[str(overlay.path)] = _inject(base.language, overlay, weights, label, name)
            adapters.append((label, overlay.scale))
    if adapters:
        _weigh(base.language, dict(adapters))
    return used


def paint(base: TokenModel, weights: Mapping[str, Any], name: str) -> int:
    """Give a model a file's decoder; return how many tensors that took.

    A file without `post_quant_conv` leaves the model its own.

    Raises:
        UsageError: it does not fit.
    """
    named = painting({key: tuple(weight.shape) for key, weight in weights.items()})
    state = {own: weights[key] for own, key in named.items()}
    part = base.painter
    if not any(key.startswith(PAINTING[1]) for key in state):
        part = part["decoder"]
        state = {key.removeprefix(PAINTING[0]): weight for key, weight in state.items()}
    model.fill(part, state, name, base.language)
    return len(state)


def stored(folder: Path) -> dict[str, Any]:
    """Return the decoder's weights that lie among a folder's, by their own names; or nothing."""
    from safetensors import safe_open

    found: dict[str, Any] = {}
    for path in sorted(folder.glob("*.safetensors")):
        names = painting(header(path)[0])
        with safe_open(path, "pt") as file:
            found |= {own: file.get_tensor(key) for own, key in names.items()}
    return found if any(key.startswith(PAINTING[0]) for key in found) else {}


def _kind(shapes: Shapes) -> str | None:
    if any(key.endswith(".lora_A.weight") for key in shapes):
        return ADAPTER
    if shapes and all(key.startswith(BEHIND) for key in shapes):
        return WEIGHTS
    return DECODER if any(key.startswith(PAINTING[0]) for key in painting(shapes)) else None


def _inject(
    language: Any, overlay: Overlay, weights: Mapping[str, Any], label: str, name: str
) -> int:
    from peft import LoraConfig, inject_adapter_in_model
    from peft.utils import set_peft_model_state_dict

    own = {key.removeprefix(PEFT): weight for key, weight in weights.items()}
    ends = (".lora_A.weight", ".lora_B.weight")
    layers = sorted({key.removesuffix(end) for key in own for end in ends if key.endswith(end)})
    ranks = {own[key].shape[0] for key in own if key.endswith(ends[0])}
    strange = [key for key in own if not key.endswith(ends)]
    if strange or len(ranks) != 1 or len(own) != 2 * len(layers):
        raise UsageError(
            f"{overlay.path} is no plain LoRA with one rank: "
            f"{model.some(strange) or f'ranks {sorted(ranks)}'}."
        )
    there = dict(language.named_modules())
    missing = [layer for layer in layers if layer not in there]
    if missing:
        raise UsageError(
            f"{overlay.path} was made for another model: {name} has no {model.some(missing)}."
        )
    rank = ranks.pop()
    alpha = overlay.settings.get("lora_alpha", rank)
    if not isinstance(alpha, int | float) or not math.isfinite(alpha):
        raise UsageError(f"{overlay.path.parent / SETTINGS} has a lora_alpha that is no number.")
    try:
        inject_adapter_in_model(
            LoraConfig(r=rank, lora_alpha=alpha, target_modules=layers), language, label
        )
        set_peft_model_state_dict(language, own, label)
    except (ValueError, RuntimeError, KeyError) as error:
        raise UsageError(f"{overlay.path} does not fit {name}: {first_line(error)}") from error
    return len(own)


def _weigh(language: Any, scales: Mapping[str, float]) -> None:
    """Set the strength of every adapter, all of them active."""
    from peft.tuners.lora import LoraLayer

    for layer in language.modules():
        if isinstance(layer, LoraLayer):
            here = [label for label in scales if label in layer.scaling]
            layer.set_adapter(here)
            for label in here:
                layer.set_scale(label, scales[label])
    language.requires_grad_(False)
