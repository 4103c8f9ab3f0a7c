"""A person's page: what it may not tell, and that it works in a real browser without a network."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finexl.viper.study.answers import read_answers
from finexl.viper.study.building import build, from_folders
from finexl.viper.study.design import NOBODY, Study
from finexl.viper.study.page import SIDE, encoded, render

CHROMIUM = os.environ.get("FINEXL_CHROMIUM", "/usr/bin/chromium")
NAMES = ["Ann </script><script>alert(1)</script>", "Secret Name", "Third Person"]
PROMPT = 'a "cat" & <b>dog</b> </script>'


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Study]:
    root = tmp_path_factory.mktemp("study")
    folders = {}
    for number, name in enumerate([*NAMES, NOBODY]):
        folder = root / f"source-of-{number}"
        folder.mkdir()
        listed = []
        for place in range(4 if name != NOBODY else 14):
            pixels = np.random.default_rng([number, place]).integers(0, 256, (8, 8, 3))
            image = Image.fromarray(pixels.astype(np.uint8)).resize((64, 64))
            exif = Image.Exif()
            exif[0x010E] = f"made for {name}"
            image.save(folder / f"{place}.png", exif=exif)
            prompt = PROMPT if place % 2 else "a second one"
            listed.append(json.dumps({"file": f"{place}.png", "prompt": prompt}))
        (folder / "manifest.jsonl").write_text("\n".join(listed))
        folders[name] = folder
    plain = folders.pop(NOBODY)
    nobodys: Any = dict.fromkeys(NAMES, ((), ()))
    prompts = [PROMPT, "a second one"]
    study = build(
        root / "study", from_folders(folders, plain), nobodys, prompts, ("none", "others"),
        count=2, seed=0,
    ).study  # fmt: skip
    return root / "study", study


def test_a_page_tells_nothing_of_whose_pictures_are_whose(made: tuple[Path, Study]) -> None:
    folder, study = made
    for number, path in enumerate(sorted((folder / "pages").iterdir())):
        page = path.read_text()
        for name in {*NAMES, "Secret", "Third", "source-of", "made for"} - {NAMES[number]}:
            if name not in NAMES[number]:
                assert name not in page
        assert not any(image.digest[:12] in page for image in study.pictures)
        data = json.loads(re.findall(r'id="data">(.*?)</script>', page, re.DOTALL)[0])
        assert set(data) == {"study", "page", "file", "trials", "pictures"}
        assert all(set(trial) == {"prompt", "pictures"} for trial in data["trials"])
        # pictures are numbered as they come: the number says nothing
        seen = list(dict.fromkeys(p for trial in data["trials"] for p in trial["pictures"]))
        assert seen == list(range(len(data["pictures"])))
        for picture in data["pictures"]:
            image = Image.open(io.BytesIO(base64.b64decode(picture)))
            assert (image.format, image.size) == ("JPEG", (128, 128))
            assert not image.getexif()
            assert "comment" not in image.info


def test_a_page_is_what_the_key_says(made: tuple[Path, Study]) -> None:
    folder, study = made
    path = sorted((folder / "pages").iterdir())[1]
    data = json.loads(re.findall(r'id="data">(.*?)</script>', path.read_text(), re.DOTALL)[0])
    person = study.people[1]
    assert (data["study"], data["page"]) == (study.id, person.page)
    for trial, shown in zip(person.trials, data["trials"], strict=True):
        assert shown["prompt"] == trial.prompt
        digests = [
            hashlib.sha256(base64.b64decode(data["pictures"][place])).hexdigest()
            for place in shown["pictures"]
        ]
        assert digests == [study.pictures[place].digest for place in trial.pictures]


def test_what_people_are_called_and_prompts_end_no_element(made: tuple[Path, Study]) -> None:
    folder, _ = made
    page = next((folder / "pages").glob("01-*")).read_text()
    assert page.count("<script") == 2
    assert page.count("</script>") == 2
    assert "Hello Ann &lt;/script&gt;" in page
    assert "<b>dog" not in page
    for kind, element in (("style", "style"), ("script", "script")):
        text = re.findall(rf"<{element}>(.*?)</{element}>", page, re.DOTALL)[0]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in page
    assert "http" not in re.sub(r'id="data">.*?</script>', "", page, flags=re.DOTALL).replace(
        "http-equiv", ""
    )


def test_pictures_are_encoded_alike_whatever_they_were() -> None:
    rng = np.random.default_rng(0)
    large = Image.fromarray(rng.integers(0, 256, (700, 900, 3), np.uint8).astype(np.uint8))
    wide = Image.open(io.BytesIO(encoded(large)))
    assert wide.size == (SIDE, round(SIDE * 700 / 900))
    small = Image.open(io.BytesIO(encoded(large.resize((24, 32)))))
    assert small.size == (96, 128)
    assert encoded(large) == encoded(large.copy())


def test_the_same_study_renders_the_same_page(made: tuple[Path, Study]) -> None:
    folder, study = made
    contents = {
        place: (folder / "pictures" / f"{image.digest}.jpg").read_bytes()
        for place, image in enumerate(study.pictures)
    }
    page = render(study, study.people[2], contents)
    assert page == next((folder / "pages").glob("03-*")).read_text()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not Path(CHROMIUM).exists():
        pytest.skip(f"there is no Chromium at {CHROMIUM} (FINEXL_CHROMIUM)")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.mark.parametrize("width", [1200, 400])
def test_a_person_ranks_saves_and_is_read(
    made: tuple[Path, Study], browser: Any, tmp_path: Path, width: int
) -> None:
    folder, study = made
    context = browser.new_context(viewport={"width": width, "height": 800}, offline=True)
    context.set_default_timeout(60_000)
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.goto(next((folder / "pages").glob("01-*")).as_uri())
    assert page.text_content("#intro p").startswith("Hello Ann </script><script>alert(1)")
    page.click("#begin")
    count = len(study.people[0].trials[0].pictures)
    buttons = page.locator("#pictures button")
    assert buttons.count() == count
    assert page.text_content("#prompt") == study.people[0].trials[0].prompt
    buttons.nth(1).click()
    buttons.nth(0).click()
    buttons.nth(1).click()  # taken back: the other moves up
    assert buttons.nth(0).get_attribute("aria-label") == "Picture 1, 1st place"
    assert buttons.nth(1).get_attribute("aria-pressed") == "false"
    # the keyboard alone: a number while a picture has the focus, and Enter
    buttons.nth(0).focus()
    page.keyboard.press("3")
    assert buttons.nth(2).get_attribute("aria-label") == "Picture 3, 2nd place"
    assert "Picture 3 is in 2nd place" in page.text_content("#said")
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")  # picture 3 again: taken back
    page.keyboard.press("9")  # there is no ninth
    page.focus("#next")
    page.keyboard.press("2")  # no picture has the focus
    assert buttons.nth(1).get_attribute("aria-pressed") == "false"
    page.click("#next")
    page.reload()  # what was chosen is still there, and so is the place
    assert page.text_content("#where") == f"Group 2 of {len(study.people[0].trials)}"
    page.click("#back")
    assert page.locator("#pictures button").nth(0).get_attribute("aria-pressed") == "true"
    for _ in study.people[0].trials:
        page.click("#next")
    assert page.text_content("#summary") == (
        f"You chose pictures in 1 of {len(study.people[0].trials)} groups."
    )
    with page.expect_download() as download:
        page.click("#save")
    saved = tmp_path / download.value.suggested_filename
    download.value.save_as(saved)
    assert saved.suffix == ".json"
    assert saved.read_text() == page.input_value("#text")
    (answered,), _ = read_answers(study, [saved])
    assert answered.person == study.people[0]
    assert answered.rankings == ((0,), *[()] * (len(study.people[0].trials) - 1))
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width
    assert said == []
    assert {url.split(":")[0] for url in asked} <= {"file", "data", "blob"}
    context.close()


def test_axe_finds_nothing_to_complain_about(made: tuple[Path, Study], browser: Any) -> None:
    axe = pytest.importorskip("axe_core_python.sync_playwright").Axe()
    folder, _ = made
    # axe is a script of its own, which the page's policy keeps out
    context = browser.new_context(bypass_csp=True, viewport={"width": 400, "height": 800})
    page = context.new_page()
    page.goto(next((folder / "pages").glob("02-*")).as_uri())
    for step in ("#begin", "#pictures button", "#next", "#next", "#next", "#next"):
        found = axe.run(page)
        assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []
        page.locator(step).first.click()
    assert page.is_visible("#end")
    assert axe.run(page)["violations"] == []
    context.close()
