"""Tiny diffusion pipelines of the real classes, saved as the hub has them: random weights."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

SIDE = 32
LENGTH = 77
CONTEXT = 24
"""The width of what the tiny Stable Diffusion's text encoder says."""
LETTERS = [chr(code) for code in range(33, 127)]
VOCABULARY = [*LETTERS, *(f"{x}</w>" for x in LETTERS), "<|startoftext|>", "<|endoftext|>"]
_CHANNELS = (8, 16)


def save_sd(folder: Path, context: int = CONTEXT) -> None:
    """Stable Diffusion; DDIM, so that nothing but the first noise is drawn."""
    _save(
        diffusers.StableDiffusionPipeline(
            vae=_vae(4),
            text_encoder=transformers.CLIPTextModel(_text_config(context)),
            tokenizer=tokenizer(folder),
            unet=_unet(context),
            scheduler=_ddim(),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        ),
        folder,
    )


def save_sdxl(folder: Path) -> None:
    unet = _unet(
        48,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + CONTEXT,
    )
    second = transformers.CLIPTextModelWithProjection(_text_config(24, projection_dim=CONTEXT))
    _save(
        diffusers.StableDiffusionXLPipeline(
            vae=_vae(4),
            text_encoder=transformers.CLIPTextModel(_text_config(24)),
            text_encoder_2=second,
            tokenizer=tokenizer(folder),
            tokenizer_2=tokenizer(folder),
            unet=unet,
            scheduler=diffusers.EulerDiscreteScheduler(),
            add_watermarker=False,
        ),
        folder,
    )


def save_sd3(folder: Path) -> None:
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=SIDE // 2,
        patch_size=1,
        in_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=32,
        caption_projection_dim=16,
        pooled_projection_dim=48,
        out_channels=4,
        pos_embed_max_size=SIDE,
    )
    with_projection = transformers.CLIPTextModelWithProjection
    _save(
        diffusers.StableDiffusion3Pipeline(
            transformer=transformer,
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
            vae=_vae(4, shift_factor=0.06),
            text_encoder=with_projection(_text_config(16, projection_dim=24)),
            tokenizer=tokenizer(folder),
            text_encoder_2=with_projection(_text_config(16, projection_dim=24)),
            tokenizer_2=tokenizer(folder),
            text_encoder_3=_t5(),
            tokenizer_3=_of_letters(),
        ),
        folder,
    )


def save_flux(folder: Path) -> None:
    transformer = diffusers.FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=24,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=True,
    )
    _save(
        diffusers.FluxPipeline(
            scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
            vae=_vae(4, shift_factor=0.06),
            text_encoder=transformers.CLIPTextModel(_text_config(24)),
            tokenizer=tokenizer(folder),
            text_encoder_2=_t5(),
            tokenizer_2=_of_letters(),
            transformer=transformer,
        ),
        folder,
    )


FAMILIES: dict[str, Callable[[Path], None]] = {
    "sd": save_sd,
    "sdxl": save_sdxl,
    "sd3": save_sd3,
    "flux": save_flux,
}


def tokenizer(folder: Path) -> Any:
    """CLIP's tokenizer, whose words are spelled letter by letter."""
    where = folder / "spelling"
    where.mkdir(parents=True, exist_ok=True)
    vocabulary = {token: number for number, token in enumerate(VOCABULARY)}
    (where / "vocab.json").write_text(json.dumps(vocabulary))
    (where / "merges.txt").write_text("#version: 0.2\n")
    made = transformers.CLIPTokenizer.from_pretrained(where, model_max_length=LENGTH)
    for file in where.iterdir():
        file.unlink()
    where.rmdir()
    return made


def _of_letters() -> Any:
    made = Tokenizer(models.WordLevel({x: n for n, x in enumerate(VOCABULARY)}, unk_token="!"))
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    made.post_processor = processors.TemplateProcessing(
        single="$A <|endoftext|>", special_tokens=[("<|endoftext|>", len(VOCABULARY) - 1)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made,
        unk_token="!",
        pad_token="<|endoftext|>",
        eos_token="<|endoftext|>",
        model_max_length=LENGTH,
        model_input_names=["input_ids", "attention_mask"],
    )


def _text_config(width: int, **more: Any) -> Any:
    return transformers.CLIPTextConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=width,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=LENGTH,
        bos_token_id=len(VOCABULARY) - 2,
        eos_token_id=len(VOCABULARY) - 1,
        pad_token_id=len(VOCABULARY) - 1,
        **more,
    )


def _t5() -> Any:
    return transformers.T5EncoderModel(
        transformers.T5Config(
            vocab_size=len(VOCABULARY), d_model=32, d_kv=8, d_ff=32, num_layers=2, num_heads=2
        )
    )


def _unet(context: int, **more: Any) -> Any:
    return diffusers.UNet2DConditionModel(
        block_out_channels=_CHANNELS,
        layers_per_block=1,
        sample_size=SIDE // 2,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=context,
        attention_head_dim=8,
        norm_num_groups=4,
        **more,
    )


def _vae(channels: int, **more: Any) -> Any:
    return diffusers.AutoencoderKL(
        block_out_channels=_CHANNELS,
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=channels,
        norm_num_groups=4,
        sample_size=SIDE,
        **more,
    )


def _ddim() -> Any:
    return diffusers.DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def _save(pipeline: Any, folder: Path) -> None:
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
    generator = torch.Generator().manual_seed(0)
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            for name, weights in sorted(part.named_parameters()):
                if weights.ndim > 1:  # as they start, images hardly depend on prompts
                    fan = weights[0].numel() if "embed" not in name else 1
                    weights.data.normal_(std=1.2 / fan**0.5, generator=generator)
    pipeline.save_pretrained(folder)


# adapters


def lora(
    targets: dict[str, tuple[int, int]],
    path: Path,
    rank: int = 2,
    seed: int = 1,
    size: float = 0.5,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Save a LoRA as diffusers writes it: layers' names, and how wide they are, out and in."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, (out, wide) in targets.items():
        for part, shape in (("A", (rank, wide)), ("B", (out, rank))):
            drawn = torch.randn(shape, generator=generator) * size
            state[f"{name}.lora_{part}.weight"] = drawn
    save_file(state, path, metadata)
    return path


def cross_attention(folder: Path, part: str = "unet", names: str = r"attn2\.to_[kv]$") -> Any:
    """Return the linear layers of a saved pipeline's part whose names match, and their widths."""
    kind = {
        "unet": diffusers.UNet2DConditionModel,
        "transformer": None,
        "text_encoder": transformers.CLIPTextModel,
    }[part]
    if kind is None:
        settings = json.loads((folder / part / "config.json").read_text())
        kind = getattr(diffusers, settings["_class_name"])
    model: Any = kind.from_pretrained(folder / part)
    return {
        f"{part}.{name}": (module.out_features, module.in_features)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and re.search(names, name)
    }


# single files


def save_single_file(folder: Path, path: Path) -> None:
    """Save a tiny Stable Diffusion's folder as one checkpoint, named as the first ones were."""
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(folder)
    state = dict(_prefixed("model.diffusion_model.", map(_of_unet, _states(pipeline.unet))))
    state |= _prefixed("first_stage_model.", map(_of_vae, _states(pipeline.vae)))
    text = _states(pipeline.text_encoder)
    names = ((f"text_model.{key.removeprefix('text_model.')}", value) for key, value in text)
    state |= _prefixed("cond_stage_model.transformer.", names)
    save_file({key: value.contiguous() for key, value in state.items()}, path)


_State = Iterable[tuple[str, torch.Tensor]]


def _states(model: Any) -> _State:
    return list(model.state_dict().items())


def _prefixed(prefix: str, state: _State) -> dict[str, torch.Tensor]:
    return {prefix + key: value for key, value in state}


_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
_OUTSIDE = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}


def _of_unet(item: tuple[str, torch.Tensor]) -> tuple[str, torch.Tensor]:
    """Two blocks each way, one layer a block: input 1, 2 (down), 3; output 0, 1 (up), 2, 3."""
    key, value = item
    place, _, end = key.rpartition(".")
    if place in _OUTSIDE:
        return f"{_OUTSIDE[place]}.{end}", value
    side, rest = key.split(".", 1)
    if side == "mid_block":
        kind, number, inner = rest.split(".", 2)
        block = f"middle_block.{1 if kind == 'attentions' else 2 * int(number)}"
    else:
        block_number, kind, number, inner = rest.split(".", 3)
        if kind == "downsamplers":
            return f"input_blocks.2.0.op.{end}", value
        per_block = 2 * int(block_number) + int(number)
        first = block_number == "0"
        if kind == "upsamplers":
            return f"output_blocks.1.{2 if first else 1}.conv.{end}", value
        prefix = f"input_blocks.{per_block + 1}" if side == "down_blocks" else ""
        block = f"{prefix or f'output_blocks.{per_block}'}.{int(kind == 'attentions')}"
    if kind == "resnets":
        name, _, end = inner.rpartition(".")
        return f"{block}.{_RESNET[name]}.{end}", value
    return f"{block}.{inner}", value


def _of_vae(item: tuple[str, torch.Tensor]) -> tuple[str, torch.Tensor]:
    key, value = item
    key = re.sub(r"conv_norm_out", "norm_out", key)
    key = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", key)
    key = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", key)
    key = re.sub(r"up_blocks\.(\d)\.resnets", lambda m: f"up.{1 - int(m[1])}.block", key)
    key = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{1 - int(m[1])}.upsample", key)
    key = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", key)
    key = key.replace("mid_block.attentions.0", "mid.attn_1").replace(
        "conv_shortcut", "nin_shortcut"
    )
    if "attn_1" in key:
        for new, old in (("group_norm", "norm"), ("to_q", "q"), ("to_k", "k"), ("to_v", "v")):
            key = key.replace(f".{new}.", f".{old}.")
        key = key.replace(".to_out.0.", ".proj_out.")
        if value.ndim == 2:
            value = value[:, :, None, None]
    return key, value
