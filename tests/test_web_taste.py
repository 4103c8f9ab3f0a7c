"""The pages and the API of a person's taste: what they keep, show and refuse; nothing is markup."""

from __future__ import annotations

import html
import json
import re
import stat
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from finexl.encoders.embedded import Embedded
from finexl.errors import UsageError
from finexl.viper.profile import (
    CONSENT,
    Comment,
    Correction,
    Evidence,
    Preference,
    Profile,
    read_profile,
    write_profile,
)
from finexl.viper.ranking import rank, wishes_of
from finexl.web.settings import Limits, Settings
from finexl.web.taste.cabinet import Cabinet
from finexl.web.taste.comments import with_typed
from finexl.web.taste.previewing import DEGREES
from finexl.web.taste.views import told_of
from website import HOSTILE, PLANTED, csrf, make_catalog, visited

MODEL = "diffusers:a-model"
AWKWARD = f"{HOSTILE}\"'><img src=x onerror=y> é 色 \u202e"


def seen(attribute: str, sure: float, *comments: int) -> Preference:
    evidence = tuple(Evidence(i, f"the {attribute}", "liked", "a.png") for i in comments)
    return Preference(attribute, None, sure, evidence)


ANNA = Profile(
    "Anna & Öz",
    (Comment("I love the vivid colors.", "a.png"), Comment("二番目\nsecond line")),
    (seen("vivid", 0.9, 0), seen("film grain", 0.5, 0, 1)),
    (seen("blurry", 0.7, 1),),
    (seen("gloomy mood", 0.4, 0),),
    "a stand-in",
)


@pytest.fixture(scope="module")
def catalog(
    encoder: Embedded, session_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return make_catalog(tmp_path_factory.mktemp("catalog") / "catalog.db", encoder, session_cache)


@pytest.fixture
def settings(tmp_path: Path, catalog: Path) -> Settings:
    root = tmp_path / "root"
    (root / "pictures").mkdir(parents=True)
    for name, color in (("a", "teal"), ("b", "plum")):
        Image.new("RGB", (40, 30), color).save(root / "pictures" / f"{name}.png")
    return Settings(
        roots=(root,), catalog=catalog, runs=tmp_path / "runs", sets=tmp_path / "sets",
        profiles=tmp_path / "profiles", models=(MODEL,),
    )  # fmt: skip


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with visited(settings) as client:
        client.headers.update(csrf(client))
        yield client


@pytest.fixture
def anna(settings: Settings) -> Path:
    settings.profiles.mkdir(mode=0o700)
    path = settings.profiles / "anna.json"
    write_profile(ANNA, path)
    return path


def finished(client: TestClient, location: str) -> dict[str, Any]:
    """Wait for a job and return it."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        job: dict[str, Any] = client.get(f"/api{location}").json()
        if job["state"] not in ("waiting", "running"):
            return job
        time.sleep(0.05)
    raise AssertionError("it took too long")


def fields(page: str) -> dict[str, list[str]]:
    """Return what the form of comments would send."""
    form = page.split('class="commenting"')[1]
    found = {
        name: [html.unescape(v) for v in re.findall(rf'name="{name}" value="([^"]*)"', form)]
        for name in ("number", "picture", "version", "set", "start", "others")
    }
    texts = re.findall(r"<textarea[^>]*>(.*?)</textarea>", form, re.DOTALL)
    return {**found, "text": [html.unescape(text).removeprefix("\n") for text in texts]}


def test_a_profile_is_begun_listed_and_its_owners_alone(
    client: TestClient, settings: Settings
) -> None:
    page = client.get("/taste").text
    assert "None yet." in page
    assert CONSENT in html.unescape(page)
    assert not settings.profiles.exists()  # looking writes nothing
    begun = client.post("/taste", data={"name": "Anna  Öz/../x"})
    assert begun.headers["location"] == "/taste/Anna-%C3%96z-x/comments"
    again = client.post("/taste", data={"name": "anna öz x"})
    assert again.status_code == 303
    path = settings.profiles / "Anna-Öz-x.json"
    assert read_profile(path) == Profile("Anna Öz/../x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(settings.profiles.stat().st_mode) == 0o700
    assert "Anna Öz/../x" in client.get("/taste").text
    assert client.post("/taste", data={"name": " "}).status_code == 400
    assert client.post("/taste", data={"name": "x" * 201}).status_code == 400


def test_names_that_make_one_file_get_one_each(tmp_path: Path) -> None:
    cabinet = Cabinet(tmp_path / "profiles")
    ids = [cabinet.begin(name) for name in ("a b", "a-b", "!?", "...", "a" * 200)]
    assert ids == ["a-b", "a-b-2", "profile", "profile-2", "a" * 60]
    assert sorted(kept.id for kept in cabinet.listed()) == sorted(ids)


def test_what_cannot_be_read_is_said_and_left_as_it_is(
    client: TestClient, settings: Settings, anna: Path
) -> None:
    other = anna.read_text().replace("finexl.profile/1", "finexl.profile/9")
    damaged = anna.read_text()[:100]
    (settings.profiles / "later.json").write_text(other)
    (settings.profiles / "damaged.json").write_text(damaged)
    (settings.profiles / "secret.json").symlink_to(anna)
    page = client.get("/taste").text
    assert "this version reads finexl.profile/1" in html.unescape(page)
    assert "no JSON with a `schema`" in page
    assert str(settings.profiles / "later.json") not in page
    assert "secret" not in page
    found = client.get("/api/profiles").json()["profiles"]
    assert [kept["trouble"] is None for kept in found] == [True, False, False]
    for id in ("later", "damaged"):
        assert client.get(f"/taste/{id}").status_code == 400
        assert client.post(f"/taste/{id}/delete", data={"sure": "yes"}).status_code == 400
        changed = {"attribute": "vivid", "to": "none"}
        assert client.post(f"/taste/{id}/correct", data=changed).status_code == 400
    assert (settings.profiles / "later.json").read_text() == other
    assert (settings.profiles / "damaged.json").read_text() == damaged


@pytest.mark.parametrize(
    "id", ["nobody", "..%2Fanna", "%2e%2e", ".anna", "anna%00", "secret", "x" * 300, "a%5Cb"]
)
def test_nothing_but_profiles_of_the_cabinet_is_found(
    client: TestClient, anna: Path, settings: Settings, id: str
) -> None:
    write_profile(ANNA, settings.profiles.parent / "anna.json")
    (settings.profiles / "secret.json").symlink_to(settings.profiles.parent / "anna.json")
    assert anna.exists()
    for path in (f"/taste/{id}", f"/api/profiles/{id}", f"/taste/{id}/export"):
        assert client.get(path).status_code == 404


def test_the_page_shows_what_was_found_and_in_which_words(client: TestClient, anna: Path) -> None:
    page = client.get("/taste/anna").text
    assert anna.exists()
    liked, disliked, mixed = (page.index(f'id="{name}"') for name in ("liked", "disliked", "mixed"))
    assert liked < page.index("<b><bdi>vivid") < page.index("<b><bdi>film grain") < disliked
    assert disliked < page.index("<b><bdi>blurry") < mixed < page.index("<b><bdi>gloomy")
    assert "<q>the film grain</q>" in page
    assert "comment 2" in page


@pytest.mark.parametrize(
    ("attribute", "to", "weight", "after"),
    [
        ("vivid", "disliked", "0.3", {"disliked": ["blurry", "vivid"]}),
        ("vivid", "none", "", {"liked": ["film grain"]}),
        ("gloomy mood", "liked", "", {"liked": ["vivid", "film grain", "gloomy mood"]}),
        ("misty", "liked", "0.95", {"liked": ["misty", "vivid", "film grain"]}),
    ],
)
def test_a_person_puts_it_right_and_takes_that_back(
    client: TestClient, anna: Path, attribute: str, to: str, weight: str, after: dict[str, Any]
) -> None:
    sent = {"attribute": attribute, "to": to, **({"weight": weight} if weight else {})}
    assert client.post("/taste/anna/correct", data=sent).headers["location"] == "/taste/anna"
    told = client.get("/api/profiles/anna").json()
    for name, attributes in after.items():
        assert [one["attribute"] for one in told[name]] == attributes
    assert [one["attribute"] for one in told["corrections"]] == [attribute]
    page = client.get("/taste/anna").text
    assert "by you" in page
    back = {"attribute": attribute, "to": "found"}
    client.post("/taste/anna/correct", data=back)
    assert read_profile(anna) == ANNA
    assert client.post("/taste/anna/correct", data=back).status_code == 400


def test_corrections_that_cannot_be_are_said_in_the_page(client: TestClient, anna: Path) -> None:
    for sent in ({"attribute": " "}, {"attribute": "x", "weight": "2"},
                 {"attribute": "x", "weight": "nan"}):  # fmt: skip
        found = client.post("/taste/anna/correct", data=sent)
        assert found.status_code == 400
        assert 'role="alert"' in found.text
    assert client.post("/taste/anna/correct", data={"to": "elsewhere"}).status_code == 422
    assert read_profile(anna) == ANNA


def test_what_people_say_is_never_markup(client: TestClient, settings: Settings) -> None:
    settings.profiles.mkdir()
    one = Preference(AWKWARD, AWKWARD, 0.5, (Evidence(0, AWKWARD, "liked", AWKWARD),))
    other = replace(one, attribute=f"another {AWKWARD}")
    taken = Correction(f"no {AWKWARD}", None)
    said = Comment(AWKWARD, AWKWARD)
    hostile = Profile(AWKWARD, (said, Comment(AWKWARD)), (one,), (other,), (), AWKWARD,
                      notes=(AWKWARD,), corrections=(taken,), consent=AWKWARD)  # fmt: skip
    write_profile(hostile, settings.profiles / "h.json")
    for path in ("/taste", *(f"/taste/h{tab}" for tab in
                 ("", "/comments", "/models", "/previews", "/verifications"))):  # fmt: skip
        page = client.get(path)
        assert page.status_code == 200
        assert html.escape(HOSTILE) in page.text
        assert HOSTILE not in page.text
        assert "<img src=x" not in page.text


def test_comments_are_saved_rewritten_and_taken_out(
    client: TestClient, settings: Settings, anna: Path
) -> None:
    sent = client.post("/sets", data={"folder": "pictures", "profile": "anna"})
    job = finished(client, sent.headers["location"])
    assert (job["kind"], job["state"]) == ("set", "done")
    page = client.get("/taste/anna/comments").text
    form = fields(page)
    # two pictures, of which a.png has a comment by its name; anything else; the other comment
    assert form["number"] == ["0", "", "", "1"]
    assert form["picture"] == ["0", "1", "", ""]
    assert form["text"] == ["I love the vivid colors.", "", "", "二番目\nsecond line"]
    assert client.get(f"/sets/{form['set'][0]}/1.webp").headers["content-type"] == "image/webp"
    unchanged = client.post("/taste/anna/comments", data=form)
    assert unchanged.headers["location"] == "/taste/anna"
    assert read_profile(anna) == ANNA
    form["text"] = ["", AWKWARD, "Lovely.", "二番目\r\nsecond line"]
    assert client.post("/taste/anna/comments", data=form).status_code == 303
    now = read_profile(anna)
    assert now.comments == (ANNA.comments[1], Comment(AWKWARD, "b.png"), Comment("Lovely."))
    assert [one.attribute for one in now.liked] == ["film grain"]  # vivid rested on what is gone
    assert [one.name for one in now.pictures] == ["b.png"]
    digest = client.get("/api/sets").json()["sets"][0]["pictures"][1]["digest"]
    assert now.pictures[0].digest == digest
    # the page that was open before does not write over what was said since
    stale = client.post("/taste/anna/comments", data={**form, "text": ["", "Mine.", "Too.", "x"]})
    assert stale.status_code == 409
    assert read_profile(anna) == now
    for text in ("Mine.", "Too.", "x"):
        assert f"\n{text}</" in stale.text
    assert settings.runs.exists() is False or list(settings.runs.iterdir()) == []


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        (("", "", "x" * 20_001), "20,001 characters"),
        (("9", "", "x"), "load it again"),
        (("-1", "", "x"), "load it again"),
        (("", "0", "x"), "load it again"),
        (("²", "", "x"), "load it again"),
    ],
)
def test_fields_that_cannot_be_are_refused(typed: tuple[str, str, str], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        with_typed(ANNA, [typed], None)


def test_a_refused_comment_stays_in_its_field(client: TestClient, anna: Path) -> None:
    form = fields(client.get("/taste/anna/comments").text)
    long = "long " * 5_000
    found = client.post("/taste/anna/comments", data={**form, "text": [long, "a", "b"]})
    assert found.status_code == 400
    assert long in html.unescape(found.text)
    assert read_profile(anna) == ANNA


def test_ten_thousand_comments_are_shown_in_parts(client: TestClient, settings: Settings) -> None:
    settings.profiles.mkdir()
    many = Profile("many", tuple(Comment(f"remark {i:05}") for i in range(10_000)))
    write_profile(many, settings.profiles / "many.json")
    page = client.get("/taste/many/comments").text
    assert len(page) < 100_000
    later = html.unescape(re.findall(r'href="([^"]*)" rel="next"', page)[0])
    assert "remark 00029" in page
    assert "remark 00030" in client.get(later).text
    form = fields(client.get(later).text)
    form["text"][1] = "changed"
    assert client.post("/taste/many/comments", data=form).status_code == 303
    now = read_profile(settings.profiles / "many.json")
    assert [i for i, one in enumerate(now.comments) if one.text == "changed"] == [30]
    full = {"comments": [{"text": "one more"}]}
    refused = client.post("/api/profiles/many/comments", json=full)
    assert refused.status_code == 400
    assert "the most is" in refused.json()["error"]


def test_comments_may_be_larger_than_other_forms_and_not_without_end(settings: Settings) -> None:
    small = replace(settings, limits=Limits(form_bytes=2_000, comment_bytes=9_000))
    with visited(small) as client:
        client.headers.update(csrf(client))
        comments = [{"text": "x" * 5_000}]
        assert client.post("/api/profiles", json={"name": "a", "comments": comments}).is_success
        assert (
            client.post("/api/profiles", json={"name": "a", "comments": comments * 2}).status_code
            == 413
        )
        assert client.post("/taste", data={"name": "x" * 5_000}).status_code == 413


def test_models_are_ranked_as_the_command_does(
    client: TestClient, anna: Path, catalog: Path
) -> None:
    from finexl.catalog import Catalog, Searcher

    assert anna.exists()
    found = client.get("/api/profiles/anna/rank").json()
    with Catalog.open(catalog) as opened:
        expected = rank(opened, ANNA, Searcher()).to_dict()
    assert found == json.loads(json.dumps(expected))
    page = client.get("/taste/anna/models").text
    listed = [html.unescape(n) for n in re.findall(r"<h3><a [^>]*><bdi>(.*?)</bdi>", page)]
    assert listed == [hit["model"] for hit in found["results"]]
    assert listed[0] == "vivid one"
    assert len(listed) == len(PLANTED)
    assert "95&nbsp;% interval" in page


def test_weights_are_tried_without_being_kept_and_kept_when_asked(
    client: TestClient, anna: Path
) -> None:
    tried = {"attribute": ["vivid", "film grain", "blurry"], "weight": ["0", "1", "0.7"]}
    page = client.get("/taste/anna/models", params=tried).text
    assert re.findall(r"<h3><a [^>]*><bdi>(.*?)</bdi>", page)[0] == "grainy one"
    assert "left out" in page
    assert read_profile(anna) == ANNA
    ranked = client.get("/api/profiles/anna/rank", params=tried).json()
    assert ranked["results"][0]["model"] == "grainy one"
    assert {r["concept"] for r in ranked["results"][0]["reasons"]} == {"film grain", "blurry"}
    assert client.post("/taste/anna/weights", data=tried).status_code == 303
    now = read_profile(anna)
    assert [(one.attribute, one.confidence) for one in now.liked] == [("film grain", 1.0)]
    assert [(one.attribute, one.opinion) for one in now.corrections] == [
        ("vivid", None), ("film grain", "liked"),
    ]  # fmt: skip
    nothing = {"attribute": ["film grain", "blurry"], "weight": ["0", "0"]}
    assert "nothing to rank by" in client.get("/taste/anna/models", params=nothing).text
    assert client.get("/taste/anna/models?attribute=x&weight=nan").status_code == 422
    with pytest.raises(UsageError, match="nothing to rank by"):
        wishes_of(ANNA, dict.fromkeys(("vivid", "film grain", "blurry"), 0.0))


def test_it_is_exported_with_and_without_the_words_and_deleted_when_meant(
    client: TestClient, settings: Settings, anna: Path
) -> None:
    whole = client.get("/taste/anna/export")
    assert whole.headers["content-disposition"] == "attachment"
    assert whole.headers["cache-control"] == "no-store"
    assert Profile.from_json(whole.text) == ANNA
    bare = client.get("/taste/anna/export?without_comments=true").text
    assert Profile.from_json(bare) == ANNA.without_comments()
    assert "二番目" not in bare
    made = settings.profiles / "anna.made" / "previews" / "0"
    made.mkdir(parents=True)
    assert client.post("/taste/anna/delete").status_code == 400
    assert anna.exists()
    assert client.post("/taste/anna/delete", data={"sure": "yes"}).headers["location"] == "/taste"
    assert list(settings.profiles.iterdir()) == []


@pytest.mark.parametrize("kind", ["previews", "verifications"])
def test_steering_is_refused_with_what_to_do(
    client: TestClient,
    settings: Settings,
    anna: Path,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place, asked = f"/taste/anna/{kind}", {"base": MODEL, "prompts": "a cat"}

    def refused(**other: Any) -> str:
        found = client.post(place, data={**asked, **other})
        assert found.status_code == 400
        return html.unescape(found.text)

    assert "finexl serve --model" in refused(base="diffusers:another")
    assert "finexl serve --model" in refused(base="")
    assert "The seed is a whole number" in refused(seed="-1")
    assert "steps is a whole number" in refused(steps="0")
    assert "the most is" in refused(prompts="\n".join(map(str, range(300))))
    assert "2,000 characters" in refused(prompts="x" * 2_001)
    write_profile(Profile("empty"), settings.profiles / "empty.json")
    found = client.post(f"/taste/empty/{kind}", data=asked)
    assert "nothing yet" in found.text
    with monkeypatch.context() as patched:
        patched.setattr("importlib.util.find_spec", lambda _: None)
        assert "pip install 'finexl[diffusion]'" in html.unescape(client.get(place).text)
        api = client.post(f"/api/profiles/anna/{kind}", json={"base": MODEL, "prompts": ["a cat"]})
        assert api.status_code == 503
        assert "pip install 'finexl[diffusion]'" in api.json()["error"]
    with visited(replace(settings, models=())) as other:
        assert "finexl serve --model" in other.get(place).text
    assert not (settings.profiles / "anna.made").exists() or not list(
        (settings.profiles / "anna.made" / kind).iterdir()
    )
    assert anna.exists()


def test_models_that_cannot_be_steered_are_refused_at_the_start(settings: Settings) -> None:
    for model in ("gan:x", "api:x", "viper:x", "x"):
        with pytest.raises(UsageError, match="cannot be steered"):
            replace(settings, models=(model,)).check()
    replace(settings, models=("lora:a+b@1", "directions:a+b", "diffusers:a")).check()


def verification(**other: Any) -> dict[str, Any]:
    moved = {"wished": 1, "effect": 0.4, "ci": [0.1, 0.7], "q_value": 0.01, "specific": True}
    attributes = [
        {**moved, "attribute": "up", "verdict": "as wished"},
        {**moved, "attribute": "down", "wished": -1, "effect": -0.2, "verdict": "as wished"},
        {**moved, "attribute": "wrong", "effect": -0.3, "verdict": "against the wish"},
        {**moved, "attribute": AWKWARD, "ci": None, "q_value": None, "verdict": "not told"},
    ]
    others = [{"concept": "grainy", "score": -0.5, "ci": None}]
    degree = {"degree": 0.3, "detected": True, "norm": 1.0, "attributes": attributes,
              "others": others, "residual": 0.25}  # fmt: skip
    return {"schema": "finexl.verification/1", "name": "Anna", "base": "a model", "prompts": 8,
            "degrees": [degree], "sentences": ["At degree 0.3, all is well."], "image_seed": 0,
            "created": "2026-01-01T00:00:00Z", **other}  # fmt: skip


def test_a_verification_says_what_went_which_way(
    client: TestClient, settings: Settings, anna: Path
) -> None:
    folder = settings.profiles / "anna.made" / "verifications" / "0a"
    folder.mkdir(parents=True)
    (folder / "verification.json").write_text(json.dumps(verification()))
    page = html.unescape(client.get("/taste/anna/verifications/0a").text)
    order = ["Liked, and went up", "Disliked, and went down", "against the wish", "Not told",
             "What else moved", "less <bdi>grainy"]  # fmt: skip
    assert [page.index(text) for text in order] == sorted(page.index(text) for text in order)
    assert "25 % is left unexplained" in page.replace("\u00a0", " ")
    assert HOSTILE not in client.get("/taste/anna/verifications/0a").text
    assert client.get("/api/profiles/anna/verifications/0a").json() == verification()
    assert "0a" in client.get("/taste/anna/verifications").text
    for name in ("0b", "..%2F0a", "0a%00", "-"):
        assert client.get(f"/taste/anna/verifications/{name}").status_code == 404
    groups = dict(told_of(verification())[0].groups)
    assert {heading: [m["attribute"] for m in moved] for heading, moved in groups.items()} == {
        "Liked, and went up": ["up"],
        "Disliked, and went down": ["down"],
        "Liked, and went down: against the wish": ["wrong"],
        "Not told: too little, or unrelated words move as far": [AWKWARD],
    }
    assert anna.exists()


def previews(folder: Path) -> None:
    """Leave what a job leaves."""
    files = []
    for column, degree in enumerate(DEGREES):
        (folder / f"degree-{degree:g}").mkdir(parents=True)
        Image.new("RGB", (8, 8), (60 * column, 0, 0)).save(folder / f"degree-{degree:g}/x.png")
        files.append(f"degree-{degree:g}/x.png")
    told = {"schema": "finexl.previews/1", "base": "a model", "name": "Anna", "seed": 3,
            "liked": [[AWKWARD, 0.5]], "disliked": [], "steps": None, "degrees": list(DEGREES),
            "prompts": [{"prompt": AWKWARD, "files": files},
                        {"prompt": "blank", "files": [None] * 4}],
            "created": "2026-01-01T00:00:00Z"}  # fmt: skip
    (folder / "previews.json").write_text(json.dumps(told))


def test_previews_are_shown_side_by_side_and_one_beside_the_plain(
    client: TestClient, settings: Settings, anna: Path
) -> None:
    previews(settings.profiles / "anna.made" / "previews" / "0a")
    here = "/taste/anna/previews/0a"
    page = client.get(f"{here}?at=3").text
    beside, whole = page.split('id="beside"')[1].split('id="all"')
    assert re.findall(r'src="([^"]*)"', beside) == [f"{here}/0-0.png", f"{here}/0-3.png"]
    assert re.findall(r'src="([^"]*)"', whole) == [f"{here}/0-{i}.png" for i in range(4)]
    assert whole.count("cannot be used") == 4
    assert HOSTILE not in page
    assert "β 1" in page
    picture = client.get(f"{here}/0-2.png")
    assert (
        picture.content
        == (settings.profiles / "anna.made/previews/0a/degree-0.6/x.png").read_bytes()
    )
    for path in ("1-0.png", "0-4.png", "2-0.png", "0--1.png", "-1-0.png", "0-0.webp"):
        assert client.get(f"{here}/{path}").status_code in (404, 422)
    assert client.get(f"{here}?at=99").status_code == 200
    told = client.get("/api/profiles/anna/previews/0a").json()
    assert told["prompts"][0]["files"][1] == f"{here}/0-1.png"
    assert client.get("/api/profiles/anna/made").json()["previews"] == ["0a"]
    assert client.get("/taste/anna/previews/0b").status_code == 404
    assert anna.exists()


def test_without_a_catalog_the_models_page_says_so(settings: Settings, anna: Path) -> None:
    with visited(replace(settings, catalog=None)) as client:
        assert "without a catalog" in client.get("/taste/anna/models").text
        assert client.get("/api/profiles/anna/rank").status_code == 400
    assert anna.exists()


def test_programs_do_the_same(client: TestClient, settings: Settings) -> None:
    begun = client.post("/api/profiles", json={"name": "Bob", "comments": [{"text": "Hm."}]})
    assert (begun.status_code, begun.json()) == (201, {"id": "Bob", "name": "Bob"})
    twice = {"comments": [{"text": "I love red."}, {"text": "I love red."}]}
    told = client.post("/api/profiles/Bob/comments", json=twice).json()
    assert [one["text"] for one in told["comments"]] == ["Hm.", "I love red."]
    put = {"attribute": "vivid", "to": "liked", "weight": 0.5}
    told = client.post("/api/profiles/Bob/correct", json=put).json()
    assert [one["attribute"] for one in told["liked"]] == ["vivid"]
    assert client.post("/api/profiles/Bob/delete").json() == {"deleted": "Bob"}
    assert list(settings.profiles.iterdir()) == []
    bodies: list[dict[str, Any]] = [{"name": ""}, {"name": "x", "more": 1}, {"comments": []}]
    for body in bodies:
        assert client.post("/api/profiles", json=body).status_code == 422
