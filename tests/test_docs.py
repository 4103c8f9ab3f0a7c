"""The docs say what is there: the command's page is generated, every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import document_cli
import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "scripts").rglob("*.md")]
)


def test_the_commands_page_is_what_the_command_says() -> None:
    assert document_cli.TARGET.read_text(encoding="utf-8") == document_cli.document()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_named_files_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text)]
    local = [link for link in links if link and not link.startswith(("http:", "https:"))]
    missing = [link for link in local if not (page.parent / link).exists()]
    named = re.findall(r"`((?:src|scripts|benchmarks|docs|examples|tests)/[\w./-]+)`", text)
    missing += [name for name in named if not (ROOT / name).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_has_a_placeholder_left(page: Path) -> None:
    assert not re.findall(r"@[A-Z0-9]+@|TODO|FIXME|XXX", page.read_text(encoding="utf-8"))
