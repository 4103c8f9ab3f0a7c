"""What `finexl explain` was asked, by the command or by the run that it resumes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from finexl.errors import UsageError

if TYPE_CHECKING:  # imported when the command runs: --help needs none of it
    from finexl.runs import Run


def settled(
    context: typer.Context, asked: dict[str, Any], run: Path | None, resume: Path | None
) -> tuple[Run, dict[str, Any]]:
    """Return the run folder and what is asked, with what a resumed run was asked before."""
    from finexl.asking import absolute
    from finexl.runs import Run, default_folder

    looking = [
        key for key in ("vlm_template", "vlm_rounds", "vlm_pairs") if _is_typed(context, key)
    ]
    if resume is None and asked["vlm"] is None and looking:
        raise UsageError(
            f"--{looking[0].replace('_', '-')} is for a model that looks; give one with --vlm."
        )
    if resume is not None:
        if run is not None:
            raise UsageError("Give --run or --resume, not both: a resumed run keeps its folder.")
        opened, before = Run.resume(resume)
        _check_recorded(before, asked, resume)
        typed = {key for key in asked if _is_typed(context, key)}
        given = {key: asked[key] for key in typed}
        return opened, {**asked, **before, **given, **_corrected(before, given)}
    if asked["base"] is None or asked["personalized"] is None:
        raise UsageError("Give two sets of images, BASE and PERSONALIZED, or --resume a run.")
    whole = absolute(asked)
    if run is not None:
        return Run.create(run, whole), asked
    try:
        folder = default_folder(whole["base"], whole["personalized"])
        return replace(Run.create(folder), spare=True), asked
    except UsageError:  # a cache that cannot be written costs a second encoding, nothing else
        return Run(), asked


def _corrected(before: dict[str, Any], given: dict[str, Any]) -> dict[str, list[str]]:
    """Return all that was ever added and dropped; of a concept the latest word counts."""
    new = {text.casefold() for key in ("add", "drop") for text in given.get(key, [])}
    return {
        key: [
            *(text for text in before.get(key, []) if text.casefold() not in new),
            *given.get(key, []),
        ]
        for key in ("add", "drop")
    }


def _check_recorded(before: dict[str, Any], asked: dict[str, Any], folder: Path) -> None:
    """Refuse recorded options that are not of the form that this command would record."""
    kinds: dict[str, type] = dict.fromkeys(("seed", "top", "vlm_rounds", "vlm_pairs"), int)
    kinds |= dict.fromkeys(("steps", "size", "batch"), int)
    kinds |= dict.fromkeys(("until", "guidance"), float)
    kinds |= dict.fromkeys(("pool", "same_pairs", "offload"), bool)
    kinds |= dict.fromkeys(("add", "drop"), list)
    needed = ("base", "personalized", "seed", "vlm_rounds", "vlm_pairs", "add", "drop")
    for key, value in {"base": None, "personalized": None, **before}.items():
        right = type(value) is kinds.get(key, str)
        if type(value) is list:
            right = right and all(isinstance(item, str) for item in value)
        if key not in asked or not (right or (value is None and key not in needed)):
            raise UsageError(f"{folder / 'run.json'} is damaged at {key!r}; start the run anew.")


def _is_typed(context: typer.Context, key: str) -> bool:
    source = context.get_parameter_source(key)
    return source is not None and source.name == "COMMANDLINE"
