"""`finexl viper rate`: what somebody will like."""

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
    paths = [Path(picture) for picture in asked.names]
    short = len({path.name for path in paths}) == len(paths)
    rows = [
        (
            Path(picture).name if short else picture,
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
