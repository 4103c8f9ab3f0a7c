"""Results of one batch as tables: what each measure found, and where ours is not the best."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from finexl.bench.measures import better_of
from finexl.bench.report.chance import chances
from finexl.bench.report.page import Against, Block, Grid, Row, Shown
from finexl.bench.report.wording import counted, natural, signed
from finexl.bench.results import Cell, Result, cells
from finexl.bench.tables import OURS, Table
from finexl.report.numbers import UNDEFINED, count, percent

WIDEST = 5
"""More columns than this are one table for each family (what stands before the comma)."""


@dataclass(frozen=True)
class _Place:
    """Where a column's cells are."""

    label: str
    table: Table
    column: str


def blocks_of(results: Sequence[Result]) -> Iterable[Block]:
    """Yield a block for each measure; one for all of them where there is but one column."""
    tables = [
        _table([r for r in results if r.measure == measure])
        for measure in dict.fromkeys(r.measure for r in results)
    ]
    columns = {column for table in tables for column in table.columns}
    if len(columns) == 1 and len(tables) > 1:
        places = [_Place(_titled(table), table, table.columns[0]) for table in tables]
        yield _block(columns.pop(), places, results)
        return
    for table in tables:
        places = [_Place(column, table, column) for column in table.columns]
        yield _block(_titled(table), places, results)


def _table(some: Sequence[Result]) -> Table:
    """Return one measure's table: ours first, else in the order in which they came."""
    rows = sorted(dict.fromkeys(r.row for r in some), key=lambda row: not row.startswith(OURS))
    columns = sorted({r.column for r in some}, key=natural)
    measure = some[0].measure
    return Table(
        some[0].experiment, measure, better_of(measure), tuple(rows), tuple(columns), cells(some)
    )


def _titled(table: Table) -> str:
    return f"{table.measure} ({table.better} is better)" if table.better else table.measure


def _block(title: str, places: Sequence[_Place], results: Sequence[Result]) -> Block:
    rows = list(dict.fromkeys(row for place in places for row in place.table.rows))
    mine = [row for row in rows if row.startswith(OURS)]
    ours = OURS if OURS in mine else next(iter(mine), "")
    if not any(place.table.better and place.table.best_baseline(place.column) for place in places):
        ours = ""
    chance = {id(place): _chances(place, results) for place in places}
    grids = tuple(
        Grid(
            family,
            tuple(label for label, _ in some),
            (
                *(_row(row, [place for _, place in some]) for row in rows),
                *_chance_rows([chance[id(place)] for _, place in some]),
                Row("trials, seeds", "counts", tuple(Shown(_counts(p)) for _, p in some)),
            ),
        )
        for family, some in _families(places)
    )
    against = tuple(_against(ours, p, chance[id(p)]) for p in places) if ours else ()
    labels = " / ".join(dict.fromkeys(label for one in chance.values() for label in one))
    return Block(title, ours, labels, against, _verdict(ours, places) if ours else "", grids)


def _families(places: Sequence[_Place]) -> list[tuple[str, list[tuple[str, _Place]]]]:
    """Return the columns as tables, each with its columns' short names."""
    if len(places) <= WIDEST:
        return [("", [(place.label, place) for place in places])]
    families: dict[str, list[tuple[str, _Place]]] = {}
    for place in places:
        family, _, rest = place.label.partition(", ")
        at, name = (family, rest) if rest else ("", family)
        families.setdefault(at, []).append((name, place))
    return list(families.items())


def _row(row: str, places: Sequence[_Place]) -> Row:
    return Row(
        row,
        "ours" if row.startswith(OURS) else "baseline",
        tuple(_shown(row, place) for place in places),
    )


def _shown(row: str, place: _Place) -> Shown:
    """Return a cell as text, with as many decimals as its column needs."""
    table, column = place.table, place.column
    cell = table.cells.get((row, column))
    if cell is None:
        return Shown(UNDEFINED)
    text = _writer(place)
    interval = "" if cell.mean.ci is None else f"{text(cell.mean.ci[0])} to {text(cell.mean.ci[1])}"
    reduction = table.reduction(row, column) if table.better and row.startswith(OURS) else None
    less = "" if reduction is None else _less(reduction)
    return Shown(text(cell.mean.value), interval, less, _is_best(row, place, text))


def _is_best(row: str, place: _Place, text: Callable[[float], str]) -> bool:
    """Say whether a cell reads as its column's best; no setting of an ablation does."""
    table, column = place.table, place.column
    errors = {r: e for r in table.rows if (e := table.error(r, column)) is not None}
    contest = table.better and len(errors) > 1 and any(r.startswith(OURS) for r in errors)
    best = min(errors, key=lambda other: errors[other])
    means = table.cells[row, column].mean.value, table.cells[best, column].mean.value
    return bool(contest) and text(means[0]) == text(means[1])


def _writer(place: _Place) -> Callable[[float], str]:
    """Return how a column's numbers are written: two decimals, more where all are small."""
    cells_of = (cell for (_, at), cell in place.table.cells.items() if at == place.column)
    most = max(abs(cell.mean.value) for cell in cells_of)
    decimals = 1 if most >= 20 else 2 if most >= 0.2 or most == 0 else 3
    return lambda value: signed(value, decimals)


def _less(reduction: float) -> str:
    """Return by which part an error is smaller (−) or larger (+)."""
    whole = percent(abs(reduction))
    return f"{'−' if reduction > 0 else '+' if reduction < 0 else '±'}{whole}"


def _chances(place: _Place, results: Sequence[Result]) -> dict[str, float]:
    table = place.table
    return chances([r for r in results if (r.measure, r.column) == (table.measure, place.column)])


def _chance_rows(found: Sequence[Mapping[str, float]]) -> Iterable[Row]:
    for label in dict.fromkeys(label for one in found for label in one):
        texts = (signed(one[label], 2) if label in one else UNDEFINED for one in found)
        yield Row(f"chance: {label}", "chance", tuple(map(Shown, texts)))


def _against(ours: str, place: _Place, chance: Mapping[str, float]) -> Against:
    baseline = place.table.best_baseline(place.column) if place.table.better else None
    return Against(
        place.label,
        _shown(ours, place),
        baseline or "",
        Shown(UNDEFINED) if baseline is None else _shown(baseline, place),
        " / ".join(signed(value, 2) for value in chance.values()),
        _counts(place),
    )


def _counts(place: _Place) -> str:
    """Say over how many trials and seeds a column's means are."""
    found: list[Cell] = [cell for (_, at), cell in place.table.cells.items() if at == place.column]
    return f"{_range([c.trials for c in found])}, {_range([c.seeds for c in found])}"


def _range(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return count(low) if low == high else f"{count(low)} to {count(high)}"


def _verdict(ours: str, places: Sequence[_Place]) -> str:
    """Say in which columns ours is not better than every baseline."""
    compared, worse, equal = 0, [], []
    for place in places:
        table = place.table
        baseline = table.best_baseline(place.column) if table.better else None
        mine = table.error(ours, place.column)
        theirs = None if baseline is None else table.error(baseline, place.column)
        if baseline is None or mine is None or theirs is None:
            continue
        compared += 1
        values = _shown(ours, place).value, _shown(baseline, place).value
        if mine > theirs:
            worse.append(f"{place.label} ({values[0]}; {baseline} {values[1]})")
        elif mine == theirs:
            equal.append(f"{place.label} ({values[0]})")
    if not compared:
        return ""
    if not worse and not equal:
        where = "the one column" if compared == 1 else f"all {compared} columns"
        return f"{ours} is better than every baseline in {where}."
    short = len(worse) + len(equal)
    parts = [f"Worse: {'; '.join(worse)}."] if worse else []
    parts += [f"Equal to the best of them: {'; '.join(equal)}."] if equal else []
    columns = counted(compared, "column")
    opening = f"{ours} is not better than every baseline in {short} of {columns}."
    return " ".join((opening, *parts))
