"""Where a diffusers pipeline's files are: a folder, the hub's cache, or a single checkpoint.

Nothing is opened here but settings and the headers of safetensors, and nothing of it is run.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from safetensors import SafetensorError, safe_open

from finexl import hub
from finexl.errors import PrerequisiteError, UsageError
from finexl.generators.running import quietly

Shapes = Mapping[str, tuple[int, ...]]
ROLE = hub.Role(
    "image model",
    "a single checkpoint is a file that ends in .safetensors",
    "give a folder of images that it made",
    "diffusion",
)
INDEX = "model_index.json"
_CONFIGURATION = ("model_index.json", "*/*.json", "*/*.txt", "*/*.model", "*/*.jinja")
_PLAIN = re.compile(r"(model|diffusion_pytorch_model)(-\d+-of-\d+)?\.safetensors")
_VARIANT = re.compile(r"(?:model|diffusion_pytorch_model)\.(\w+)(?:-\d+-of-\d+)?\.safetensors")
_LIBRARIES = ("diffusers", "transformers")


@dataclass(frozen=True)
class Source:
    """A pipeline's files on this machine."""

    folder: Path
    """Its settings; its weights too, unless they are in one file."""
    file: Path | None
    """The single checkpoint."""
    revision: str
    """The hub's commit, or the sha256 of local files."""
    kind: str
    """The pipeline's class."""
    variant: str | None = None
    """What the weights' files are marked with, "fp16" for instance."""


def find(reference: str, more: Mapping[str, Any]) -> Source:
    """Return the files of a pipeline.

    Args:
        reference: a folder, "owner/name", "owner/name@revision", or a .safetensors file.
        more: `config` is a folder or hub id with a single checkpoint's settings, where they are
            not beside it; `variant` is which of several weights to take.

    Raises:
        UsageError: no such model, only pickles, or a pipeline with code of its own.
        PrerequisiteError: the hub cannot be reached, or an extra is missing.
    """
    path = Path(reference).expanduser()
    if path.suffix in (".safetensors", *hub.PICKLES) and not path.is_dir():
        return _single(path, more.get("config"))
    variant = more.get("variant")
    files = hub.locate(reference, ROLE, (*_CONFIGURATION, *_weights(variant)))
    kind = _checked(files.folder, reference)
    _require_safetensors(files.folder, reference)
    return Source(files.folder, None, files.revision, kind, variant or _variant(files.folder))


def header(path: Path) -> tuple[Shapes, Mapping[str, str]]:
    """Return a safetensors file's names with their shapes, and what its author wrote beside them.

    Raises:
        UsageError: no such file, a pickle, or a damaged file.
    """
    if path.suffix in hub.PICKLES:
        raise UsageError(
            f"{path} is a pickle, which can run code when opened, and is refused; give the same "
            "weights as .safetensors."
        )
    if not path.is_file():
        raise UsageError(f"There is no file {path}.")
    try:
        with safe_open(path, "np") as opened:
            names = list(opened.keys())
            return (
                {name: tuple(opened.get_slice(name).get_shape()) for name in names},
                opened.metadata() or {},
            )
    except (SafetensorError, OSError, ValueError) as error:
        raise UsageError(f"{path} is no safetensors file, or is damaged: {error}.") from error


def settings_in(folder: Path, part: str, name: str = "config.json") -> dict[str, Any]:
    """Return a part's settings; empty where there are none."""
    try:
        found = json.loads((folder / part / name).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def digest_of_file(path: Path) -> str:
    """Return the sha256 (hex) of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _weights(variant: str | None) -> list[str]:
    """Return which weights are fetched: not the variants and other formats that lie beside."""
    ends = ["", "-*-of-?????"]
    if variant:
        ends += [f".{variant}", f".{variant}-*-of-?????", f"-*-of-?????.{variant}"]
    names = ("model", "diffusion_pytorch_model")
    return [f"*/{name}{end}.safetensors" for name in names for end in ends]


def _single(path: Path, config: str | None) -> Source:
    shapes, _ = header(path)
    if any("lora" in key or ".hada_" in key or ".lokr_" in key for key in shapes):
        raise UsageError(
            f"{path} is an adapter, not a model; write lora:BASE+{path} with the base it was "
            "made for."
        )
    folder = _beside(path) if config is None else None
    revision = f"sha256:{digest_of_file(path)}"
    if folder is None:
        folder, at = _configuration(path, shapes, config)
        revision += f" with {at}"
    else:
        revision += f" with sha256:{_digest_of_settings(folder)}"
    return Source(folder, path, revision, _checked(folder, str(folder)))


def _beside(path: Path) -> Path | None:
    """Return the folder with a checkpoint's settings: of the same name, or the one it is in."""
    places = (path.with_suffix(""), path.parent)
    return next((place for place in places if (place / INDEX).is_file()), None)


def _configuration(path: Path, shapes: Shapes, config: str | None) -> tuple[Path, str]:
    if config is None:
        config = _hub_id(path, shapes)
    try:
        files = hub.locate(config, ROLE, _CONFIGURATION)
    except PrerequisiteError as error:
        raise PrerequisiteError(
            f"{path} holds weights only; their settings are those of {config}, which is not in "
            f"the local cache, and the hub cannot be reached: run `hf download {config} --include "
            f"'*.json' '*.txt' '*.model' --local-dir {path.with_suffix('')}` on a machine that "
            "reaches it, and put that folder beside the file."
        ) from error
    if files.revision.startswith("sha256:"):
        return files.folder, f"sha256:{_digest_of_settings(files.folder)}"
    return files.folder, files.revision


def _hub_id(path: Path, shapes: Shapes) -> str:
    """Return the hub's model that diffusers takes the settings of such weights from."""
    from diffusers.loaders.single_file_utils import fetch_diffusers_config

    if not any(
        key.startswith(("model.diffusion_model.", "double_blocks.", "joint_blocks."))
        for key in shapes
    ):
        raise UsageError(
            f"{path} is no checkpoint of a whole pipeline that is known here; give a diffusers "
            f"folder, or put the settings ({INDEX} and what it names) into a folder "
            f"{path.with_suffix('')}."
        )
    stand_in = {key: SimpleNamespace(shape=shape) for key, shape in shapes.items()}
    return str(fetch_diffusers_config(stand_in)["pretrained_model_name_or_path"])


def _digest_of_settings(folder: Path) -> str:
    """Return the sha256 of what of a folder decides how one file's weights are read."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".json", ".txt", ".model", ".jinja") and path.is_file():
            content = path.read_bytes()
            name = path.relative_to(folder).as_posix()
            digest.update(f"{name}\n{len(content)}\n".encode() + content)
    return digest.hexdigest()


def _checked(folder: Path, name: str) -> str:
    """Return the class of a folder's pipeline, which must be one of diffusers' own.

    A folder may name any class of any library, or bring code of its own; neither is ever run.
    """
    index = settings_in(folder, "", INDEX)
    kind = index.get("_class_name")
    if kind is None:
        raise UsageError(
            f"The {ROLE.noun} {name} is no diffusers pipeline: {folder} has no {INDEX} that names "
            "its class."
        )
    import diffusers

    with quietly():
        known = getattr(diffusers, kind, None) if isinstance(kind, str) else None
    own = sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*.py"))
    own += sorted(path.name for path in folder.glob("*.py"))
    parts = [value for key, value in index.items() if not key.startswith("_")]
    libraries = {value[0] for value in parts if isinstance(value, list) and len(value) == 2}
    foreign = {
        str(library)
        for library in libraries - {None, *_LIBRARIES}
        if not hasattr(diffusers.pipelines, str(library))
    }
    if not isinstance(kind, str) or own or foreign:
        what = (own or sorted(foreign) or [str(kind)])[0]
        raise UsageError(
            f"The {ROLE.noun} {name} brings code of its own ({what}), which is never run here; "
            "give one whose parts are all diffusers' and transformers'."
        )
    if not isinstance(known, type) or not issubclass(known, diffusers.DiffusionPipeline):
        raise UsageError(
            f"The {ROLE.noun} {name} is a {kind}, which diffusers {diffusers.__version__} does "
            "not know; install the version that it names."
        )
    return kind


def _require_safetensors(folder: Path, name: str) -> None:
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        pickled = hub.pickles_in(place)
        if pickled and not any(place.glob("*.safetensors")):
            raise UsageError(
                f"The {ROLE.noun} {name} has only {place.name}/{pickled[0]}, which can run code "
                "when opened; give a revision or a folder with safetensors."
            )
    if not any(folder.glob("*/*.safetensors")):
        raise UsageError(
            f"The {ROLE.noun} {name} has no weights as safetensors in the folders beside {INDEX}."
        )


def _variant(folder: Path) -> str | None:
    """Return what the denoiser's weights are marked with, where none are unmarked."""
    for part in ("unet", "transformer"):
        names = sorted(path.name for path in (folder / part).glob("*.safetensors"))
        if names and not any(_PLAIN.fullmatch(name) for name in names):
            found = next((match[1] for name in names if (match := _VARIANT.fullmatch(name))), None)
            if found is not None:
                return found
    return None
