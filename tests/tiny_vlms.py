"""Tiny vision-language models of the real classes, saved as the hub has them: random weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models

SPECIAL = [
    "<pad>", "<s>", "</s>", "<image>", "<fake_token_around_image>", "<global-img>",
    "<end_of_utterance>", "<|image|>", "<|vision_start|>", "<|vision_end|>",
    "<|image_pad|>", "<|video_pad|>",
    *(f"<row_{row}_col_{column}>" for row in (1, 2, 3) for column in (1, 2, 3)),
]  # fmt: skip
LETTERS = ["\n", *map(chr, range(32, 127))]
SIZE = len(SPECIAL) + len(LETTERS)
ID = {token: number for number, token in enumerate(SPECIAL + LETTERS)}
BODY = (
    "{% for message in messages %}{{ message['role'] }}: {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}IMAGE{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{{ '\\n' }}{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
)
_TEXT: dict[str, Any] = {
    "vocab_size": SIZE,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "bos_token_id": ID["<s>"],
    "eos_token_id": ID["</s>"],
    "pad_token_id": ID["<pad>"],
}
_VISION: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
_HALF: dict[str, Any] = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}


def save_qwen2_vl(folder: Path) -> None:
    config = transformers.Qwen2VLConfig(
        text_config={**_TEXT, **_rope(mrope_section=[2, 3, 3])},
        vision_config={
            "depth": 2, "embed_dim": 16, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2,
            "patch_size": 4, "spatial_merge_size": 2, "temporal_patch_size": 2,
        },
        image_token_id=ID["<|image_pad|>"],
        video_token_id=ID["<|video_pad|>"],
        vision_start_token_id=ID["<|vision_start|>"],
        vision_end_token_id=ID["<|vision_end|>"],
    )  # fmt: skip
    preprocessing = {"patch_size": 4, "merge_size": 2, "temporal_patch_size": 2, **_HALF}
    preprocessing |= {"min_pixels": 64, "max_pixels": 32 * 32}
    _save(
        transformers.Qwen2VLForConditionalGeneration(config),
        folder,
        "<|vision_start|><|image_pad|><|vision_end|>",
        {"image_processor_type": "Qwen2VLImageProcessor", **preprocessing},
        {"processor_class": "Qwen2VLProcessor"},
    )


def _idefics3(folder: Path, family: str, config: Any, kind: Any) -> None:
    preprocessing = {"size": {"longest_edge": 32}, "max_image_size": {"longest_edge": 16}, **_HALF}
    _save(
        kind(config),
        folder,
        "<image>",
        {"image_processor_type": f"{family}ImageProcessor", "do_image_splitting": True}
        | preprocessing,
        {"processor_class": f"{family}Processor", "image_seq_len": 4},
    )


def save_idefics3(folder: Path) -> None:
    _idefics3(
        folder,
        "Idefics3",
        transformers.Idefics3Config(**_parts_of_idefics3()),
        transformers.Idefics3ForConditionalGeneration,
    )


def save_smolvlm(folder: Path) -> None:
    _idefics3(
        folder,
        "SmolVLM",
        transformers.SmolVLMConfig(**_parts_of_idefics3()),
        transformers.SmolVLMForConditionalGeneration,
    )


def _parts_of_idefics3() -> dict[str, Any]:
    return {
        "text_config": {**_TEXT, "model_type": "llama"},
        "vision_config": {**_VISION, "image_size": 16, "patch_size": 4},
        "scale_factor": 2,
        "image_token_id": ID["<image>"],
        "pad_token_id": ID["<pad>"],
    }


def save_idefics2(folder: Path) -> None:
    config = transformers.Idefics2Config(
        text_config={**_TEXT, "model_type": "mistral"},
        vision_config={**_VISION, "image_size": 32, "patch_size": 8},
        perceiver_config={
            "hidden_size": 32, "resampler_n_latents": 4, "resampler_depth": 1,
            "resampler_n_heads": 2, "resampler_head_dim": 16, "num_key_value_heads": 2,
        },
        image_token_id=ID["<image>"],
    )  # fmt: skip
    preprocessing = {"size": {"shortest_edge": 16, "longest_edge": 32}, **_HALF}
    _save(
        transformers.Idefics2ForConditionalGeneration(config),
        folder,
        "<image>",
        {"image_processor_type": "Idefics2ImageProcessor", "do_image_splitting": False}
        | preprocessing,
        {"processor_class": "Idefics2Processor", "image_seq_len": 4},
    )


def save_mllama(folder: Path) -> None:
    config = transformers.MllamaConfig(
        text_config={**_TEXT, **_rope(), "cross_attention_layers": [1]},
        vision_config={
            "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
            "num_global_layers": 1, "attention_heads": 2, "image_size": 16, "patch_size": 4,
            "vision_output_dim": 32, "intermediate_layers_indices": [0], "max_num_tiles": 4,
        },
        image_token_index=ID["<|image|>"],
    )  # fmt: skip
    model = transformers.MllamaForConditionalGeneration(config)
    for layer in model.modules():
        for name in ("cross_attn_attn_gate", "cross_attn_mlp_gate"):
            if hasattr(layer, name):  # shut as they start: no picture would be seen
                torch.nn.init.ones_(getattr(layer, name))
    preprocessing = {"size": {"height": 16, "width": 16}, "max_image_tiles": 4, **_HALF}
    _save(
        model,
        folder,
        "<|image|>",
        {"image_processor_type": "MllamaImageProcessor", **preprocessing},
        {"processor_class": "MllamaProcessor"},
    )


FAMILIES: dict[str, Callable[[Path], None]] = {
    "qwen2_vl": save_qwen2_vl,
    "idefics3": save_idefics3,
    "smolvlm": save_smolvlm,
    "idefics2": save_idefics2,
    "mllama": save_mllama,
}


def save_text_only(folder: Path) -> None:
    """A language model that has no eyes."""
    _save(transformers.LlamaForCausalLM(transformers.LlamaConfig(**_TEXT)), folder, "", {}, {})


def tokenizer_of_letters(image: str) -> Any:
    """A tokenizer of single letters; `image` is what its chat template puts for a picture."""
    tokenizer = Tokenizer(models.BPE({token: ID[token] for token in ID}, []))
    tokenizer.decoder = decoders.Fuse()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        additional_special_tokens=SPECIAL[3:],
        model_input_names=["input_ids", "attention_mask"],
        chat_template=BODY.replace("IMAGE", image),
    )


def _save(
    model: Any,
    folder: Path,
    image: str,
    preprocessing: dict[str, Any],
    processing: dict[str, Any],
) -> None:
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    for weights in model.parameters():
        if weights.ndim > 1:  # as they start, replies hardly depend on what is asked
            torch.nn.init.normal_(weights, std=0.3)
    model.save_pretrained(folder)
    tokenizer_of_letters(image).save_pretrained(folder)
    for name, content in (("preprocessor", preprocessing), ("processor", processing)):
        if content:
            (folder / f"{name}_config.json").write_text(json.dumps(content))


def _rope(**more: Any) -> dict[str, Any]:
    """How positions are told apart, as transformers 5 and 4 have it."""
    if int(transformers.__version__.split(".")[0]) >= 5:
        return {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, **more}}
    return {"rope_scaling": {"rope_type": "default", **more}, "rope_theta": 10000.0}
