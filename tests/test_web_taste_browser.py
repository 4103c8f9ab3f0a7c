"""A person's taste in a real browser: said, read, put right, previewed, ranked by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from browsing import NEEDED, PHONE, launched, opened, serious, served, unreached, widest
from finexl.encoders.embedded import Embedded
from finexl.viper.profile import Comment, Profile, read_profile, write_profile
from finexl.web.settings import Settings
from website import EXAMPLES, HOSTILE, make_catalog

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = NEEDED
SCENES = f"diffusers:{EXAMPLES / 'models' / 'scenes-diffusion'}"
TOLD = """{"schema": "finexl.verification/1", "name": "Anna", "base": "a model", "prompts": 8,
"degrees": [{"degree": 0.3, "detected": true, "norm": 1.0, "residual": 0.25, "others":
[{"concept": "grainy", "score": -0.5, "ci": [-0.7, -0.3]}], "attributes": [{"attribute": "red",
"wished": 1, "effect": 0.4, "ci": [0.1, 0.7], "q_value": 0.01, "specific": true,
"verdict": "as wished"}]}], "sentences": ["At degree 0.3, all is well."], "image_seed": 0,
"created": "2026-01-01T00:00:00Z"}"""


@dataclass(frozen=True)
class Site:
    """A server, and where its profiles are."""

    address: str
    profiles: Path

    def profile(self, name: str) -> Profile:
        """Return a profile."""
        return read_profile(self.profiles / f"{name}.json")


@pytest.fixture(scope="module")
def site(
    encoder: Embedded, session_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("site")
    (root / "mine").mkdir()
    for name, color in (("dusk", "plum"), ("sea", "teal"), ("sun", "gold")):
        Image.new("RGB", (64, 48), color).save(root / "mine" / f"{name}.png")
    catalog = make_catalog(root / "catalog.db", encoder, session_cache)
    settings = Settings(
        roots=(root,), runs=root / "runs", catalog=catalog, sets=root / "sets",
        profiles=root / "profiles", models=(SCENES,),
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("FINEXL_CACHE", str(session_cache))
        with served(settings) as address:
            yield Site(address, root / "profiles")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched(sync_api) as found:
        yield found


@pytest.fixture(scope="module")
def anna(browser: Any, site: Site) -> str:
    """Begin a profile, comment on pictures and have that read: the profile's address."""
    with opened(browser, site.address) as page:
        page.goto("/")
        page.get_by_role("link", name="Your taste").click()
        page.get_by_label("Whose taste is it?").fill("Anna")
        page.get_by_role("button", name="Choose pictures").click()
        page.wait_for_url("**/taste/Anna/comments")
        page.get_by_label("Folder on the server's machine").fill("mine")
        page.get_by_role("button", name="Show them").click()
        page.locator(".commented img").first.wait_for()
        assert page.locator(".commented img").count() == 3
        loaded = "all => all.every(one => one.naturalWidth > 0)"
        page.wait_for_load_state("networkidle")
        assert page.locator(".commented img").evaluate_all(loaded)
        page.get_by_label("dusk.png").fill(f"I love the vivid colors {HOSTILE} of it.")
        page.get_by_label("sea.png").fill("The film grain is awful,\nreally.")
        page.get_by_label("Anything else").fill("The mood is both unsettling and nice.")
        page.get_by_role("button", name="Save and read them").click()
        page.wait_for_url("**/taste/Anna", timeout=120_000)
    return "/taste/Anna"


def names(page: Any, heading: str) -> list[str]:
    """Return the attributes of one list of the page."""
    found: list[str] = page.evaluate(_LISTED, heading)
    return found


_LISTED = """heading => {
  const list = document.querySelector(`h2#${heading} ~ ul.preferences`);
  return [...list.querySelectorAll('.what b')].map(one => one.innerText);
}"""


def test_what_was_said_is_read_and_put_right_and_holds(browser: Any, site: Site, anna: str) -> None:
    with opened(browser, site.address) as page:
        page.goto(anna)
        page.evaluate("window.same = true")
        assert names(page, "liked") == ["vibrant colors"]
        assert names(page, "disliked") == ["grainy texture"]
        sync_api.expect(page.locator("#preferences")).to_contain_text("I love the vivid colors")
        sync_api.expect(page.locator(".quotes img").first).to_have_attribute("alt", "dusk.png")
        slider = page.get_by_role("slider", name="Weight of vibrant colors")
        slider.focus()
        for _ in range(3):
            slider.press("ArrowLeft")
        sync_api.expect(page.locator("#preferences")).to_contain_text("weight set by you")
        assert slider.evaluate("one => one === document.activeElement")
        sure = site.profile("Anna").liked[0].confidence
        assert slider.input_value() == f"{sure:g}"
        unsettling = page.get_by_role("button", name=re.compile("^Like .*unsettling"))
        unsettling.click()
        sync_api.expect(page.locator("#preferences")).to_contain_text("moved here by you")
        assert page.evaluate("window.same")
        liked = [one.attribute for one in site.profile("Anna").liked]
        assert len(liked) == 2
        page.get_by_role("button", name="Read the comments again").click()
        page.wait_for_url(f"**{anna}", timeout=120_000)
        assert [one.attribute for one in site.profile("Anna").liked] == liked
        assert sure in [one.confidence for one in site.profile("Anna").liked]
        page.get_by_role("button", name=re.compile("^As found .*unsettling")).click()
        sync_api.expect(page.locator("#mixed ~ ul .what")).to_have_count(1)
        assert [c.text for c in site.profile("Anna").comments] == [
            f"I love the vivid colors {HOSTILE} of it.",
            "The film grain is awful,\nreally.",
            "The mood is both unsettling and nice.",
        ]


def test_models_are_ranked_anew_while_a_weight_moves(browser: Any, site: Site, anna: str) -> None:
    with opened(browser, site.address) as page:
        page.goto(f"{anna}/models")
        page.evaluate("window.same = true")
        first = page.locator(".tile h3").first
        sync_api.expect(first).to_have_text("vivid one")
        before = page.locator(".tile .match").first.inner_text()
        slider = page.get_by_role("slider", name="more vibrant colors")
        slider.focus()
        slider.press("Home")
        sync_api.expect(page.locator("output.none")).to_have_text("left out")
        sync_api.expect(page.locator(".tile .match").first).not_to_have_text(before)
        assert page.evaluate("window.same")
        assert slider.evaluate("one => one === document.activeElement")
        assert "weight=0.00" in page.url or "weight=0&" in page.url
        assert len(site.profile("Anna").liked) >= 1  # nothing is kept unasked
        page.get_by_role("link", name="Back to the profile's").click()
        sync_api.expect(first).to_have_text("vivid one")
        first.get_by_role("link").click()
        page.wait_for_url("**/model?name=vivid+one")


def test_previews_are_made_and_slid_along(browser: Any, site: Site) -> None:
    with opened(browser, site.address) as page:
        page.goto("/taste")
        page.get_by_label("Whose taste is it?").fill("Red")
        page.get_by_role("button", name="Choose pictures").click()
        page.get_by_role("link", name="Preferences").click()
        for attribute, side in (("a red", "like it"), ("a blue", "dislike it")):
            page.get_by_label("A style, color, mood").fill(attribute)
            page.get_by_label("You", exact=True).select_option(side)
            page.get_by_role("button", name="Add").click()
            sync_api.expect(page.locator("#preferences")).to_contain_text(attribute)
        page.get_by_role("link", name="Previews").click()
        page.get_by_label(re.compile("^Prompts")).fill("a circle")
        page.get_by_label("Seed").fill("3")
        page.get_by_label(re.compile("^Denoising steps")).fill("4")
        page.get_by_role("button", name="Make previews").click()
        page.wait_for_url("**/previews/*", timeout=240_000)
        plain, steered = (page.locator("#beside img").nth(i) for i in (0, 1))
        assert page.locator("table.previews img").count() == 4
        sync_api.expect(page.locator("#degree-said")).to_have_text("0.6")
        slider = page.get_by_role("slider", name="How far, β")
        slider.focus()
        slider.press("End")
        sync_api.expect(page.locator("#degree-said")).to_have_text("1")
        sync_api.expect(steered).to_have_attribute("alt", "β 1: a circle")
        assert slider.evaluate("one => one === document.activeElement")
        colors = [one.evaluate(_MEAN) for one in (plain, steered)]
        assert colors[1][0] - colors[1][2] > colors[0][0] - colors[0][2] + 30  # redder, less blue
        slider.press("Home")
        sync_api.expect(steered).to_have_attribute("alt", "β 0: a circle")
        assert steered.evaluate(_MEAN) == colors[0]


_MEAN = """async image => {
  await image.decode();
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
  const drawing = canvas.getContext('2d');
  drawing.drawImage(image, 0, 0);
  const data = drawing.getImageData(0, 0, canvas.width, canvas.height).data;
  const sums = [0, 0, 0];
  for (let i = 0; i < data.length; i += 4) for (const c of [0, 1, 2]) sums[c] += data[i + c];
  return sums.map(sum => 4 * sum / data.length);
}"""


def test_it_works_without_javascript(browser: Any, site: Site) -> None:
    write_profile(Profile("Bob", (Comment("Hm."),)), site.profiles / "bob.json")
    with opened(browser, site.address, java_script_enabled=False) as page:
        page.goto("/taste/bob")
        page.get_by_label("A style, color, mood").fill("vivid")
        page.get_by_role("button", name="Add").click()
        sync_api.expect(page.locator("#preferences")).to_contain_text("added by you")
        page.get_by_role("link", name="Models").click()
        page.get_by_role("button", name="Rank anew").click()
        sync_api.expect(page.locator(".tile h3").first).to_have_text("vivid one")
        page.get_by_role("link", name="Preferences").click()
        page.get_by_role("button", name="Remove vivid").click()
        sync_api.expect(page.locator("#preferences")).not_to_contain_text("vivid")
        page.get_by_text("Take it with you").click()
        page.get_by_label("Delete this profile").check()
        page.get_by_role("button", name="Delete for good").click()
        page.wait_for_url("**/taste")
    assert not (site.profiles / "bob.json").exists()


@pytest.fixture(scope="module")
def paths(site: Site, anna: str) -> list[str]:
    """Return every page's address."""
    made = site.profiles / "Anna.made" / "verifications" / "0a"
    made.mkdir(parents=True)
    (made / "verification.json").write_text(TOLD)
    (site.profiles / "damaged.json").write_text("{")
    red = [f"/taste/Red/previews/{one.name}" for one in site.profiles.glob("Red.made/previews/*")]
    return [
        *("/taste", anna, f"{anna}/comments", f"{anna}/previews", f"{anna}/models"),
        *(f"{anna}/verifications", f"{anna}/verifications/0a", *red),
    ]


def test_axe_finds_nothing_serious(browser: Any, site: Site, paths: list[str]) -> None:
    assert serious(browser, site.address, paths, "light") == []
    assert serious(browser, site.address, paths[1:2], "dark") == []


def test_no_page_is_wider_than_a_phone(browser: Any, site: Site, paths: list[str]) -> None:
    assert set(widest(browser, site.address, paths).values()) == {PHONE}


def test_the_keyboard_reaches_everything(browser: Any, site: Site, anna: str) -> None:
    with opened(browser, site.address) as page:
        for path in (anna, f"{anna}/comments"):
            page.goto(path)
            assert unreached(page) == set()
