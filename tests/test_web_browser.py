"""The page in a real browser: searched, slid, uploaded to, cancelled, compared, and read by axe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from browsing import NEEDED, PHONE, launched, opened, serious, served, unreached, widest
from finexl.encoders.embedded import Embedded
from finexl.explanation import Explanation
from finexl.web.settings import Settings
from website import EXAMPLES, make_catalog

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = NEEDED
FIRST = ".tile h3"
PAGES = (
    *("/", "/?q=vivid%2C+not+blurry&aspect=vivid&want=2", "/explain", "/runs", "/login"),
    "/model?name=vivid+one&without=vivid",
    "/compare?model=vivid+one&model=drawn+one&model=grainy+one",
    "/nowhere",
)


@dataclass(frozen=True)
class Site:
    """A server."""

    address: str
    runs: Path


@pytest.fixture(scope="module")
def site(
    encoder: Embedded, session_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("site")
    (root / "runs").mkdir()
    catalog = make_catalog(root / "catalog.db", encoder, session_cache)
    with served(Settings(roots=(EXAMPLES,), runs=root / "runs", catalog=catalog)) as address:
        yield Site(address, root / "runs")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched(sync_api) as found:
        yield found


def first_is(page: Any, name: str) -> None:
    sync_api.expect(page.locator(FIRST).first).to_have_text(name)


def test_typing_and_sliding_rank_anew_in_place(browser: Any, site: Site) -> None:
    with opened(browser, site.address) as page:
        page.goto("/")
        page.evaluate("window.same = true")
        page.get_by_label("What should it do?").press_sequentially("film grain")
        first_is(page, "grainy one")
        assert page.evaluate("document.activeElement.id") == "q"
        page.get_by_label("What should it do?").fill("")
        first_is(page, "<script>alert(1)</script>")  # by name again
        slider = page.get_by_role("slider", name="vivid")
        slider.focus()
        slider.press("ArrowRight")
        slider.press("ArrowRight")
        first_is(page, "vivid one")
        assert slider.evaluate("s => s === document.activeElement && s.value === '2'")
        sync_api.expect(page.locator("output.more, output", has_text="more").first).to_be_visible()
        for _ in range(4):
            slider.press("ArrowLeft")
        first_is(page, "drawn one")
        assert page.url.endswith("/?aspect=vivid&want=-2")
        assert page.evaluate("window.same")
        page.reload()
        first_is(page, "drawn one")


def test_it_works_without_javascript(browser: Any, site: Site) -> None:
    with opened(browser, site.address, java_script_enabled=False) as page:
        page.goto("/")
        page.get_by_label("What should it do?").fill("film grain")
        page.get_by_role("button", name="Search").click()
        first_is(page, "grainy one")
        page.goto("/model?name=drawn+one")
        page.get_by_label("Without").select_option("vivid")
        page.get_by_role("button", name="Show").click()
        sync_api.expect(page.locator("#what-if")).to_contain_text("would be left")


def upload(page: Any) -> None:
    page.goto("/explain")
    for side, folder in (("base", "base"), ("personalized", "personalized")):
        files = [str(path) for path in sorted((EXAMPLES / folder).iterdir())]
        page.locator(f"#{side}-files").set_input_files(files)
    page.get_by_label("What to call the model").fill("my model")
    page.get_by_role("button", name="Explain").click()
    page.wait_for_url("**/jobs/*")


def test_uploaded_pictures_are_explained(browser: Any, site: Site) -> None:
    with opened(browser, site.address) as page:
        upload(page)
        page.wait_for_url("**/runs/*", timeout=120_000)
        assert page.get_by_role("heading", level=1).inner_text() == "my model"
        run = site.runs / page.url.rpartition("/")[2]
        found = Explanation.from_json((run / "explanation.json").read_bytes())
        assert found.aspects
        for sentence in found.sentences:
            assert sentence in page.locator("main").inner_text()
        pictures = page.locator("figure img")
        assert pictures.count() == 4 * sum(len(a.examples[:4]) for a in found.aspects + found.less)
        for picture in pictures.all():
            picture.scroll_into_view_if_needed()
        page.wait_for_load_state("networkidle")
        assert pictures.evaluate_all("all => all.every(one => one.naturalWidth > 0)")
        page.get_by_role("button", name="Show").click()
        sync_api.expect(page.locator("#what-if")).to_contain_text("would be left")
        page.get_by_role("button", name="Add to the catalog").click()
        page.wait_for_url("**/model?name=my+model")
        sync_api.expect(page.locator("figure img").first).to_be_visible()
        page.get_by_role("link", name="Runs").click()
        page.get_by_role("link", name="my model").click()
        sync_api.expect(page.get_by_role("button", name="Add to the catalog")).to_have_count(0)


def test_a_cancelled_explanation_leaves_nothing(browser: Any, site: Site) -> None:
    with opened(browser, site.address) as page:
        before = set(site.runs.iterdir())
        upload(page)
        page.get_by_role("button", name="Cancel").click()
        sync_api.expect(page.locator("main")).to_contain_text("Cancelled. Nothing was kept.")
        assert set(site.runs.iterdir()) == before


def test_chosen_models_are_compared(browser: Any, site: Site) -> None:
    with opened(browser, site.address) as page:
        page.goto("/")
        page.get_by_label("compare vivid one").check()
        page.get_by_label("What should it do?").press_sequentially("film grain")
        first_is(page, "grainy one")
        page.get_by_label("compare drawn one").check()
        page.get_by_role("button", name="Compare the chosen").click()
        sync_api.expect(page.locator("table.compared thead")).to_contain_text("drawn one")
        sync_api.expect(page.locator("table.compared tbody")).to_contain_text("vivid")
        page.get_by_role("link", name="Choose others").click()
        assert page.get_by_label("compare vivid one").is_checked()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Any, site: Site, scheme: str) -> None:
    assert serious(browser, site.address, PAGES, scheme) == []


def test_no_page_is_wider_than_a_phone(browser: Any, site: Site) -> None:
    assert set(widest(browser, site.address, PAGES).values()) == {PHONE}


def test_the_keyboard_reaches_everything(browser: Any, site: Site) -> None:
    with opened(browser, site.address) as page:
        page.goto("/")
        assert unreached(page) == set()
