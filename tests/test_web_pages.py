"""The pages: what they show, in what order, and that nothing shown is ever markup."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from catalogued import planted
from finexl.catalog import Catalog, Entry
from finexl.encoders.embedded import Embedded
from finexl.explanation import Explanation
from finexl.imageset import read_images
from finexl.options import Options
from finexl.pipeline import explain_sets
from finexl.runs import Run
from finexl.undo import what_if
from finexl.web.settings import Settings
from finexl.web.without import what_is_left
from website import EXAMPLES, HOSTILE, PLANTED, csrf, make_catalog, visited


@pytest.fixture(scope="module")
def catalog(
    encoder: Embedded, session_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return make_catalog(tmp_path_factory.mktemp("catalog") / "catalog.db", encoder, session_cache)


@pytest.fixture(scope="module")
def client(catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    root = tmp_path_factory.mktemp("root")
    with visited(Settings(roots=(root,), runs=root / "runs", catalog=catalog)) as client:
        yield client


class Outline(HTMLParser):
    """What a page is made of: its tags, ids, links, and what is not allowed in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.ids += [str(given["id"])] if "id" in given else []
        self.links += [str(given[key]) for key in ("href", "src", "action") if key in given]
        self.inline += [key for key in given if key.startswith("on") or key == "style"]
        if tag == "style" or (
            tag == "script" and given != {"src": "/static/htmx.min.js", "defer": None}
        ):
            self.inline.append(tag)


def names(page: str) -> list[str]:
    """Return the models of the grid in their order."""
    return [html.unescape(n) for n in re.findall(r"<h3><a [^>]*><bdi>(.*?)</bdi>", page)]


PAGES = (
    *("/", "/?q=vivid", "/explain", "/runs", "/login", "/nowhere", "/?like=vivid+one", "/?q=,"),
    "/model?name=vivid+one",
    "/model?name=%3Cscript%3Ealert(1)%3C/script%3E&without=blurry",
    "/compare",
    "/compare?model=vivid+one&model=drawn+one",
    "/compare?model=nothing&model=drawn+one",
)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_sound(client: TestClient, path: str) -> None:
    page = client.get(path)
    assert page.status_code in (200, 404)
    found = Outline(page.text)
    assert found.tags.count("h1") == 1
    assert found.tags.count("main") == 1
    assert len(found.ids) == len(set(found.ids))
    assert found.inline == []
    assert all(link.startswith(("/", "#")) for link in found.links)


@pytest.mark.parametrize("where", ["q", "words", "like", "aspect", "base", "tag", "model", "name"])
@pytest.mark.parametrize("path", ["/", "/model", "/compare", "/thumbnail"])
def test_what_is_asked_is_never_markup(client: TestClient, path: str, where: str) -> None:
    asked = {"name": "x", "pair": "0", "side": "base", where: f"{HOSTILE}\"'><img src=x onerror=y>"}
    page = client.get(path, params={**asked, "want": "1"})
    assert page.status_code in (200, 404, 400, 422)
    assert HOSTILE not in page.text
    assert "<img src=x" not in page.text
    assert Outline(page.text).inline == []


def test_what_models_prompts_and_people_say_is_never_markup(
    encoder: Embedded, tmp_path: Path
) -> None:
    V = np.ones(encoder.dim) / 20
    said = planted(HOSTILE, V, encoder, aspects=[(HOSTILE, 0.7)], prompts=(HOSTILE,))
    hostile = replace(said, sentences=(HOSTILE,), warnings=(HOSTILE,), decomposition="subspace")
    path = tmp_path / "catalog.db"
    with Catalog.open(path, create=True) as catalog:
        catalog.add(Entry(hostile))
    with visited(Settings(roots=(tmp_path,), runs=tmp_path / "runs", catalog=path)) as client:
        run = Run.create(tmp_path / "runs" / "0123456789abcdef")
        run.save_record({"state": "done", "options": {"name": HOSTILE}})
        run.save_explanation(hostile)
        pages = ["/", "/?q=vivid", "/model?name=" + HOSTILE, "/runs", "/runs/0123456789abcdef"]
        for page in pages:
            text = client.get(page).text
            assert html.escape(HOSTILE) in text
            assert HOSTILE not in text


def test_the_grid_lists_all_and_ranks_by_wishes(client: TestClient) -> None:
    page = client.get("/").text
    assert names(page) == sorted(PLANTED)
    assert "/thumbnail?name=vivid+one&amp;pair=0&amp;side=personalized" in page
    assert names(client.get("/?q=vivid").text)[0] == "vivid one"
    assert names(client.get("/?q=film+grain").text)[0] == "grainy one"
    assert names(client.get("/?q=less+vivid").text)[0] == "drawn one"
    page = client.get("/?q=vivid").text
    assert "as wished: +1.20" in page
    assert "95&nbsp;% interval" in page


def test_sliders_rank_as_the_same_wishes_do(client: TestClient) -> None:
    page = client.get("/").text
    offered = re.findall(r'name="aspect" value="(.*?)"', page)
    assert "vivid" in offered
    for aspect, want, wish in (("vivid", 2, "vivid"), ("vivid", -3, "less very vivid")):
        slid = client.get("/", params={"aspect": aspect, "want": want}).text
        assert names(slid) == names(client.get("/", params={"q": wish}).text)
        assert f'value="{want}"' in slid
    assert names(client.get("/?aspect=vivid&want=0").text) == sorted(PLANTED)
    assert names(client.get("/?q=film+grain&aspect=vivid&want=-2").text)[0] != "vivid one"


def test_filters_and_words_narrow_the_grid(client: TestClient) -> None:
    assert names(client.get("/?words=drawn").text) == ["drawn one"]
    assert names(client.get("/?licence=MIT").text) == sorted(PLANTED)
    assert names(client.get("/?licence=GPL").text) == []
    assert names(client.get("/?like=vivid+one").text)[0] in PLANTED
    assert "vivid one" not in names(client.get("/?like=vivid+one").text)


def test_wishes_that_are_none_are_answered_in_the_page(client: TestClient) -> None:
    page = client.get("/?q=not")
    assert page.status_code == 200
    page = client.get("/?q=,,")
    assert page.status_code == 200
    assert 'role="alert"' in page.text


def test_chosen_models_stay_chosen_while_others_are_ranked(client: TestClient) -> None:
    page = client.get("/?words=drawn&model=vivid+one&model=drawn+one").text
    assert re.findall(r'name="model" value="([^"]*)" checked', page) == ["vivid one", "drawn one"]


def test_a_catalog_of_many_has_pages(encoder: Embedded, tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    with Catalog.open(path, create=True) as catalog, catalog.together():
        for i in range(30):
            catalog.add(Entry(planted(f"model {i:02}", np.ones(encoder.dim), encoder)))
    with visited(Settings(roots=(tmp_path,), runs=tmp_path / "runs", catalog=path)) as client:
        first = client.get("/").text
        later = html.unescape(re.findall(r'href="([^"]*)" rel="next"', first)[0])
        second = client.get(later).text
        assert names(first) + names(second) == [f"model {i:02}" for i in range(30)]
        assert 'rel="next"' not in second
        assert 'rel="prev"' in second


def test_a_models_page_shows_its_pairs_and_says_what_is_undefined(client: TestClient) -> None:
    page = client.get("/model?name=vivid+one").text
    assert "Difference detected" in page
    assert "Unexplained: 50 %" in page
    assert "–" in page
    picture = client.get("/thumbnail?name=vivid+one&pair=0&side=base")
    assert picture.headers["content-type"] == "image/webp"
    assert client.get("/thumbnail?name=vivid+one&pair=1&side=base").status_code == 404


def test_no_difference_and_too_few_pairs_are_said(encoder: Embedded, tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    few = planted("few", np.ones(encoder.dim), encoder)
    none = replace(
        few, name="none", divergence=replace(few.divergence, detected=False, p_value=0.4)
    )
    with Catalog.open(path, create=True) as catalog:
        catalog.add(Entry(few))
        catalog.add(Entry(none))
    with visited(Settings(roots=(tmp_path,), runs=tmp_path / "runs", catalog=path)) as client:
        grid = client.get("/").text
        assert "No difference from its base detected." in grid
        assert "Too few pairs to test." in grid
        assert "No difference detected (p = 0.40)" in client.get("/model?name=none").text
        # they keep no pairs: nothing takes the noise out of what they have in common
        compared = client.get("/compare?model=few&model=none").text
        assert "noise and all: " in compared
        assert "noise taken out" not in compared


def test_cosines_with_intervals_have_the_noise_taken_out(client: TestClient) -> None:
    compared = client.get("/compare?model=vivid+one&model=drawn+one").text
    assert re.search(r"noise taken out: .*interval", compared)
    assert "noise and all" not in compared


def test_a_model_that_is_not_there_is_said_with_those_spelled_alike(client: TestClient) -> None:
    found = client.get("/model?name=vivid+on")
    assert found.status_code == 404
    assert "vivid one" in found.text


def test_without_a_catalog_the_other_pages_work(tmp_path: Path) -> None:
    with visited(Settings(roots=(tmp_path,), runs=tmp_path / "runs")) as client:
        assert "without a catalog" in client.get("/").text
        assert client.get("/model?name=x").status_code == 400
        assert client.get("/explain").status_code == 200
        assert "None yet" in client.get("/runs").text


def test_what_if_is_the_commands_arithmetic(encoder: Embedded) -> None:
    base, personalized = (read_images(EXAMPLES / name) for name in ("base", "personalized"))
    explained = explain_sets(base, personalized, Options(pairing="file"), encoder, Run())
    read = Explanation.from_json(explained.explanation.to_json())
    captions = {i: explained.caption(i) for i in range(len(explained.pairs))}
    aspects = (*read.aspects, *read.less)
    assert len(aspects) > 1
    for aspect in aspects:
        undo = "less" if aspect.score > 0 else "more"
        wanted = what_if(explained, f"{undo} {aspect.concept}")
        found = what_is_left(read, aspect.concept, encoder, captions)
        assert found.more == wanted.more
        assert found.norm_before == pytest.approx(wanted.norm_before, rel=1e-4)
        assert found.norm_after == pytest.approx(wanted.norm_after, rel=1e-4)
        moved = {m.concept: (m.before, m.after) for m in found.aspects}
        for m in wanted.aspects:
            assert moved.pop(m.concept) == pytest.approx((m.before, m.after), abs=1e-4)
        assert not moved
        assert [p.caption for p in found.pairs] == [p.caption for p in wanted.pairs]
        by = [pair.by for pair in wanted.pairs]
        assert [pair.by for pair in found.pairs] == pytest.approx(by, abs=2e-3)


def test_what_if_is_refused_for_another_revision(encoder: Embedded, tmp_path: Path) -> None:
    other = replace(
        planted("other", np.ones(encoder.dim), encoder, aspects=[("vivid", 0.5)]),
        encoder=replace(planted("x", np.ones(3), encoder).encoder, revision="another"),
    )
    path = tmp_path / "catalog.db"
    with Catalog.open(path, create=True) as catalog:
        catalog.add(Entry(other))
    with visited(Settings(roots=(tmp_path,), runs=tmp_path / "runs", catalog=path)) as client:
        assert "another revision" in client.get("/model?name=other&without=vivid").text


def test_runs_of_the_command_are_in_the_history(client: TestClient, encoder: Embedded) -> None:
    settings: Settings = client.app.state.settings  # type: ignore[attr-defined]
    folder = settings.roots[0] / "my-run"
    run = Run.create(folder)
    run.save_explanation(planted("made before", np.ones(encoder.dim), encoder))
    run.save_record({"state": "done", "options": {}})
    page = client.get("/runs").text
    assert "made before" in page
    place = re.findall(r'href="(/runs/[0-9a-f]{16})"', page)
    assert "No pictures" not in client.get(place[0]).text  # it has no aspects to show any of
    assert client.get(place[0]).status_code == 200
    assert str(settings.roots[0]) not in page
    assert client.get("/runs/..%2f..").status_code == 404


def test_a_run_is_added_to_the_catalog_once(encoder: Embedded, tmp_path: Path) -> None:
    path = tmp_path / "catalog.db"
    Catalog.open(path, create=True).close()
    with visited(Settings(roots=(tmp_path,), runs=tmp_path / "runs", catalog=path)) as client:
        run = Run.create(tmp_path / "runs" / "0123456789abcdef")
        run.save_record({"state": "done", "options": {}})
        run.save_explanation(planted("a & b", np.ones(encoder.dim), encoder))
        place = "/runs/0123456789abcdef"
        assert "Add to the catalog" in client.get(place).text
        added = client.post(f"{place}/add", headers=csrf(client))
        assert added.status_code == 303
        assert "a &amp; b" in client.get(added.headers["location"]).text
        assert "Add to the catalog" not in client.get(place).text
        again = client.post(f"{place}/add", headers=csrf(client))
        assert again.status_code == 400
        assert "already" in again.text
