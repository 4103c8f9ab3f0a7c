"""`finexl viper rank` and `verify`: a person's taste and explained models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finexl.cli.catalog import (
    USUAL,
    BaseOption,
    CatalogOption,
    FamilyOption,
    LicenceOption,
    TagOption,
    deliver_found,
)
from finexl.cli.output import DebugOption, JsonOption, check_json, deliver
from finexl.cli.progress import progress_bars, say

ProfileArgument = Annotated[Path, typer.Argument(metavar="PROFILE", help="A profile's JSON.")]


def rank(
    profile: ProfileArgument,
    catalog: CatalogOption = USUAL,
    base: BaseOption = None,
    family: FamilyOption = None,
    licence: LicenceOption = None,
    tag: TagOption = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="The most models.")] = 10,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Rank a catalog's models by how what they do agrees with what a person likes."""
    from finexl.catalog import Catalog, Filter, Searcher
    from finexl.viper import ranking
    from finexl.viper.profile import read_profile

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    person = read_profile(profile)
    with Catalog.open(catalog) as opened:
        where = Filter(base, family, licence, tag)
        found = ranking.rank(opened, person, Searcher(), where=where, limit=limit)
    deliver_found(found, json, reasons=3)


def verify(
    profile: ProfileArgument,
    base: Annotated[
        str,
        typer.Option(metavar="MODEL", help="What is steered: diffusers:MODEL, lora:BASE+FILE@S."),
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Takes images and runs; continued if begun.")
    ],
    degrees: Annotated[
        str, typer.Option(metavar="B,B,…", help="How strongly, each above 0, up to 1.")
    ] = "0.3,0.6,1",
    prompts: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What to make images of; built-in ones by default."),
    ] = None,
    image_seeds: Annotated[str, typer.Option(metavar="0-3", help="Seeds.")] = "0",
    no_guidance: Annotated[
        bool, typer.Option("--no-guidance", help="Move the prompt's encoding alone (Eq. 1).")
    ] = False,
    steps: Annotated[int | None, typer.Option(min=1, metavar="N", help="Denoising steps.")] = None,
    guidance: Annotated[
        float | None, typer.Option(metavar="G", help="Classifier-free guidance scale.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="DEVICE", help="Where it computes: cuda, mps, cpu.")
    ] = None,
    encoder: Annotated[str, typer.Option(help="The encoder that measures.")] = "embedded",
    seed: Annotated[int, typer.Option(min=0, help="Of the statistics.")] = 0,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Steer a model to a profile, explain it against the plain one, and say what moved."""
    from finexl.concepts.vocabulary import neutral_prompts
    from finexl.generators import Settings, jobs_of, load_generator
    from finexl.prompts import read_prompts
    from finexl.sources import read_seeds
    from finexl.viper.profile import read_profile
    from finexl.viper.steering import Viper, pipeline_of
    from finexl.viper.taste import taste_of
    from finexl.viper.verifying import read_degrees
    from finexl.viper.verifying import verify as verify_steering

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    person = read_profile(profile)
    settings = Settings(steps=steps, guidance=guidance, device=device)
    texts = neutral_prompts() if prompts is None else [r.prompt for r in read_prompts(prompts)]
    pipeline = pipeline_of(load_generator(base, settings))
    viper = Viper(pipeline, taste_of(person), guidance=not no_guidance, called=person.name)
    if viper.taste.heard and viper.notice is not None:
        say(viper.notice)
    with progress_bars(json != "-") as progress:
        found = verify_steering(
            viper,
            read_degrees(degrees),
            jobs_of(texts, read_seeds(image_seeds)),
            out,
            encoder=encoder,
            seed=seed,
            progress=progress,
        )
    header = ("Attribute", "Wished", *(f"β = {one.degree:g}" for one in found.degrees))
    rows = [
        (
            moved.attribute,
            "more" if moved.wished > 0 else "less",
            *(_written(one.attributes[i].effect, one.attributes[i].ci) for one in found.degrees),
        )
        for i, moved in enumerate(found.degrees[0].attributes)
    ]
    deliver(found.to_dict(), json, header, rows, title=f"{found.name} on {found.base}")
    if json != "-":
        for sentence in found.sentences:
            typer.echo(sentence)


def _written(effect: float, ci: tuple[float, float] | None) -> str:
    return f"{effect:+.2f}" + ("" if ci is None else f" ({ci[0]:.2f} to {ci[1]:.2f})")
