"""Tiny autoregressive image models of the real classes, saved as the hub has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from finexl.generators.tokens import decoder

CODES = 16
LETTERS = [chr(code) for code in range(32, 127)]
SPECIAL = ["<s>", "</s>", "<pad>", "<racm3:break>", "<reserved08706>", "<begin_of_image>"]
VOCABULARY = [*LETTERS, *SPECIAL]
VQ = {
    "embed_dim": 8,
    "num_embeddings": CODES,
    "latent_channels": 16,
    "resolution": 16,
    "base_channels": 32,
    "channel_multiplier": [1, 2, 2],
    "num_res_blocks": 1,
    "attn_type": "vanilla",
}
SIZE, COUNT = 16, 16


def _tokenizer() -> Any:
    made = Tokenizer(models.WordLevel({x: n for n, x in enumerate(VOCABULARY)}, unk_token=" "))
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", VOCABULARY.index("<s>"))]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made,
        unk_token=" ",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        additional_special_tokens=SPECIAL[3:],
        model_max_length=64,
        model_input_names=["input_ids", "attention_mask"],
    )


def _lively(model: Any, seed: int) -> Any:
    """Give a model weights large enough for its logits to differ."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                scale = 1.0 if "embed" in name else (2.0 / weight[0].numel()) ** 0.5
                weight.copy_(torch.randn(weight.shape) * scale)
    return model


def _text(**more: Any) -> dict[str, Any]:
    return {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
        "bos_token_id": VOCABULARY.index("<s>"),
        "eos_token_id": VOCABULARY.index("</s>"),
        "pad_token_id": VOCABULARY.index("<pad>"),
        **more,
    }


def save_plain(folder: Path, kind: str = "llama", guidance: float = 2.0) -> None:
    """A VQModel and a Llama or GPT-2."""
    _tokenizer().save_pretrained(folder / "tokenizer")
    size = len(VOCABULARY) + CODES
    if kind == "llama":
        config = transformers.LlamaConfig(**_text(vocab_size=size))
        language = transformers.LlamaForCausalLM(config)
    else:
        config = transformers.GPT2Config(
            vocab_size=size, n_embd=32, n_layer=2, n_head=2, n_positions=96, n_inner=48
        )
        language = transformers.GPT2LMHeadModel(config)
    _lively(language, 1).save_pretrained(folder / "transformer")
    vq = diffusers.VQModel(
        in_channels=12,
        out_channels=12,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8),
        latent_channels=4,
        vq_embed_dim=4,
        num_vq_embeddings=CODES,
        norm_num_groups=4,
        sample_size=8,
    )
    _lively(vq, 2).save_pretrained(folder / "vq")
    settings = {
        "model_type": "finexl-vq",
        "size": 16,
        "patch": 2,
        "first_code": len(VOCABULARY),
        "sampling": {"guidance": guidance},
    }
    (folder / "config.json").write_text(json.dumps(settings))


def save_chameleon(folder: Path, inside: bool = True) -> Path:
    """A Chameleon, its decoder among its own weights or in the file that is returned."""
    names = ["".join(chr(ord("A") + int(digit)) for digit in str(code)) for code in range(CODES)]
    table = {token: number for number, token in enumerate(VOCABULARY)}
    # in another order than the codes', as the real one is
    for place, code in enumerate(reversed(range(CODES))):
        table[f"IMGIMG{names[code]}Z"] = len(VOCABULARY) + place
    table["<image>"] = len(table)
    config = transformers.ChameleonConfig(
        **_text(vocab_size=len(table)), vq_config=dict(VQ), vocabulary_map=table
    )
    _lively(transformers.ChameleonForConditionalGeneration(config), 3).save_pretrained(folder)
    tokenizer = _tokenizer()
    tokenizer.sep_token = "<reserved08706>"
    tokenizer.save_pretrained(folder)
    torch.manual_seed(4)
    made = _lively(decoder.Decoder(VQ), 4).state_dict()
    if inside:
        weights = load_file(folder / "model.safetensors")
        weights |= {f"model.vqmodel.decoder.{key}": value for key, value in made.items()}
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
    file = folder.parent / f"{folder.name}-vqgan.safetensors"
    save_file({f"decoder.{key}": value for key, value in made.items()}, file)
    return file


def save_janus(folder: Path) -> None:
    """A Janus."""
    config = transformers.JanusConfig(
        text_config=transformers.LlamaConfig(**_text(vocab_size=len(VOCABULARY))),
        vision_config={
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": SIZE,
            "patch_size": 4,
            "projection_dim": 32,
            "num_image_tokens": COUNT,
        },
        vq_config={
            **{key: VQ[key] for key in VQ if key not in ("resolution", "attn_type")},
            "projection_dim": 32,
            "image_token_embed_dim": 32,
        },
    )
    model = _lively(transformers.JanusForConditionalGeneration(config), 5)
    generation = model.generation_config
    generation.pad_token_id = VOCABULARY.index("<pad>")
    generation.bos_token_id = VOCABULARY.index("<s>")
    generation.eos_token_id = VOCABULARY.index("</s>")
    model.save_pretrained(folder)
    _tokenizer().save_pretrained(folder)
