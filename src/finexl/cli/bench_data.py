"""`finexl bench data`: sets of images whose change is known, in words and by how much."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finexl.cli.output import DebugOption, JsonOption, check_json, deliver
from finexl.cli.personalize import Method
from finexl.cli.progress import progress_bars
from finexl.errors import UsageError

if TYPE_CHECKING:  # imported when the command runs: --help needs none of it
    from finexl.bench.data.captioning import Captioner

data_app = typer.Typer(
    help="Make or read sets of images of known levels.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Out = Annotated[
    Path, typer.Option(metavar="DIR", help="Where the dataset is kept; continued if begun.")
]
Captions = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Captions of the images: a .csv or .jsonl by `file`."),
]
CaptionerOption = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="BLIP-2 for images without captions, a hub id or a folder; by default "
        "Salesforce/blip2-opt-2.7b where no captions are given.",
    ),
]
NoCaptions = Annotated[
    bool, typer.Option("--no-captions", help="Leave images without captions as they are.")
]
Device = Annotated[
    str | None, typer.Option(metavar="DEVICE", help="Where to compute: cuda, mps, cpu.")
]
Seed = Annotated[int, typer.Option(min=0, help="Of every draw.")]


class By(str, Enum):
    """The choices of --by."""

    artist = "artist"
    movement = "movement"


@data_app.command()
def synthetic(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="diffusers:ID-or-path, lora:…, directions:…, gan:…, ar:… or api:…",
        ),
    ],
    out: Out,
    captions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What the images show; by default 60 captions."),
    ] = None,
    images: Annotated[int, typer.Option(min=1, metavar="N", help="Of all styles.")] = 400,
    base: Annotated[
        bool, typer.Option("--base/--no-base", help="Make the captions without a style, too.")
    ] = True,
    steps: Annotated[int | None, typer.Option(min=1, metavar="N", help="Of denoising.")] = None,
    guidance: Annotated[
        float | None, typer.Option(metavar="SCALE", help="Classifier-free guidance.")
    ] = None,
    size: Annotated[int | None, typer.Option(min=8, metavar="PIXELS")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, float16 or bfloat16.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, metavar="N", help="Images at once.")] = None,
    device: Device = None,
    seed: Seed = 0,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """400 images in 15 styles: style and caption are what MODEL is asked for."""
    from finexl.bench.data.synthetic import make_synthetic, read_captions
    from finexl.generators import Settings, load_generator
    from finexl.images import printable

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    texts = read_captions(captions)
    settings = Settings(
        steps=steps, guidance=guidance, size=size, dtype=dtype, batch=batch, device=device
    )
    generator = load_generator(model, settings)
    if generator.notice is not None:
        typer.echo(printable(generator.notice), err=True)
    with progress_bars(True) as progress:
        truth = make_synthetic(
            generator, texts, out, images=images, seed=seed, base=base, progress=progress
        )
    _deliver(truth, json)


@data_app.command()
def trained(
    base: Annotated[
        str, typer.Argument(metavar="BASE", help="A model of scenes: diffusers:…, gan:… or ar:…")
    ],
    out: Out,
    style: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STYLE",
            help="striped, outlined, noisy or faded, a model each; STYLE+STYLE mixes them. "
            "By default the four.",
        ),
    ] = None,
    levels: Annotated[
        str, typer.Option(metavar="20,40,...", help="Steps after which a model is kept.")
    ] = "20,40,60,80,100,120,140,160,180,200",
    method: Annotated[
        Method | None,
        typer.Option(
            help="As for `finexl personalize`; by default full for gan:, detokenizer for ar:, "
            "and lora for diffusers:."
        ),
    ] = None,
    learning_rate: Annotated[float, typer.Option(metavar="RATE", help="Of Adam.")] = 2e-3,
    batch: Annotated[int, typer.Option(min=1, metavar="N", help="Images a training step.")] = 8,
    images: Annotated[int, typer.Option(min=6, metavar="N", help="Of each model.")] = 24,
    strength: Annotated[
        float, typer.Option(min=0.05, max=1, help="Of the style in what it is trained on.")
    ] = 1.0,
    steps: Annotated[int | None, typer.Option(min=1, metavar="N", help="Of denoising.")] = None,
    guidance: Annotated[
        float | None, typer.Option(metavar="SCALE", help="Classifier-free guidance.")
    ] = None,
    device: Device = None,
    seed: Seed = 0,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Personalize a tiny model of scenes to known levels, and let all of them make images."""
    from finexl.bench.data.trained import WORDS, make_trained, method_for
    from finexl.cli.personalize import read_steps
    from finexl.generators import Settings
    from finexl.personalize.recipe import Recipe

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    recipe = Recipe(
        method=method_for(base) if method is None else method.value,
        learning_rate=learning_rate,
        levels=read_steps(levels),
        batch=batch,
        seed=seed,
    )
    settings = Settings(steps=steps, guidance=guidance, device=device, batch=images)
    groups = [text.split("+") for text in style or WORDS]
    with progress_bars(True) as progress:
        truth = make_trained(
            base,
            groups,
            recipe,
            out,
            settings,
            images=images,
            strength=strength,
            seed=seed,
            progress=progress,
        )
    _deliver(truth, json)


@data_app.command("style-transfer")
def style_transfer(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="With contents/, styles/ and the stylisations."),
    ],
    out: Out,
    networks: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Make the stylisations with AdaIN's networks (scripts/fetch_adain.py).",
        ),
    ] = None,
    levels: Annotated[
        int, typer.Option(min=1, max=100, metavar="L", help="Made at strengths 1/L … 1.")
    ] = 1,
    side: Annotated[int, typer.Option(min=16, metavar="PIXELS", help="Of what is made.")] = 256,
    size: Annotated[
        int, typer.Option(help="Of the published stylisations: 150, 300, 500 or 700.")
    ] = 500,
    descriptions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Words for styles: a .csv with `file` and `prompt`."),
    ] = None,
    captions: Captions = None,
    captioner: CaptionerOption = None,
    no_captions: NoCaptions = False,
    device: Device = None,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Photographs in the style of paintings: as published, or made at graded strength."""
    from finexl.bench.data.style_transfer import read_sources, write_style_transfer
    from finexl.bench.data.stylisation import load_networks, make_style_transfer
    from finexl.bench.data.words import Words
    from finexl.prompts import read_prompts

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    words = Words(
        () if captions is None else read_prompts(captions),
        () if descriptions is None else read_prompts(descriptions),
        _captioner(captioner, no_captions or captions is not None, device),
    )
    with progress_bars(True) as progress:
        if networks is None:
            if levels != 1:
                raise UsageError("--levels is for stylisations that are made; give --networks.")
            truth = write_style_transfer(folder, out, size=size, words=words, progress=progress)
        else:
            truth = make_style_transfer(
                read_sources(folder),
                load_networks(networks, device),
                out,
                levels=levels,
                side=side,
                words=words,
                progress=progress,
            )
    _deliver(truth, json)


@data_app.command()
def wikiart(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="With a folder for each movement.")
    ],
    out: Out,
    by: Annotated[
        By | None, typer.Option(help="By default artists, where the files' names have them.")
    ] = None,
    most: Annotated[
        int, typer.Option(min=1, metavar="N", help="Artists, those with most works.")
    ] = 15,
    works: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The most of one, drawn at random.")
    ] = None,
    captioner: CaptionerOption = None,
    no_captions: NoCaptions = False,
    device: Device = None,
    seed: Seed = 0,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Paintings by the artists with most works, or by movement."""
    from finexl.bench.data.wikiart import write_wikiart

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    with progress_bars(True) as progress:
        truth = write_wikiart(
            folder,
            out,
            by=None if by is None else by.value,
            most=most,
            works=works,
            seed=seed,
            captioner=_captioner(captioner, no_captions, device),
            progress=progress,
        )
    _deliver(truth, json)


@data_app.command()
def operators(
    folder: Annotated[
        str, typer.Argument(metavar="FOLDER", help="Photographs: a folder or a manifest.")
    ],
    operator: Annotated[
        list[str], typer.Option(metavar="NAME", help="An image operator; may be given again.")
    ],
    out: Out,
    levels: Annotated[
        int, typer.Option(min=1, max=100, metavar="L", help="Applied at levels 1/L … 1.")
    ] = 10,
    together: Annotated[
        bool, typer.Option("--together", help="All operators at once, in every combination.")
    ] = False,
    side: Annotated[int, typer.Option(min=16, metavar="PIXELS", help="Longer side.")] = 512,
    seed: Seed = 0,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Photographs under image operators at graded levels, one at a time or composed."""
    from finexl.bench.data.operated import grid, ladder, write_operated
    from finexl.imageset import read_images

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    names = list(dict.fromkeys(operator))
    alone = [mixture for name in names for mixture in ladder(name, levels)]
    mixtures = grid(names, levels) if together else alone
    with progress_bars(True) as progress:
        truth = write_operated(
            read_images(folder), mixtures, out, seed=seed, side=side, progress=progress
        )
    _deliver(truth, json)


def _captioner(reference: str | None, without: bool, device: str | None) -> Captioner | None:
    """Return the model that captions; none where that is asked, or where captions were given."""
    from finexl.bench.data.captioning import BLIP2, Blip2

    if reference is None and without:
        return None
    return Blip2.load(reference or BLIP2, device)


def _deliver(truth: Path, json: str | None) -> None:
    from finexl.bench.data.graded import read_levels

    sets = read_levels(truth)
    rows = [
        (
            one.name,
            "; ".join(f"{aspect.words} {aspect.level:.3g}" for aspect in one.aspects),
            str(len(one.personalized.pictures)),
        )
        for one in sets
    ]
    found = {
        "truth": str(truth),
        "sets": [
            {"name": one.name, "levels": dict(one.levels), "images": len(one.personalized.pictures)}
            for one in sets
        ],
    }
    deliver(found, json, ("Set", "Aspects and levels", "Images"), rows, title=str(truth))
