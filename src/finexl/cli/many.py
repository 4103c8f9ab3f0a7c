"""`finexl explain-many LIST --out FOLDER`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finexl.cli.explain import DecompositionName, Dtype, Pairing, Vocabulary
from finexl.cli.output import DebugOption, JsonOption, check_json, deliver, deliver_json
from finexl.cli.progress import progress_bars
from finexl.cli.where import (
    GpusOption,
    On,
    OnOption,
    Place,
    RayAddressOption,
    WorkersOption,
    place_of,
)

if TYPE_CHECKING:  # imported when the command runs: --help needs none of it
    from finexl.executor import Outcome
    from finexl.questions import Question

SCHEMA = "finexl.explain-many/1"
SHOWN = 40
"""Models that the table names; the JSON has them all."""
STATES = ("explained", "unchanged", "failed")


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("explain-many")(explain_many)


def explain_many(
    listed: Annotated[
        Path,
        typer.Argument(
            metavar="LIST",
            help="Models: a .csv or .jsonl with base, personalized and, if wanted, name, prompts; "
            "or a .txt with BASE PERSONALIZED a line. Each as for `finexl explain`.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER", help="Where NAME.json and runs/NAME go; continued if begun."
        ),
    ],
    on: OnOption = On.local,
    workers: WorkersOption = None,
    ray_address: RayAddressOption = None,
    gpus: GpusOption = 0.0,
    prompts: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The prompts of models for which LIST names none."),
    ] = None,
    pairing: Annotated[
        Pairing, typer.Option(help="How images of the two sets belong together.")
    ] = Pairing.auto,
    encoder: Annotated[str, typer.Option(help="The image and text encoder.")] = "embedded",
    vocabulary: Annotated[
        Vocabulary, typer.Option(help="The built-in candidates.")
    ] = Vocabulary.style,
    concepts: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Candidates beside the vocabulary, one a line."),
    ] = None,
    only_concepts: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Candidates instead of the vocabulary, one a line."),
    ] = None,
    exclude: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Concepts to leave out of the vocabulary, one a line."),
    ] = None,
    add: Annotated[
        list[str] | None,
        typer.Option(metavar="CONCEPT", help="Keep this concept too; may be given again."),
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(metavar="CONCEPT", help="Leave this one out; may be given again."),
    ] = None,
    decomposition: Annotated[
        DecompositionName, typer.Option(help="How V_div is decomposed into concepts.")
    ] = DecompositionName.subspace,
    top: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The most concepts to keep.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the statistics and of sampling.")] = 0,
    pool: Annotated[
        bool, typer.Option("--pool", help="List every candidate's cosine with V_div in the JSON.")
    ] = False,
    image_seeds: Annotated[
        str | None,
        typer.Option(metavar="0-3", help="Seeds that models make images with; by default 0."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="A model's denoising steps.")
    ] = None,
    guidance: Annotated[
        float | None, typer.Option(metavar="G", help="Its classifier-free guidance scale.")
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=8, metavar="PIXELS", help="Its images' width and height.")
    ] = None,
    negative: Annotated[
        str | None, typer.Option(metavar="PROMPT", help="Its negative prompt.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="CLASS", help="Its diffusers scheduler.")
    ] = None,
    dtype: Annotated[
        Dtype | None, typer.Option(help="Its precision; by default half on a GPU.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="DEVICE", help="Where it computes: cuda, mps, cpu.")
    ] = None,
    offload: Annotated[
        bool, typer.Option("--offload", help="Keep its parts in main memory until needed.")
    ] = False,
    batch: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Images that it makes at once.")
    ] = None,
    json: JsonOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print no table and no progress.")] = False,
    debug: DebugOption = False,
) -> None:
    """Explain every model of a list; run again, only what is missing or changed is done.

    Ends with 1 where models failed: they are in FOLDER/failed.jsonl, and all others are explained.
    """
    from finexl.executor import processors
    from finexl.questions import questions_of, read_list
    from finexl.storage import trim

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    asked: dict[str, Any] = {
        "prompts": prompts,
        "pairing": pairing.value,
        "encoder": encoder,
        "vocabulary": vocabulary.value,
        "concepts": concepts,
        "only_concepts": only_concepts,
        "exclude": exclude,
        "add": add or [],
        "drop": drop or [],
        "decomposition": decomposition.value,
        "top": top,
        "seed": seed,
        "pool": pool,
        "image_seeds": image_seeds,
        "steps": steps,
        "guidance": guidance,
        "size": size,
        "negative": negative,
        "scheduler": scheduler,
        "dtype": None if dtype is None else dtype.value,
        "device": device,
        "offload": offload,
        "batch": batch,
    }
    questions = questions_of(read_list(listed), asked)
    _announce(questions)
    # a model that makes images takes all of a machine
    makes = any(question.makes for question in questions)
    fitting = 1 if makes else min(processors(), len(questions))
    place = place_of(on, workers, ray_address, gpus, fitting=fitting)
    started = time.monotonic()
    outcomes = answered(questions, out, place, show_progress=not quiet)
    with suppress(OSError):  # tidying up is no reason to fail
        trim()
    _deliver(questions, outcomes, out, time.monotonic() - started, json, quiet)


def _announce(questions: Sequence[Question]) -> None:
    """Say where prompts go before the first one does."""
    from finexl.asking import sides_of
    from finexl.generators import load_generator
    from finexl.images import printable

    services = {
        side: question
        for question in questions
        for side in (question.asked["base"], question.asked["personalized"])
        if side.startswith("api:")
    }
    for side, question in services.items():
        notice = load_generator(side, sides_of(question.asked).settings).notice
        if notice is not None:
            typer.echo(printable(notice), err=True)


def answered(
    questions: Sequence[Question], folder: Path, place: Place, *, show_progress: bool
) -> dict[str, Outcome]:
    """Explain the models, showing how far it is; return the outcomes by name."""
    from finexl.many import explain_many

    found: dict[str, Outcome] = {}
    with progress_bars(show_progress) as progress:
        progress("Explaining", 0, len(questions))
        for outcome in explain_many(
            questions, folder, place.on, makers=place.makers, embedder=place.embedder
        ):
            found[outcome.task.asked.question.name] = outcome
            progress("Explaining", len(found), len(questions))
    return found


def _deliver(
    questions: Sequence[Question],
    outcomes: Mapping[str, Outcome],
    folder: Path,
    seconds: float,
    json: str | None,
    quiet: bool,
) -> None:
    """Print what became of the models, and end with 1 where some failed."""
    from finexl.images import printable

    models = [_told(question.name, outcomes[question.name]) for question in questions]
    count = {state: sum(m["state"] == state for m in models) for state in STATES}
    found = {"schema": SCHEMA, "folder": str(folder), **count, "seconds": round(seconds, 1)}
    whole = {**found, "models": models}
    if quiet:
        deliver_json(whole, json)
    else:
        rows = [_row(model) for model in models[:SHOWN]]
        deliver(whole, json, ("Model", "Changed", "Strongest"), rows)
    if not quiet and json != "-":
        said = ", ".join(f"{number:,} {state}" for state, number in count.items())
        typer.echo(f"\n{said} in {seconds:,.0f} s: {folder}")
    for model in [model for model in models if model["state"] == "failed"][:SHOWN]:
        typer.echo(f"finexl: {printable(model['name'] + ': ' + model['error'])}", err=True)
    if count["failed"]:
        typer.echo(f"finexl: what failed is in {folder / 'failed.jsonl'}.", err=True)
        raise typer.Exit(1)


def _told(name: str, outcome: Outcome) -> dict[str, Any]:
    if outcome.error is not None:
        return {
            **{"name": name, "state": "failed"},
            **{"error": outcome.error, "attempts": outcome.attempts},
        }
    state = "explained" if outcome.attempts else "unchanged"
    return {"name": name, "state": state, "attempts": outcome.attempts, **outcome.value}


def _row(model: Mapping[str, Any]) -> tuple[str, str, str]:
    if model["state"] == "failed":
        return model["name"], "failed", ""
    changed = {True: "yes", False: "no", None: "too few pairs to tell"}[model["detected"]]
    strongest = [(one["concept"], one["score"]) for one in model["aspects"]]
    said = (f"{'more' if score > 0 else 'less'} {it} {abs(score):.2f}" for it, score in strongest)
    return model["name"], changed, ", ".join(said)
