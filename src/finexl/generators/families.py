"""Which base a LoRA or an embedding was made for: told by tensors' names and shapes alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finexl.generators.checkpoints import Shapes, settings_in

UNET, TRANSFORMER = "unet", "transformer"
SD1, SD2, SDXL, SD3, FLUX = "SD 1.x", "SD 2.x", "SDXL", "SD3", "FLUX"
_BY_CONTEXT = {768: SD1, 1024: SD2, 2048: SDXL}
"""How wide the text is that a U-Net attends to."""
_BY_INNER = {1536: SD3, 2432: SD3, 3072: FLUX}
"""How wide a transformer is inside: SD3 medium, SD 3.5 large, FLUX.1."""
_BY_CLASS = {
    "SD3Transformer2DModel": SD3,
    "FluxTransformer2DModel": FLUX,
    "Flux2Transformer2DModel": "FLUX.2",
}
_BY_EMBEDDING = {(768,): SD1, (1024,): SD2, (768, 1280): SDXL}
_OF_UNET = re.compile(r"(down|up|input|output)_blocks|mid_block|middle_block")
_OF_TRANSFORMER = re.compile(r"transformer_blocks|(single|double|joint)_blocks")
_FROM_TEXT = re.compile(r"attn2[._](processor[._])?to_[kv]")
_FROM_IMAGE = re.compile(r"attn[._](processor[._])?to_[qkv]|img_attn[._]qkv|processor\.qkv_lora")
_SIDES_IN = re.compile(r"lora_down\.|lora_A\.|lora\.down\.|_lora1?\.down\.|hada_w[12]_b")
"""The half of an adapter that faces the layer's input: its second axis is as wide as that."""


@dataclass(frozen=True)
class Family:
    """A kind of base, as far as it can be told."""

    kind: str | None
    """A U-Net, a transformer, or None: only text encoders."""
    name: str | None
    width: int | None
    """Of the text that a U-Net attends to, or of a transformer inside."""
    texts: tuple[int, ...] = ()
    """How wide the text encoders are."""

    def __str__(self) -> str:
        plain = {UNET: "a U-Net", TRANSFORMER: "a transformer", None: "another base"}[self.kind]
        if self.width is None:
            return self.name or plain
        what = "text" if self.kind == UNET else "layers"
        return f"{self.name or plain} ({what} {self.width} wide)"

    def fits(self, base: Family) -> bool:
        """Whether something made for this can belong to that base; what is unknown may."""
        return not any(
            mine is not None and its is not None and mine != its
            for mine, its in (
                (self.kind, base.kind),
                (self.name, base.name),
                (self.width, base.width),
            )
        )


def of_lora(shapes: Shapes) -> Family:
    """Return the base that a LoRA was made for."""
    names = "\n".join(shapes)
    second = any(key.startswith(("lora_te2_", "text_encoder_2.")) for key in shapes)
    if _OF_UNET.search(names):
        width = _only(_wide(shapes, _FROM_TEXT))
        name = _BY_CONTEXT.get(width or 0)
        return Family(UNET, name or (SDXL if second and width is None else None), width)
    if _OF_TRANSFORMER.search(names):
        width = _only(_wide(shapes, _FROM_IMAGE))
        name = _BY_INNER.get(width or 0)
        if re.search(r"single_transformer_blocks|(single|double)_blocks", names):
            name = FLUX if width in (None, 3072) else None
        elif "joint_blocks" in names:
            name = SD3
        return Family(TRANSFORMER, name, width)
    return Family(None, SDXL if second else None, None)


def of_embedding(shapes: Shapes) -> Family:
    """Return the base that a textual inversion embedding was made for."""
    ordered = [shapes[key] for key in ("clip_l", "clip_g") if key in shapes]
    widths = tuple(shape[-1] for shape in ordered or shapes.values() if shape)
    return Family(None, _BY_EMBEDDING.get(widths), None, widths)


def of_pipeline(folder: Path, kind: str) -> Family:
    """Return a pipeline's own family, from its folder's settings and its class's name."""
    texts = tuple(
        int(width)
        for part in ("text_encoder", "text_encoder_2")
        if (width := settings_in(folder, part).get("hidden_size")) is not None
    )
    unet = settings_in(folder, "unet")
    if unet:
        width = _number(unet.get("cross_attention_dim"))
        name = SDXL if kind.startswith("StableDiffusionXL") else _BY_CONTEXT.get(width or 0)
        return Family(UNET, name, width, texts)
    inside = settings_in(folder, "transformer")
    if inside:
        heads, size = inside.get("num_attention_heads"), inside.get("attention_head_dim")
        width = heads * size if isinstance(heads, int) and isinstance(size, int) else None
        return Family(TRANSFORMER, _BY_CLASS.get(str(inside.get("_class_name"))), width, texts)
    return Family(None, None, None, texts)


def _wide(shapes: Shapes, names: re.Pattern[str]) -> Iterator[int]:
    for key, shape in shapes.items():
        if names.search(key) and _SIDES_IN.search(key) and len(shape) > 1:
            yield shape[1]


def _only(widths: Iterator[int]) -> int | None:
    """Return the one width that all have; None: there is none, or they differ."""
    found = set(widths)
    return found.pop() if len(found) == 1 else None


def _number(value: Any) -> int | None:
    values: Mapping[int, Any] | set[Any] = set(value) if isinstance(value, list) else {value}
    found = next(iter(values)) if len(values) == 1 else None
    return found if isinstance(found, int) else None
