"""Vision-language models: OpenAI-compatible HTTP, local transformers, scripted.

openai     any chat completions endpoint: OpenAI, Azure, vLLM, Ollama, LM Studio, llama.cpp
local      transformers models by hub id or folder
scripted   replies written down beforehand
limits     how much may be asked and spent
"""

from __future__ import annotations

from pathlib import Path

from finexl.errors import UsageError
from finexl.vlm.announced import Announced
from finexl.vlm.base import VLM, Part, Question, Reply
from finexl.vlm.limits import Limited, LimitReachedError, Limits, Spent
from finexl.vlm.scripted import Scripted

__all__ = [
    "VLM",
    "Announced",
    "LimitReachedError",
    "Limited",
    "Limits",
    "Part",
    "Question",
    "Reply",
    "Scripted",
    "Spent",
    "load_vlm",
]


def load_vlm(reference: str) -> VLM:
    """Return a vision-language model by how it is written. Nothing is sent or opened yet.

    Args:
        reference: `openai:MODEL`, `azure:DEPLOYMENT`, `http(s)://HOST/v1#MODEL`, `scripted:FILE`,
            a local folder, or a hub id "owner/name" or "owner/name@revision". Keys come from the
            environment.

    Raises:
        UsageError: none of these, or one that is not complete.
        PrerequisiteError: a key is not set, or the model's files are not here and cannot be
            fetched.
    """
    from finexl.vlm import openai, scripted

    if not reference.strip():
        raise UsageError("--vlm names no model; write openai:MODEL, say.")
    kind, colon, rest = reference.partition(":")
    if colon and kind == "scripted":
        return scripted.from_file(Path(rest).expanduser(), reference)
    if colon and kind in openai.KINDS:
        return openai.KINDS[kind](reference)
    from finexl import hub
    from finexl.vlm.local import Local

    folder = Path(reference).expanduser()
    if folder.is_dir() and not (folder / "config.json").is_file():
        # said before its files are read through: it may be anything
        raise UsageError(f"{folder} is no vision-language model: it has no config.json.")
    return Local(reference, hub.locate(reference, hub.VLM))
