"""LoHa and LoKr, the two of LyCORIS' formats that PEFT computes: laid over a part, never fused.

LoHa: ΔW = (A₁B₁) ⊙ (A₂B₂) · α/r. LoKr: ΔW = W₁ ⊗ W₂ · α/r, where either may be a product itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from finexl.errors import UsageError

MARKS = {"hada_": "LoHa", "lokr_": "LoKr"}
_PARTS = {
    "lora_unet_": ("unet", "transformer"),
    "lora_transformer_": ("transformer",),
    "lycoris_": ("unet", "transformer"),
    "lora_te_": ("text_encoder",),
    "lora_te1_": ("text_encoder",),
    "lora_te2_": ("text_encoder_2",),
    "unet.": ("unet",),
    "transformer.": ("transformer",),
    "diffusion_model.": ("transformer",),
    "text_encoder.": ("text_encoder",),
    "text_encoder_2.": ("text_encoder_2",),
}
_RENAMED = {
    "input_blocks": "down_blocks",
    "middle_block": "mid_block",
    "output_blocks": "up_blocks",
    "in_layers_2": "conv1",
    "out_layers_3": "conv2",
    "emb_layers_1": "time_emb_proj",
    "skip_connection": "conv_shortcut",
    "downsamplers_0_op": "downsamplers_0_conv",
}
"""Layers that Stability's own code and diffusers call differently."""
_Tensors = Mapping[str, Any]


def format_of(keys: str) -> str | None:
    """Return which of the two formats a file's keys speak of."""
    return next((name for mark, name in MARKS.items() if mark in keys), None)


def lay(pipeline: Any, path: Path, label: str) -> int:
    """Lay a file over a pipeline's parts as an adapter of that name; return how many layers.

    Raises:
        UsageError: a layer that the pipeline does not have, or that is of another shape.
    """
    from peft import LoHaConfig, LoKrConfig, inject_adapter_in_model
    from safetensors.torch import load_file

    state = load_file(path)
    kind = LoHaConfig if format_of("\n".join(state)) == "LoHa" else LoKrConfig
    parts = _by_part(pipeline, path, state)
    for part, layers in parts.items():
        model = getattr(pipeline, part)
        config = kind(r=1, alpha=1, target_modules=list(layers), inference_mode=True)
        inject_adapter_in_model(config, model, label)
        model._hf_peft_config_loaded = True  # what diffusers and transformers look at
        for name, tensors in layers.items():
            _fill(model.get_submodule(name), label, tensors, f"{path}: {part}.{name}")
    return sum(map(len, parts.values()))


def _by_part(pipeline: Any, path: Path, state: _Tensors) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the file's tensors by part and by layer, as the pipeline calls them."""
    if any(re.search("input_blocks|middle_block|output_blocks", key) for key in state):
        from diffusers.loaders.lora_conversion_utils import _maybe_map_sgm_blocks_to_diffusers

        state = _maybe_map_sgm_blocks_to_diffusers(dict(state), pipeline.unet.config)
    known: dict[str, dict[str, str]] = {}
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for key, tensor in state.items():
        layer, _, what = key.rpartition(".")
        prefix = next((prefix for prefix in _PARTS if layer.startswith(prefix)), None)
        parts = [part for part in _PARTS.get(prefix or "", ()) if hasattr(pipeline, part)]
        if prefix is None or not parts or not what.startswith(("hada_", "lokr_", "alpha")):
            raise UsageError(f"{path}: {key} belongs to no part of this pipeline, or to no format.")
        part, plain = parts[0], layer.removeprefix(prefix).replace(".", "_")
        if part not in known:
            names = (name for name, _ in getattr(pipeline, part).named_modules() if name)
            known[part] = {name.replace(".", "_"): name for name in names}
        for old, new in _RENAMED.items():
            plain = plain.replace(old, new) if plain not in known[part] else plain
        name = known[part].get(plain) or known[part].get(plain.removeprefix("text_model_"))
        if name is None:
            raise UsageError(f"{path}: there is no layer {layer} in this pipeline.")
        found.setdefault(part, {}).setdefault(name, {})[what] = tensor
    return found


def _fill(layer: Any, label: str, tensors: _Tensors, where: str) -> None:
    """Put a file's tensors where PEFT has drawn some, and the strength they were trained with."""
    from torch.nn import Parameter

    weight = layer.get_base_layer().weight
    for name in layer.adapter_layer_names:
        held = getattr(layer, name)
        if label in held:
            del held[label]
        if name in tensors:
            held[label] = Parameter(tensors[name].to(weight.dtype), requires_grad=False)
    halves = [tensors[name] for name in ("hada_w1_b", "lokr_w2_b", "lokr_w1_b") if name in tensors]
    rank = halves[0].shape[0] if halves else 1
    alpha = float(tensors["alpha"]) if "alpha" in tensors and halves else float(rank)
    layer.r[label], layer.alpha[label] = rank, alpha
    layer.scaling[label] = alpha / rank
    try:
        layer.get_delta_weight(label)
    except (RuntimeError, KeyError, AttributeError) as error:
        raise UsageError(f"{where} is of another shape, or not complete.") from error
