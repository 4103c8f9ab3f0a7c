"""One explanation as it is asked: options by name, as the command takes and run.json keeps them."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from finexl._version import __version__
from finexl.answer import created
from finexl.concepts.vocabulary import read_concepts
from finexl.embedding import Progress
from finexl.encoders import load_encoder
from finexl.errors import FinexlError, UsageError
from finexl.generators import Settings
from finexl.images import printable
from finexl.options import Inquiry, Options
from finexl.pipeline import Explained, explain_sets
from finexl.runs import Run
from finexl.sources import Asked, find_sides, is_model, read_seeds
from finexl.sources import absolute as absolute_model
from finexl.vlm import VLM, Announced, Limited, Limits, Spent, load_vlm

MAKING = (
    *("image_seeds", "until", "steps", "guidance", "size", "negative", "scheduler", "dtype"),
    *("device", "offload", "batch"),
)
"""The options of models that make images."""
USUAL: Mapping[str, Any] = {
    "prompts": None,
    "pairing": "auto",
    "encoder": "embedded",
    "vocabulary": "style",
    "concepts": None,
    "only_concepts": None,
    "exclude": None,
    "add": [],
    "drop": [],
    "vlm": None,
    "vlm_template": "original",
    "vlm_rounds": 6,
    "vlm_pairs": 3,
    "vlm_limit": None,
    "same_pairs": False,
    "decomposition": "subspace",
    "top": None,
    "name": None,
    "seed": 0,
    "pool": False,
    **dict.fromkeys(MAKING),
    "offload": False,
}
"""Every option but the two sides, as it is where nobody says otherwise."""
Say = Callable[[str], None]


def explain_asked(
    run: Run,
    asked: Mapping[str, Any],
    progress: Progress = lambda *_: None,
    say: Say = lambda _: None,
) -> tuple[Explained, dict[str, Any]]:
    """Explain what is asked into the run's folder; return also the run's record.

    Args:
        run: its folder takes what is made and measured; continued where it broke off.
        asked: `base`, `personalized`, and every key of `USUAL`.
        progress: told of every image.
        say: told where pictures go, and how the making of images gets on.

    Raises:
        UsageError: something asked cannot be used.
        PrerequisiteError: something has to be installed or fetched first.
    """
    record: dict[str, Any] = {
        "options": absolute(asked),
        "versions": {"finexl": __version__, "python": platform.python_version()},
        "state": "running",
        "started": created(),
    }
    try:
        sides = sides_of(asked)
        if not sides.makes:  # what is not there is said before anything is written
            found = find_sides(sides, run)
        options, encoder = options_of(asked), load_encoder(asked["encoder"])
        vlm = vlm_of(asked, run, say)
    except FinexlError:
        run.remove_if_empty()
        raise
    before = run.record()
    run.save_record(record)
    try:
        if sides.makes:
            found = find_sides(sides, run, encoder, progress, say)
        options = replace(options, prompts=found.prompts)
        explained = explain_sets(
            found.base, found.personalized, options, encoder, run, progress, vlm
        )
        record["state"] = "done"
    except Exception:
        # what cannot work is not remembered: the run stays what it was
        record = before or {**record, "state": "failed"}
        raise
    finally:
        run.save_record(record)
    return explained, record


def absolute(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is asked as run.json keeps it: a run can be resumed from any folder."""
    found = {key: str(v) if isinstance(v, Path) else v for key, v in asked.items()}
    for key in ("base", "personalized", "prompts", "concepts", "only_concepts", "exclude"):
        if found[key] is None:
            continue
        if is_model(found[key]):
            found[key] = absolute_model(found[key])
        else:
            found[key] = os.path.abspath(found[key])  # noqa: PTH100 - keeps symlinks
    return found


def sides_of(asked: Mapping[str, Any]) -> Asked:
    """Return what both sides are, and how models among them make images."""
    if not (is_model(asked["base"]) or is_model(asked["personalized"])):
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


def vlm_of(asked: Mapping[str, Any], run: Run, say: Say) -> VLM | None:
    """Return the model that proposes concepts, within its limits, saying where pictures go."""
    if asked["vlm"] is None:
        if asked["vlm_limit"] is not None:
            raise UsageError("--vlm-limit is the limit of a model; give one with --vlm.")
        return None
    limits = None if asked["vlm_limit"] is None else Limits.parse(asked["vlm_limit"])
    vlm = looking(asked["vlm"], say)
    if limits is None:
        return vlm
    spent = Spent()
    for record in run.asked():
        counts = (record.get("tokens_in"), record.get("tokens_out"))
        spent = spent.plus(1, *(count if isinstance(count, int) else 0 for count in counts))
    return Limited(vlm, limits, spent)


def looking(reference: str, say: Say) -> VLM:
    """Return a vision-language model that says where pictures go before the first one does."""
    return Announced(load_vlm(reference), lambda notice: say(printable(notice)))


def options_of(asked: Mapping[str, Any]) -> Options:
    """Return the options of the pipeline, the concept files read."""

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
