"""`finexl explain BASE PERSONALIZED`."""

from __future__ import annotations

import os
import platform
import re
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finexl._version import __version__
from finexl.errors import FinexlError, UsageError
from finexl.files import check_writable

if TYPE_CHECKING:  # imported when the command runs: --help needs none of it
    from collections.abc import Iterator

    from finexl.embedding import Progress
    from finexl.pipeline import Explained, Options
    from finexl.runs import Run

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
    vlm: Annotated[
        str | None,
        typer.Option(help="A vision-language model to propose concepts (none in this version)."),
    ] = None,
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
    json: Annotated[
        str | None,
        typer.Option(metavar="PATH|-", help="Write the explanation; - prints it alone."),
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
        "decomposition": decomposition.value,
        "top": top,
        "name": None if name is None else printable(name),
        "seed": seed,
        "pool": pool,
    }
    if vlm is not None:
        raise UsageError(
            f"--vlm {vlm}: this version takes concepts from its vocabulary and from --concepts "
            "only; leave --vlm out."
        )
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
    explained, record = _explained(folder, asked, show_progress=not quiet)
    _deliver(explained, record, json, html, markdown, quiet)
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
        return opened, {**asked, **before, **given}
    if asked["base"] is None or asked["personalized"] is None:
        raise UsageError("Give two sets of images, BASE and PERSONALIZED, or --resume a run.")
    if run is not None:
        return Run.create(run, asked), asked
    places = [os.path.abspath(asked[side]) for side in ("base", "personalized")]  # noqa: PTH100
    try:
        return replace(Run.create(default_folder(*places)), spare=True), asked
    except UsageError:  # a cache that cannot be written costs a second encoding, nothing else
        return Run(), asked


def _check_recorded(before: dict[str, Any], asked: dict[str, Any], folder: Path) -> None:
    """Refuse recorded options that are not of the form that this command would record."""
    whole, flags = ("seed", "top"), ("pool",)
    for key, value in {"base": None, "personalized": None, **before}.items():
        kind = int if key in whole else bool if key in flags else str
        missing = value is None and key not in ("base", "personalized", "seed")
        if key not in asked or not (missing or type(value) is kind):
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
    except FinexlError:
        run.remove_if_empty()
        raise
    run.save_record(_absolute(record))
    try:
        with _progress(show_progress) as progress:
            explained = explain_sets(base, personalized, options, encoder, run, progress)
        record["state"] = "done"
    except Exception:
        record["state"] = "failed"
        raise
    finally:
        run.save_record(_absolute(record))
    return explained, record


def _options(asked: dict[str, Any]) -> Options:
    from finexl.concepts.vocabulary import read_concepts
    from finexl.pipeline import Options

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


@contextmanager
def _progress(wanted: bool) -> Iterator[Progress]:
    """Yield what reports progress: on stderr, and only where that is a terminal."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    if not wanted or not console.is_terminal:
        yield lambda *_: None
        return
    with Bars(console=console, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(escape(what), total=total)
            bars.update(tasks[what], completed=done)

        yield show


def _deliver(
    explained: Explained,
    record: dict[str, Any],
    json: str | None,
    html: Path | None,
    markdown: Path | None,
    quiet: bool,
) -> None:
    from rich.console import Console

    from finexl.files import write_atomic
    from finexl.images import printable
    from finexl.report import render_html, render_markdown, render_terminal

    explanation = explained.explanation
    if json is not None and json != "-":
        write_atomic(Path(json), explanation.to_json())
    if markdown is not None:
        write_atomic(markdown, render_markdown(explanation))
    if html is not None:
        pictures = explained.pictures if explained.pairs else None
        heat = explained.heat if explained.pairs else None
        write_atomic(html, render_html(explanation, pictures, record, heat))
    if json == "-":
        typer.echo(explanation.to_json(), nl=False)
        return
    if not quiet:
        render_terminal(explanation, Console())
        if html is not None:
            typer.echo(f"\nReport: {printable(str(html))}")
