"""The words that the tiny models know, as a CLIP tokenizer, and the encoder that reads them."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import pre_tokenizers
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from finexl.personalize import scenes

LENGTH = 24
WIDTH = 64
START, END = "<|startoftext|>", "<|endoftext|>"
END_OF_WORD = "</w>"


def vocabulary() -> list[str]:
    """Return the captions' words and the styles' names; others are read letter by letter."""
    captions = {word for scene in scenes.SCENES for word in scenes.caption(scene).split()}
    return sorted(captions | set(scenes.STYLES) | {"plain"})


def joined(pieces: list[str], merges: list[tuple[str, str]]) -> list[str]:
    """Apply merges to a word's pieces, the earlier ones first."""
    for left, right in merges:
        at = 0
        while at < len(pieces) - 1:
            if (pieces[at], pieces[at + 1]) == (left, right):
                pieces = [*pieces[:at], left + right, *pieces[at + 2 :]]
            at += 1
    return pieces


def pairs(words: list[str]) -> list[tuple[str, str]]:
    """Return the merges by which byte-pair encoding reads every word as one token."""
    merges: list[tuple[str, str]] = []
    for word in words:
        pieces = joined([*word[:-1], word[-1] + END_OF_WORD], merges)
        while len(pieces) > 1:
            merges.append((pieces[0], pieces[1]))
            pieces = [pieces[0] + pieces[1], *pieces[2:]]
    return merges


def make_tokenizer(folder: Path) -> CLIPTokenizer:
    """Write the tokenizer in both of the ways that it is looked for, and return it."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = pairs(vocabulary())
    tokens = [*letters, *(letter + END_OF_WORD for letter in letters)]
    tokens += ["".join(pair) for pair in merges] + [START, END]
    table = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = CLIPTokenizer(vocab=table, merges=merges, model_max_length=LENGTH)
    tokenizer.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(table, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tokenizer


def untrained(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    torch.manual_seed(1)
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            projection_dim=WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=LENGTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def name_as_published(file: Path) -> None:
    """Name the weights as Stable Diffusion's are: transformers below and above 5 read those."""
    weights = load_file(file)
    named = {f"text_model.{key.removeprefix('text_model.')}": weights[key] for key in weights}
    save_file(named, file, metadata={"format": "pt"})


def ids(tokenizer: CLIPTokenizer, captions: list[str]) -> Tensor:
    """Return captions as the pipeline reads them."""
    read: Tensor = tokenizer(
        captions, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt"
    ).input_ids
    return read
