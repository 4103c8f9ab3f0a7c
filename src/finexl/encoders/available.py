"""Which encoders could be used here and now, without fetching anything."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from finexl.encoders import ENCODERS, OPENCLIP


@dataclass(frozen=True)
class Available:
    """One encoder by name."""

    name: str
    reference: str
    """The hub id that the name stands for; empty for what ships with the package."""
    ready: bool
    missing: str
    """What to do first; empty where it is ready."""


def available() -> list[Available]:
    """Return all named encoders, and what each still needs."""
    return [_state(name, reference) for name, reference in ENCODERS.items()]


def _state(name: str, reference: str) -> Available:
    if not reference:
        return Available(name, reference, True, "")
    library, extra = ("open_clip", "openclip") if name in OPENCLIP else ("transformers", "torch")
    if any(importlib.util.find_spec(module) is None for module in ("torch", library)):
        return Available(name, reference, False, f"pip install 'finexl[{extra}]'")
    if not _cached(reference):
        return Available(name, reference, False, "fetched when first used")
    return Available(name, reference, True, "")


def _cached(reference: str) -> bool:
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return False
    files = ("config.json", "open_clip_config.json")
    return any(isinstance(try_to_load_from_cache(reference, file), str) for file in files)
