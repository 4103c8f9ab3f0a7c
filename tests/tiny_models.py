"""Tiny models of the real classes, saved as the hub has them: random weights, a few kB each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

WORDS = [
    "<pad>",
    "<s>",
    "</s>",
    "<unk>",
    "a",
    "photo",
    "of",
    "cat",
    "dog",
    "vivid",
    "dark",
    "sketch",
    ",",
]
SIDE = 32
LENGTH = 16
_TEXT = {
    "vocab_size": len(WORDS),
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": LENGTH,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_VISION = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "patch_size": 8,
}
_HALF: dict[str, object] = {"do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True}
_HALF |= {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
_SQUARE = {"do_resize": True, "size": {"height": SIDE, "width": SIDE}}
CLIP_PREPROCESSING = {
    "image_processor_type": "CLIPImageProcessor",
    "do_resize": True,
    "size": {"shortest_edge": SIDE},
    "resample": 3,
    "do_center_crop": True,
    "crop_size": {"height": SIDE, "width": SIDE},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.48, 0.45, 0.40],
    "image_std": [0.26, 0.27, 0.28],
    "do_convert_rgb": True,
}


def save_clip(folder: Path) -> None:
    config = transformers.CLIPConfig(
        text_config={**_TEXT, "projection_dim": 12},
        vision_config={**_VISION, "image_size": SIDE, "projection_dim": 12},
        projection_dim=12,
    )
    _save(transformers.CLIPModel, config, folder, CLIP_PREPROCESSING)


def save_siglip(folder: Path) -> None:
    config = transformers.SiglipConfig(
        text_config={**_TEXT, "projection_size": 16}, vision_config={**_VISION, "image_size": SIDE}
    )
    preprocessing = {"image_processor_type": "SiglipImageProcessor", "resample": 3}
    _save(transformers.SiglipModel, config, folder, {**preprocessing, **_SQUARE, **_HALF})


def save_siglip2(folder: Path) -> None:
    config = transformers.Siglip2Config(
        text_config={**_TEXT, "projection_size": 16}, vision_config={**_VISION, "num_patches": 16}
    )
    preprocessing = {"image_processor_type": "Siglip2ImageProcessor", "resample": 2}
    preprocessing |= {"do_resize": True, "patch_size": 8, "max_num_patches": 16}
    _save(transformers.Siglip2Model, config, folder, {**preprocessing, **_HALF})


def save_align(folder: Path) -> None:
    vision = {
        "image_size": SIDE,
        "hidden_dim": 16,
        "in_channels": [32, 16],
        "out_channels": [16, 16],
        "kernel_sizes": [3, 3],
        "depthwise_padding": [],
        "strides": [1, 2],
        "num_block_repeats": [1, 1],
        "expand_ratios": [1, 2],
        "width_coefficient": 1.0,
        "depth_coefficient": 1.0,
    }
    text = {key: value for key, value in _TEXT.items() if key not in ("bos_token_id",)}
    config = transformers.AlignConfig(text_config=text, vision_config=vision, projection_dim=16)
    preprocessing = {"image_processor_type": "EfficientNetImageProcessor", "resample": 2}
    preprocessing |= {"do_center_crop": False, "include_top": False, "rescale_offset": False}
    _save(transformers.AlignModel, config, folder, {**preprocessing, **_SQUARE, **_HALF})


FAMILIES: dict[str, Callable[[Path], None]] = {
    "clip": save_clip,
    "siglip": save_siglip,
    "siglip2": save_siglip2,
    "align": save_align,
}


def save_tokenizer(folder: Path) -> None:
    vocabulary = {word: index for index, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=LENGTH,
        model_input_names=["input_ids", "attention_mask"],
    ).save_pretrained(folder)


def _save(kind: type, config: object, folder: Path, preprocessing: dict[str, object]) -> None:
    torch.manual_seed(0)
    transformers.utils.logging.disable_progress_bar()
    kind(config).save_pretrained(folder)
    save_tokenizer(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessing))
