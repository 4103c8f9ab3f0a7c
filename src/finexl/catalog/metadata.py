"""What a model's files say of it themselves, read without loading a weight."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from finexl.catalog.entry import Metadata
from finexl.generators import adapters, families
from finexl.generators.checkpoints import header, settings_in
from finexl.images import printable
from finexl.sources import is_model

MOST_KEYS = 100
LONGEST_VALUE = 2_000
"""Of a header is kept what somebody would read; training scripts write megabytes into it."""
_TRIGGER = ("modelspec.trigger_phrase", "modelspec.trigger_words", "trigger_words", "ss_trigger")
_LICENCE = ("modelspec.license", "license")
_TAGS = ("modelspec.tags", "tags")
_BASE = ("ss_sd_model_name", "ss_base_model_version", "modelspec.architecture")
_BETWEEN = re.compile(r"\s*[,;]\s*")


def metadata_of(reference: str) -> Metadata:
    """Return what is known of a model: of a LoRA, what its header and shapes say.

    Args:
        reference: a model as the command takes it, or the path of a .safetensors file.

    Raises:
        UsageError: a file that is none, or is damaged.
    """
    base, files = _parts(reference)
    for file in files:
        shapes, said = header(file)
        family = families.of_lora(shapes).name
        kept = _shortened(said)
        return Metadata(
            reference=reference,
            base=base or _first(kept, _BASE),
            family=family,
            trigger_words=_listed(kept, _TRIGGER),
            licence=_first(kept, _LICENCE),
            tags=_listed(kept, _TAGS),
            header=kept,
        )
    folder = Path(base or reference)
    kind = settings_in(folder, "", "model_index.json").get("_class_name") if base else None
    family = families.of_pipeline(folder, kind).name if isinstance(kind, str) else None
    return Metadata(reference=reference, base=base, family=family)


def _parts(reference: str) -> tuple[str | None, list[Path]]:
    """Return a reference's base, and its weights that lie here as safetensors."""
    if not is_model(reference):
        return None, [Path(reference)]
    kind, _, rest = reference.partition(":")
    if kind in ("lora", "directions"):
        base, files = adapters.parse(rest, kind)
        paths = [Path(name.split("#")[0]) for name, _ in files]
        return base, [path for path in paths if path.suffix == ".safetensors" and path.is_file()]
    return (rest, []) if kind == "diffusers" else (None, [])


def _shortened(said: Mapping[str, str]) -> dict[str, str]:
    """Return a header's texts, those that are too long cut with an ellipsis."""
    kept = {}
    for key in sorted(said)[:MOST_KEYS]:
        text = printable(said[key])
        kept[printable(key)[:200]] = (
            text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"
        )
    return kept


def _first(said: Mapping[str, str], keys: tuple[str, ...]) -> str | None:
    """Return the first of the keys that says something."""
    return next((said[key] for key in keys if said.get(key, "").strip()), None)


def _listed(said: Mapping[str, str], keys: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words of the first key that says something: a JSON list, or between commas."""
    text = _first(said, keys) or ""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list):
        found = _BETWEEN.split(text)
    words = [str(word).strip() for word in found]
    return tuple(dict.fromkeys(word for word in words if word))
