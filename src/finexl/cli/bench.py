"""`finexl bench`: the paper's experiments, as far as they can be run here."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finexl.cli.bench_concepts import ASKS, NAME, run_concepts
from finexl.cli.bench_data import data_app
from finexl.cli.bench_report import report
from finexl.cli.output import DebugOption, JsonOption, check_json, deliver
from finexl.cli.progress import progress_bars, say
from finexl.cli.where import GpusOption, On, OnOption, RayAddressOption, WorkersOption, place_of
from finexl.errors import UsageError

if TYPE_CHECKING:  # imported when the command runs: --help needs none of it
    from collections.abc import Sequence

    from finexl.bench.experiments.registry import Experiment
    from finexl.bench.results import Results

app = typer.Typer(help="Run the paper's experiments.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data_app, name="data")
app.command()(report)


def register(root: typer.Typer) -> None:
    """Add the commands to the application."""
    root.add_typer(app, name="bench")


@app.command("list")
def list_experiments(json: JsonOption = None, debug: DebugOption = False) -> None:
    """List the experiments by name."""
    from finexl.bench.experiments.registry import EXPERIMENTS

    del debug  # looked for by `main`, which is where errors end
    rows = [(one.name, one.asks) for one in EXPERIMENTS.values()] + [(NAME, ASKS)]
    found = [{"name": name, "asks": asks} for name, asks in rows]
    deliver({"experiments": found}, json, ("Experiment", "Asks"), rows)


@app.command()
def run(
    name: Annotated[str, typer.Argument(metavar="NAME|all", help="As `finexl bench list` has it.")],
    quick: Annotated[
        bool, typer.Option("--quick", help="Few trials, on packaged photographs: minutes.")
    ] = False,
    sets: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="Sets whose change is known, as `finexl bench data` writes them (a truth.csv); "
            "several may be given. They come beside photographs under image operators; "
            "for `concepts` one takes their place.",
        ),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="For `fine-tunes`: a truth.yaml (base, personalized, aspects with accepted "
            "names), or a folder of them.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="What paths in --truth are relative to."),
    ] = None,
    models: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="For `versions`: images of the base, then of each model."),
    ] = None,
    lpips: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="For `selection`: weights of LPIPS (scripts/fetch_lpips.py)."
        ),
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Photographs for the operators; by default six packaged ones."
        ),
    ] = None,
    nets: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Trained difference captioners, as in examples/models: diff-caption/, chg2cap/.",
        ),
    ] = None,
    encoder: Annotated[str, typer.Option(help="The image and text encoder.")] = "embedded",
    vlm: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="A model that finds concepts too, as for explain."),
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="A model that judges, and grades words; else rules do."),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.jsonl", help="Keep results here; run again, only what is missing is made."
        ),
    ] = None,
    shard: Annotated[
        str, typer.Option(metavar="I/N", help="The I-th of N parts of the trials.")
    ] = "1/1",
    seeds: Annotated[
        str | None,
        typer.Option(metavar="0-2", help="These seeds alone; by default all of the experiment's."),
    ] = None,
    run_folder: Annotated[
        Path | None,
        typer.Option("--run", metavar="DIR", help="For `concepts`: keep a model's replies here."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="For `concepts`: of every draw.")] = 0,
    on: OnOption = On.local,
    workers: WorkersOption = None,
    ray_address: RayAddressOption = None,
    gpus: GpusOption = 0.0,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Run an experiment, or all of them, and print the tables."""
    from dataclasses import replace

    from finexl.bench.data.operated import photographs
    from finexl.bench.experiments.registry import EXPERIMENTS, parameters_of
    from finexl.bench.experiments.setup import Given
    from finexl.bench.properties import PICTURES
    from finexl.bench.results import Results
    from finexl.bench.shards import Asked, run_in_parts
    from finexl.imageset import read_images
    from finexl.sources import read_seeds

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    if name not in (*EXPERIMENTS, NAME, "all"):
        raise UsageError(
            f"There is no experiment {name!r}; choose one of {', '.join((*EXPERIMENTS, NAME))}, "
            "or all."
        )
    if name == NAME:
        run_concepts(sets[0] if sets else None, encoder, vlm, judge, run_folder, seed, json)
        return
    given = Given(
        photographs(read_images(PICTURES if pictures is None else pictures), 256),
        tuple(sets or ()),
        nets,
        truth,
        data,
        tuple(models or ()),
        lpips,
    )
    asked = Asked(given, encoder, vlm, judge)
    found = Results.open(results, shlex.join(["finexl", *sys.argv[1:]]))
    setup = asked.setup(found, _shard(shard), say)
    chosen_seeds = None if seeds is None else read_seeds(seeds)
    chosen = (
        [EXPERIMENTS[name]]
        if name != "all"
        else [one for one in EXPERIMENTS.values() if one.ready(setup)]
    )
    each = {one.name: dict(parameters_of(one.name, "quick" if quick else "full")) for one in chosen}
    if chosen_seeds is not None:
        for parameters in each.values():
            parameters |= {"seeds": chosen_seeds} if "seeds" in parameters else {}
    with progress_bars(True) as progress:
        if workers is None and on is On.local:
            for one in chosen:
                one.run(replace(setup, parameters=each[one.name], progress=progress))
        else:
            if shard != "1/1":
                raise UsageError("--workers deals all trials out itself; leave out --shard.")
            place = place_of(on, workers, ray_address, gpus, fitting=1)
            run_in_parts(asked, each, found, place.on, progress=progress, say=say)
    _show(setup.results, chosen, json)


def _shard(text: str) -> tuple[int, int]:
    which, _, of = text.partition("/")
    if not (which.isdecimal() and of.isdecimal() and 1 <= int(which) <= int(of) <= 10_000):
        raise UsageError(f"--shard {text!r}: write 2/4 for the second of four parts.")
    return int(which) - 1, int(of)


def _show(results: Results, experiments: Sequence[Experiment], json: str | None) -> None:
    """Print the tables that `finexl bench report` would write."""
    from finexl.bench.report.findings import Findings
    from finexl.bench.report.markdown import render_markdown
    from finexl.bench.report.page import tables_of
    from finexl.bench.report.summary import summary_of
    from finexl.bench.results import made_with
    from finexl.cli.output import deliver_json

    names = {one.name: one.asks for one in experiments}
    found = Findings()
    for result in results.found.values():
        if result.experiment.partition(":")[0] in names:
            found.add(result, made_with(results.command), "")
    summary = summary_of(found, names)
    if not deliver_json({"schema": "finexl.bench-report/1", **tables_of(summary)}, json):
        typer.echo(render_markdown(summary), nl=False)
