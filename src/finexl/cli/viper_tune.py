"""`finexl viper invert`, `search` and `reward`: what steering is compared with, where it trains."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finexl.cli.output import DebugOption, JsonOption, check_json, deliver
from finexl.cli.personalize import read_steps
from finexl.cli.progress import progress_bars, say
from finexl.errors import UsageError

if TYPE_CHECKING:
    from finexl.viper.baselines.oracles import Oracle

BaseArgument = Annotated[
    str, typer.Argument(metavar="BASE", help="diffusers:MODEL, or MODEL alone.")
]
ProfileOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Whose taste.")]
LikedOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Pictures that this person likes.")
]
DislikedOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Pictures that this person dislikes.")
]
SamplingOption = Annotated[
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


class Judge(str, Enum):
    """The choices of --judge."""

    similarity = "similarity"
    proxy = "proxy"
    person = "person"


def invert(
    base: BaseArgument,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the words are kept; continued if begun.")
    ],
    liked: LikedOption = None,
    disliked: DislikedOption = None,
    levels: Annotated[
        str | None,
        typer.Option(metavar="1000,2000,...", help="Steps after which the words are kept."),
    ] = None,
    vectors: Annotated[int, typer.Option(min=1, metavar="N", help="Tokens of a word.")] = 1,
    start: Annotated[
        str, typer.Option(metavar="WORDS", help="What the words mean before training.")
    ] = "style",
    learning_rate: Annotated[float, typer.Option(metavar="RATE", help="Of Adam.")] = 5e-3,
    batch: Annotated[int, typer.Option(min=1, metavar="N", help="Images a step.")] = 1,
    size: SizeOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the images' order and their noise.")] = 0,
    device: DeviceOption = None,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Learn a word for pictures that somebody likes, and one for those they dislike."""
    from dataclasses import replace

    from finexl.generators import Settings
    from finexl.personalize.examples import read_examples
    from finexl.personalize.recipe import PRESETS
    from finexl.viper.baselines.inversion import WORDS, learn

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    usual = PRESETS["inversion"]
    recipe = replace(
        usual,
        levels=usual.levels if levels is None else read_steps(levels),
        vectors=vectors,
        start=start,
        learning_rate=learning_rate,
        batch=batch,
        size=size,
        seed=seed,
    )
    recipe.check()
    sides = {"liked": liked, "disliked": disliked}
    examples = {side: read_examples([str(folder)], "") for side, folder in sides.items() if folder}
    settings = Settings(device=device, dtype="float32")
    with progress_bars(json != "-") as progress:
        learned = learn(base, examples, recipe, out, settings, progress)
    found = {
        "folder": str(out),
        "words": [
            {"word": WORDS[side], "steps": steps, "reference": reference}
            for side, done in learned.items()
            for steps, reference in done.levels.items()
        ],
    }
    rows = [
        (WORDS[side], str(steps), reference)
        for side, done in learned.items()
        for steps, reference in done.levels.items()
    ]
    deliver(found, json, ("Word", "Steps", "Model"), rows)


def search(
    base: BaseArgument,
    prompt: Annotated[str, typer.Option(metavar="TEXT", help="The one image that is searched.")],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Takes rounds and the best; continued if begun.")
    ],
    judge: Annotated[
        Judge,
        typer.Option(
            help="Who ranks: the encoder's similarity to the profile, the proxy M, or a person who "
            "writes ranks.txt into each round's folder."
        ),
    ] = Judge.person,
    profile: ProfileOption = None,
    liked: LikedOption = None,
    disliked: DislikedOption = None,
    encoder: Annotated[str, typer.Option(metavar="NAME", help="What a judge looks with.")] = (
        "embedded"
    ),
    rounds: Annotated[
        int, typer.Option(min=1, metavar="N", help="Rankings; more may be asked later.")
    ] = 20,
    points: Annotated[int, typer.Option(min=2, metavar="M", help="Pictures to rank.")] = 8,
    smoothing: Annotated[
        float, typer.Option(metavar="MU", help="How far they lie from the best, in noise's spread.")
    ] = 0.1,
    step: Annotated[float, typer.Option(metavar="ETA", help="The longest step.")] = 0.5,
    image_seed: Annotated[int, typer.Option(min=0, help="Whose noise is the start.")] = 0,
    steps: SamplingOption = None,
    guidance: GuidanceOption = None,
    size: SizeOption = None,
    negative: Annotated[
        str | None, typer.Option(metavar="PROMPT", help="Its negative prompt.")
    ] = None,
    device: DeviceOption = None,
    batch: Annotated[int | None, typer.Option(min=1, metavar="N", help="Images at once.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the perturbations.")] = 0,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Search the noise of one image by rankings (ZO-RankSGD)."""
    from finexl.generators import Job, Settings, load_generator
    from finexl.sources import is_model
    from finexl.viper.baselines.ranksgd import Manner
    from finexl.viper.baselines.searching import search as searched
    from finexl.viper.steering import pipeline_of

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    settings = Settings(
        steps=steps, guidance=guidance, size=size, negative=negative, device=device, batch=batch
    )
    manner = Manner(points=points, smoothing=smoothing, step=step)
    manner.check()
    oracle = oracle_of(judge, profile, (liked, disliked), encoder)
    model = pipeline_of(load_generator(base if is_model(base) else f"diffusers:{base}", settings))
    with progress_bars(json != "-") as progress:
        where = searched(
            model, Job(prompt, image_seed), oracle, out, manner, rounds, seed, progress
        )
    found = {
        "best": str(where.best),
        "rounds": where.rounds,
        "moves": where.moves,
        "spread": where.spread,
        "waiting": None if where.waiting is None else str(where.waiting),
    }
    row = (str(where.best), str(where.rounds), str(where.moves), f"{where.spread:.2f}")
    deliver(found, json, ("Best", "Rankings", "Moves", "Spread of the noise"), [row])
    if where.waiting is not None:
        say(
            f"Look at the pictures in {where.waiting}, write their numbers, best first, into "
            f"{where.waiting / 'ranks.txt'}, and run this again."
        )


def oracle_of(
    judge: Judge, profile: Path | None, examples: tuple[Path | None, Path | None], encoder: str
) -> Oracle:
    """Return who ranks.

    Raises:
        UsageError: a judge without what it judges by, or a person with it.
    """
    from finexl.viper.baselines import oracles
    from finexl.viper.profile import read_profile
    from finexl.viper.taste import taste_of

    if judge is Judge.person:
        return oracles.Person()
    whose = None if profile is None else read_profile(profile)
    if judge is Judge.similarity:
        if whose is None:
            raise UsageError("--judge similarity judges by a profile; give one with --profile.")
        return oracles.by_similarity(taste_of(whose), encoder)
    if whose is None and not any(examples):
        raise UsageError("--judge proxy judges by --profile, --liked and --disliked; give one.")
    return oracles.by_proxy(None if whose is None else taste_of(whose), *examples, encoder)


def reward(
    base: BaseArgument,
    profile: Annotated[Path, typer.Option(metavar="FILE", help="Whose taste.")],
    prompts: Annotated[
        Path,
        typer.Option(metavar="FILE", help="What it makes while it learns, one a line."),
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the model is kept; continued if begun.")
    ],
    encoder: Annotated[
        str, typer.Option(metavar="NAME", help="What rewards: a CLIP or SigLIP model.")
    ] = "clip",
    measure: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Other prompts, that it is measured on."),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=2, metavar="N", help="Images of each prompt that is measured.")
    ] = 4,
    last: Annotated[
        int,
        typer.Option(min=1, metavar="K", help="Denoising steps that the gradient passes."),
    ] = 1,
    levels: Annotated[
        str, typer.Option(metavar="20,40,...", help="Steps after which the model is kept.")
    ] = "20,40,60,80,100",
    rank: Annotated[int, typer.Option(min=1, metavar="N", help="Of the adapters.")] = 8,
    learning_rate: Annotated[float, typer.Option(metavar="RATE", help="Of Adam.")] = 3e-4,
    batch: Annotated[int, typer.Option(min=1, metavar="N", help="Images a step.")] = 4,
    steps: SamplingOption = None,
    guidance: GuidanceOption = None,
    size: SizeOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the start, the prompts and the noise.")] = 0,
    device: DeviceOption = None,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Fine-tune a LoRA by an encoder's similarity to a profile (DRaFT-K); say what it costs."""
    from dataclasses import asdict

    from finexl.encoders import load_encoder
    from finexl.generators import Settings
    from finexl.personalize.recipe import Recipe
    from finexl.prompts import read_prompts
    from finexl.viper.baselines.rewarded import Rewarding, tune
    from finexl.viper.profile import read_profile
    from finexl.viper.taste import taste_of

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    recipe = Recipe(
        rank=rank, learning_rate=learning_rate, levels=read_steps(levels), batch=batch, seed=seed
    )
    rewarding = Rewarding(
        [row.prompt for row in read_prompts(prompts)],
        taste_of(read_profile(profile)),
        last,
        () if measure is None else [row.prompt for row in read_prompts(measure)],
        seeds,
    )
    settings = Settings(steps=steps, guidance=guidance, size=size, device=device, dtype="float32")
    with progress_bars(json != "-") as progress:
        tuned = tune(base, load_encoder(encoder), rewarding, recipe, out, settings, progress)
    for note in tuned.notes:
        say(note)
    rows = [
        (
            str(level.steps),
            *(f"{x:+.4f}" for x in (level.reward, level.faithfulness)),
            f"{level.diversity:.4f}",
            f"{level.pixels:.1f}",
            level.model,
        )
        for level in tuned.levels
    ]
    found = {"levels": [asdict(level) for level in tuned.levels], "notes": list(tuned.notes)}
    header = ("Steps", "Reward", "To the prompt", "Diversity", "In pixels", "Model")
    deliver(found, json, header, rows)
