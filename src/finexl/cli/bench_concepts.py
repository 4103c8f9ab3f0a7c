"""`finexl bench run concepts`: Table 7, which has alternatives in place of levels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from finexl.cli.output import deliver
from finexl.cli.progress import progress_bars, say

if TYPE_CHECKING:  # imported when the command runs: --help needs none of it
    from finexl.bench.concepts import Row
    from finexl.runs import Run

NAME = "concepts"
ASKS = "Do the concepts that are found name the right change? (Table 7)"


def run_concepts(
    sets: Path | None,
    encoder: str,
    vlm: str | None,
    judge: str | None,
    folder: Path | None,
    seed: int,
    json: str | None,
) -> None:
    """Run the experiment, and print its table."""
    from dataclasses import asdict

    from finexl.asking import looking
    from finexl.bench.concepts import ALTERNATIVES, PAPER, concepts_experiment
    from finexl.bench.described import operated, read_described
    from finexl.encoders import load_encoder
    from finexl.options import Inquiry

    looker, judging = (None if m is None else looking(m, say) for m in (vlm, judge))
    with progress_bars(True) as progress:
        rows = concepts_experiment(
            operated(seed) if sets is None else read_described(sets),
            load_encoder(encoder),
            vlm=looker,
            judge=judging,
            inquiry=Inquiry(),
            seed=seed,
            runs=lambda found_by, description: _run_of(folder, found_by, description),
            progress=progress,
        )
    header = ("Concepts by", "Judged by", "Sets", *(f"Of {n}" for n in ALTERNATIVES))
    paper = (
        *("the paper: GPT-4o", "GPT-4o", "the authors' own"),
        *(f"{100 * PAPER[n]:.1f} %" for n in ALTERNATIVES),
    )
    title = "How often the right description is chosen among 5, 10, 15 (95 % interval over sets)"
    found = {"experiment": NAME, "paper": {str(n): PAPER[n] for n in ALTERNATIVES}}
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


def _run_of(folder: Path | None, found_by: str, description: str) -> Run:
    from finexl.cache import key_of
    from finexl.runs import Run

    if folder is None:
        return Run()
    opened = Run.create(folder / key_of(found_by, description)[:16])
    opened.save_record({"options": {"found_by": found_by, "description": description}})
    return opened


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
