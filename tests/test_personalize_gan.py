"""GANs in training: what each network is asked for, kept at levels, continued bit for bit."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file
from torch.nn import functional

import tiny_gans
from finexl.errors import UsageError
from finexl.generators import Job, Settings
from finexl.generators.gan import load
from finexl.generators.gans import folder as folders
from finexl.personalize import adversarial, scenes
from finexl.personalize.examples import read_examples
from finexl.personalize.gan import BETAS, trainee, unlike
from finexl.personalize.recipe import Recipe
from finexl.personalize.training import Trained, personalize

SETTINGS = Settings(device="cpu")
SHIPPED = Path(__file__).parents[1] / "examples" / "models" / "scenes-gan"
ONE_STAGE = {**tiny_gans.CONTROLGAN, "stages": 1}
CAPTIONS = ("a red cat", "a blue cat on a mat", "a mat")


def images(folder: Path) -> Path:
    folder.mkdir(parents=True)
    rows = []
    for i, caption in enumerate(CAPTIONS):
        pixels = np.random.default_rng(i).integers(0, 255, (20, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
        rows.append(json.dumps({"file": f"{i}.png", "prompt": caption}))
    (folder / "manifest.jsonl").write_text("\n".join(rows))
    return folder


def trained(
    base: Path, out: Path, levels: tuple[int, ...], rate: float = 1e-3, **more: Any
) -> Trained:
    if not (out.parent / "images").exists():
        images(out.parent / "images")
    examples = read_examples([str(out.parent / "images")])
    recipe = Recipe(method="full", levels=levels, batch=3, learning_rate=rate)
    return personalize(f"gan:{base}", examples, recipe, out, SETTINGS, **more)


def weights(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*.safetensors"))
        if path.name != "state.safetensors"
    }


def moved(folder: Path, base: Path, file: str) -> dict[str, float]:
    """Return how far each tensor is from the base's."""
    now, before = load_file(folder / file), load_file(base / file)
    assert list(now) == list(before)
    return {name: float(np.abs(now[name] - before[name]).max(initial=0)) for name in now}


# the loop


@pytest.mark.parametrize("said", [tiny_gans.CONDITIONAL, ONE_STAGE], ids=["ours", "controlgan"])
def test_broken_off_and_continued_it_is_bit_for_bit_the_same(
    tmp_path: Path, said: Mapping[str, Any]
) -> None:
    base = tiny_gans.save(tmp_path / "base", said)
    whole = trained(base, tmp_path / "whole", (1, 2, 6))
    assert len(whole.losses) == 6

    def die(_: str, done: int, __: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(base, tmp_path / "broken", (1, 2, 6), progress=die)
    again = trained(base, tmp_path / "broken", (1, 2, 6))
    assert again.losses == whole.losses[2:]
    assert weights(tmp_path / "broken") == weights(tmp_path / "whole")
    assert len({weights(tmp_path / "whole")[f"step-00000{i}/model.safetensors"] for i in (1, 2, 6)})


@pytest.mark.parametrize("said", [tiny_gans.CONDITIONAL, ONE_STAGE], ids=["ours", "controlgan"])
def test_each_level_is_a_model_and_everything_in_it_is_trained_but_a_text_encoder(
    tmp_path: Path, said: Mapping[str, Any]
) -> None:
    base = tiny_gans.save(tmp_path / "base", said)
    done = trained(base, tmp_path / "out", (1, 8))
    assert done.levels[8] == f"gan:{tmp_path / 'out' / 'step-000008'}"
    level = tmp_path / "out" / "step-000008"
    for file in (folders.MODEL, folders.DISCRIMINATOR):
        found = moved(level, base, file)
        still = {name for name, by in found.items() if by == 0}
        # no picture's caption has that word
        assert not still, still
    if said is ONE_STAGE:
        assert set(moved(level, base, "text_encoder.safetensors").values()) == {0.0}
        counted = load_file(level / folders.MODEL)["h_net1.fc.1.num_batches_tracked"]
        assert counted == 8
    job = [Job("a red cat", 0)]
    pictures = []
    for reference in (f"gan:{base}", *done.levels.values()):
        (made,) = load(reference, SETTINGS).make(job)
        pictures.append(np.asarray(made.image, float))
    first, last = (np.abs(one - pictures[0]).mean() for one in pictures[1:])
    assert 0 < first < last


def test_a_level_is_a_base_to_train_further_and_its_discriminator_goes_with_it(
    tmp_path: Path,
) -> None:
    base = tiny_gans.save(tmp_path / "base")
    trained(base, tmp_path / "out", (2,))
    level = tmp_path / "out" / "step-000002"
    network = folders.discriminator(folders.checked(level), seed=0)
    held = load_file(level / folders.DISCRIMINATOR)
    assert all(np.array_equal(held[k], v.numpy()) for k, v in network.state_dict().items())
    trained(level, tmp_path / "further", (1,))


def test_without_a_discriminator_a_fresh_one_is_drawn_from_the_seed(tmp_path: Path) -> None:
    base = tiny_gans.save(tmp_path / "base")
    (base / folders.DISCRIMINATOR).unlink()
    config = folders.checked(base)
    one, same, other = (folders.discriminator(config, seed).alone.weight for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    before = torch.random.get_rng_state()
    folders.discriminator(config, 3)
    assert torch.equal(before, torch.random.get_rng_state())
    assert len(trained(base, tmp_path / "out", (2,)).losses) == 2


def test_both_networks_are_moved_by_adam_as_gans_are(tmp_path: Path) -> None:
    base = tiny_gans.save(tmp_path / "base")
    examples = read_examples([str(images(tmp_path / "images"))])
    recipe = Recipe(method="full", batch=2)
    _, player = trainee(str(base), examples, recipe, SETTINGS)
    kinds = [type(one).__name__ for one in player.optimizers]
    assert kinds == ["Adam", "Adam"]
    for optimizer in player.optimizers:
        assert optimizer.defaults["betas"] == BETAS == (0.5, 0.999)
    assert [one.defaults["lr"] for one in player.optimizers] == [1e-4, 4e-4]
    owned = sum(len(o.param_groups[0]["params"]) for o in player.optimizers)
    assert owned == len(player.trained)


def test_the_discriminator_learns_to_tell_and_the_generator_to_fool(tmp_path: Path) -> None:
    """On one picture, the generator's pictures come nearer to it."""
    base = tiny_gans.save(tmp_path / "base", {**tiny_gans.CONDITIONAL, "anchor": 0})
    folder = tmp_path / "images"
    folder.mkdir()
    Image.new("RGB", (16, 16), (230, 40, 40)).save(folder / "0.png")
    (folder / "0.txt").write_text("a red cat")
    done = trained(base, tmp_path / "out", (1, 120), rate=2e-3)
    far = []
    for reference in done.levels.values():
        made = load(reference, SETTINGS).make([Job("a red cat", seed) for seed in range(8)])
        pictures = np.stack([np.asarray(one.image, float) for one in made])
        far.append(np.abs(pictures - (230, 40, 40)).mean())
    assert far[1] < 0.6 * far[0]


# what cannot be trained


def test_what_cannot_be_trained_is_said(tmp_path: Path) -> None:
    base = tiny_gans.save(tmp_path / "base")
    net = tiny_gans.save_onnx(tmp_path / "net.onnx")
    full = Recipe(method="full", batch=2)
    half = Settings(device="cpu", dtype="float16")
    for reference, recipe, settings, said in (
        (str(base), Recipe(method="lora", batch=2), SETTINGS, r"trained as a whole .*not by lora"),
        (str(base), Recipe(method="full"), SETTINGS, "give a batch of 8 or 16"),
        (str(net), full, SETTINGS, "cannot be trained; give a GAN's folder"),
        (str(base), full, half, "trained in float32, not in float16"),
        (str(base), Recipe(method="full", batch=2, size=32), SETTINGS, "images of 16 pixels"),
    ):
        with pytest.raises(UsageError, match=said):
            trainee(reference, [], recipe, settings)
    with pytest.raises(UsageError, match=r"base cannot be opened on cuda:99: \w"):
        trainee(str(base), [], full, Settings(device="cuda:99"))


# what the networks are asked for


class Linear:
    """A discriminator whose logits are sums of pixels, and of pixels times the condition."""

    def __init__(self, slope: float) -> None:
        self.slope = slope

    def features(self, pictures: Any) -> Any:
        return [one.flatten(1).sum(1) * self.slope for one in pictures]

    def verdicts(self, features: Any, condition: Any) -> Any:
        return [(one, one * condition[0] if condition else None) for one in features]


def test_the_losses_are_those_of_the_equations() -> None:
    torch.manual_seed(0)
    real, fake = torch.randn(4, 3, 2, 2).double(), torch.randn(4, 3, 2, 2).double()
    c = torch.tensor([1.0, -1.0, 2.0, 0.5]).double()
    judge = Linear(0.3)
    rivals = torch.tensor([[1, 2], [0, 3], [2, 0], [3, 3]])

    def p(x: torch.Tensor, times: Any = 1.0) -> torch.Tensor:
        return torch.sigmoid(x.flatten(1).sum(1) * 0.3 * times)

    wrong = 0.0
    for row in range(4):
        for other in rivals[row].tolist():
            if other != row:
                wrong -= float(torch.log(1 - p(real, c[other])[row])) / (2 * 4)
    wanted = (
        -0.5 * (p(real).log().mean() + p(real, c).log().mean())
        - ((1 - p(fake)).log().mean() + (1 - p(fake, c)).log().mean()) / 3
        + wrong / 3
    )
    found = adversarial.discriminator_loss(judge, [real], [fake], (c,), rivals)
    assert float(found) == pytest.approx(float(wanted), rel=1e-9)
    mine = adversarial.generator_loss(judge, [fake], (c,))
    assert float(mine) == pytest.approx(float(-(p(fake).log() + p(fake, c).log()).mean()))
    alone = adversarial.discriminator_loss(judge, [real], [fake], (), rivals)
    assert float(alone) == pytest.approx(
        float(-(p(real).log() + (1 - p(fake)).log()).mean()), rel=1e-9
    )


def test_the_penalty_is_half_the_squared_slope() -> None:
    real = [torch.randn(5, 3, 2, 2).double(), torch.randn(5, 3, 4, 4).double()]
    c = torch.full((5,), 2.0).double()
    found = adversarial.gradient_penalty(Linear(0.3), real, (c,))
    assert float(found) == pytest.approx((12 + 48) * (0.3 * 2) ** 2 / 2)
    assert float(adversarial.gradient_penalty(Linear(0.3), real, ())) == pytest.approx(
        (12 + 48) * 0.3**2 / 2
    )


def test_rivals_are_the_one_before_and_those_most_alike() -> None:
    captions = ["a red cat", "a blue dog", "a red dog", "A red cat", "one two", "a red fish"]
    rows = adversarial.rivals_of(captions).tolist()
    assert rows[0][0] == 5
    assert set(rows[0][1:]) <= {2, 5}
    assert rows[1][:2] == [0, 2]
    assert rows[4] == [3, 0, 1]
    for row, found in enumerate(rows):
        assert all(captions[i].lower() != captions[row].lower() for i in found)
    assert adversarial.rivals_of(["x", "x"]).tolist() == [[0] * 3, [1] * 3]


@pytest.mark.parametrize(
    ("conditioning", "captions"),
    [
        ("class", ["a photo of a cat", "one dog", "the Cat, running", "my house cat"]),
        ("text", ["a red cat", "a blue cat", "A red cat, of wool!", "a cat red"]),
    ],
)
def test_captions_that_ask_for_the_same_are_no_rivals(
    tmp_path: Path, conditioning: str, captions: list[str]
) -> None:
    said = {**tiny_gans.CONDITIONAL, "conditioning": conditioning, "classes": tiny_gans.CLASSES}
    config = folders.checked(tiny_gans.settings(tmp_path / "c", said))
    rows = adversarial.rivals_of(captions, config.read_by(captions)).tolist()
    # the first and the third ask for the same, and all others for something else
    assert set(rows[0]) == set(rows[2]) == {1, 3}
    assert all(row not in found for row, found in enumerate(rows))
    assert [row[0] for row in rows] == [3, 0, 1, 2]


def test_where_captions_ask_for_different_things_their_words_choose_as_ever() -> None:
    captions = [scenes.caption(scenes.SCENES[(37 * i) % 216]) for i in range(12)]
    config = folders.checked(SHIPPED)
    read = config.read_by([*captions, captions[3]])
    alone = adversarial.rivals_of([*captions, captions[3]])
    assert (adversarial.rivals_of([*captions, captions[3]], read) == alone).all()


def test_a_step_shows_pictures_with_what_other_classes_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {**tiny_gans.CONDITIONAL, "conditioning": "class"}
    base = tiny_gans.save(tmp_path / "base", {**said, "classes": {"cat": 0, "mat": 0}})
    examples = read_examples([str(images(tmp_path / "images"))])
    _, player = trainee(str(base), examples, Recipe(method="full", batch=4), SETTINGS)
    seen: list[Any] = []
    inner = adversarial.discriminator_loss

    def watched(judge: Any, real: Any, fake: Any, condition: Any, rivals: Any) -> Any:
        seen.append(rivals.tolist())
        return inner(judge, real, fake, condition, rivals)

    monkeypatch.setattr(adversarial, "discriminator_loss", watched)
    assert np.isfinite(player.step(0))
    assert seen == [[[row] * adversarial.RIVALS for row in range(4)]]


def test_a_base_whose_path_has_a_plus_is_trained(tmp_path: Path) -> None:
    base = tiny_gans.save(tmp_path / "a+b@2")
    done = trained(base, tmp_path / "out", (1,))
    assert load(done.levels[1], SETTINGS).prompted


def test_a_step_down_one_networks_loss_leaves_the_others_weights_alone() -> None:
    a, b = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    before = b.weight.clone()
    loss = functional.mse_loss(a(torch.ones(1, 2)) + b(torch.ones(1, 2)), torch.ones(1, 1))
    start = a.weight.detach().clone()
    adversarial.descend(loss, torch.optim.SGD(a.parameters(), lr=0.1))
    slope = 2 * (a.bias.new_tensor(math.sqrt(float(loss.detach()))))
    assert torch.equal(b.weight, before)
    assert b.weight.grad is None
    assert float((a.weight.detach() - start).abs().max()) == pytest.approx(
        float(0.1 * slope), rel=1e-4
    )


def test_pictures_are_alike_whatever_their_contrast_and_fine_stripes() -> None:
    torch.manual_seed(0)
    coarse = torch.rand(2, 3, 8, 8).double()
    one = functional.interpolate(coarse, scale_factor=4)
    stripes = torch.tensor([1.0, 0.0, 0.0, 1.0]).repeat(8)[:, None].double()
    striped = one + 0.75 * stripes * (-0.9 - one)
    assert float(unlike(one, striped)) == pytest.approx(0, abs=1e-12)
    a, b = coarse[0].flatten().numpy(), coarse[1].flatten().numpy()
    wanted = 1 - np.corrcoef(a, b)[0, 1]
    assert float(unlike(one[:1], one[1:])) == pytest.approx(wanted, rel=1e-9)


def test_the_anchor_is_the_base_and_moves_with_no_step(tmp_path: Path) -> None:
    base = tiny_gans.save(tmp_path / "base")
    examples = read_examples([str(images(tmp_path / "images"))])
    recipe = Recipe(method="full", batch=3, learning_rate=1e-2)
    source, player = trainee(str(base), examples, recipe, SETTINGS)
    assert source.config.amount("anchor", 10) == 1
    player.step(0)
    assert player.base is not None
    held = load_file(base / folders.MODEL)
    assert all(np.array_equal(held[k], v.numpy()) for k, v in player.base.state_dict().items())
    free = tiny_gans.save(tmp_path / "free", {**tiny_gans.CONDITIONAL, "anchor": 0})
    assert trainee(str(free), examples, recipe, SETTINGS)[1].base is None
