"""Learned directions: what is added to a denoiser's predictions, and how they are found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

import tiny_pipelines
from finexl import sources
from finexl.errors import UsageError
from finexl.generators import Job, Settings, adapters, directions
from finexl.generators.diffusers import Pipeline, load
from finexl.generators.running import quietly
from finexl.generators.steering import Steered, Term, Words, encode
from finexl.images import Picture
from finexl.personalize.directions import Directions, contrast, trainee
from finexl.personalize.examples import Example
from finexl.personalize.recipe import Recipe
from finexl.personalize.scenes import SCENES, draw
from finexl.personalize.training import personalize

SIDE = tiny_pipelines.SIDE
FAST = Settings(steps=2, size=SIDE, device="cpu", guidance=3.0)
JOBS = [Job("a red cat", 3), Job("a dog", 4)]
WIDTHS = {"sd": (24,), "sdxl": (24, 24), "sd3": (16, 16, 32), "flux": (24, 32)}
SCENES_MODEL = Path(__file__).parents[1] / "examples" / "models" / "scenes-diffusion"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return each family's folder, made once."""
    made: dict[str, Path] = {}

    def folder(family: str) -> Path:
        if family not in made:
            made[family] = tmp_path_factory.mktemp("pipelines") / family
            tiny_pipelines.FAMILIES[family](made[family])
        return made[family]

    return folder


def written(path: Path, widths: Sequence[int], n: int = 2, family: str | None = None) -> Path:
    generator = torch.Generator().manual_seed(5)
    vectors = {str(i): torch.randn(sum(widths), generator=generator) for i in range(1, n + 1)}
    directions.write(path, vectors, widths, family)
    return path


def pixels(model: Pipeline, jobs: Sequence[Job] = JOBS) -> NDArray[np.float64]:
    images = [one.image for one in model.make(jobs)]
    return np.array([np.asarray(image) for image in images if image is not None], float)


# what is added


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_the_whole_loop_is_the_formula_written_out(
    saved: Callable[[str], Path], tmp_path: Path, family: str
) -> None:
    base, widths = saved(family), WIDTHS[family]
    file = written(tmp_path / "d.safetensors", widths)
    steered = load(f"diffusers:{base}", FAST).opened.to(torch.float64)
    directions.lay(steered, [(file, "1", 1.5), (file, "2", -0.7)], "it")
    asked = {"num_inference_steps": 3, "guidance_scale": 4.0, "height": SIDE, "width": SIDE}
    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0)).double()
    with quietly():
        found = steered("a cat", latents=latents, output_type="latent", **asked).images

    # the same with words that diffusers itself learns, and a call for every part of the formula
    plain: Any = load(f"diffusers:{base}", FAST).opened
    vectors = load_file(file)
    for number, vector in vectors.items():
        for part, end in zip(vector.split(widths), ("", "_2"), strict=False):
            plain.load_textual_inversion(
                part[None],
                token=f"<{number}>",
                tokenizer=getattr(plain, f"tokenizer{end}"),
                text_encoder=getattr(plain, f"text_encoder{end}"),
            )
    plain.to(torch.float64)

    def text(prompt: str) -> tuple[Any, Any]:
        if family == "sd":
            return plain.encode_prompt(prompt, "cpu", 1, False)[0], None
        found = plain.encode_prompt(prompt, device="cpu", do_classifier_free_guidance=False)
        return found[0], found[2]

    texts = {prompt: text(prompt) for prompt in ("a cat", "", "<1>", "<2>")}
    hidden, pooled = texts["a cat"]
    zeros = (torch.zeros_like(hidden), None if pooled is None else torch.zeros_like(pooled))
    sizes = torch.tensor([[SIDE, SIDE, 0, 0, SIDE, SIDE]]).double()

    def say(x: Any, t: Any, words: tuple[Any, Any]) -> Any:
        added = None if words[1] is None else {"text_embeds": words[1], "time_ids": sizes}
        return plain.unet(x, t, words[0], added_cond_kwargs=added, return_dict=False)[0]

    scheduler = plain.scheduler
    with quietly(), torch.no_grad():
        scheduler.set_timesteps(3)
        x = latents * scheduler.init_noise_sigma
        for t in scheduler.timesteps:
            seen = scheduler.scale_model_input(x, t)
            # SDXL's own empty side is zeros; a direction's is the empty prompt
            away = say(seen, t, texts[""])
            side = away if family == "sd" else say(seen, t, zeros)
            guided = side + 4.0 * (say(seen, t, texts["a cat"]) - side)
            guided += 1.5 * (say(seen, t, texts["<1>"]) - away)
            guided += -0.7 * (say(seen, t, texts["<2>"]) - away)
            x = scheduler.step(guided, t, x, return_dict=False)[0]
    torch.testing.assert_close(found, x, atol=1e-6, rtol=1e-6)
    unsteered = load(f"diffusers:{base}", FAST).opened.to(torch.float64)
    with quietly():
        without = unsteered("a cat", latents=latents, output_type="latent", **asked).images
    assert float((found - without).abs().mean()) > 0.01


@pytest.mark.parametrize("family", ["sd3", "flux"])
def test_transformers_predictions_are_the_formula_written_out(
    saved: Callable[[str], Path], family: str
) -> None:
    pipeline = load(f"diffusers:{saved(family)}", FAST).opened.to(torch.float64)
    width = sum(WIDTHS[family])
    vectors = torch.randn(2, width, generator=torch.Generator().manual_seed(1)).double()
    with torch.no_grad():
        empty, *words = [
            encode(pipeline, ""),
            *(directions.spell(pipeline, one[None]) for one in vectors),
        ]
    inputs: list[dict[str, Any]] = []
    outputs: list[Any] = []
    plain = pipeline.transformer.forward

    def watch(module: Any, args: Any, kwargs: Any, output: Any) -> None:
        del module, args
        inputs.append(kwargs)
        outputs.append(output[0])

    pipeline.transformer.register_forward_hook(watch, with_kwargs=True)
    terms = [Term(2.0, words[0], empty), Term(0.5, words[1], empty)]
    with quietly(), Steered(pipeline.transformer, terms):
        pipeline(["a cat", "a dog"], num_inference_steps=2, height=SIDE, width=SIDE)
    assert pipeline.transformer.forward == plain
    assert len(inputs) == 2
    for given, output in zip(inputs, outputs, strict=True):
        n = len(given["hidden_states"])
        assert n == (4 if family == "sd3" else 2)  # guidance has two halves, or is an input

        def say(one: Words, given: dict[str, Any] = given, n: int = n) -> Any:
            assert one.pooled is not None
            hidden = one.hidden.expand(n, -1, -1)
            own = {"encoder_hidden_states": hidden, "pooled_projections": one.pooled.expand(n, -1)}
            if "txt_ids" in given:
                own["txt_ids"] = torch.zeros(hidden.shape[1], 3)
            with torch.no_grad():
                return plain(**{**given, **own})[0]

        with torch.no_grad():
            wanted = plain(**given)[0]
        wanted = wanted + 2.0 * (say(words[0]) - say(empty)) + 0.5 * (say(words[1]) - say(empty))
        torch.testing.assert_close(output, wanted, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("family", tiny_pipelines.FAMILIES)
def test_at_scale_0_it_is_the_base_bit_for_bit_and_else_moves_away(
    saved: Callable[[str], Path], tmp_path: Path, family: str
) -> None:
    base = saved(family)
    file = written(tmp_path / "d.safetensors", WIDTHS[family])
    before = pixels(load(f"diffusers:{base}", FAST))
    models = [load(f"directions:{base}+{file}#2@{scale}", FAST) for scale in (0, 0.5, 4)]
    np.testing.assert_array_equal(pixels(models[0]), before)
    moved = [float(np.abs(pixels(model) - before).mean()) for model in models]
    assert moved[0] == 0 < moved[1] < moved[2]
    assert len({model.digest for model in models}) == 3
    for part in ("unet", "transformer", "text_encoder"):
        own = getattr(models[2].opened, part, None)
        if own is not None:
            kept = type(own).from_pretrained(base / part).state_dict()
            assert all(torch.equal(kept[key], value) for key, value in own.state_dict().items())


def test_two_halves_are_steered_with_one_call_of_half_the_rows(
    saved: Callable[[str], Path], tmp_path: Path
) -> None:
    file = written(tmp_path / "d.safetensors", WIDTHS["sd"])
    calls: list[int] = []
    pipeline = load(f"diffusers:{saved('sd')}", FAST).opened
    plain = pipeline.unet.forward

    def counted(sample: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(len(sample))
        return plain(sample, *args, **kwargs)

    pipeline.unet.forward = counted
    directions.lay(pipeline, [(file, "1", 1.0), (file, "2", 2.0)], "it")
    with quietly():
        pipeline(["a", "b"], num_inference_steps=1, height=SIDE, width=SIDE)
    assert calls == [4, 3 * 2]  # both halves; two directions and the empty text, once


def test_a_term_of_strength_0_leaves_the_denoiser_alone() -> None:
    class Fixed(torch.nn.Module):  # type: ignore[misc]
        def forward(self, sample: Any, encoder_hidden_states: Any, return_dict: bool = True) -> Any:
            assert return_dict is False
            return (sample + encoder_hidden_states.mean(dim=(1, 2))[:, None],)

    model, one, two = Fixed(), Words(torch.ones(1, 2, 3)), Words(torch.zeros(1, 2, 3))
    with Steered(model, [Term(0.0, one, two)]):
        assert "forward" not in vars(model)
    x = torch.arange(3.0)[:, None]
    with Steered(model, [Term(2.0, one, two), Term(-0.5, two, one)]):
        pulled = model(x, torch.zeros(3, 2, 3), return_dict=False)[0]
    torch.testing.assert_close(pulled, x + 2.5)
    assert torch.equal(model(x, torch.zeros(3, 2, 3), return_dict=False)[0], x)


def test_loras_and_directions_can_be_laid_over_one_base(
    saved: Callable[[str], Path], tmp_path: Path
) -> None:
    base = saved("sd")
    file = written(tmp_path / "d.safetensors", WIDTHS["sd"])
    lora = tiny_pipelines.lora(tiny_pipelines.cross_attention(base), tmp_path / "l.safetensors")
    both = load(f"directions:{base}+{file}#1@2+{lora}@0.5", FAST)
    assert both.kind == "directions"
    assert both.name == "sd + d#1@2 + l@0.5"
    alone = [load(f"directions:{base}+{file}#1@2", FAST), load(f"lora:{base}+{lora}@0.5", FAST)]
    made = [pixels(model) for model in (both, *alone)]
    assert all(not np.array_equal(a, b) for a, b in pairwise(made))
    record = both.record()["adapters"][0]
    assert (record["format"], record["direction"], record["scale"]) == ("directions", "1", 2.0)


# files


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = written(tmp_path / "d.safetensors", (3, 5), family="SDXL")
    read = adapters.read(f"{file}#2", 0.5)
    assert (read.direction, read.layers, read.family.texts) == ("2", 1, (3, 5))
    assert read.family.name == "SDXL"
    (tmp_path / "a#1.safetensors").write_bytes(file.read_bytes())
    assert adapters.read(f"{tmp_path}/a#1.safetensors#1", 1).direction == "1"
    one = written(tmp_path / "one.safetensors", (4,), n=1)
    assert adapters.read(str(one), 1).direction == "1"


def test_references_with_names_are_taken_apart_and_put_together(tmp_path: Path) -> None:
    for name in ("base", "a+b", "c"):
        (tmp_path / name).mkdir()
    text = f"{tmp_path}/base+{tmp_path}/a+b#x@2+{tmp_path}/c#1@-0.5"
    base, files = adapters.parse(text, "directions")
    assert base == f"{tmp_path}/base"
    assert files == [(f"{tmp_path}/a+b#x", 2.0), (f"{tmp_path}/c#1", -0.5)]
    assert adapters.reference(base, files, "directions") == f"directions:{text}"
    assert directions.split(files[0][0]) == (f"{tmp_path}/a+b", "x")


def test_the_at_of_a_path_is_no_scale(tmp_path: Path) -> None:
    (tmp_path / "at@2").mkdir()
    files = [tmp_path / name for name in ("at@2/d.safetensors", "x@0.5", "c+d@3.safetensors")]
    for file in files:
        file.touch()
    for file in files:
        for text, scale in (("", 1.0), ("#1", 1.0), ("#1@0.5", 0.5), ("#one@-2", -2.0)):
            named = f"{file}{text.partition('@')[0]}"
            for more in ([], [(f"{tmp_path}/x@0.5#1", 1.0)]):
                written = "+".join([f"B+{file}{text}", *(name for name, _ in more)])
                assert adapters.parse(written, "directions") == ("B", [(named, scale), *more])
        whole = adapters.reference("B", [(f"{file}#1", 1.0)], "directions")
        assert sources.absolute(whole) == whole
    assert adapters.parse("B+owner/name@v2#1@3") == ("B", [("owner/name@v2#1", 3.0)])
    with pytest.raises(UsageError, match="the scale after @ is a number, and 'much' is none"):
        adapters.parse(f"B+{tmp_path}/at@2/d.safetensors#1@much")


@pytest.mark.parametrize(
    ("name", "widths", "family", "said"),
    [
        ("7", (24,), None, "has no direction 7; write .*#NAME with one of 1, 2"),
        ("", (24,), None, "has several directions; write"),
        ("1", (24, 24), None, r"words 24\+24 wide\), and .* \(words 24 wide\)"),
        ("1", (768,), "SD 1.x", "was made for SD 1.x"),
    ],
)
def test_what_does_not_fit_is_named_before_anything_is_opened(
    saved: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    widths: tuple[int, ...],
    family: str | None,
    said: str,
) -> None:
    file = written(tmp_path / "d.safetensors", widths, family=family)
    monkeypatch.setattr(Pipeline, "_loaded", lambda _: pytest.fail("it was opened"))
    with pytest.raises(UsageError, match=said):
        load(f"directions:{saved('sd')}+{file}{'#' * bool(name)}{name}", FAST)


def test_encoders_that_are_seen_only_when_opened_are_compared_then(
    saved: Callable[[str], Path], tmp_path: Path
) -> None:
    file = written(tmp_path / "d.safetensors", (24, 48))
    model = load(f"directions:{saved('flux')}+{file}#1", FAST)
    with pytest.raises(UsageError, match=r"words are 24\+48 wide, and those of flux .* 24\+32"):
        model.make(JOBS)


def test_damaged_files_and_wrong_kinds_are_refused(
    saved: Callable[[str], Path], tmp_path: Path
) -> None:
    base, path = saved("sd"), tmp_path / "d.safetensors"
    about = {"finexl": '{"format": "finexl.directions/1", "widths": [24]}'}
    unknown = ("", "[]", "{", "{}", about["finexl"].replace("/1", "/2"))
    odd = (about["finexl"].replace("[24]", widths) for widths in ("24", '["24"]', "[]", "[-24]"))
    for tensor, metadata, said in (
        *((torch.zeros(24), {"finexl": text}, "no file of directions") for text in unknown),
        *((torch.zeros(24), {"finexl": text}, "no file of directions") for text in odd),
        (torch.zeros(23), about, r"has the shape \(23,\); it takes 24 numbers"),
        (torch.zeros(99, 24), about, r"has the shape \(99, 24\)"),
        (torch.zeros(1, 1, 24), about, r"has the shape \(1, 1, 24\)"),
    ):
        save_file({"1": tensor}, path, metadata)
        with pytest.raises(UsageError, match=said):
            load(f"directions:{base}+{path}", FAST)
    for tensor in (torch.full((24,), torch.nan), torch.zeros(24, dtype=torch.int32)):
        save_file({"1": tensor}, path, about)
        with pytest.raises(UsageError, match="not made of finite numbers"):
            _ = load(f"directions:{base}+{path}", FAST).opened
    file = written(path, (24,))
    with pytest.raises(UsageError, match="holds learned directions; write directions:"):
        load(f"lora:{base}+{file}#1", FAST)
    lora = tiny_pipelines.lora(tiny_pipelines.cross_attention(base), tmp_path / "l.safetensors")
    with pytest.raises(UsageError, match="holds no learned directions; write lora:"):
        load(f"directions:{base}+{lora}", FAST)
    with pytest.raises(UsageError, match="so that #1 names nothing"):
        load(f"directions:{base}+{lora}#1", FAST)
    with pytest.raises(UsageError, match=r"is not complete; it is written directions:BASE"):
        load(f"directions:{base}", FAST)


def test_a_word_of_two_tokens_takes_the_place_of_two(saved: Callable[[str], Path]) -> None:
    pipeline = load(f"diffusers:{saved('sd')}", FAST).opened
    table = pipeline.text_encoder.get_input_embeddings().weight
    known = pipeline.tokenizer("xy", add_special_tokens=False).input_ids
    with torch.no_grad():
        found = directions.spell(pipeline, table[known])
        wanted = encode(pipeline, "xy")
    torch.testing.assert_close(found.hidden, wanted.hidden, rtol=0, atol=0)


def test_a_pipeline_of_another_kind_is_named(tmp_path: Path) -> None:
    file = written(tmp_path / "d.safetensors", (24,))
    pipeline = diffusers.DDPMPipeline.__new__(diffusers.DDPMPipeline)
    with pytest.raises(UsageError, match="it is a DDPMPipeline, whose denoiser is not known"):
        directions.lay(pipeline, [(file, "1", 1.0)], "it")


# learning


def examples(n: int) -> list[Example]:
    scenes = [SCENES[7 * i] for i in range(n)]
    return [Example(Picture(str(i), draw(scene)), "", 1 / n) for i, scene in enumerate(scenes)]


def test_the_loss_is_the_papers_written_out() -> None:
    edits = torch.tensor(np.random.default_rng(0).normal(size=(3, 4, 2, 2)))
    total = 0.0
    for k in range(3):
        alike, apart = [], []
        for a in range(4):
            alike += [similarity(edits[k, a], edits[k, b]) for b in range(4) if a != b]
            apart += [similarity(edits[k, a], edits[j, a]) for j in range(3) if j != k]
        total -= np.log(np.mean(alike) / np.mean(apart)) / 3
    assert float(contrast(edits)) == pytest.approx(total, rel=1e-12)


def similarity(a: torch.Tensor, b: torch.Tensor) -> float:
    x, y = a.flatten().numpy(), b.flatten().numpy()
    return float(np.exp(x @ y / np.linalg.norm(x) / np.linalg.norm(y) / 0.5))


def test_the_loss_is_least_where_directions_agree_and_oppose_each_other() -> None:
    up, over = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    same = torch.stack([up, up, up])
    assert float(contrast(torch.stack([same, same]))) == pytest.approx(0)
    assert float(contrast(torch.stack([same, -3 * same]))) == pytest.approx(-4)
    turned = torch.stack([over, over, over])
    assert float(contrast(torch.stack([same, turned]))) == pytest.approx(-2)


Learned = tuple[Directions, Path, float, float]


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Learned:
    """Directions of the scenes' model, and their loss on other images before and after."""
    recipe = Recipe(method="directions", directions=3, batch=3, learning_rate=2e-2)
    _, directions_ = trainee(
        str(SCENES_MODEL), examples(12), recipe, Settings(device="cpu", dtype="float32")
    )
    losses = [held_out(directions_)]
    for step in range(8):
        directions_.step(step)
    losses.append(held_out(directions_))
    folder = tmp_path_factory.mktemp("learned")
    directions_.keep(folder)
    return directions_, folder, losses[0], losses[1]


def held_out(trained: Directions) -> float:
    """Return the loss on the images' other noise and times, the same each time."""
    rng = np.random.default_rng(99)
    latents = trained.seen.latents(range(6))
    found = []
    with torch.no_grad():
        for _ in range(3):
            noise = trained.seen.noise(latents, rng)
            noisy, times, _ = trained.seen.noised(latents, noise, rng, together=True)
            assert len(set(times.tolist())) == 1
            found.append(float(contrast(trained.edits(noisy, times, range(3)))))
    return float(np.mean(found))


def test_learning_lowers_the_loss_on_other_noise(learned: Learned) -> None:
    *_, before, after = learned
    assert after < before - 1


def test_what_was_learned_changes_images_more_the_larger_the_scale(
    learned: Learned,
) -> None:
    trained, folder, *_ = learned
    reference = trained.reference(folder)
    assert reference.startswith(f"directions:{SCENES_MODEL}+")
    settings = Settings(device="cpu", steps=3, batch=2)
    jobs = [Job("a red star on a white background", 0), Job("a blue ring on a pink background", 1)]
    before = pixels(load(f"diffusers:{SCENES_MODEL}", settings), jobs)
    moved = [
        float(np.abs(pixels(load(f"{reference}@{scale}", settings), jobs) - before).mean())
        for scale in (0, 0.5, 2)
    ]
    assert moved[0] == 0
    assert all(a < b for a, b in pairwise(moved))


def test_learning_broken_off_and_continued_is_bit_for_bit_the_same(
    saved: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("finexl.personalize.directions.TOGETHER", 3)
    recipe = Recipe(method="directions", directions=5, batch=2, levels=(1, 3), size=SIDE)
    settings = Settings(device="cpu")

    def run(name: str, **more: Any) -> Any:
        out = tmp_path / name
        return personalize(str(saved("sdxl")), examples(3), recipe, out, settings, **more)

    whole = run("whole")

    def die(_: str, done: int, __: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run("broken", progress=die)
    assert run("broken").losses == whole.losses[1:]
    files = [
        [tmp_path / name / f"step-{level:06d}" / "directions.safetensors" for level in (1, 3)]
        for name in ("whole", "broken")
    ]
    assert [f.read_bytes() for f in files[0]] == [f.read_bytes() for f in files[1]]
    assert files[0][0].read_bytes() != files[0][1].read_bytes()
    assert len(load_file(files[0][0])) == 5
    assert adapters.read(f"{files[0][0]}#5", 1).family.texts == (24, 24)


def test_fewer_than_two_of_anything_cannot_be_compared(saved: Callable[[str], Path]) -> None:
    recipe = Recipe(method="directions", batch=2)
    for asked, n in ((recipe, 1), (Recipe(method="directions"), 3)):
        with pytest.raises(UsageError, match="learned by comparing images"):
            trainee(str(saved("sd")), examples(n), asked, FAST)
    with pytest.raises(UsageError, match="learn 2 or more"):
        Recipe(method="directions", directions=1).check()


def test_directions_are_not_offloaded(saved: Callable[[str], Path], tmp_path: Path) -> None:
    """Offloading puts the denoiser's own `forward` back: the second batch would be plain."""
    file = written(tmp_path / "d.safetensors", WIDTHS["sd"])
    text = f"directions:{saved('sd')}+{file}#1@1"
    with pytest.raises(UsageError, match="cannot be offloaded"):
        load(text, Settings(offload=True, device="cuda"))
