"""`finexl viper study`: ranking tests with people, and the same with scorers in their place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finexl.cli import viper_simulate
from finexl.cli.output import DebugOption, JsonOption, check_json, deliver
from finexl.cli.progress import progress_bars, say
from finexl.errors import UsageError

if TYPE_CHECKING:  # imported when the command runs: --help needs none of it
    from finexl.viper.study.building import Sources, Tastes
    from finexl.viper.study.design import Test
    from finexl.viper.study.people import Subject

app = typer.Typer(
    help="Test whether pictures suit a person: with people, or with scorers in their place.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

PromptsOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A .txt with one a line, or a .csv/.jsonl.")
]


for _command in (
    *(viper_simulate.simulate, viper_simulate.attributes),
    *(viper_simulate.comments, viper_simulate.diversity),
):
    app.command()(_command)


@app.command("make")
def make(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Where the study goes.")],
    profile: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Who takes part; once a person."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Makes the pictures: diffusers:…, lora:…, directions:…"),
    ] = None,
    pictures: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=DIR",
            help="Instead of --model: a person's pictures, with prompts in a manifest.",
        ),
    ] = None,
    plain: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="With --pictures: those made for nobody."),
    ] = None,
    prompts: PromptsOption = None,
    test: Annotated[
        str, typer.Option(metavar="none|others|both", help="What own pictures are shown among.")
    ] = "both",
    count: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Prompts a test; pictures of up to nine more are examples for M.",
        ),
    ] = 15,
    degree: viper_simulate.DegreeOption = 0.6,
    steps: viper_simulate.StepsOption = None,
    guidance: viper_simulate.GuidanceOption = None,
    size: viper_simulate.SizeOption = None,
    device: viper_simulate.DeviceOption = None,
    batch: viper_simulate.BatchOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Of who meets whom, and every order.")] = 0,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Make a ranking test: a page a person, for their browser, and the key to it for you."""
    from finexl.generators import Settings, load_generator
    from finexl.prompts import read_prompts
    from finexl.viper.study.building import build, from_model

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    tests = _tests(test)
    people = _people(profile or ())
    given = [] if prompts is None else [row.prompt for row in read_prompts(prompts)]
    asked = list(dict.fromkeys(given))
    if (model is None) == (pictures is None):
        raise UsageError("Give either --model, which makes the pictures, or --pictures NAME=DIR.")
    with progress_bars(json != "-") as progress:
        if model is not None:
            if not people or not asked:
                raise UsageError("A model makes pictures of prompts for people: give --prompts and "
                                 "a --profile a person.")  # fmt: skip
            settings = Settings(
                steps=steps, guidance=guidance, size=size, device=device, batch=batch
            )
            base = load_generator(model, settings)
            if base.notice is not None:
                say(base.notice)
            sources = from_model(base, people, asked, tests, degree, out, progress)
            tastes: Tastes = {one.name: (one.taste.liked, one.taste.disliked) for one in people}
        else:
            sources, tastes = _folders(pictures or [], plain, people)
            asked = asked or list(next(iter(sources.own.values())))
        built = build(
            out, sources, tastes, asked, tests, count=min(count, len(asked)), seed=seed,
            progress=progress,
        )  # fmt: skip
    found = {
        "study": built.study.id,
        "folder": str(out),
        "pages": [str(path) for path in built.pages],
        "people": [one.name for one in built.study.people],
        "tests": list(tests),
    }
    rows = [
        (one.name, str(path), str(len(one.trials)), f"{path.stat().st_size / 1e6:.1f} MB")
        for one, path in zip(built.study.people, built.pages, strict=True)
    ]
    deliver(found, json, ("Person", "Page to send", "Line-ups", "Size"), rows)
    if json != "-":
        say(f"{out / 'study.json'} is the key: keep it, and send the pages alone.")


@app.command("analyse")
def analyse(
    study: Annotated[Path, typer.Argument(metavar="DIR", help="What `study make` wrote.")],
    answers: Annotated[
        list[Path] | None,
        typer.Argument(metavar="ANSWERS...", help="What people saved; none: M alone is asked."),
    ] = None,
    scorer: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="In people's place: proxy (examples alone), proxy+words, similarity, each with "
            ":ENCODER; or preference:MODEL.",
        ),
    ] = "proxy+words",
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A page with tables and matrices.")
    ] = None,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Say how often people put their own pictures first, and whether M would have told."""
    from finexl.files import check_writable, write_atomic
    from finexl.viper.study.analysis import analyse as analysed
    from finexl.viper.study.answers import read_answers
    from finexl.viper.study.design import read_study
    from finexl.viper.study.report import HEADER, render_html, rows, sentences
    from finexl.viper.study.scorers import load_scorer

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    if html is not None:
        check_writable(html)
    key = read_study(study)
    given, notes = read_answers(key, answers) if answers else ([], [])
    with progress_bars(json != "-") as progress:
        found = analysed(key, study, given, load_scorer(scorer), notes, progress)
    for note in found.notes:
        say(note)
    if html is not None:
        write_atomic(html, render_html(found))
    deliver(found.to_dict(), json, HEADER, rows(found))
    if json != "-":
        for sentence in sentences(found):
            typer.echo(sentence)


def _tests(test: str) -> tuple[Test, ...]:
    if test == "both":
        return ("none", "others")
    if test == "none":
        return ("none",)
    if test == "others":
        return ("others",)
    raise UsageError(f"--test is none, others or both, not {test!r}.")


def _people(profiles: list[Path] | tuple[Path, ...]) -> list[Subject]:
    from finexl.viper.study.people import read_subjects

    found = [one for path in profiles for one in read_subjects(path)]
    names = [one.name for one in found]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"Two profiles are of {twice}; people of a study have names of their own.")
    return found


def _folders(given: list[str], plain: Path | None, people: list[Subject]) -> tuple[Sources, Tastes]:
    from finexl.viper.study.building import from_folders

    folders: dict[str, Path] = {}
    for one in given:
        name, equals, folder = one.partition("=")
        if not (name.strip() and equals and folder) or name in folders:
            raise UsageError(f"--pictures {one!r} is not NAME=DIR, each name given once.")
        folders[name] = Path(folder)
    known = {one.name: (one.taste.liked, one.taste.disliked) for one in people}
    stray = next((name for name in known if name not in folders), None)
    if stray is not None:
        raise UsageError(f"The profile of {stray} has no --pictures {stray}=DIR.")
    return from_folders(folders, plain), {name: known.get(name, ((), ())) for name in folders}
