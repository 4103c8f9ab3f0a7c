"""What is laid over a base without changing it: LoRAs, textual inversion, learned directions.

Written `lora:BASE+FILE@SCALE+FILE2@SCALE2`, and `directions:BASE+FILE#NAME@SCALE...` where learned
directions are among the files. A LoRA is never fused into the base's weights, since
that cannot be undone exactly: its scale is set, and at scale 0 it is not attached at all.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finexl import hub
from finexl.errors import UsageError
from finexl.generators import directions, families, lycoris
from finexl.generators.checkpoints import Shapes, digest_of_file, header
from finexl.generators.families import Family

ROLE = hub.Role(
    "LoRA", "a local one is a .safetensors file", "compare folders of images", "diffusion"
)
TRAINED = "pytorch_lora_weights.safetensors"
"""What diffusers' own training calls its file."""
FOREIGN = {
    "oft_": "OFT",
    "boft": "BOFT",
    "on_input": "IA3",
    "dora_scale": "DoRA as LyCORIS writes it",
    "glora": "GLoRA",
    ".diff": "full differences",
}
"""What in a file's keys says that it is in a format that cannot be laid over a base."""
_LAYER = re.compile(r"lora_up\.|lora_B\.|lora\.up\.|_lora\d?\.up\.|lokr_w1(_a)?$|hada_w1_a$")
"""One key of each layer that an adapter changes."""
MOST_WORDS = 10
LONGEST = 80


@dataclass(frozen=True)
class Adapter:
    """A file that changes what a base makes, and how strongly."""

    name: str
    path: Path
    scale: float
    digest: str
    format: str
    """ "LoRA", "LoHa", "LoKr", "embedding" or "directions"."""
    family: Family
    layers: int
    """How many layers it changes, or how many vectors its word or direction has."""
    word: str | None
    """What an embedding is called by in prompts."""
    about: Mapping[str, Any]
    """What its author wrote into it: shown, never believed."""
    direction: str | None = None
    """Which of a file's directions it is."""

    @property
    def identity(self) -> list[Any]:
        """What images depend on."""
        own = [self.digest, self.scale, self.word]
        return own if self.direction is None else [*own, self.direction]

    def record(self) -> dict[str, Any]:
        """Return what the manifest says of it."""
        return {
            "file": str(self.path),
            "scale": self.scale,
            "digest": self.digest,
            "format": self.format,
            "made_for": str(self.family),
            "layers": self.layers,
            "word": self.word,
            "direction": self.direction,
            "metadata": dict(self.about),
        }


def parse(text: str, kind: str = "lora") -> tuple[str, list[tuple[str, float]]]:
    """Return base and adapters with their scales, as `BASE+FILE[@SCALE][+FILE2[@SCALE2]...]` says.

    A FILE may be a FILE#NAME. Paths may hold "+" and "@": of all ways to read the text, left to
    right, the longest piece that exists as a file or folder wins; and where FILE@SCALE exists as it
    stands, it is a file of that name, at scale 1.

    Raises:
        UsageError: no base, no adapter, or a scale that is no number.
    """
    pieces = text.split("+")
    base, left = _longest(pieces, scaled=False)
    adapters = []
    while left:
        piece, left = _longest(left, scaled=True)
        adapters.append(_with_scale(piece))
    if not base or not adapters or not all(name for name, _ in adapters):
        raise UsageError(
            f"{kind}:{text} is not complete; it is written {kind}:BASE+FILE@SCALE, with more files "
            "after another +."
        )
    return base, adapters


def parts(text: str, kind: str) -> tuple[str, list[tuple[str, float]]]:
    """Return base and files as `parse` does, where a base alone will do.

    Raises:
        UsageError: no base, an empty file, or a scale that is no number.
    """
    if text and ("+" not in text or Path(text).expanduser().exists()):
        return text, []
    return parse(text, kind)


def reference(base: str, files: Sequence[tuple[str, float]], kind: str = "lora") -> str:
    """Return the reference `lora:BASE+FILE@SCALE…` that `parse` takes apart again."""
    return f"{kind}:" + "+".join([base, *(f"{name}@{scale:g}" for name, scale in files)])


def read(name: str, scale: float) -> Adapter:
    """Return what a file says it is; its weights are not opened.

    Args:
        name: a .safetensors file, a folder with one, or a hub id "owner/name[@revision]"; with
            #NAME, one of the directions in it.
        scale: how strongly it is applied; 1 is as it was trained.

    Raises:
        UsageError: no such file, a pickle, no adapter, or a format that cannot be loaded.
        PrerequisiteError: the hub cannot be reached.
    """
    name, asked = directions.split(name)
    path = _file(name)
    shapes, metadata = header(path)
    digest, about = digest_of_file(path), _about(metadata)
    if directions.KEY in metadata:
        found, family, vectors = directions.choose(path, asked, shapes, metadata)
        return Adapter(name, path, scale, digest, "directions", family, vectors, None, about, found)
    if asked:
        raise UsageError(f"{path} holds no learned directions, so that #{asked} names nothing.")
    if _is_embedding(shapes):
        if scale != 1:
            raise UsageError(
                f"{path} is a textual inversion embedding, which has no strength to set; leave "
                f"@{scale:g} out."
            )
        family, word = families.of_embedding(shapes), _word(path, shapes)
        vectors = max(1 if len(shape) == 1 else shape[0] for shape in shapes.values())
        return Adapter(name, path, scale, digest, "embedding", family, vectors, word, about)
    keys = "\n".join(shapes)
    foreign = next((said for mark, said in FOREIGN.items() if mark in keys), None)
    if foreign is not None:
        raise UsageError(
            f"{path} is in the format {foreign}, which cannot be laid over a base here; LyCORIS' "
            "own tools convert some formats to plain LoRA."
        )
    kind = lycoris.format_of(keys) or "LoRA"
    layers = sum(_LAYER.search(key) is not None for key in shapes)
    if not layers:
        raise UsageError(f"{path} is neither a LoRA nor an embedding: no key of it says so.")
    family = families.of_lora(shapes)
    return Adapter(name, path, scale, digest, kind, family, layers, None, about)


def refuse_misfit(adapter: Adapter, base: Family, name: str) -> None:
    """Refuse an adapter that was made for another kind of base.

    Raises:
        UsageError: which it was made for, and which the base is.
    """
    if adapter.direction is not None:
        directions.refuse_misfit(adapter.path, adapter.family, base, name)
        return
    made, fits = adapter.family, adapter.family.fits(base)
    if adapter.format == "embedding":
        widths = " and ".join(map(str, made.texts))
        fits = (
            made.texts == base.texts if base.kind == families.UNET else made.texts[0] in base.texts
        )
        if not fits:
            raise UsageError(
                f"{adapter.path} was made for {made.name or 'another base'} (vectors {widths} "
                f"wide), and {name} is {base} with text encoders "
                f"{' and '.join(map(str, base.texts)) or 'of unknown width'} wide."
            )
    if not fits:
        raise UsageError(f"{adapter.path} was made for {made}, and {name} is {base}.")


def attach(pipeline: Any, adapters: Sequence[Adapter], name: str) -> dict[str, int]:
    """Lay adapters over an opened pipeline; return how many layers each changes, by file.

    Directions are laid over it later, by `steer`: their words are encoded where it computes.

    Raises:
        UsageError: one does not fit.
    """
    changed: dict[str, int] = {}
    for adapter in adapters:
        if adapter.word is not None:
            _say(pipeline, adapter, name)
            changed[str(adapter.path)] = adapter.layers
    weights: dict[str, float] = {}
    for number, adapter in enumerate(adapters):
        if adapter.word is None and adapter.direction is None and adapter.scale != 0:
            label = f"adapter{number}"
            changed[str(adapter.path)] = _lay(pipeline, adapter, label, name)
            weights[label] = adapter.scale
    if weights:
        pipeline.set_adapters(list(weights), list(weights.values()))
    return changed


def steer(pipeline: Any, adapters: Sequence[Adapter], name: str) -> None:
    """Lay the directions among adapters over a pipeline that is ready to make images.

    Raises:
        UsageError: one does not fit.
    """
    chosen = [
        (adapter.path, adapter.direction, adapter.scale)
        for adapter in adapters
        if adapter.direction is not None
    ]
    directions.lay(pipeline, chosen, name)


def _lay(pipeline: Any, adapter: Adapter, label: str, name: str) -> int:
    if not hasattr(pipeline, "load_lora_weights"):
        raise UsageError(f"{name} is a {type(pipeline).__name__}, which takes no LoRA.")
    try:
        if adapter.format != "LoRA":
            return lycoris.lay(pipeline, adapter.path, label)
        pipeline.load_lora_weights(
            str(adapter.path), adapter_name=label, use_safetensors=True, local_files_only=True
        )
    except (MemoryError, UsageError):
        raise
    except Exception as error:  # every library on the way raises its own
        raise _misfit(adapter, name, error) from error
    from peft.tuners.tuners_utils import BaseTunerLayer
    from torch.nn import Module

    changed = sum(
        isinstance(layer, BaseTunerLayer) and label in layer.scaling
        for part in pipeline.components.values()
        if isinstance(part, Module)
        for layer in part.modules()
    )
    if changed * 2 < adapter.layers:
        raise UsageError(
            f"{adapter.path} (made for {adapter.family}) does not fit {name}: of its "
            f"{adapter.layers} layers only {changed} are there."
        )
    return changed


def _say(pipeline: Any, adapter: Adapter, name: str) -> None:
    """Teach the pipeline an embedding's word."""
    from safetensors.torch import load_file

    if not hasattr(pipeline, "load_textual_inversion"):
        raise UsageError(f"{name} is a {type(pipeline).__name__}, which takes no embedding.")
    state = load_file(adapter.path)
    ordered = [state[key] for key in ("clip_l", "clip_g") if key in state] or list(state.values())
    try:
        for vectors, end in zip(ordered, ("", "_2"), strict=False):
            pipeline.load_textual_inversion(
                vectors,
                token=adapter.word,
                tokenizer=getattr(pipeline, f"tokenizer{end}"),
                text_encoder=getattr(pipeline, f"text_encoder{end}"),
            )
    except (ValueError, RuntimeError, AttributeError) as error:
        raise _misfit(adapter, name, error) from error


def _misfit(adapter: Adapter, name: str, error: Exception) -> UsageError:
    said = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return UsageError(
        f"{adapter.path} (made for {adapter.family}) does not fit {name}: {said[:300]}"
    )


def _longest(pieces: list[str], scaled: bool) -> tuple[str, list[str]]:
    for count in range(len(pieces), 1, -1):
        piece = "+".join(pieces[:count])
        name, _, scale = piece.rpartition("@")
        # a scale has no "+": what follows one is the next file
        names = [piece, name] if scaled and "+" not in scale else [piece]
        # nor has a direction's name
        files = (directions.split(name) for name in names) if scaled else ()
        names += [file for file, which in files if "+" not in which]
        if any(name and Path(name).expanduser().exists() for name in names):
            return piece, pieces[count:]
    return pieces[0], pieces[1:]


def _with_scale(piece: str) -> tuple[str, float]:
    name, at, text = piece.rpartition("@")
    if not at or Path(piece).expanduser().exists():
        return piece, 1.0
    file, which = directions.split(piece)
    if which and "@" not in which and Path(file).expanduser().exists():  # the "@" is the file's
        return piece, 1.0
    try:
        scale = float(text)
    except ValueError:
        if re.fullmatch(r"[\w.-]+/[\w.-]+", name):  # a hub id's revision
            return piece, 1.0
        scale = math.nan
    if not math.isfinite(scale):
        raise UsageError(f"{piece}: the scale after @ is a number, and {text!r} is none.")
    return name, scale


def _file(name: str) -> Path:
    path = Path(name).expanduser()
    if path.suffix in (".safetensors", *hub.PICKLES) and not path.is_dir():
        return path
    if path.is_file():
        raise UsageError(f"{path} is no adapter that is opened here; give a .safetensors file.")
    folder = hub.locate(name, ROLE, ("*.safetensors", "*.json")).folder
    found = sorted(folder.glob("*.safetensors"))
    if (folder / TRAINED) in found:
        return folder / TRAINED
    if len(found) == 1:
        return found[0]
    names = ", ".join(file.name for file in found[:5]) or ", ".join(hub.pickles_in(folder)[:5])
    raise UsageError(
        f"{name} has {f'several files ({names})' if found else f'no safetensors ({names})'}; give "
        "one .safetensors file."
    )


def _is_embedding(shapes: Shapes) -> bool:
    if not shapes or any(re.search(r"lora|hada|lokr|\.weight$|alpha", key) for key in shapes):
        return False
    flat = all(1 <= len(shape) <= 2 for shape in shapes.values())
    return flat and (len(shapes) == 1 or set(shapes) == {"clip_l", "clip_g"})


def _word(path: Path, shapes: Shapes) -> str:
    """Return an embedding's word: the file's only key, or its name where keys are a form's."""
    only = next(iter(shapes))
    return path.stem if only in ("emb_params", "clip_l", "clip_g") or len(shapes) > 1 else only


def _about(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return a few of a file's own words about itself, cut short: anything may be written there."""
    kept = {
        key: metadata[key][:LONGEST]
        for key in ("ss_base_model_version", "ss_sd_model_name", "modelspec.architecture")
        if isinstance(metadata.get(key), str)
    }
    try:
        folders = json.loads(metadata.get("ss_tag_frequency", "{}"))
        counts: Counter[str] = Counter()
        for tags in folders.values():
            counts.update({str(tag).strip()[:LONGEST]: int(count) for tag, count in tags.items()})
    except (ValueError, TypeError, AttributeError, RecursionError, OverflowError):
        return kept
    words = [word for word, _ in counts.most_common(MOST_WORDS)]
    return {**kept, "words": words} if words else kept
