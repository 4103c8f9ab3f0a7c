"""Checkpoints, strengths, stacks: planted truth, pictures that lose their prompts, the command."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

import finexl.encoders
from finexl.cli import compare as command
from finexl.comparing import ground as grounds
from finexl.comparing.asked import Asked, compare_models, positions
from finexl.comparing.ground import ground_of
from finexl.comparing.models import read_models
from finexl.comparing.pictures import faithfulness_of, pictures_of
from finexl.comparing.said import about_series, about_stack
from finexl.comparing.series import Series, series_of
from finexl.comparing.stacks import Stack, stack_of
from finexl.core.orthogonality import unit_rows
from finexl.errors import UsageError
from finexl.imageset import read_images
from finexl.options import Options
from finexl.pipeline import explain_sets
from finexl.runs import Run
from planted import DIM, PlantedEncoder, direction
from planted_models import ENCODER, explained, model

# --- checkpoints ----------------------------------------------------------------------------------

FAULT = "smudges"
"""What happens to lie across both concepts in the subspace, as seldom a phrase does in so few
dimensions: an effect is what a concept alone would show, and shows all that lies along it."""
LEARNED = {
    100: {"vivid": 0.3},
    200: {"vivid": 0.6, "dark": 0.02},
    400: {"vivid": 0.6, "dark": 0.5},
    800: {"vivid": 0.6, "dark": 0.5},
}


def steps(levels: Mapping[int, Mapping[str, float]], **of: object) -> Series:
    models = [
        model(f"step-{at}", learned, seed=at, keeps=["vivid", "dark"], **of)
        for at, learned in levels.items()
    ]
    return series_of(ground_of(models, encoder=ENCODER), "step", list(levels))


def test_it_is_told_what_is_learned_when() -> None:
    found = steps(LEARNED)
    learned = {one.concept.text: one for one in found.learned}
    assert learned["vivid"].at == 100
    # a concept alone shows some of another that is near it, so that only the order is planted
    assert learned["dark"].half_at is not None
    assert learned["vivid"].half_at is not None
    assert learned["vivid"].half_at < 130 < 200 < learned["dark"].half_at < 400
    low, high = learned["dark"].half_ci or (0, 0)
    assert 200 < low <= learned["dark"].half_at <= high < 400
    assert about_series(found)[0].startswith(
        "“vivid” is significant from step 100 on, and has half"
    )


def test_over_training_is_movement_that_goes_on_when_the_aspects_are_there() -> None:
    assert steps(LEARNED).onset is None
    assert steps(LEARNED).flat_from == 400
    over = {at: {**levels, FAULT: at / 800} for at, levels in LEARNED.items()}
    found = steps(over)
    assert found.onset is not None
    assert found.at(found.onset.index) == 400
    assert found.onset.grows
    said = about_series(found)[-1]
    assert said.startswith("Over-training sets in at step 400: from there to step 800")
    assert "movement beside them grows by" in said
    data = found.to_dict()
    assert data["over_training"]["from"] == 400
    assert "usable" not in data


def test_what_is_still_learned_is_no_over_training() -> None:
    growing = {at: {"vivid": at / 1000, FAULT: at / 800} for at in (100, 200, 400, 800)}
    found = steps(growing)
    assert (found.onset, found.flat_from) == (None, None)
    assert "not certain to have become flat" in about_series(found)[-1]


def test_five_prompts_and_models_without_pairs_leave_it_open() -> None:
    for of in ({"n": 5}, {"pairs": False}):
        found = steps(LEARNED, **of)
        assert [one.at for one in found.learned] == [None, None]
        assert found.onset is None
        assert found.points[0].aspects is None
        json.dumps(found.to_dict(), allow_nan=False)
        assert "nothing can be said of over-training" in about_series(found)[-1]


def test_places_are_read_from_what_is_written_or_from_names() -> None:
    assert positions("100, 20,4e2", ["a", "b", "c"]) == (100, 20, 400)
    assert positions("names", ["vivid-25", "step 1000", "at 0.5"]) == (25, 1000, 0.5)
    assert positions("names", ["lora (run-100)", "lora (run-200)"]) == (100, 200)
    for written, why in (
        ("1,2,3", "3 numbers for 2 models"),
        ("1,x", "'x' is no number above 0"),
        ("1,-2", "'-2' is no number above 0"),
        ("1,nan", "'nan' is no number"),
        ("2,2", "same place"),
        ("names", "'a' does not end in a number"),
    ):
        with pytest.raises(UsageError, match=why):
            positions(written, ["a", "b 2"])


# --- stacks ---------------------------------------------------------------------------------------


def stack(whole: Mapping[str, float], **without: Mapping[str, float]) -> Stack:
    keeps = ["film grain", "vivid", "dark"]
    models = [model("stack", whole, keeps=keeps)]
    models += [
        model(name, levels, keeps=keeps, seed=i + 2)
        for i, (name, levels) in enumerate(without.items())
    ]
    return stack_of(ground_of(models, encoder=ENCODER, asked=keeps, top=0), tuple(without))


def test_a_part_contributes_what_is_missing_without_it() -> None:
    found = stack(
        {"film grain": 0.4, "vivid": 0.8}, grain={"vivid": 0.8}, colour={"film grain": 0.4}
    )
    place = [concept.text for concept in found.concepts]
    grain, colour = found.parts
    assert (grain.name, colour.name) == ("grain", "colour")
    assert grain.effects[place.index("film grain")].significant
    assert grain.effects[place.index("film grain")].value > 0
    assert colour.effects[place.index("vivid")].value > 0
    assert grain.share is not None
    assert colour.share is not None
    assert colour.share.value / grain.share.value == pytest.approx(2, rel=0.1)
    assert not found.rest.share or not found.rest.share.significant
    said = list(about_stack(found))
    assert said[0].startswith("grain contributes")
    assert "not seen to act on each other" in said[-1]


def test_what_parts_do_only_together_or_both_alone_does_not_add_up() -> None:
    parts = {"grain": {"vivid": 0.8}, "colour": {"film grain": 0.4}}
    both = {"film grain": 0.4, "vivid": 0.8, "dark": 0.6}
    together = stack(both, **parts)
    dark = [concept.text for concept in together.concepts].index("dark")
    assert together.rest.share is not None
    assert together.rest.share.significant
    assert together.rest.effects[dark].value < 0
    each = stack(both, **{name: {**of, "dark": 0.6} for name, of in parts.items()})
    assert each.rest.effects[dark].value > 0
    assert "The parts do not add up" in list(about_stack(each))[-1]


def test_a_stack_takes_one_model_a_part() -> None:
    models = [model(name, {"vivid": 0.5}, seed=i) for i, name in enumerate("abc")]
    ground = ground_of(models, encoder=ENCODER)
    for names in (("x",), ("x", "x")):
        with pytest.raises(UsageError, match="Every part of a stack"):
            stack_of(ground, names)


# --- pictures -------------------------------------------------------------------------------------

SIZE = (12, 8)
SCENES = tuple(f"scene {i}" for i in range(12))


class PixelEncoder(PlantedEncoder):
    """A picture's pixels are its row: grey from −0.5 to 0.5."""

    name = "pixels"

    def embed_images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        pixels = [np.asarray(image.convert("L"), np.float32).ravel() for image in images]
        return (np.array(pixels) / 255 - 0.5).astype(np.float32)


PIXELS = PixelEncoder()


def drawn(folder: Path, levels: Mapping[str, float], kept: float = 1.0, seeds: int = 1) -> Path:
    """Pictures that have so much of each phrase, and so much left of what their prompt says."""
    folder.mkdir(parents=True)
    rng, lines = np.random.default_rng(len(folder.name)), []
    for i, scene in enumerate(SCENES):
        for seed in range(seeds):
            row = kept * direction(scene) + rng.standard_normal(DIM) * 0.01
            row = row + sum((level * direction(c) for c, level in levels.items()), np.zeros(DIM))
            pixels = np.clip(np.rint((row + 0.5) * 255), 0, 255).astype(np.uint8)
            name = f"{i:02}-{seed}.png"
            Image.fromarray(pixels.reshape(SIZE[1], SIZE[0])).save(folder / name)
            lines.append(json.dumps({"file": name, "prompt": scene, "seed": seed}))
    (folder / "manifest.jsonl").write_text("\n".join(lines))
    return folder


def run_of(tmp_path: Path, name: str, levels: Mapping[str, float], **of: float) -> Path:
    """The run folder of a model that was explained by its pictures."""
    base = tmp_path / "base"
    if not base.exists():
        drawn(base, {}, seeds=int(of.get("seeds", 1)))
    personalized = drawn(tmp_path / name, levels, of.get("kept", 1.0), int(of.get("seeds", 1)))
    run = Run.create(tmp_path / f"run-{name}")
    asked = {"base": str(base), "personalized": str(personalized), "prompts": None}
    run.save_record({"options": {**asked, "pairing": "auto"}, "state": "done"})
    words = ("vivid", "dark", "monochrome")
    options = Options(only_concepts=words, pool=True, name=name)
    explain_sets(read_images(base), read_images(personalized), options, PIXELS, run)
    assert run.folder is not None
    return run.folder


def test_a_runs_pictures_are_found_again_and_nothing_is_written(tmp_path: Path) -> None:
    folder = run_of(tmp_path, "half", {"vivid": 0.4}, kept=0.5)
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    (one,) = read_models([folder])
    found = pictures_of(one, PIXELS)
    assert found.prompts == SCENES
    pairs = np.asarray(one.explanation.divergence.pairs, np.float64)
    assert found.rows == pytest.approx(pairs, abs=1e-3)
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


def test_faithfulness_is_how_well_images_tell_their_own_prompt(tmp_path: Path) -> None:
    (one,) = read_models([run_of(tmp_path, "half", {"vivid": 0.4}, kept=0.5)])
    found = faithfulness_of(one, PIXELS)
    rows = pictures_of(one, PIXELS)
    cosines = unit_rows(PIXELS.embed_texts(SCENES).astype(np.float64)) @ rows.base.T
    margin = [
        cosines[i, i] - np.mean([cosines[j, i] for j in range(12) if j != i]) for i in range(12)
    ]
    assert found.base == pytest.approx(margin)
    # at half the content beside a style of 0.4 the cosine is 0.5 / √(0.5² + 0.4²)
    kept = found.personalized.mean() / found.base.mean()
    assert kept == pytest.approx(0.5 / np.hypot(0.5, 0.4), abs=0.05)
    assert found.moved.mean() == pytest.approx(kept - 1, abs=0.1)


def test_faithfulness_is_not_known_without_pictures_prompts_or_an_encoder_that_sees_them(
    tmp_path: Path,
) -> None:
    folder = run_of(tmp_path, "a", {"vivid": 0.4})
    (one,) = read_models([folder])
    with pytest.raises(UsageError, match="an explanation alone"):
        faithfulness_of(replace(one, folder=None), PIXELS)

    class Blind(PixelEncoder):
        def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return super().embed_texts([text.replace("scene", "view") for text in texts])

    with pytest.raises(UsageError, match="not even for the base"):
        faithfulness_of(one, Blind())
    record = json.loads((folder / "run.json").read_text())
    record["options"]["personalized"] = str(tmp_path / "base")
    (folder / "run.json").write_text(json.dumps(record))
    with pytest.raises(UsageError, match="gone, or not those"):
        faithfulness_of(one, PIXELS)
    (folder / "run.json").write_text("{}")
    with pytest.raises(UsageError, match="damaged"):
        faithfulness_of(one, PIXELS)


def test_several_seeds_of_a_prompt_are_one_where_the_run_says_which(tmp_path: Path) -> None:
    folders = [
        run_of(tmp_path, name, {"vivid": level}, seeds=2)
        for name, level in (("a", 0.2), ("bb", 0.4))
    ]
    models = read_models(folders)
    assert models[0].explanation.n_pairs == 24
    ground = ground_of(models, encoder=PIXELS)
    assert ground.n == 12
    pairs = np.asarray(models[0].explanation.divergence.pairs, np.float64)
    assert ground.rows[0] == pytest.approx(pairs.reshape(12, 2, DIM).mean(axis=1), abs=1e-3)
    alone = [replace(model, folder=None) for model in models]
    np.testing.assert_array_equal(ground_of(alone, encoder=PIXELS).rows[0], ground.rows[0])
    older = []  # which did not say it themselves
    for one in models:
        divergence = replace(one.explanation.divergence, pair_prompts=None)
        older.append(replace(one, explanation=replace(one.explanation, divergence=divergence)))
    found = ground_of(older, encoder=PIXELS)
    assert found.rows[0] == pytest.approx(ground.rows[0], abs=1e-3)
    assert ground_of([replace(m, folder=None) for m in older], encoder=PIXELS).n == 0


# --- strengths ------------------------------------------------------------------------------------

AT = (0.25, 0.5, 1.0, 1.5)


def strengths(tmp_path: Path, kept: Sequence[float]) -> Series:
    folders = [
        run_of(tmp_path, f"m-{at:g}", {"vivid": 0.4 * at}, kept=of)
        for at, of in zip(AT, kept, strict=True)
    ]
    ground = ground_of(read_models(folders), encoder=PIXELS)
    return series_of(ground, "strength", AT)


def test_a_strength_is_usable_until_prompts_are_lost(tmp_path: Path) -> None:
    found = strengths(tmp_path, (1.0, 1.0, 1.0, 0.2))
    kept = [point.faithfulness for point in found.points]
    assert all(number is not None for number in kept)
    assert kept[0] is not None
    assert kept[3] is not None
    assert kept[0].value == pytest.approx(1, abs=0.05)
    assert kept[3].value == pytest.approx(0.2 / np.hypot(0.2, 0.6), abs=0.05)
    usable = found.to_dict()["usable"]
    assert (usable["from"], usable["to"], usable["damaged_at"]) == (0.25, 1.0, 1.5)
    said = about_series(found)
    assert any(
        s.startswith("Usable from strength 0.25 to 1: at strength 1.5 images keep 3") for s in said
    )


def test_a_harm_that_is_not_certain_is_said(tmp_path: Path) -> None:
    found = strengths(tmp_path, (1.0, 1.0, 1.0, 0.2))
    kept = found.points[3].faithfulness
    assert kept is not None
    unsure = replace(found.points[3], faithfulness=replace(kept, value=0.8, ci=(0.5, 1.1)))
    assert found.range is not None
    found = replace(
        found,
        points=(*found.points[:3], unsure),
        range=replace(found.range, last=3, damaged=None),
    )
    said = about_series(found)
    assert "Usable from strength 0.25 to 1.5, the largest here, and perhaps beyond." in said
    assert said[-1] == (
        "At strength 1.5 images keep 80% of the base's prompt faithfulness (95% CI 50% to 110%): "
        "a loss of more than 10% is not certain there, and not excluded."
    )


def test_a_strength_that_harms_at_once_is_never_usable(tmp_path: Path) -> None:
    found = strengths(tmp_path, (0.2, 0.2, 0.2, 0.2))
    usable = found.to_dict()["usable"]
    assert (usable["from"], usable["to"], usable["empty"]) == (0.25, None, True)
    assert any(s.startswith("No strength is usable") for s in about_series(found))


def test_without_pictures_it_is_not_told_up_to_where_a_strength_is_usable() -> None:
    models = [model(f"m{at}", {"vivid": at}, seed=i) for i, at in enumerate(AT)]
    found = series_of(ground_of(models, encoder=ENCODER), "strength", AT)
    usable = found.to_dict()["usable"]
    assert (usable["from"], usable["to"], usable["empty"]) == (0.25, None, False)
    assert any("cannot be told without prompt faithfulness" in s for s in about_series(found))
    assert any("an explanation alone" in w for w in found.warnings)
    fault = model("m1.5", {"vivid": 1.5, FAULT: 3.0}, keeps=["vivid"], seed=7)
    found = series_of(ground_of([*models[:3], fault], encoder=ENCODER), "strength", AT)
    assert found.to_dict()["usable"]["jumps_at"] == 1.5
    assert found.to_dict()["usable"]["to"] == 1.0
    assert any("the unexplained part jumps to" in s for s in about_series(found))
    assert "Whether prompts are followed as far as that is not known." in about_series(found)


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setattr(grounds, "load_encoder", lambda _: ENCODER)
    app = typer.Typer()
    command.register(app)

    def call(*arguments: str) -> str:
        done = CliRunner().invoke(app, list(arguments))
        if isinstance(done.exception, UsageError):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    return call


def written(folder: Path, name: str, levels: Mapping[str, float], **of: object) -> str:
    path = folder / f"{name}.json"
    path.write_text(explained(name, levels, **of).to_json())  # type: ignore[arg-type]
    return str(path)


def test_the_command_compares_files(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    a, b = written(tmp_path, "A", {"vivid": 0.2}), written(tmp_path, "B", {"vivid": 0.6}, seed=2)
    assert "B is more vivid than A: +" in run(a, b)
    found = json.loads(run(a, b, "--json", "-", "--concepts", "dark,monochrome", "--top", "1"))
    assert [row["concept"] for row in found["aspects"]] == ["dark", "monochrome", "vivid"]
    (tmp_path / "words.txt").write_text("film grain\n")
    found = json.loads(
        run(a, b, "--json", "-", "--concepts", str(tmp_path / "words.txt"), "--top", "0")
    )
    assert [row["concept"] for row in found["aspects"]] == ["film grain"]
    text = run(a, b, "--markdown", str(tmp_path / "c.md"), "--json", str(tmp_path / "c.json"))
    assert "How alike" in text
    assert (tmp_path / "c.md").read_text().startswith("## How these models compare (FineXL)\n")
    assert json.loads((tmp_path / "c.json").read_text())["by"] == "effect"
    assert json.loads(run(a, b, "--by", "score", "--json", "-"))["by"] == "score"


def test_the_command_puts_checkpoints_in_order(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    files = [written(tmp_path, f"s-{at}", LEARNED[at], seed=at) for at in (400, 100, 200)]
    for asked in ("names", "400,100,200"):
        found = json.loads(run(*files, "--steps", asked, "--json", "-"))
        assert [point["at"] for point in found["series"]["points"]] == [100, 200, 400]
        assert [one["name"] for one in found["models"]] == ["s-100", "s-200", "s-400"]
    found = json.loads(run(*files, "--strengths", "names", "--tolerance", "0.2", "--json", "-"))
    assert found["series"]["tolerance"] == 0.2
    assert "Over its strengths" in run(*files, "--strengths", "names")


def test_the_command_takes_a_stack_apart(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    whole = written(tmp_path, "whole", {"film grain": 0.4, "vivid": 0.8})
    rest = written(tmp_path, "rest", {"vivid": 0.8}, seed=2)
    other = written(tmp_path, "other", {"film grain": 0.4}, seed=3)
    parts = ("--without", f"grain={rest}", "--without", f"colour = {other}".replace("= ", "="))
    found = json.loads(run(whole, *parts, "--json", "-"))
    assert [part["name"] for part in found["stack"]["parts"]] == ["grain", "colour"]
    assert [one["name"] for one in found["models"]] == ["whole", "without grain", "without colour"]
    text = run(whole, *parts)
    assert "What each part of whole contributes" in text
    only = run(whole, *parts[:2])
    assert "Only grain was left out" in " ".join(only.split())


def test_what_cannot_be_done_is_said(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    a, b = written(tmp_path, "A", {"vivid": 0.2}), written(tmp_path, "B", {"vivid": 0.6}, seed=2)
    for arguments, why in (
        ((a,), "2 to 40 models, not 1"),
        ((a, b, "--steps", "1,2", "--strengths", "1,2"), "Give one of --without"),
        ((a, b, "--without", f"x={b}"), "2 models were given beside it"),
        ((a, "--without", "x"), "--without x is no PART=MODEL"),
        ((a, str(tmp_path / "no.json")), "cannot be read"),
        ((a, b, "--markdown", str(tmp_path / "no" / "x.md")), "cannot be written"),
        ((a, b, "--concepts", "\x1b"), "control characters"),
        ((a, b, "--concepts", "x" * 5000), "shorten it"),
    ):
        with pytest.raises(UsageError, match=why):
            run(*arguments)


def test_the_encoder_is_loaded_by_the_name_that_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = []

    def loaded(name: str) -> PlantedEncoder:
        named.append(name)
        return ENCODER

    monkeypatch.setattr(grounds, "load_encoder", loaded)
    files = [written(tmp_path, name, {"vivid": 0.4}) for name in "AB"]
    compare_models(files, Asked())
    assert named == ["planted"]
    assert finexl.encoders.load_encoder is not loaded
