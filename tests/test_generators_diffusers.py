"""Diffusers pipelines and what is laid over them: tiny models of the real classes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
import huggingface_hub
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file

import tiny_pipelines
from finexl.errors import FinexlError, PrerequisiteError, UsageError
from finexl.generators import Job, Made, OutOfMemoryError, Settings, adapters, families
from finexl.generators.diffusers import Pipeline, load
from finexl.generators.running import alike
from tiny_pipelines import CONTEXT, SIDE, cross_attention, lora

FAST = Settings(steps=2, size=SIDE, device="cpu")
JOBS = [Job("a red cat", 3), Job("a dog", 4)]


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return each family's folder, made once."""
    made: dict[str, Path] = {}

    def folder(family: str) -> Path:
        if family not in made:
            made[family] = tmp_path_factory.mktemp("pipelines") / family
            tiny_pipelines.FAMILIES[family](made[family])
        return made[family]

    return folder


@pytest.fixture(scope="session")
def sd(saved: Callable[[str], Path]) -> Path:
    return saved("sd")


@pytest.fixture(scope="session")
def striped(sd: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA on the U-Net and the text encoder of the tiny Stable Diffusion."""
    targets = cross_attention(sd) | cross_attention(sd, "text_encoder", r"\.[qv]_proj$")
    about = {
        "ss_base_model_version": "sd_v1",
        "ss_tag_frequency": json.dumps(
            {"1_a": {"striped": 7, "cat": 2}, "b": {"cat": 9, "x" * 999: 1}}
        ),
    }
    return lora(targets, tmp_path_factory.mktemp("lora") / "striped.safetensors", metadata=about)


def pipeline(text: str, settings: Settings = FAST, kind: str = "diffusers") -> Pipeline:
    return load(f"{kind}:{text}", settings)


def over(base: Path, *files: str, settings: Settings = FAST) -> Pipeline:
    return pipeline("+".join([str(base), *files]), settings, "lora")


def pixels(made: list[Made]) -> NDArray[np.float64]:
    images = [one.image for one in made]
    assert all(one.blank is None for one in made)
    return np.array([np.asarray(image) for image in images if image is not None], float)


def changed(model: Pipeline, **more: Any) -> Settings:
    return Settings(**{**vars(model.settings), **more})


# the same job, the same image


@pytest.mark.parametrize("family", tiny_pipelines.FAMILIES)
def test_images_are_diffusers_own_and_the_same_each_time(
    saved: Callable[[str], Path], family: str
) -> None:
    folder = saved(family)
    model = pipeline(str(folder))
    found = model.make(JOBS)
    assert [one.image.size for one in found if one.image] == [(SIDE, SIDE)] * 2

    pipe: Any = diffusers.DiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    with pytest.warns() if family == "sdxl" else nullcontext():  # of numpy's, about torch
        own = pipe(
            prompt=[job.prompt for job in JOBS],
            num_inference_steps=2,
            height=SIDE,
            width=SIDE,
            generator=[torch.Generator().manual_seed(job.seed) for job in JOBS],
        ).images
    for one, want in zip(found, own, strict=True):
        assert one.image is not None
        assert one.image.tobytes() == want.tobytes()

    again = Pipeline(str(folder), FAST).make(JOBS)
    assert (pixels(again) == pixels(found)).all()
    assert (pixels(model.make(JOBS)) == pixels(found)).all()
    assert (pixels(found)[0] != pixels(found)[1]).any()


@pytest.mark.parametrize("family", ["sd", "sd3"])
def test_images_made_together_are_those_made_alone(
    saved: Callable[[str], Path], family: str
) -> None:
    model = pipeline(str(saved(family)))
    together = pixels(model.make(JOBS))
    alone = np.concatenate([pixels(model.make([job])) for job in JOBS])
    assert np.abs(together - alone).max() <= 1  # of 255: the last bit of rounding


def test_seed_and_prompt_each_change_the_image(sd: Path) -> None:
    model = pipeline(str(sd))
    found = pixels(model.make([Job("a cat", 0), Job("a cat", 1), Job("a dog", 0)]))
    assert np.abs(found[0] - found[1]).mean() > 3
    assert np.abs(found[0] - found[2]).mean() > 3


def _first_noise(folder: Path, settings: Settings, seeds: list[int]) -> NDArray[np.float64]:
    """Return what the denoiser is given at its first step, conditional half."""
    model = pipeline(str(folder), settings)
    seen: list[Any] = []
    model.opened.unet.register_forward_pre_hook(lambda _, args: seen.append(args[0].clone()))
    model.make([Job("a cat", seed) for seed in seeds])
    return np.asarray(seen[0][-len(seeds) :].double())


def test_noise_is_the_generators_own_whatever_the_batch_or_precision(sd: Path) -> None:
    want = [torch.randn((1, 4, 16, 16), generator=torch.Generator().manual_seed(7)).double()]
    want += [torch.randn((1, 4, 16, 16), generator=torch.Generator().manual_seed(9)).double()]
    drawn = np.concatenate([np.asarray(one) for one in want])
    assert (_first_noise(sd, FAST, [7, 9]) == drawn).all()
    assert (_first_noise(sd, FAST, [9]) == drawn[1:]).all()
    half = _first_noise(sd, Settings(**{**vars(FAST), "dtype": "bfloat16"}), [7, 9])
    assert 0 < np.abs(half - drawn).max() < 0.02  # rounded, not other noise


def test_another_process_makes_the_same_bytes(sd: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from finexl.generators import Job, Settings\n"
        "from finexl.generators.diffusers import load\n"
        f"m = load('diffusers:{sd}', Settings(steps=2, size={SIDE}, device='cpu'))\n"
        "m.make([Job('a red cat', 3)])[0].image.save(sys.argv[1])\n"
    )
    file = tmp_path / "made.png"
    subprocess.run([sys.executable, "-c", script, str(file)], check=True)
    with Image.open(file) as image:
        assert (np.asarray(image) == pixels(pipeline(str(sd)).make(JOBS[:1]))[0]).all()


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_noise_in_half_precision_is_the_same_noise_rounded(precision: str) -> None:
    kind = getattr(torch, precision)

    def drawn(dtype: Any) -> Any:  # 324 numbers, no multiple of 16: torch itself draws others
        return torch.randn((4, 9, 9), generator=torch.Generator().manual_seed(7), dtype=dtype)

    with alike("cpu", 0, precision):
        found = drawn(kind)
    assert found.dtype == kind
    assert torch.equal(found, drawn(torch.float32).to(kind))


def test_what_has_no_generator_of_its_own_is_seeded_and_nothing_outside_is() -> None:
    before = torch.random.get_rng_state()
    found = []
    for seed in (5, 5, 6):
        with alike("cpu", seed, "float32"):
            found.append(torch.rand(3))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_batch_that_broke_off_leaves_nothing_behind(sd: Path) -> None:
    settings = Settings(**{**vars(FAST), "scheduler": "PNDMScheduler", "steps": 8})
    want = pixels(pipeline(str(sd), settings).make(JOBS[:1]))
    model = pipeline(str(sd), settings)
    calls: list[int] = []

    def breaks(*_: Any) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise MemoryError

    hook = model.opened.unet.register_forward_pre_hook(breaks)
    with pytest.raises(OutOfMemoryError):
        model.make(JOBS[:1])
    hook.remove()
    assert (pixels(model.make(JOBS[:1])) == want).all()


def test_a_scheduler_that_draws_noise_is_repeatable(sd: Path) -> None:
    settings = Settings(**{**vars(FAST), "scheduler": "EulerAncestralDiscreteScheduler"})
    model = pipeline(str(sd), settings)
    first = pixels(model.make(JOBS))
    assert (pixels(model.make(JOBS)) == first).all()
    assert (first != pixels(pipeline(str(sd)).make(JOBS))).any()


# settings


def test_the_record_says_what_was_used(sd: Path) -> None:
    record = pipeline(str(sd)).record()
    assert record["pipeline"] == "StableDiffusionPipeline"
    assert record["revision"].startswith("sha256:")
    assert record["scheduler"]["class"] == "DDIMScheduler"
    assert (record["steps"], record["guidance"], record["size"]) == (2, 7.5, SIDE)
    assert (record["dtype"], record["device"], record["offload"]) == ("float32", "cpu", False)
    assert record["safety_checker"] is False
    assert record["versions"]["diffusers"] == diffusers.__version__
    assert json.loads(json.dumps(record)) == record
    own = pipeline(str(sd), Settings(device="cpu")).record()
    assert (own["steps"], own["size"]) == (50, SIDE)


@pytest.mark.parametrize(
    "more",
    [
        {"steps": 3}, {"guidance": 1.0}, {"size": 48}, {"negative": "a dog"},
        {"dtype": "bfloat16"}, {"scheduler": "EulerDiscreteScheduler"},
        {"more": {"guidance_rescale": 0.7}},
    ],
    ids=str,
)  # fmt: skip
def test_each_setting_changes_images_and_digest(sd: Path, more: dict[str, Any]) -> None:
    model = pipeline(str(sd))
    other = pipeline(str(sd), changed(model, **more))
    assert other.digest != model.digest
    first, second = pixels(model.make(JOBS[:1])), pixels(other.make(JOBS[:1]))
    assert first.shape != second.shape or (first != second).any()


def test_the_digest_is_of_what_decides_the_images(sd: Path, tmp_path: Path) -> None:
    copied = tmp_path / "elsewhere"
    shutil.copytree(sd, copied)
    model = pipeline(str(sd))
    same = pipeline(str(copied), changed(model, batch=3, offload=True))
    assert same.digest == model.digest
    assert (model.batch, same.batch) == (1, 3)
    path = copied / "vae" / "diffusion_pytorch_model.safetensors"
    state = load_file(path)
    state["decoder.conv_out.bias"] += 0.1
    save_file(state, path, {"format": "pt"})
    assert pipeline(str(copied)).digest != model.digest


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"dtype": "float8"}, "no precision"),
        ({"scheduler": "NoScheduler"}, "no scheduler for .* DDIMScheduler"),
        ({"scheduler": "FlowMatchEulerDiscreteScheduler"}, "no scheduler for"),
        ({"size": 33}, "cannot make images so: .*divisible by 8"),
        ({"more": {"frames": 3}}, "takes no frames"),
        ({"more": {"latents": 3}}, "takes no latents"),
        ({"device": "cuda:99"}, "cannot be opened"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_said_in_one_sentence(
    sd: Path, more: dict[str, Any], said: str
) -> None:
    settings = Settings(**{**vars(FAST), **more})
    with pytest.raises(UsageError, match=said) as caught:
        pipeline(str(sd), settings).make(JOBS)
    assert "\n" not in str(caught.value)


def test_flux_heeds_a_negative_prompt_only_where_it_is_guided_by_one(
    saved: Callable[[str], Path],
) -> None:
    settings = Settings(**{**vars(FAST), "negative": "a dog"})
    with pytest.raises(UsageError, match="true_cfg_scale"):
        pipeline(str(saved("flux")), settings).make(JOBS[:1])
    guided = Settings(**{**vars(settings), "more": {"true_cfg_scale": 4.0}})
    found = pixels(pipeline(str(saved("flux")), guided).make(JOBS[:1]))
    assert (found != pixels(pipeline(str(saved("flux"))).make(JOBS[:1]))).any()


# images that cannot be used


def test_what_is_not_a_number_is_said_for_its_image_alone(sd: Path) -> None:
    model = pipeline(str(sd))
    want = pixels(model.make(JOBS))
    decode = model.opened.vae.decode

    def broken(latents: Any, **more: Any) -> Any:
        found = decode(latents, **more)
        found[0][1] = float("nan")
        return found

    model.opened.vae.decode = broken
    first, second = model.make(JOBS)
    assert (second.image, second.blank) == (None, "not a number")
    assert (pixels([first]) == want[:1]).all()


def test_what_the_safety_checker_withholds_is_counted(sd: Path) -> None:
    model = pipeline(str(sd))
    want = pixels(model.make(JOBS))

    def checker(images: Any, clip_input: Any) -> Any:
        assert clip_input.shape[0] == 2
        return images, [True, False]

    def prepared(images: Any, **_: Any) -> Any:
        tensor = SimpleNamespace(pixel_values=torch.zeros(len(images), 3, 8, 8))
        return SimpleNamespace(to=lambda _: tensor, pixel_values=tensor.pixel_values)

    model.opened.safety_checker, model.opened.feature_extractor = checker, prepared
    first, second = model.make(JOBS)
    assert (first.image, first.blank) == (None, "withheld by the safety checker")
    assert (pixels([second]) == want[1:]).all()
    assert model.record()["safety_checker"] is True


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried ..."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ..."),
        MemoryError(),
    ],
    ids=str,
)
def test_not_enough_memory_is_told_from_other_failures(sd: Path, error: Exception) -> None:
    model = pipeline(str(sd))

    def full(*_: Any, **__: Any) -> Any:
        raise error

    model.opened.vae.decode = full
    with pytest.raises(OutOfMemoryError, match="not enough for 2 images"):
        model.make(JOBS)
    model.opened.vae.decode = lambda *_, **__: 1 / 0
    with pytest.raises(UsageError, match="division by zero"):
        model.make(JOBS)


# LoRAs


def test_at_scale_0_the_base_is_exact_and_at_1_it_is_not(sd: Path, striped: Path) -> None:
    base = pixels(pipeline(str(sd)).make(JOBS))
    assert (pixels(over(sd, f"{striped}@0").make(JOBS)) == base).all()
    model = over(sd, str(striped))
    full = pixels(model.make(JOBS))
    record = model.record()["adapters"][0]
    assert record["changed"] == record["layers"] > len(cross_attention(sd))  # text encoder as well
    half = pixels(over(sd, f"{striped}@0.5").make(JOBS))
    assert np.abs(full - base).mean() > 3
    towards, moved = (full - base).ravel(), (half - base).ravel()
    share = moved @ towards / (towards @ towards)
    assert 0.1 < share < 0.9, share
    assert np.linalg.norm(moved) < np.linalg.norm(towards)


def test_a_lora_is_what_its_fused_weights_are(sd: Path, tmp_path: Path) -> None:
    targets = cross_attention(sd)
    path = lora(targets, tmp_path / "a.safetensors")
    found = pixels(over(sd, f"{path}@0.7").make(JOBS))
    pipe = pipeline(str(sd))
    state, modules = load_file(path), dict(pipe.opened.unet.named_modules())
    for name in targets:
        product = state[f"{name}.lora_B.weight"] @ state[f"{name}.lora_A.weight"]
        modules[name.removeprefix("unet.")].weight.data += 0.7 * product
    assert np.abs(found - pixels(pipe.make(JOBS))).max() <= 1


@pytest.mark.parametrize("family", ["sdxl", "sd3", "flux"])
def test_loras_on_every_family(saved: Callable[[str], Path], tmp_path: Path, family: str) -> None:
    folder = saved(family)
    part = "unet" if family == "sdxl" else "transformer"
    names = r"attn2\.to_[kv]$" if family == "sdxl" else r"attn\.to_[qkv]$"
    path = lora(cross_attention(folder, part, names), tmp_path / "a.safetensors")
    base = pixels(pipeline(str(folder)).make(JOBS[:1]))
    assert (pixels(over(folder, f"{path}@0").make(JOBS[:1])) == base).all()
    model = over(folder, str(path))
    assert (pixels(model.make(JOBS[:1])) != base).any()
    record = model.record()["adapters"][0]
    assert record["changed"] == record["layers"] > 0


def test_a_lora_over_half_precision_keeps_the_base_exact(sd: Path, striped: Path) -> None:
    half = Settings(**{**vars(FAST), "dtype": "bfloat16"})
    base = pixels(pipeline(str(sd), half).make(JOBS))
    assert (pixels(over(sd, f"{striped}@0", settings=half).make(JOBS)) == base).all()
    assert (pixels(over(sd, str(striped), settings=half).make(JOBS)) != base).any()


def test_several_are_laid_over_one_base(sd: Path, striped: Path, tmp_path: Path) -> None:
    other = lora(cross_attention(sd), tmp_path / "b.safetensors", rank=3, seed=5)
    both = over(sd, f"{striped}@0.5", f"{other}@-1")
    alone = [
        pixels(over(sd, f"{striped}@0.5").make(JOBS)),
        pixels(over(sd, f"{other}@-1").make(JOBS)),
    ]
    found = pixels(both.make(JOBS))
    assert all((found != one).any() for one in alone)
    assert both.name == "sd + striped@0.5 + b@-1"
    assert both.kind == "lora"
    without = over(sd, f"{striped}@0.5", f"{other}@0")
    assert (pixels(without.make(JOBS)) == alone[0]).all()
    twice = over(sd, f"{striped}@0.25", f"{striped}@0.25")
    assert np.abs(pixels(twice.make(JOBS)) - alone[0]).max() <= 1


def test_a_scale_is_part_of_the_digest(sd: Path, striped: Path) -> None:
    scales = ("", "@0.5", "@0")
    digests = {over(sd, f"{striped}{scale}").digest for scale in scales}
    assert len(digests | {pipeline(str(sd)).digest}) == 4
    assert over(sd, f"{striped}@1").digest == over(sd, str(striped)).digest


def test_names_as_kohyas_trainer_writes_them(sd: Path, tmp_path: Path) -> None:
    targets = cross_attention(sd)
    plain = lora(targets, tmp_path / "a.safetensors", rank=2)
    state = {}
    for key, value in load_file(plain).items():
        layer, _, rest = key.partition(".lora_")
        name = "lora_unet_" + layer.removeprefix("unet.").replace(".", "_")
        half = "lora_down" if rest.startswith("A") else "lora_up"
        state[f"{name}.{half}.weight"] = value
        state[f"{name}.alpha"] = torch.tensor(1.0)  # half the rank: half the strength
    save_file(state, tmp_path / "kohya.safetensors")
    model = over(sd, str(tmp_path / "kohya.safetensors"))
    want = over(sd, f"{plain}@0.5")
    assert np.abs(pixels(model.make(JOBS)) - pixels(want.make(JOBS))).max() <= 1
    assert model.adapters[0].layers == len(targets)


LAYERS = {
    "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k": "",
    "down_blocks.1.resnets.0.conv1": "input_blocks_3_0_in_layers_2",
    "mid_block.attentions.0.proj_in": "middle_block_1_proj_in",
}
"""Layers of the tiny U-Net, and how Stability's code calls some."""


def lycoris(form: str, shape: tuple[int, ...], seed: int) -> tuple[dict[str, Any], Any]:
    """Return tensors as LyCORIS writes them, and the change of weights that they stand for."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(*size: int) -> Any:
        return torch.randn(size, generator=generator) * 0.6

    out, wide = shape[0], int(np.prod(shape[1:]))
    alpha = {"alpha": torch.tensor(1.0)}
    if form == "LoHa":
        halves = [drawn(out, 3), drawn(3, wide), drawn(out, 3), drawn(3, wide)]
        names = ["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"]
        change = (halves[0] @ halves[1]) * (halves[2] @ halves[3]) / 3
        return dict(zip(names, halves, strict=True)) | alpha, change.reshape(shape)
    left = drawn(2, 2)
    if len(shape) == 4:  # a whole right factor: alpha has no meaning
        right = drawn(out // 2, shape[1] // 2, *shape[2:])
        change = torch.kron(left[:, :, None, None], right)
        return {"lokr_w1": left, "lokr_w2": right} | alpha, change
    a, b = drawn(out // 2, 4), drawn(4, wide // 2)
    change = torch.kron(left, a @ b) / 4
    return {"lokr_w1": left, "lokr_w2_a": a, "lokr_w2_b": b} | alpha, change.reshape(shape)


@pytest.mark.parametrize("names", ["diffusers", "stability"])
@pytest.mark.parametrize("form", ["LoHa", "LoKr"])
def test_lycoris_formats_change_what_they_say(
    sd: Path, tmp_path: Path, form: str, names: str
) -> None:
    fused = pipeline(str(sd))
    modules = dict(fused.opened.unet.named_modules())
    state: dict[str, Any] = {}
    for seed, (name, other) in enumerate(LAYERS.items()):
        weight = modules[name].weight
        tensors, change = lycoris(form, tuple(weight.shape), seed)
        if names == "stability" and not other:
            continue
        written = other if names == "stability" else name.replace(".", "_")
        state |= {f"lora_unet_{written}.{key}": value for key, value in tensors.items()}
        weight.data += 0.5 * change
    path = tmp_path / "a.safetensors"
    save_file(state, path)
    model, base = over(sd, f"{path}@0.5"), pixels(pipeline(str(sd)).make(JOBS))
    found = pixels(model.make(JOBS))
    assert np.abs(found - pixels(fused.make(JOBS))).max() <= 1
    assert np.abs(found - base).mean() > 1
    record = model.record()["adapters"][0]
    assert (record["format"], record["changed"]) == (form, record["layers"])
    assert (pixels(over(sd, f"{path}@0").make(JOBS)) == base).all()


def test_lycoris_files_that_do_not_fit(sd: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    key = "lora_unet_mid_block_attentions_0_proj_in"
    cases = {
        f"{key}_x.hada_w1_a": "no layer lora_unet_mid",
        f"{key}.hada_w1_a": "another shape, or not complete",
        f"{key}.lokr_w1": "another shape, or not complete",
        "lora_te2_text_model_x.hada_w1_a": "no part of this pipeline",
    }
    for name, said in cases.items():
        save_file({name: torch.zeros(2, 2)}, path)
        with pytest.raises(UsageError, match=said):
            over(sd, str(path)).make(JOBS)


def test_what_the_author_wrote_is_kept_short(sd: Path, striped: Path) -> None:
    about = over(sd, str(striped)).record()["adapters"][0]["metadata"]
    assert about["ss_base_model_version"] == "sd_v1"
    assert about["words"][:2] == ["cat", "striped"]
    assert max(map(len, about["words"])) <= adapters.LONGEST


@pytest.mark.parametrize("text", ["[1]", "{", '{"a": 3}', '{"a": {"b": "c"}}', "[" * 99_999])
def test_what_an_author_wrote_badly_is_left_out(text: str) -> None:
    assert adapters._about({"ss_tag_frequency": text}) == {}


# wrong adapters


def made_for(path: Path, family: str) -> Path:
    """Save a few keys such as that family's LoRAs have."""
    flux = "double_blocks_0_img_attn_qkv"
    down = {
        "SD 1.x": ("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k", 768),
        "SD 2.x": ("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k", 1024),
        "SDXL": ("lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k", 2048),
        "SD3": ("transformer.transformer_blocks.0.attn.to_q", 1536),
        "FLUX": (f"lora_unet_{flux}", 3072),
    }
    name, width = down[family]
    halves = ("lora_A", "lora_B") if "." in name else ("lora_down", "lora_up")
    state = {f"{name}.{halves[0]}.weight": torch.zeros(2, width)}
    state[f"{name}.{halves[1]}.weight"] = torch.zeros(8, 2)
    save_file(state, path)
    return path


@pytest.mark.parametrize("family", ["SD 1.x", "SD 2.x", "SDXL", "SD3", "FLUX"])
def test_a_lora_for_another_base_is_named_before_anything_is_opened(
    sd: Path, tmp_path: Path, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pipeline, "_loaded", lambda _: pytest.fail("opened"))
    path = made_for(tmp_path / "a.safetensors", family)
    with pytest.raises(UsageError) as caught:
        over(sd, str(path))
    said = str(caught.value)
    assert f"was made for {family} (" in said
    assert f"a U-Net (text {CONTEXT} wide)" in said


def test_bases_are_told_by_their_settings(saved: Callable[[str], Path], tmp_path: Path) -> None:
    families_of = {
        name: str(families.of_pipeline(saved(name), pipeline(str(saved(name))).source.kind))
        for name in tiny_pipelines.FAMILIES
    }
    assert families_of == {
        "sd": f"a U-Net (text {CONTEXT} wide)",
        "sdxl": "SDXL (text 48 wide)",
        "sd3": "SD3 (layers 16 wide)",
        "flux": "FLUX (layers 32 wide)",
    }
    for width, name in ((768, "SD 1.x"), (1024, "SD 2.x")):
        (tmp_path / "unet").mkdir(exist_ok=True)
        (tmp_path / "unet" / "config.json").write_text(json.dumps({"cross_attention_dim": width}))
        found = families.of_pipeline(tmp_path, "StableDiffusionPipeline")
        assert found.name == name
        assert families.of_lora({"unet.down_blocks.0.attn2.to_k.lora_A.weight": (4, width)}).fits(
            found
        )


FLUX_FILES = {
    "transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight": (4, 3072),
    "double_blocks.0.processor.qkv_lora1.down.weight": (4, 3072),
    "lora_unet_single_blocks_0_linear1.lora_down.weight": (4, 3072),
    "transformer.transformer_blocks.0.attn.to_k.lora_A.weight": (4, 3072),
}


@pytest.mark.parametrize("key", FLUX_FILES)
def test_flux_is_told_however_its_keys_are_written(key: str) -> None:
    assert families.of_lora({key: FLUX_FILES[key]}).name == "FLUX"


def test_a_lora_that_fits_no_layer_is_refused(sd: Path, tmp_path: Path) -> None:
    wrong = {name: (out + 1, wide) for name, (out, wide) in cross_attention(sd).items()}
    path = lora(wrong, tmp_path / "a.safetensors")
    with pytest.raises(UsageError, match="does not fit sd"):
        over(sd, str(path)).make(JOBS)
    nowhere = lora({"unet.down_blocks.7.attn2.to_k": (8, CONTEXT)}, tmp_path / "b.safetensors")
    with pytest.raises(UsageError, match=r"b\.safetensors"):
        over(sd, str(nowhere)).make(JOBS)
    mostly = cross_attention(sd) | {f"unet.down_blocks.{n}.x": (8, CONTEXT) for n in range(7, 40)}
    path = lora(mostly, tmp_path / "c.safetensors")
    with pytest.raises(UsageError, match=r"of its \d+ layers only \d+ are there"):
        over(sd, str(path)).make(JOBS)


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ("lora_unet_mid_block_attentions_0_proj_in.oft_blocks", "OFT"),
        ("lora_unet_mid_block_attentions_0_proj_in.dora_scale", "DoRA"),
    ],
)
def test_formats_that_are_no_lora_are_named(sd: Path, tmp_path: Path, key: str, named: str) -> None:
    save_file({key: torch.zeros(2, 2)}, tmp_path / "a.safetensors")
    with pytest.raises(UsageError, match=f"in the format {named}"):
        over(sd, str(tmp_path / "a.safetensors"))


@pytest.mark.parametrize("name", ["a.bin", "a.pt", "a.ckpt"])
def test_pickles_are_refused_unopened(sd: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(UsageError, match="pickle, which can run code"):
        over(sd, str(tmp_path / name))
    with pytest.raises(UsageError, match="pickle, which can run code"):
        pipeline(str(tmp_path / name))


def test_files_that_are_no_adapter(sd: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with pytest.raises(UsageError, match="no file"):
        over(sd, str(path))
    path.write_bytes(b"not safetensors at all")
    with pytest.raises(UsageError, match="damaged"):
        over(sd, str(path))
    save_file({"a.weight": torch.zeros(2, 2), "b.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(UsageError, match="neither a LoRA nor an embedding"):
        over(sd, str(path))
    with pytest.raises(UsageError, match="no checkpoint of a whole pipeline"):
        pipeline(str(path))


# embeddings


def test_an_embedding_is_a_word(sd: Path, tmp_path: Path) -> None:
    vectors = torch.randn((2, CONTEXT), generator=torch.Generator().manual_seed(0)) * 3
    save_file({"<stripes>": vectors}, tmp_path / "a.safetensors")
    model = over(sd, str(tmp_path / "a.safetensors"))
    jobs = [Job("a <stripes> cat", 0), Job("a cat", 0)]
    base, found = pixels(pipeline(str(sd)).make(jobs)), pixels(model.make(jobs))
    assert (found[1] == base[1]).all()
    assert (found[0] != base[0]).any()
    assert model.record()["adapters"][0]["word"] == "<stripes>"
    encoder, tokenizer = model.opened.text_encoder, model.opened.tokenizer
    ids = tokenizer.convert_tokens_to_ids(["<stripes>", "<stripes>_1"])
    assert torch.equal(encoder.get_input_embeddings().weight[ids], vectors)


def test_an_embedding_for_sdxl_has_two_halves(saved: Callable[[str], Path], tmp_path: Path) -> None:
    path = tmp_path / "stripes.safetensors"
    save_file({"clip_l": torch.ones(1, 24), "clip_g": torch.ones(1, 24)}, path)
    model = over(saved("sdxl"), str(path))
    jobs = [Job("a stripes cat", 0)]
    assert (pixels(model.make(jobs)) != pixels(pipeline(str(saved("sdxl"))).make(jobs))).any()
    assert model.adapters[0].word == "stripes"


def test_embeddings_that_cannot_be(sd: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"emb_params": torch.zeros(2, 768)}, path)
    with pytest.raises(UsageError, match=r"made for SD 1.x \(vectors 768 wide\)"):
        over(sd, str(path))
    for scale in ("0.5", "0"):
        with pytest.raises(UsageError, match="no strength to set"):
            over(sd, f"{path}@{scale}")


# files


def test_a_single_file_makes_its_folders_images(
    sd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sd.safetensors"
    tiny_pipelines.save_single_file(sd, path)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", _unreachable)
    with pytest.raises(PrerequisiteError) as caught:
        pipeline(str(path))
    assert caught.value.exit_code == 3
    assert f"--local-dir {tmp_path / 'sd'}" in str(caught.value)
    assert "stable-diffusion-v1-5/stable-diffusion-v1-5" in str(caught.value)

    shutil.copytree(sd, tmp_path / "sd", ignore=shutil.ignore_patterns("*.safetensors"))
    beside, given = pipeline(str(path)), pipeline(str(path), changed_config(sd))
    want = pixels(pipeline(str(sd)).make(JOBS))
    assert np.abs(pixels(beside.make(JOBS)) - want).max() <= 1
    assert beside.record()["revision"].count("sha256:") == 2
    assert given.digest == beside.digest
    assert beside.name == "sd"


def changed_config(folder: Path) -> Settings:
    return Settings(**{**vars(FAST), "more": {"config": str(folder)}})


def _unreachable(*_: Any, **__: Any) -> Any:
    raise ConnectionError("no route")


def test_a_model_that_is_not_here_ends_with_3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "snapshot_download", _unreachable)
    with pytest.raises(PrerequisiteError, match="owner/name") as caught:
        pipeline("owner/name")
    assert caught.value.exit_code == 3
    with pytest.raises(UsageError, match="no folder and no hub id"):
        pipeline("/no/such/folder")


def test_what_is_fetched_from_the_hub(sd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub.utils import filter_repo_objects

    asked: list[Any] = []

    def download(name: str, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((name, revision, allow_patterns))
        return str(sd)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert pipeline("owner/name@v1").source.folder == sd
    assert asked[0][:2] == ("owner/name", "v1")
    files = [
        "model_index.json", "unet/config.json", "tokenizer/merges.txt",
        "unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors",
        "transformer/diffusion_pytorch_model-00001-of-00003.safetensors",
    ]  # fmt: skip
    others = [
        "v1-5-pruned.safetensors", "v1-5-pruned.ckpt", "unet/diffusion_pytorch_model.bin",
        "unet/diffusion_pytorch_model.fp16.safetensors", "pipeline.py", "unet/x.py",
        "unet/diffusion_pytorch_model.non_ema.safetensors", "unet/model.onnx",
    ]  # fmt: skip
    assert list(filter_repo_objects(files + others, allow_patterns=asked[0][2])) == files
    pipeline("owner/name", Settings(more={"variant": "fp16"}))
    with_variant = list(filter_repo_objects(files + others, allow_patterns=asked[1][2]))
    assert set(with_variant) == {*files, others[3]}


def test_weights_in_half_precision_alone_are_found(sd: Path, tmp_path: Path) -> None:
    folder = tmp_path / "half"
    shutil.copytree(sd, folder)
    for path in folder.rglob("*.safetensors"):
        path.rename(path.with_name(f"{path.stem}.fp16.safetensors"))
    model = pipeline(str(folder))
    assert model.source.variant == "fp16"
    assert (pixels(model.make(JOBS[:1])) == pixels(pipeline(str(sd)).make(JOBS[:1]))).all()


@pytest.fixture
def copied(sd: Path, tmp_path: Path) -> Path:
    shutil.copytree(sd, tmp_path / "copied")
    return tmp_path / "copied"


def test_code_of_a_models_own_is_never_run(copied: Path) -> None:
    index = json.loads((copied / "model_index.json").read_text())

    def written(**more: Any) -> None:
        (copied / "model_index.json").write_text(json.dumps({**index, **more}))

    for more in (
        {"_class_name": ["pipeline", "Mine"]},
        {"unet": ["os", "system"]},
    ):
        written(**more)
        with pytest.raises(UsageError, match="brings code of its own"):
            pipeline(str(copied))
    written()
    for name in ("None.py", "unet/diffusers.py"):
        (copied / name).write_text("raise SystemExit")
        with pytest.raises(UsageError, match="brings code of its own"):
            pipeline(str(copied))
        (copied / name).unlink()
    assert pipeline(str(copied)).make(JOBS[:1])[0].blank is None


def test_folders_that_are_no_pipeline(copied: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no model_index\.json"):
        pipeline(str(tmp_path))
    index = json.loads((copied / "model_index.json").read_text())
    for kind, said in (
        ("NoSuchPipeline", "does not know"),
        ("StableDiffusionImg2ImgPipeline", "does not make images of prompts alone"),
    ):
        (copied / "model_index.json").write_text(json.dumps({**index, "_class_name": kind}))
        with pytest.raises(UsageError, match=said):
            pipeline(str(copied)).make(JOBS)
    (copied / "model_index.json").write_text(json.dumps(index))
    weights = copied / "unet" / "diffusion_pytorch_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UsageError, match="cannot be opened"):
        pipeline(str(copied)).make(JOBS)
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(UsageError, match=r"only unet/diffusion_pytorch_model\.bin"):
        pipeline(str(copied))


@pytest.mark.parametrize("package", ["torch", "diffusers", "peft"])
def test_a_missing_extra_says_what_to_install(
    sd: Path, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from finexl.generators import diffusers as module

    monkeypatch.setattr(module, "find_spec", lambda name: None if name == package else object())
    for text in (f"diffusers:{sd}", f"lora:{sd}+a.safetensors"):
        with pytest.raises(PrerequisiteError, match=r"pip install 'finexl\[diffusion\]'"):
            load(text, FAST)


# references


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("o/n+a.safetensors", ("o/n", [("a.safetensors", 1.0)])),
        ("o/n@v1+a.safetensors@0.8", ("o/n@v1", [("a.safetensors", 0.8)])),
        ("b+x.safetensors@-1+y.safetensors@2e-1",
         ("b", [("x.safetensors", -1.0), ("y.safetensors", 0.2)])),
        (r"C:\b+C:\l\a.safetensors@0.5", (r"C:\b", [(r"C:\l\a.safetensors", 0.5)])),
        ("b+o/n@v2", ("b", [("o/n@v2", 1.0)])),
        ("b+o/n@v2@0.5", ("b", [("o/n@v2", 0.5)])),
    ],
)  # fmt: skip
def test_references_are_read(text: str, want: Any) -> None:
    assert adapters.parse(text) == want


def test_what_exists_as_it_is_written_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a+b", "c@0.5", "d+e@2.safetensors"):
        Path(name).touch()
    assert adapters.parse("a+b+c@0.5") == ("a+b", [("c@0.5", 1.0)])
    assert adapters.parse("a+b+c@0.5@3") == ("a+b", [("c@0.5", 3.0)])
    assert adapters.parse("a+x+d+e@2.safetensors@0.1") == (
        "a",
        [("x", 1.0), ("d+e@2.safetensors", 0.1)],
    )


@pytest.mark.parametrize("text", ["base", "+a", "base+", "base+a@", "base+a@x", "base+a@nan", ""])
def test_references_that_are_not_complete(text: str) -> None:
    with pytest.raises(FinexlError):
        adapters.parse(text)
