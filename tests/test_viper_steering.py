"""Steering to a taste: Eq. 1–3 against themselves written out, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import tiny_pipelines
from finexl.errors import UsageError
from finexl.generators import Job, Made, Settings, directions, load_generator
from finexl.generators.diffusers import Pipeline
from finexl.generators.running import quietly
from finexl.viper.encoding import chunks, encoded, thresholds
from finexl.viper.guidance import Guidance
from finexl.viper.profile import Preference, Profile, write_profile
from finexl.viper.refining import REFINES, Refiner
from finexl.viper.steering import DEGREE, Viper, absolute, load, parse
from finexl.viper.taste import Taste, taste_of

SIDE = tiny_pipelines.SIDE
FAST = Settings(steps=2, size=SIDE, device="cpu", guidance=3.0)
JOBS = [Job("a red cat", 3), Job("a dog", 4)]
TASTE = Taste((("soft", 1.0), ("blue", 1.0)), (("loud", 1.0),))
PROMPTS = ["a red cat", "a dog"]
TEXTS = {"liked": "soft, blue", "disliked": "loud"}
"""What TASTE is to an encoder."""
STEPS = 3
Said = tuple[Any, Any]
"""A text as (hidden, pooled)."""
Say = Callable[[Any, Any, Said], Any]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return each family's folder, made once."""
    made: dict[str, Path] = {}

    def folder(family: str) -> Path:
        if family not in made:
            made[family] = tmp_path_factory.mktemp("pipelines") / family
            if family == "refiner":
                save_refiner(folder("sdxl"), made[family])
            else:
                tiny_pipelines.FAMILIES[family](made[family])
        return made[family]

    return folder


def save_refiner(sdxl: Path, folder: Path) -> None:
    """SDXL's refiner: it has the second text encoder alone, and is told an aesthetic score."""
    base = diffusers.StableDiffusionXLPipeline.from_pretrained(sdxl)
    about = {**base.unet.config, "cross_attention_dim": tiny_pipelines.CONTEXT}
    about["projection_class_embeddings_input_dim"] = 5 * 8 + tiny_pipelines.CONTEXT
    unet = diffusers.UNet2DConditionModel.from_config(about)
    generator = torch.Generator().manual_seed(7)
    for weights in unet.parameters():
        if weights.ndim > 1:
            weights.data.normal_(std=1.2 / weights[0].numel() ** 0.5, generator=generator)
    diffusers.StableDiffusionXLImg2ImgPipeline(
        vae=base.vae,
        text_encoder=None,
        tokenizer=None,
        text_encoder_2=base.text_encoder_2,
        tokenizer_2=base.tokenizer_2,
        unet=unet,
        scheduler=base.scheduler,
        requires_aesthetics_score=True,
        add_watermarker=False,
    ).save_pretrained(folder)


def opened(folder: Path) -> Any:
    """Return a pipeline of its own in double precision."""
    return Pipeline(str(folder), FAST).opened.to(torch.float64)


def pixels(model: Any, jobs: Sequence[Job] = JOBS) -> NDArray[np.float64]:
    images = [one.image for one in model.make(jobs)]
    return np.array([np.asarray(image) for image in images if image is not None], float)


# Eq. 1–3


def text(pipe: Any, prompt: str) -> Said:
    """Return E(prompt) as the pipeline's own method says it."""
    if isinstance(pipe, diffusers.StableDiffusionPipeline):
        return pipe.encode_prompt(prompt, "cpu", 1, False)[0], None
    if isinstance(pipe, diffusers.FluxPipeline):
        hidden, pooled, _ = pipe.encode_prompt(prompt, prompt)
        return hidden, pooled
    if isinstance(pipe, diffusers.StableDiffusion3Pipeline):
        found = pipe.encode_prompt(prompt, prompt, prompt, do_classifier_free_guidance=False)
    else:
        found = pipe.encode_prompt(prompt, do_classifier_free_guidance=False)
    return found[0], found[2]


def mixed(*parts: tuple[float, Said]) -> Said:
    """Return a weighted sum of texts."""
    return (
        sum(weight * said[0] for weight, said in parts),
        None if parts[0][1][1] is None else sum(weight * said[1] for weight, said in parts),
    )


def sayer(pipe: Any, w: float) -> Say:
    """Return ε(x, t, text) of one image, called as diffusers' own loops call it."""
    if isinstance(pipe, diffusers.StableDiffusion3Pipeline):
        return lambda x, t, said: pipe.transformer(
            hidden_states=x, timestep=t.expand(1), encoder_hidden_states=said[0],
            pooled_projections=said[1],
        )[0]  # fmt: skip
    if isinstance(pipe, diffusers.FluxPipeline):
        side = SIDE // pipe.vae_scale_factor // 2
        places = pipe._prepare_latent_image_ids(1, side, side, "cpu", torch.float64)
        return lambda x, t, said: pipe.transformer(
            hidden_states=x, timestep=t.expand(1) / 1000, encoder_hidden_states=said[0],
            pooled_projections=said[1], guidance=torch.tensor([w]), img_ids=places,
            txt_ids=torch.zeros(said[0].shape[1], 3),
        )[0]  # fmt: skip
    sizes = torch.tensor([[SIDE, SIDE, 0, 0, SIDE, SIDE]]).double()

    def say(x: Any, t: Any, said: Said) -> Any:
        added = None if said[1] is None else {"text_embeds": said[1], "time_ids": sizes}
        return pipe.unet(x, t, said[0], added_cond_kwargs=added)[0]

    return say


def written_out(
    pipe: Any, prompt: str, x: Any, w: float, beta: float, *, predictions: bool = True
) -> Any:
    """Return the latents of one image after a loop over the scheduler, one call for each term."""
    flux = isinstance(pipe, diffusers.FluxPipeline)
    say = sayer(pipe, w)
    own, liked, disliked, empty = (text(pipe, one) for one in (prompt, *TEXTS.values(), ""))
    if isinstance(pipe, diffusers.StableDiffusionXLPipeline):
        empty = mixed((0.0, own))  # SDXL's own: zeros in place of the empty prompt
    p = mixed((1.0, own), (beta, liked), (-beta, disliked))
    with quietly(), torch.no_grad():
        if flux:
            sigmas = np.linspace(1.0, 1 / STEPS, STEPS)
            pipe.scheduler.set_timesteps(sigmas=sigmas, mu=1.0)
        else:
            pipe.scheduler.set_timesteps(STEPS)
        x = x * getattr(pipe.scheduler, "init_noise_sigma", 1.0)
        for t in pipe.scheduler.timesteps:
            scale = getattr(pipe.scheduler, "scale_model_input", lambda x, _: x)
            seen = scale(x, t)
            vp = say(seen, t, liked) - say(seen, t, disliked)
            personal = say(seen, t, p) + (beta * vp if predictions else 0.0)
            guides = not flux and w > 1  # else nothing is said of the empty prompt
            epsilon = (1 - w) * say(seen, t, empty) + w * personal if guides else personal
            x = pipe.scheduler.step(epsilon, t, x, return_dict=False)[0]
    return x


def steered(pipe: Any, latents: Any, w: float, beta: float, predictions: bool = True) -> Any:
    """Return the latents that the pipeline itself ends with, steered."""
    asked = {"num_inference_steps": STEPS, "guidance_scale": w, "height": SIDE, "width": SIDE}
    with quietly():
        sides = encoded(pipe, TASTE, "it")
        with Guidance(pipe, *sides, beta, predictions):
            found = pipe(PROMPTS, latents=latents, output_type="latent", **asked).images
    return found


def noise(pipe: Any) -> Any:
    shape: tuple[int, ...] = (2, 4, SIDE // 2, SIDE // 2)
    if isinstance(pipe, diffusers.FluxPipeline):
        shape = (2, (SIDE // 4) ** 2, 16)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).double()


@pytest.mark.parametrize(
    ("family", "w", "predictions"),
    [
        *((family, 4.0, True) for family in tiny_pipelines.FAMILIES),
        *((family, 4.0, False) for family in tiny_pipelines.FAMILIES),
        *((family, 1.0, True) for family in ("sd", "sdxl", "sd3")),
    ],
)
def test_the_whole_loop_is_the_equations_written_out(
    saved: Callable[[str], Path], family: str, w: float, predictions: bool
) -> None:
    pipe = opened(saved(family))
    latents = noise(pipe)
    found = steered(pipe, latents, w, 0.7, predictions)
    for prompt, x, ours in zip(PROMPTS, latents, found, strict=True):
        wanted = written_out(pipe, prompt, x[None], w, 0.7, predictions=predictions)
        torch.testing.assert_close(ours[None], wanted, atol=1e-5, rtol=1e-5)
    plain = steered(pipe, latents, w, 0.0, predictions)
    assert float((found - plain).abs().mean()) > 0.01


def test_where_latents_are_alike_and_nothing_guides_no_prompt_is_taken_for_the_empty_one(
    saved: Callable[[str], Path],
) -> None:
    pipe = opened(saved("sd"))
    latents = noise(pipe)[:1].repeat(2, 1, 1, 1)  # one seed for both prompts
    found = steered(pipe, latents, 1.0, 0.7)
    for prompt, ours in zip(PROMPTS, found, strict=True):
        wanted = written_out(pipe, prompt, latents[:1], 1.0, 0.7)
        torch.testing.assert_close(ours[None], wanted, atol=1e-5, rtol=1e-5)


def test_the_refiner_says_eq_3_as_well_and_each_half_keeps_its_own_score(
    saved: Callable[[str], Path],
) -> None:
    pipe: Any = Refiner(str(saved("refiner")), FAST).opened.to(torch.float64)
    latents, w, beta = noise(pipe), 4.0, 0.7
    nothing = Image.new("RGB", (SIDE, SIDE))
    with quietly():
        with Guidance(pipe, *encoded(pipe, TASTE, "it"), beta):
            found = pipe(PROMPTS, image=[nothing] * 2, latents=latents, num_inference_steps=6,
                         strength=0.5, guidance_scale=w, output_type="latent").images  # fmt: skip

        def sizes(score: float) -> Any:
            return torch.tensor([[SIDE, SIDE, 0, 0, score]]).double()

        def say(x: Any, t: Any, said: Said, score: float = 6.0) -> Any:
            added = {"text_embeds": said[1], "time_ids": sizes(score)}
            return pipe.unet(x, t, said[0], added_cond_kwargs=added)[0]

        liked, disliked = (text(pipe, one) for one in TEXTS.values())
        for prompt, x, ours in zip(PROMPTS, latents, found, strict=True):
            own = text(pipe, prompt)
            p = mixed((1.0, own), (beta, liked), (-beta, disliked))
            pipe.scheduler.set_timesteps(6)
            pipe.scheduler.set_begin_index(3)
            x = x[None]
            with torch.no_grad():
                for t in pipe.scheduler.timesteps[3:]:
                    seen = pipe.scheduler.scale_model_input(x, t)
                    vp = say(seen, t, liked) - say(seen, t, disliked)
                    empty = say(seen, t, mixed((0.0, own)), 2.5)
                    epsilon = (1 - w) * empty + w * (say(seen, t, p) + beta * vp)
                    x = pipe.scheduler.step(epsilon, t, x, return_dict=False)[0]
            torch.testing.assert_close(ours[None], x, atol=1e-5, rtol=1e-5)


def test_learned_directions_of_the_base_are_added_once_beside_the_taste(
    saved: Callable[[str], Path], tmp_path: Path
) -> None:
    file, vector = tmp_path / "d.safetensors", torch.linspace(-1, 1, tiny_pipelines.CONTEXT)
    directions.write(file, {"1": vector}, [tiny_pipelines.CONTEXT], None)
    pipe, plain = opened(saved("sd")), opened(saved("sd"))
    directions.lay(pipe, [(file, "1", 1.5)], "it")
    latents, w, beta = noise(pipe), 4.0, 0.7
    with torch.no_grad():
        towards = (directions.spell(plain, vector.double()[None]).hidden, None)
    found, say = steered(pipe, latents, w, beta), sayer(plain, w)
    own, liked, disliked, empty = (text(plain, one) for one in (PROMPTS[1], *TEXTS.values(), ""))
    p = mixed((1.0, own), (beta, liked), (-beta, disliked))
    x = latents[1:]
    plain.scheduler.set_timesteps(STEPS)
    with torch.no_grad():
        for t in plain.scheduler.timesteps:
            vp = say(x, t, liked) - say(x, t, disliked)
            epsilon = (1 - w) * say(x, t, empty) + w * (say(x, t, p) + beta * vp)
            epsilon = epsilon + 1.5 * (say(x, t, towards) - say(x, t, empty))
            x = plain.scheduler.step(epsilon, t, x, return_dict=False)[0]
    torch.testing.assert_close(found[1:], x, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("w", "predictions", "rows"), [(3.0, True, 8), (3.0, False, 4), (1.0, True, 6), (1.0, False, 2)]
)
def test_a_step_is_one_call_with_four_rows_an_image_in_place_of_two(
    saved: Callable[[str], Path], w: float, predictions: bool, rows: int
) -> None:
    pipe = opened(saved("sd"))
    calls: list[int] = []
    plain = pipe.unet.forward

    def counted(sample: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(len(sample))
        return plain(sample, *args, **kwargs)

    pipe.unet.forward = counted
    steered(pipe, noise(pipe), w, 0.7, predictions)
    assert calls == [rows] * STEPS
    assert pipe.unet.forward is counted


# the generator


@pytest.mark.parametrize("family", tiny_pipelines.FAMILIES)
def test_at_degree_0_it_is_the_base_bit_for_bit_and_else_moves_away(
    saved: Callable[[str], Path], family: str
) -> None:
    base = Pipeline(str(saved(family)), FAST)
    before = pixels(base)
    models = [Viper(base, TASTE, degree) for degree in (0.0, 0.3, 1.0)]
    moved = [float(np.abs(pixels(model) - before).mean()) for model in models]
    assert moved[0] == 0 < moved[1] < moved[2]
    np.testing.assert_array_equal(pixels(base), before)  # it is as it was
    denoiser = base.opened.unet if hasattr(base.opened, "unet") else base.opened.transformer
    assert "forward" not in vars(denoiser)
    assert len({base.digest, *(model.digest for model in models)}) == 4
    record = models[1].record()
    assert (record["viper"]["degree"], record["steps"]) == (0.3, 2)


def test_what_an_image_is_does_not_depend_on_which_others_are_made_with_it(
    saved: Callable[[str], Path],
) -> None:
    model = Viper(Pipeline(str(saved("sd")), FAST), TASTE, 0.5)
    together = pixels(model)
    alone = np.concatenate([pixels(model, [job]) for job in JOBS])
    assert np.abs(together - alone).max() <= 1  # of 255: the last bits, rounded
    np.testing.assert_array_equal(pixels(model), together)


def test_an_empty_taste_is_the_plain_pipeline_and_says_so(saved: Callable[[str], Path]) -> None:
    base = Pipeline(str(saved("sd")), FAST)
    for taste in (Taste(), Taste((("soft", 0.0),))):
        model = Viper(base, taste, 1.0, called="anna")
        assert model.notice is not None
        assert "anna names nothing liked or disliked" in model.notice
        np.testing.assert_array_equal(pixels(model), pixels(base))
    assert Viper(base, TASTE).notice is None
    assert Viper(base, TASTE).make([]) == []


def test_a_refiner_goes_over_the_images_and_is_steered_too(saved: Callable[[str], Path]) -> None:
    base = Pipeline(str(saved("sdxl")), FAST)
    refiner = Refiner(str(saved("refiner")), replace(FAST, steps=8))
    plain = Viper(base, TASTE, 0.0, refiner=refiner)
    unrefined = Viper(base, TASTE, 0.5)
    refined = Viper(base, TASTE, 0.5, refiner=refiner)
    first = base.make(JOBS)
    images = [np.asarray(one.image, float) for one in refiner.refine(JOBS, first)]
    np.testing.assert_array_equal(pixels(plain), np.array(images))
    assert np.abs(pixels(plain) - pixels(base)).mean() > 0.1
    # the refiner alone, over the same steered images, makes others when it is steered
    unsteered = refiner.refine(JOBS, unrefined.make(JOBS))
    images = [np.asarray(one.image, float) for one in unsteered]
    assert np.abs(pixels(refined) - np.array(images)).mean() > 0.01
    blank = Made(None, "withheld by the safety checker")
    assert refiner.refine(JOBS, [blank, first[1]])[0] is blank
    assert refiner.refine(JOBS, [blank, blank]) == [blank, blank]
    assert len({plain.digest, unrefined.digest, refined.digest}) == 3
    assert refined.record()["viper"]["refiner"]["strength"] == 0.3
    with pytest.raises(UsageError, match=f"no refiner; give a {REFINES}"):
        Refiner(str(saved("sdxl")), FAST)


@pytest.mark.parametrize("degree", [-0.1, 1.01, float("nan")])
def test_a_degree_outside_0_to_1_is_refused(saved: Callable[[str], Path], degree: float) -> None:
    with pytest.raises(UsageError, match="give one from 0 to 1"):
        Viper(Pipeline(str(saved("sd")), FAST), TASTE, degree)


def test_what_cannot_be_steered_is_refused_before_anything_is_opened(
    saved: Callable[[str], Path],
) -> None:
    def base(family: str, **changed: Any) -> Pipeline:
        return Pipeline(str(saved(family)), replace(FAST, **changed))

    with pytest.raises(UsageError, match="hears no negative prompt while it is steered"):
        Viper(base("flux", negative="loud", more={"max_area": 1}), TASTE)
    for key in ("true_cfg_scale", "clip_skip", "max_sequence_length"):
        with pytest.raises(UsageError, match=f"takes no {key}"):
            Viper(base("flux", more={key: 2}), TASTE)
    with pytest.raises(UsageError, match=r"\(StableDiffusionXLImg2ImgPipeline\) cannot be steered"):
        Viper(base("refiner"), TASTE)


def test_a_pipeline_without_text_encoders_is_one_sentence(saved: Callable[[str], Path]) -> None:
    base = Pipeline(str(saved("sd")), FAST)
    base.opened.tokenizer = base.opened.text_encoder = None
    with pytest.raises(UsageError, match="sd has no text encoder"):
        Viper(base, TASTE).make(JOBS)


def test_attributes_that_were_read_otherwise_than_the_prompts_are_refused(
    saved: Callable[[str], Path],
) -> None:
    pipe = opened(saved("sd3"))
    with quietly(), Guidance(pipe, *encoded(pipe, TASTE, "it"), 0.5):
        with pytest.raises(UsageError, match="leave settings of how prompts are read"):
            pipe("a", max_sequence_length=64, num_inference_steps=1, height=SIDE, width=SIDE)
        with pytest.raises(UsageError, match="Layers cannot be skipped"):
            pipe("a", skip_guidance_layers=[0], num_inference_steps=100, height=SIDE, width=SIDE)
    assert "forward" not in vars(pipe.transformer)


# E(VP)


def test_equal_weights_are_the_papers_encoding_of_the_whole_list(
    saved: Callable[[str], Path],
) -> None:
    pipe = opened(saved("sdxl"))
    for weight in (1.0, 0.2):
        taste = Taste((("soft", weight), ("blue  ink", weight)), (("loud", weight),))
        for side, said in zip(encoded(pipe, taste, "it"), ("soft, blue ink", "loud"), strict=True):
            hidden, pooled = text(pipe, said)
            torch.testing.assert_close(side.hidden, hidden, atol=0, rtol=0)
            torch.testing.assert_close(side.pooled, pooled, atol=0, rtol=0)


def test_weights_are_the_integral_over_thresholds(saved: Callable[[str], Path]) -> None:
    pipe = opened(saved("sd"))
    taste = Taste((("soft", 0.4), ("blue", 0.8), ("ink", 0.0)), (("loud", 0.2),))
    liked, disliked = encoded(pipe, taste, "it")
    said = {one: text(pipe, one)[0] for one in ("soft, blue", "blue", "loud", "")}
    # of the strongest, 0.8: soft has a half, blue all, loud a quarter (0.2 in whole tenths)
    wanted = 0.5 * said["soft, blue"] + 0.5 * said["blue"]
    torch.testing.assert_close(liked.hidden, wanted, atol=1e-12, rtol=0)
    wanted = 0.2 * said["loud"] + 0.8 * said[""]
    torch.testing.assert_close(disliked.hidden, wanted, atol=1e-12, rtol=0)


def test_a_side_without_attributes_is_the_empty_prompt(saved: Callable[[str], Path]) -> None:
    pipe = opened(saved("sd"))
    liked, disliked = encoded(pipe, Taste((("soft", 1.0),)), "it")
    assert torch.equal(disliked.hidden, text(pipe, "")[0])
    assert torch.equal(liked.hidden, text(pipe, "soft")[0])
    liked, disliked = encoded(pipe, Taste(), "it")
    assert torch.equal(liked.hidden, disliked.hidden)


def test_thresholds_share_out_the_whole_and_every_list_is_smaller_than_the_last() -> None:
    attributes = tuple((f"a{i}", i / 7) for i in range(8))
    found = thresholds(attributes, 1.25)
    assert sum(share for share, _ in found) == pytest.approx(1.0, abs=1e-12)
    share, some = found[-1]  # the strongest here is 0.8 of the other side's
    assert (round(share, 9), some) == (0.2, ())
    sizes = [len(some) for _, some in found]
    assert sizes == sorted(sizes, reverse=True)
    for i in range(1, 8):
        heard = sum(share for share, some in found if f"a{i}" in some)
        assert heard == pytest.approx(i / 7 / 1.25, abs=0.05)


def test_a_long_list_is_read_in_chunks_whose_encodings_are_averaged(
    saved: Callable[[str], Path],
) -> None:
    pipe = opened(saved("sd"))
    names = [f"attribute number {i}" for i in range(23)]  # 77 tokens are 75 letters here
    room = 75

    def letters(some: Sequence[str]) -> int:
        return len(", ".join(some).replace(" ", ""))

    parts: list[list[str]] = [[]]
    for name in names:
        if letters([*parts[-1], name]) > room:
            parts.append([])
        parts[-1].append(name)
    assert [len(part) for part in parts] == [4, 4, 4, 4, 4, 3]
    liked, _ = encoded(pipe, Taste(tuple((name, 1.0) for name in names)), "it")
    wanted = sum(len(part) / 23 * text(pipe, ", ".join(part))[0] for part in parts)
    torch.testing.assert_close(liked.hidden, wanted, atol=1e-12, rtol=0)
    # nothing is cut: the last word of the list is heard
    changed = [*names[:-1], "attribute number x"]
    other, _ = encoded(pipe, Taste(tuple((name, 1.0) for name in changed)), "it")
    assert float((other.hidden - liked.hidden).abs().max()) > 1e-3


def test_chunks_keep_every_attribute_once_in_order_and_one_too_long_stands_alone() -> None:
    names = ["ab", "c", "d" * 9, "e", "fg"]
    assert chunks(names, lambda text: len(text) <= 5) == [["ab", "c"], ["d" * 9], ["e", "fg"]]
    assert chunks([], lambda _: True) == []


def test_a_profile_is_a_taste_and_what_is_no_attribute_is_refused() -> None:
    profile = SimpleNamespace(
        liked=(SimpleNamespace(attribute="soft", confidence=0.9),),
        disliked=(SimpleNamespace(attribute="loud", confidence=0.4),),
    )
    assert taste_of(profile) == Taste((("soft", 0.9),), (("loud", 0.4),))
    with pytest.raises(UsageError, match="A liked attribute is empty"):
        Taste(((" ", 1.0),))
    for weight in (-0.1, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="a number from 0 on"):
            Taste((), (("loud", weight),))


# references


def test_a_reference_is_read_whatever_its_paths_hold(
    saved: Callable[[str], Path], tmp_path: Path
) -> None:
    likes = Preference("soft", None, 0.9, ())
    odd = tmp_path / "a+b@1" / "anna+me@2.json"
    odd.parent.mkdir()
    for path in (odd, tmp_path / "p.json"):
        write_profile(Profile("anna", liked=(likes,)), path)
    assert parse(f"viper:lora:x+y.safetensors@0.8+{odd}@0.25") == (
        "lora:x+y.safetensors@0.8", odd, 0.25,
    )  # fmt: skip
    assert parse(f"viper:diffusers:x+{odd}") == ("diffusers:x", odd, DEGREE)
    model = load(f"viper:diffusers:{saved('sd')}+{tmp_path / 'p.json'}@0.4", FAST)
    assert isinstance(model, Viper)
    assert (model.name, model.kind, model.degree) == ("sd + anna@0.4", "viper", 0.4)
    assert model.taste == Taste((("soft", 0.9),))
    other = load(f"diffusers:{saved('sd')}", FAST)
    assert other.digest == load_generator(f"diffusers:{saved('sd')}", FAST).digest


def test_adapters_stay_on_the_base_and_a_reference_holds_in_any_folder(
    saved: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = saved("sd")
    lora = tiny_pipelines.lora(tiny_pipelines.cross_attention(base), tmp_path / "l.safetensors")
    liked = Preference("soft", None, 0.9, ())
    write_profile(Profile("anna", liked=(liked,)), tmp_path / "p.json")
    monkeypatch.chdir(tmp_path)
    reference = f"viper:lora:{base}+l.safetensors@0.5+p.json@0.4"
    steered = load(reference, FAST)
    assert steered.name == "sd + l@0.5 + anna@0.4"
    made, whole = pixels(steered), absolute(reference)
    assert whole == f"viper:lora:{base}+{lora}@0.5+{tmp_path / 'p.json'}@0.4"
    monkeypatch.chdir(base)
    np.testing.assert_array_equal(pixels(load(whole, FAST)), made)
    others = [load_generator(f"lora:{base}+{lora}@0.5", FAST),
              load(f"viper:diffusers:{base}+{tmp_path / 'p.json'}@0.4", FAST)]  # fmt: skip
    assert all(np.abs(made - pixels(other)).mean() > 0.1 for other in others)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("viper:diffusers:x", "names no profile that is there"),
        ("viper:diffusers:x+nowhere.json@0.5", "names no profile that is there"),
        ("viper:diffusers:x+{p}@half", "'half' is none"),
        ("viper:diffusers:{sd}+{p}@1.5", "The degree is 1.5; give one from 0 to 1"),
        ("viper:diffusers:{sd}+{text}", "is not a profile"),
    ],
)
def test_a_reference_that_is_none_is_one_sentence(
    saved: Callable[[str], Path], tmp_path: Path, written: str, says: str
) -> None:
    (tmp_path / "x.json").write_text("{}")
    write_profile(Profile("anna"), tmp_path / "p.json")
    places = {"p": tmp_path / "p.json", "text": tmp_path / "x.json", "sd": saved("sd")}
    with pytest.raises(UsageError, match=says):
        load(written.format(**places), FAST)


def test_a_model_without_a_denoiser_cannot_be_steered(tmp_path: Path) -> None:
    write_profile(Profile("anna"), tmp_path / "p.json")
    gan = Path(__file__).parents[1] / "examples" / "models" / "scenes-gan"
    with pytest.raises(UsageError, match=r"scenes-gan \(gan\) cannot be steered"):
        load(f"viper:gan:{gan}+{tmp_path / 'p.json'}", Settings())


def test_offloading_between_batches_does_not_end_the_steering(
    saved: Callable[[str], Path],
) -> None:
    base, offloaded = (Pipeline(str(saved("sd")), FAST) for _ in range(2))
    offloaded.opened.enable_model_cpu_offload(device="cpu")  # puts forward methods of its own in
    for _ in range(2):
        np.testing.assert_array_equal(
            pixels(Viper(offloaded, TASTE, 1.0)), pixels(Viper(base, TASTE, 1.0))
        )
    np.testing.assert_array_equal(pixels(offloaded), pixels(base))


def test_the_plain_path_is_taken_where_nothing_is_steered(
    saved: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("the denoiser is asked otherwise")

    monkeypatch.setattr(Guidance, "answer", fail)
    base = Pipeline(str(saved("sd")), FAST)
    for model in (Viper(base, TASTE, 0.0), Viper(base, Taste(), 1.0)):
        np.testing.assert_array_equal(pixels(model), pixels(base))
    with pytest.raises(UsageError, match="asked otherwise"):
        Viper(base, TASTE, 0.01).make(JOBS)


def test_what_others_put_in_the_denoisers_place_meanwhile_stays(
    saved: Callable[[str], Path],
) -> None:
    pipe = opened(saved("sd"))
    with Guidance(pipe, *encoded(pipe, TASTE, "it"), 0.5):
        pipe.unet.forward = other = object()
    assert pipe.unet.forward is other
