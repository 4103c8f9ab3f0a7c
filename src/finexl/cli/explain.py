"""`finexl explain BASE PERSONALIZED`."""

from __future__ import annotations

from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from finexl.cli.asking import settled
from finexl.cli.delivering import deliver, deliver_what_if
from finexl.cli.progress import progress_bars, say
from finexl.errors import UsageError
from finexl.files import check_writable


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


class Dtype(str, Enum):
    """The choices of --dtype."""

    float32 = "float32"
    float16 = "float16"
    bfloat16 = "bfloat16"


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
            metavar="BASE",
            help="Images of the base: a folder or a manifest (.jsonl, .csv); or a model that makes "
            "them: diffusers:MODEL, gan:MODEL, ar:MODEL, api:SERVICE:WHERE.",
        ),
    ] = None,
    personalized: Annotated[
        str | None,
        typer.Argument(
            metavar="PERSONALIZED",
            help="Images of the personalized model, likewise; or lora:BASE+FILE@SCALE, "
            "directions:BASE+FILE@SCALE.",
        ),
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The prompts: .txt, one a line in the order of the sorted files; or .csv/.jsonl "
            "with `prompt` and optionally `file`, `seed`. What a model makes images of.",
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
    vlm_rounds: Annotated[
        int, typer.Option(min=1, max=1000, metavar="N", help="Questions at first.")
    ] = 6,
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
        typer.Option(metavar="0-3", help="Seeds that a model makes images with; by default 0."),
    ] = None,
    until: Annotated[
        float | None,
        typer.Option(
            metavar="ERROR",
            help="Make images until V_div's estimated cosine error is this small: 0.03, say.",
        ),
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
        Path | None,
        typer.Option(
            metavar="PATH", help="Write a model card, or put a section into the card there."
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print no table and no progress.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error was found.")] = False,
) -> None:
    """Say in words with numbers how PERSONALIZED images differ from BASE ones."""
    from finexl.asking import explain_asked
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
        "image_seeds": image_seeds,
        "until": until,
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
    written = [Path(path) for path in (json, html, markdown) if path is not None and path != "-"]
    check_writable(*written)
    if "-" in (str(html), str(markdown)):
        raise UsageError("Only --json can be printed with -; give --html and --markdown a file.")
    if len({path.absolute() for path in written}) < len(written):
        raise UsageError("Two reports go to the same file; give each its own.")
    folder, asked = settled(context, asked, run, resume)
    before = None if resume is None else folder.explanation()
    with progress_bars(not quiet) as progress:
        explained, record = explain_asked(folder, asked, progress, say)
    alone = what_if is not None and json == "-"  # JSON is printed without anything else
    deliver(explained, record, json if what_if is None else None, html, markdown, quiet or alone)
    if what_if is not None:
        deliver_what_if(explained, asked, folder, what_if, json, quiet)
    elif before is not None and json != "-" and not quiet:
        from finexl.report import changes

        for line in changes(before, explained.explanation):
            typer.echo(line)
    with suppress(OSError):  # tidying up is no reason to fail
        trim()
