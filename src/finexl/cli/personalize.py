"""`finexl personalize BASE IMAGES...`: a personalized model, kept at known levels."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from finexl.cli.output import DebugOption, JsonOption, check_json, deliver
from finexl.cli.progress import progress_bars
from finexl.errors import UsageError


class Preset(str, Enum):
    """The choices of --preset."""

    lora = "lora"
    paper_diffusion = "paper-diffusion"
    paper_gan = "paper-gan"
    paper_ar = "paper-ar"
    directions = "directions"
    inversion = "inversion"


class Method(str, Enum):
    """The choices of --method."""

    lora = "lora"
    full = "full"
    detokenizer = "detokenizer"
    directions = "directions"
    inversion = "inversion"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(personalize)


def personalize(
    base: Annotated[
        str,
        typer.Argument(
            metavar="BASE", help="diffusers:MODEL (or MODEL alone), gan:MODEL or ar:MODEL."
        ),
    ],
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGES...",
            help="Folders of images with captions (a manifest's `prompt`, or a .txt beside each); "
            "several are mixed, DIR@0.3 giving a part.",
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the model is kept; continued if begun.")
    ],
    preset: Annotated[
        Preset, typer.Option(help="What the options below start from.")
    ] = Preset.lora,
    method: Annotated[
        Method | None,
        typer.Option(
            help="Adapters on the attention; all of what makes the image; an ar: model's image "
            "decoder; directions in a diffusion model; or a new word for it (textual inversion). "
            "The last two need no captions."
        ),
    ] = None,
    levels: Annotated[
        str | None,
        typer.Option(metavar="20,40,...", help="Steps after which the model is kept."),
    ] = None,
    rank: Annotated[int | None, typer.Option(min=1, metavar="N", help="Of the adapters.")] = None,
    directions: Annotated[
        int | None, typer.Option(min=2, metavar="N", help="How many are learned.")
    ] = None,
    word: Annotated[
        str | None, typer.Option(metavar="WORD", help="What a new word is called by in prompts.")
    ] = None,
    vectors: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Tokens of a new word.")
    ] = None,
    start: Annotated[
        str | None, typer.Option(metavar="WORDS", help="What a new word means before training.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(metavar="RATE", help="Of Adam; by default 1e-4.")
    ] = None,
    batch: Annotated[int | None, typer.Option(min=1, metavar="N", help="Images a step.")] = None,
    size: Annotated[
        int | None, typer.Option(min=8, metavar="PIXELS", help="By default the model's own.")
    ] = None,
    caption: Annotated[
        str | None, typer.Option(metavar="TEXT", help="For images that have none.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the start, the order and the noise.")] = 0,
    device: Annotated[
        str | None, typer.Option(metavar="DEVICE", help="Where to compute: cuda, mps, cpu.")
    ] = None,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Train a personalized model from BASE on IMAGES, and keep it at known levels."""
    from dataclasses import replace

    from finexl.generators import Settings
    from finexl.personalize.examples import read_examples
    from finexl.personalize.recipe import PRESETS
    from finexl.personalize.training import personalize as train

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    given: dict[str, Any] = {
        "method": None if method is None else method.value,
        "levels": None if levels is None else read_steps(levels),
        "rank": rank,
        "directions": directions,
        "word": word,
        "vectors": vectors,
        "start": start,
        "learning_rate": learning_rate,
        "batch": batch,
        "size": size,
    }
    recipe = replace(
        PRESETS[preset.value],
        seed=seed,
        **{key: value for key, value in given.items() if value is not None},
    )
    recipe.check()
    if recipe.method in ("directions", "inversion") and caption is None:
        caption = ""  # they are learned from images alone
    examples = read_examples(images, caption)
    settings = Settings(device=device, dtype="float32")
    with progress_bars(True) as progress:
        done = train(base, examples, recipe, out, settings, progress)
    rows = [(str(steps), reference) for steps, reference in done.levels.items()]
    found = {"levels": [{"steps": s, "reference": r} for s, r in done.levels.items()]}
    deliver(found, json, ("Steps", "Model"), rows)


def read_steps(text: str) -> tuple[int, ...]:
    """Return the steps that a text like "20,40,60" lists.

    Raises:
        UsageError: no such text.
    """
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"--levels {text!r}: write steps like 20,40,60.") from error
