"""`finexl encoders`: which there are, and whether one can be trusted."""

from __future__ import annotations

from typing import Annotated

import typer

from finexl.cli.output import DebugOption, JsonOption, check_json, deliver

app = typer.Typer(
    help="List the encoders, and check one by the paper's three properties.",
    invoke_without_command=True,
    rich_markup_mode=None,
)


def register(root: typer.Typer) -> None:
    """Add the commands to the application."""
    root.add_typer(app, name="encoders")


@app.callback()
def encoders(
    context: typer.Context,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """List the encoders by name, and say of each whether it is ready, or what is missing."""
    from finexl.encoders.available import available

    del debug  # looked for by `main`, which is where errors end
    if context.invoked_subcommand is not None:
        return
    found = available()
    rows = [(e.name, e.reference or "–", "ready" if e.ready else e.missing) for e in found]
    deliver({"encoders": [vars(e) for e in found]}, json, ("Encoder", "Weights", "Here"), rows)
    if json is None:
        typer.echo("\nAny other hub id or local folder works as well: finexl explain --encoder ID.")


@app.command()
def check(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name, hub id or local folder.")],
    images: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Photographs to change by known operators; by default six of ours."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the pairs drawn and the bootstrap.")] = 0,
    json: JsonOption = None,
    debug: DebugOption = False,
) -> None:
    """Measure an encoder's linearity, orthogonality and alignment, and say whether to trust it."""
    from dataclasses import asdict

    from finexl.bench.properties import PAPER, properties
    from finexl.encoders import load_encoder
    from finexl.imageset import read_images

    del debug  # looked for by `main`, which is where errors end
    check_json(json)
    pictures = None if images is None else [p.open() for p in read_images(images).pictures]
    found = properties(load_encoder(name), pictures, seed=seed)
    named = (
        ("linearity", found.linearity),
        ("orthogonality", found.orthogonality),
        ("alignment", found.alignment),
        ("orthogonality in the subspace", found.orthogonality_in_subspace),
        ("alignment with words for others", found.alignment_of_others),
    )
    paper = (
        " / ".join(f"{value:.2f}" for value in values)
        for values in zip(*PAPER.values(), strict=True)
    )
    rows = [
        (what, f"{m.value:.2f}", f"{m.ci[0]:.2f} to {m.ci[1]:.2f}", next(paper, ""))
        for what, m in named
    ]
    header = ("Property", "Value", "95 % interval", f"The paper's {' / '.join(PAPER)}")
    title = f"{found.encoder}, revision {found.revision[:16]}"
    deliver(asdict(found), json, header, rows, title=title)
    if json != "-":
        typer.echo(f"\n{found.verdict}" + (f"\n{found.note}" if found.note else ""))
