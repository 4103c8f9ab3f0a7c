"""`finexl viper generate BASE`: images of prompts, to the taste of a profile."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finexl.cli.explain import Dtype
from finexl.cli.output import DebugOption, JsonOption, check_json, deliver
from finexl.cli.progress import progress_bars, say


def generate(
    base: Annotated[
        str,
        typer.Argument(
            metavar="BASE",
            help="diffusers:MODEL (or MODEL alone), lora:BASE+FILE@SCALE or "
            "directions:BASE+FILE@SCALE.",
        ),
    ],
    profile: Annotated[Path, typer.Option(metavar="FILE", help="Whose taste.")],
    prompts: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="A .txt with one a line, or a .csv/.jsonl with `prompt`, `seed`."
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the images go; continued if begun.")
    ],
    degree: Annotated[
        float, typer.Option(metavar="B", help="How strongly, from 0 (the plain model) to 1.")
    ] = 0.6,
    image_seeds: Annotated[
        str, typer.Option(metavar="0-3", help="Seeds, for prompts that have none of their own.")
    ] = "0",
    no_guidance: Annotated[
        bool,
        typer.Option(
            "--no-guidance",
            help="Move the prompt's encoding alone: no slower than the plain model, and weaker.",
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
    from finexl.generators import Settings, jobs_of, load_generator, make_all
    from finexl.prompts import read_prompts
    from finexl.sources import is_model, read_seeds
    from finexl.viper.profile import read_profile
    from finexl.viper.refining import Refiner
    from finexl.viper.steering import Viper, pipeline_of
    from finexl.viper.taste import taste_of

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
    whose = read_profile(profile)
    seeds, rows = read_seeds(image_seeds), read_prompts(prompts)
    jobs = dict.fromkeys(
        job
        for row in rows
        for job in jobs_of([row.prompt], seeds if row.seed is None else [row.seed])
    )
    model = Viper(
        pipeline_of(load_generator(base if is_model(base) else f"diffusers:{base}", settings)),
        taste_of(whose),
        degree,
        not no_guidance,
        None if refiner is None else Refiner(refiner.removeprefix("diffusers:"), settings),
        whose.name,
    )
    if model.notice is not None:
        say(model.notice)
    with progress_bars(True) as progress:
        made = make_all(model, list(jobs), out, progress)
    for warning in made.warnings:
        say(warning)
    found = {
        "model": model.name,
        "folder": str(out),
        "degree": degree,
        "images": len(made.pictures),
        "left_out": dict(made.blanks),
    }
    row = (model.name, str(len(made.pictures)), str(out))
    deliver(found, json, ("Model", "Images", "Folder"), [row])
