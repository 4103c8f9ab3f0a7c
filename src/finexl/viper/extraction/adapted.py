"""A vision-language model with adapter weights that were trained to extract preferences.

The authors' are a LoRA on IDEFICS2-8b (EPFL-VILAB/VPE-ViPer). Pictures are prepared as they were in
its training, and the answer is in its form, two lists of keywords.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from finexl import hub
from finexl.errors import UsageError
from finexl.hub import Files, Role
from finexl.viper.extraction.asking import Asked
from finexl.viper.extraction.forms import LISTS
from finexl.vlm.local import Local

AUTHORS = "EPFL-VILAB/VPE-ViPer"
ROLE = Role(
    "preference extractor",
    f"the authors' is {AUTHORS}",
    "leave --adapter out, which reads comments by rules",
    extra="diffusion",
)
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
MOST_RANK = 1024
_DAMAGED = (OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError)
_IDEFICS2_SIZES = {"longest_edge": 448, "shortest_edge": 378}
"""Pixels of a picture's sides in the authors' training, none of them cut into pieces."""


@dataclass
class Adapted(Local):
    """A local model under an adapter; opened when first asked."""

    adapter: Files | None = None

    @property
    def revision(self) -> str:
        """See `VLM.revision`: the base's and the adapter's."""
        own = "" if self.adapter is None else f", adapter {self.adapter.revision}"
        return f"{super().revision}{own}"

    def opened(self) -> tuple[Any, Any]:
        """Return the model and its processor, opened.

        Raises:
            UsageError: the files are no such model.
            PrerequisiteError: an extra is missing, or not enough memory.
        """
        return self._model, self._processor

    @cached_property
    def _model(self) -> Any:
        base = super()._model
        if self.adapter is None:
            return base
        try:
            import peft
        except ImportError as error:
            raise hub.missing_extra(self.name, "diffusion", ROLE) from error
        from safetensors.torch import load_file

        folder = self.adapter.folder
        try:
            with warnings.catch_warnings():
                # peft asks transformers by names that it is about to give up
                warnings.simplefilter("ignore", FutureWarning)
                config = peft.PeftConfig.from_pretrained(str(folder))
                config.inference_mode = True
                adapted = peft.PeftModel(base, config)
                fit = peft.set_peft_model_state_dict(adapted, load_file(folder / WEIGHTS))
        except (*_DAMAGED, SafetensorError) as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UsageError(f"{folder} is no adapter of {self.name}: {first}") from error
        strangers = [*fit.unexpected_keys, *(key for key in fit.missing_keys if "lora_" in key)]
        if strangers:
            raise UsageError(
                f"{folder} is no adapter of {self.name}: {len(strangers):,} of its weights have no "
                f"place there or are missing, {strangers[0]} for one."
            )
        return adapted.to(base.device, base.dtype).eval()

    @cached_property
    def _processor(self) -> Any:
        processor = super()._processor
        pictures = processor.image_processor
        if type(pictures).__name__.startswith("Idefics2"):
            pictures.do_image_splitting = False
            limits = dict(pictures.size)
            pictures.size = {
                key: min(limits.get(key, pixels), pixels) for key, pixels in _IDEFICS2_SIZES.items()
            }
        return processor


def load_adapted(reference: str, base: str | None = None, device: str | None = None) -> Asked:
    """Return the extractor of an adapter, a hub id or a folder; its weights are opened when asked.

    Args:
        reference: the adapter: safetensors, as peft writes them.
        base: the model that it was trained on; None for the one that it names.
        device: where to compute.

    Raises:
        UsageError: no adapter, a pickled one, one of another kind than LoRA, or no base.
        PrerequisiteError: it or its base is not here and cannot be fetched.
    """
    adapter = hub.locate(reference, ROLE, (CONFIG, WEIGHTS))
    hub.require_safetensors(adapter, reference, ROLE)
    named = _base_of(adapter, reference)
    chosen = base or named
    if not chosen:
        raise UsageError(f"The adapter {reference} names no base model; give it with --base.")
    folder = Path(chosen).expanduser()
    if folder.is_dir() and not (folder / "config.json").is_file():
        # said before its files are read through: an adapter may name anything
        raise UsageError(f"{folder} is no vision-language model: it has no config.json.")
    model = Adapted(chosen, hub.locate(chosen, hub.VLM), device=device, adapter=adapter)
    return Asked(model, LISTS)


def _base_of(adapter: Files, reference: str) -> str | None:
    """Return the base that an adapter names, once it is sure to be one that can be opened."""
    try:
        config = json.loads((adapter.folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"The adapter {reference} has no {CONFIG} that can be read.") from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise UsageError(f"The adapter {reference} is no LoRA; other kinds are not read.")
    ranks = [config.get("r"), *dict(config.get("rank_pattern") or {}).values()]
    if not all(isinstance(rank, int) and 0 < rank <= MOST_RANK for rank in ranks):
        raise UsageError(f"The adapter {reference} has a rank that is none up to {MOST_RANK:,}.")
    base = config.get("base_model_name_or_path")
    return base if isinstance(base, str) else None
