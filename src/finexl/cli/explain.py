"""`finexl explain BASE PERSONALIZED`."""

from __future__ import annotations

import os
import platform
import re
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finexl._version import __version__
from finexl.cli.progress import progress_bars
from finexl.errors import FinexlError, UsageError
from finexl.files import check_writable

if TYPE_CHECKING:  # imported when the command runs: --help needs none of it
    from finexl.options import Options
    from finexl.pipeline import Explained
    from finexl.runs import Run
    from finexl.vlm import VLM

MODEL_REFERENCE = re.compile(r"^(diffusers|lora|directions|gan|ar|api):")


class Pairing(str, Enum):
    """The choices of --pairing."""

    auto = "auto"
    seed = "seed"
    prompt = "prompt"
    file = "file"
    none = "none"


class Vocabulary(str, Enum):
    """The choices of --vocabulary."""

    style = "style"
    subject = "subject"
    all = "all"
    none = "none"


class Template(str, Enum):
    """The choices of --vlm-template."""

    original = "original"
    condensed = "condensed"
    elaborated = "elaborated"
    subject = "subject"


class DecompositionName(str, Enum):
    """The choices of --decomposition."""

    subspace = "subspace"
    nnls = "nnls"
    paper = "paper"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(explain)


def explain(
    context: typer.Context,
    base: Annotated[
        str | None,
        typer.Argument(
            metavar="BASE", help="Images of the base: a folder or a manifest (.jsonl, .csv)."
        ),
    ] = None,
    personalized: Annotated[
        str | None,
        typer.Argument(metavar="PERSONALIZED", help="Images of the personalized model, likewise."),
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The prompts: .txt, one a line in the order of the sorted files; or .csv/.jsonl "
            "with `prompt` and optionally `file`, `seed`.",
        ),
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
    vlm: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="A vision-language model that proposes concepts: openai:MODEL, azure:DEPLOYMENT, "
            "http://HOST/v1#MODEL, a hub id or a folder (transformers), scripted:FILE.",
        ),
    ] = None,
    vlm_template: Annotated[
        Template, typer.Option(help="The words in which it is asked.")
    ] = Template.original,
    vlm_rounds: Annotated[int, typer.Option(min=1, metavar="N", help="Questions at first.")] = 6,
    vlm_pairs: Annotated[int, typer.Option(min=1, metavar="N", help="Pairs in a question.")] = 3,
    vlm_limit: Annotated[
        str | None,
        typer.Option(
            metavar="LIMITS",
            help="The most to spend: requests=40,tokens=200000,usd=1.5,price=2.5/10 (US dollars "
            "for a million tokens in/out).",
        ),
    ] = None,
    same_pairs: Annotated[
        bool,
        typer.Option(
            "--same-pairs",
            help="Measure on the pairs that were looked at, even where there are 20 prompts or "
            "more.",
        ),
    ] = False,
    decomposition: Annotated[
        DecompositionName, typer.Option(help="How V_div is decomposed into concepts.")
    ] = DecompositionName.subspace,
    top: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The most concepts to keep.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What to call the model; by default its folder's name.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the statistics and of sampling.")] = 0,
    image_seeds: Annotated[
        str | None,
        typer.Option(metavar="0-3", help="Seeds to generate with (models only, not folders)."),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="The run's folder; by default one under the user's cache."
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Continue that run, or refit it with what is given here."),
    ] = None,
    pool: Annotated[
        bool, typer.Option("--pool", help="List every candidate's cosine with V_div in the JSON.")
    ] = False,
    what_if: Annotated[
        str | None,
        typer.Option(
            metavar="WISH",
            help="“less vivid”: take an aspect away again, and show what is left and which pairs "
            "would change.",
        ),
    ] = None,
    json: Annotated[
        str | None,
        typer.Option(
            metavar="PATH|-", help="Write the explanation (or what --what-if finds); - prints it."
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Write a one-file report.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Write a section for a model card.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print no table and no progress.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error was found.")] = False,
) -> None:
    """Say in words with numbers how PERSONALIZED images differ from BASE ones."""
    from finexl.images import printable
    from finexl.storage import trim

    del debug  # looked for by `main`, which is where errors end
    asked: dict[str, Any] = {
        "base": base,
        "personalized": personalized,
        "prompts": prompts,
        "pairing": pairing.value,
        "encoder": encoder,
        "vocabulary": vocabulary.value,
        "concepts": concepts,
        "only_concepts": only_concepts,
        "exclude": exclude,
        "add": add or [],
        "drop": drop or [],
        "vlm": vlm,
        "vlm_template": vlm_template.value,
        "vlm_rounds": vlm_rounds,
        "vlm_pairs": vlm_pairs,
        "vlm_limit": vlm_limit,
        "same_pairs": same_pairs,
        "decomposition": decomposition.value,
        "top": top,
        "name": None if name is None else printable(name),
        "seed": seed,
        "pool": pool,
    }
    if image_seeds is not None:
        raise UsageError(
            "--image-seeds is for models that generate; folders and manifests hold images that "
            "are made already."
        )
    written = [Path(path) for path in (json, html, markdown) if path is not None and path != "-"]
    check_writable(*written)
    if "-" in (str(html), str(markdown)):
        raise UsageError("Only --json can be printed with -; give --html and --markdown a file.")
    if len({path.absolute() for path in written}) < len(written):
        raise UsageError("Two reports go to the same file; give each its own.")
    folder, asked = _settled(context, asked, run, resume)
    before = None if resume is None else folder.explanation()
    explained, record = _explained(folder, asked, show_progress=not quiet)
    alone = what_if is not None and json == "-"  # JSON is printed without anything else
    _deliver(explained, record, json if what_if is None else None, html, markdown, quiet or alone)
    if what_if is not None:
        _deliver_what_if(explained, what_if, json, quiet)
    elif before is not None and json != "-" and not quiet:
        from finexl.report import changes

        for line in changes(before, explained.explanation):
            typer.echo(line)
    with suppress(OSError):  # tidying up is no reason to fail
        trim()


def _settled(
    context: typer.Context, asked: dict[str, Any], run: Path | None, resume: Path | None
) -> tuple[Run, dict[str, Any]]:
    """Return the run folder and what is asked, with what a resumed run was asked before."""
    from finexl.runs import Run, default_folder

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
    if run is not None:
        return Run.create(run, asked), asked
    places = [os.path.abspath(asked[side]) for side in ("base", "personalized")]  # noqa: PTH100
    try:
        return replace(Run.create(default_folder(*places)), spare=True), asked
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
    kinds |= dict.fromkeys(("pool", "same_pairs"), bool) | dict.fromkeys(("add", "drop"), list)
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


def _explained(
    run: Run, asked: dict[str, Any], *, show_progress: bool
) -> tuple[Explained, dict[str, Any]]:
    from finexl.encoders import load_encoder
    from finexl.imageset import read_images
    from finexl.pipeline import explain_sets

    for side in ("base", "personalized"):
        if MODEL_REFERENCE.match(asked[side]) and not Path(asked[side]).exists():
            raise UsageError(
                f"{asked[side]} is a model, which this version cannot run; generate its images "
                "into a folder and give that."
            )
    record = {
        "options": {k: str(v) if isinstance(v, Path) else v for k, v in asked.items()},
        "versions": {"finexl": __version__, "python": platform.python_version()},
        "state": "running",
        "started": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    try:
        base, personalized = read_images(asked["base"]), read_images(asked["personalized"])
        options, encoder = _options(asked), load_encoder(asked["encoder"])
        vlm = _vlm(asked, run)
    except FinexlError:
        run.remove_if_empty()
        raise
    run.save_record(_absolute(record))
    try:
        with progress_bars(show_progress) as progress:
            explained = explain_sets(base, personalized, options, encoder, run, progress, vlm)
        record["state"] = "done"
    except Exception:
        record["state"] = "failed"
        raise
    finally:
        run.save_record(_absolute(record))
    return explained, record


def _vlm(asked: dict[str, Any], run: Run) -> VLM | None:
    """Return the model that proposes concepts, within its limits, saying where pictures go."""
    if asked["vlm"] is None:
        if asked["vlm_limit"] is not None:
            raise UsageError("--vlm-limit is the limit of a model; give one with --vlm.")
        return None
    from finexl.images import printable
    from finexl.vlm import Announced, Limited, Limits, Spent, load_vlm

    limits = None if asked["vlm_limit"] is None else Limits.parse(asked["vlm_limit"])
    vlm = load_vlm(asked["vlm"])
    announced = Announced(vlm, lambda notice: typer.echo(printable(notice), err=True))
    if limits is None:
        return announced
    spent = Spent()
    for reply in run.replies():
        counts = (reply.get("tokens_in"), reply.get("tokens_out"))
        spent = spent.plus(1, *(count if isinstance(count, int) else 0 for count in counts))
    return Limited(announced, limits, spent)


def _options(asked: dict[str, Any]) -> Options:
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


def _absolute(record: dict[str, Any]) -> dict[str, Any]:
    """Return the record as run.json keeps it: a run can be resumed from any folder."""
    options = dict(record["options"])
    for key in ("base", "personalized", "prompts", "concepts", "only_concepts", "exclude"):
        if options[key] is not None:
            options[key] = os.path.abspath(options[key])  # noqa: PTH100 - keeps symlinks
    return {**record, "options": options}


def _deliver(
    explained: Explained,
    record: dict[str, Any],
    json: str | None,
    html: Path | None,
    markdown: Path | None,
    quiet: bool,
) -> None:
    from finexl.files import write_atomic
    from finexl.images import printable

    explanation = explained.explanation
    if json is not None and json != "-":
        write_atomic(Path(json), explanation.to_json())
    if markdown is not None:
        from finexl.report import render_markdown

        write_atomic(markdown, render_markdown(explanation))
    if html is not None:
        from finexl.report import render_html

        pictures = explained.pictures if explained.pairs else None
        heat = explained.heat if explained.pairs else None
        write_atomic(html, render_html(explanation, pictures, record, heat))
    if json == "-":
        typer.echo(explanation.to_json(), nl=False)
        return
    if not quiet:
        from rich.console import Console

        from finexl.report import render_terminal

        render_terminal(explanation, Console())
        if html is not None:
            typer.echo(f"\nReport: {printable(str(html))}")


def _deliver_what_if(explained: Explained, wish: str, json: str | None, quiet: bool) -> None:
    import json as codec

    from finexl.files import write_atomic
    from finexl.report import render_what_if
    from finexl.undo import what_if

    found = what_if(explained, wish)
    text = codec.dumps(found.to_dict(), ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    if json == "-":
        typer.echo(text, nl=False)
        return
    if json is not None:
        write_atomic(Path(json), text)
    if not quiet:
        typer.echo(render_what_if(found))
