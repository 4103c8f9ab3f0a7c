"""`finexl bench`: the paper's experiments, as far as they can be run here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finexl.cli.asking import looking
from finexl.cli.output import DebugOption, JsonOption, check_json, deliver
from finexl.cli.progress import progress_bars
from finexl.errors import UsageError

if TYPE_CHECKING:  # imported when the command runs: --help needs none of it
    from finexl.bench.concepts import Row

EXPERIMENTS = {"concepts": "Do the concepts that are found name the right change? (Table 7)"}

app = typer.Typer(help="Run the paper's experiments.", no_args_is_help=True, rich_markup_mode=None)


def register(root: typer.Typer) -> None:
    """Add the commands to the application."""
    root.add_typer(app, name="bench")


@app.command("list")
def list_experiments(json: JsonOption = None, debug: DebugOption = False) -> None:
    """List the experiments by name."""
    del debug  # looked for by `main`, which is where errors end
    found = [{"name": name, "asks": asks} for name, asks in EXPERIMENTS.items()]
    deliver({"experiments": found}, json, ("Experiment", "Asks"), list(EXPERIMENTS.items()))


@app.command()
def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `finexl bench list` has it.")],
    sets: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Sets whose change is known: a .csv with `description`, `base`, `personalized`; "
            "by default the packaged photographs under each image operator.",
        ),
    ] = None,
    encoder: Annotated[str, typer.Option(help="The image and text encoder.")] = "embedded",
    vlm: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="A model that finds concepts too, as for explain."),
    ] = None,
    judge: Annotated[
        str | None, typer.Option(metavar="MODEL", help="A model that judges too.")
    ] = None,
    run_folder: Annotated[
        Path | None,
        typer.Option("--run", metavar="DIR", help="Keep replies here; run again, it goes on."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of every draw.")] = 0,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Run an experiment, and print its table."""
    from dataclasses import asdict

    from finexl.bench.concepts import ALTERNATIVES, PAPER, concepts_experiment
    from finexl.bench.described import operated, read_described
    from finexl.cache import key_of
    from finexl.encoders import load_encoder
    from finexl.options import Inquiry
    from finexl.runs import Run

    del debug  # looked for by `main`, which is where errors end
    if name not in EXPERIMENTS:
        raise UsageError(
            f"There is no experiment {name!r}; choose one of {', '.join(EXPERIMENTS)}."
        )
    check_json(json)

    def run_of(found_by: str, description: str) -> Run:
        if run_folder is None:
            return Run()
        folder = run_folder / key_of(found_by, description)[:16]
        opened = Run.create(folder)
        opened.save_record({"options": {"found_by": found_by, "description": description}})
        return opened

    looker, judging = (None if m is None else looking(m) for m in (vlm, judge))
    with progress_bars(True) as progress:
        rows = concepts_experiment(
            operated(seed) if sets is None else read_described(sets),
            load_encoder(encoder),
            vlm=looker,
            judge=judging,
            inquiry=Inquiry(),
            seed=seed,
            runs=run_of,
            progress=progress,
        )
    header = ("Concepts by", "Judged by", "Sets", *(f"Of {n}" for n in ALTERNATIVES))
    paper = (
        *("the paper: GPT-4o", "GPT-4o", "the authors' own"),
        *(f"{100 * PAPER[n]:.1f} %" for n in ALTERNATIVES),
    )
    title = "How often the right description is chosen among 5, 10, 15 (95 % interval over sets)"
    found = {"experiment": name, "paper": {str(n): PAPER[n] for n in ALTERNATIVES}}
    as_json = {**found, "rows": [asdict(row) for row in rows]}
    deliver(as_json, json, header, [*map(_cells, rows), paper], title=title)
    if json != "-":
        chance = ", ".join(f"{100 / n:.0f} %" for n in ALTERNATIVES)
        typer.echo(f"\nBy chance: {chance}.")
        if encoder == "embedded" and sets is None:
            typer.echo(
                "This encoder was fitted on these operators and phrases: its own figures are "
                "in-sample."
            )


def _cells(row: Row) -> tuple[str, ...]:
    texts = {
        a.alternatives: f"{100 * a.value:.1f} % ({100 * a.ci[0]:.0f} to {100 * a.ci[1]:.0f})"
        for a in row.accuracies
    }
    return (
        row.found_by,
        row.judged_by,
        f"{row.sets}" + (f", {row.unnamed} without a concept" if row.unnamed else ""),
        *(texts.get(n, "–") for n in (5, 10, 15)),
    )
