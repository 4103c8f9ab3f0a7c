"""`finexl viper generate BASE`: images of prompts, to a person's taste, by several methods."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finexl.cli.explain import Dtype
from finexl.cli.output import DebugOption, JsonOption, check_json, deliver
from finexl.cli.progress import progress_bars, say
from finexl.errors import UsageError

if TYPE_CHECKING:
    from finexl.generators import Generator, Settings


class Method(str, Enum):
    """The choices of --method."""

    viper = "viper"
    words = "words"
    fabric = "fabric"
    inversion = "inversion"


@dataclass(frozen=True)
class Taste:
    """What says what a person likes; each method takes some of it."""

    profile: Path | None
    liked: Path | None
    disliked: Path | None
    words: Path | None


TAKES = {
    Method.viper: ("profile", "refiner"),
    Method.words: ("profile",),
    Method.fabric: ("liked", "disliked"),
    Method.inversion: ("words",),
}


def generate(
    base: Annotated[
        str,
        typer.Argument(
            metavar="BASE",
            help="diffusers:MODEL (or MODEL alone), lora:BASE+FILE@SCALE or "
            "directions:BASE+FILE@SCALE.",
        ),
    ],
    prompts: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="A .txt with one a line, or a .csv/.jsonl with `prompt`, `seed`."
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the images go; continued if begun.")
    ],
    profile: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Whose taste; for the methods viper and words."),
    ] = None,
    method: Annotated[
        Method,
        typer.Option(
            help="Steering, or what it is compared with: the profile's words in the prompt, "
            "attention to pictures (FABRIC), or words that invert has learned."
        ),
    ] = Method.viper,
    liked: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Pictures that FABRIC attends to.")
    ] = None,
    disliked: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Pictures that FABRIC turns away from.")
    ] = None,
    words: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where invert has kept its words.")
    ] = None,
    degree: Annotated[
        float, typer.Option(metavar="B", help="How strongly viper, from 0 (the plain model) to 1.")
    ] = 0.6,
    image_seeds: Annotated[
        str, typer.Option(metavar="0-3", help="Seeds, for prompts that have none of their own.")
    ] = "0",
    no_guidance: Annotated[
        bool,
        typer.Option(
            "--no-guidance",
            help="Steer the prompt's encoding alone: no slower than the plain model, and weaker.",
        ),
    ] = False,
    refiner: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Goes over the images, steered too: SDXL's refiner."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The model's denoising steps.")
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
    debug: DebugOption = False,
) -> None:
    """Make images of prompts with BASE, steered to what a profile likes and dislikes."""
    from finexl.generators import Settings, jobs_of, make_all
    from finexl.prompts import read_prompts
    from finexl.sources import is_model, read_seeds

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    settings = Settings(
        steps=steps,
        guidance=guidance,
        size=size,
        negative=negative,
        scheduler=scheduler,
        dtype=None if dtype is None else dtype.value,
        device=device,
        offload=offload,
        batch=batch,
    )
    seeds, rows = read_seeds(image_seeds), read_prompts(prompts)
    jobs = dict.fromkeys(
        job
        for row in rows
        for job in jobs_of([row.prompt], seeds if row.seed is None else [row.seed])
    )
    taste = Taste(profile, liked, disliked, words)
    for option, given in {**vars(taste), "refiner": refiner}.items():
        if given is not None and option not in TAKES[method]:
            raise UsageError(f"The method {method.value} takes no --{option}; leave it out.")
    base = base if is_model(base) else f"diffusers:{base}"
    if method is Method.viper:
        model = steered(base, taste, settings, degree, not no_guidance, refiner)
    else:
        model = compared(method, base, taste, settings)
    if model.notice is not None:
        say(model.notice)
    with progress_bars(True) as progress:
        made = make_all(model, list(jobs), out, progress)
    for warning in made.warnings:
        say(warning)
    found = {
        "model": model.name,
        "method": method.value,
        "folder": str(out),
        "degree": degree if method is Method.viper else None,
        "images": len(made.pictures),
        "left_out": dict(made.blanks),
    }
    row = (model.name, str(len(made.pictures)), str(out))
    deliver(found, json, ("Model", "Images", "Folder"), [row])


def steered(
    base: str, taste: Taste, settings: Settings, degree: float, guided: bool, refiner: str | None
) -> Generator:
    """Return the model steered to a profile."""
    from finexl.generators import load_generator
    from finexl.viper.profile import read_profile
    from finexl.viper.refining import Refiner
    from finexl.viper.steering import Viper, pipeline_of
    from finexl.viper.taste import taste_of

    whose = read_profile(_needed(taste.profile, Method.viper, "--profile"))
    return Viper(
        pipeline_of(load_generator(base, settings)),
        taste_of(whose),
        degree,
        guided,
        None if refiner is None else Refiner(refiner.removeprefix("diffusers:"), settings),
        whose.name,
    )


def compared(method: Method, base: str, taste: Taste, settings: Settings) -> Generator:
    """Return the model by one of the methods that steering is compared with."""
    from finexl.generators import load_generator
    from finexl.viper.baselines import fabric, inversion, prompting
    from finexl.viper.profile import read_profile
    from finexl.viper.steering import pipeline_of
    from finexl.viper.taste import taste_of

    if method is Method.words:
        whose = read_profile(_needed(taste.profile, method, "--profile"))
        return prompting.load(base, taste_of(whose), settings)
    if method is Method.inversion:
        return inversion.load(base, _needed(taste.words, method, "--words"), settings)
    if taste.liked is None and taste.disliked is None:
        _needed(None, method, "--liked or --disliked")
    liked, disliked = files(taste.liked), files(taste.disliked)
    return fabric.Fabric(pipeline_of(load_generator(base, settings)), liked, disliked)


def files(folder: Path | None) -> list[Path]:
    """Return a folder's pictures; none of no folder.

    Raises:
        UsageError: no such folder, or none in it.
    """
    from finexl.imageset import read_images

    if folder is None:
        return []
    sources = (picture.source for picture in read_images(str(folder)).pictures)
    return [source for source in sources if isinstance(source, Path)]


def _needed(path: Path | None, method: Method, option: str) -> Path:
    if path is None:
        raise UsageError(f"The method {method.value} takes {option}; give that as well.")
    return path
