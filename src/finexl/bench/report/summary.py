"""Many results as a page: experiments, and of each what was made in one way.

A batch never mixes results of different settings in a cell. Of settings, the first word says what
all of an experiment has in common; what follows it (an encoder's revision) belongs to a row.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

from finexl.bench.report.blocks import blocks_of
from finexl.bench.report.findings import Findings
from finexl.bench.report.page import Batch, Section, Summary
from finexl.bench.report.published import published_for
from finexl.bench.report.wording import counted, natural
from finexl.bench.results import Result

_SHARD = re.compile(r"--shard[ =]\d+/(\d+)")


def summary_of(found: Findings, asks: Mapping[str, str] | None = None) -> Summary:
    """Gather results into a page: same results in the same order, same page.

    Args:
        found: what files hold.
        asks: experiment -> its question. Those named come first, in this order.
    """
    asked = asks or {}
    names = dict.fromkeys(result.experiment for result in found.results.values())
    order = [name for name in asked if name in names] + [
        name for name in names if name not in asked
    ]
    sections = tuple(
        Section(name, asked.get(name, ""), tuple(_batches(name, found)), published_for(name))
        for name in order
    )
    return Summary(sections, tuple(_notes(found)))


def _notes(found: Findings) -> Iterable[str]:
    if not found.results:
        yield "There are no results yet."
    if found.passed_over:
        yield f"Passed over: {counted(found.passed_over, 'line')} of another kind, or cut short."
    if found.contradicted:
        yield (
            f"{counted(found.contradicted, 'result')} came again with another value; "
            "the last one counts."
        )


def _batches(name: str, found: Findings) -> Iterable[Batch]:
    some = [result for result in found.results.values() if result.experiment == name]
    for results in _apart(some):
        keys = [result.key for result in results]
        recorded = [found.made_with[key].get("command", "") for key in keys]
        commands = sorted({_SHARD.sub(r"--shard I/\1", text) for text in recorded if text})
        note = ""
        if not all(recorded):
            files = sorted({found.files[key] for key in keys})
            commands += [
                shlex.join(["finexl", "bench", "run", name, "--results", file]) for file in files
            ]
            note = "Other options of this command were not recorded."
        yield Batch(
            tuple(dict.fromkeys(commands)),
            note,
            _made([found.made_with[key] for key in keys], results),
            tuple(blocks_of(results)),
            tuple(results),
        )


def _apart(results: Sequence[Result]) -> list[list[Result]]:
    """Return the results apart by settings, no two of which share a cell."""
    by_settings: dict[str, list[Result]] = {}
    for result in results:
        by_settings.setdefault(result.settings, []).append(result)
    batches: list[tuple[str, set[tuple[str, ...]], list[Result]]] = []
    for settings, some in by_settings.items():
        common = settings.partition(" ")[0]
        places: set[tuple[str, ...]] = {(r.measure, r.row, r.column) for r in some}
        for named, taken, kept in batches:
            if named == common and not taken & places:
                taken |= places
                kept += some
                break
        else:
            batches.append((common, places, list(some)))
    return [kept for _, _, kept in batches]


def _made(made_with: Sequence[Mapping[str, str]], results: Sequence[Result]) -> str:
    """Say what results were made with: versions, machine, settings, time."""
    named: dict[str, dict[str, None]] = {}
    for one in made_with:
        for name, text in one.items():
            if name != "command":
                named.setdefault(name, {})[text] = None
    settings = sorted({r.settings.partition(" ")[0] for r in results})
    parts = [f"{name} {', '.join(sorted(texts, key=natural))}" for name, texts in named.items()]
    parts += [f"settings {', '.join(settings)}", f"{_time(sum(r.seconds for r in results))} in all"]
    return f"Made with {'; '.join(parts)}."


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
