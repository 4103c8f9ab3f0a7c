"""`finexl bench`: the paper's experiments, as far as they can be run here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finexl.cli.asking import looking
from finexl.cli.bench_concepts import ASKS, NAME, run_concepts
from finexl.cli.bench_data import data_app
from finexl.cli.output import DebugOption, JsonOption, check_json, deliver
from finexl.cli.progress import progress_bars
from finexl.errors import UsageError

if TYPE_CHECKING:  # imported when the command runs: --help needs none of it
    from finexl.bench.tables import Table

app = typer.Typer(help="Run the paper's experiments.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data_app, name="data")


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
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Photographs for the operators; by default six packaged ones."
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
    run_folder: Annotated[
        Path | None,
        typer.Option("--run", metavar="DIR", help="For `concepts`: keep a model's replies here."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="For `concepts`: of every draw.")] = 0,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Run an experiment, or all of them, and print the tables."""
    from dataclasses import replace

    from finexl.bench.experiments.registry import EXPERIMENTS, parameters_of
    from finexl.bench.tables import table_of

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
    setup = _setup(sets or [], pictures, encoder, vlm, judge, results, _shard(shard))
    chosen = list(EXPERIMENTS.values()) if name == "all" else [EXPERIMENTS[name]]
    with progress_bars(True) as progress:
        for one in chosen:
            parameters = parameters_of(one.name, "quick" if quick else "full")
            one.run(replace(setup, parameters=parameters, progress=progress))
    found = list(setup.results.found.values())
    _show([table_of(one.name, one.better, found) for one in chosen], json)


def _setup(
    sets: list[Path],
    pictures: Path | None,
    encoder: str,
    vlm: str | None,
    judge: str | None,
    results: Path | None,
    shard: tuple[int, int],
) -> Any:
    from finexl.bench.baselines.grading import LexicalGrader, ModelGrader
    from finexl.bench.data.operated import photographs
    from finexl.bench.experiments.readers import Reading
    from finexl.bench.experiments.registry import Setup, words_of
    from finexl.bench.properties import PICTURES
    from finexl.bench.results import Results
    from finexl.encoders import load_encoder
    from finexl.imageset import read_images
    from finexl.measure import Measure

    loaded = load_encoder(encoder)
    words = words_of(tuple(sets))
    return Setup(
        encoder=loaded,
        reading=Reading(
            Measure(loaded, "subspace", (), 0), words, None if vlm is None else looking(vlm)
        ),
        grader=LexicalGrader() if judge is None else ModelGrader(looking(judge)),
        photographs=photographs(read_images(PICTURES if pictures is None else pictures), 256),
        sets=tuple(sets),
        parameters={},
        results=Results.open(results),
        shard=shard,
    )


def _shard(text: str) -> tuple[int, int]:
    which, _, of = text.partition("/")
    if not (which.isdecimal() and of.isdecimal() and 1 <= int(which) <= int(of) <= 10_000):
        raise UsageError(f"--shard {text!r}: write 2/4 for the second of four parts.")
    return int(which) - 1, int(of)


def _show(tables: list[Table], json: str | None) -> None:
    from finexl.bench.tables import cell_text, trials_text
    from finexl.cli.output import deliver_json

    found = [
        {
            "experiment": table.experiment,
            "measure": table.measure,
            "better": table.better,
            "cells": [
                {
                    "row": row,
                    "column": column,
                    "value": cell.mean.value,
                    "ci": cell.mean.ci,
                    "trials": cell.trials,
                    "seeds": cell.seeds,
                    "best_baseline": table.best_baseline(column),
                    "error_reduction": table.reduction(row, column),
                }
                for (row, column), cell in table.cells.items()
            ],
        }
        for table in tables
    ]
    if deliver_json({"schema": "finexl.tables/1", "tables": found}, json):
        return
    for table in tables:
        for column in table.columns:
            rows = [
                (row, cell_text(table.cells.get((row, column))), _less(table, row, column))
                for row in table.rows
            ]
            deliver(
                {},
                None,
                ("", f"{table.measure} ({table.better} is better)", "error less than the best "
                 "baseline's by"),
                rows,
                title=f"\n{column}: {trials_text(table, column)}",
            )  # fmt: skip


def _less(table: Table, row: str, column: str) -> str:
    from finexl.bench.tables import OURS

    reduction = table.reduction(row, column) if row.startswith(OURS) else None
    return "" if reduction is None else f"{100 * reduction:.0f} %"
