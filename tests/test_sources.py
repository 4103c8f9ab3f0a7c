"""Sides that make their images: the same prompts and seeds, continued, and until it is enough."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import finexl.pairing
import finexl.sources
from fake_encoder import FakeEncoder
from finexl.concepts.vocabulary import neutral_prompts
from finexl.core.divergence import Paired, cosine_error
from finexl.errors import UsageError
from finexl.generators import Generator, Settings
from finexl.runs import Run
from finexl.sources import Asked, absolute, find_sides, is_model, read_seeds
from test_making import Painter

Made = dict[str, Painter]


@pytest.fixture
def painters(monkeypatch: pytest.MonkeyPatch) -> Made:
    """Stand-ins for models: `diffusers:NAME` paints noise of its own."""
    known: Made = {}

    def load(reference: str, settings: Settings) -> Generator:
        known[reference] = Painter(batch=settings.batch or 1, name=reference)
        return known[reference]

    monkeypatch.setattr(finexl.sources, "load_generator", load)
    return known


def run_in(folder: Path) -> Run:
    folder.mkdir(exist_ok=True)
    return Run(folder)


def prompts_file(folder: Path, text: str = "a\nb\nc\n", name: str = "p.txt") -> Path:
    (folder / name).write_text(text)
    return folder / name


@pytest.mark.parametrize(
    ("text", "seeds"), [("0", (0,)), ("0-3", (0, 1, 2, 3)), (" 5, 1-2 ,5", (5, 1, 2))]
)
def test_seeds(text: str, seeds: tuple[int, ...]) -> None:
    assert read_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "x", "3-1", "-1", "1,,2", "0-10000", "1.5", "²"])
def test_what_is_no_seed_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write them like 0-3"):
        read_seeds(text)


def test_what_exists_is_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_model("diffusers:x")
    Path("diffusers:x").mkdir()
    assert not is_model("diffusers:x")
    assert not is_model("images")


def test_both_models_make_the_same_prompts_and_seeds(tmp_path: Path, painters: Made) -> None:
    asked = Asked("diffusers:a", "lora:a+b", prompts_file(tmp_path), (0, 1))
    sides = find_sides(asked, run_in(tmp_path / "run"))
    for side, kind in ((sides.base, "base"), (sides.personalized, "personalized")):
        made = [(p.prompt, p.seed) for p in side.pictures]
        assert made == [(prompt, seed) for prompt in "abc" for seed in (0, 1)]
        assert (tmp_path / "run" / "images" / f"{kind}-1" / "manifest.jsonl").exists()
    assert sides.prompts is None
    assert sides.personalized.name == "lora:a+b"
    assert set(painters) == {"diffusers:a", "lora:a+b"}


@pytest.mark.usefixtures("painters")
def test_a_model_beside_a_folder_makes_what_the_folder_was_made_of(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    rows = [{"file": f"{i}.png", "prompt": f"p{i}", "seed": 5 + i} for i in range(3)]
    for row in rows:
        Image.new("RGB", (8, 8), "red").save(folder / str(row["file"]))
    (folder / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)))
    sides = find_sides(Asked(str(folder), "diffusers:a"), run_in(tmp_path / "run"))
    made = [(p.prompt, p.seed) for p in sides.personalized.pictures]
    assert made == [("p0", 5), ("p1", 6), ("p2", 7)]
    assert len(sides.base.pictures) == 3


@pytest.mark.usefixtures("painters")
def test_a_folder_without_prompts_leaves_a_model_without_a_task(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "x.png")
    with pytest.raises(UsageError, match="have no prompts, so that a model cannot make the same"):
        find_sides(Asked(str(tmp_path), "diffusers:a"), run_in(tmp_path / "run"))


@pytest.mark.usefixtures("painters")
def test_without_prompts_neutral_ones_are_made(tmp_path: Path) -> None:
    sides = find_sides(Asked("diffusers:a", "diffusers:b"), run_in(tmp_path / "run"))
    assert tuple(p.prompt for p in sides.base.pictures) == neutral_prompts()


def test_what_takes_no_seed_is_paired_by_prompt_and_where_prompts_go_is_said(
    tmp_path: Path, painters: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(reference: str, settings: Settings) -> Generator:
        painters[reference] = Painter(batch=settings.batch or 1, name=reference)
        painters[reference].seeded = not reference.startswith("api")
        painters[reference].notice = None if painters[reference].seeded else "Prompts go away."
        return painters[reference]

    monkeypatch.setattr(finexl.sources, "load_generator", closed)
    said: list[str] = []
    asked = Asked("diffusers:a", "api:b", prompts_file(tmp_path), (0, 1))
    sides = find_sides(asked, run_in(tmp_path / "run"), say=said.append)
    assert {p.seed for p in sides.base.pictures} == {0, 1}
    assert {p.seed for p in sides.personalized.pictures} == {None}
    assert finexl.pairing.pair(sides.base, sides.personalized).kind == "prompt"
    assert said == ["Prompts go away."]


@pytest.mark.usefixtures("painters")
def test_seeds_in_the_prompts_file_win(tmp_path: Path) -> None:
    file = prompts_file(tmp_path, "prompt,seed\na,4\nb,\n", "p.csv")
    sides = find_sides(Asked("diffusers:a", "diffusers:b", file, (9,)), run_in(tmp_path / "run"))
    assert [(p.prompt, p.seed) for p in sides.base.pictures] == [("a", 4), ("b", 9)]


@pytest.mark.usefixtures("painters")
def test_a_model_needs_a_folder_to_make_images_in() -> None:
    with pytest.raises(UsageError, match="give one with --run"):
        find_sides(Asked("diffusers:a", "diffusers:b"), Run())


def test_images_are_made_until_the_error_is_small_and_the_rest_later_is_the_same(
    tmp_path: Path, painters: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = iter([0.5, 0.2, 0.01])
    monkeypatch.setattr(finexl.sources, "cosine_error", lambda _: next(errors))
    file = prompts_file(tmp_path, "".join(f"prompt {i}\n" for i in range(40)))
    asked = Asked("diffusers:a", "diffusers:b", file, (0,), Settings(batch=4), 0.03)
    said: list[str] = []
    run = run_in(tmp_path / "run")
    sides = find_sides(asked, run, FakeEncoder(), say=said.append)
    # 10, 15, 20 prompts, in whole batches of four
    assert len(sides.base.pictures) == 20
    assert said == [
        "12 prompts: V_div's cosine error is about 0.500.",
        "16 prompts: V_div's cosine error is about 0.200.",
        "20 prompts: V_div's cosine error is about 0.010.",
    ]
    assert painters["diffusers:a"].calls == [4] * 5
    assert sides.base.warnings == (
        "Images were made until V_div's estimated cosine error was 0.03: it is 0.010 with 20 "
        "prompts, looked at first after 10.",
    )


@pytest.mark.usefixtures("painters")
def test_where_the_prompts_are_used_up_it_is_said_how_many_it_would_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finexl.sources, "cosine_error", lambda _: 0.1)
    file = prompts_file(tmp_path, "".join(f"prompt {i}\n" for i in range(12)))
    asked = Asked("diffusers:a", "diffusers:b", file, until=0.03)
    said: list[str] = []
    find_sides(asked, run_in(tmp_path / "run"), FakeEncoder(), say=said.append)
    # (1/.9² − 1) / (1/.97² − 1) = 3.73 times as many
    assert said[-1].endswith("about 45 prompts would be needed.")


def test_the_cosine_error_is_what_it_is_on_average() -> None:
    rng = np.random.default_rng(0)
    V = np.zeros(60)
    V[0] = 1.0
    for n, spread in ((25, 0.5), (100, 0.5), (400, 2.0)):
        true, estimated = [], []
        for _ in range(200):
            rows = V + spread * rng.normal(size=(n, 60))
            mean = rows.mean(axis=0)
            true.append(1.0 - mean[0] / np.linalg.norm(mean))
            estimated.append(cosine_error(Paired(rows)))
        assert np.mean(estimated) == pytest.approx(np.mean(true), rel=0.1)


def test_the_cosine_error_of_noise_alone_or_of_one_prompt_is_1() -> None:
    rows = np.random.default_rng(0).normal(size=(20, 60))
    assert cosine_error(Paired(rows - rows.mean(axis=0))) == 1.0
    assert cosine_error(Paired(rows[:1])) == 1.0


@pytest.mark.parametrize("goal", [0.0, -1.0, 0.06, 1.0, float("nan")])
def test_a_goal_that_would_make_differences_of_noise_is_refused(goal: float) -> None:
    with pytest.raises(UsageError, match="above 0 and at most"):
        find_sides(Asked("diffusers:a", "diffusers:b", until=goal), Run())


def test_a_references_files_are_named_from_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("base").mkdir()
    for name in ("x.safetensors", "y.safetensors"):
        Path(name).touch()
    assert absolute("diffusers:base") == f"diffusers:{tmp_path}/base"
    assert absolute("diffusers:owner/name@v2") == "diffusers:owner/name@v2"
    assert absolute("lora:base+x.safetensors@0.5+y.safetensors") == (
        f"lora:{tmp_path}/base+{tmp_path}/x.safetensors@0.5+{tmp_path}/y.safetensors@1"
    )
    assert absolute("api:openai:m") == "api:openai:m"


@pytest.mark.parametrize("kind", ["gan", "ar"])
def test_a_base_that_exists_as_it_is_written_is_one_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a+b@2", "base"):
        Path(name).mkdir()
    Path("x+y.safetensors").touch()
    assert absolute(f"{kind}:a+b@2") == f"{kind}:{tmp_path}/a+b@2"
    assert absolute(f"{kind}:base") == f"{kind}:{tmp_path}/base"
    assert absolute(f"{kind}:owner/name@v2") == f"{kind}:owner/name@v2"
    laid = f"{kind}:{tmp_path}/a+b@2+{tmp_path}/x+y.safetensors@0.5"
    assert absolute(f"{kind}:a+b@2+x+y.safetensors@0.5") == laid == absolute(laid)


def test_images_of_a_model_that_heeds_no_prompt_stand_by_their_seeds(
    tmp_path: Path, painters: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unconditional(reference: str, settings: Settings) -> Generator:
        painters[reference] = Painter(batch=settings.batch or 1, name=reference)
        painters[reference].prompted, painters[reference].kind = False, "gan"
        return painters[reference]

    monkeypatch.setattr(finexl.sources, "load_generator", unconditional)
    asked = Asked("gan:a", "gan:b", prompts_file(tmp_path, "a face\na head\n"), (3, 4, 5))
    sides = find_sides(asked, run_in(tmp_path / "run"))
    assert [(p.prompt, p.seed) for p in sides.base.pictures] == [(None, 3), (None, 4), (None, 5)]
    matched = finexl.pairing.pair(sides.base, sides.personalized)
    assert (matched.kind, len(matched.pairs), matched.warnings) == ("seed", 3, ())
    compared = finexl.pairing.Compared(sides.base, sides.personalized, matched)
    assert compared.units() == 3
    # one seed would be one face: as many follow as there are prompts
    sides = find_sides(Asked("gan:a", "gan:b"), run_in(tmp_path / "other"))
    assert [p.seed for p in sides.base.pictures] == list(range(len(neutral_prompts())))
