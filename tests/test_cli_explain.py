"""`finexl explain`: options, exit codes, what is written where, and what goes wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import finexl
import finexl.encoders
from conftest import EXAMPLES
from fake_encoder import FakeEncoder
from finexl import cli
from finexl.concepts.vocabulary import distractors, vocabulary
from finexl.encoders.embedded import Embedded
from finexl.errors import FinexlError, PrerequisiteError
from finexl.explanation import Explanation
from finexl.images import printable

OSC = "\x1b]0;owned\x07"
"""An escape sequence that renames the terminal's window; Click strips colours, not this."""
REAL_LOADER = finexl.encoders.load_encoder
ONE_SENTENCE = re.compile(r"finexl: [^\n]+\.\n")
OPTIONS = [
    "prompts",
    "pairing",
    "encoder",
    "vocabulary",
    "concepts",
    "only-concepts",
    "exclude",
    "add",
    "drop",
    "vlm",
    "vlm-template",
    "vlm-rounds",
    "vlm-pairs",
    "vlm-limit",
    "same-pairs",
    "decomposition",
    "top",
    "name",
    "seed",
    "image-seeds",
    "until",
    "steps",
    "guidance",
    "size",
    "negative",
    "scheduler",
    "dtype",
    "device",
    "offload",
    "batch",
    "run",
    "resume",
    "pool",
    "what-if",
    "json",
    "html",
    "markdown",
    "quiet",
    "debug",
]


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Return the command, in a folder of its own, with an encoder that is quick."""

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["finexl", *map(str, arguments)])
        capsys.readouterr()
        try:
            cli.main()
            code: object = 0
        except SystemExit as end:
            code = end.code or 0
        assert isinstance(code, int)
        return Ended(code, *capsys.readouterr())

    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    # what the numbers are is tested elsewhere
    monkeypatch.setattr("finexl.core.analysis.RESAMPLES", 20)
    monkeypatch.setattr("finexl.core.analysis.SPLITS", 4)
    use(monkeypatch, FakeEncoder())
    return run


def use(monkeypatch: pytest.MonkeyPatch, encoder: finexl.encoders.Encoder) -> None:
    monkeypatch.setattr("finexl.asking.load_encoder", lambda _: encoder)


def draw(folder: str, shift: int = 0, n: int = 7) -> Path:
    """Draw pictures of one colour with a little noise; `shift` makes them redder."""
    path = Path(folder)
    path.mkdir(parents=True)
    for i in range(n):
        noise = np.random.default_rng(i).integers(0, 100, (8, 8, 3))
        noise[..., 0] += shift + 3 * i * (shift > 0)
        Image.fromarray(noise.astype(np.uint8)).save(path / f"{i}.png")
    return path


def prompts(n: int) -> Path:
    path = Path("seven.txt")
    path.write_text("".join(f"a picture of {i}\n" for i in range(n)))
    return path


def two_sets() -> tuple[Path, Path]:
    return draw("base"), draw("tuned", 90)


def everything(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


# what it does


def test_help_names_every_option(command: Command) -> None:
    shown = command("explain", "--help").out
    assert re.findall(r"^  --([a-z-]+)", shown, re.M) == [*OPTIONS, "help"]
    assert "BASE" in shown
    assert "PERSONALIZED" in shown


def test_a_table_on_stdout_and_nothing_else_anywhere(command: Command) -> None:
    base, tuned = two_sets()
    before = everything(Path())
    done = command("explain", base, tuned)
    assert done.code == 0
    assert done.err == ""
    assert done.out.startswith("tuned compared with work/base\n7 pairs, same file name\n")
    assert "Difference detected (p = 0.016)" in done.out
    assert everything(Path()) == before


def test_json_to_stdout_is_alone_there_and_the_same_as_in_a_file(command: Command) -> None:
    base, tuned = two_sets()
    done = command("explain", base, tuned, "--json", "-", "--html", "a.html")
    assert (done.code, done.err) == (0, "")
    assert Explanation.from_json(done.out).to_json() == done.out
    done_again = command("explain", base, tuned, "--json", "a.json")
    assert Path("a.json").read_text(encoding="utf-8") == done.out
    assert done_again.out.startswith("tuned")


def test_quiet_prints_nothing(command: Command) -> None:
    base, tuned = two_sets()
    done = command("explain", base, tuned, "--quiet", "--json", "a.json", "--markdown", "a.md")
    assert done == Ended(0, "", "")
    assert Path("a.json").exists()
    card = Path("a.md").read_text(encoding="utf-8")
    assert card.startswith("---\ntags:\n- finexl\n")
    assert "## What this model changes" in card


def test_the_command_and_the_function_give_the_same_bytes(
    command: Command, monkeypatch: pytest.MonkeyPatch, encoder: Embedded
) -> None:
    use(monkeypatch, encoder)
    # under the user's own prompts each of 275 unrelated phrases costs a text a prompt
    monkeypatch.setattr("finexl.measure.distractors", lambda: distractors()[:5])
    rows = (EXAMPLES / "prompts.csv").read_text().splitlines()[:7]
    Path("prompts.csv").write_text("\n".join(rows))
    for side in ("base", "vivid-100"):
        Path(side).mkdir()
        for row in rows[1:]:
            shutil.copy(EXAMPLES / side / row.split(",")[0], side)
    done = command("explain", "base", "vivid-100", "--prompts", "prompts.csv", "--only-concepts",
                   listed("colorful", "blurry"), "--json", "-")  # fmt: skip
    same = finexl.explain(
        "base",
        "vivid-100",
        encoder=encoder,
        prompts="prompts.csv",
        only_concepts=["colorful", "blurry"],
    )
    assert done.out == same.to_json()
    assert same.aspects[0].concept == "colorful"
    assert same.aspects[0].significant
    assert done.code == 0


def listed(*concepts: str) -> Path:
    path = Path("concepts.txt")
    path.write_text("\n".join(concepts), encoding="utf-8")
    return path


def explained(done: Ended) -> Explanation:
    assert done.code == 0, done.err
    return Explanation.from_json(done.out)


def test_every_option_reaches_the_explanation(command: Command) -> None:
    base, tuned = two_sets()
    Path("p.txt").write_text("".join(f"a picture of {i}\n" for i in range(7)))
    Path("x.txt").write_text("vivid\n")
    done = command(
        "explain",
        base,
        tuned,
        "--json",
        "-",
        "--prompts",
        "p.txt",
        "--pairing",
        "prompt",
        "--vocabulary",
        "subject",
        "--concepts",
        listed("a red door"),
        "--exclude",
        "x.txt",
        "--decomposition",
        "nnls",
        "--top",
        1,
        "--name",
        "mine",
        "--seed",
        3,
        "--pool",
    )
    found = explained(done)
    assert (found.name, found.pairing, found.decomposition, found.seed) == (
        "mine", "prompt", "nnls", 3,
    )  # fmt: skip
    assert found.prompts.n == 7
    assert found.pool.sources == ("given", "subject vocabulary")
    assert found.pool.size == 1 + len(vocabulary("subject"))
    assert found.pool.alignment is not None
    assert "a red door" in {entry.concept for entry in found.pool.alignment}
    assert len(found.aspects) <= 1


@pytest.mark.parametrize("option", ["seed", "file", "none"])
def test_every_pairing_can_be_asked_for(command: Command, option: str) -> None:
    base, tuned = two_sets()
    for folder in (base, tuned):
        rows = [{"file": f"{i}.png", "prompt": f"p{i}", "seed": i} for i in range(7)]
        (folder / "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = explained(command("explain", base, tuned, "--json", "-", "--pairing", option))
    assert found.pairing == option
    assert found.n_pairs == (0 if option == "none" else 7)


def test_one_pair_alone_is_described_and_not_tested(command: Command) -> None:
    found = explained(command("explain", draw("a", n=1), draw("b", 90, n=1), "--json", "-"))
    assert found.n_pairs == 1
    assert found.divergence.detected is None
    assert found.divergence.p_value is None
    assert found.divergence.norm > 0
    assert any(warning.startswith("Too few pairs to test: 1 ") for warning in found.warnings)
    for aspect in (*found.aspects, *found.less):
        assert (aspect.ci, aspect.share, aspect.q_value, aspect.significant) == (None,) * 4


def test_equal_sets_are_said_to_be_equal(command: Command) -> None:
    base = draw("base")
    shutil.copytree(base, "copy")
    done = command("explain", base, "copy", "--json", "a.json", "--html", "a.html")
    assert done.code == 0
    assert "No difference detected" in done.out
    found = Explanation.from_json(Path("a.json").read_text(encoding="utf-8"))
    assert found.divergence.detected is False
    assert (found.divergence.norm, found.divergence.p_value) == (0.0, 1.0)
    assert found.aspects == found.less == ()
    assert found.residual is None


def test_a_concept_file_may_have_blank_lines_repetitions_and_known_words(command: Command) -> None:
    base, tuned = two_sets()
    file = listed("", "Vivid", "  ", "vivid", "red,  and green", "red, and green", "VIVID", "")
    found = explained(command("explain", base, tuned, "--concepts", file, "--json", "-", "--pool"))
    assert found.pool.size == len(vocabulary("style")) + 1
    assert found.pool.alignment is not None
    words = [entry.concept for entry in found.pool.alignment]
    assert "red, and green" in words
    assert [word for word in words if word.casefold() == "vivid"] == ["Vivid"]
    only = explained(command("explain", base, tuned, "--only-concepts", file, "--json", "-"))
    assert only.pool.size == 2


def test_a_tenth_of_the_pictures_may_be_broken(command: Command) -> None:
    base, tuned = draw("base", n=10), draw("tuned", 90, n=10)
    (tuned / "4.png").write_bytes(b"broken")
    found = explained(command("explain", base, tuned, "--json", "-"))
    assert found.n_pairs == 9
    assert any("4.png cannot be opened" in warning for warning in found.warnings)


# what is refused


def no_common_stem() -> list[object]:
    base, tuned = two_sets()
    for path in list(tuned.iterdir()):
        path.rename(path.with_name(f"x{path.name}"))
    return [base, tuned]


def many_broken() -> list[object]:
    base, tuned = draw("base", n=10), draw("tuned", 90, n=10)
    for name in ("1.png", "2.png"):
        (tuned / name).write_bytes(b"broken")
    return [base, tuned]


def empty_folder() -> list[object]:
    Path("empty").mkdir()
    return [draw("base"), "empty"]


def damaged_manifest() -> list[object]:
    base, tuned = two_sets()
    (tuned / "manifest.jsonl").write_text("{")
    return [base, tuned]


def with_file(option: str, content: bytes) -> Callable[[], list[object]]:
    def arrange() -> list[object]:
        Path("file.txt").write_bytes(content)
        return [*two_sets(), option, "file.txt"]

    return arrange


def just(*more: object) -> Callable[[], list[object]]:
    return lambda: [*two_sets(), *more]


REFUSED: dict[str, tuple[Callable[[], list[object]], str]] = {
    "missing base": (lambda: ["nowhere", draw("tuned")], "There is no folder or file 'nowhere'"),
    "missing personalized": (lambda: [draw("base"), "nowhere"], "no folder or file 'nowhere'"),
    "empty folder": (empty_folder, "empty has no images"),
    "a damaged manifest": (damaged_manifest, "manifest.jsonl is wrong at line 1"),
    "nothing": (list, "Give two sets of images"),
    "one set": (lambda: [draw("base")], "Give two sets of images"),
    "no common seed": (lambda: [*no_common_stem(), "--pairing", "seed"], "paired by seed"),
    "no common prompt": (lambda: [*no_common_stem(), "--pairing", "prompt"], "paired by prompt"),
    "no common name": (lambda: [*no_common_stem(), "--pairing", "file"], "paired by file"),
    "broken pictures": (many_broken, "2 of the 10 images of tuned cannot be opened"),
    "empty concept file": (with_file("--concepts", b"\n \n"), "has no concepts"),
    "invisible concept": (with_file("--concepts", b"a\n\xe2\x80\x8b\n"), "Line 2 of file.txt"),
    "long concept": (with_file("--concepts", b"a" * 201), "has 201 characters"),
    "long only concept": (with_file("--only-concepts", b"ok\n" + b"a" * 201), "Line 2 of file.txt"),
    "concept with an escape": (with_file("--concepts", b"a\x1b[31mb"), "has control characters"),
    "concepts not UTF-8": (with_file("--concepts", b"caf\xe9"), "is not UTF-8"),
    "missing concept file": (just("--concepts", "nowhere.txt"), "nowhere.txt cannot be read"),
    "missing exclude file": (just("--exclude", "nowhere.txt"), "nowhere.txt cannot be read"),
    "missing prompts": (just("--prompts", "nowhere.txt"), "nowhere.txt cannot be read"),
    "too few prompts": (with_file("--prompts", b"a\nb\n"), "The number of prompts, 2"),
    "a model": (
        lambda: ["gan:x", draw("tuned"), "--prompts", prompts(7)],
        "is no name that is known",
    ),
    "--vlm": (just("--vlm", "x"), "'x' is no name that is known here"),
    "--vlm without a model": (just("--vlm", "http://127.0.0.1/v1"), "#"),
    "--vlm-rounds": (just("--vlm-rounds", 3), "--vlm-rounds is for a model that looks"),
    "--vlm-limit": (just("--vlm-limit", "requests=3"), "give one with --vlm"),
    "a wrong limit": (just("--vlm", "openai:x", "--vlm-limit", "euros=3"), "is no limit"),
    "--image-seeds": (just("--image-seeds", "0-3"), "for models that make images"),
    "--run and --resume": (just("--run", "r", "--resume", "r"), "not both"),
    "nothing to resume": (lambda: ["--resume", "nowhere"], "nowhere holds no run"),
}


@pytest.mark.parametrize(("arrange", "said"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_one_sentence_exit_2_and_nothing_written(
    command: Command, arrange: Callable[[], list[object]], said: str
) -> None:
    arguments = arrange()
    before = everything(Path())
    done = command("explain", *arguments, "--json", "a.json", "--html", "a.html", "--markdown",
                   "a.md")  # fmt: skip
    assert done.code == 2
    assert done.out == ""
    assert ONE_SENTENCE.fullmatch(done.err), done.err
    assert said in done.err
    assert everything(Path()) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("--decomposition", "magic"),
        ("--vocabulary", "everything"),
        ("--pairing", "twins"),
        ("--top", "0"),
        ("--top", "few"),
        ("--seed", "-1"),
        ("--no-such-option",),
        ("third",),
    ],
    ids=" ".join,
)
def test_an_option_out_of_range_is_named_with_exit_2(
    command: Command, arguments: tuple[str, ...]
) -> None:
    base, tuned = two_sets()
    before = everything(Path())
    done = command("explain", base, tuned, "--json", "a.json", *arguments)
    assert done.code == 2
    assert done.out == ""
    assert "Traceback" not in done.err
    last = done.err.splitlines()[-1]
    assert last.startswith("Error: ")
    assert arguments[0] in last
    assert everything(Path()) == before


def test_an_unknown_encoder_is_refused(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finexl.asking.load_encoder", REAL_LOADER)
    base, tuned = two_sets()
    before = everything(Path())
    done = command("explain", base, tuned, "--encoder", "clip9", "--json", "a.json")
    assert (done.code, done.out) == (2, "")
    assert ONE_SENTENCE.fullmatch(done.err)
    assert "'clip9'" in done.err
    assert everything(Path()) == before


@pytest.mark.parametrize(
    ("option", "place"),
    [("--json", "no/such/file"), ("--html", "."), ("--markdown", "base/0.png/file")],
)
def test_an_output_that_cannot_be_written_is_named(
    command: Command, option: str, place: str
) -> None:
    base, tuned = two_sets()
    before = everything(Path())
    done = command("explain", base, tuned, option, place)
    assert done.code == 2
    assert done.out == ""
    assert ONE_SENTENCE.fullmatch(done.err), done.err
    assert everything(Path()) == before


def test_no_output_is_written_where_another_cannot_be(command: Command) -> None:
    base, tuned = two_sets()
    assert command("explain", base, tuned, "--html", "a.html", "--json", "no/a.json").code == 2
    assert not Path("a.html").exists()


def test_an_output_that_cannot_be_written_costs_no_encoding(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = FakeEncoder()
    use(monkeypatch, encoder)
    base, tuned = two_sets()
    assert command("explain", base, tuned, "--html", "no/a.html").code == 2
    assert encoder.pictures == 0


def test_bad_input_makes_no_run_folder(command: Command) -> None:
    assert command("explain", "nowhere", draw("tuned"), "--run", "r").code == 2
    assert not Path("r").exists()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PrerequisiteError("Install it with `pip install x`."), 3),
        (FinexlError("The disk is full."), 1),
    ],
)
def test_each_kind_of_error_has_its_exit_code(
    command: Command, monkeypatch: pytest.MonkeyPatch, error: FinexlError, code: int
) -> None:
    def fail(_: str) -> None:
        raise error

    monkeypatch.setattr("finexl.asking.load_encoder", fail)
    assert command("explain", *two_sets()) == Ended(code, "", f"finexl: {error}\n")


def test_a_fault_of_ours_is_exit_1_and_a_traceback_only_when_asked_for(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: str) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("finexl.asking.load_encoder", fail)
    base, tuned = two_sets()
    done = command("explain", base, tuned)
    assert done.code == 1
    assert ONE_SENTENCE.fullmatch(done.err)
    assert "RuntimeError: boom" in done.err
    with pytest.raises(RuntimeError, match="boom"):
        command("explain", base, tuned, "--debug")
    with pytest.raises(FinexlError, match="nowhere"):
        command("explain", base, "nowhere", "--debug")


# the run folder


def test_a_run_folder_holds_the_options_the_embeddings_and_the_answer(command: Command) -> None:
    base, tuned = two_sets()
    done = command("explain", base, tuned, "--run", "r", "--top", 2, "--json", "-")
    names = ["embeddings.safetensors", "explanation.json", "run.json"]
    assert sorted(path.name for path in Path("r").iterdir()) == names
    assert Path("r/explanation.json").read_text(encoding="utf-8") == done.out
    record = json.loads(Path("r/run.json").read_text(encoding="utf-8"))
    assert record["state"] == "done"
    assert record["versions"]["finexl"] == finexl.__version__
    assert record["options"]["base"] == str(base.resolve())
    assert record["options"]["top"] == 2


def test_a_run_is_resumed_from_anywhere_with_its_options_and_new_ones(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, tuned = two_sets()
    first = command("explain", base, tuned, "--run", "r", "--concepts", listed("a red door"),
                    "--json", "-")  # fmt: skip
    run = Path("r").resolve()
    elsewhere = Path("elsewhere")
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    encoder = FakeEncoder()
    use(monkeypatch, encoder)
    assert command("explain", "--resume", run, "--json", "-").out == first.out
    refit = explained(
        command("explain", "--resume", run, "--json", "-", "--decomposition", "paper", "--seed", 5)
    )
    assert (refit.decomposition, refit.seed) == ("paper", 5)
    assert refit.pool.sources == ("given", "style vocabulary")
    assert encoder.pictures == 0
    kept = json.loads((run / "run.json").read_text(encoding="utf-8"))["options"]
    assert (kept["decomposition"], kept["seed"]) == ("paper", 5)


def test_the_same_command_again_encodes_nothing(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, tuned = two_sets()
    first = command("explain", base, tuned, "--json", "-")
    encoder = FakeEncoder()
    use(monkeypatch, encoder)
    assert command("explain", base, tuned, "--json", "-") == first
    assert encoder.pictures == 0


def test_a_folder_with_other_files_is_not_taken_for_a_run(command: Command) -> None:
    base, tuned = two_sets()
    before = everything(Path())
    done = command("explain", base, tuned, "--run", base)
    assert done.code == 2
    assert "has files but no run.json" in done.err
    assert everything(Path()) == before


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"base": None, "personalized": "tuned"},
        {"base": "base", "personalized": "tuned", "top": "three"},
        {"base": "base", "personalized": "tuned", "top": True},
        {"base": "base", "personalized": "tuned", "seed": -1},
        {"base": "base", "personalized": "tuned", "pairing": "twins"},
        {"base": "base", "personalized": "tuned", "colour": "red"},
    ],
    ids=str,
)
def test_a_record_with_wrong_options_is_refused(
    command: Command, options: dict[str, object]
) -> None:
    two_sets()
    Path("r").mkdir()
    Path("r/run.json").write_text(json.dumps({"options": options}))
    done = command("explain", "--resume", "r")
    assert done.code == 2
    assert ONE_SENTENCE.fullmatch(done.err)


@pytest.mark.parametrize("cache", ["file", "file/cache"])
def test_a_cache_that_cannot_be_made_costs_nothing_but_time(
    command: Command, monkeypatch: pytest.MonkeyPatch, cache: str
) -> None:
    base, tuned = two_sets()
    expected = command("explain", base, tuned, "--json", "-")
    Path("file").touch()
    monkeypatch.setenv("FINEXL_CACHE", cache)
    assert command("explain", base, tuned, "--json", "-") == expected


def test_a_cache_that_can_no_longer_be_written_costs_nothing_but_time(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, tuned = two_sets()
    monkeypatch.setenv("FINEXL_CACHE", "cache")
    expected = command("explain", base, tuned, "--json", "-")
    (written,) = Path("cache/runs").iterdir()
    # stands in for a file system that turned read-only: also root fails to replace a folder
    (written / "run.json").unlink()
    (written / "run.json").mkdir()
    assert command("explain", base, tuned, "--json", "-") == expected


SLOW = """
import sys, time
sys.path.insert(0, sys.argv.pop(1))
import finexl.embedding, finexl.encoders
from fake_encoder import FakeEncoder

class Slow(FakeEncoder):
    def embed_images(self, images):
        time.sleep(0.15)
        return super().embed_images(images)

finexl.embedding.BATCH = 2
finexl.embedding.SAVE_EVERY_SECONDS = 0.0
finexl.encoders.load_encoder = lambda _: Slow()
from finexl.cli import main
main()
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_run_killed_while_encoding_goes_on_where_it_was(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, tuned = draw("base", n=12), draw("tuned", 90, n=12)
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, Path(__file__).parent, "explain", base, tuned, "--run", "r"],
        stdout=subprocess.DEVNULL,
    )
    stored = Path("r/embeddings.safetensors")
    until = time.monotonic() + 30
    while not stored.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert json.loads(Path("r/run.json").read_text())["state"] == "running"
    assert not Path("r/explanation.json").exists()

    encoder = FakeEncoder()
    run = finexl.runs.Run(Path("r"))
    run.load_rows(encoder.revision, encoder.dim)
    done = len(run.rows)
    assert 2 <= done < 24
    use(monkeypatch, encoder)
    resumed = command("explain", "--resume", "r", "--json", "-")
    assert encoder.pictures == 24 - done
    assert resumed.code == 0
    assert json.loads(Path("r/run.json").read_text())["state"] == "done"
    use(monkeypatch, FakeEncoder())
    assert command("explain", base, tuned, "--run", "fresh", "--json", "-").out == resumed.out


# files are whole, and hostile names are harmless


def test_reports_are_renamed_into_place(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    base, tuned = two_sets()
    moved: dict[str, tuple[Path, bytes]] = {}
    replace = Path.replace

    def watch(self: Path, target: Path) -> Path:
        moved[Path(target).name] = (self, self.read_bytes())
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", watch)
    outputs = ("a.json", "a.html", "a.md")
    for path in outputs:
        Path(path).write_text("old")
    done = command("explain", base, tuned, "--json", "a.json", "--html", "a.html", "--markdown",
                   "a.md")  # fmt: skip
    assert done.code == 0
    for path in outputs:
        source, content = moved[path]
        assert source.parent == Path(path).resolve().parent
        assert Path(path).read_bytes() == content
    assert moved["a.html"][1].rstrip().endswith(b"</html>")
    assert not list(Path().glob(".*.tmp"))


class Tags(HTMLParser):
    """The tags of a page and their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}


def test_hostile_names_prompts_and_concepts_are_shown_and_do_nothing(command: Command) -> None:
    evil = f"{OSC}<img src=x onerror=alert(1)><script>alert(1)</script>"
    base, tuned = draw("base", n=11), draw(f"tuned {OSC}<marquee>", 90, n=11)
    (tuned / "10.png").rename(tuned / f"alone{OSC}<marquee>.png")
    (tuned / "9.png").write_bytes(b"broken")
    Path("p.jsonl").write_text(
        "\n".join(json.dumps({"prompt": f"{evil} {i}"}) for i in range(11)), encoding="utf-8"
    )
    concepts = listed("<script>alert(2)</script>", "[bold red]x[/]")
    done = command("explain", base, tuned, "--prompts", "p.jsonl", "--pairing", "file", "--name",
                   evil, "--only-concepts", concepts, "--html", "a.html", "--markdown", "a.md",
                   "--json", "a.json")  # fmt: skip
    assert done.code == 0, done.err
    assert r"alone\x1b]0;owned\x07<marquee>.png" in "".join(done.out.split("\n"))
    page = Path("a.html").read_text(encoding="utf-8")
    for text in (done.out, done.err, page, *(Path(p).read_text() for p in ("a.md", "a.json"))):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    tags = Tags(page)
    assert not {"script", "marquee"} & set(tags.tags)
    assert not {name for name in tags.attributes if name.startswith("on")}
    assert "&lt;script&gt;alert(2)&lt;/script&gt;" in page
    assert "[bold red]x[/]" in done.out or "<script>alert(2)</script>" in done.out
    assert Explanation.from_json(Path("a.json").read_text(encoding="utf-8")).name == printable(evil)


def test_an_error_shows_no_escape_sequence_of_a_file(command: Command) -> None:
    base, tuned = draw("base"), draw("tuned", 90)
    for name in ("0.png", "1.png"):
        (tuned / name).rename(tuned / f"{OSC}{name}")
        (base / name).rename(base / f"{OSC}{name}")
        (tuned / f"{OSC}{name}").write_bytes(b"broken")
    done = command("explain", base, tuned)
    assert done.code == 2
    assert r"\x1b]0;owned\x070.png cannot be opened" in done.err
    assert "\x1b" not in done.err


def hostile_folder() -> list[object]:
    Path(f"{OSC}empty").mkdir()
    return [draw("base"), f"{OSC}empty"]


def hostile_concepts() -> list[object]:
    Path(f"{OSC}.txt").write_text("")
    return [*two_sets(), "--concepts", f"{OSC}.txt"]


RAW: dict[str, Callable[[], list[object]]] = {
    "an empty folder": hostile_folder,
    "a concept file": hostile_concepts,
    "a report": just("--html", f"{OSC}.html"),
    "an unwritable report": just("--html", f"no/{OSC}.html"),
    "--vlm": just("--vlm", OSC),
}


@pytest.mark.parametrize("arrange", RAW.values(), ids=RAW)
def test_no_escape_sequence_of_an_argument_is_printed(
    command: Command, arrange: Callable[[], list[object]]
) -> None:
    done = command("explain", *arrange())
    assert "\x1b" not in done.out + done.err


@pytest.mark.skipif(os.name != "posix", reason="arguments that are not UTF-8")
def test_a_name_that_is_not_utf8_is_taken_or_refused_in_one_sentence(command: Command) -> None:
    done = command("explain", *two_sets(), "--name", os.fsdecode(b"caf\xe9"), "--json", "a.json")
    assert done.code in (0, 2), done.err


def test_an_absurd_source_date_is_no_fault_of_ours(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "9" * 14)
    assert command("explain", *two_sets()).code in (0, 2)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--html", "-"], "Only --json can be printed"),
        (["--html", "a.html", "--markdown", "a.html"], "Two reports go to the same file"),
        (["--json", "x", "--html", "./x"], "Two reports go to the same file"),
    ],
)
def test_reports_that_cannot_be_told_apart_are_refused(
    command: Command, options: list[str], said: str
) -> None:
    done = command("explain", *two_sets(), *options)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
