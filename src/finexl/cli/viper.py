"""`finexl viper`: from a person's comments on pictures to what they like and dislike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finexl.cli.explain import Dtype
from finexl.cli.output import DebugOption, JsonOption, check_json, deliver
from finexl.cli.progress import progress_bars, say
from finexl.errors import UsageError

if TYPE_CHECKING:  # imported when the command runs: --help needs none of it
    from finexl.embedding import Progress
    from finexl.viper.extraction import Extractor
    from finexl.viper.pictures import Shown
    from finexl.viper.profile import Profile

app = typer.Typer(
    help="Find out what somebody likes, by what they say about pictures.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
profile_app = typer.Typer(
    help="See, export or delete a profile.", no_args_is_help=True, rich_markup_mode=None
)

ProfileArgument = Annotated[Path, typer.Argument(metavar="PROFILE", help="A profile's JSON.")]
OutArgument = Annotated[Path, typer.Argument(metavar="DIR", help="Where the pictures go.")]
Seed = Annotated[int, typer.Option(min=0, help="Of every draw.")]


def register(root: typer.Typer) -> None:
    """Add the commands to the application."""
    from finexl.cli import (
        viper_agents,
        viper_fit,
        viper_generate,
        viper_proxy,
        viper_study,
        viper_training,
        viper_tune,
    )

    if not app.registered_groups:
        app.add_typer(profile_app, name="profile")
        app.add_typer(viper_study.app, name="study")
        for command in (
            *(viper_generate.generate, viper_fit.rank, viper_fit.verify),
            *(viper_tune.invert, viper_tune.search, viper_tune.reward),
            *(viper_proxy.rate, viper_training.train_proxy, viper_training.train_extractor),
            *(viper_agents.agents, viper_agents.author_test, viper_agents.vp_test),
            viper_agents.recovery,
        ):
            app.command()(command)
    root.add_typer(app, name="viper")


@app.command("set")
def draw(
    out: OutArgument,
    size: Annotated[int, typer.Option(min=64, max=2048, metavar="PIXELS")] = 512,
    seed: Seed = 0,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Draw the built-in pictures to comment on; say how many show each category."""
    from finexl.viper.pictures import draw_set

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    with progress_bars(json != "-") as progress:
        shown = draw_set(out, size=size, seed=seed, progress=progress)
    _deliver_set(shown, out, json)


@app.command("make-set")
def make(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="diffusers:ID-or-path, lora:…, directions:…, gan:…, ar:… or api:…"
        ),
    ],
    out: OutArgument,
    combinations: Annotated[
        int,
        typer.Option(
            min=1, max=100_000, metavar="N", help="Pictures that are made to choose from."
        ),
    ] = 2000,
    keep: Annotated[int, typer.Option(min=1, metavar="N", help="The most different of them.")] = 50,
    add: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A picture that is kept in any case; may be repeated."),
    ] = None,
    encoder: Annotated[str, typer.Option(help="Tells how different they are.")] = "embedded",
    steps: Annotated[int | None, typer.Option(min=1, metavar="N", help="Of denoising.")] = None,
    guidance: Annotated[
        float | None, typer.Option(metavar="SCALE", help="Classifier-free guidance.")
    ] = None,
    size: Annotated[int | None, typer.Option(min=8, metavar="PIXELS")] = None,
    dtype: Annotated[
        Dtype | None, typer.Option(help="Its precision; by default half on a GPU.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="DEVICE", help="Where it computes: cuda, mps, cpu.")
    ] = None,
    batch: Annotated[int | None, typer.Option(min=1, metavar="N", help="Images at once.")] = None,
    seed: Seed = 0,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Let a model make pictures of attributes, and keep those that differ most."""
    from finexl.encoders import load_encoder
    from finexl.generators import Settings, load_generator
    from finexl.viper.diverse import make_set

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    settings = Settings(
        steps=steps,
        guidance=guidance,
        size=size,
        dtype=None if dtype is None else dtype.value,
        device=device,
        batch=batch,
    )
    generator = load_generator(model, settings)
    if generator.notice is not None:
        say(generator.notice)
    with progress_bars(json != "-") as progress:
        shown = make_set(
            generator,
            load_encoder(encoder),
            out,
            combined=combinations,
            kept=keep,
            added=add or (),
            seed=seed,
            progress=progress,
        )
    _deliver_set(shown, out, json)


@app.command()
def comment(
    profile: ProfileArgument,
    comments: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]", help="A .jsonl or .csv with `text` and `picture`, a .txt of comments."
        ),
    ] = None,
    text: Annotated[str | None, typer.Option(metavar="TEXT", help="One comment.")] = None,
    picture: Annotated[
        str | None, typer.Option(metavar="FILE", help="What it is about: a file, or its name.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What to call the profile.")] = None,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Add comments to a profile, which is begun if there is none."""
    from finexl.viper.comments import begun, commented, read_comments
    from finexl.viper.profile import Comment, write_profile

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    if (comments is None) == (text is None):
        raise UsageError("Give a file of comments, or one comment with --text.")
    if picture is not None and text is None:
        raise UsageError("--picture is what --text is about; a file has its own pictures.")
    before = begun(profile, name)
    if comments is not None:
        found, notes = read_comments(comments)
        after = commented(before, found, comments.parent)
        for note in notes:
            say(note)
    else:
        after = commented(before, [Comment(text or "", picture)])
    write_profile(after, profile)
    added = len(after.comments) - len(before.comments)
    rows = [(after.name, str(added), str(len(after.comments)))]
    told = {"profile": str(profile), "added": added, "comments": len(after.comments)}
    deliver(told, json, ("Profile", "Added", "Comments"), rows)
    if not before.comments and json != "-":
        say(after.consent)


@app.command()
def extract(
    profile: ProfileArgument,
    pictures: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The pictures that the comments are about."),
    ] = None,
    encoder: Annotated[
        str, typer.Option(help="Looks at pictures where a comment names no attribute.")
    ] = "embedded",
    vlm: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Read by a vision-language model, as for `explain`."),
    ] = None,
    vlm_limit: Annotated[
        str | None,
        typer.Option(metavar="LIMITS", help="requests=40,tokens=200000,usd=1.5,price=2.5/10"),
    ] = None,
    adapter: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="Read by weights trained for it: EPFL-VILAB/VPE-ViPer, a folder."
        ),
    ] = None,
    base: Annotated[
        str | None, typer.Option(metavar="MODEL", help="The adapter's base, if not what it names.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="DEVICE", help="Where the adapter computes.")
    ] = None,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Find what a profile's comments like and dislike; offline by default."""
    from finexl.viper.extraction import read_into
    from finexl.viper.pictures import named_pictures
    from finexl.viper.profile import read_profile, write_profile

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    before = read_profile(profile)
    there = {} if pictures is None else named_pictures(pictures)
    with progress_bars(json != "-") as progress:
        if adapter is not None:
            extractor = _adapted(adapter, base, device, vlm)
        elif vlm is not None:
            extractor = _asked(vlm, vlm_limit)
        else:
            extractor = _offline(encoder, pictures, progress)
        after = read_into(before, extractor, there)
    write_profile(after, profile)
    _deliver_profile(after, json)


@profile_app.command()
def show(profile: ProfileArgument, json: JsonOption = None, debug: DebugOption = False) -> None:
    """Show what a profile likes and dislikes, how surely, and in whose words."""
    from finexl.viper.profile import read_profile

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    _deliver_profile(read_profile(profile), json)


@profile_app.command()
def export(
    profile: ProfileArgument,
    out: Annotated[Path, typer.Argument(metavar="FILE", help="Where the copy goes.")],
    without_comments: Annotated[
        bool, typer.Option("--without-comments", help="The preferences alone, nobody's words.")
    ] = False,
    debug: DebugOption = False,
) -> None:
    """Write a copy of a profile, to keep or to give away."""
    from finexl.viper.profile import read_profile, write_profile

    del debug  # looked for by `main`, which is where errors end
    found = read_profile(profile)
    write_profile(found.without_comments() if without_comments else found, out)


@profile_app.command()
def delete(
    profile: ProfileArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    debug: DebugOption = False,
) -> None:
    """Delete a profile, comments and all."""
    from finexl.images import printable
    from finexl.viper.profile import delete_profile, read_profile

    del debug  # looked for by `main`, which is where errors end
    found = read_profile(profile)
    asked = f"Delete {found.name} and its comments ({len(found.comments):,})?"
    if yes or typer.confirm(printable(asked)):
        delete_profile(profile)


def _offline(encoder: str, pictures: Path | None, progress: Progress) -> Extractor:
    from functools import partial

    from finexl.encoders import load_encoder
    from finexl.imageset import read_images
    from finexl.viper.extraction import Offline
    from finexl.viper.pictures import mean_of

    loaded = load_encoder(encoder)
    around = () if pictures is None else read_images(pictures).pictures
    return Offline(loaded, partial(mean_of, loaded, around, progress))


def _asked(vlm: str, limits: str | None) -> Extractor:
    from finexl.asking import looking
    from finexl.viper.extraction import Asked
    from finexl.vlm import Limited, Limits

    model = looking(vlm, say)
    return Asked(model if limits is None else Limited(model, Limits.parse(limits)))


def _adapted(adapter: str, base: str | None, device: str | None, vlm: str | None) -> Extractor:
    from finexl.viper.extraction.adapted import load_adapted

    if vlm is not None:
        raise UsageError("Give --vlm or --adapter, not both.")
    return load_adapted(adapter, base, device)


def _deliver_set(shown: tuple[Shown, ...], out: Path, json: str | None) -> None:
    from finexl.viper.pictures import coverage

    counts = coverage(shown)
    rows = [(category, str(count)) for category, count in counts.items()]
    told = {"folder": str(out), "pictures": [one.file for one in shown], "coverage": counts}
    title = f"{len(shown)} pictures in {out}"
    deliver(told, json, ("Category", "Pictures that show it"), rows, title=title)


def _deliver_profile(profile: Profile, json: str | None) -> None:
    rows = [
        (
            opinion,
            one.attribute,
            one.category or "",
            f"{one.confidence:.2f}",
            one.evidence[0].words[:60] if one.evidence else "",
        )
        for opinion in ("liked", "disliked", "mixed")
        for one in getattr(profile, opinion)
    ]
    count = len(profile.comments)
    title = f"{profile.name}: {count:,} {'comment' if count == 1 else 'comments'}"
    header = ("", "Attribute", "Category", "Confidence", "First said in")
    deliver(profile.to_dict(), json, header, rows, title=title)
    if json != "-":
        for note in profile.notes:
            say(note)
