"""What steering is compared with: words in the prompt, and attention to pictures (FABRIC)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import tiny_pipelines
from finexl.errors import UsageError
from finexl.generators import Job, Settings
from finexl.generators.diffusers import Pipeline
from finexl.generators.running import quietly
from finexl.generators.steering import encode
from finexl.viper.baselines.fabric import Attention, Fabric
from finexl.viper.baselines.prompting import PromptPersonalized, load
from finexl.viper.taste import Taste

SIDE = tiny_pipelines.SIDE
FAST = Settings(steps=3, size=SIDE, device="cpu", guidance=3.0)
JOBS = [Job("a red cat", 3), Job("a dog", 4)]
TASTE = Taste((("soft", 0.5), ("blue", 1.0), ("ink", 0.0)), (("loud", 1.0),))


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


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three pictures that are not alike, one of them of another size."""
    folder = tmp_path_factory.mktemp("pictures")
    paths = [folder / f"{i}.png" for i in range(3)]
    for i, path in enumerate(paths):
        drawn = np.random.default_rng(i).integers(0, 256, (4, 4 + 2 * (i == 2), 3), np.uint8)
        image = Image.fromarray(drawn)
        image.resize((SIDE, SIDE + 16 * (i == 2)), Image.Resampling.NEAREST).save(path)
    return paths


def pixels(model: Any, jobs: Sequence[Job] = JOBS) -> NDArray[np.float64]:
    images = [one.image for one in model.make(jobs)]
    return np.array([np.asarray(image) for image in images if image is not None], float)


# words in the prompt


def test_the_model_is_told_the_words_and_the_manifest_what_was_asked(
    saved: Callable[[str], Path],
) -> None:
    reference = f"diffusers:{saved('sd')}"
    model = load(reference, TASTE, replace(FAST, negative="ugly"))
    assert model.told("a red cat") == "a red cat, blue, soft"  # the heaviest first
    by_hand = Pipeline(str(saved("sd")), replace(FAST, negative="ugly, loud"))
    jobs = [Job(f"{job.prompt}, blue, soft", job.seed) for job in JOBS]
    np.testing.assert_array_equal(pixels(model), pixels(by_hand, jobs))
    assert np.abs(pixels(model) - pixels(by_hand)).mean() > 0.1
    record = model.record()
    assert (record["negative"], record["prompted"]) == ("ugly, loud", {"liked": "blue, soft"})
    assert model.digest != load(reference, Taste((("blue", 1.0),)), FAST).digest
    assert model.told("") == "blue, soft"


def test_without_words_that_weigh_anything_it_is_the_base_bit_for_bit(
    saved: Callable[[str], Path],
) -> None:
    base = Pipeline(str(saved("sd")), FAST)
    for taste in (Taste(), Taste((("soft", 0.0),), (("loud", 0.0),))):
        model = load(f"diffusers:{saved('sd')}", taste, FAST)
        np.testing.assert_array_equal(pixels(model), pixels(base))
    assert (model.batch, model.seeded, model.prompted, model.notice) == (1, True, True, None)


def test_a_model_of_any_kind_can_be_told_words() -> None:
    gan = Path(__file__).parents[1] / "examples" / "models" / "scenes-gan"
    model = load(f"gan:{gan}", Taste((("on a black background", 1.0),)), Settings(device="cpu"))
    assert isinstance(model, PromptPersonalized)
    told = pixels(model, [Job("a red star", 1)])
    by_hand = pixels(model.base, [Job("a red star, on a black background", 1)])
    np.testing.assert_array_equal(told, by_hand)


# attention to pictures


class WrittenOut:
    """FABRIC's attention as a processor of diffusers, with every weight multiplied and rescaled.

    What a layer sees of the references is kept when they are read, `weights` being None.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self.seen: Any = None
        self.weights: tuple[float, float] | None = None

    def __call__(self, attn: Any, hidden: Any, *_: Any, **__: Any) -> Any:
        if self.weights is None:
            self.seen = hidden
            return self.attended(attn, hidden, hidden, torch.ones(hidden.shape[1]).double())
        rows = []
        for i, own in enumerate(hidden):
            some, weight = (
                (self.seen[: self.n], self.weights[0])
                if i >= len(hidden) // 2  # the prompt is heard
                else (self.seen[self.n :], self.weights[1])
            )
            beside = some.flatten(0, 1)
            m = torch.cat([torch.ones(len(own)), torch.full((len(beside),), weight)]).double()
            rows.append(self.attended(attn, own[None], torch.cat([own, beside])[None], m))
        return torch.cat(rows)

    @staticmethod
    def attended(attn: Any, own: Any, both: Any, m: Any) -> Any:
        q, k, v = (
            part.unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for part in (attn.to_q(own), attn.to_k(both), attn.to_v(both))
        )
        a = m * torch.exp(q @ k.transpose(-1, -2) * attn.scale)
        found = (a / a.sum(-1, keepdim=True) @ v).transpose(1, 2).flatten(2)
        return attn.to_out[0](found)


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_the_whole_loop_is_the_injected_attention_written_out(
    saved: Callable[[str], Path], family: str
) -> None:
    ours, plain = (Pipeline(str(saved(family)), FAST).opened.to(torch.float64) for _ in range(2))
    generator = torch.Generator().manual_seed(1)
    liked, disliked = (torch.randn(n, 4, 16, 16, generator=generator).double() for n in (2, 1))
    latents = torch.randn(2, 4, 16, 16, generator=generator).double()
    prompts, w, steps, weights = ["a red cat", "a dog"], 4.0, 3, (0.8, 0.5)
    asked = {"num_inference_steps": steps, "guidance_scale": w, "height": SIDE, "width": SIDE}
    with quietly():
        attention = Attention(ours, liked, disliked, encode(ours, ""), *weights)
        with attention:
            found = ours(prompts, latents=latents, output_type="latent", **asked).images
        without = ours(prompts, latents=latents, output_type="latent", **asked).images

    references = torch.cat([liked, disliked])
    noise = torch.randn(references.shape, generator=torch.Generator().manual_seed(0)).double()
    processors = {}
    for name, module in plain.unet.named_modules():
        if name.endswith("attn1"):
            processors[name] = module.processor = WrittenOut(len(liked))
    assert len(processors) >= 3

    def say(x: Any, t: Any, hidden: Any, pooled: Any) -> Any:
        sizes = torch.tensor([[SIDE, SIDE, 0, 0, SIDE, SIDE]]).double().expand(len(x), -1)
        added = None if pooled is None else {"text_embeds": pooled, "time_ids": sizes}
        return plain.unet(x, t, hidden, added_cond_kwargs=added)[0]

    def set_to(weights: tuple[float, float] | None) -> None:
        for processor in processors.values():
            processor.weights = weights

    scheduler = plain.scheduler
    with quietly(), torch.no_grad():
        scheduler.set_timesteps(steps)
        if family == "sd":
            own, empty = (torch.cat([encode(plain, p).hidden for p in ps])
                          for ps in (prompts, ["", ""]))  # fmt: skip
            heard, pooled = torch.cat([empty, own]), None
        else:
            said = [encode(plain, p) for p in prompts]
            heard = torch.cat([one.hidden for one in said])
            pooled = torch.cat([one.pooled for one in said])
            heard = torch.cat([torch.zeros_like(heard), heard])
            pooled = torch.cat([torch.zeros_like(pooled), pooled])
        nothing = encode(plain, "")
        rest = None if nothing.pooled is None else nothing.pooled.expand(3, -1)
        x = latents * scheduler.init_noise_sigma
        for i, t in enumerate(scheduler.timesteps):
            sigma = scheduler.sigmas[i] if family == "sdxl" else None
            if sigma is None:
                kept = scheduler.alphas_cumprod[t]
                seen = kept**0.5 * references + (1 - kept) ** 0.5 * noise
            else:
                seen = (references + sigma * noise) / (sigma**2 + 1) ** 0.5
            set_to(None)
            say(seen, t, nothing.hidden.expand(3, -1, -1), rest)
            share = 1.0 if i == 1 else 0.1  # the middle third of three steps
            set_to((share * weights[0], share * weights[1]))
            scaled = scheduler.scale_model_input(torch.cat([x, x]), t)
            u, c = say(scaled, t, heard, pooled).chunk(2)
            x = scheduler.step(u + w * (c - u), t, x, return_dict=False)[0]
    torch.testing.assert_close(found, x, atol=1e-5, rtol=1e-5)
    assert float((found - without).abs().mean()) > 1e-3


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_with_weights_0_it_is_the_base_bit_for_bit_and_else_moves_away(
    saved: Callable[[str], Path], pictures: list[Path], family: str
) -> None:
    base = Pipeline(str(saved(family)), FAST)
    liked, disliked = pictures[:2], pictures[2:]
    before = pixels(base)
    models = [Fabric(base, liked, disliked, *weights) for weights in ((0, 0), (1, 0), (1, 0.5))]
    made = [pixels(model) for model in models]
    np.testing.assert_array_equal(made[0], before)
    np.testing.assert_array_equal(pixels(Fabric(base)), before)
    assert all(np.abs(a - b).mean() > 0.05 for a, b in ((made[0], made[1]), (made[1], made[2])))
    np.testing.assert_array_equal(pixels(models[2]), made[2])
    np.testing.assert_array_equal(pixels(base), before)  # it is as it was
    assert not any(m._forward_pre_hooks for m in base.opened.unet.modules())
    assert len({model.digest for model in models}) == 3
    assert models[1].record()["fabric"]["weights"] == [1, 0]
    assert models[0].name == f"{family} + 2 liked, 1 disliked pictures"


def test_a_side_that_weighs_nothing_is_as_if_it_were_not_there(
    saved: Callable[[str], Path], pictures: list[Path]
) -> None:
    base = Pipeline(str(saved("sd")), FAST)
    found = [pixels(Fabric(base, pictures[:2], side, 1.0, 0.0)) for side in (pictures[2:], ())]
    assert np.abs(found[0] - found[1]).max() <= 1


def test_disliked_pictures_are_not_heard_without_guidance(
    saved: Callable[[str], Path], pictures: list[Path]
) -> None:
    base = Pipeline(str(saved("sd")), replace(FAST, guidance=1.0))
    assert np.abs(pixels(Fabric(base, (), pictures)) - pixels(base)).max() <= 1
    assert np.abs(pixels(Fabric(base, pictures)) - pixels(base)).mean() > 0.05


def test_the_pictures_decide(saved: Callable[[str], Path], pictures: list[Path]) -> None:
    base = Pipeline(str(saved("sd")), FAST)
    one, other = (pixels(Fabric(base, [picture])) for picture in pictures[:2])
    assert np.abs(one - other).mean() > 0.05


def test_what_has_no_unet_and_what_is_no_weight_are_refused(
    saved: Callable[[str], Path], pictures: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"sd3 \(StableDiffusion3Pipeline\) has no U-Net"):
        Fabric(Pipeline(str(saved("sd3")), FAST), pictures)
    base = Pipeline(str(saved("sd")), FAST)
    for weight in (-1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="a number from 0 on"):
            Fabric(base, pictures, weight=weight)
    (tmp_path / "x.png").write_text("no picture")
    with pytest.raises(UsageError, match=r"x\.png"):
        Fabric(base, [tmp_path / "x.png"]).make(JOBS)
