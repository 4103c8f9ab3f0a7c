"""`finexl catalog`: many explained models, stored and searched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finexl.cli.output import DebugOption, JsonOption, check_json, deliver, deliver_json
from finexl.cli.progress import progress_bars, say
from finexl.cli.where import (
    GpusOption,
    On,
    OnOption,
    Place,
    RayAddressOption,
    WorkersOption,
    place_of,
)
from finexl.errors import UsageError

if TYPE_CHECKING:  # imported when the command runs: --help needs none of it
    from finexl.catalog import Found
    from finexl.catalog.adding import Addition
    from finexl.embedding import Progress

app = typer.Typer(
    help="Store explained models, and search them by what they do.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

CatalogOption = Annotated[
    Path, typer.Option("--catalog", envvar="FINEXL_CATALOG", metavar="FILE", help="The catalog.")
]
BaseOption = Annotated[str | None, typer.Option("--base", help="Only models of this base.")]
FamilyOption = Annotated[str | None, typer.Option("--family", help="Only models of this family.")]
LicenceOption = Annotated[str | None, typer.Option("--licence", help="Only under this licence.")]
TagOption = Annotated[str | None, typer.Option("--tag", help="Only models with this tag.")]
USUAL = Path("finexl-catalog.db")
LISTS = (".csv", ".jsonl", ".txt")


def register(root: typer.Typer) -> None:
    """Add the commands to the application."""
    root.add_typer(app, name="catalog")


@app.command()
def add(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Explanations (JSON), runs, folders of either; or what is explained now: a model "
            "(lora:BASE+FILE@SCALE, diffusers:MODEL, gan:…, ar:…, directions:…), or a list of "
            "models as `finexl explain-many` takes it (.csv, .jsonl, .txt).",
        ),
    ],
    catalog: CatalogOption = USUAL,
    against: Annotated[
        str | None,
        typer.Option(metavar="BASE", help="What a model is compared with, if it does not say."),
    ] = None,
    prompts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What a model makes images of.")
    ] = None,
    image_seeds: Annotated[
        str | None, typer.Option(metavar="0-3", help="Seeds that it makes images with.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Its denoising steps.")
    ] = None,
    encoder: Annotated[str, typer.Option(help="The encoder that measures it.")] = "embedded",
    name: Annotated[str | None, typer.Option(help="What to call a single entry.")] = None,
    weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The model's .safetensors: its header says more of it."),
    ] = None,
    base: Annotated[str | None, typer.Option(help="The base's name in the catalog.")] = None,
    family: Annotated[str | None, typer.Option(help="The architecture: SDXL, FLUX, …")] = None,
    licence: Annotated[str | None, typer.Option(help="The model's licence.")] = None,
    trigger: Annotated[
        list[str] | None, typer.Option(metavar="WORD", help="Trigger words; may be given again.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Tags; may be given again.")] = None,
    on: OnOption = On.local,
    workers: WorkersOption = None,
    ray_address: RayAddressOption = None,
    gpus: GpusOption = 0.0,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Add explained models; one of the same name is replaced.

    What a list's models need is kept beside the catalog, in FILE.explained: what failed is in
    failed.jsonl there, the rest is added, and the command ends with 1.
    """
    from finexl.catalog import Catalog
    from finexl.catalog.adding import kept_said, read_additions
    from finexl.images import printable

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    asked = {
        "base": against,
        "prompts": prompts,
        "image_seeds": image_seeds,
        "steps": steps,
        "encoder": encoder,
        "name": None if name is None else printable(name),
    }
    said = {
        "base": base,
        "family": family,
        "licence": licence,
        "trigger_words": tuple(trigger or ()),
        "tags": tuple(tag or ()),
    }
    rows, failed = [], False
    place = place_of(on, workers, ray_address, gpus, fitting=1)
    with Catalog.open(catalog, create=True) as opened, progress_bars(json != "-") as progress:
        for source in sources:
            parts = [source]
            if Path(source).suffix in LISTS:
                parts, whole = _explain_list(Path(source), asked, catalog, place, progress)
                failed = failed or not whole
            found = [
                _named(addition, name, weights, said)
                for part in parts
                for addition in read_additions(part, asked, progress, say)
            ]
            _check_distinct(found, name)
            with opened.together():
                for a in found:
                    before = opened.find(a.entry.name)
                    if before is not None:
                        a = kept_said(a, before, opened.thumbnails(a.entry.name))
                    change = opened.add(a.entry, a.thumbnails)
                    rows.append((a.entry.name, change, a.source))
    keys = ("name", "change", "source")
    listed = [dict(zip(keys, row, strict=True)) for row in rows]
    deliver({"models": listed}, json, ("Model", "", "From"), rows)
    if failed:
        raise typer.Exit(1)


@app.command()
def search(
    wishes: Annotated[
        str | None,
        typer.Argument(metavar="WISHES", help="“vivid, not abstract, a bit grainy”."),
    ] = None,
    catalog: CatalogOption = USUAL,
    like: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Models that do what this one does.")
    ] = None,
    between: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="MODEL MODEL", help="Models that lie between these two."),
    ] = None,
    base: BaseOption = None,
    family: FamilyOption = None,
    licence: LicenceOption = None,
    tag: TagOption = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="The most models.")] = 10,
    encoder: Annotated[
        str | None, typer.Option(help="Of models measured by several, those of this one.")
    ] = None,
    vlm: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="A language model that reads wishes written freely."),
    ] = None,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Rank models by what they do."""
    from finexl.asking import looking
    from finexl.catalog import Catalog, Filter, Searcher, ask_wishes, parse_wishes

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    if sum(given is not None for given in (wishes, like, between)) != 1:
        raise UsageError("Give wishes in words, or --like MODEL, or --between MODEL MODEL.")
    where, searcher = Filter(base, family, licence, tag), Searcher()
    with Catalog.open(catalog) as opened:
        if wishes is None:
            names = (like,) if like is not None else between or ()
            found = searcher.like(opened, *names, where=where, limit=limit)
        else:
            read = parse_wishes(wishes) if vlm is None else ask_wishes(wishes, looking(vlm, say))
            found = searcher.search(opened, read, where=where, limit=limit, encoder=encoder)
    deliver_found(found, json)


@app.command("list")
def list_(
    text: Annotated[
        str, typer.Argument(help="Words in the name, in what is said of it, or in what was found.")
    ] = "",
    catalog: CatalogOption = USUAL,
    base: BaseOption = None,
    family: FamilyOption = None,
    licence: LicenceOption = None,
    tag: TagOption = None,
    limit: Annotated[
        int, typer.Option(min=1, max=100_000, metavar="N", help="The most models.")
    ] = 50,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """List models with their strongest aspects."""
    from finexl.catalog import Catalog, Filter

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    where = Filter(base, family, licence, tag)
    with Catalog.open(catalog) as opened:
        cards = opened.cards(where, text=text, limit=limit)
        total = opened.count(where, text=text)
    states = {True: "yes", False: "no", None: "–"}
    rows = [
        (
            *(card.name, card.base, card.family or "–", states[card.detected]),
            ", ".join(f"{concept} {score:+.2f}" for concept, score in card.aspects) or "–",
        )
        for card in cards
    ]
    found = {"total": total, "models": [vars(card) for card in cards]}
    title = f"{len(cards):,} of {total:,} models" if total > len(cards) else f"{total:,} models"
    deliver(found, json, ("Model", "Base", "Family", "Differs", "Aspects"), rows, title=title)


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="MODEL", help="An entry's name.")],
    catalog: CatalogOption = USUAL,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Show a model: its explanation, and what is said of it."""
    from dataclasses import asdict

    from finexl.catalog import Catalog

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    with Catalog.open(catalog) as opened:
        entry = opened.entry(name)
        pictures = len(opened.thumbnails(name))
    said = asdict(entry.metadata)
    found = {
        "name": entry.name,
        "added": entry.added,
        "metadata": said,
        "thumbnails": pictures,
        "explanation": entry.explanation.to_dict(),
    }
    if deliver_json(found, json):
        return
    from rich.console import Console

    from finexl.images import printable
    from finexl.report import render_terminal

    render_terminal(entry.explanation, Console())
    for key, value in said.items():
        if value and key != "header":
            written = value if isinstance(value, str) else ", ".join(value)
            typer.echo(f"{key.replace('_', ' ').capitalize()}: {printable(written)}")


@app.command()
def remove(
    names: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Entries' names.")],
    catalog: CatalogOption = USUAL,
    debug: DebugOption = False,
) -> None:
    """Remove models from the catalog; the models themselves stay."""
    from finexl.catalog import Catalog

    del debug  # looked for by `main`, which is where errors end
    with Catalog.open(catalog) as opened, opened.together():
        for name in names:
            opened.remove(name)
    typer.echo(f"{len(names):,} removed.")


@app.command()
def export(
    to: Annotated[Path, typer.Argument(metavar="FILE", help="Ends in .jsonl or .parquet.")],
    catalog: CatalogOption = USUAL,
    base: BaseOption = None,
    family: FamilyOption = None,
    licence: LicenceOption = None,
    tag: TagOption = None,
    debug: DebugOption = False,
) -> None:
    """Write entries as JSON lines or as a Parquet table."""
    from finexl.catalog import Catalog, Filter
    from finexl.catalog.exchange import export_to

    del debug  # looked for by `main`, which is where errors end
    with Catalog.open(catalog) as opened:
        count = export_to(opened, to, Filter(base, family, licence, tag))
    typer.echo(f"{count:,} written.")


@app.command("import")
def import_(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="What `export` wrote.")],
    catalog: CatalogOption = USUAL,
    debug: DebugOption = False,
) -> None:
    """Add the entries that another catalog exported."""
    from finexl.catalog import Catalog
    from finexl.catalog.exchange import add_all, import_from

    del debug  # looked for by `main`, which is where errors end
    with Catalog.open(catalog, create=True) as opened:
        counts = add_all(opened, import_from(path))
    typer.echo(", ".join(f"{count:,} {change}" for change, count in counts.items()) + ".")


@app.command()
def verify(
    catalog: CatalogOption = USUAL, json: JsonOption = None, debug: DebugOption = False
) -> None:
    """Check that the file is whole and every entry is what was added; exit 1 where it is not."""
    from finexl.catalog import Catalog

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    with Catalog.open(catalog) as opened:
        count, wrong = opened.count(), opened.verify()
    if not deliver_json({"models": count, "wrong": wrong}, json):
        for line in wrong:
            typer.echo(line)
        typer.echo(f"{count:,} models; " + (f"{len(wrong):,} faults." if wrong else "all whole."))
    if wrong:
        raise typer.Exit(1)


def _explain_list(
    listed: Path, asked: dict[str, Any], catalog: Path, place: Place, progress: Progress
) -> tuple[list[str], bool]:
    """Explain a list's models; return the runs of those that could be, and whether all could."""
    from finexl.images import printable
    from finexl.many import explain_many
    from finexl.questions import questions_of, read_list

    options = {key: value for key, value in asked.items() if key not in ("base", "name")}
    questions = questions_of(read_list(listed), options)
    folder = catalog.with_name(catalog.name + ".explained")
    runs: dict[str, str] = {}
    ended = explain_many(questions, folder, place.on, makers=place.makers, embedder=place.embedder)
    for done, outcome in enumerate(ended, 1):
        step = outcome.task.asked
        if outcome.error is None:
            runs[step.question.name] = str(step.run)
        else:
            say(f"finexl: {printable(f'{step.question.name}: {outcome.error}')}")
        progress("Explaining", done, len(questions))
    return [runs[q.name] for q in questions if q.name in runs], len(runs) == len(questions)


def _named(
    addition: Addition, name: str | None, weights: Path | None, said: dict[str, Any]
) -> Addition:
    """Return the addition under the name that was asked for, with what is said of it."""
    from dataclasses import replace

    from finexl.catalog.adding import said_of
    from finexl.catalog.metadata import metadata_of
    from finexl.images import printable

    entry = addition.entry
    if weights is not None:
        entry = replace(entry, metadata=metadata_of(str(weights)))
    entry = replace(entry, metadata=said_of(entry.metadata, said))
    if name is not None:
        entry = replace(entry, explanation=replace(entry.explanation, name=printable(name)))
    return replace(addition, entry=entry)


def _check_distinct(found: list[Addition], name: str | None) -> None:
    """Refuse two models of one name: the second would take the first one's place."""
    seen: dict[str, str] = {}
    for addition in found:
        other = seen.setdefault(addition.entry.name, addition.source)
        if other != addition.source:
            hint = (
                "--name is for a single entry"
                if name is not None
                else "add them one by one, with --name"
            )
            raise UsageError(
                f"{other} and {addition.source} are both called {addition.entry.name}; {hint}."
            )


def deliver_found(found: Found, json: str | None, reasons: int | None = None) -> None:
    """Print a ranking with each model's first reasons; or JSON, with all of them."""
    doubt = {
        True: "",
        False: " No difference from its base is detected.",
        None: " Too few pairs to test whether it differs from its base.",
    }
    rows = [
        (
            hit.name,
            f"{hit.match:+.2f}" + _interval(hit.ci),
            " ".join(reason.sentence for reason in hit.reasons[:reasons]) + doubt[hit.detected],
        )
        for hit in found.results
    ]
    deliver(found.to_dict(), json, ("Model", "Match", "Why"), rows)
    if json != "-":
        for warning in found.warnings:
            typer.echo(f"Note: {warning}")


def _interval(ci: tuple[float, float] | None) -> str:
    return "" if ci is None else f" ({ci[0]:.2f} to {ci[1]:.2f})"
