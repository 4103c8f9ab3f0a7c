"""What is made from a profile: sets shown small, comments read, previews where only β changes."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from finexl.errors import UsageError
from finexl.generators import Job, load_generator
from finexl.generators import Settings as How
from finexl.images import Picture
from finexl.runs import Run
from finexl.viper import verifying
from finexl.viper.drawing.recipes import recipes
from finexl.viper.pictures import draw
from finexl.viper.profile import (
    Comment,
    PictureId,
    Preference,
    Profile,
    read_profile,
    write_profile,
)
from finexl.web.settings import Limits, Settings
from finexl.web.taste.begun import KEPT, Desk, Wanted
from finexl.web.taste.extracting import Extracting, taken
from finexl.web.taste.preparing import SIDE, Preparing
from finexl.web.taste.previewing import Previewing, preview_file, read_previews
from finexl.web.taste.sets import Sets, set_id
from finexl.web.taste.verifying import Verifying, read_verification
from website import EXAMPLES, csrf, visited

SCENES = f"diffusers:{EXAMPLES / 'models' / 'scenes-diffusion'}"
RED = Profile(
    "Anna",
    liked=(Preference("a red", None, 1.0, ()),),
    disliked=(Preference("a blue", None, 1.0, ()),),
)


def quiet(*_: object) -> None:
    """Tell nobody of the progress."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    root = tmp_path / "root"
    (root / "mine").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(3):
        pixels = rng.integers(0, 256, (500, 600, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "mine" / f"{i}.png")
    return Settings(
        roots=(root,), runs=tmp_path / "runs", sets=tmp_path / "sets",
        profiles=tmp_path / "profiles", models=(SCENES,),
    )  # fmt: skip


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with visited(settings) as client:
        client.headers.update(csrf(client))
        yield client


def finished(client: TestClient, found: Any) -> dict[str, Any]:
    """Wait for a job that was queued, and return it."""
    assert found.status_code == 202, found.text
    until = time.monotonic() + 300
    while time.monotonic() < until:
        job: dict[str, Any] = client.get(f"/api/jobs/{found.json()['job']}").json()
        if job["state"] not in ("waiting", "running"):
            return job
        time.sleep(0.05)
    raise AssertionError("it took too long")


def test_the_built_in_set_is_drawn_as_the_command_draws_it(tmp_path: Path) -> None:
    id = set_id(None)
    folder = tmp_path / id
    folder.mkdir()
    told: list[tuple[str, int, int]] = []
    Preparing(folder, None, (), 500, size=32).do(lambda *step: told.append(step), tmp_path)
    found = Sets(tmp_path, ()).find(id)
    assert found is not None
    assert len(found.pictures) == len(recipes())
    assert told[-1] == ("Making small pictures", len(recipes()), len(recipes()))
    first = next(p for p in found.pictures if p.name == f"{recipes()[0].name}.png")
    path = Sets(tmp_path, ()).place(found) / first.name
    assert np.array_equal(np.asarray(Picture("x", path).open()), np.asarray(draw(0, 32)))
    assert first.digest == Picture("x", path).digest()


def test_a_folders_pictures_are_shown_small_and_stay_where_they_are(
    client: TestClient, settings: Settings
) -> None:
    mine = settings.roots[0] / "mine"
    (mine / "broken.png").write_bytes(b"no picture")
    before = {path.name: path.read_bytes() for path in mine.iterdir()}
    job = finished(client, client.post("/api/sets", json={"folder": "mine"}))
    assert job["state"] == "done"
    told = client.get(job["result"]).json()
    assert [p["name"] for p in told["pictures"]] == ["0.png", "1.png", "2.png"]
    assert told["pictures"][1]["digest"] == Picture("1", mine / "1.png").digest()
    assert len(told["notes"]) == 1
    assert "broken.png" in told["notes"][0]
    assert str(settings.roots[0]) not in json.dumps(told)
    small = client.get(told["pictures"][0]["small"])
    assert small.headers["content-type"] == "image/webp"
    file = settings.sets / told["set"] / "0.webp"
    with Image.open(file) as image:
        assert image.size == (SIDE, SIDE * 5 // 6)
    assert {path.name: path.read_bytes() for path in mine.iterdir()} == before
    assert [one["set"] for one in client.get("/api/sets").json()["sets"]] == [told["set"]]
    for path in ("3.webp", "-1.webp", "x.webp", "..%2Fset.json"):
        assert client.get(f"/sets/{told['set']}/{path}").status_code in (404, 422)
    # a server that may not read the folder does not show what another one made of it
    with visited(replace(settings, roots=(settings.sets,))) as other:
        assert other.get("/api/sets").json()["sets"] == []
        assert other.get(told["pictures"][0]["small"]).status_code == 404


@pytest.mark.parametrize("named", ["..", "nothing", "/etc", "link"])
def test_no_set_is_made_of_what_is_outside(
    client: TestClient, settings: Settings, named: str
) -> None:
    (settings.roots[0] / "link").symlink_to(settings.roots[0].parent)
    found = client.post("/api/sets", json={"folder": named})
    assert found.status_code == 400
    assert client.post("/sets", data={"folder": named}).status_code == 400
    assert not settings.sets.exists() or list(settings.sets.iterdir()) == []


def test_pictures_that_lead_out_and_too_many_are_refused(settings: Settings) -> None:
    root = settings.roots[0]
    (root / "out").mkdir()
    Image.new("RGB", (9, 9)).save(root.parent / "secret.png")
    (root / "out" / "a.png").symlink_to(root.parent / "secret.png")
    for folder, most, why in ((root / "out", 9, "outside"), (root / "mine", 2, "the most is 2")):
        with pytest.raises(UsageError, match=why):
            Preparing(root / "job", folder, settings.roots, most).do(quiet, root)


def test_comments_are_read_and_corrections_hold(client: TestClient, settings: Settings) -> None:
    said = [
        "I love the flowing lines, but the colors are too loud.",
        "<script>alert(1)</script> What a gloomy mood!",
        "Ich mag die leuchtenden Farben in diesem Bild überhaupt nicht",
    ]
    job = finished(client, client.post("/api/sets", json={"folder": "mine"}))
    name = client.get(job["result"]).json()["pictures"][0]["name"]
    begun = {"name": "Anna", "comments": [{"text": text} for text in said]}
    assert client.post("/api/profiles", json=begun).status_code == 201
    praise = {"comments": [{"text": "I love these colors!", "picture": name}]}
    client.post("/api/profiles/Anna/comments", json=praise)
    job = finished(client, client.post("/api/profiles/Anna/extract"))
    assert (job["kind"], job["state"], job["result"]) == (
        "extraction", "done", "/api/profiles/Anna",
    )  # fmt: skip
    told = client.get(job["result"]).json()
    assert "flowing lines" in [one["attribute"] for one in told["liked"]]
    assert [one["attribute"] for one in told["disliked"]] == ["vibrant colors", "gloomy mood"]
    looked = [e for one in told["liked"] for e in one["evidence"] if e["seen"]]
    assert {e["picture"] for e in looked} == {"0.png"}  # its colors were read off its pixels
    assert any("do not look English" in note for note in told["notes"])
    put = {"attribute": "vibrant colors", "to": "liked", "weight": 0.4}
    before = client.post("/api/profiles/Anna/correct", json=put).json()
    assert finished(client, client.post("/api/profiles/Anna/extract"))["state"] == "done"
    assert client.get("/api/profiles/Anna").json() == before
    assert [path.name for path in settings.profiles.iterdir()] == ["Anna.json"]
    assert list(settings.runs.iterdir()) == []
    page = client.get("/taste/Anna").text
    assert f"/sets/{set_id((settings.roots[0] / 'mine').resolve())}/0.webp" in page


def test_what_was_said_meanwhile_is_not_lost(tmp_path: Path) -> None:
    asked = Profile("Anna", (Comment("I love red."),))
    Extracting(tmp_path, asked.to_json(), (), ()).do(quiet, tmp_path)
    assert [one.attribute for one in taken(asked, asked, tmp_path).liked] == ["red tones"]
    now = asked.adding([Comment("And blue.")])
    with pytest.raises(UsageError, match="read them again"):
        taken(now, asked, tmp_path)


@pytest.fixture(scope="module")
def previewed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("previews")
    prompts, degrees = ("a circle", "a square"), (0.0, 1.0)
    Previewing(folder, SCENES, RED.to_json(), prompts, degrees, 3, 4).do(quiet, folder)
    return folder


def test_previews_change_by_degree_alone_and_0_is_the_plain_model(previewed: Path) -> None:
    found = read_previews(previewed)
    assert found is not None
    assert found.told["degrees"] == [0.0, 1.0]
    plain = load_generator(SCENES, How(steps=4))
    made = plain.make([Job("a circle", 3)])[0].image
    paths = [preview_file(previewed, 0, column) for column in (0, 1)]
    shown = [np.asarray(Picture("x", path).open(), float) for path in paths if path is not None]
    assert made is not None
    assert np.array_equal(shown[0], np.asarray(made, float))
    # pulled from "a blue" to "a red": redder, and less blue
    redder = [picture[..., 0].mean() - picture[..., 2].mean() for picture in shown]
    assert redder[1] > redder[0] + 30
    assert preview_file(previewed, 0, 2) is None
    assert preview_file(previewed, 2, 0) is None
    assert str(previewed) not in json.dumps(found.told)


def test_nothing_to_steer_by_makes_nothing(tmp_path: Path) -> None:
    empty = Profile("Bob").to_json()
    with pytest.raises(UsageError, match="no steering"):
        Previewing(tmp_path, SCENES, empty, ("a cat",), (0.0,), 0, 1).do(quiet, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_preview_is_a_job_that_can_be_cancelled(client: TestClient, settings: Settings) -> None:
    settings.profiles.mkdir()
    write_profile(RED, settings.profiles / "anna.json")
    asked = {"base": SCENES, "prompts": ["a circle"], "steps": 1000}
    job = client.post("/api/profiles/anna/previews", json=asked).json()
    assert (job["kind"], job["state"]) in (("previews", "waiting"), ("previews", "running"))
    assert client.post(f"/api/jobs/{job['job']}/cancel").json()["state"] == "cancelled"
    assert list((settings.profiles / "anna.made" / "previews").iterdir()) == []
    assert client.get("/taste/anna/previews").status_code == 200
    waiting = client.post("/api/profiles/anna/previews", json=asked).json()
    assert client.post("/api/profiles/anna/delete").is_success  # and what is about to be made
    assert client.get(f"/api/jobs/{waiting['job']}").json()["state"] == "cancelled"
    assert list(settings.profiles.iterdir()) == []


def test_only_the_latest_are_kept(client: TestClient, settings: Settings) -> None:
    desk: Desk = client.app.state.desk  # type: ignore[attr-defined]
    settings.profiles.mkdir()
    write_profile(RED, settings.profiles / "anna.json")
    where = settings.profiles / "anna.made" / "previews"
    for i in range(KEPT + 3):
        (where / f"{i:02}").mkdir(parents=True)
        os.utime(where / f"{i:02}", (i, i))
    job = desk.preview("anna", Wanted(SCENES, ("a circle",), (0.0,), 0, 1))
    desk.jobs.cancel(job)
    job.settle(job.task.folder)
    assert sorted(path.name for path in where.iterdir()) == [f"{i:02}" for i in range(4, KEPT + 3)]


def test_a_verification_is_what_the_command_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    class Found:
        degrees = (type("One", (), {"degree": 0.5}),)

        def to_dict(self) -> dict[str, Any]:
            return {"schema": verifying.SCHEMA, "degrees": [{"degree": 0.5}], "sentences": []}

    def stand_in(viper: Any, degrees: Sequence[float], jobs: Sequence[Job], folder: Path,
                 **how: Any) -> Found:  # fmt: skip
        asked.append((viper, degrees, jobs))
        Run.create(folder / "run-0.5").save_record(
            {"state": "done", "options": {"base": str(folder / "base")}}
        )
        how["progress"]("Making", 1, 1)
        return Found()

    monkeypatch.setattr(verifying, "verify", stand_in)
    folder, final = tmp_path / "job", tmp_path / "final"
    folder.mkdir()
    told: list[Any] = []
    Verifying(folder, SCENES, RED.to_json(), ("a cat",), (0.5,), 7, 4).do(
        lambda *step: told.append(step), final
    )
    viper, degrees, jobs = asked[0]
    assert (viper.taste.liked, viper.taste.disliked) == ((("a red", 1.0),), (("a blue", 1.0),))
    assert (degrees, jobs, told) == ((0.5,), [Job("a cat", 7)], [("Making", 1, 1)])
    assert viper.base.settings.steps == 4
    found = read_verification(folder)
    assert found is not None
    assert (found.told["prompts"], found.told["image_seed"]) == (1, 7)
    # what the runs name moves with them
    assert (Run(folder / "run-0.5").record() or {})["options"]["base"] == str(final / "base")
    Verifying(folder, SCENES, RED.to_json(), (), (0.5,), 0, None).do(quiet, final)
    assert len(asked[1][2]) > 20  # the built-in prompts


def test_the_picture_of_another_content_is_another(client: TestClient, settings: Settings) -> None:
    settings.profiles.mkdir()
    known = replace(
        RED, comments=(Comment("Nice.", "0.png"),), pictures=(PictureId("0.png", "ff"),)
    )
    path = settings.profiles / "anna.json"
    write_profile(known, path)
    job = finished(client, client.post("/api/sets", json={"folder": "mine"}))
    told = client.get(job["result"]).json()
    page = client.get("/taste/anna/comments").text
    assert "Comment 1, about 0.png" in page  # not the comment on the picture that is shown
    about = {"comments": [{"text": "Another.", "picture": "0.png"}]}
    client.post("/api/profiles/anna/comments", json=about)
    now = read_profile(path)
    assert now.comments[1].picture == told["pictures"][0]["digest"]


def test_a_full_queue_is_said_and_the_comments_are_kept(settings: Settings) -> None:
    with visited(replace(settings, limits=Limits(waiting=0))) as client:
        client.headers.update(csrf(client))
        client.post("/taste", data={"name": "a"})
        version = client.get("/taste/a/comments").text.split('name="version" value="')[1][:16]
        form = {"version": version, "number": [""], "picture": [""], "text": ["I love red."]}
        found = client.post("/taste/a/comments", data={**form, "then": "read"})
        assert found.status_code == 400
        assert "The comments are saved. 0 jobs wait already" in found.text
        assert read_profile(settings.profiles / "a.json").comments == (Comment("I love red."),)
