"""`finexl viper train-proxy` and `train-extractor`: models that learn from simulated people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finexl.cli.output import DebugOption, JsonOption, check_json, deliver
from finexl.cli.progress import progress_bars, say
from finexl.errors import UsageError

if TYPE_CHECKING:  # imported when the command runs: --help needs none of it
    from finexl.viper.teaching import Score

Base = Annotated[
    str, typer.Argument(metavar="BASE", help="A folder, or HuggingFaceM4/idefics2-8b.")
]
Test = Annotated[float, typer.Option(metavar="SHARE", help="Of the people: those only tested on.")]
Rank = Annotated[int, typer.Option(min=1, metavar="N", help="Of the adapters.")]
LearningRate = Annotated[float, typer.Option(metavar="RATE", help="Of Adam.")]
Device = Annotated[
    str | None, typer.Option(metavar="DEVICE", help="Where to compute: cuda, mps, cpu.")
]


def train_proxy(
    base: Base,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the proxy is kept; continued if begun.")
    ],
    agents: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROUTE=DIR",
            help="Simulated people and how their pictures came about; two routes keep M from "
            "learning the look of one.",
        ),
    ] = None,
    pick_a_pic: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A .csv with user_id, jpg_0, jpg_1, label_0, label_1."),
    ] = None,
    sets: Annotated[int, typer.Option(min=1, metavar="N", help="Sets to learn from.")] = 5000,
    context: Annotated[
        int, typer.Option(min=2, metavar="N", help="Examples in a set, half of them liked.")
    ] = 18,
    test: Test = 0.1,
    steps: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Of Adam; by default every set once.")
    ] = None,
    rank: Rank = 8,
    learning_rate: LearningRate = 1e-5,
    seed: Annotated[
        int, typer.Option(min=0, help="Of who is tested on, the sets and the start.")
    ] = 0,
    device: Device = None,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Train a vision-language model to tell what somebody likes from their examples."""
    from math import ceil

    from finexl.viper.proxy.people import read_people
    from finexl.viper.proxy.recipe import Recipe
    from finexl.viper.proxy.training import train

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    together = Recipe().together
    recipe = Recipe(
        sets=sets,
        context=context,
        test=test,
        steps=ceil(sets / together) if steps is None else steps,
        rank=rank,
        learning_rate=learning_rate,
        seed=seed,
    )
    recipe.check()
    people, notes = read_people(routes_of(agents or ()), pick_a_pic)
    for note in notes:
        say(note)
    with progress_bars(True) as progress:
        trained = train(base, people, recipe, out, device=device, progress=progress)
    found = {
        "adapter": str(trained.adapter),
        "people": len(people),
        "loss": trained.losses[-1] if trained.losses else None,
        "accuracy": trained.accuracy,
        "log_loss": trained.log_loss,
        "tested": trained.tested,
    }
    accuracy = "not known" if trained.accuracy is None else f"{trained.accuracy:.3f}"
    row = (str(trained.adapter), str(len(people)), accuracy, str(trained.tested))
    deliver(found, json, ("Proxy", "People", "Accuracy on others", "Sets tested"), [row])


def train_extractor(
    base: Base,
    people: Annotated[
        Path, typer.Argument(metavar="PEOPLE", help="Simulated people, of `finexl viper agents`.")
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the adapter is kept; continued if begun.")
    ],
    test: Test = 0.1,
    steps: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Of Adam; by default everybody once.")
    ] = None,
    rank: Rank = 8,
    learning_rate: LearningRate = 1e-4,
    seed: Annotated[
        int, typer.Option(min=0, help="Of who is tested on, the order and the start.")
    ] = 0,
    device: Device = None,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Train a vision-language model to read preferences in comments, for `extract --adapter`."""
    from dataclasses import asdict
    from math import ceil

    from finexl.viper.agents import read_agents
    from finexl.viper.fitting import Recipe
    from finexl.viper.teaching import train

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    agents = read_agents(people)
    each = ceil(len(agents) / Recipe.together) if steps is None else steps
    recipe = Recipe(test=test, steps=each, rank=rank, learning_rate=learning_rate, seed=seed)
    folder = people if people.is_dir() else people.parent
    with progress_bars(True) as progress:
        taught = train(base, agents, folder, recipe, out, device=device, progress=progress)
    for note in taught.notes:
        say(note)
    tested = taught.tested
    found = {
        "adapter": str(taught.adapter),
        "people": len(agents),
        "loss": taught.losses[-1] if taught.losses else None,
        "tested": asdict(tested),
    }
    rows = [
        ("the adapter", _told(tested.loss), *_shares(tested.score)),
        ("its base without it", _told(tested.base_loss), *_shares(tested.base_score)),
        ("rules", "–", *_shares(tested.rules_score)),
    ]
    header = ("Read by", "Loss of a token", "F1", "Precision", "Recall")
    deliver(found, json, header, rows, title=f"{taught.adapter}, on {tested.people:,} others")


def _shares(score: Score | None) -> tuple[str, str, str]:
    if score is None:
        return ("–", "–", "–")
    return (_told(score.f1), _told(score.precision), _told(score.recall))


def _told(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def routes_of(given: list[str] | tuple[str, ...]) -> dict[str, Path]:
    """Read ROUTE=DIR options.

    Raises:
        UsageError: one without a name or a folder, or two of one name.
    """
    routes: dict[str, Path] = {}
    for one in given:
        route, equals, folder = one.partition("=")
        if not (route and equals and folder):
            raise UsageError(f"--agents {one!r} is not written ROUTE=DIR, steered=agents/ say.")
        if route in routes:
            raise UsageError(f"--agents names the route {route} twice.")
        routes[route] = Path(folder)
    return routes
