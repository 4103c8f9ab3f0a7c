"""Images that survive: written as they come, continued where they broke off, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finexl.errors import FinexlError, UsageError
from finexl.generators import Job, Made, OutOfMemoryError, jobs_of, make_all
from finexl.imageset import read_images

JOBS = jobs_of(["a cat", "a dog", "ein Hünd\u2028“x”"], [0, 7])


@dataclass
class Painter:
    """Noise that depends on the job and, in one bit, on the size of the batch it is made in."""

    batch: int = 4
    digest: str = "1"
    name: str = "painter"
    kind: str = "diffusers"
    seeded: bool = True
    prompted: bool = True
    notice: str | None = None
    fits: int = 99
    dies_after: int | None = None
    black: Sequence[Job] = ()
    calls: list[int] = field(default_factory=list)

    def record(self) -> Mapping[str, Any]:
        return {"settings": {"steps": 3}}

    def make(self, jobs: Sequence[Job]) -> list[Made]:
        if len(jobs) > self.fits:
            raise OutOfMemoryError(f"{len(jobs)} images do not fit.")
        if self.dies_after is not None and len(self.calls) >= self.dies_after:
            raise FinexlError("The power went out.")
        self.calls.append(len(jobs))
        return [self._one(job, len(jobs)) for job in jobs]

    def _one(self, job: Job, together: int) -> Made:
        if job in self.black:
            return Made(Image.new("RGB", (8, 8)))
        rng = np.random.default_rng([job.seed, *job.prompt.encode()])
        pixels = rng.integers(0, 250, (8, 8, 3), dtype=np.uint8)
        pixels[0, 0, 0] = together
        return Made(Image.fromarray(pixels))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_every_image_and_what_made_it_is_in_the_folder(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    making = make_all(
        Painter(), JOBS, tmp_path / "x", lambda _, done, total: seen.append((done, total))
    )
    assert [(p.prompt, p.seed) for p in making.pictures] == [(j.prompt, j.seed) for j in JOBS]
    assert seen == [(done, 6) for done in range(7)]
    assert making.warnings == ()
    read = read_images(tmp_path / "x")
    assert {(p.prompt, p.seed) for p in read.pictures} == {(j.prompt, j.seed) for j in JOBS}
    assert json.loads((tmp_path / "x" / "model.json").read_text()) == {
        "name": "painter",
        "kind": "diffusers",
        "digest": "1",
        "settings": {"steps": 3},
    }


@pytest.mark.parametrize("dies_after", [0, 1])
def test_broken_off_and_started_again_it_ends_as_if_unbroken(
    tmp_path: Path, dies_after: int
) -> None:
    make_all(Painter(), JOBS, tmp_path / "whole")
    with pytest.raises(FinexlError, match="power"):
        make_all(Painter(dies_after=dies_after), JOBS, tmp_path / "broken")
    again = Painter()
    make_all(again, JOBS, tmp_path / "broken")
    assert again.calls == [4, 2][dies_after:]
    assert contents(tmp_path / "broken") == contents(tmp_path / "whole")


def test_killed_between_an_image_and_its_line_and_in_a_line(tmp_path: Path) -> None:
    make_all(Painter(), JOBS, tmp_path / "whole")
    folder = tmp_path / "killed"
    make_all(Painter(), JOBS, folder)
    manifest = folder / "manifest.jsonl"
    lines = manifest.read_bytes().split(b"\n")
    manifest.write_bytes(b"\n".join(lines[:3]) + b"\n" + lines[3][:9])
    [gone] = [path for path in folder.glob("*-7.png") if json.loads(lines[5])["file"] == path.name]
    gone.unlink()
    again = Painter()
    making = make_all(again, JOBS, folder)
    # the first batch is made again whole, for the one image that is missing
    assert again.calls == [4, 2]
    assert len(making.pictures) == 6
    for name, content in contents(tmp_path / "whole").items():
        if name.endswith(".png"):
            assert (folder / name).read_bytes() == content
    assert len(make_all(Painter(dies_after=0), JOBS, folder).pictures) == 6


def test_where_memory_runs_out_half_as_many_are_made_at_once_and_it_is_noted(
    tmp_path: Path,
) -> None:
    painter = Painter(fits=1)
    making = make_all(painter, JOBS, tmp_path / "x")
    assert (making.batch, painter.calls) == (1, [1] * 6)
    notes = (tmp_path / "x" / "notes.txt").read_text().splitlines()
    assert notes == [
        "4 images do not fit. From image 0 on 2 at once.",
        "2 images do not fit. From image 0 on 1 at once.",
    ]
    with pytest.raises(OutOfMemoryError, match="1 images do not fit"):
        make_all(Painter(fits=0), JOBS, tmp_path / "y")


def test_images_that_show_nothing_are_counted_and_left_out(tmp_path: Path) -> None:
    making = make_all(Painter(black=JOBS[:2]), JOBS, tmp_path / "x")
    assert making.blanks == {"all black": 2}
    assert making.warnings == ("2 of 6 images are left out: all black.",)
    assert len(making.pictures) == 4
    assert len(read_images(tmp_path / "x").pictures) == 4
    again = Painter()
    assert make_all(again, JOBS, tmp_path / "x").blanks == {"all black": 2}
    assert again.calls == []


def test_a_model_that_makes_nothing_but_black_is_told_at_once(tmp_path: Path) -> None:
    many = jobs_of([f"prompt {i}" for i in range(40)], [0])
    painter = Painter(black=many)
    with pytest.raises(UsageError, match=r"painter makes images that show nothing \(8 all black"):
        make_all(painter, many, tmp_path / "x")
    assert sum(painter.calls) == 8


def test_other_prompts_in_the_same_folder_touch_nothing(tmp_path: Path) -> None:
    first = make_all(Painter(), JOBS[:2], tmp_path)
    before = {p.prompt: p.open().tobytes() for p in first.pictures}
    make_all(Painter(), JOBS[2:], tmp_path)
    again = Painter()
    after = make_all(again, JOBS[:2], tmp_path)
    assert {p.prompt: p.open().tobytes() for p in after.pictures} == before
    assert again.calls == []
    assert len(read_images(tmp_path).pictures) == 6


@pytest.mark.parametrize(
    "row",
    [
        {"file": "../secret.png", "prompt": "a cat", "seed": 0},
        {"file": "/etc/secret.png", "prompt": "a cat", "seed": 0},
        {"blank": "", "prompt": "a cat", "seed": 0},
        {"blank": ["x"], "prompt": "a cat", "seed": 0},
        {"file": 7, "prompt": "a cat", "seed": "x"},
        ["file"],
    ],
)
def test_a_manifest_from_elsewhere_cannot_name_other_files(tmp_path: Path, row: object) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "secret.png")
    folder = tmp_path / "x"
    folder.mkdir()
    for name in ("manifest.jsonl", "blanks.jsonl"):
        (folder / name).write_text(json.dumps(row) + "\n")
    making = make_all(Painter(), JOBS[:1], folder)
    assert making.pictures[0].open().getpixel((0, 0)) != (255, 0, 0)
    assert making.blanks == {}


def test_images_of_another_model_are_not_mixed_in(tmp_path: Path) -> None:
    make_all(Painter(), JOBS[:1], tmp_path / "x")
    with pytest.raises(UsageError, match="holds images of painter made otherwise"):
        make_all(Painter(digest="2"), JOBS, tmp_path / "x")


def test_one_colour_throughout_and_reasons_of_the_models_own(tmp_path: Path) -> None:
    class Plain(Painter):
        def _one(self, job: Job, together: int) -> Made:
            if job == JOBS[0]:
                return Made(Image.new("RGB", (8, 8), (9, 8, 7)))
            if job == JOBS[1]:
                return Made(None, "withheld by the safety checker")
            return super()._one(job, together)

    making = make_all(Plain(), JOBS, tmp_path / "x")
    assert making.blanks == {"one colour throughout": 1, "withheld by the safety checker": 1}


def test_jobs_are_every_prompt_with_every_seed_once() -> None:
    assert jobs_of(["a", "b", "a"], [1, 0, 1]) == [
        Job("a", 1), Job("a", 0), Job("b", 1), Job("b", 0),
    ]  # fmt: skip
    for prompts, seeds in (([], [0]), (["a"], [])):
        with pytest.raises(UsageError, match="at least one of each"):
            jobs_of(prompts, seeds)
