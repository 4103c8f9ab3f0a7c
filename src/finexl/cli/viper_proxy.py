"""`finexl viper rate` and `train-proxy`: what somebody will like, and learning to tell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finexl.cli.output import DebugOption, JsonOption, check_json, deliver
from finexl.cli.progress import progress_bars, say
from finexl.errors import UsageError

if TYPE_CHECKING:
    from finexl.viper.profile import Profile
    from finexl.viper.proxy.rating import Rating
    from finexl.viper.proxy.showing import Looked

    Folders = list[list[Path]]
    Rated = tuple[str, list[Looked[Any]], tuple[Rating, ...]]

NOBODY = "-"


def rate(
    profile: Annotated[
        str,
        typer.Argument(metavar="PROFILE", help="Whose taste; - for none, with examples alone."),
    ],
    pictures: Annotated[
        list[Path], typer.Argument(metavar="PICTURE...", help="Pictures, or folders of them.")
    ],
    liked: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Pictures that this person likes.")
    ] = None,
    disliked: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Pictures that this person dislikes.")
    ] = None,
    encoder: Annotated[
        str, typer.Option(metavar="NAME", help="What looks at the pictures.")
    ] = "embedded",
    proxy: Annotated[
        str | None,
        typer.Option(
            metavar="ADAPTER",
            help="A trained proxy instead, by examples alone: a folder that train-proxy filled, or "
            "EPFL-VILAB/Metric-ViPer.",
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="What --proxy was trained on; by default as it says."),
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="DEVICE", help="Where --proxy computes: cuda, mps, cpu.")
    ] = None,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Say how probable it is that somebody likes pictures, by words, examples, or both."""
    from finexl.viper.profile import read_profile

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    if base is not None and proxy is None:
        raise UsageError("--base is what --proxy was trained on; give that as well, or leave it.")
    whose = None if profile == NOBODY else read_profile(Path(profile))
    folders = [*([] if folder is None else [folder] for folder in (liked, disliked)), pictures]
    if proxy is None:
        name, looked, ratings = by_encoder(encoder, whose, folders)
    else:
        name, looked, ratings = by_judge(proxy, base, device, folders)
    for fault in (fault for side in looked for fault in side.faults):
        say(fault)
    asked = looked[2]
    rated = list(zip(asked.names, ratings, strict=True))
    found = {
        "schema": "finexl.ratings/1",
        "profile": None if whose is None else whose.name,
        "proxy": name,
        "liked": len(looked[0].seen),
        "disliked": len(looked[1].seen),
        "pictures": [{"picture": picture, **rating.to_dict()} for picture, rating in rated],
        "left_out": [fault for side in looked for fault in side.faults],
    }
    rows = [
        (
            picture,
            f"{rating.probability:.2f}",
            "" if rating.low is None else f"{rating.low:.2f} to {rating.high:.2f}",
            rating.says,
        )
        for picture, rating in rated
    ]
    deliver(found, json, ("Picture", "Probability", "95% interval", "This person"), rows)


def by_encoder(encoder: str, profile: Profile | None, folders: Folders) -> Rated:
    """Rate without training."""
    import numpy as np

    from finexl.encoders import image_rows, load_encoder
    from finexl.viper.proxy.proxy import Proxy
    from finexl.viper.proxy.reference import built_in
    from finexl.viper.proxy.showing import look_at

    looks = load_encoder(encoder)
    looked = [look_at(paths, lambda image: image_rows(looks, [image])[0]) for paths in folders]
    liked, disliked, asked = (
        np.array(side.seen).reshape(len(side.seen), looks.dim) for side in looked
    )
    with progress_bars(True) as progress:
        pictures = built_in(looks, progress)
    person = Proxy.fit(liked, disliked, profile, looks, reference=pictures)
    for note in person.notes:
        say(note)
    return looks.name, looked, person.rate(asked)


def by_judge(proxy: str, base: str | None, device: str | None, folders: Folders) -> Rated:
    """Rate by a trained proxy."""
    from finexl.viper.proxy.judge import load_judge
    from finexl.viper.proxy.showing import look_at
    from finexl.vlm.pictures import scaled

    judge = load_judge(proxy, base, device)
    looked = [look_at(paths, lambda image: scaled(image, judge.side)) for paths in folders]
    return proxy, looked, judge.rate(*(side.seen for side in looked))


def train_proxy(
    base: Annotated[
        str, typer.Argument(metavar="BASE", help="A folder, or HuggingFaceM4/idefics2-8b.")
    ],
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
    test: Annotated[
        float, typer.Option(metavar="SHARE", help="Of the people: those only tested on.")
    ] = 0.1,
    steps: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Of Adam; by default every set once.")
    ] = None,
    rank: Annotated[int, typer.Option(min=1, metavar="N", help="Of the adapters.")] = 8,
    learning_rate: Annotated[float, typer.Option(metavar="RATE", help="Of Adam.")] = 1e-5,
    seed: Annotated[
        int, typer.Option(min=0, help="Of who is tested on, the sets and the start.")
    ] = 0,
    device: Annotated[
        str | None, typer.Option(metavar="DEVICE", help="Where to compute: cuda, mps, cpu.")
    ] = None,
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
