"""`finexl viper study simulate` and its siblings: scorers in people's place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finexl.cli.output import DebugOption, JsonOption, check_json, deliver
from finexl.cli.progress import progress_bars, say
from finexl.cli.viper_agents import ExtractorOption
from finexl.errors import UsageError

if TYPE_CHECKING:  # imported when the command runs: --help needs none of it
    from finexl.generators import Settings
    from finexl.viper.study.ablations import Left
    from finexl.viper.study.painters import Painter

DegreeOption = Annotated[
    float, typer.Option(metavar="B", help="How strongly MODEL is steered, from 0 to 1.")
]
StepsOption = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="The model's denoising steps.")
]
GuidanceOption = Annotated[
    float | None, typer.Option(metavar="G", help="Its classifier-free guidance scale.")
]
SizeOption = Annotated[
    int | None, typer.Option(min=8, metavar="PIXELS", help="Its images' width and height.")
]
DeviceOption = Annotated[
    str | None, typer.Option(metavar="DEVICE", help="Where it computes: cuda, mps, cpu.")
]
BatchOption = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Images that it makes at once.")
]
SeedOption = Annotated[int, typer.Option(min=0, help="Of the draws.")]
ScorerOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="In people's place: proxy (pictures alone), proxy+words, similarity, each with "
        ":ENCODER; or preference:MODEL.",
    ),
]
PeopleArgument = Annotated[
    Path,
    typer.Argument(
        metavar="PEOPLE", help="A folder of agents, or a .jsonl of people with their tastes."
    ),
]
PromptsOption = Annotated[
    Path, typer.Option(metavar="FILE", help="A .txt with one a line, or a .csv/.jsonl.")
]
OutOption = Annotated[
    Path, typer.Option(metavar="DIR", help="Where pictures are kept; continued if begun.")
]
FirstOption = Annotated[
    int | None, typer.Option(min=2, metavar="N", help="The first ones of PEOPLE alone.")
]
ModelOption = Annotated[
    str | None,
    typer.Option(metavar="MODEL", help="Steered to make the pictures; else they are drawn."),
]


def simulate(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="diffusers:…, lora:… or directions:…")
    ],
    people: PeopleArgument,
    prompts: PromptsOption,
    out: OutOption,
    count: Annotated[
        int,
        typer.Option("--people", min=1, metavar="N", help="People; each has a taste in turn."),
    ] = 1000,
    first: FirstOption = None,
    method: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="viper, prompted or rewritten; may be repeated."),
    ] = None,
    scorer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="proxy, proxy+words, similarity, each with :ENCODER; preference:MODEL; may be "
            "repeated.",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, metavar="N", help="Pictures a prompt.")] = 3,
    degree: DegreeOption = 0.6,
    steps: StepsOption = None,
    guidance: GuidanceOption = None,
    size: SizeOption = None,
    device: DeviceOption = None,
    batch: BatchOption = None,
    seed: SeedOption = 0,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Ask scorers whose pictures are whose, of people whose tastes are known (Tables 1, 3, 4)."""
    from finexl.generators import Settings, load_generator
    from finexl.prompts import read_prompts
    from finexl.viper.study.gallery import Gallery
    from finexl.viper.study.people import read_subjects
    from finexl.viper.study.plan import Plan
    from finexl.viper.study.results import HEADER, row, simulated

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    settings = Settings(steps=steps, guidance=guidance, size=size, device=device, batch=batch)
    plan = Plan(
        tuple(dict.fromkeys(one.prompt for one in read_prompts(prompts))),
        seeds,
        tuple(method or ("viper", "prompted")),
        count,
        seed,
    )
    subjects = read_subjects(people)[:first]
    gallery = Gallery(out, load_generator(model, settings), degree)
    with progress_bars(json != "-") as progress:
        found = simulated(plan, subjects, gallery, scorer or ["proxy", "similarity"], progress)
    told = {"schema": "finexl.study-results/1", "results": [one.to_dict() for one in found]}
    deliver(told, json, HEADER, [row(one) for one in found])


def attributes(
    people: PeopleArgument,
    out: OutOption,
    model: ModelOption = None,
    prompts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What --model makes pictures of.")
    ] = None,
    first: FirstOption = None,
    scorer: ScorerOption = "proxy",
    degree: DegreeOption = 0.6,
    steps: StepsOption = None,
    guidance: GuidanceOption = None,
    size: SizeOption = None,
    device: DeviceOption = None,
    batch: BatchOption = None,
    seed: SeedOption = 0,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Leave colors, styles or both out of tastes: how well are pictures still told (Table 5)."""
    from finexl.generators import Settings
    from finexl.viper.study.ablations import by_groups
    from finexl.viper.study.people import read_subjects
    from finexl.viper.study.scorers import load_scorer

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    settings = Settings(steps=steps, guidance=guidance, size=size, device=device, batch=batch)
    tastes = [one.taste for one in read_subjects(people)[:first]]
    painter = _painter(model, prompts, degree, size, settings, out)
    with progress_bars(json != "-") as progress:
        found = by_groups(tastes, painter, load_scorer(scorer), seed=seed, progress=progress)
    _deliver(found, painter.name, json)


def comments(
    people: Annotated[Path, typer.Argument(metavar="AGENTS", help="A folder of agents.")],
    out: OutOption,
    model: ModelOption = None,
    prompts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What --model makes pictures of.")
    ] = None,
    count: Annotated[
        list[int] | None, typer.Option(min=1, metavar="N", help="Comments; may be repeated.")
    ] = None,
    first: FirstOption = None,
    extractor: ExtractorOption = "offline",
    scorer: ScorerOption = "proxy",
    degree: DegreeOption = 0.6,
    steps: StepsOption = None,
    guidance: GuidanceOption = None,
    size: SizeOption = None,
    device: DeviceOption = None,
    batch: BatchOption = None,
    seed: SeedOption = 0,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Read so many of agents' comments: how well do pictures to that taste suit them (C.2)."""
    from finexl.generators import Settings
    from finexl.viper.agents import read_agents, readers
    from finexl.viper.study.ablations import COUNTS, by_comments
    from finexl.viper.study.scorers import load_scorer

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    settings = Settings(steps=steps, guidance=guidance, size=size, device=device, batch=batch)
    agents = read_agents(people)[:first]
    reads = readers.extractor_of(extractor, "none", agents, people, say)
    painter = _painter(model, prompts, degree, size, settings, out)
    with progress_bars(json != "-") as progress:
        found = by_comments(
            agents,
            reads,
            painter,
            load_scorer(scorer),
            counts=count or COUNTS,
            seed=seed,
            progress=progress,
        )
    _deliver(found, painter.name, json)


def diversity(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="diffusers:…, lora:… or directions:…")
    ],
    people: PeopleArgument,
    prompts: PromptsOption,
    degree: Annotated[
        list[float] | None, typer.Option(metavar="B", help="β; may be repeated.")
    ] = None,
    guidance: Annotated[
        list[float] | None, typer.Option(metavar="G", help="Guidance; may be repeated.")
    ] = None,
    count: Annotated[int, typer.Option(min=2, metavar="N", help="Pictures of each prompt.")] = 8,
    first: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The first ones of PEOPLE alone.")
    ] = None,
    encoder: Annotated[
        str, typer.Option(metavar="NAME", help="What tells how different pictures are.")
    ] = "embedded",
    steps: StepsOption = None,
    size: SizeOption = None,
    device: DeviceOption = None,
    batch: BatchOption = None,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Say how alike pictures of a prompt become with β and with guidance (C.6)."""
    from finexl.generators import Settings
    from finexl.prompts import read_prompts
    from finexl.viper.study.diversity import diversity as spread
    from finexl.viper.study.people import read_subjects
    from finexl.viper.study.scorers import load_scorer

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    settings = Settings(steps=steps, size=size, device=device, batch=batch)
    with progress_bars(json != "-") as progress:
        found = spread(
            model,
            settings,
            read_subjects(people)[:first],
            list(dict.fromkeys(one.prompt for one in read_prompts(prompts))),
            load_scorer(f"similarity:{encoder}"),
            degrees=degree or (0.0, 0.25, 0.5, 0.75, 1.0),
            guidances=guidance or (3.0, 7.5),
            count=count,
            progress=progress,
        )
    rows = [
        (f"{one.degree:g}", f"{one.guidance:g}", f"{one.value:.3f}", f"{one.liked:.3f}")
        for one in found
    ]
    told = {"schema": "finexl.study-results/1", "results": [one.to_dict() for one in found]}
    deliver(told, json, ("β", "Guidance", "Diversity", "Similarity to VP±"), rows)


def _painter(
    model: str | None,
    prompts: Path | None,
    degree: float,
    size: int | None,
    settings: Settings,
    out: Path,
) -> Painter:
    from finexl.generators import load_generator
    from finexl.prompts import read_prompts
    from finexl.viper.study.painters import DrawnPainter, Kept, ModelPainter

    if model is None:
        say("Pictures are drawn: of what can be drawn of a taste.")
        return Kept(DrawnPainter(size or 160), out)
    if prompts is None:
        raise UsageError("--model makes pictures of prompts; give --prompts FILE.")
    asked = tuple(dict.fromkeys(one.prompt for one in read_prompts(prompts)))
    return Kept(ModelPainter(load_generator(model, settings), asked, degree), out)


def _deliver(found: list[Left], painter: str, json: str | None) -> None:
    from finexl.viper.study.report import interval, percent

    rows = [
        (
            one.part,
            percent(one.share.value),
            interval(one.share),
            percent(one.share.chance),
            "" if one.share.paper is None else percent(one.share.paper),
            str(one.share.units),
        )
        for one in found
    ]
    told = {
        "schema": "finexl.study-results/1",
        "pictures": painter,
        "results": [{"kept": one.part, **one.share.to_dict()} for one in found],
    }
    header = ("Kept", "Own above", "95% interval", "Chance", "Paper's", "People")
    deliver(told, json, header, rows)
