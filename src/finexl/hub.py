"""Where a model's files are: a local folder as it is, a hub id through the hub's own cache.

Only safetensors are fetched and opened: a pickle runs whatever its author wrote into it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from finexl.errors import PrerequisiteError, UsageError

PATTERNS = (
    "*.json",
    "*.jinja",
    "*.txt",
    "*.model",
    "model*.safetensors",
    "open_clip_model.safetensors",
)
"""What is fetched: configuration, tokenizer, weights. No pickles, no code."""
PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".msgpack", ".h5")
_SETTINGS = (".json", ".jinja", ".txt", ".model")
_HASHED = (*_SETTINGS, ".safetensors", ".onnx", ".onnx_data", ".data")
_CHUNK = 1 << 20
CONVERSION = "Adding `safetensors` variant of this model"
"""The title under which the hub's own robot offers weights converted from a pickle."""


@dataclass(frozen=True)
class Role:
    """What a model is wanted for, as errors speak of it."""

    noun: str
    names: str
    """Where known names are listed."""
    instead: str
    """What works without the model."""
    extra: str = "torch"
    """The extra that such models need."""


ENCODER = Role("encoder", "`finexl encoders` lists the names", "use the encoder `embedded`")
VLM = Role(
    "vision-language model",
    "`openai:MODEL`, `azure:DEPLOYMENT`, http://HOST/v1#MODEL and `scripted:FILE` work as well",
    "leave --vlm out",
)


@dataclass(frozen=True)
class Files:
    """A model's files on this machine."""

    folder: Path
    revision: str
    """The hub's commit, or "sha256:" and the digest of a local folder's files."""


def locate(reference: str, role: Role = ENCODER, patterns: Sequence[str] = PATTERNS) -> Files:
    """Return the files of a local folder, or of a hub id "owner/name", "owner/name@revision".

    Args:
        reference: the folder or the id.
        role: what the model is wanted for, as errors speak of it.
        patterns: which of the hub's files are fetched; `*` stands for folders as well.

    Raises:
        UsageError: neither a folder nor a hub id, no such model, or only pickled weights.
        PrerequisiteError: the hub cannot be reached and the model is not in its cache, or it asks
            for a licence to be accepted first.
    """
    folder = Path(reference).expanduser()
    if folder.is_dir():
        return Files(folder, f"sha256:{digest_of(folder)}")
    name, _, revision = reference.partition("@")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name) or folder.is_absolute() or name.startswith("."):
        raise UsageError(
            f"The {role.noun} {reference!r} is no name that is known here, no folder and no hub "
            f"id; {role.names}, and a hub id is written owner/name."
        )
    return _fetched(name, revision or None, role, patterns)


def digest_of(folder: Path) -> str:
    """Return the sha256 (hex) of a folder's weights and settings, names included."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.suffix in _HASHED and file.is_file():
            digest.update(
                f"{file.relative_to(folder).as_posix()}\n{file.stat().st_size}\n".encode()
            )
            with file.open("rb") as opened:
                while chunk := opened.read(_CHUNK):
                    digest.update(chunk)
    return digest.hexdigest()


def pickles_in(folder: Path) -> list[str]:
    """Return the names of the folder's files that could run code when opened."""
    return sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES)


def require_safetensors(files: Files, name: str, role: Role = ENCODER) -> None:
    """Refuse a folder whose only weights are pickled.

    Raises:
        UsageError: no safetensors there.
    """
    if any(files.folder.glob("*.safetensors")):
        return
    pickled = pickles_in(files.folder)
    held = f"only {pickled[0]}, which can run code when opened" if pickled else "no weights"
    raise UsageError(
        f"The {role.noun} {name} has {held}; give a folder or a revision with model.safetensors."
    )


def _fetched(name: str, revision: str | None, role: Role, patterns: Sequence[str]) -> Files:
    if find_spec("torch") is None:  # before anything large is fetched
        raise missing_extra(name, role.extra, role)
    try:
        from huggingface_hub import errors, snapshot_download
    except ImportError as error:
        raise missing_extra(name, role.extra, role) from error
    wanted = list(patterns)
    weights = any(pattern.endswith(".safetensors") for pattern in wanted)
    try:
        where = Path(snapshot_download(name, revision=revision, allow_patterns=wanted))
        if revision is None and weights and not any(where.rglob("*.safetensors")):
            converted = _conversion(name)
            if converted is not None:
                where = Path(snapshot_download(name, revision=converted, allow_patterns=wanted))
    except errors.GatedRepoError as error:
        raise PrerequisiteError(
            f"The model {name} wants its licence accepted on the hub first, and HF_TOKEN set."
        ) from error
    except (errors.RevisionNotFoundError, errors.RepositoryNotFoundError) as error:
        at = "" if revision is None else f" with a revision {revision}"
        raise UsageError(
            f"The hub has no model {name}{at}, or shows it only to some (set HF_TOKEN)."
        ) from error
    except errors.HFValidationError as error:
        raise UsageError(f"{name!r} is no hub id; one is written owner/name.") from error
    except Exception as error:  # from whichever HTTP library the hub's client is built on
        raise _unreachable(name, role) from error
    return Files(where, where.name)


def _conversion(name: str) -> str | None:
    """Return the revision of the hub robot's converted weights, if it offers some."""
    from huggingface_hub import HfApi

    for thread in HfApi().get_repo_discussions(name, author="SFconvertbot"):
        if thread.is_pull_request and thread.title == CONVERSION and thread.status != "closed":
            return str(thread.git_reference)
    return None


def missing_extra(name: str, extra: str, role: Role = ENCODER) -> PrerequisiteError:
    """Return the error of a model whose extra is not installed."""
    return PrerequisiteError(
        f"The {role.noun} {name} needs an extra: pip install 'finexl[{extra}]'; or {role.instead}, "
        "which needs nothing."
    )


def _unreachable(name: str, role: Role) -> PrerequisiteError:
    """Return the error of a model that is neither here nor reachable."""
    return PrerequisiteError(
        f"The model {name} is not in the local cache and the hub cannot be reached; on a machine "
        f"that reaches it run `hf download {name} --local-dir FOLDER` and give that folder here, "
        f"or {role.instead}."
    )
