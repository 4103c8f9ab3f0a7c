"""`finexl viper agents`, `author-test`, `vp-test` and `recovery`: simulated people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finexl.cli.output import DebugOption, JsonOption, check_json, deliver
from finexl.cli.progress import progress_bars, say

if TYPE_CHECKING:
    from finexl.viper.agents import Accuracy
    from finexl.viper.agents.recovery import Share

AgentsArgument = Annotated[
    Path, typer.Argument(metavar="DIR", help="What `finexl viper agents` made.")
]
ExtractorOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="What reads the comments: offline, a vision-language model such as openai:MODEL, or "
        "to compare with, lookup (words alone) and truth (what the grammar meant).",
    ),
]
MatcherOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="What ranks the candidates: similarity, meaning (an author by whole clauses), or a "
        "language model.",
    ),
]
EncoderOption = Annotated[
    str,
    typer.Option(metavar="NAME", help="What offline looks at pictures with; none: not at all."),
]
SeedOption = Annotated[int, typer.Option(min=0, metavar="S", help="Of the draws.")]


def agents(
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="The folder they are put in; continued if begun.")
    ],
    count: Annotated[int, typer.Option(min=1, metavar="N", help="How many.")] = 5000,
    seed: SeedOption = 0,
    pictures: Annotated[
        int, typer.Option(min=1, metavar="N", help="Pictures, and comments, an agent; about.")
    ] = 10,
    size: Annotated[
        int | None, typer.Option(min=8, metavar="PIXELS", help="The pictures' width and height.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="Makes the pictures (diffusers:MODEL, say); else drawn."
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The model's denoising steps.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="DEVICE", help="Where it computes: cuda, mps, cpu.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Images that it makes at once.")
    ] = None,
    vlm: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="Writes the comments (openai:MODEL, say); else a grammar does."
        ),
    ] = None,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Make simulated people: what they like, the pictures they are shown, what they say of them."""
    from finexl.asking import looking
    from finexl.generators import Settings, load_generator
    from finexl.viper.agents import Drawn, drawable, make_agents
    from finexl.viper.attributes import attributes

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    settings = Settings(steps=steps, size=size, device=device, batch=batch)
    maker = load_generator(model, settings) if model else Drawn(size) if size else Drawn()
    if maker.notice is not None:
        say(maker.notice)
    if model is None:
        say(
            f"{len(drawable())} of {len(attributes())} attributes can be drawn; pictures are made "
            "from these alone, and likes and dislikes from all."
        )
    writer = None if vlm is None else looking(vlm, say)
    with progress_bars(True) as progress:
        made = make_agents(
            out, count, seed, pictures=pictures, generator=maker, vlm=writer, progress=progress
        )
    for note in made.notes:
        say(note)
    found = {
        "folder": str(out),
        "agents": len(made.agents),
        "attributes": sum(len(one.liked) + len(one.disliked) for one in made.agents),
        "pictures": sum(len(one.pictures) for one in made.agents),
        "comments": sum(len(one.comments) for one in made.agents),
        "drawable": len(drawable()),
        "notes": list(made.notes),
    }
    counts = [str(found[key]) for key in ("agents", "attributes", "pictures", "comments")]
    deliver(found, json, ("Folder", "Agents", "Attributes", "Pictures", "Comments"),
            [(str(out), *counts)])  # fmt: skip


def author_test(
    people: AgentsArgument,
    authors: Annotated[
        int, typer.Option(min=1, metavar="N", help="Authors, of two comments each.")
    ] = 100,
    extractor: ExtractorOption = "offline",
    matcher: MatcherOption = "similarity",
    encoder: EncoderOption = "embedded",
    seed: SeedOption = 0,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Tell from a comment whose preferences, of five agents, it comes from (Table 2)."""
    from finexl.viper import agents as of
    from finexl.viper.agents import readers

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    everyone, folder = of.read_agents(people), _folder(people)
    reads = readers.extractor_of(extractor, encoder, everyone, folder, say)
    ranks = readers.matcher_of(matcher, reads, say)
    with progress_bars(True) as progress:
        rows = of.author_test(
            everyone, ranks, authors=authors, seed=seed, folder=folder, progress=progress
        )
    _deliver_accuracies(rows, ranks.name, json)


def vp_test(
    people: AgentsArgument,
    tested: Annotated[int, typer.Option(min=1, metavar="N", help="Agents.")] = 50,
    extractor: ExtractorOption = "offline",
    matcher: MatcherOption = "similarity",
    encoder: EncoderOption = "embedded",
    seed: SeedOption = 0,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Tell whose preferences, of five agents, those read from an agent's comments are (Table 2)."""
    from finexl.viper import agents as of
    from finexl.viper.agents import readers

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    everyone, folder = of.read_agents(people), _folder(people)
    reads = readers.extractor_of(extractor, encoder, everyone, folder, say)
    ranks = readers.matcher_of(matcher, reads, say)
    with progress_bars(True) as progress:
        rows = of.vp_test(
            everyone, reads, ranks, tested=tested, seed=seed, folder=folder, progress=progress
        )
    name = f"{reads.name}; ranked by {ranks.name}" if matcher != readers.SIMILARITY else ranks.name
    _deliver_accuracies(rows, name, json)


def recovery(
    people: AgentsArgument,
    extractor: ExtractorOption = "offline",
    encoder: EncoderOption = "embedded",
    most: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The first N agents; all by default.")
    ] = None,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Measure what an extractor finds in agents' comments of what they speak of."""
    from dataclasses import asdict

    from finexl.viper import agents as of
    from finexl.viper.agents import readers

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    everyone, folder = of.read_agents(people), _folder(people)
    reads = readers.extractor_of(extractor, encoder, everyone, folder, say)
    with progress_bars(True) as progress:
        found = of.recovery(everyone[:most], reads, folder=folder, progress=progress)
    rows: list[tuple[str, Share]] = [
        ("Precision: found, and said", found.precision),
        ("Recall: said, and found", found.recall),
        ("Polarity right, of those found", found.polarity),
        ("Precision, another of its kind counts", found.kind_precision),
        ("Recall, another of its kind counts", found.kind_recall),
        ("Precision: found, and held", found.held_precision),
        ("Recall: held, and found", found.held_recall),
        *((f"Recall, {manner}", share) for manner, share in found.by_manner.items()),
    ]
    deliver(
        asdict(found), json, ("", "Percent", "95 % interval", "Of"),
        [(label, f"{one.value:.1f}", _interval(one.ci), f"{one.whole:,}") for label, one in rows],
        title=f"{found.agents:,} agents, read by {found.extractor}",
    )  # fmt: skip


def _folder(people: Path) -> Path:
    return people if people.is_dir() else people.parent


def _deliver_accuracies(rows: Sequence[Accuracy], matcher: str, to: str | None) -> None:
    """Print accuracies, the paper's beside them."""
    from dataclasses import asdict

    shown = [
        (
            {"all": "all", "liked": "liked alone", "disliked": "disliked alone"}[one.sides],
            f"top {one.k}",
            f"{one.share:.1f}",
            _interval(one.ci),
            f"{one.chance:.0f}",
            "–" if one.paper is None else f"{one.paper:.1f}",
        )
        for one in rows
    ]
    found = {"matcher": matcher, "accuracies": [asdict(one) for one in rows]}
    header = ("Preferences", "Among", "Percent", "95 % interval", "Chance", "Paper (GPT-4)")
    deliver(found, to, header, shown, title=f"{rows[0].questions:,} questions, {matcher}")


def _interval(ci: tuple[float, float]) -> str:
    return f"{ci[0]:.1f} to {ci[1]:.1f}"
