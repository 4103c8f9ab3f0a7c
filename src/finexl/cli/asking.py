"""What `finexl explain` was asked, by the command or by the run that it resumes."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from finexl.errors import UsageError

if TYPE_CHECKING:  # imported when the command runs: --help needs none of it
    from finexl.options import Options
    from finexl.runs import Run
    from finexl.sources import Asked
    from finexl.vlm import VLM

MAKING = (
    *("image_seeds", "until", "steps", "guidance", "size", "negative", "scheduler", "dtype"),
    *("device", "offload", "batch"),
)
"""The options of models that make images."""


def settled(
    context: typer.Context, asked: dict[str, Any], run: Path | None, resume: Path | None
) -> tuple[Run, dict[str, Any]]:
    """Return the run folder and what is asked, with what a resumed run was asked before."""
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


def _makes(asked: dict[str, Any]) -> bool:
    from finexl.sources import is_model

    return is_model(asked["base"]) or is_model(asked["personalized"])


def absolute(asked: dict[str, Any]) -> dict[str, Any]:
    """Return what is asked as run.json keeps it: a run can be resumed from any folder."""
    from finexl.sources import absolute as of_model
    from finexl.sources import is_model

    found = {key: str(v) if isinstance(v, Path) else v for key, v in asked.items()}
    for key in ("base", "personalized", "prompts", "concepts", "only_concepts", "exclude"):
        if found[key] is None:
            continue
        if is_model(found[key]):
            found[key] = of_model(found[key])
        else:
            found[key] = os.path.abspath(found[key])  # noqa: PTH100 - keeps symlinks
    return found


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


def sides_of(asked: dict[str, Any]) -> Asked:
    """Return what both sides are, and how models among them make images."""
    from finexl.generators import Settings
    from finexl.sources import Asked, read_seeds

    if not _makes(asked):
        given = [f"--{key.replace('_', '-')}" for key in MAKING if asked[key] not in (None, False)]
        if given:
            raise UsageError(
                f"{given[0]} is for models that make images; folders and manifests hold theirs "
                "already."
            )
    return Asked(
        asked["base"],
        asked["personalized"],
        None if asked["prompts"] is None else Path(asked["prompts"]),
        read_seeds(asked["image_seeds"] or "0"),
        Settings(**{key: asked[key] for key in MAKING if key not in ("image_seeds", "until")}),
        asked["until"],
        asked["pairing"],
    )


def vlm_of(asked: dict[str, Any], run: Run) -> VLM | None:
    """Return the model that proposes concepts, within its limits, saying where pictures go."""
    if asked["vlm"] is None:
        if asked["vlm_limit"] is not None:
            raise UsageError("--vlm-limit is the limit of a model; give one with --vlm.")
        return None
    from finexl.vlm import Limited, Limits, Spent

    limits = None if asked["vlm_limit"] is None else Limits.parse(asked["vlm_limit"])
    vlm = looking(asked["vlm"])
    if limits is None:
        return vlm
    spent = Spent()
    for record in run.asked():
        counts = (record.get("tokens_in"), record.get("tokens_out"))
        spent = spent.plus(1, *(count if isinstance(count, int) else 0 for count in counts))
    return Limited(vlm, limits, spent)


def looking(reference: str) -> VLM:
    """Return a vision-language model that says where pictures go before the first one does."""
    from finexl.images import printable
    from finexl.vlm import Announced, load_vlm

    return Announced(load_vlm(reference), lambda notice: typer.echo(printable(notice), err=True))


def options_of(asked: dict[str, Any]) -> Options:
    """Return the options of the pipeline, the concept files read."""
    from finexl.concepts.vocabulary import read_concepts
    from finexl.options import Inquiry, Options

    def listed(key: str) -> list[str] | None:
        path = asked[key]
        return None if path is None else [concept.text for concept in read_concepts(path)]

    return Options(
        prompts=None if asked["prompts"] is None else Path(asked["prompts"]),
        pairing=asked["pairing"],
        vocabulary=asked["vocabulary"],
        concepts=listed("concepts") or (),
        only_concepts=listed("only_concepts"),
        exclude=listed("exclude") or (),
        add=asked["add"],
        drop=asked["drop"],
        inquiry=Inquiry(
            template=asked["vlm_template"],
            rounds=asked["vlm_rounds"],
            pairs=asked["vlm_pairs"],
            same_pairs=asked["same_pairs"],
        ),
        decomposition=asked["decomposition"],
        top=asked["top"],
        name=asked["name"],
        seed=asked["seed"],
        pool=asked["pool"],
    )
