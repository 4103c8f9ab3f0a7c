"""Imports point one way only, as the tiers in docs/architecture.md say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "finexl"
OUTSIDE = {"__init__", "__main__", "_version"}
"""The package's own front and back door, and a constant: they belong to no tier."""
NOT_IN_THE_CORE = {"PIL", "onnxruntime", "typer", "rich", "jinja2", "pydantic", "tokenizers"}


def tiers() -> list[list[str]]:
    """Return the tiers of the document, the lowest first."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    block = re.search(r"## Tiers.*?```\n(.*?)```", page, re.DOTALL)
    assert block
    names = [re.split(r"\s{2,}", line)[0] for line in block[1].splitlines()]
    return [[name.strip().rstrip("/") for name in line.split(",")] for line in names]


TIER = {name: number for number, names in enumerate(tiers()) for name in names}
FILES = sorted(SOURCE.rglob("*.py"))


def unit(module: str) -> str:
    """Return what a module counts as: finexl.core.analysis -> core, finexl.files -> files."""
    return module.split(".")[1] if "." in module else "__init__"


def module_of(path: Path) -> str:
    return ".".join(["finexl", *path.relative_to(SOURCE).with_suffix("").parts])


def imported(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield every module that a file imports, and whether it does so inside a function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            # `from finexl import x` may import the module x
            of_root = node.module == "finexl"
            names = [f"finexl.{a.name}" if of_root else node.module or "" for a in node.names]
        yield from ((name, id(node) in inside) for name in names)


@cache
def imports_between_units() -> frozenset[tuple[str, str, bool]]:
    found = set()
    for path in FILES:
        here = unit(module_of(path))
        for name, lazy in imported(path):
            if name.split(".")[0] == "finexl" and here not in OUTSIDE:
                there = unit(name)
                if there not in OUTSIDE and there != here:
                    found.add((here, there, lazy))
    return frozenset(found)


def test_the_document_names_every_module_once_and_no_other() -> None:
    named = [name for names in tiers() for name in names]
    assert len(named) == len(set(named))
    there = {unit(module_of(path)) for path in FILES} - OUTSIDE
    assert there == set(named)


def test_names_with_a_slash_are_packages_and_others_may_be_files() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for name in re.findall(r"^(?:.*, )?(\w+)/", page.split("## Tiers")[1].split("```")[1], re.M):
        assert (SOURCE / name / "__init__.py").exists(), name


def against_the_order(worst: int) -> set[tuple[str, str]]:
    """Return the imports from a tier that is not `worst` tiers lower at least."""
    return {
        (here, there)
        for here, there, _ in imports_between_units()
        if TIER[here] - TIER[there] < worst and (here, there) != ("explanation", "report")
    }


def test_no_import_goes_to_a_higher_tier() -> None:
    assert not against_the_order(0)


def test_siblings_do_not_import_each_other() -> None:
    assert not against_the_order(1)


def test_no_two_units_import_each_other() -> None:
    edges = {(here, there) for here, there, lazy in imports_between_units() if not lazy}
    assert not {(a, b) for a, b in edges if (b, a) in edges}


def test_the_one_import_that_points_the_other_way_is_inside_a_function() -> None:
    edges = {lazy for here, there, lazy in imports_between_units() if (here, there) == (
        "explanation", "report",
    )}  # fmt: skip
    assert edges == {True}


@pytest.mark.parametrize("path", sorted((SOURCE / "core").rglob("*.py")), ids=lambda p: p.stem)
def test_the_core_knows_no_files_models_or_printing(path: Path) -> None:
    names = [name for name, _ in imported(path)]
    roots = {name.split(".")[0] for name in names}
    assert not roots & NOT_IN_THE_CORE
    assert roots <= {"finexl", "numpy", "scipy"} | {
        "__future__", "abc", "collections", "dataclasses", "functools", "itertools", "math",
        "typing",
    }  # fmt: skip
    ours = {unit(name) for name in names if name.startswith("finexl")}
    assert ours <= {"core", "errors"}
    called = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"print", "open", "input", "eval", "exec"}


def test_the_rule_finds_an_import_that_points_the_wrong_way(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("from finexl.cli import main\ndef f():\n    import finexl.report.html\n")
    assert list(imported(path)) == [("finexl.cli", False), ("finexl.report.html", True)]
    assert TIER["cli"] > TIER["pipeline"] > TIER["core"] > TIER["errors"]
